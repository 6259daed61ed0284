//! spanline: plain logs, lined up with the traces they belong to.

pub mod assemble;
pub mod calendar;
pub mod checkpoint;
pub mod cli;
pub mod decode;
pub mod input;
pub mod record;
