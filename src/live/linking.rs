//! Links of the records of one lane: they wait until the spans that they may lie in have come.
//!
//! In go requests with spans, and records as they are read, out come the records that are decided, each with its link or
//! without. Those of one source stay in their order. What can have no span, and what names its trace itself, waits for
//! nothing. Bounded: where too much waits, all of it is decided at once, which is counted.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::in_flight::InFlight;
use super::late_events::LateEvents;
use super::line_events::LineEvents;
use super::sent_before::LaneShipper;
use super::wake::SpanRequest;
use crate::correlate::index::Limits;
use crate::correlate::{Correlator, LearningLimits, Memory};
use crate::export::shipper::LinkedBy;
use crate::metrics::{Counter, Histogram, Metrics};
use crate::record::sink::{RecordSink, SourceSink};
use crate::record::{Link, Producer, Record};
use crate::spans::scan::{self, Room};
use crate::waiting::{Item, Place, Waiting};

/// Lines are decided so often.
const STEP: Duration = Duration::from_secs(1);
/// Lines of a clock that is ahead are given so long after the others that came with them, ns.
const AHEAD_FOR_NS: i64 = 2_000_000_000;

/// How lines are linked.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// Lines wait for their spans no longer.
    pub wait: Duration,
    /// Links below are not made.
    pub min_confidence: f32,
    /// Bytes of records that wait.
    pub waiting_bytes_max: usize,
    /// What is kept of spans.
    pub spans: Limits,
    /// What is kept of lines to link by.
    pub learning: LearningLimits,
}

/// See the module.
pub(super) struct Linking {
    correlator: Correlator,
    settings: LinkSettings,
    memory: Memory,
    room: Room,
    now: (Instant, i64),
    /// When lines are decided next.
    next_at: Instant,
    /// Bytes of all records that wait.
    waiting_bytes: usize,
    waiting_records: u64,
    too_many_wait: Arc<Counter>,
    /// Lines for which there was no room to link them, as far as they were counted.
    not_linked: (u64, Arc<Counter>),
    /// Numbers of sources that no record has any more, and since when; those below the last are used.
    unused: VecDeque<(Instant, u32)>,
    used: u32,
    events: LineEvents,
    too_many_lines: Arc<Counter>,
    waits: Waits,
    metrics: Arc<Metrics>,
}

/// How long lines were waited with.
struct Waits {
    metrics: Arc<Metrics>,
    /// Of the program that wrote the last.
    last: Option<(Producer, Arc<Histogram>)>,
}

impl Waits {
    fn add(&mut self, record: &Record<'_>, now: i64) {
        let Some(time) = record.time else { return };
        let producer = record.origin.producer;
        if self.last.as_ref().is_none_or(|(last, _)| *last != producer) {
            self.last = Some((producer, self.metrics.link_waits(producer.name())));
        }
        if let Some((_, waits)) = &self.last {
            waits.add(Duration::from_nanos(u64::try_from(now.saturating_sub(time)).unwrap_or_default()));
        }
    }
}

/// What waits of one source.
pub(super) struct Held {
    /// Its number for the correlator.
    number: u32,
    waiting: Waiting,
    /// File and offset of the first record that waits: its file by its place among those of the source.
    first: Option<(u32, u64)>,
    /// Where it ended when lines were decided, and when that was, ns since the epoch.
    marks: VecDeque<(Place, i64)>,
    /// Its writer was not seen before.
    is_new_until: Instant,
}

impl Held {
    /// The number of the source for the correlator.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// File and offset of the first record that waits.
    pub(super) fn first(&self) -> Option<(u32, u64)> {
        self.first
    }
}

impl Linking {
    /// `learned`: by an earlier start, if it is of this version.
    pub(super) fn new(
        (settings, learned): (LinkSettings, Option<&[u8]>),
        events: LineEvents,
        metrics: &Arc<Metrics>,
        now: (Instant, i64),
    ) -> Linking {
        let anew = || Correlator::new(settings.spans).within(settings.learning);
        let correlator = learned.and_then(|learned| anew().with_learned(learned)).unwrap_or_else(|| {
            let mut correlator = anew();
            correlator.follow();
            correlator
        });
        Linking {
            correlator,
            settings,
            memory: Memory::default(),
            room: Room::default(),
            now,
            next_at: now.0 + STEP,
            waiting_bytes: 0,
            waiting_records: 0,
            too_many_wait: metrics.limit_reached("waiting_records"),
            not_linked: (0, metrics.limit_reached("linked_lines")),
            unused: VecDeque::new(),
            used: 0,
            events,
            too_many_lines: metrics.limit_reached("late_events"),
            waits: Waits { metrics: metrics.clone(), last: None },
            metrics: metrics.clone(),
        }
    }

    /// Time goes on.
    pub(super) fn set_now(&mut self, now: (Instant, i64)) {
        self.now = now;
    }

