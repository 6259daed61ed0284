//! How far files are delivered that are followed as they are written: where reading goes on after a restart, and what behind
//! that need not be sent again.
//!
//! In go places that were read, records that were handed out and receipts of what was settled, out comes what is to be
//! written down. One destination has one ledger. Files are not read here, and nothing is sent.

pub mod disk;
pub mod entry;
pub mod file;
pub mod journal;
pub mod outstanding;
pub mod record_streams;
pub mod table;
