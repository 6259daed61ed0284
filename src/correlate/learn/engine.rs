//! The one that drives learning: keeps lines, starts from what rules know of them, decides those that are due.
//!
//! In go records ([`Engine::observe`]) and the settled index ([`Engine::settle`]), out comes for a record its span with a
//! probability, or none ([`Engine::link`]). What is learned in between
//! passes from part to part as values: features, candidates, association, choices.

use super::association::Association;
use super::calibrate::{self, Learned};
use super::candidates::{CandidatePair, CandidateRow, Candidates};
use super::clues::{DURATION, RARE_WORD, SIDE};
use super::decay::DecayedStatistics;
use super::em;
use super::evidence::{Evidence, Story};
use super::features::edges::Edges;
use super::features::open_spans::OpenSpans;
use super::features::settled_lines::SettledLines;
use super::features::tables::FeatureTables;
use super::features::trace_words::TraceWords;
use super::gating;
use super::lines::{Line, Lines};
use super::observed::Observed;
use super::operations::Operations;
use super::pick_span::{self, Choices};
use super::posteriors::Posteriors;
use super::writers::Writers;
use crate::correlate::hint::{Hint, Known};
use crate::correlate::index::{Slot, SpanIndex};
use crate::correlate::requests::timed_calls::{self, TimedCall};
use crate::correlate::text::hash::NumberMap;
use crate::record::{Link, Method, Record, Relation, Unlinked};

/// What was found for a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Decision {
    source: u32,
    file: u32,
    offset: u64,
    slot: Slot,
    confidence: f32,
    method: Method,
    relation: Relation,
}

impl Decision {
    fn new(line: &Line, slot: Slot, confidence: f32, method: Method, relation: Relation) -> Decision {
        Decision { source: line.source, file: line.file, offset: line.offset, slot, confidence, method, relation }
    }
}

/// A pod has one worker: two of its spans are never open at once.
const ENTITY_CONFIDENCE: f32 = 0.995;
/// Method and start, to the microsecond.
const CALL_CONFIDENCE: f32 = 0.995;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    lines: Lines,
    decisions: Vec<Decision>,
    /// Of each source: its first decision.
    of_sources: Vec<u32>,
    /// Lines with candidates none of which was chosen, by place, and why; of finished logs only.
    undecided: Vec<((u32, u32, u64), Unlinked)>,
    /// Lines beyond the limit.
    overflow: u64,
    /// Lines that were left out since their writer had its share of a limit, by source.
    over_share: NumberMap<u32, u64>,
    keeps_evidence: bool,
    evidence: Option<Box<Evidence>>,
    /// Of a stream.
    decayed: Option<Box<DecayedStatistics>>,
}

/// How far a stream has come, ns since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// Lines up to here are decided.
    pub(crate) due: i64,
    /// Earlier ones are forgotten.
    pub(crate) from: i64,
    /// Half of what was learned is forgotten in each.
    pub(crate) half_life: i64,
}

impl Engine {
    /// Keeps what is needed of a record. `is_traced`: its writer has spans.
    pub(crate) fn observe(&mut self, index: &SpanIndex, record: &Record<'_>, writer: u32, is_traced: bool, hint: Hint) {
        // Who has no spans, or writes outside of requests, teaches nothing, and is kept only for whoever asks why.
        let teaches = is_traced && hint != Hint::Outside;
        if teaches || self.keeps_evidence {
            self.lines.add(index.words.seed(), record, writer, hint, teaches);
        }
    }

    /// Keeps what the next [`Engine::settle`] learns of each line, for [`Engine::story`].
    pub(crate) fn keep_evidence(&mut self) {
        self.keeps_evidence = true;
    }

    /// See [`Engine::keep_evidence`].
    pub(crate) fn keeps_evidence(&self) -> bool {
        self.keeps_evidence
    }

    /// What was considered for a record, where that was kept. `named`: the key that names its request or pod.
    pub(crate) fn story(&self, index: &SpanIndex, record: &Record<'_>, named: Option<String>) -> Option<Story> {
        self.evidence.as_ref()?.story(index, record, named)
    }

    /// Lines beyond the limit.
    pub(crate) fn overflow(&self) -> u64 {
        self.lines.overflow + self.overflow
    }

    /// Lines that were left out since their writer had its share of a limit, by source.
    pub(crate) fn over_share(&self) -> &NumberMap<u32, u64> {
        &self.over_share
    }

    /// Takes in what is known of the times of lines that say no more than the second: `bounds` of source, file, offset and
    /// second.
    pub(crate) fn narrow(&mut self, bounds: &dyn Fn(u32, u32, u64, i64) -> Option<(i64, i64)>) {
        self.lines.narrow(bounds);
    }

    /// Decides all lines. `known`: the span of a line that a rule has settled.
    pub(crate) fn settle(&mut self, index: &SpanIndex, writers: Writers<'_>, known: &dyn Fn(Hint, u32, i64) -> Known) {
        self.decide(index, writers, known, i64::MAX);
        self.overflow += std::mem::take(&mut self.lines).overflow;
    }

