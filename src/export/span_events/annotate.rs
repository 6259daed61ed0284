//! Events onto the spans they belong to.
//!
//! First go in events with the ids of their spans, then requests of spans in protobuf; out come the same requests with the
//! events put in, in order of time, and all else as it was. Events wait in a log ([`event_log`](super::event_log)). A span that comes twice is given
//! its events once, and an event that already stands on a span (sent by an earlier run) is not added again. A span takes a
//! limited number of events: the first ones by time, the others go on waiting. What an event says is not known here.

use std::io;
use std::ops::Range;

use super::event_bytes;
use super::event_log::{EventLog, EventsOfSpan, Waiting};
use super::stored_events::StoredEvents;
use crate::otlp::own::Ids;
use crate::otlp::wire::read::{Fields, Value};
use crate::otlp::wire::spans::{self, Keep, SpanAt, ids_of, within};
use crate::otlp::wire::splice::Splice;
use crate::otlp::wire::write;

/// Bytes of a span with its events: a request of one span stays well below the 4 MiB that a gRPC server takes by default.
const SPAN_BYTES_MAX: usize = 1 << 20;
/// Events of a span, and attributes of these and of the span: Elasticsearch keeps each as a nested document, and refuses
/// a span with more than 10,000 of them (`index.mapping.nested_objects.limit`); resource and links need some too. With
/// eight attributes for each event, a span takes 1,000.
const SPAN_PARTS_MAX: usize = 9_000;
/// Numbers of a span's fields.
const START: u32 = 7;
const ATTRIBUTES: u32 = 9;
const EVENTS: u32 = 11;
/// Tag of an event in its span.
const EVENT_TAG: u8 = 0x5a;

/// Says of each span whether it stays; `None`: all do.
pub type Keeps<'a> = Option<&'a mut dyn FnMut(&[u8]) -> bool>;

/// Events that wait for their spans.
#[derive(Debug)]
pub struct SpanEvents {
    /// On carriers: need not be on the spans themselves.
    pub stored: StoredEvents,
    log: EventLog,
    /// Why one could not be taken in.
    failure: Option<io::Error>,
    counts: Counts,
    scratch: Scratch,
}

/// What became of the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken in.
    pub waiting: u64,
    /// Refused for want of room.
    pub over_limit: u64,
    /// Added to a span.
    pub added: u64,
    /// Found on its span already.
    pub known: u64,
}

/// Buffers for one request's changes, kept from request to request.
#[derive(Debug, Default)]
struct Scratch {
    splice: Splice,
    /// Events that wait for the current span.
    waiting: EventsOfSpan,
    /// Those that it gets.
    bytes: Vec<u8>,
    new: Vec<Placed>,
    /// Those that it has.
    old: Vec<Placed>,
}

/// An event: of those that a span has, its field in the request; of those that it gets, its bytes in [`Scratch::bytes`].
#[derive(Debug, Clone)]
struct Placed {
    time: u64,
    at: Range<usize>,
}

/// What a span can still take.
struct Capacity {
    bytes: usize,
    parts: usize,
}

impl Capacity {
    /// Takes the share of an event with this many bytes and parts; false if it does not fit, and then nothing more does: what
    /// a span has are its first events.
    fn take(&mut self, bytes: usize, parts: usize) -> bool {
        // Tag and length.
        let rest = (self.bytes.checked_sub(bytes + 6), self.parts.checked_sub(parts));
        let (bytes, parts) = (rest.0.unwrap_or(0), rest.1.unwrap_or(0));
        *self = if bytes > 0 && parts > 0 { Capacity { bytes, parts } } else { Capacity { bytes: 0, parts: 0 } };
        self.bytes > 0
    }
}

