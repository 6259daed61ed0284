//! Events onto the spans they belong to.
//!
//! In go events with the ids of their span, later requests of spans; out come the same requests with the events added,
//! in order of time. Events wait as bytes, under a limit. A span that comes twice is given its events once, and an event
//! that already stands on a span (sent by an earlier run) is not added again. A span takes a limited number of events: the
//! first ones by time, the others go on waiting. What an event says is not known here.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
use prost::Message;

use super::own::{self, Ids, StoredEvents};

/// Bytes of a span with its events: a request of one span stays well below the 4 MiB that a gRPC server takes by default.
const SPAN_BYTES_MAX: usize = 1 << 20;
/// Events of a span, and attributes of these and of the span: Elasticsearch keeps each as a nested document, and refuses
/// a span with more than 10,000 of them (`index.mapping.nested_objects.limit`); resource and links need some too. With
/// eight attributes for each event, a span takes 1,000.
const SPAN_PARTS_MAX: usize = 9_000;
/// Bytes that an event takes beside its own.
const ROW_BYTES: usize = size_of::<Row>();

/// Events that wait for their spans.
#[derive(Debug)]
pub struct SpanEvents {
    /// On carriers: need not be on the spans themselves.
    pub stored: StoredEvents,
    bytes: Vec<u8>,
    rows: Vec<Row>,
    sorted: bool,
    bytes_max: usize,
    counts: Counts,
}

/// What became of the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken in.
    pub waiting: u64,
    /// Refused at the limit of bytes.
    pub over_limit: u64,
    /// Added to a span.
    pub added: u64,
    /// Found on its span already.
    pub known: u64,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    ids: Ids,
    time: u64,
    text: u64,
    start: usize,
    /// 0 once it was given away.
    length: u32,
    /// Its span was seen, and takes no more.
    over: bool,
}

/// An event that no span has.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'e> {
    /// Its span.
    pub ids: Ids,
    /// [`own::text_hash`] of its line's message.
    pub text: u64,
    /// The event.
    pub bytes: &'e [u8],
}

/// What a span can still take.
struct Room {
    bytes: usize,
    parts: usize,
}

impl Room {
    fn on(span: &Span) -> Room {
        let parts: usize = span.events.iter().map(parts_of).sum();
        Room {
            bytes: SPAN_BYTES_MAX.saturating_sub(span.encoded_len()),
            parts: SPAN_PARTS_MAX.saturating_sub(parts + span.attributes.len()),
        }
    }

    /// Takes the event's share; false if it does not fit, and then nothing more does: what a span has are its first events.
    fn take(&mut self, event: &Event) -> bool {
        // Tag and length.
        let rest = (self.bytes.checked_sub(event.encoded_len() + 6), self.parts.checked_sub(parts_of(event)));
        let (bytes, parts) = (rest.0.unwrap_or(0), rest.1.unwrap_or(0));
        *self = if bytes > 0 && parts > 0 { Room { bytes, parts } } else { Room { bytes: 0, parts: 0 } };
        self.bytes > 0
    }
}

fn parts_of(event: &Event) -> usize {
    1 + event.attributes.len()
}

