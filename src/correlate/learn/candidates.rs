//! Lines with the spans that might hold them: data only.
//!
//! `gating` fills it, everything after reads it. Rows (lines) stand in the order of their templates, and the pairs of a row
//! side by side; a block is the ranges that belong to one template, a class is a template with an operation, a cell a
//! template with a span.

use std::ops::Range;

use super::histograms::{BinIndex, Histograms};
use super::operations::Operations;
use super::prior::Prior;
use crate::correlate::index::Slot;
use crate::correlate::text::hash::NumberMap;

/// Traces of a row that have a number of their own: all beyond share the last.
pub(crate) const TRACES_MAX: usize = u8::MAX as usize;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) rows: Vec<CandidateRow>,
    /// One for each template, in order.
    pub(crate) blocks: Vec<Block>,
    pub(crate) templates: Templates,
    pub(crate) pairs: Vec<CandidatePair>,
    /// (template, operation) of each class.
    pub(crate) classes: Vec<(u32, u32)>,
    /// Of each class: expected counts of pairs by chance, measured at shifted times.
    pub(crate) clutter: Vec<Histograms>,
    /// Of each service: lines of templates that were left out, since no span was open at any line of theirs.
    pub(crate) without_pairs: NumberMap<u32, u32>,
    /// Lines that were left out since their writer had its share of a limit.
    pub(crate) refused: Vec<u32>,
    /// Number of cells.
    pub(crate) cells: usize,
    /// Of each operation: distinct spans in pairs.
    pub(crate) spans_of: Vec<u32>,
    /// Of each operation: spans while its process wrote lines.
    pub(crate) all_spans_of: Vec<u32>,
    /// What earlier lines of a stream taught.
    pub(crate) prior: Prior,
}

/// What is known of each template.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    /// Number of lines.
    pub(crate) lines: Vec<u32>,
    pub(crate) service: Vec<u32>,
    /// What its lines say, whoever writes it.
    pub(crate) message: Vec<u64>,
    /// Its lines are of an access log.
    pub(crate) is_access: Vec<bool>,
    /// What tells it from others of its service, in all windows of a stream.
    pub(crate) key: Vec<u64>,
    /// The same number for templates that differ by a value only.
    pub(crate) family: Vec<u32>,
    /// … and what tells them from others of their service, in all windows of a stream.
    pub(crate) family_key: Vec<u64>,
}

/// The ranges of one template.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) template: usize,
    pub(crate) rows: Range<usize>,
    pub(crate) pairs: Range<usize>,
    pub(crate) classes: Range<usize>,
    pub(crate) cells: Range<usize>,
}

/// A line that looks for its span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CandidateRow {
    pub(crate) line: u32,
    pub(crate) template: u32,
    /// When it was written, and how much earlier it may have been.
    pub(crate) time: i64,
    pub(crate) low: i64,
    /// When it was most likely written.
    pub(crate) likely: i64,
    pub(crate) slack: i64,
    /// Any time between is as likely as any other.
    pub(crate) is_rounded: bool,
    /// Median delay of the timestamps of its writer's lines, ns.
    pub(crate) delay: i64,
    /// Its pairs: the first, and how many.
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl CandidateRow {
    /// The places of its pairs.
    pub(crate) fn pairs(&self) -> Range<usize> {
        self.first as usize..(self.first + self.count) as usize
    }

    /// When it was most likely written, if in a span of these times, as far as they are told exactly (`rounding` is none).
    /// `shift`: from its own time to the moment in hand.
    pub(crate) fn likely_in(&self, (start, end): (i64, i64), rounding: i64, shift: i64) -> i64 {
        let (from, to) = ((self.low + shift).max(start), (self.time + shift).min(end));
        match self.is_rounded && rounding == 0 && from <= to {
            true => from + (to - from) / 2,
            false => self.likely + shift,
        }
    }
}

