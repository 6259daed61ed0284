//! The one that drives: takes spans and records, asks the rules, has the engine learn, gives links.
//!
//! In go span facts, then every record once ([`Correlator::observe`], which learns what belongs together), then every
//! record again ([`Correlator::link`]); out comes a link with its method and confidence, or the reason for none. Kept is
//! what names requests, never a line. Where spans come from, and where links go, is not known here.

use super::arrivals::Arrivals;
use super::due::Due;
use super::explain;
use super::explanation::Explanation;
use super::index::{IndexStats, Limits, SpanIndex};
use super::learn::{Engine, LearningLimits, Rules, Task, Writers};
use super::requests::crio::{Requests, named_in};
use super::requests::position::{LinePosition, position, position_of};
use super::rules::call_sites::CallSites;
use super::rules::named::named_by;
use super::rules::outcome::RuleOutcome;
use super::rules::{api_server, conmon_rs, containerd, crio, hints, process, written};
use super::sources::{MARGIN_NS, Sources, traced};
use super::text::hash::NumberSet;
use crate::facts::{ResourceFact, SpanFact};
use crate::record::{Link, Origin, Pod, Position, Producer, Record, Unlinked};

/// See the module.
#[derive(Debug)]
pub struct Correlator {
    pub(crate) index: SpanIndex,
    pub(crate) requests: Requests,
    /// Who writes the lines of each source.
    pub(crate) sources: Sources,
    /// Lines of CRI-O with whole seconds, by (identity, place), and their times: their order is all they have.
    pub(crate) rounded: Vec<(u64, LinePosition, i64)>,
    /// Where programs write their lines, as the user says.
    pub(crate) sites: CallSites,
    pub(crate) limits: LearningLimits,
    pub(crate) engine: Engine,
    /// Where spans and lines come together, and are decided as they go: see [`Correlator::advance`].
    pub(crate) stream: Option<Box<Arrivals>>,
    /// Lines up to here are decided.
    pub(crate) due: Due,
}

/// What correlation could not keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CorrelatorStats {
    /// The index's own.
    pub index: IndexStats,
    /// Requests beyond the limit.
    pub requests_over_limit: u64,
    /// Lines beyond the limit of what is kept to infer links from.
    pub lines_over_limit: u64,
    /// Bytes that lines and what was learned of them took at most.
    pub learning_bytes: usize,
}

/// Bytes of a span in a file, rather too many.
const BYTES_PER_SPAN: u64 = 800;

impl Correlator {
    /// Without any span.
    pub fn new(limits: Limits) -> Correlator {
        Correlator {
            index: SpanIndex::new(limits),
            requests: Requests::default(),
            sources: Sources::default(),
            rounded: Vec::new(),
            sites: CallSites::default(),
            limits: LearningLimits::default(),
            engine: Engine::default(),
            stream: None,
            due: Due::at(i64::MIN),
        }
    }

    /// With rows of a user on where programs write their lines, before those that are known.
    pub fn with_call_sites(mut self, sites: CallSites) -> Correlator {
        self.sites = sites;
        self
    }

    /// With no more to link by than this.
    pub fn within(mut self, limits: LearningLimits) -> Correlator {
        self.engine.set_limits(limits);
        self.limits = limits;
        self
    }

    /// With the same spans, or who makes them, but before the first line.
    pub fn before_lines(self) -> Correlator {
        let new = Correlator::new(self.index.limits()).with_call_sites(self.sites).within(self.limits);
        Correlator { index: self.index, ..new }
    }

    /// All spans are in, and can be looked up. Done by [`Correlator::settle`] too, unless no span came since.
    pub fn settle_spans(&mut self) {
        self.index.settle();
    }

    /// Makes room for spans of a file of this many bytes.
    pub fn expect_spans(&mut self, bytes: u64) {
        self.index.expect(usize::try_from(bytes / BYTES_PER_SPAN).unwrap_or(0));
    }

