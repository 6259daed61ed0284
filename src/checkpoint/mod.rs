//! What each destination has acknowledged: kept as ranges, written safely, read again by the next run.
//!
//! In go files' bytes and ranges that were delivered or dropped on purpose, out comes the answer whether a record need not be
//! sent again. Formats and the network are not known here.

pub mod acknowledged;
mod bytes;
mod earlier_versions;
mod entries;
pub mod folder;
pub mod followed_files;
mod frames;
pub mod groups;
pub mod known;
pub mod learned_file;
pub mod ledger;
pub mod marks;
mod numbers;
mod outlines;
pub mod positions;
pub mod ranges;
pub mod recognise;
pub mod saver;
pub mod small_map;
pub mod source_files;
pub mod source_streams;
pub mod store;
pub mod streams;
pub mod trace_files;
mod unsaved;
pub mod version_1;
mod versions;