impl SpanEvents {
    /// Holds up to `memory_max` bytes in memory, and `bytes_max` in all.
    pub fn new(memory_max: usize, bytes_max: u64) -> SpanEvents {
        SpanEvents {
            stored: StoredEvents::default(),
            log: EventLog::new(memory_max, bytes_max),
            failure: None,
            counts: Counts::default(),
            scratch: Scratch::default(),
        }
    }

    /// Takes in an event and its time, with the [`text_hash`](super::stored_events::text_hash) of its line's message; false
    /// where there is no room.
    pub fn push(&mut self, ids: Ids, time: u64, event: &[u8], text: u64) -> bool {
        let pushed = match self.failure {
            None => self.log.push(Waiting { ids, time, text, bytes: event }),
            Some(_) => Ok(false),
        };
        let is_in = pushed.unwrap_or_else(|error| {
            self.failure = Some(error);
            false
        });
        *(if is_in { &mut self.counts.waiting } else { &mut self.counts.over_limit }) += 1;
        is_in
    }

    /// Why events were refused, but for the limit.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// Appends a request whose spans have what waits for them; returns how many spans it has. With `keeps`, the others are left out, and
    /// what is empty without them. Fails where the temporary file does.
    pub fn annotate(&mut self, request: &[u8], mut keeps: Keeps<'_>, out: &mut Vec<u8>) -> io::Result<usize> {
        let mut splice = std::mem::take(&mut self.scratch.splice);
        splice.clear();
        let mut result = Ok(());
        let left = spans::edit(request, &mut splice, keeps.is_some(), |splice, at| {
            if keeps.as_mut().is_some_and(|keeps| !keeps(at.span)) {
                return Keep::No;
            }
            if result.is_ok() {
                result = self.annotate_span(splice, at);
            }
            Keep::Yes
        });
        splice.apply(request, out);
        self.scratch.splice = splice;
        result.map(|()| left)
    }

    /// Hands over the events that wait, by trace and span, those of a span as they came: after [`SpanEvents::annotate`] those
    /// that their spans had no room for.
    pub fn each_waiting(&mut self, each: &mut dyn FnMut(Waiting<'_>) -> io::Result<()>) -> io::Result<()> {
        self.log.each_waiting(each)
    }

    /// What became of the events.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn annotate_span(&mut self, splice: &mut Splice, at: SpanAt<'_>) -> io::Result<()> {
        let Some(ids) = ids_of(at.span).filter(|_| self.counts.waiting > 0) else { return Ok(()) };
        let mut waiting = std::mem::take(&mut self.scratch.waiting);
        let taken = self.log.take(&ids, &mut waiting);
        if let Ok(true) = taken {
            let (mut left, span_start) = self.scratch.read(at);
            let mut on_span = StoredEvents::default();
            if !self.scratch.old.is_empty() {
                on_span.add(at.span, false);
            }
            let resource = within(at.group, 1).last().unwrap_or_default();
            for (event, bytes) in waiting.iter() {
                let time = if event.time == 0 { span_start } else { event.time };
                if on_span.take(ids, bytes, time, event.text) || self.stored.take(ids, bytes, time, event.text) {
                    self.counts.known += 1;
                    continue;
                }
                let from = self.scratch.bytes.len();
                let attributes = event_bytes::put(&mut self.scratch.bytes, bytes, time, resource);
                if !left.take(self.scratch.bytes.len() - from, 1 + attributes) {
                    self.scratch.bytes.truncate(from);
                    self.log.put_back(event.place);
                    continue;
                }
                self.counts.added += 1;
                self.scratch.new.push(Placed { time, at: from..self.scratch.bytes.len() });
            }
            self.scratch.put_in(splice, at);
        }
        self.scratch.waiting = waiting;
        taken.map(|_| ())
    }
}