impl SpanEvents {
    /// Holds up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> SpanEvents {
        SpanEvents {
            stored: StoredEvents::default(),
            bytes: Vec::new(),
            rows: Vec::new(),
            sorted: true,
            bytes_max,
            counts: Counts::default(),
        }
    }

    /// Takes in an event, with the [`own::text_hash`] of its line's message; false at the limit.
    pub fn push(&mut self, ids: Ids, event: &Event, text: u64) -> bool {
        let length = event.encoded_len();
        let full = self.bytes.len() + length + (self.rows.len() + 1) * ROW_BYTES > self.bytes_max;
        let Ok(row_length) = u32::try_from(length) else { return false };
        if full {
            self.counts.over_limit += 1;
            return false;
        }
        let start = self.bytes.len();
        event.encode_raw(&mut self.bytes);
        self.rows.push(Row { ids, time: event.time_unix_nano, text, start, length: row_length, over: false });
        self.sorted = false;
        self.counts.waiting += 1;
        true
    }

    /// Adds to the spans of a request what waits for them; gives the number of events added.
    pub fn annotate(&mut self, request: &mut ExportTraceServiceRequest) -> u64 {
        self.sort();
        let before = self.counts.added;
        for group in &mut request.resource_spans {
            for span in group.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
                self.annotate_span(span, group.resource.as_ref());
            }
        }
        self.counts.added - before
    }

    /// The events that wait, by trace, span and time: after [`SpanEvents::annotate`] those that their spans had no room
    /// for.
    pub fn waiting(&mut self) -> impl Iterator<Item = Waiting<'_>> {
        self.sort();
        let waiting = self.rows.iter().filter(|row| row.length > 0);
        let bytes = |row: &Row| &self.bytes[row.start..row.start + row.length as usize];
        waiting.map(move |row| Waiting { ids: row.ids, text: row.text, bytes: bytes(row) })
    }

    fn sort(&mut self) {
        if !self.sorted {
            // Equal times keep the order of reading, which is that of `start`.
            self.rows.sort_unstable_by_key(|row| (row.ids, row.time, row.start));
            self.sorted = true;
        }
    }

    /// What became of the events.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn annotate_span(&mut self, span: &mut Span, resource: Option<&Resource>) {
        let Some(ids) = own::ids_of(span) else { return };
        let start = self.rows.partition_point(|row| row.ids < ids);
        let count = self.rows[start..].partition_point(|row| row.ids == ids);
        if count == 0 || self.rows[start].length == 0 || self.rows[start].over {
            return;
        }
        let mut on_span = StoredEvents::default();
        on_span.add(span, false);
        let mut room = Room::on(span);
        for row in &mut self.rows[start..start + count] {
            let bytes = &self.bytes[row.start..row.start + row.length as usize];
            let length = std::mem::take(&mut row.length);
            let Ok(mut event) = Event::decode(bytes) else { continue };
            if event.time_unix_nano == 0 {
                event.time_unix_nano = span.start_time_unix_nano;
            }
            if on_span.take(ids, &event, row.text) || self.stored.take(ids, &event, row.text) {
                self.counts.known += 1;
                continue;
            }
            own::leave_to_resource(&mut event, resource);
            if !room.take(&event) {
                (row.length, row.over) = (length, true);
                continue;
            }
            self.counts.added += 1;
            span.events.push(event);
        }
        span.events.sort_by_key(|event| event.time_unix_nano);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    fn event(time: u64, name: &str) -> Event {
        let mark = KeyValue { key: own::LINK_METHOD.into(), ..KeyValue::default() };
        Event { time_unix_nano: time, name: name.into(), attributes: vec![mark], ..Event::default() }
    }

    fn push(events: &mut SpanEvents, id: u8, event: &Event) -> bool {
        events.push(([9; 16], [id; 8]), event, own::text_hash(&event.name))
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

    fn names(request: &ExportTraceServiceRequest) -> Vec<Vec<&str>> {
        let spans = &request.resource_spans[0].scope_spans[0].spans;
        spans.iter().map(|span| span.events.iter().map(|event| event.name.as_str()).collect()).collect()
    }

    #[test]
    fn a_span_gets_its_events_once_and_in_order() {
        let mut events = SpanEvents::new(1 << 20);
        for (id, time, name) in
            [(2, 30, "c"), (1, 10, "a"), (2, 20, "b"), (2, 0, "without a time"), (7, 1, "elsewhere")]
        {
            assert!(push(&mut events, id, &event(time, name)));
        }
        let given = Event { time_unix_nano: 25, name: "its own".into(), ..Event::default() };
        let mut spans =
            request(vec![span(2, vec![given, event(30, "c")]), span(1, vec![]), span(2, vec![]), span(3, vec![])]);
        assert_eq!(events.annotate(&mut spans), 3);
        assert_eq!(names(&spans), [vec!["without a time", "b", "its own", "c"], vec!["a"], vec![], vec![]]);
        assert_eq!(events.counts(), Counts { waiting: 5, over_limit: 0, added: 3, known: 1 });
    }

    #[test]
    fn what_a_span_has_no_room_for_goes_on_waiting() {
        for (value, least, most) in [("short", 2_000, SPAN_PARTS_MAX / 2), (&*"long ".repeat(1000), 100, 210)] {
            let mut events = SpanEvents::new(1 << 30);
            for time in 0..6_000u64 {
                let mut event = event(time, "a line");
                event.attributes[0].value =
                    Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
                assert!(push(&mut events, 1, &event));
            }
            let mut given = request(vec![span(1, vec![]), span(1, vec![]), span(2, vec![])]);
            let added = events.annotate(&mut given) as usize;
            assert!((least..=most).contains(&added), "{added}");
            let spans = &given.resource_spans[0].scope_spans[0].spans;
            assert_eq!((spans[0].events.len(), spans[1].events.len()), (added, 0));
            assert!(spans[0].encoded_len() <= SPAN_BYTES_MAX, "{}", spans[0].encoded_len());
            // The first ones by time are on it, and no other request of it gets the rest.
            assert_eq!(events.annotate(&mut given), 0);
            let waiting: Vec<u64> =
                events.waiting().map(|one| Event::decode(one.bytes).unwrap().time_unix_nano).collect();
            assert_eq!(waiting, (added as u64..6_000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_span_that_is_too_large_by_itself_stays_as_it_is() {
        let mut events = SpanEvents::new(1 << 20);
        assert!(push(&mut events, 1, &event(1, "a line")));
        let large = Span { name: "x".repeat(SPAN_BYTES_MAX), ..span(1, vec![]) };
        let mut given = request(vec![large.clone()]);
        assert_eq!((events.annotate(&mut given), events.waiting().count()), (0, 1));
        assert_eq!(given.resource_spans[0].scope_spans[0].spans, [large]);
    }

    #[test]
    fn the_limit_of_bytes_holds() {
        let mut events = SpanEvents::new(400);
        let taken = (0..50).filter(|time| push(&mut events, 1, &event(*time, "some text"))).count();
        assert!((1..8).contains(&taken), "{taken}");
        assert_eq!(events.counts().over_limit, 50 - taken as u64);
    }
}
