//! Which spans might hold a line: those of its process that are open at its time.
//!
//! In go lines and the tables of features, out come [`Candidates`]: rows in the order of their templates, for each its pairs
//! with what line and span have in common, and the clutter of each class. Nothing is weighed here.

use super::tuning::{CERTAINLY_LATE_NS, LAST_NEAR_NS};
use std::ops::Range;

use super::bins::bin;
use super::candidate_rows::{self, CandidateRows};
use super::candidates::{Block, CandidatePair, Candidates, TRACES_MAX};
use super::clutter::{Sampler, pool};
use super::features::tables::FeatureTables;
use super::histograms::Histograms;
use super::limits::LearningLimits;
use super::model::Model;
use super::remembered::Remembered;
use super::shares::{Amount, Claimant, Shares};
use crate::correlate::index::{Open, Slot};
use crate::correlate::text::hash::NumberMap;
use crate::facts::Kind;

/// Pairs of each line, and lines, for which room is made at first: what is never used costs nothing, growing does.
const PAIRS_PER_ROW: usize = 16;
const ROWS_RESERVED: usize = 64 << 10;
/// An operation without a class with the template, and one whose class lines without room have claimed.
const NO_CLASS: u32 = u32::MAX;
const REFUSED_CLASS: u32 = u32::MAX - 1;

/// Looks all of these lines up. `before`: what a stream taught so far; `limits`: what there is for all.
pub(crate) fn candidates(
    tables: &FeatureTables<'_>,
    wanted: &[u32],
    before: Remembered<'_>,
    limits: LearningLimits,
) -> Candidates {
    let mut shares = Shares::of(Amount { pairs: limits.pairs(), classes: limits.classes() });
    let rows = || CandidateRows::new(tables, wanted, before);
    let mut candidates = pair_up(tables, rows(), &mut shares, before.model);
    if let Some(mut fair) = shares.fair() {
        drop(candidates);
        candidates = pair_up(tables, rows(), &mut fair, before.model);
        shares = fair;
    }
    candidates.refused = shares.refused;
    if before.model.is_some() {
        return candidates;
    }
    if let Some(decayed) = before.decayed {
        decayed.recall(&mut candidates, tables.operations);
    }
    pool(&candidates.classes, &candidates.templates.lines, tables.operations.count(), &mut candidates.clutter);
    candidates.spans_of = count_candidates(tables, &candidates.pairs);
    candidates
}

/// The pairs of all rows, as far as there is room for them, and their clutter: that of the model, else as it is measured.
fn pair_up(tables: &FeatureTables<'_>, rows: CandidateRows, shares: &mut Shares, model: Option<&Model>) -> Candidates {
    let CandidateRows { rows, templates } = rows;
    let mut candidates = Candidates { rows, templates, ..Candidates::default() };
    let mut gate = Gate::new(tables);
    let mut sampler = Sampler::default();
    candidates.pairs.reserve(PAIRS_PER_ROW * candidates.rows.len().min(ROWS_RESERVED));
    let mut ranges = Vec::new();
    if model.is_none() {
        ranges = candidate_rows::ranges(&candidates.rows, tables);
        candidates.all_spans_of = count_spans(tables, &ranges);
    }
    let (mut from, mut kept) = (0, 0);
    while from < candidates.rows.len() {
        let template = candidates.rows[from].template;
        let count = candidates.rows[from..].iter().take_while(|row| row.template == template).count();
        candidates.rows.copy_within(from..from + count, kept);
        from += count;
        let (pairs, classes, cells) = (candidates.pairs.len(), candidates.classes.len(), candidates.cells);
        let number = candidates.blocks.len();
        candidates.templates.renumber(number, template as usize);
        candidates.rows[kept..kept + count].iter_mut().for_each(|row| row.template = number as u32);
        let given = gate.pair_up(&mut candidates, tables, kept..kept + count, template, shares);
        let rows = kept..kept + given;
        if candidates.pairs.len() == pairs {
            // Nothing was open at any of its lines: there is nothing to learn or to decide.
            *candidates.without_pairs.entry(candidates.templates.service[number]).or_default() += given as u32;
            gate.clear();
            continue;
        }
        kept = rows.end;
        match model {
            Some(model) => model.recall(&mut candidates, number, classes, tables.operations),
            None => {
                let rows = &candidates.rows[rows.clone()];
                sampler.sample(tables, rows, &ranges, &gate.class_of, &mut candidates.clutter);
            }
        }
        candidates.blocks.push(Block {
            template: number,
            rows,
            pairs: pairs..candidates.pairs.len(),
            classes: classes..candidates.classes.len(),
            cells: cells..candidates.cells,
        });
        gate.clear();
    }
    candidates.templates.truncate(candidates.blocks.len());
    candidates.rows.truncate(kept);
    candidates.rows.shrink_to_fit();
    candidates
}