    /// The same while lines still come: those that are not due are left open, and what was learned is kept.
    pub(crate) fn advance(
        &mut self,
        index: &SpanIndex,
        writers: Writers<'_>,
        known: &dyn Fn(Hint, u32, i64) -> Known,
        progress: Progress,
    ) {
        self.decayed.get_or_insert_default().decay(progress.due, progress.from, progress.half_life);
        self.decisions.clear();
        self.of_sources.clear();
        self.decide(index, writers, known, progress.due);
        self.lines.keep(progress.from, progress.due);
    }

    fn decide(&mut self, index: &SpanIndex, writers: Writers<'_>, known: &dyn Fn(Hint, u32, i64) -> Known, due: i64) {
        if index.is_empty() || self.lines.rows.is_empty() {
            return;
        }
        let resources = writers.resources;
        let operations = Operations::new(index, resources.iter().copied());
        let mut ruled = self.apply_rules(&operations, writers, known, due);
        let settled = SettledLines::new(std::mem::take(&mut ruled.settled));
        let trace_words = TraceWords::new(index, &operations, &self.lines.all_words());
        let edges = Edges::new(index);
        let of_writer = |line: &Line| resources.get(line.writer as usize).copied().unwrap_or_default();
        let runs = self.lines.rows.chunk_by(|a, b| (a.writer, a.producer) == (b.writer, b.producer));
        let runs = runs.map(|run| (run[0].writer, run[0].producer, of_writer(&run[0])));
        let open = OpenSpans::new(index, &operations, runs);
        let tables = FeatureTables {
            index,
            lines: &self.lines,
            operations: &operations,
            settled: &settled,
            resources,
            trace_words: &trace_words,
            edges: &edges,
            open: &open,
        };
        let candidates = gating::candidates(&tables, &ruled.wanted, self.decayed.as_deref());
        self.refuse(&candidates.refused, due);
        let observed = Observed {
            lines: &self.lines,
            operations: &operations,
            settled: &ruled.traces,
            agreement_before: self.decayed.as_deref().map(|decayed| &decayed.keys),
        };
        let association = em::associate(&candidates, &observed, self.keeps_evidence);
        if let Some(decayed) = &mut self.decayed {
            decayed.learn(&candidates, &association, &self.lines, &operations);
        }
        let choices = pick_span::choose(index, &candidates, &association.posteriors.weights, self.keeps_evidence);
        self.take_choices(&candidates, &association, &choices, due);
        for (line, slot) in timed_calls::assign(index, resources, &ruled.calls) {
            let line = &self.lines.rows[line as usize];
            if line.is_due(due) {
                self.decisions.push(Decision::new(line, slot, CALL_CONFIDENCE, Method::Request, Relation::Within));
            }
        }
        if self.keeps_evidence {
            self.overflow += self.lines.overflow;
            let lines = std::mem::take(&mut self.lines);
            let kept = Evidence::new(lines, operations, candidates, association, choices, ruled.known);
            self.evidence = Some(Box::new(kept));
        }
        self.undecided.sort_unstable();
        self.decisions.sort_unstable_by_key(|decision| (decision.source, decision.file, decision.offset));
        self.number_sources();
    }

    fn number_sources(&mut self) {
        let sources = self.decisions.last().map_or(0, |decision| decision.source + 1);
        let first = |source| self.decisions.partition_point(|decision| decision.source < source) as u32;
        self.of_sources = (0..=sources).map(first).collect();
    }

    /// The first spans are gone, those after them moved up.
    pub(crate) fn forget_spans(&mut self, gone: Slot) {
        self.decisions.retain_mut(|decision| {
            let slot = decision.slot.checked_sub(gone);
            decision.slot = slot.unwrap_or_default();
            slot.is_some()
        });
        self.number_sources();
    }

    /// Lines that rules have settled, and those that they have not.
    fn apply_rules(
        &mut self,
        operations: &Operations,
        writers: Writers<'_>,
        known: &dyn Fn(Hint, u32, i64) -> Known,
        due: i64,
    ) -> Ruled {
        let mut ruled = Ruled::default();
        if self.keeps_evidence {
            ruled.known = vec![Known::Nothing; self.lines.rows.len()];
        }
        for (at, line) in self.lines.rows.iter().enumerate() {
            if !writers.is_traced(line) {
                continue;
            }
            let found = known(self.lines.hint(line), line.writer, line.time);
            if let Some(known) = ruled.known.get_mut(at) {
                *known = found;
            }
            match found {
                _ if !line.teaches => {}
                Known::Nothing => ruled.wanted.push(at as u32),
                Known::Span(slot) => ruled.settle(at, line, operations.trace(slot)),
                Known::Linked(slot, relation) => {
                    if relation == Relation::Within {
                        ruled.settle(at, line, operations.trace(slot));
                    }
                    if line.is_due(due) {
                        self.decisions.push(Decision::new(line, slot, ENTITY_CONFIDENCE, Method::Entity, relation));
                    }
                }
                Known::Call(method, start) => {
                    let (writer, end) = (line.writer, line.time);
                    ruled.calls.push(TimedCall { line: at as u32, writer, method, start, end });
                }
                Known::NoSpan => {}
            }
        }
        ruled
    }

