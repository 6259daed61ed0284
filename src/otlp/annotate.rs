//! Events onto the spans they belong to.
//!
//! In go events with the ids of their span, later requests of spans; out come the same requests with the events added,
//! in order of time. Events wait as bytes, under a limit. A span that comes twice is given its events once, and an event
//! that already stands on a span (sent by an earlier run) is not added again. What an event says is not known here.

use std::collections::HashSet;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
use prost::Message;

/// Bytes that an event takes beside its own.
const ROW_BYTES: usize = size_of::<Row>();

/// Events that wait for their spans.
#[derive(Debug)]
pub struct SpanEvents {
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
    trace_id: [u8; 16],
    span_id: [u8; 8],
    time: u64,
    start: usize,
    /// 0 once it was given away.
    length: u32,
}

impl SpanEvents {
    /// Holds up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> SpanEvents {
        SpanEvents { bytes: Vec::new(), rows: Vec::new(), sorted: true, bytes_max, counts: Counts::default() }
    }

    /// Takes in an event; false at the limit.
    pub fn push(&mut self, trace_id: [u8; 16], span_id: [u8; 8], event: &Event) -> bool {
        let length = event.encoded_len();
        let full = self.bytes.len() + length + (self.rows.len() + 1) * ROW_BYTES > self.bytes_max;
        let Ok(row_length) = u32::try_from(length) else { return false };
        if full {
            self.counts.over_limit += 1;
            return false;
        }
        let start = self.bytes.len();
        event.encode_raw(&mut self.bytes);
        self.rows.push(Row { trace_id, span_id, time: event.time_unix_nano, start, length: row_length });
        self.sorted = false;
        self.counts.waiting += 1;
        true
    }

    /// Adds to the spans of a request what waits for them; gives the number of events added.
    pub fn annotate(&mut self, request: &mut ExportTraceServiceRequest) -> u64 {
        self.sort();
        let before = self.counts.added;
        let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
        for span in scopes.flat_map(|scope| &mut scope.spans) {
            self.annotate_span(span);
        }
        self.counts.added - before
    }

    /// The events that wait, by trace, span and time.
    pub fn waiting(&mut self) -> impl Iterator<Item = ([u8; 16], [u8; 8], &[u8])> {
        self.sort();
        let waiting = self.rows.iter().filter(|row| row.length > 0);
        waiting.map(|row| (row.trace_id, row.span_id, &self.bytes[row.start..row.start + row.length as usize]))
    }

    fn sort(&mut self) {
        if !self.sorted {
            // Equal times keep the order of reading, which is that of `start`.
            self.rows.sort_unstable_by_key(|row| (row.trace_id, row.span_id, row.time, row.start));
            self.sorted = true;
        }
    }

    /// What became of the events.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn annotate_span(&mut self, span: &mut Span) {
        let of_row = |row: &Row| (row.trace_id, row.span_id);
        let (Ok(trace_id), Ok(span_id)) = (span.trace_id.as_slice().try_into(), span.span_id.as_slice().try_into())
        else {
            return;
        };
        let ids: ([u8; 16], [u8; 8]) = (trace_id, span_id);
        let start = self.rows.partition_point(|row| of_row(row) < ids);
        let count = self.rows[start..].partition_point(|row| of_row(row) == ids);
        if count == 0 || self.rows[start].length == 0 {
            return;
        }
        let known: HashSet<(u64, String)> = span
            .events
            .iter()
            .filter(|event| is_own(event))
            .map(|event| (event.time_unix_nano, event.name.clone()))
            .collect();
        for row in &mut self.rows[start..start + count] {
            let bytes = &self.bytes[row.start..row.start + row.length as usize];
            row.length = 0;
            let Ok(mut event) = Event::decode(bytes) else { continue };
            if event.time_unix_nano == 0 {
                event.time_unix_nano = span.start_time_unix_nano;
            }
            if !known.is_empty() && known.contains(&(event.time_unix_nano, event.name.clone())) {
                self.counts.known += 1;
                continue;
            }
            self.counts.added += 1;
            span.events.push(event);
        }
        span.events.sort_by_key(|event| event.time_unix_nano);
    }
}

/// Made by an earlier run.
fn is_own(event: &Event) -> bool {
    event.attributes.iter().any(|attribute| attribute.key == "spanline.link.method")
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::KeyValue;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    fn event(time: u64, name: &str) -> Event {
        let mark = KeyValue { key: "spanline.link.method".into(), ..KeyValue::default() };
        Event { time_unix_nano: time, name: name.into(), attributes: vec![mark], ..Event::default() }
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
            assert!(events.push([9; 16], [id; 8], &event(time, name)));
        }
        let given = Event { time_unix_nano: 25, name: "its own".into(), ..Event::default() };
        let mut spans =
            request(vec![span(2, vec![given, event(30, "c")]), span(1, vec![]), span(2, vec![]), span(3, vec![])]);
        assert_eq!(events.annotate(&mut spans), 3);
        assert_eq!(names(&spans), [vec!["without a time", "b", "its own", "c"], vec!["a"], vec![], vec![]]);
        assert_eq!(events.counts(), Counts { waiting: 5, over_limit: 0, added: 3, known: 1 });
    }

    #[test]
    fn the_limit_of_bytes_holds() {
        let mut events = SpanEvents::new(400);
        let taken = (0..50).filter(|time| events.push([9; 16], [1; 8], &event(*time, "some text"))).count();
        assert!((1..8).contains(&taken), "{taken}");
        assert_eq!(events.counts().over_limit, 50 - taken as u64);
    }
}
