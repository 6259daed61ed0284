//! The one that drives learning: keeps lines, starts from what rules know of them, decides those that are due.
//!
//! In go records ([`Engine::observe`]) and the settled index ([`Engine::settle`]), out comes for a record its span with a
//! probability, or none ([`Engine::link`]); along a stream, step by step ([`Engine::advance`]). What is learned in between
//! passes from part to part as values: features, candidates, association, choices.

use super::association::Association;
use super::calibrate::{self, Learned};
use super::candidates::{CandidatePair, CandidateRow, Candidates};
use super::clues::{DURATION, RARE_WORD, SIDE};
use super::evidence::{Evidence, Story};
use super::features::edges::Edges;
use super::features::open_spans::OpenSpans;
use super::features::settled_lines::SettledLines;
use super::features::tables::FeatureTables;
use super::features::trace_words::TraceWords;
use super::gating;
use super::how::{self, How};
use super::limits::LearningLimits;
use super::lines::{Line, Lines};
use super::operations::Operations;
use super::pick_span::Choices;
use super::posteriors::{Keeps, Posteriors};
use super::ruled::{Ruled, Rules};
use super::stream_state::{StreamState, Task};
use super::stream_tuning::LOOKAHEAD_NS;
use super::writers::Writers;
use crate::correlate::hint::Hint;
use crate::correlate::index::{Slot, SpanIndex};
use crate::correlate::requests::timed_calls;
use crate::correlate::text::hash::{NumberMap, NumberSet};
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
    limits: LearningLimits,
    lines: Lines,
    decisions: Vec<Decision>,
    /// Of each source: its first decision.
    of_sources: Vec<u32>,
    /// Lines with candidates none of which was chosen, by place, and why; of finished logs only.
    undecided: Vec<((u32, u32, u64), Unlinked)>,
    /// Lines beyond the limit.
    overflow: u64,
    /// Bytes that lines and what was learned of them took at most.
    bytes_most: usize,
    /// Lines that were left out since their writer had its share of a limit, by source.
    over_share: NumberMap<u32, u64>,
    keeps_evidence: bool,
    /// Lines are decided as they come.
    is_live: bool,
    evidence: Option<Box<Evidence>>,
    /// Of a stream.
    stream: Option<Box<StreamState>>,
}

/// How far a stream has come, ns since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// Lines up to here are decided.
    pub(crate) due: i64,
    /// Half of what was learned is forgotten in each.
    pub(crate) half_life: i64,
    /// Requests without a line since then are over.
    pub(crate) silent_since: i64,
    pub(crate) task: Task,
}

impl Engine {
    /// Keeps what is needed of a record. `is_traced`: its writer has spans.
    pub(crate) fn observe(&mut self, index: &SpanIndex, record: &Record<'_>, writer: u32, is_traced: bool, hint: Hint) {
        // Who has no spans, or writes outside of requests, teaches nothing, and is kept only for whoever asks why.
        let teaches = is_traced && hint != Hint::Outside;
        if teaches || self.keeps_evidence {
            if record.time.is_some() && !self.lines.has_room(self.limits.lines_bytes) {
                return;
            }
            let row = self.lines.rows.len() as u32;
            self.lines.add(index.words.seed(), record, writer, hint, teaches);
            if let (Some(stream), Some(line)) = (&mut self.stream, self.lines.rows.get(row as usize)) {
                stream.add(line.time, row);
            }
        }
    }

    /// Keeps no more than that.
    pub(crate) fn set_limits(&mut self, limits: LearningLimits) {
        self.limits = limits;
    }

    /// Lines will be decided as they come.
    pub(crate) fn follow(&mut self) {
        self.is_live = true;
        let classes_max = self.limits.remembered_classes();
        self.stream.get_or_insert_with(|| Box::new(StreamState::new(classes_max)));
    }

    /// A step of a stream begins: the links of the last are gone.
    pub(crate) fn begin_step(&mut self) {
        self.decisions.clear();
        self.of_sources.clear();
    }

