//! systemd's journal, from its own files.
//!
//! In goes a file, out come its entries as a stream of [frames](spanline_parsers::journal_frames), which is read like any
//! other log: each entry with its fields as they stand in the file, in their order. Which entries are wanted is told by a
//! [`query::JournalQuery`], and found by the file's own index where that serves. Of a damaged or cut file comes what can be
//! read, and how much could not. What the fields mean, and what becomes of the entries, is not known here.

pub mod follow;
pub mod query;
pub mod sink;
pub mod start;
pub mod stream;

mod cursor;
mod file;
mod index;
mod listing;
mod names;
mod numbering;
mod open_file;
mod payload;
mod places;
mod scan;
mod windows;

pub use names::family;

#[cfg(test)]
mod tests;
