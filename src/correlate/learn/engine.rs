//! The one that drives learning: keeps lines, starts from what rules know of them, decides those that are due.
//!
//! In go records ([`Engine::observe`]) and the settled index ([`Engine::settle`]), out comes for a record its span with a
//! probability, or none ([`Engine::link`]); along a stream, step by step ([`Engine::advance`]). What is learned in between
//! passes from part to part as values: features, candidates, association, choices.

use super::association::Association;
use super::calibrate::{self, Learned};
use super::candidates::{CandidatePair, Candidates};
use super::clues::{DURATION, RARE_WORD, SIDE};
use super::decisions::Decisions;
use super::due_lines::DueLines;
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
use super::posteriors::Keeps;
use super::ruled::{Ruled, Rules};
use super::stream_state::{Sample, StreamState};
use super::task::{Progress, Task};
use super::tuning::AFTER_RATIO;
use super::writers::Writers;
use crate::correlate::hint::Hint;
use crate::correlate::index::{Slot, SpanIndex};
use crate::correlate::requests::timed_calls;
use crate::correlate::text::hash::{NumberMap, NumberSet};
use crate::record::{Method, Record, Relation, Unlinked};

/// A pod has one worker: two of its spans are never open at once.
const ENTITY_CONFIDENCE: f32 = 0.995;
/// Method and start, to the microsecond.
const CALL_CONFIDENCE: f32 = 0.995;