    /// Takes down who makes a span that comes later.
    pub fn announce_span(&mut self, resource: &ResourceFact<'_>, span: &SpanFact<'_>) {
        self.index.seed_by(span);
        self.index.add_resource(resource);
    }

    /// The number of a resource in the index, which is known from now on.
    pub fn number_of(&mut self, resource: &ResourceFact<'_>) -> u32 {
        self.index.add_resource(resource)
    }

    /// Takes in a span.
    pub fn add_span(&mut self, resource: &ResourceFact<'_>, span: &SpanFact<'_>) {
        match &mut self.stream {
            Some(stream) => {
                let span = self.index.read_recent(&mut stream.spans, resource, span);
                let service = self.index.resource(span.resource).service_number;
                let Arrivals { spans, watermarks, .. } = &mut **stream;
                watermarks.span(&span, service, |id| spans.has(&span.trace_id, id));
            }
            None => self.index.add(resource, span),
        }
    }

    /// First pass: a source begins. False where its lines teach nothing, and need not be observed: those of a container
    /// without spans, and the logs of the API server. (Lines of a journal have origins of their own.)
    pub fn source_begins(&mut self, source: u32, origin: &Origin) -> bool {
        let is_traced =
            self.sources.writer(&self.index, source, origin).is_none_or(|writer| writer.range.0 <= writer.range.1);
        self.engine.keeps_evidence()
            || self.stream.is_some()
            || match origin.producer {
                Producer::Audit | Producer::ApiServer => false,
                _ => origin.pod.is_none() || is_traced,
            }
    }

    /// Whether spans of a record's writer have come.
    pub fn knows_spans_of(&mut self, record: &Record<'_>) -> bool {
        let writer = self.sources.writer(&self.index, record.source, record.origin);
        writer.is_none_or(|writer| !writer.resources.is_empty())
    }

    /// Whether any span lies between these times, or little before or after them.
    pub fn has_spans_between(&self, (first, last): (i64, i64)) -> bool {
        let all: Vec<u32> = (0..self.index.resources().len() as u32).collect();
        let (from, to) = self.index.range_of(&all);
        from <= last.saturating_add(MARGIN_NS) && to >= first.saturating_sub(MARGIN_NS)
    }

    /// First pass: learns which lines belong to one request.
    pub fn observe(&mut self, record: &Record<'_>) {
        match &mut self.stream {
            Some(stream) => stream.add_line(record),
            None if self.index.is_empty() => return,
            None => {}
        }
        let writer = self.sources.writer(&self.index, record.source, record.origin);
        let writer = writer.map(|writer| (writer.number, writer.range));
        self.requests.observe(&self.index.hasher, record, self.limits.requests());
        let is_rounded = record.time_digits == 0 && self.rounded.len() < self.limits.rounded();
        if is_rounded && let Some((id, _)) = named_in(record) {
            let identity = self.index.hasher.of_request_line(id, &record.entry.body);
            self.rounded.push((identity, position_of(record), record.time.unwrap_or_default()));
        }
        let Some((writer, range)) = writer.filter(|_| record.entry.trace.trace_id.is_none()) else { return };
        // Who has no spans teaches nothing, and is kept only for whoever asks why.
        let is_traced = self.stream.is_some() || away(record, range).is_none();
        if is_traced || self.engine.keeps_evidence() {
            let hint = hints::of(&self.index, &self.requests, &self.sites, record);
            self.engine.observe(&self.index, record, writer, is_traced, hint);
        }
    }

    /// Between the passes: all spans are in, all records were observed.
    pub fn settle(&mut self) {
        self.decide(Task::Whole);
    }

