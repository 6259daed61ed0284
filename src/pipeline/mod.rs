//! The only place that knows every stage: builds them, connects them, lets them run, drains them.

mod backfill;
mod carriers;
pub mod config;
pub mod deliveries;
mod error;
pub(crate) mod failing;
mod gather;
mod given;
pub(crate) mod inputs;
pub(crate) mod learned;
pub(crate) mod learning;
mod line_times;
mod link_counts;
pub mod monitor;
mod no_span;
mod once;
pub(crate) mod only;
mod outcome;
mod outputs;
mod progress;
mod reach;
mod recall;
mod recognise;
pub(crate) mod run;
pub mod ship;
mod show;
pub mod source;
pub mod traces;
mod unmet;
mod writers;

pub use backfill::backfill;
pub use error::PipelineError;
pub use outcome::{Outcome, exit_code};
