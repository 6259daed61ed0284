//! The only place that knows every stage: builds them, connects them, lets them run, drains them.

mod backfill;
mod carrier_parents;
mod error;
mod held;
pub(crate) mod inputs;
pub(crate) mod learned;
pub(crate) mod learning;
mod line_times;
pub(crate) mod run;
pub mod ship;
pub mod source_state;
pub(crate) mod span_lookups;
#[cfg(test)]
mod tests;
pub(crate) mod traces_with_errors;

pub use backfill::{Finished, backfill};
pub use error::PipelineError;
