//! Lines that name their request, and which call of a method each request is.
//!
//! In go the lines that have one id, or tell when their call began, and the spans of that method; out come spans with
//! probabilities: by their times one to one (`matching`), by their order where times are rounded (`rounded`, `sequence`).

pub(crate) mod crio;
mod matching;
pub(crate) mod position;
mod rounded;
mod sequence;
pub(crate) mod timed_calls;
