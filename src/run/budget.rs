//! How the memory of a run is shared out.
//!
//! In go the bytes that the user allows, out come what each part may hold of them. What a part does when it has no more is
//! its own affair.

use crate::correlate::LearningLimits;

/// See the module. Parts are seldom all at their most: a window is as long as there is room for its records and spans, and
/// only few lines that many spans may hold take all that there is for pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of logs up to which all of them are linked at once.
    pub log_bytes: u64,
    /// Bytes of spans up to which all of them are held at once.
    pub index_bytes: usize,
    /// Bytes of records that wait for their links, where all of them are held at once.
    pub whole_bytes: usize,
    /// … of a window.
    pub held_bytes: usize,
    /// Spans that lines of a window are linked to.
    pub spans: u64,
    /// What is kept of lines to link by.
    pub learning: LearningLimits,
    /// Bytes of span events that wait for their spans, and of what is put in order at once; others lie in temporary files.
    pub events_bytes: usize,
    /// Bytes of lines for the terminal that wait for the others of their traces, likewise: of those with a link, of others,
    /// and of the text of traces.
    pub text_bytes: usize,
}

/// What the parts took at most, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Spans that lines are linked to.
    pub spans: usize,
    /// Records that wait for their links.
    pub records: usize,
    /// What is kept of lines to link by.
    pub learning: usize,
}

/// What a span takes in the index, rather more: its row, its place in the tables, words and events.
const SPAN_BYTES: u64 = 400;

impl Budget {
    /// Of so many bytes in all.
    pub fn new(bytes: u64) -> Budget {
        let of = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        // A record takes more than twice the bytes of its line, and what is learned from it about as much again.
        Budget {
            log_bytes: bytes / 8,
            index_bytes: of(bytes / 4),
            whole_bytes: of(bytes / 2),
            held_bytes: of(bytes / 5),
            spans: bytes / 4 / SPAN_BYTES,
            learning: LearningLimits {
                lines_bytes: of(bytes / 4),
                pairs_bytes: of(bytes / 4),
                classes_bytes: of(bytes / 6),
                words_bytes: of(bytes / 16),
                requests_bytes: of(bytes / 16),
            },
            events_bytes: of(bytes / 32),
            text_bytes: of(bytes / 32),
        }
    }
}

/// What one lane of the agent may hold to link its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkingBudget {
    /// Bytes of records that wait for their spans.
    pub waiting_bytes: usize,
    /// Bytes of spans.
    pub spans_bytes: usize,
    /// What is kept of lines to link by.
    pub learning: LearningLimits,
}

impl LinkingBudget {
    /// Of so many bytes that the agent may take in all, of which batches and lines that are read take a part too.
    pub fn new(bytes: u64) -> LinkingBudget {
        let of = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        LinkingBudget {
            waiting_bytes: of(bytes / 4),
            spans_bytes: of(bytes / 4),
            learning: LearningLimits {
                lines_bytes: of(bytes / 4),
                pairs_bytes: of(bytes / 8),
                classes_bytes: of(bytes / 8),
                words_bytes: of(bytes / 32),
                requests_bytes: of(bytes / 32),
            },
        }
    }
}