    /// Finds the calls that requests are, then decides lines, or learns from them.
    pub(crate) fn decide(&mut self, task: Task<'_>) {
        self.index.settle();
        self.rounded.sort_unstable();
        let mut of_crio: Vec<u32> = Vec::new();
        for source in self.sources.writers() {
            if source.origin.producer == Producer::Crio {
                of_crio.extend(&source.resources);
            }
        }
        let is_of = |resource: &u32, services: &NumberSet<u32>| {
            services.contains(&self.index.resource(*resource).service_number)
        };
        match task {
            Task::Whole | Task::Window(_) => self.requests.settle(&self.index, &of_crio, None, true),
            Task::Decide(_, due) => self.requests.settle(&self.index, &of_crio, due.times(), false),
            Task::Learn(_, sample) if of_crio.iter().any(|resource| is_of(resource, &sample.services)) => {
                self.requests.settle(&self.index, &of_crio, Some(sample.times), true);
            }
            Task::Learn(..) => {}
        }
        let (index, requests) = (&self.index, &self.requests);
        let mut resources: Vec<&[u32]> = vec![&[]; self.sources.count()];
        let mut ranges = vec![(i64::MAX, i64::MIN); self.sources.count()];
        let services = self.sources.services(&self.index);
        for writer in self.sources.writers() {
            resources[writer.number as usize] = &writer.resources;
            ranges[writer.number as usize] = writer.range;
        }
        let ranges = (!matches!(task, Task::Whole)).then_some(ranges.as_slice());
        let writers = Writers { resources: &resources, services: &services, ranges };
        let known = |hint, writer, time| {
            hints::known(index, requests, hint, resources.get(writer as usize).copied().unwrap_or_default(), time)
        };
        let bounds = |source, file, offset, second| {
            requests.bounds(source, file, offset, second).map(|bounds| (bounds.from, bounds.to))
        };
        let rules = Rules { known: &known, bounds: &bounds };
        self.engine.run(index, writers, rules, task);
    }

    /// Second pass: the span a record belongs to.
    pub fn link(&self, record: &Record<'_>) -> Result<Link, Unlinked> {
        let Position { file, offset, .. } = record.position;
        match self.early(record) {
            RuleOutcome::Linked(link) => Ok(link),
            RuleOutcome::Named(named) => {
                let rank = |identity| self.rank((identity, position(record.source, file, offset)));
                crio::of_request(&self.index, &self.requests, &named, record.time, rank)
            }
            RuleOutcome::Nothing if self.index.is_empty() => Err(Unlinked::NoTraces),
            RuleOutcome::Nothing => {
                let place = (record.source, file, offset);
                self.engine.decisions().link(place).ok_or_else(|| match self.unlinked(record) {
                    Unlinked::NoEvidence => self.engine.decisions().why_none(place).unwrap_or(Unlinked::NoSpanNear),
                    reason => reason,
                })
            }
        }
    }

    /// Why a record may have no link, as far as that is known without the other lines: [`Unlinked::NoEvidence`] where they
    /// tell.
    fn unlinked(&self, record: &Record<'_>) -> Unlinked {
        let range = match self.sources.known(record.source, record.origin) {
            Some(writer) => writer.range,
            None => traced(&self.index, record.origin).1,
        };
        let hint = || hints::unlinked(hints::of(&self.index, &self.requests, &self.sites, record));
        away(record, range).unwrap_or_else(hint)
    }

    /// What explicit evidence says of a record. All spans are in; further records may still be to come.
    fn early<'r>(&self, record: &'r Record<'_>) -> RuleOutcome<'r> {
        let ad_hoc;
        let resources = match self.sources.known(record.source, record.origin) {
            Some(writer) => &writer.resources,
            _ if self.index.is_empty() => &Vec::new(),
            _ => {
                ad_hoc = process::resources_of(record.origin, self.index.resources());
                &ad_hoc
            }
        };
        if let Some(link) = written::link(&self.index, resources, record) {
            return RuleOutcome::Linked(link);
        }
        if self.index.is_empty() {
            return RuleOutcome::Nothing;
        }
        if let Some(early) = crio::event_or_request(&self.index, record) {
            return early;
        }
        api_server::trace_block(&self.index, resources, record)
            .or_else(|| containerd::event(&self.index, resources, record))
            .or_else(|| conmon_rs::event_or_request(&self.index, record))
            .or_else(|| api_server::request(&self.index, record))
            .map_or(RuleOutcome::Nothing, RuleOutcome::Linked)
    }

