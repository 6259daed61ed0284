//! What stands in lines of any format: levels, numbers, quotes, brackets, terminal sequences.
//!
//! In goes text, out come its parts. No format, and no time, is known here.

pub mod ansi;
pub(crate) mod lanes;
pub(crate) mod levels;
pub(crate) mod parts;
pub mod quote;
pub(crate) mod short_search;
pub mod value;
