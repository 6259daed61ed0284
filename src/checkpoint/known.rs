//! What is known of a stream before its records are read.
//!
//! Values only: they are put together from what earlier runs settled, and tell whether a record need be sent.

use super::ranges::Ranges;
use super::small_map::SmallMap;

/// What a destination has settled of one stream of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// What need not be sent.
    pub ranges: Ranges,
    /// Of it, what was sent without traces.
    pub untraced: Ranges,
    /// Of it, what was refused.
    pub refused: Ranges,
}

impl Known {
    /// Whether a receipt for records around this one, which is not sent, must not reach over it: it would take it for one of
    /// those that this run sends.
    pub fn is_apart(&self, offset: u64, traced: bool) -> bool {
        self.untraced.contains(offset) == traced || self.refused.contains(offset)
    }
}

/// A stream of a file: the key in its receipts, and what is known of it.
#[derive(Debug, Clone, Default)]
pub struct KnownStream {
    /// [`Receipt::source`].
    pub index: u32,
    /// By destination.
    pub settled: Vec<Option<Known>>,
    /// Records that go on in the next file: see [`super::ledger::Stream::joined`].
    pub joined: SmallMap<u64, u64>,
}
