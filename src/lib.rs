//! spanline: plain logs, lined up with the traces they belong to.

pub mod cli;
pub mod correlate;
pub mod input;
pub mod record;
pub mod spans;
