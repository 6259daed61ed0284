//! spanline: plain logs, lined up with the traces they belong to.

pub mod assemble;
pub mod calendar;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod config;
pub mod correlate;
pub mod counted;
pub mod decode;
pub mod export;
pub mod facts;
pub mod files;
pub mod input;
pub mod notify;
pub mod otlp;
pub mod pipeline;
pub mod record;
pub mod services;
pub mod spans;
pub mod unpack;