    /// What to do with lines of these times that are due. `memory`: lines are kept no longer, ns.
    pub(crate) fn task(&mut self, due_lines: (i64, i64), due: i64, memory: i64) -> Task {
        let from = due.saturating_sub(memory);
        self.stream.as_mut().map_or(Task::Estimate(from), |stream| stream.task(due_lines, due, memory))
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

    /// Bytes that lines take, and what was learned of a stream.
    pub(crate) fn bytes(&self) -> usize {
        self.lines.bytes() + self.stream.as_ref().map_or(0, |stream| stream.bytes())
    }

    /// Bytes that lines and what was learned of them took at most.
    pub(crate) fn bytes_most(&self) -> usize {
        self.bytes_most
    }

    /// Lines beyond the limit.
    pub(crate) fn overflow(&self) -> u64 {
        self.lines.overflow + self.overflow
    }

    /// Lines that were left out since their writer had its share of a limit, by source.
    pub(crate) fn over_share(&self) -> &NumberMap<u32, u64> {
        &self.over_share
    }

    /// Decides all lines.
    pub(crate) fn settle(&mut self, index: &SpanIndex, writers: Writers<'_>, rules: Rules<'_>) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.narrow(rules.bounds);
        self.overflow += lines.overflow;
        self.decide(index, writers, rules, lines, i64::MAX, How::Whole);
    }

    /// The same while lines still come: those that are not due are left open, and what was learned is kept.
    pub(crate) fn advance(
        &mut self,
        index: &SpanIndex,
        writers: Writers<'_>,
        rules: Rules<'_>,
        Progress { due, half_life, silent_since, task }: Progress,
    ) {
        let Some(mut stream) = self.stream.take() else { return };
        match task {
            Task::Decide(times) => {
                let mut lines = stream.lines_between(&self.lines, times);
                lines.narrow(rules.bounds);
                self.decide(index, writers, rules, lines, due, How::ByModel(&mut stream));
                stream.close(&mut self.lines, due);
            }
            Task::Estimate(from) | Task::Window(from) => {
                stream.decayed.decay(due, from, half_life);
                stream.earlier.forget_before(silent_since);
                let (mut lines, how) = match task {
                    Task::Window(_) => (std::mem::take(&mut self.lines), How::Window(&mut stream)),
                    _ => (self.lines.take_until(due.saturating_add(LOOKAHEAD_NS)), How::Estimate(&mut stream)),
                };
                lines.narrow(rules.bounds);
                if let Some(lines) = self.decide(index, writers, rules, lines, due, how) {
                    let decided = lines.rows.iter().filter(|line| line.time <= due).count();
                    self.lines.put_back(&lines, from, due);
                    stream.learned(&self.lines, decided, due);
                }
            }
        }
        self.stream = Some(stream);
    }

