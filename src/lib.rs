//! spanline: plain logs, lined up with the traces they belong to.

pub mod export;
pub mod otlp;
pub mod record;