    /// Takes in the spans of a request. It is held where lines may be put on its spans.
    pub(super) fn add_spans(&mut self, request: SpanRequest) {
        let Linking { correlator, events: LineEvents { in_flight, late, .. }, room, .. } = self;
        let in_flight = in_flight.as_mut().filter(|_| self.waiting_records > 0);
        let mut spans = Vec::new();
        scan::for_each_fact(request.request(), room, &mut |resource, span| {
            if let Some(late) = late {
                late.add_resource(resource, || correlator.number_of(resource));
            }
            if in_flight.is_some() {
                spans.push((span.trace_id, span.span_id));
            }
            correlator.add_span(resource, span);
        });
        correlator.request_ends(self.now.1);
        if let Some(in_flight) = in_flight {
            in_flight.add(request, spans, self.now.0);
        }
    }

    /// Lets requests go that are held: lines cannot be shipped.
    pub(super) fn let_go(&mut self) {
        if let Some(in_flight) = &mut self.events.in_flight {
            in_flight.let_go();
        }
    }

    /// For a source that was not read before, or is read again.
    pub(super) fn begin(&mut self) -> Held {
        let kept_for = Duration::from_nanos(self.memory.nanos.unsigned_abs()) + self.settings.wait + 2 * STEP;
        let is_over = |(since, _): &(Instant, u32)| self.now.0.saturating_duration_since(*since) > kept_for;
        let number = match self.unused.front().filter(|unused| is_over(unused)).copied() {
            Some((_, number)) => {
                self.unused.pop_front();
                self.correlator.source_ends(number);
                number
            }
            None => {
                self.used += 1;
                self.used - 1
            }
        };
        let (waiting, first, marks) = Default::default();
        Held { number, waiting, first, marks, is_new_until: self.now.0 + self.settings.wait }
    }

    /// No more comes of a source, of which nothing waits.
    pub(super) fn end(&mut self, held: &Held) {
        // Some room stays taken by what waited.
        self.waiting_bytes = self.waiting_bytes.saturating_sub(held.waiting.bytes());
        self.unused.push_back((self.now.0, held.number));
    }

    /// Takes a record that waits; false where it does not.
    pub(super) fn holds(&mut self, held: &mut Held, record: &Record<'_>) -> bool {
        if held.waiting.is_empty() {
            let may_lie_in_span = held.is_new_until > self.now.0 || self.correlator.knows_spans_of(record);
            // Where lines go nowhere but onto spans, these must have come.
            let names_trace = record.entry.trace.trace_id.is_some() && self.events.settles.is_none();
            if record.time.is_none() || names_trace || !may_lie_in_span {
                return false;
            }
        }
        let before = held.waiting.bytes();
        if !held.waiting.push(record) {
            return false;
        }
        if self.waiting_records == 0 {
            // However late it comes itself, its spans may still be on their way.
            self.next_at = self.now.0 + STEP;
        }
        self.waiting_bytes += held.waiting.bytes() - before;
        self.waiting_records += 1;
        held.first.get_or_insert((record.position.file, record.position.offset));
        self.correlator.observe(record);
        true
    }

    /// When lines are decided next, if any wait.
    pub(super) fn next(&self) -> Option<Instant> {
        (self.waiting_records > 0).then_some(if self.is_full() { self.now.0 } else { self.next_step() })
    }

    /// Requests are not held beyond.
    fn next_step(&self) -> Instant {
        let release_at = self.events.in_flight.as_ref().and_then(InFlight::release_at);
        release_at.map_or(self.next_at, |at| at.min(self.next_at))
    }

    /// Too much waits.
    pub(super) fn is_full(&self) -> bool {
        self.waiting_records > 0 && self.waiting_bytes > self.settings.waiting_bytes_max
    }

    /// Decides the lines whose spans have come, or that have waited for long enough, or all; false where it is not time.
    pub(super) fn decide(&mut self, all: bool) -> bool {
        let (now, now_nanos) = self.now;
        let is_full = self.is_full();
        if now < self.next_step() && !all && !is_full {
            return false;
        }
        self.next_at = now + STEP;
        self.too_many_wait.add(u64::from(is_full && !all));
        match all || is_full {
            true => self.correlator.advance(now_nanos, self.memory),
            false => {
                let due = now_nanos.saturating_sub(nanos(self.settings.wait));
                self.correlator.advance_at(now_nanos, due, self.memory);
            }
        }
        true
    }

    /// All records were given that are decided.
    pub(super) fn given(&mut self) {
        self.metrics.waiting_records.set(self.waiting_records);
        let over_limit = self.correlator.counts().lines_over_limit;
        self.not_linked.1.add(over_limit.saturating_sub(self.not_linked.0));
        self.not_linked.0 = over_limit;
        self.events.send(self.correlator.index(), &self.too_many_lines);
    }

    /// Gives on events that there was no room for; whether that is everything.
    pub(super) fn give_on(&mut self) -> bool {
        self.events.give_on()
    }

    /// Whether there are events that there was no room for.
    pub(super) fn is_held(&self) -> bool {
        self.events.late.as_ref().is_some_and(LateEvents::is_full)
    }

    /// Ships the records of a source that are decided, or all.
    pub(super) fn give(&mut self, held: &mut Held, all: bool, shipper: &mut LaneShipper<'_>) {
        self.each_decided(held, all, |item, linker| item.give(&mut LinkedBy { shipper: &mut *shipper, linker }));
    }

