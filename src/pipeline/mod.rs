//! The only place that knows every stage: builds them, connects them, lets them run, drains them.

mod backfill;
pub(crate) mod inputs;
pub(crate) mod learned;
pub(crate) mod learning;
pub(crate) mod run;
mod sent_before;
mod shipping;
pub(crate) mod span_lookups;
#[cfg(test)]
mod tests;

pub use backfill::{Finished, backfill};
