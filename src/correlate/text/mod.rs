//! What is learned from the text of lines and attributes: numbers, never text.
//!
//! In go bytes, out come hashes of words and of keys with their values, durations, and the numbers of a line's template.
//! Nothing is kept or looked up here.

pub(crate) mod hash;
pub(crate) mod templates;
pub(crate) mod words;
