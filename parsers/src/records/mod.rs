//! Which lines make one record.
//!
//! In goes one line after the other, out comes whether it begins a record, goes on one, or waits for what follows it.

pub mod continuation;
pub(crate) mod lookahead;
pub(crate) mod record_start;