/// A line is about a trace from this probability on.
const ABOUT_LEAST: f32 = 0.5;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    limits: LearningLimits,
    lines: Lines,
    decisions: Decisions,
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
    pub(crate) stream: Option<Box<StreamState>>,
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
    }

    /// Lines to learn from before those of a stream that are due are decided, if it is time. `services`: of each writer.
    pub(crate) fn sample(&mut self, services: &[u32], Progress { due, memory, .. }: Progress) -> Option<Sample> {
        self.stream.as_mut()?.sample(&mut self.lines, services, due, memory)
    }

    /// See [`StreamState::hold_new_kinds`].
    pub(crate) fn hold_new_kinds(&mut self, services: &[u32], dues: &mut NumberMap<u32, i64>) {
        if let Some(stream) = &mut self.stream {
            stream.hold_new_kinds(&self.lines, services, dues);
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

    /// Learns from lines, or decides them.
    pub(crate) fn run(&mut self, index: &SpanIndex, writers: Writers<'_>, rules: Rules<'_>, task: Task<'_>) {
        match task {
            Task::Whole => self.settle(index, writers, rules),
            Task::Window(progress) => self.settle_window(index, writers, rules, progress),
            Task::Learn(progress, sample) => self.learn(index, writers, rules, sample, progress),
            Task::Decide(progress, due) => self.advance(index, writers, rules, due, progress),
        }
    }

    fn settle(&mut self, index: &SpanIndex, writers: Writers<'_>, rules: Rules<'_>) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.narrow(rules.bounds);
        self.overflow += lines.overflow;
        self.decide(index, writers, rules, lines, i64::MAX, How::Whole);
    }

    /// Decides those that are due of a stretch of time, by what they and those before teach.
    fn settle_window(
        &mut self,
        index: &SpanIndex,
        writers: Writers<'_>,
        rules: Rules<'_>,
        Progress { due, memory, half_life }: Progress,
    ) {
        let Some(mut stream) = self.stream.take() else { return };
        let from = due.saturating_sub(memory);
        stream.decayed.decay(due, from, half_life);
        stream.earlier.forget_before(from);
        let mut lines = std::mem::take(&mut self.lines);
        lines.narrow(rules.bounds);
        if let Some(lines) = self.decide(index, writers, rules, lines, due, How::Window(&mut stream)) {
            self.lines = lines.left_after(from, due);
        }
        self.stream = Some(stream);
    }

    /// Learns from lines of a stream.
    fn learn(
        &mut self,
        index: &SpanIndex,
        writers: Writers<'_>,
        rules: Rules<'_>,
        sample: &Sample,
        Progress { due, memory, half_life }: Progress,
    ) {
        let Some(mut stream) = self.stream.take() else { return };
        // Those that are due are learned from for the last time.
        stream.decayed.decay(due, i64::MIN, half_life);
        stream.earlier.forget_before(due.saturating_sub(memory));
        let mut lines = stream.take_sample(&mut self.lines, writers.services, sample, due);
        lines.narrow(rules.bounds);
        if let Some(lines) = self.decide(index, writers, rules, lines, due, How::Learn(&mut stream)) {
            stream.learned(&lines, writers.services, sample);
        }
        self.stream = Some(stream);
    }

    /// Decides the lines of a stream that are due, by what was learned.
    fn advance(
        &mut self,
        index: &SpanIndex,
        writers: Writers<'_>,
        rules: Rules<'_>,
        due_lines: &DueLines,
        Progress { due, memory, .. }: Progress,
    ) {
        let Some(mut stream) = self.stream.take() else { return };
        let mut lines = stream.lines_around(&self.lines, due_lines);
        lines.narrow(rules.bounds);
        self.decide(index, writers, rules, lines, i64::MAX, How::ByModel(&mut stream));
        stream.close(&mut self.lines, writers.services, (due_lines, due), memory);
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
        let goes_on = ruled.set_aside(how.continuations(&lines, &operations));
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
        if let How::Learn(stream) = &mut how {
            stream.model.agreement = stream.decayed.agreement_with(&association.agreement);
            stream.decayed.learn(&candidates, &association, &lines, &operations);
            stream.model.take_in(&candidates, association, choices, &tables);
            return Some(lines);
        }
        let without_span = how.without_span(&candidates, &association);
        self.take_choices(&tables, due, &candidates, (&association, &choices), &without_span);
        let calls = timed_calls::assign(index, resources, &ruled.calls).into_iter();
        let calls = calls.map(|(line, slot)| (line, slot, Relation::Within));
        self.take_known(index, (&lines, due), calls, CALL_CONFIDENCE, Method::Request);
        self.take_known(index, (&lines, due), ruled.linked.drain(..), ENTITY_CONFIDENCE, Method::Entity);
        self.decisions.put_in_order();
        self.decisions.take_over(
            goes_on
                .iter()
                .map(|(line, began)| (&lines.rows[*line as usize], &lines.rows[*began as usize]))
                .filter(|(line, _)| line.is_due(due)),
        );
        how.keep_decided(&candidates, &mut association, (&lines, due), &operations);
        if keeps == Keeps::Evidence {
            let kept = Evidence::new((lines, &goes_on), operations, candidates, association, choices, ruled.known);
            self.evidence = Some(Box::new(kept));
            return None;
        }
        Some(lines)
    }

    /// Links that rules have found, by line.
    fn take_known(
        &mut self,
        index: &SpanIndex,
        (lines, due): (&Lines, i64),
        links: impl Iterator<Item = (u32, Slot, Relation)>,
        confidence: f32,
        method: Method,
    ) {
        for (line, slot, relation) in links {
            let line = &lines.rows[line as usize];
            if line.is_due(due) {
                self.decisions.add(line, index.span(slot), confidence, method, relation);
            }
        }
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
                self.decisions.leave_out(line, Unlinked::OverShare);
            }
        }
    }

    /// Decisions from what was learned.
    fn take_choices(
        &mut self,
        &FeatureTables { index, lines, operations, .. }: &FeatureTables<'_>,
        due: i64,
        candidates: &Candidates,
        (association, choices): (&Association, &Choices),
        without_span: &NumberMap<u32, f32>,
    ) {
        for (number, (row, choice)) in candidates.rows.iter().zip(&choices.rows).enumerate() {
            let line = &lines.rows[row.line as usize];
            let about = || about(candidates, association, number);
            let found = choice.map(|choice| (choice, Relation::Within)).or_else(|| Some((about()?, Relation::About)));
            let Some(((pair, probability), mut relation)) = found.filter(|_| line.is_due(due)) else {
                if !self.is_live && row.count > 0 {
                    let is_none = association.posteriors.none[number] >= 0.5;
                    let reason = if is_none { Unlinked::NoSpan } else { Unlinked::Ambiguous };
                    self.decisions.leave_out(line, reason);
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
                preference: calibrate::preference(candidates, &association.posteriors, row, pair),
                names_span: clues & DURATION > 0 || clues % SIDE >= RARE_WORD,
                sides: clues / SIDE,
            };
            let is_after = association.context.written_after.get(candidates.pairs[pair as usize].class as usize);
            if is_after == Some(&true) || operations.holds_nothing(candidates.pairs[pair as usize].slot) {
                relation = Relation::About;
            }
            let confidence = calibrate::calibrated(probability, learned);
            let span = index.span(candidates.pairs[pair as usize].slot);
            self.decisions.add(line, span, confidence, Method::Inferred, relation);
        }
    }

    /// What was decided.
    pub(crate) fn decisions(&self) -> &Decisions {
        &self.decisions
    }
}

/// The span that a line is about which was written when it was over, and the probability of its trace.
fn about(candidates: &Candidates, association: &Association, number: usize) -> Option<(u32, f32)> {
    let after = &association.context.written_after;
    let row = &candidates.rows[number];
    let is_after = |pair: u32| after.get(candidates.pairs[pair as usize].class as usize).copied().unwrap_or(false);
    let weights = &association.posteriors.weights;
    let weight = |pair: u32| weights[pair as usize] * if is_after(pair) { 1.0 / AFTER_RATIO } else { 1.0 };
    let first = row.first;
    let pairs = || first..first + row.count;
    let best = pairs().filter(|pair| is_after(*pair)).max_by(|a, b| weight(*a).total_cmp(&weight(*b)))?;
    let trace = candidates.pairs[best as usize].trace;
    let all = association.posteriors.none[number] + pairs().map(weight).sum::<f32>();
    let own: f32 = pairs().filter(|pair| candidates.pairs[*pair as usize].trace == trace).map(weight).sum();
    let probability = own / all.max(1e-12);
    (probability >= ABOUT_LEAST).then_some((best, probability))
}
