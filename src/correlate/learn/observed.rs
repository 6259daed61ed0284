//! What is known of lines besides their candidates: data only.
//!
//! The engine fills it, the association and its factors read it.

use super::earlier_lines::EarlierLines;
use super::lines::Lines;
use super::operations::Operations;
use super::request_keys::Agreement;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observed<'a> {
    pub(crate) lines: &'a Lines,
    pub(crate) operations: &'a Operations,
    /// Lines that rules have settled, with their trace.
    pub(crate) settled: &'a [(u32, u32)],
    /// Words that are kept.
    pub(crate) words_max: usize,
    /// How well the values of keys agreed on a trace before, in a stream.
    pub(crate) agreement_before: Option<&'a Agreement>,
    /// What lines that are decided told of requests, in a stream.
    pub(crate) earlier: Option<&'a EarlierLines>,
}
