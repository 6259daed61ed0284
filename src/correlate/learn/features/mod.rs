//! What line and span have in common, looked up in tables that are made once: distances to edges, words, durations, known
//! lines next to the line. Nothing is weighed here.

pub(crate) mod edges;
pub(crate) mod open_spans;
pub(crate) mod settled_lines;
pub(crate) mod tables;
pub(crate) mod trace_words;
