//! What leaves: records and their links as JSON, OTLP/JSON, logfmt, or text for people; and as OTLP, delivered.
//!
//! Every writer appends to a buffer and takes its attributes from [`fields`], so that a record has the same ones, by the
//! same names, wherever it goes.

pub mod annotate;
pub mod annotated_traces;
pub mod batch;
pub mod carrier_batches;
pub mod carriers;
pub mod config;
pub mod connecting;
pub mod deliver;
pub mod deliveries;
pub mod destination;
pub mod encode;
pub mod event_bytes;
pub mod event_name;
mod failure_counts;
mod failures;
pub mod fields;
pub mod given_traces;
pub mod held_events;
pub mod job;
pub mod json;
pub mod links;
pub mod local;
pub mod logfmt;
pub mod logs;
pub mod otlp_json;
pub mod outputs;
mod pace;
pub mod resource;
pub mod retry;
#[cfg(test)]
mod samples;
mod seen_spans;
pub mod select;
pub mod ship;
pub mod span_batches;
pub mod span_event;
pub mod span_stream;
pub mod spans_json;
pub mod spell;
pub mod standing;
pub mod stored_events;
pub mod takers;
pub mod terminal;
pub mod text;
pub mod text_fields;
pub mod trace_view;
pub mod uid;
mod unproven;
pub mod writers;

pub use batch::{Batch, Group};
pub use deliver::Deliver;
pub use job::Options;
pub use ship::{Event, Parcel, Summary};

/// Name of the instrumentation scope of all that is sent.
pub const SCOPE_NAME: &str = "spanline";
/// Its version.
pub const SCOPE_VERSION: &str = env!("CARGO_PKG_VERSION");
