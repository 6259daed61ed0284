//! Records as OTLP log records, in batches.
//!
//! In go records with their links and writers, out come encoded batches with receipts. Nothing is sent here.

pub mod added_links;
pub mod batcher;
pub mod encode;
pub mod uid;
pub mod writers;
