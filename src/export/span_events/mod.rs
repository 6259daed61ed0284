//! Records as events of their spans, and as small child spans (carriers) where a span cannot take them.
//!
//! In go records with their links and the traces that were given, out come the traces with events on them, and carriers.
//! Nothing is sent here but through a sink.

pub mod annotate;
pub mod annotated_traces;
pub mod carrier_batches;
pub mod carrier_parents;
pub mod carriers;
pub mod event;
pub mod event_bytes;
mod event_log;
pub mod event_name;
pub mod given_traces;
pub mod held_events;
mod seen_spans;
pub mod span_batches;
pub mod span_stream;
pub mod stored_events;
