//! Batches to destinations over the network: sent, retried, split, held back, dropped on purpose or left for another run.
//!
//! In go batches through bounded channels, out come receipts of what was taken and a summary of each destination. What a
//! batch holds is not known here.

pub mod connecting;
pub mod deliveries;
mod failure_counts;
mod failures;
pub mod job;
mod pace;
pub mod parcel;
mod refusals;
pub mod retry;
pub mod status;
pub mod task;
mod unproven;
