//! What leaves: records and their links as JSON, OTLP/JSON, logfmt, or text for people; and as OTLP, delivered.
//!
//! [`shipper`] gives each record to every output with its link, which comes from whoever finds links ([`linker`]).
//! [`select`] says which records and traces go out, [`logs`] makes OTLP log records of them and [`span_events`] events on
//! their spans, [`formats`] writes text and JSON, [`deliver`] sends batches to destinations. Every writer appends to a
//! buffer and takes its attributes from [`fields`], so that a record has the same ones, by the same names, wherever it
//! goes.

pub mod batch;
pub mod config;
pub mod deliver;
pub mod destination;
pub mod fields;
pub mod formats;
pub mod linker;
pub mod logs;
pub mod outputs;
pub mod resource;
#[cfg(test)]
mod samples;
pub mod scope;
pub mod select;
pub mod sent_before;
pub mod shipped_source;
pub mod shipper;
pub mod sinks;
pub mod span_events;
pub mod spell;
pub mod text_view;
