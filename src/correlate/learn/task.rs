//! What is done with lines: data only.

use super::due_lines::DueLines;
use super::stream_state::Sample;

/// How far a stream has come, ns since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// Lines up to here are decided.
    pub(crate) due: i64,
    /// Lines are kept so long at most, and requests that were silent so long are over, ns.
    pub(crate) memory: i64,
    /// Half of what was learned is forgotten in each, ns.
    pub(crate) half_life: i64,
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task<'s> {
    /// All are decided, by what all of them teach.
    Whole,
    /// Those that are due of a stretch of time are decided, by what they and those before teach: all lines and spans of it are
    /// there.
    Window(Progress),
    /// Those of a sample are learned from.
    Learn(Progress, &'s Sample),
    /// Those of a stream that are due are decided by what was learned.
    Decide(Progress, &'s DueLines),
}