    /// Has the next [`Correlator::settle`] keep what [`Correlator::explain`] tells. Takes memory, else nothing is kept.
    pub fn keep_evidence(&mut self) {
        self.engine.keep_evidence();
    }

    /// Second pass: why a record belongs to its span, or to none.
    pub fn explain(&self, record: &Record<'_>) -> Explanation {
        let outcome = self.link(record);
        let mut explanation = explain::of_outcome(&self.index, outcome, record);
        // What a rule has decided was not learned.
        let is_learned = outcome.map_or(true, |link| link.method >= crate::record::Method::Entity);
        if let Some(story) = self.engine.story(&self.index, record, named_by(record)).filter(|_| is_learned) {
            if !story.candidates.is_empty() && (story.no_span.is_some() || explanation.link.is_none()) {
                explanation.candidates = story.candidates;
            }
            (explanation.left_out, explanation.no_span, explanation.kind) = (story.left_out, story.no_span, story.kind);
        }
        explanation
    }

    /// The spans.
    pub fn index(&self) -> &SpanIndex {
        &self.index
    }

    /// Tells the service of a pod's spans, for as many as are in by now.
    pub fn services(&self) -> impl Fn(&Pod) -> Option<String> + Send + Sync + use<> {
        let resources = self.index.resources().to_vec();
        move |pod| process::service_of(pod, &resources)
    }

    /// The pod of this name among those of the spans.
    pub fn pod_named(&self, name: &str) -> Option<Pod> {
        process::pod_named(name, self.index.resources())
    }

    /// What was kept, and what was not.
    pub fn counts(&self) -> CorrelatorStats {
        let index = match &self.stream {
            Some(stream) => stream.spans.counts(),
            None => self.index.counts(),
        };
        CorrelatorStats {
            index,
            requests_over_limit: self.requests.overflow,
            lines_over_limit: self.engine.overflow(),
            learning_bytes: self.engine.bytes_most(),
        }
    }

    /// Lines that were not looked at since their writer had its share of what is kept, by source; most first.
    pub fn lines_over_share(&self) -> Vec<(u32, u64)> {
        let mut lines: Vec<(u32, u64)> =
            self.engine.over_share().iter().map(|(source, lines)| (*source, *lines)).collect();
        lines.sort_unstable_by_key(|(source, lines)| (std::cmp::Reverse(*lines), *source));
        lines
    }

    /// Which of the lines that are equal but for their time this is, and how many there are.
    fn rank(&self, own: (u64, LinePosition)) -> Option<(usize, usize)> {
        let start = self.rounded.partition_point(|row| row.0 < own.0);
        let equal = &self.rounded[start..];
        let equal = &equal[..equal.partition_point(|row| row.0 == own.0)];
        equal.binary_search_by_key(&own, |row| (row.0, row.1)).ok().map(|at| (at, equal.len()))
    }
}

/// Why nothing recorded of a writer can hold a line, where that is so. `range`: while it has spans.
fn away(record: &Record<'_>, range: (i64, i64)) -> Option<Unlinked> {
    match record.time {
        None => Some(Unlinked::NoTime),
        Some(_) if range.0 > range.1 && record.origin.is_guessed => Some(Unlinked::WriterNotKnown),
        Some(_) if range.0 > range.1 => Some(Unlinked::NoSpansOfWriter),
        Some(time) if time < range.0 || time > range.1 => Some(Unlinked::NoTimeOverlap),
        Some(_) => None,
    }
}