    /// The link of a record that waits for nothing.
    pub(super) fn link(&self, record: &Record<'_>) -> Option<Link> {
        self.correlator.link(record).ok().filter(|link| link.is_made_at(self.min_confidence()))
    }

    /// Links below are not made.
    pub(super) fn min_confidence(&self) -> f32 {
        self.settings.min_confidence
    }

    /// Gives the records of a source that are decided, or all, with whoever knows their links.
    pub(super) fn each_decided(&mut self, held: &mut Held, all: bool, mut take: impl FnMut(Item<'_>, &Correlator)) {
        let end = held.waiting.end();
        let before = held.waiting.bytes();
        let aged_before = self.now.1.saturating_sub(nanos(self.settings.wait)).saturating_sub(AHEAD_FOR_NS);
        let mut aged = if all { end } else { Place::default() };
        while let Some((place, _)) = held.marks.front().filter(|(_, at)| *at <= aged_before).copied() {
            held.marks.pop_front();
            aged = aged.max(place);
        }
        held.first = None;
        let due = self.correlator.decided_up_to(held.number);
        let mut records = 0;
        let (first, waits, now) = (&mut held.first, &mut self.waits, self.now.1);
        let linker = &self.correlator;
        let mut give = |item: Item<'_>, is_aged: bool| {
            if let Item::Record(record) = &item
                && !is_aged
                && record.time.is_some_and(|time| time > due)
            {
                *first = Some((record.position.file, record.position.offset));
                return ControlFlow::Break(());
            }
            if let Item::Record(record) = &item {
                records += 1;
                waits.add(record, now);
            }
            take(item, linker);
            ControlFlow::Continue(())
        };
        let from = held.waiting.each_between(Place::default(), aged, held.number, |item| give(item, true));
        let stopped = held.waiting.each_from(from, held.number, |item| give(item, false));
        held.waiting.drop_before(stopped);
        self.waiting_records -= records;
        self.waiting_bytes -= before - held.waiting.bytes();
        if held.waiting.is_empty() {
            held.marks.clear();
        } else {
            held.marks.push_back((end, self.now.1));
        }
    }

    /// What was learned so far, for the next start.
    pub(super) fn learned(&self) -> Vec<u8> {
        self.correlator.learned()
    }

    /// Bytes that records take that wait, and what is known of spans and lines.
    pub(super) fn bytes(&self) -> (usize, usize) {
        (self.waiting_bytes, self.correlator.bytes())
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Takes the records of a source: to wait, or to be shipped at once.
pub(super) struct LaneSink<'l, 's> {
    /// It ships.
    pub(super) shipper: &'l mut LaneShipper<'s>,
    /// Where records may wait.
    pub(super) waits: Option<(&'l mut Linking, &'l mut Held)>,
}

impl RecordSink for LaneSink<'_, '_> {
    #[inline]
    fn record(&mut self, record: &Record<'_>) {
        if let Some((linking, held)) = &mut self.waits
            && !self.shipper.drops_all_of_writer(record)
            && linking.holds(held, record)
        {
            return;
        }
        self.shipper.record(record);
    }
}

impl SourceSink for LaneSink<'_, '_> {
    fn file_begins(&mut self, file: u32) {
        match &mut self.waits {
            Some((linking, held)) if !held.waiting.is_empty() => {
                let before = held.waiting.bytes();
                held.waiting.file_begins(file);
                linking.waiting_bytes += held.waiting.bytes() - before;
            }
            _ => self.shipper.file_begins(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Envelope, Origin, Position, Stream};
    use spanline_parsers::{Entry, Text};

    #[test]
    fn sources_that_come_and_go_leave_no_bytes_and_no_numbers() {
        let settings = LinkSettings {
            wait: Duration::from_secs(10),
            min_confidence: 0.9,
            waiting_bytes_max: 1 << 20,
            spans: Limits::default(),
            learning: LearningLimits::default(),
        };
        let start = Instant::now();
        let mut linking =
            Linking::new((settings, None), LineEvents::default(), &Arc::new(Metrics::new(start)), (start, 0));
        let (origin, entry) =
            (Origin::default(), Entry { body: Text::Borrowed(b"a cart was priced"), ..Entry::default() });
        let mut numbers = 0;
        for second in 0..1_000 {
            let now = i64::from(second) * 1_000_000_000;
            linking.set_now((start + Duration::from_secs(second as u64), now));
            let mut held = linking.begin();
            numbers = numbers.max(held.number() + 1);
            let record = Record {
                source: held.number(),
                origin: &origin,
                position: Position::default(),
                envelope: Envelope::None,
                stream: Stream::Unknown,
                time: Some(now),
                time_digits: 9,
                envelope_time: None,
                entry: &entry,
                envelope_fields: &[],
                payload: b"a cart was priced",
                piece: 0,
            };
            assert!(linking.holds(&mut held, &record) && linking.waiting_bytes > 0);
            linking.end(&held);
        }
        assert_eq!(linking.waiting_bytes, 0);
        assert!(numbers < 100, "{numbers}");
    }
}
