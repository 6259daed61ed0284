//! What each command does, with what it tells the user at its end.

pub mod backfill;
pub mod convert;
pub mod explain;
mod progress;
mod remedy;
pub mod score;
pub mod status;
