//! Words of spans' attributes that a line may hold as well.
//!
//! In go spans with their attributes, out comes whether a span, or one above it, holds a word. Kept are hashes, a few
//! bytes each; values that every span has (addresses, versions) are told apart by whoever counts, not here.

use super::span::Slot;
use crate::correlate::text::words;
use crate::facts::SpanFact;

/// Attributes looked at per span.
const ATTRIBUTES_MAX: usize = 64;
/// Words kept of one value, and per span.
const WORDS_OF_VALUE_MAX: usize = 16;
const WORDS_MAX: usize = 48;
/// Bytes of a value that are looked at.
const VALUE_MAX: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct AttributeWords {
    seed: u64,
    /// slot << 32 | word, in order once settled
    rows: Vec<u64>,
    starts: Vec<u32>,
    scratch: Vec<u32>,
}

impl AttributeWords {
    pub(crate) fn new(seed: u64) -> AttributeWords {
        AttributeWords { seed, ..AttributeWords::default() }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn add(&mut self, slot: Slot, span: &SpanFact<'_>) {
        self.read(span);
        self.rows.extend(self.scratch.iter().map(|word| u64::from(slot) << 32 | u64::from(*word)));
    }

    /// Takes in what [`AttributeWords::read`] gave for a span.
    pub(crate) fn put(&mut self, slot: Slot, words: &[u32]) {
        self.rows.extend(words.iter().map(|word| u64::from(slot) << 32 | u64::from(*word)));
    }

    /// The words of a span, in order.
    pub(crate) fn read(&mut self, span: &SpanFact<'_>) -> &[u32] {
        self.scratch.clear();
        for (name, value) in span.attributes.iter().take(ATTRIBUTES_MAX) {
            // What tells the library or the machine names no request.
            if name.starts_with(b"rpc.") || name.starts_with(b"telemetry.") || name.starts_with(b"otel.") {
                continue;
            }
            let room = self.scratch.len() + WORDS_OF_VALUE_MAX;
            words::words(self.seed, &value[..value.len().min(VALUE_MAX)], &mut self.scratch, room);
            if self.scratch.len() >= WORDS_MAX {
                break;
            }
        }
        self.scratch.truncate(WORDS_MAX);
        self.scratch.sort_unstable();
        self.scratch.dedup();
        &self.scratch
    }

    /// Between the passes: all spans are in, of which there are `spans`.
    pub(crate) fn settle(&mut self, spans: usize) {
        // Only a span that came again is out of order.
        if !self.rows.is_sorted() {
            self.rows.sort_unstable();
            self.rows.dedup();
        }
        self.starts.clear();
        self.starts.resize(spans + 1, 0);
        for row in &self.rows {
            let slot = (row >> 32) as usize;
            if slot < spans {
                self.starts[slot + 1] += 1;
            }
        }
        for at in 1..self.starts.len() {
            self.starts[at] += self.starts[at - 1];
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.starts.clear();
    }

    /// A span's own words, in order.
    pub(crate) fn of(&self, slot: Slot) -> &[u64] {
        match self.starts.get(slot as usize..slot as usize + 2) {
            Some([start, end]) => &self.rows[*start as usize..*end as usize],
            _ => &[],
        }
    }

    /// Drops the words of the first `gone` spans.
    pub(crate) fn forget(&mut self, gone: Slot) {
        let gone = u64::from(gone) << 32;
        self.rows.retain_mut(|row| match row.checked_sub(gone) {
            Some(rest) => {
                *row = rest;
                true
            }
            None => false,
        });
        self.starts.clear();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.capacity() * 8 + self.starts.capacity() * 4
    }
}