impl Scratch {
    /// Reads which events a span has: what it can still take, and when it starts.
    fn read(&mut self, at: SpanAt<'_>) -> (Capacity, u64) {
        self.bytes.clear();
        self.new.clear();
        self.old.clear();
        let (mut parts, mut start) = (0, 0);
        let (mut fields, mut from) = (Fields::of(at.span), 0);
        while let Some((number, value)) = fields.next() {
            match (number, value) {
                (START, Value::Fixed64(time)) => start = time,
                (ATTRIBUTES, Value::Bytes(_)) => parts += 1,
                (EVENTS, Value::Bytes(event)) => {
                    parts += 1 + event_bytes::attribute_count(event);
                    let time = event_bytes::time(event);
                    self.old.push(Placed { time, at: at.start + from..at.start + fields.at() });
                }
                _ => {}
            }
            from = fields.at();
        }
        let bytes = SPAN_BYTES_MAX.saturating_sub(at.span.len());
        (Capacity { bytes, parts: SPAN_PARTS_MAX.saturating_sub(parts) }, start)
    }

    /// Puts the new events of a span between those that it has, all in order of time; of one time the old ones come first.
    fn put_in(&mut self, splice: &mut Splice, at: SpanAt<'_>) {
        if self.new.is_empty() {
            return;
        }
        self.new.sort_by_key(|event| event.time);
        if self.old.is_sorted_by_key(|event| event.time) {
            self.between_old(splice, at);
        } else {
            self.all_anew(splice, at);
        }
    }

    fn between_old(&mut self, splice: &mut Splice, at: SpanAt<'_>) {
        let mut new = self.new.iter().peekable();
        for old in &self.old {
            while let Some(event) = new.next_if(|event| event.time < old.time) {
                insert(splice, old.at.start, &self.bytes[event.at.clone()]);
            }
        }
        new.for_each(|event| insert(splice, at.start + at.span.len(), &self.bytes[event.at.clone()]));
    }

    /// Those that the span has come in another order: all of them go where the first one was.
    fn all_anew(&mut self, splice: &mut Splice, at: SpanAt<'_>) {
        let content = |old: &Placed| {
            let field = &at.span[old.at.start - at.start..old.at.end - at.start];
            Fields::of(field).next().map_or(&[][..], |(_, value)| value.bytes())
        };
        let old = self.old.iter().map(|event| (event.time, content(event)));
        let new = self.new.iter().map(|event| (event.time, &self.bytes[event.at.clone()]));
        let mut all: Vec<_> = old.chain(new).collect();
        all.sort_by_key(|(time, _)| *time);
        let first = self.old.first().map_or(at.start, |event| event.at.start);
        all.iter().for_each(|(_, event)| insert(splice, first, event));
        self.old.iter().for_each(|event| splice.remove(event.at.clone()));
    }
}

