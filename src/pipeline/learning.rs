//! How sources are read to learn what belongs together.

use crate::checkpoint::acknowledged::Acknowledged;
use crate::run::config::BackfillConfig;

/// A longer line may not fit into what waits, whatever the memory.
const LINE_BYTES_MAX: usize = 256 << 20;

/// Whether more lines and spans than the memory holds are in hand a window of time after the other: a line that a window has
/// no room for cannot wait for its link.
pub(super) fn may_be_in_windows(config: &BackfillConfig) -> bool {
    config.read.input.limits.line_bytes <= config.read.memory.held_bytes.min(LINE_BYTES_MAX)
}

/// How sources are read to learn what belongs together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Learning<'a> {
    /// The evidence for explanations is kept.
    pub(crate) keeps_evidence: bool,
    /// Threads that read.
    pub(crate) workers: usize,
    /// Whether more than the memory holds is linked a window of time after the other.
    pub(crate) in_windows: bool,
    /// What earlier runs sent, where lines are to be sent.
    pub(crate) acknowledged: Option<&'a Acknowledged>,
}
