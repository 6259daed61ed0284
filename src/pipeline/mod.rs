//! The only place that knows every stage: builds them, connects them, lets them run, drains them.

mod agent;
mod backfill;
mod given_spans;
pub(crate) mod inputs;
mod lanes;
pub(crate) mod learned;
pub(crate) mod learning;
mod loaded_spans;
pub(crate) mod run;
mod sent_before;
mod shipping;
mod shipping_in_windows;
mod shown_spans;
pub(crate) mod span_lookups;
mod tap_requests;
#[cfg(test)]
mod tests;
mod unchanged;
mod windows;

pub use agent::{Command, agent};
pub use backfill::{Finished, backfill};
pub use lanes::AgentEnd;
