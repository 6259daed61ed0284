//! The spans seen lately, by everything a line may know of them.
//!
//! In go span facts in any order, children first and duplicates included; after [`SpanIndex::settle`] they are found by
//! trace (also the low half of its id), span, parent, resource and time, event and key. Bounded by count and bytes: the
//! oldest arrivals are evicted and counted. What a line means is not decided here.

use super::attribute_words::AttributeWords;
use super::events::Events;
use super::failures::{self, Failures};
use super::identity::IdentityHasher;
use super::intervals::Intervals;
use super::keys::{Key, Keys};
use super::names::Names;
use super::recent_spans::{RecentSpans, SpanParts};
use super::resources::{Resource, Resources};
use super::span::{IndexStats, Limits, NONE, Slot, Span};
use super::span_ids::SpanIds;
use super::tables::Tables;
use crate::correlate::text::hash::{Seed, mix};
use crate::facts::{ResourceFact, SpanFact};

/// Ancestors of a span that are followed, itself included; deeper traces are cut off there.
const DEPTH_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct SpanIndex {
    spans: Vec<Span>,
    by_id: SpanIds,
    names: Names,
    last_scope: u32,
    pub(crate) resources: Resources,
    /// Of each resource: from its first span's start to its last one's end.
    ranges: Vec<(i64, i64)>,
    failures: Failures,
    pub(crate) events: Events,
    pub(crate) keys: Keys,
    pub(crate) words: AttributeWords,
    pub(crate) hasher: IdentityHasher,
    limits: Limits,
    counts: IndexStats,
    tables: Tables,
    is_settled: bool,
    /// Words and keys are hashed from here on as they are.
    is_seeded: bool,
}

impl SpanIndex {
    /// An empty index.
    pub fn new(limits: Limits) -> SpanIndex {
        let seed = Seed::random().0;
        SpanIndex {
            spans: Vec::new(),
            by_id: SpanIds::new(seed),
            names: Names::default(),
            last_scope: 0,
            resources: Resources::default(),
            ranges: Vec::new(),
            failures: Failures::default(),
            events: Events::default(),
            keys: Keys::default(),
            words: AttributeWords::new(seed),
            hasher: IdentityHasher::new(seed),
            limits,
            counts: IndexStats::default(),
            tables: Tables::default(),
            is_settled: false,
            is_seeded: false,
        }
    }

    /// Makes room for this many further spans: what is never used of it costs next to nothing, growing does.
    pub(crate) fn expect(&mut self, spans: usize) {
        let spans = spans.min(self.limits.spans_max.saturating_sub(self.spans.len()));
        self.spans.reserve(2 * spans);
        let known = &self.spans;
        self.by_id.reserve(spans, |slot| &known[slot as usize]);
    }

    /// Lines come before the first span: their words are hashed already.
    pub(crate) fn keep_seed(&mut self) {
        self.is_seeded = true;
    }

    /// The same spans and lines are to give the same links, run after run, and what is learned depends on the order of
    /// hashes in the last digits: these begin with what nobody who writes lines knows, the ids and nanoseconds of the first
    /// span. Tables by ids and names, whose order tells nothing, begin at random.
    pub(crate) fn seed_by(&mut self, fact: &SpanFact<'_>) {
        if std::mem::replace(&mut self.is_seeded, true) {
            return;
        }
        let id = u128::from_le_bytes(fact.trace_id);
        let parts =
            [id as u64, (id >> 64) as u64, u64::from_le_bytes(fact.span_id), fact.start as u64, fact.end as u64];
        let seed = parts.into_iter().fold(0, mix);
        (self.words, self.hasher) = (AttributeWords::new(seed), IdentityHasher::new(seed));
    }

    /// Takes a span in. It is found after the next [`SpanIndex::settle`].
    pub fn add(&mut self, resource: &ResourceFact<'_>, fact: &SpanFact<'_>) {
        self.seed_by(fact);
        if self.spans.len() >= self.limits.spans_max
            || self.spans.len().is_multiple_of(1024) && self.bytes() > self.limits.bytes_max
        {
            self.evict();
        }
        let span = self.read(resource, fact);
        self.is_settled = false;
        widen(&mut self.ranges, &span);
        let next = self.spans.len() as Slot;
        let spans = &self.spans;
        let slot = *self.by_id.slot_of(&span, next, |slot| &spans[slot as usize]);
        if slot == next {
            self.spans.push(span);
            self.words.add(slot, fact);
        } else {
            self.counts.duplicates += 1;
            self.spans[slot as usize] = span;
        }
        self.failures.add(slot, fact.failure);
        self.keys.add(&self.hasher, slot, fact);
        self.events.add(&self.hasher, slot, fact);
        self.counts.spans = self.spans.len() as u64;
    }

