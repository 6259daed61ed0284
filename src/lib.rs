//! spanline: plain logs, lined up with the traces they belong to.

pub mod cli;
pub mod export;
pub mod input;
pub mod record;
