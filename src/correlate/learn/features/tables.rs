//! The features of a pair: what is open when a line is written, and what line and span have in common.
//!
//! In go a line, a moment and the tables, out come the spans of its process that are open then, and for each which clues
//! hit: words, durations, adjacent lines of known trace. Nothing is kept or weighed here.

use super::edges::Edges;
use super::open_spans::OpenSpans;
use super::settled_lines::{SettledLines, sides};
use super::trace_words::TraceWords;
use crate::correlate::index::{Open, Slot, SpanIndex};
use crate::correlate::learn::candidates::CandidateRow;
use crate::correlate::learn::lines::{Line, Lines};
use crate::correlate::learn::operations::Operations;
use crate::correlate::learn::tuning::START_SLACK_NS;
use crate::correlate::text::words::Duration;

/// Open spans looked at, and kept, for one line.
const OPEN_MAX: usize = 1024;
const PAIRS_PER_LINE_MAX: usize = 160;
/// Spans above one that are asked for a word.
const ABOVE_MAX: usize = 12;

/// What is needed to look a line up.
pub(crate) struct FeatureTables<'a> {
    pub(crate) index: &'a SpanIndex,
    pub(crate) lines: &'a Lines,
    pub(crate) operations: &'a Operations,
    pub(crate) settled: &'a SettledLines,
    /// Resources of each writer.
    pub(crate) resources: &'a [&'a [u32]],
    pub(crate) trace_words: &'a TraceWords,
    pub(crate) edges: &'a Edges,
    pub(crate) open: &'a OpenSpans,
}

impl FeatureTables<'_> {
    /// Spans that are open for a line at a time.
    pub(crate) fn open_at(&self, row: &CandidateRow, time: i64, into: &mut Vec<Open>) {
        into.clear();
        let writer = self.lines.rows[row.line as usize].writer;
        let (from, to) = (time.saturating_sub(row.slack), time.saturating_add(START_SLACK_NS));
        self.open.between(writer, to, from, OPEN_MAX, into);
        if into.len() > PAIRS_PER_LINE_MAX {
            // Short spans say more than long ones.
            into.select_nth_unstable_by_key(PAIRS_PER_LINE_MAX, |span| span.end - span.start);
            into.truncate(PAIRS_PER_LINE_MAX);
        }
    }

    /// Words of a line that spans hold, and whether they are rare.
    pub(crate) fn words_of(&self, line: &Line, into: &mut Vec<(u32, bool)>) {
        into.clear();
        let known = |word: &u32| self.trace_words.is_rare(*word).map(|is_rare| (*word, is_rare));
        into.extend(self.lines.words(line).iter().filter_map(known));
    }

    /// No span shares a clue with a line.
    pub(crate) fn is_bare(&self, line: &Line, words: &[(u32, bool)], near: [Option<u32>; 2]) -> bool {
        words.is_empty() && near == [None; 2] && self.lines.durations(line).is_empty()
    }

    /// A duration in the text is the span's, but longer: it was told when the span was over. `rounding`: of the span's times.
    pub(crate) fn is_longer(&self, line: &Line, span: &Open, rounding: i64) -> bool {
        let length = span.end - span.start;
        let is_longer = |found: &Duration| found.is_about(length) && found.nanos - found.unit - rounding > length;
        self.lines.durations(line).iter().any(is_longer)
    }

    /// Which clues a line and a span share, see [`crate::correlate::learn::clues::CLUES`]. `near`: traces of the adjacent known lines.
    pub(crate) fn clues(&self, line: &Line, words: &[(u32, bool)], near: [Option<u32>; 2], span: &Open) -> u8 {
        let length = span.end - span.start;
        let duration = self.lines.durations(line).iter().any(|found| found.is_about(length));
        let word = if words.is_empty() { 0 } else { self.word_clue(words, span.slot) };
        let sides = if near == [None; 2] { 0 } else { sides(near, self.operations.trace(span.slot)) };
        u8::from(duration) + 2 * word + 8 * sides
    }

    /// 0 no word, 1 one that many traces hold, 2 a rare one of the trace, 3 a rare one of the span or one above it.
    fn word_clue(&self, words: &[(u32, bool)], slot: Slot) -> u8 {
        let trace = self.operations.trace(slot);
        let holds = |wanted: bool| {
            words.iter().any(|(word, is_rare)| *is_rare == wanted && self.trace_words.holds(trace, *word))
        };
        let above = |wanted: bool| {
            let has = |above: Slot| {
                let own = self.index.words.of(above);
                let has = |word: u32| own.binary_search(&(u64::from(above) << 32 | u64::from(word))).is_ok();
                !own.is_empty() && words.iter().any(|(word, is_rare)| *is_rare == wanted && has(*word))
            };
            self.index.ancestors(slot).take(ABOVE_MAX).any(has)
        };
        match () {
            () if holds(true) => 2 + u8::from(above(true)),
            () if holds(false) && above(false) => 1,
            () => 0,
        }
    }
}