    /// Gives the lines back, unless they were kept as evidence.
    fn decide(
        &mut self,
        index: &SpanIndex,
        writers: Writers<'_>,
        rules: Rules<'_>,
        lines: Lines,
        due: i64,
        mut how: How<'_>,
    ) -> Option<Lines> {
        if index.is_empty() || lines.rows.is_empty() {
            return Some(lines);
        }
        let resources = writers.resources;
        let operations = Operations::new(index, resources.iter().copied());
        let keeps = how.keeps(self.keeps_evidence);
        let mut ruled = Ruled::new(&lines, &operations, writers, rules, keeps);
        let settled = SettledLines::new(std::mem::take(&mut ruled.settled));
        let none = NumberSet::default();
        let common = how.remembered().model.map_or(&none, |model| &model.common_words);
        let trace_words = TraceWords::new(index, &operations, &lines.all_words(), common, self.limits.words());
        let edges = Edges::new(index);
        let of_writer = |line: &Line| resources.get(line.writer as usize).copied().unwrap_or_default();
        let runs = lines.rows.chunk_by(|a, b| (a.writer, a.producer) == (b.writer, b.producer));
        let runs = runs.map(|run| (run[0].writer, run[0].producer, of_writer(&run[0])));
        let open = OpenSpans::new(index, &operations, runs);
        let tables = FeatureTables {
            index,
            lines: &lines,
            operations: &operations,
            settled: &settled,
            resources,
            trace_words: &trace_words,
            edges: &edges,
            open: &open,
        };
        let candidates = gating::candidates(&tables, &ruled.wanted, how.remembered(), self.limits);
        self.refuse(&candidates.refused, &lines, due);
        self.count_bytes(&lines, &candidates);
        let (mut association, choices) =
            how::associate(&tables, &candidates, (&ruled.traces, self.limits.words()), &how, keeps);
        let without_span = how.without_span(&candidates, &association);
        self.take_choices(&lines, &candidates, &association, &choices, &without_span, due);
        let calls = timed_calls::assign(index, resources, &ruled.calls).into_iter();
        let calls = calls.map(|(line, slot)| (line, slot, Relation::Within));
        self.take_known(&lines, calls, CALL_CONFIDENCE, Method::Request, due);
        self.take_known(&lines, ruled.linked.drain(..), ENTITY_CONFIDENCE, Method::Entity, due);
        self.put_in_order();
        let told = std::mem::take(&mut association.told);
        if let How::Estimate(stream) | How::ByModel(stream) = &mut how {
            let told =
                told.into_iter().map(|told| (lines.rows[candidates.rows[told.row as usize].line as usize], told));
            told.filter(|(line, _)| line.is_due(due)).for_each(|(line, told)| stream.earlier.add(told, line.time));
        }
        if let How::ByModel(stream) = &mut how {
            stream.count_unknown(&candidates);
        } else if let How::Estimate(stream) = &mut how {
            let agreement = stream.decayed.agreement_with(&association.agreement);
            stream.decayed.learn(&candidates, &association, &lines, &operations);
            stream.model.take_in(&candidates, association, choices, &tables);
            stream.model.agreement = agreement;
        } else if let How::Window(stream) = &mut how {
            stream.decayed.learn(&candidates, &association, &lines, &operations);
        } else if keeps == Keeps::Evidence {
            let kept = Evidence::new(lines, operations, candidates, association, choices, ruled.known);
            self.evidence = Some(Box::new(kept));
            return None;
        }
        Some(lines)
    }

    /// Links that rules have found, by line.
    fn take_known(
        &mut self,
        lines: &Lines,
        links: impl Iterator<Item = (u32, Slot, Relation)>,
        confidence: f32,
        method: Method,
        due: i64,
    ) {
        for (line, slot, relation) in links {
            let line = &lines.rows[line as usize];
            if line.is_due(due) {
                self.decisions.push(Decision::new(line, slot, confidence, method, relation));
            }
        }
    }

    /// Decisions are found by their places.
    fn put_in_order(&mut self) {
        self.undecided.sort_unstable();
        self.decisions.sort_unstable_by_key(|decision| (decision.source, decision.file, decision.offset));
        let sources = self.decisions.last().map_or(0, |decision| decision.source + 1);
        let first = |source| self.decisions.partition_point(|decision| decision.source < source) as u32;
        self.of_sources = (0..=sources).map(first).collect();
    }

    /// So much is taken now.
    fn count_bytes(&mut self, lines: &Lines, candidates: &Candidates) {
        let learned = LearningLimits::bytes_of(candidates.pairs.len(), candidates.classes.len());
        self.bytes_most = self.bytes_most.max(lines.bytes() + learned);
    }

    /// These lines were left out of what is learned from.
    fn refuse(&mut self, refused: &[u32], lines: &Lines, due: i64) {
        for line in refused.iter().map(|line| &lines.rows[*line as usize]).filter(|line| line.is_due(due)) {
            *self.over_share.entry(line.source).or_default() += 1;
            if !self.is_live {
                self.undecided.push(((line.source, line.file, line.offset), Unlinked::OverShare));
            }
        }
    }

    /// Decisions from what was learned.
    fn take_choices(
        &mut self,
        lines: &Lines,
        candidates: &Candidates,
        association: &Association,
        choices: &Choices,
        without_span: &NumberMap<u32, f32>,
        due: i64,
    ) {
        for (number, (row, choice)) in candidates.rows.iter().zip(&choices.rows).enumerate() {
            let line = &lines.rows[row.line as usize];
            let Some((pair, probability)) = choice.filter(|_| line.is_due(due)) else {
                if !self.is_live && row.count > 0 {
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
