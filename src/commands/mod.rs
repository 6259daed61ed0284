//! The commands: which inputs, span sources and outputs each connects.

pub mod convert;
pub mod explain;
pub mod score;
mod summary;
