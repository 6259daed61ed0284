//! Where lines come from: files found under paths, read as chunks of whole lines with their positions.
//!
//! Nothing here parses: a chunk is bytes, an offset and a line number. Where its lines go is not known either.

pub mod archive;
pub mod config;
pub mod content;
pub mod discover;
mod folder;
mod guess;
pub mod journal;
mod look;
pub mod names;
pub mod open;
pub mod read;
pub mod sniff;
pub mod sources;
pub mod tail;
pub mod temporary;
pub mod trees;
pub(crate) mod why_no_span;
pub mod writers;