    /// These lines were left out of what is learned from.
    fn refuse(&mut self, lines: &[u32], due: i64) {
        for line in lines.iter().map(|line| &self.lines.rows[*line as usize]).filter(|line| line.is_due(due)) {
            *self.over_share.entry(line.source).or_default() += 1;
            if self.decayed.is_none() {
                self.undecided.push(((line.source, line.file, line.offset), Unlinked::OverShare));
            }
        }
    }

    /// Decisions from what was learned.
    fn take_choices(&mut self, candidates: &Candidates, association: &Association, choices: &Choices, due: i64) {
        let without_span = association.without_span(candidates);
        for (number, (row, choice)) in candidates.rows.iter().zip(&choices.rows).enumerate() {
            let line = &self.lines.rows[row.line as usize];
            let Some((pair, probability)) = choice.filter(|_| line.is_due(due)) else {
                if self.decayed.is_none() && row.count > 0 {
                    let is_none = association.posteriors.none[number] >= 0.5;
                    let reason = if is_none { Unlinked::NoSpan } else { Unlinked::Ambiguous };
                    self.undecided.push(((line.source, line.file, line.offset), reason));
                }
                continue;
            };
            let template = row.template as usize;
            let CandidatePair { clues, .. } = candidates.pairs[pair as usize];
            let learned = Learned {
                lines: candidates.templates.lines[template],
                without_span: without_span.get(&candidates.templates.service[template]).copied().unwrap_or(1.0),
                kind_without_span: association.posteriors.none_share[template],
                of_request: association.group_sizes.get(number).copied().unwrap_or(1),
                preference: preference(candidates, &association.posteriors, row, pair),
                names_span: clues & DURATION > 0 || clues % SIDE >= RARE_WORD,
                sides: clues / SIDE,
            };
            let confidence = calibrate::calibrated(probability, learned);
            let slot = candidates.pairs[pair as usize].slot;
            self.decisions.push(Decision::new(line, slot, confidence, Method::Inferred, Relation::Within));
        }
    }

    /// Why no span was chosen for a record that some might have held, by its source, file and offset.
    pub(crate) fn undecided(&self, key: (u32, u32, u64)) -> Option<Unlinked> {
        let at = self.undecided.binary_search_by_key(&key, |row| row.0).ok()?;
        Some(self.undecided[at].1)
    }

    /// The span of a record, by its source, file and offset.
    pub(crate) fn link(&self, index: &SpanIndex, key: (u32, u32, u64)) -> Option<Link> {
        let [from, to] = self.of_sources.get(key.0 as usize..)?.first_chunk()?;
        let decisions = &self.decisions[*from as usize..*to as usize];
        let of = |decision: &Decision| (decision.file, decision.offset);
        let decision = &decisions[decisions.binary_search_by_key(&(key.1, key.2), of).ok()?];
        let span = index.span(decision.slot);
        Some(Link {
            trace_id: span.trace_id,
            span_id: span.span_id,
            method: decision.method,
            confidence: Some(decision.confidence.min(0.9999)),
            relation: decision.relation,
            verified: true,
            has_event: false,
        })
    }
}

/// How much of a row's template is in the operation that makes it likeliest of the pair's trace, against that with most.
fn preference(candidates: &Candidates, posteriors: &Posteriors, row: &CandidateRow, pair: u32) -> f32 {
    let trace = candidates.pairs[pair as usize].trace;
    let of_trace = row.pairs().filter(|other| candidates.pairs[*other].trace == trace);
    let likeliest = of_trace.max_by(|a, b| posteriors.weights[*a].total_cmp(&posteriors.weights[*b]));
    likeliest.map_or(1.0, |pair| posteriors.preference[candidates.pairs[pair].class as usize])
}

/// What rules have settled before learning.
#[derive(Debug, Default)]
struct Ruled {
    /// Lines left to learning.
    wanted: Vec<u32>,
    /// (writer, time, trace) of those whose trace is known.
    settled: Vec<(u32, i64, u32)>,
    /// (line, trace) of them.
    traces: Vec<(u32, u32)>,
    calls: Vec<TimedCall>,
    /// By line, where evidence is kept.
    known: Vec<Known>,
}

impl Ruled {
    fn settle(&mut self, at: usize, line: &Line, trace: u32) {
        self.settled.push((line.writer, line.time, trace));
        self.traces.push((at as u32, trace));
    }
}
