//! Likelihood ratios of pairs that stay the same in all later rounds: each file takes posteriors of the first rounds and
//! returns factors per template or pair.

pub(crate) mod adjacent_lines;
pub(crate) mod by_trace;
pub(crate) mod concurrency;
pub(crate) mod end_counts;
pub(crate) mod lateness;
pub(crate) mod shared_words;
pub(crate) mod threads;
