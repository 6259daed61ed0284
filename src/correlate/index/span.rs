//! A span as the index keeps it, and how much it keeps: data only.
//!
//! Names, scopes and resources are numbers of the index's tables; a slot is a span's place among those that are kept, until
//! the oldest are dropped. How spans are found is told by `span_index`.

use crate::correlate::text::hash::fold;
use crate::facts::{Kind, SpanFact};

/// A span's place in the index; another one after each eviction.
pub type Slot = u32;

/// No span.
pub(crate) const NONE: Slot = Slot::MAX;
/// In a stream no time is so far ahead of the oldest that is kept, unless a clock is.
pub(crate) const AHEAD_NS: i64 = 6 * 3_600_000_000_000;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Spans.
    pub spans_max: usize,
    /// Bytes of everything that is kept.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { spans_max: 8 << 20, bytes_max: 2 << 30 }
    }
}

/// What was taken in, and what was not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Spans in the index.
    pub spans: u64,
    /// Spans that came again.
    pub duplicates: u64,
    /// Spans evicted at a limit.
    pub evicted: u64,
}

/// A span as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Trace id.
    pub trace_id: [u8; 16],
    /// Span id.
    pub span_id: [u8; 8],
    /// Parent's id, zero for a root.
    pub parent_id: [u8; 8],
    /// ns since the epoch.
    pub start: i64,
    /// ns since the epoch.
    pub end: i64,
    /// See [`super::SpanIndex::name`].
    pub name: u32,
    /// See [`super::SpanIndex::name`].
    pub scope: u32,
    /// See [`super::SpanIndex::resource`].
    pub resource: u32,
    /// Its kind.
    pub kind: Kind,
    /// A number of its thread's name, 0 where that is not told.
    pub thread: u16,
}

impl Span {
    /// The number of a span's thread, by the name of it; 0 where that is not told.
    pub(crate) fn thread_of(fact: &SpanFact<'_>) -> u16 {
        let name = fact.attributes.iter().find(|(key, _)| *key == b"thread.name");
        name.map_or(0, |(_, name)| (fold(0, name) >> 48) as u16 | 1)
    }

    /// Open at a time, or ended less than `slack` ns before.
    pub fn covers(&self, time: i64, slack: i64) -> bool {
        self.start <= time.saturating_add(1) && self.end.saturating_add(slack) >= time
    }
}
