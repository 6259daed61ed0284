//! How much is kept of lines and requests to link by: data only.
//!
//! In go bytes for each part, out come numbers of what it holds, by what one of them takes. Who has more than its share of a
//! limit is told in `shares`.

/// Bytes that may be taken to link by; parts are seldom all at their most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearningLimits {
    /// Of what is kept of lines; learning takes about as much again.
    pub lines_bytes: usize,
    /// Of pairs of a line and a span that may hold it.
    pub pairs_bytes: usize,
    /// Of kinds of lines in operations, and what is learned of them.
    pub classes_bytes: usize,
    /// Of words of lines and spans, by the traces that hold them.
    pub words_bytes: usize,
    /// Of requests that lines name.
    pub requests_bytes: usize,
}

/// A pair takes 34 bytes, its cell up to 17, and while its template is weighed another 52.
const PAIR_BYTES: usize = 80;
/// Pairs that there is room for in any case: a window of the least memory has about half of them.
const PAIRS_LEAST: usize = 1 << 16;
/// A class takes two kilobytes of counts; where lines name requests, or while its template is weighed, another five.
const CLASS_BYTES: usize = 4 << 10;
/// Classes that there is room for in any case: as many as the lines of a busy node have in a minute.
const CLASSES_LEAST: usize = 3 << 10;
/// A word of a line, before and after it was counted.
const WORD_BYTES: usize = 24;
/// A request, with its place in the table.
const REQUEST_BYTES: usize = 96;
/// A line whose order is remembered.
const ROUNDED_BYTES: usize = 32;

impl Default for LearningLimits {
    /// Enough for whatever a single run holds: about two GiB.
    fn default() -> LearningLimits {
        LearningLimits {
            lines_bytes: 512 << 20,
            pairs_bytes: PAIR_BYTES * (24 << 20),
            classes_bytes: CLASS_BYTES << 16,
            words_bytes: WORD_BYTES * (32 << 20),
            requests_bytes: REQUEST_BYTES * (4 << 20),
        }
    }
}

impl LearningLimits {
    pub(crate) fn pairs(&self) -> usize {
        (self.pairs_bytes / PAIR_BYTES).max(PAIRS_LEAST)
    }

    pub(crate) fn classes(&self) -> usize {
        (self.classes_bytes / CLASS_BYTES).max(CLASSES_LEAST)
    }

    /// Classes that a stream remembers.
    pub(crate) fn remembered_classes(&self) -> usize {
        self.classes() / 2 * 3
    }

    pub(crate) fn words(&self) -> usize {
        self.words_bytes / WORD_BYTES
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests_bytes / REQUEST_BYTES
    }

    /// Lines with whole seconds whose order is remembered.
    pub(crate) fn rounded(&self) -> usize {
        self.requests_bytes / ROUNDED_BYTES
    }

    /// Bytes that so many pairs and classes take.
    pub(crate) fn bytes_of(pairs: usize, classes: usize) -> usize {
        pairs * PAIR_BYTES + classes * CLASS_BYTES
    }
}
