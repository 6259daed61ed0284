//! The only place that knows every stage: builds them, connects them, lets them run, drains them.

mod backfill;
mod error;
pub(crate) mod inputs;
mod known_files;
pub(crate) mod learned;
pub(crate) mod learning;
pub(crate) mod run;
mod sent_before;
mod shipping;
pub(crate) mod span_lookups;
#[cfg(test)]
mod tests;

pub use backfill::{Finished, backfill};
pub use error::PipelineError;