fn insert(splice: &mut Splice, at: usize, event: &[u8]) {
    splice.insert(at, |out| write::bytes(out, EVENT_TAG, event));
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span::Event};
    use prost::Message;

    use super::*;
    use crate::export::span_events::stored_events::text_hash;
    use crate::otlp::own;

    fn event(time: u64, name: &str) -> Event {
        let mark = KeyValue { key: own::LINK_METHOD.into(), ..KeyValue::default() };
        Event { time_unix_nano: time, name: name.into(), attributes: vec![mark], ..Event::default() }
    }

    fn push(events: &mut SpanEvents, id: u8, event: &Event) -> bool {
        events.push(([9; 16], [id; 8]), event.time_unix_nano, &event.encode_to_vec(), text_hash(&event.name))
    }

    fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope = ScopeSpans { spans, ..ScopeSpans::default() };
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }],
        }
    }

    fn span(id: u8, events: Vec<Event>) -> Span {
        Span { trace_id: vec![9; 16], span_id: vec![id; 8], start_time_unix_nano: 5, events, ..Span::default() }
    }

    /// Annotates a request; how many events were added.
    fn annotate(events: &mut SpanEvents, request: &mut ExportTraceServiceRequest) -> u64 {
        let (before, mut out) = (events.counts().added, b"before".to_vec());
        events.annotate(&request.encode_to_vec(), None, &mut out).unwrap();
        *request = ExportTraceServiceRequest::decode(&out[6..]).unwrap();
        events.counts().added - before
    }

    /// The times of those that wait.
    fn waiting(events: &mut SpanEvents) -> Vec<u64> {
        let mut times = Vec::new();
        let each = &mut |one: Waiting<'_>| {
            times.push(Event::decode(one.bytes).unwrap().time_unix_nano);
            Ok(())
        };
        events.each_waiting(each).unwrap();
        times
    }

    fn names(request: &ExportTraceServiceRequest) -> Vec<Vec<&str>> {
        let spans = &request.resource_spans[0].scope_spans[0].spans;
        spans.iter().map(|span| span.events.iter().map(|event| event.name.as_str()).collect()).collect()
    }

    #[test]
    fn a_span_gets_its_events_once_and_in_order() {
        let mut events = SpanEvents::new(1 << 20, 1 << 20);
        for (id, time, name) in
            [(2, 30, "c"), (1, 10, "a"), (2, 20, "b"), (2, 0, "without a time"), (7, 1, "elsewhere")]
        {
            assert!(push(&mut events, id, &event(time, name)));
        }
        let given = Event { time_unix_nano: 25, name: "its own".into(), ..Event::default() };
        let mut spans =
            request(vec![span(2, vec![given, event(30, "c")]), span(1, vec![]), span(2, vec![]), span(3, vec![])]);
        assert_eq!(annotate(&mut events, &mut spans), 3);
        assert_eq!(names(&spans), [vec!["without a time", "b", "its own", "c"], vec!["a"], vec![], vec![]]);
        assert_eq!(events.counts(), Counts { waiting: 5, over_limit: 0, added: 3, known: 1 });
    }

    #[test]
    fn what_a_span_has_no_room_for_goes_on_waiting() {
        for (value, least, most) in [("short", 2_000, SPAN_PARTS_MAX / 2), (&*"long ".repeat(1000), 100, 210)] {
            let mut events = SpanEvents::new(1 << 16, 1 << 30);
            for time in 0..6_000u64 {
                let mut event = event(time, "a line");
                event.attributes[0].value =
                    Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
                assert!(push(&mut events, 1, &event));
            }
            let mut given = request(vec![span(1, vec![]), span(1, vec![]), span(2, vec![])]);
            let added = annotate(&mut events, &mut given) as usize;
            assert!((least..=most).contains(&added), "{added}");
            let spans = &given.resource_spans[0].scope_spans[0].spans;
            assert_eq!((spans[0].events.len(), spans[1].events.len()), (added, 0));
            assert!(spans[0].encoded_len() <= SPAN_BYTES_MAX, "{}", spans[0].encoded_len());
            // The first ones by time are on it, and no other request of it gets the rest.
            assert_eq!(annotate(&mut events, &mut given), 0);
            assert_eq!(waiting(&mut events), (added as u64..6_000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_span_that_is_too_large_by_itself_stays_as_it_is() {
        let mut events = SpanEvents::new(1 << 20, 1 << 20);
        assert!(push(&mut events, 1, &event(1, "a line")));
        let large = Span { name: "x".repeat(SPAN_BYTES_MAX), ..span(1, vec![]) };
        let mut given = request(vec![large.clone()]);
        assert_eq!((annotate(&mut events, &mut given), waiting(&mut events)), (0, vec![1]));
        assert_eq!(given.resource_spans[0].scope_spans[0].spans, [large]);
    }

    #[test]
    fn the_limit_of_bytes_holds() {
        let mut events = SpanEvents::new(200, 400);
        let taken = (0..50).filter(|time| push(&mut events, 1, &event(*time, "some text"))).count();
        assert!((1..8).contains(&taken), "{taken}");
        assert_eq!(events.counts().over_limit, 50 - taken as u64);
    }
}
