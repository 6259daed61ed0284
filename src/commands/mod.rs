//! The commands: what each does and prints, and its exit code.

pub mod agent;
pub mod backfill;
pub mod convert;
pub mod explain;
pub mod flags;
pub mod man;
mod progress;
mod remedy;
mod rules;
pub mod score;
pub mod status;