    /// The number of a resource, which is known from now on, whether it has spans or not.
    pub(crate) fn add_resource(&mut self, resource: &ResourceFact<'_>) -> u32 {
        self.resources.number(resource, || self.hasher.of_key(u64::from(u8::MAX), resource.service.as_bytes()))
    }

    /// A span as it is kept.
    fn read(&mut self, resource: &ResourceFact<'_>, fact: &SpanFact<'_>) -> Span {
        // Mostly it is that of the span before.
        if self.names.name(self.last_scope) != fact.scope {
            self.last_scope = self.names.number(fact.scope);
        }
        Span {
            trace_id: fact.trace_id,
            span_id: fact.span_id,
            parent_id: fact.parent_id,
            start: fact.start,
            end: fact.end,
            name: self.names.number(fact.name),
            scope: self.last_scope,
            resource: self.add_resource(resource),
            kind: fact.kind,
            thread: Span::thread_of(fact),
        }
    }

    /// The same along a stream, where spans are shown window by window: see [`SpanIndex::show`]. Returns the span.
    pub(crate) fn read_recent(&mut self, recent: &mut RecentSpans, of: &ResourceFact<'_>, fact: &SpanFact<'_>) -> Span {
        let span = self.read(of, fact);
        let events: Vec<(u64, i64)> = Events::of(&self.hasher, fact).collect();
        let mut keys = Vec::new();
        Keys::each(&self.hasher, fact, |key| keys.push(key));
        let failure = fact.failure.map(failures::kept);
        let words = self.words.read(fact);
        recent.add(&SpanParts { span, words, events: &events, keys: &keys, failure: failure.as_ref() });
        span
    }

    /// Holds the spans of a window from now on, instead of those before: see [`RecentSpans::select`].
    pub(crate) fn show(&mut self, recent: &RecentSpans, selected: &[u32]) {
        self.spans.clear();
        self.by_id.clear();
        self.ranges.clear();
        self.failures.clear();
        self.events.clear();
        self.keys.clear();
        self.words.clear();
        for (slot, number) in (0..).zip(selected) {
            let SpanParts { span, words, events, keys, failure } = recent.parts(*number);
            widen(&mut self.ranges, &span);
            self.spans.push(span);
            let spans = &self.spans;
            self.by_id.slot_of(&span, slot, |slot| &spans[slot as usize]);
            self.words.put(slot, words);
            self.events.put(slot, events);
            self.keys.put(slot, keys);
            self.failures.put(slot, failure);
        }
        self.is_settled = false;
        self.counts.spans = self.spans.len() as u64;
        self.settle();
    }

    /// Forgets names that no span has, where there are many: of spans that are shown and of those that are not.
    pub(crate) fn forget_names(&mut self, recent: &mut RecentSpans) {
        if self.names.is_half_full() {
            let all = std::mem::take(&mut self.names);
            self.names.renumber(&all, self.spans.iter_mut().chain(recent.spans_mut()));
            self.last_scope = 0;
        }
    }

