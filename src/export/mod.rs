//! From records to destinations.

pub mod batch;
pub mod deliver;
pub mod retry;
pub mod ship;

pub use batch::{Batch, Group};
pub use deliver::{Deliver, Options};
pub use ship::{Event, Parcel, Summary};
//! What leaves: records and their links as JSON, OTLP/JSON, logfmt, or text for people.
//!
//! Every writer appends to a buffer and takes its attributes from [`fields`], so that a record has the same ones, by the
//! same names, wherever it goes.

pub mod fields;
pub mod json;
pub mod logfmt;
pub mod otlp_json;
pub mod resource;
#[cfg(test)]
mod samples;
pub mod spell;
pub mod terminal;
pub mod text;
pub mod trace_view;
