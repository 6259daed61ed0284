//! How sources are read to learn what belongs together.

use crate::checkpoint::acknowledged::Acknowledged;
use crate::export::destination::Destination;
use crate::export::select::Condition;
use crate::run::config::BackfillConfig;

/// A longer line may not fit into what waits, whatever the memory.
const LINE_BYTES_MAX: usize = 256 << 20;

/// What may be in hand a window of time after the other: whoever needs all at once at the end cannot have it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InWindows {
    /// Nothing.
    Nothing,
    /// Lines.
    Lines,
    /// Lines, and the spans that they are linked to.
    LinesAndSpans,
}

impl InWindows {
    /// In a backfill. Text shows all lines of a trace together, and which traces have a line with an error is known when all
    /// lines are.
    pub(super) fn of(config: &BackfillConfig) -> InWindows {
        let shows_text = config.destinations.iter().any(|destination| matches!(destination, Destination::Text));
        let asks_for_spans = |condition: &Condition| matches!(condition, Condition::Span(_));
        // A line that a window has no room for cannot wait for its link.
        let holds_each = config.read.input.limits.line_bytes <= config.read.memory.held_bytes.min(LINE_BYTES_MAX);
        if shows_text && !config.dry_run || config.select.asks_for_errors() || !holds_each {
            InWindows::Nothing
        } else if config.select.only.iter().any(asks_for_spans) {
            InWindows::Lines
        } else {
            InWindows::LinesAndSpans
        }
    }
}

/// How sources are read to learn what belongs together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Learning<'a> {
    /// The evidence for explanations is kept.
    pub(crate) keeps_evidence: bool,
    /// Threads that read.
    pub(crate) workers: usize,
    /// Whether more than the memory holds is linked a window of time after the other.
    pub(crate) in_windows: InWindows,
    /// What earlier runs sent, where lines are to be sent.
    pub(crate) acknowledged: Option<&'a Acknowledged>,
}