    /// Makes the look-up tables for all spans taken in so far.
    pub fn settle(&mut self) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        self.events.settle();
        self.keys.settle();
        self.words.settle(self.spans.len());
        let parent = |span: &Span| match span.parent_id {
            [0, 0, 0, 0, 0, 0, 0, 0] => NONE,
            id => self.by_ids(&span.trace_id, &id).unwrap_or(NONE),
        };
        let parents = self.spans.iter().map(parent).collect();
        self.tables = Tables::new(&self.spans, parents, self.resources.list().len(), self.words.seed());
    }

    /// What was taken in.
    pub fn counts(&self) -> IndexStats {
        self.counts
    }

    /// No span was taken in.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// All slots are below.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// The span of a slot.
    pub fn span(&self, slot: Slot) -> &Span {
        &self.spans[slot as usize]
    }

    /// The status message of a failed span, may be empty; `None` for one that did not fail.
    pub fn failure(&self, slot: Slot) -> Option<&str> {
        self.failures.of(slot)
    }

    /// All failed spans, by slot.
    pub fn failed(&self) -> impl Iterator<Item = Slot> {
        self.failures.slots()
    }

    /// The text of a name's or scope's number.
    pub fn name(&self, number: u32) -> &str {
        self.names.name(number)
    }

    /// The number of a name, if any span has it.
    pub fn name_number(&self, name: &str) -> Option<u32> {
        self.names.find(name)
    }

    /// The resource of a number.
    pub fn resource(&self, number: u32) -> &Resource {
        &self.resources.list()[number as usize]
    }

    /// From the first start to the last end of the spans of these resources; nothing lies in it where there is none.
    pub(crate) fn range_of(&self, resources: &[u32]) -> (i64, i64) {
        let ranges = resources.iter().filter_map(|resource| self.ranges.get(*resource as usize));
        ranges.fold((i64::MAX, i64::MIN), |all, range| (all.0.min(range.0), all.1.max(range.1)))
    }

    /// How much is kept.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// All resources, by number.
    pub fn resources(&self) -> &[Resource] {
        self.resources.list()
    }

    /// The span with these ids.
    pub fn by_ids(&self, trace_id: &[u8; 16], span_id: &[u8; 8]) -> Option<Slot> {
        self.by_id.find(trace_id, span_id, |slot| self.span(slot))
    }

    /// Spans of a trace, by start. With `low_half` the first half of the id is not compared.
    pub fn by_trace(&self, trace_id: &[u8; 16], low_half: bool) -> &[Slot] {
        self.tables.of_trace(&self.spans, trace_id, low_half)
    }

    /// Spans with this span id, of whatever trace.
    pub fn by_span_id(&self, span_id: &[u8; 8]) -> &[Slot] {
        self.tables.of_span_id(&self.spans, span_id)
    }

    /// The parent, where it was seen.
    pub fn parent(&self, slot: Slot) -> Option<Slot> {
        self.tables.parents.get(slot as usize).copied().filter(|parent| *parent != NONE)
    }

    /// Children, by start.
    pub fn children(&self, slot: Slot) -> &[Slot] {
        match self.tables.child_starts.get(slot as usize..slot as usize + 2) {
            Some([start, end]) => &self.tables.children[*start as usize..*end as usize],
            _ => &[],
        }
    }

    /// The span and those above it, itself first.
    pub fn ancestors(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        std::iter::successors(Some(slot), |slot| self.parent(*slot)).take(DEPTH_MAX)
    }

    /// Spans of a resource that are open at a time or ended less than `slack` ns before, up to `room`, by start.
    pub fn open_at(&self, resource: u32, time: i64, slack: i64, room: usize, into: &mut Vec<Slot>) {
        if let Some(intervals) = self.tables.by_resource.get(resource as usize) {
            intervals.open(time.saturating_add(1), time.saturating_sub(slack), room, into);
        }
    }

    /// Spans of a resource that begin no later than `start_max` and end no earlier than `end_min`, up to `room`.
    pub(crate) fn open_between(&self, resource: u32, start_max: i64, end_min: i64, room: usize, into: &mut Vec<Slot>) {
        if let Some(intervals) = self.tables.by_resource.get(resource as usize) {
            intervals.open(start_max, end_min, room, into);
        }
    }

    /// All slots by (start, end).
    pub(crate) fn in_order_of_starts(&self) -> &[Slot] {
        &self.tables.by_start
    }

    /// All slots in order of their traces: those of one trace lie together.
    pub fn in_order_of_traces(&self) -> &[Slot] {
        &self.tables.by_trace
    }

    /// Spans with a key.
    pub fn by_key(&self, key: Key, value: &[u8]) -> impl Iterator<Item = Slot> {
        self.keys.find(self.hasher.of_key(key as u64, value))
    }

    /// Bytes that the index takes, roughly.
    pub fn bytes(&self) -> usize {
        // Each span takes five bytes in the table of ids at a load of 7/16 to 7/8, in the others six numbers and 20 bytes.
        let per_span = size_of::<Span>() + 9 + 6 * 4 + 20;
        let intervals: usize = self.tables.by_resource.iter().map(Intervals::bytes).sum();
        self.spans.len() * per_span
            + intervals
            + self.names.bytes()
            + self.failures.bytes()
            + self.events.bytes()
            + self.keys.bytes()
            + self.words.bytes()
    }

    /// All spans go.
    pub(crate) fn forget_all(&mut self) {
        self.forget(self.spans.len());
    }

    /// Makes room by a quarter: the oldest arrivals go.
    fn evict(&mut self) {
        let gone = (self.spans.len() / 4).max(1).min(self.spans.len());
        self.forget(gone);
        self.counts.evicted += gone as u64;
    }

    fn forget(&mut self, gone: usize) {
        self.is_settled = false;
        self.spans.drain(..gone);
        self.ranges.clear();
        self.spans.iter().for_each(|span| widen(&mut self.ranges, span));
        self.by_id.clear();
        let spans = &self.spans;
        for (span, slot) in spans.iter().zip(0..) {
            self.by_id.slot_of(span, slot, |slot| &spans[slot as usize]);
        }
        self.failures.forget(gone as Slot);
        self.events.forget(gone as Slot);
        self.keys.forget(gone as Slot);
        self.words.forget(gone as Slot);
        self.tables = Tables::default();
        self.counts.spans = self.spans.len() as u64;
        if self.names.is_half_full() {
            let all = std::mem::take(&mut self.names);
            self.names.renumber(&all, self.spans.iter_mut());
            self.last_scope = 0;
        }
    }
}

/// Takes a span's time into that of its resource.
fn widen(ranges: &mut Vec<(i64, i64)>, span: &Span) {
    let at = span.resource as usize;
    if at >= ranges.len() {
        ranges.resize(at + 1, (i64::MAX, i64::MIN));
    }
    ranges[at] = (ranges[at].0.min(span.start), ranges[at].1.max(span.end));
}