/// Of each operation: its spans while their process wrote lines. `ranges`: of each writer.
fn count_spans(tables: &FeatureTables<'_>, ranges: &[(i64, i64)]) -> Vec<u32> {
    let mut of_resource: NumberMap<u32, (i64, i64)> = NumberMap::default();
    for (range, resources) in ranges.iter().zip(tables.resources).filter(|(range, _)| range.0 <= range.1) {
        for resource in *resources {
            let all = of_resource.entry(*resource).or_insert(*range);
            *all = (all.0.min(range.0), all.1.max(range.1));
        }
    }
    let mut spans = vec![0; tables.operations.count()];
    for slot in 0..tables.index.len() as Slot {
        let span = tables.index.span(slot);
        if of_resource.get(&span.resource).is_some_and(|range| span.start <= range.1 && span.end >= range.0) {
            spans[tables.operations.of(slot) as usize] += 1;
        }
    }
    spans
}

/// Of each operation: its distinct spans in pairs.
fn count_candidates(tables: &FeatureTables<'_>, pairs: &[CandidatePair]) -> Vec<u32> {
    let mut spans = vec![0; tables.operations.count()];
    let mut seen = vec![false; tables.index.len()];
    for pair in pairs {
        if !std::mem::replace(&mut seen[pair.slot as usize], true) {
            spans[tables.operations.of(pair.slot) as usize] += 1;
        }
    }
    spans
}

/// Numbers classes and cells of one template after the other; keeps the room of its lists.
struct Gate {
    /// Of each operation: its class with the template, [`NO_CLASS`] or [`REFUSED_CLASS`].
    class_of: Vec<u32>,
    /// Of each span: its cell with the template, or [`u32::MAX`].
    cell_of: Vec<u32>,
    /// Operations and spans that have a number now.
    operations: Vec<u32>,
    slots: Vec<Slot>,
    /// Of the row: the spans that are open, and their classes.
    open: Vec<Open>,
    classes: Vec<u32>,
    words: Vec<(u32, bool)>,
    /// Traces of the row, and the last end of their spans.
    traces: Vec<u32>,
    ends: Vec<i64>,
}

impl Gate {
    fn new(tables: &FeatureTables<'_>) -> Gate {
        let (operations, slots, open, classes, words, traces, ends) = Default::default();
        let (class_of, cell_of) = (vec![NO_CLASS; tables.operations.count()], vec![u32::MAX; tables.index.len()]);
        Gate { class_of, cell_of, operations, slots, open, classes, words, traces, ends }
    }

    /// Adds the pairs of a template's rows, as far as there is room for them; how many rows are left. `template`: its
    /// number before others were left out.
    fn pair_up(
        &mut self,
        candidates: &mut Candidates,
        tables: &FeatureTables<'_>,
        range: Range<usize>,
        template: u32,
        shares: &mut Shares,
    ) -> usize {
        let lines = range.len() as u32;
        let mut kept = range.start;
        for at in range.clone() {
            let row = candidates.rows[at];
            let line = &tables.lines.rows[row.line as usize];
            tables.open_at(&row, row.time, &mut self.open);
            let before = candidates.classes.len();
            let unseen = self.number_classes(candidates, tables, row.template);
            let part = Amount { pairs: self.open.len(), classes: candidates.classes.len() - before };
            if shares.claim(row.line, Claimant { writer: line.writer, template, lines }, part, unseen) {
                candidates.rows[kept] = row;
                self.add_pairs(candidates, tables, kept);
                kept += 1;
            } else {
                for (_, operation) in candidates.classes.drain(before..) {
                    self.class_of[operation as usize] = REFUSED_CLASS;
                }
            }
        }
        candidates.clutter.resize(candidates.classes.len(), Histograms::default());
        kept - range.start
    }