/// A line and a span that might have written it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CandidatePair {
    pub(crate) slot: Slot,
    /// Number of its (template, operation).
    pub(crate) class: u32,
    /// Number of its (template, span).
    pub(crate) cell: u32,
    /// Bins of the distances to the span's start and end.
    pub(crate) start_bin: u8,
    pub(crate) end_bin: u8,
    /// Of the distance to the nearest end or start of a span below.
    pub(crate) edge_bin: u8,
    /// See [`super::clues`].
    pub(crate) clues: u8,
    /// It was stamped after the end of the span.
    pub(crate) over: bool,
    /// … or shortly before it.
    pub(crate) last: bool,
    /// The text holds a duration that is the span's, and longer.
    pub(crate) longer: bool,
    /// The line was certainly written after the span's end.
    pub(crate) late: bool,
    /// It was stamped after the end of all spans of the trace.
    pub(crate) ended: bool,
    /// The span went on after the one above it had ended, which was before the line: it only waits for something.
    pub(crate) waits: bool,
    /// Number of its trace among those of the line.
    pub(crate) trace: u8,
}

#[cfg(test)]
impl CandidatePair {
    /// One in the middle of its span, without clues.
    pub(crate) fn plain() -> CandidatePair {
        let (start_bin, end_bin, edge_bin) = (20, 20, 20);
        let [late, ended, waits, longer, over, last] = [false; 6];
        CandidatePair {
            slot: 0,
            class: 0,
            cell: 0,
            start_bin,
            end_bin,
            edge_bin,
            clues: 0,
            longer,
            over,
            last,
            late,
            ended,
            waits,
            trace: 0,
        }
    }
}

impl CandidatePair {
    /// Where it lies.
    #[inline]
    pub(crate) fn bins(&self) -> BinIndex {
        BinIndex { start: self.start_bin, end: self.end_bin, edge: self.edge_bin, clues: self.clues }
    }
}

impl Templates {
    /// Gives the next template that stays its number. Those before it stay or are gone: its place is free.
    pub(crate) fn renumber(&mut self, number: usize, template: usize) {
        self.lines[number] = self.lines[template];
        self.service[number] = self.service[template];
        self.family[number] = self.family[template];
        self.is_access[number] = self.is_access[template];
        self.message[number] = self.message[template];
        self.key[number] = self.key[template];
        self.family_key[number] = self.family_key[template];
    }

    /// Returns the room of those that were left out.
    pub(crate) fn truncate(&mut self, templates: usize) {
        for numbers in [&mut self.lines, &mut self.service, &mut self.family] {
            numbers.truncate(templates);
            numbers.shrink_to_fit();
        }
        self.is_access.truncate(templates);
        for numbers in [&mut self.message, &mut self.key, &mut self.family_key] {
            numbers.truncate(templates);
            numbers.shrink_to_fit();
        }
    }
}

impl Candidates {
    /// Of each trace of a row: what its pairs have together, `least` each.
    pub(crate) fn sums_by_trace(
        &self,
        operations: &Operations,
        weights: &[f32],
        row: &CandidateRow,
        least: f32,
        sums: &mut Vec<(u32, f32)>,
    ) {
        sums.clear();
        for (pair, weight) in self.pairs[row.pairs()].iter().zip(&weights[row.pairs()]) {
            let (number, weight) = (usize::from(pair.trace), weight.max(least));
            // Traces are numbered as they come.
            match sums.get_mut(number) {
                Some((_, sum)) if number < TRACES_MAX => *sum += weight,
                _ if number < TRACES_MAX => sums.push((operations.trace(pair.slot), weight)),
                _ => {
                    let trace = operations.trace(pair.slot);
                    match sums.iter_mut().find(|(other, _)| *other == trace) {
                        Some((_, sum)) => *sum += weight,
                        None => sums.push((trace, weight)),
                    }
                }
            }
        }
    }

    /// The trace that has more than `sure` of a row.
    pub(crate) fn sure_trace(
        &self,
        operations: &Operations,
        weights: &[f32],
        row: &CandidateRow,
        sure: f32,
    ) -> Option<u32> {
        let pairs = || self.pairs[row.pairs()].iter().zip(&weights[row.pairs()]);
        let mut sums = [0.0; TRACES_MAX + 1];
        let mut count = 0;
        for (pair, weight) in pairs() {
            let number = usize::from(pair.trace);
            sums[number] += weight;
            count = count.max(number + 1);
        }
        if count > TRACES_MAX {
            let mut all = Vec::new();
            self.sums_by_trace(operations, weights, row, 0.0, &mut all);
            return all.into_iter().find(|(_, sum)| *sum > sure).map(|(trace, _)| trace);
        }
        let number = sums[..count].iter().position(|sum| *sum > sure)?;
        let (pair, _) = pairs().find(|(pair, _)| usize::from(pair.trace) == number)?;
        Some(operations.trace(pair.slot))
    }
}
