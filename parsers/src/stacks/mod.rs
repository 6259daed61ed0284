//! Lines of stack traces and crash reports, by their looks alone.
//!
//! In goes one line, out comes whether it is such a line.

pub(crate) mod crashes;
pub mod frames;
