//! Words that the spans of a trace hold, as far as lines hold them too.
//!
//! In go the words of spans and of lines, out comes whether a trace holds a word, and whether the word is rare: one that few
//! traces hold names a thing, one that many hold a kind. Kept are numbers, eight bytes per trace and word.

use crate::correlate::index::{Slot, SpanIndex};
use crate::correlate::learn::operations::Operations;
use crate::correlate::learn::tuning::{RARE_WORD_SHARE, RARE_WORD_TRACES};
use crate::correlate::text::hash::{NumberMap, NumberSet};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct TraceWords {
    /// trace << 32 | word, in order, and where each trace's begin.
    rows: Vec<u64>,
    starts: Vec<u32>,
    /// Words that lines and spans hold, and whether they are rare.
    known: NumberMap<u32, bool>,
}

impl TraceWords {
    /// `common`: words that many traces held before; `words_max`: those kept in all.
    pub(crate) fn new(
        index: &SpanIndex,
        operations: &Operations,
        of_lines: &NumberSet<u32>,
        common: &NumberSet<u32>,
        words_max: usize,
    ) -> TraceWords {
        let mut rows = Vec::new();
        for slot in 0..index.len() as Slot {
            let trace = u64::from(operations.trace(slot)) << 32;
            let words = index.words.of(slot).iter().map(|row| *row as u32).filter(|word| of_lines.contains(word));
            rows.extend(words.take(words_max.saturating_sub(rows.len())).map(|word| trace | u64::from(word)));
        }
        rows.sort_unstable();
        rows.dedup();
        let mut traces: NumberMap<u32, u32> = NumberMap::default();
        let mut with_words = 0;
        for of_trace in rows.chunk_by(|a, b| a >> 32 == b >> 32) {
            with_words += 1;
            for row in of_trace {
                *traces.entry(*row as u32).or_default() += 1;
            }
        }
        let few = RARE_WORD_TRACES.max((with_words as f32 * RARE_WORD_SHARE) as u32);
        let known = traces.into_iter().map(|(word, count)| (word, count <= few && !common.contains(&word))).collect();
        let mut starts = vec![0; operations.traces() + 1];
        for row in &rows {
            starts[(row >> 32) as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        TraceWords { rows, starts, known }
    }

    /// Whether a word is rare, where spans hold it.
    pub(crate) fn is_rare(&self, word: u32) -> Option<bool> {
        self.known.get(&word).copied()
    }

    /// Words that many traces hold.
    pub(crate) fn common(&self) -> impl Iterator<Item = u32> {
        self.known.iter().filter(|(_, is_rare)| !**is_rare).map(|(word, _)| *word)
    }

    /// A span of the trace holds the word.
    pub(crate) fn holds(&self, trace: u32, word: u32) -> bool {
        let range = self.starts[trace as usize] as usize..self.starts[trace as usize + 1] as usize;
        self.rows[range].binary_search(&(u64::from(trace) << 32 | u64::from(word))).is_ok()
    }
}