    /// The classes of the spans that are open; how many of them no line has claimed before.
    fn number_classes(&mut self, candidates: &mut Candidates, tables: &FeatureTables<'_>, template: u32) -> usize {
        self.classes.clear();
        let mut unseen = 0;
        for open in &self.open {
            let operation = tables.operations.of(open.slot);
            let class = &mut self.class_of[operation as usize];
            if *class >= REFUSED_CLASS {
                if *class == NO_CLASS {
                    self.operations.push(operation);
                    unseen += 1;
                }
                *class = candidates.classes.len() as u32;
                candidates.classes.push((template, operation));
            }
            self.classes.push(*class);
        }
        unseen
    }

    /// The pairs of a row with the spans that are open.
    fn add_pairs(&mut self, candidates: &mut Candidates, tables: &FeatureTables<'_>, at: usize) {
        let row = candidates.rows[at];
        let line = &tables.lines.rows[row.line as usize];
        tables.words_of(line, &mut self.words);
        let near = tables.settled.around(line.writer, row.time);
        let is_bare = tables.is_bare(line, &self.words, near);
        let rounding = tables.operations.rounding(line.writer);
        candidates.rows[at].first = candidates.pairs.len() as u32;
        candidates.rows[at].count = self.open.len() as u32;
        self.traces.clear();
        self.ends.clear();
        for (open, class) in self.open.iter().zip(&self.classes) {
            let slot = open.slot;
            let cell = &mut self.cell_of[slot as usize];
            if *cell == u32::MAX {
                *cell = candidates.cells as u32;
                candidates.cells += 1;
                self.slots.push(slot);
            }
            let trace = number_in(&mut self.traces, tables.operations.trace(slot));
            // Who makes a call writes nothing in it once it is over.
            let is_call = matches!(tables.index.span(slot).kind, Kind::Client | Kind::Producer);
            let last = open.end + if is_call { 0 } else { rounding };
            match self.ends.get_mut(usize::from(trace)) {
                Some(end) => *end = last.max(*end),
                None => self.ends.push(last),
            }
            let likely = row.likely_in((open.start, open.end), rounding, 0);
            candidates.pairs.push(CandidatePair {
                slot,
                class: *class,
                cell: *cell,
                start_bin: bin(likely - open.start),
                end_bin: bin(open.end - likely),
                edge_bin: tables.edges.bin(slot, likely),
                clues: if is_bare { 0 } else { tables.clues(line, &self.words, near, open) },
                longer: tables.is_longer(line, open, rounding),
                over: row.time > open.end,
                last: row.time > open.end - LAST_NEAR_NS,
                late: false,
                ended: false,
                waits: tables.edges.outlives_parent(slot, row.low),
                trace,
            });
        }
        mark_late(candidates, at, &self.ends);
    }

    fn clear(&mut self) {
        for operation in self.operations.drain(..) {
            self.class_of[operation as usize] = NO_CLASS;
        }
        for slot in self.slots.drain(..) {
            self.cell_of[slot as usize] = u32::MAX;
        }
    }
}

/// Marks the pairs of traces all of whose spans here had ended when the line was written. `ends`: of each trace of the row.
fn mark_late(candidates: &mut Candidates, at: usize, ends: &[i64]) {
    let row = candidates.rows[at];
    for pair in &mut candidates.pairs[row.pairs()] {
        let end = ends[usize::from(pair.trace)];
        pair.late = row.low > end.saturating_add(CERTAINLY_LATE_NS);
        pair.ended = row.time > end;
    }
}

fn number_in(traces: &mut Vec<u32>, trace: u32) -> u8 {
    let known = traces.iter().position(|other| *other == trace);
    let number = known.unwrap_or_else(|| {
        traces.push(trace);
        traces.len() - 1
    });
    number.min(TRACES_MAX) as u8
}
