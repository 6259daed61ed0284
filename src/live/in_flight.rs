//! Requests with spans on their way: they are held until lines of theirs are decided, which are put on the spans.
//!
//! In go requests that are held, and lines with their spans, out go the requests, as they came where nothing is put on their spans.
//! Lines come back whose spans are not among them, or have no room. Which lines belong to which span is decided before; how long
//! a request may be held is limited by whoever holds it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acknowledged_events::EventReceipts;
use super::hold::Hold;
use super::wake::SpanRequest;
use crate::export::span_events::annotate::SpanEvents;
use crate::export::span_events::carriers::SpanLine;
use crate::export::span_events::event::LineEvent;
use crate::metrics::{Counter, Metrics};
use crate::otlp::own::Ids;

/// Events that are put on one span of a request, as SDKs limit those of a span.
const EVENTS_MAX: usize = 128;
/// Bytes of events that are put on the spans of one request.
const EVENT_BYTES_MAX: usize = 2 << 20;
/// No request grows beyond: below what gRPC servers take by default, 4 MiB.
const REQUEST_BYTES_MAX: usize = 7 << 19;

/// See the module.
pub(super) struct InFlight {
    held: Vec<HeldRequest>,
    /// When the first of them is to be let go.
    release_at: Option<Instant>,
    hold: Duration,
    put: Arc<Counter>,
    over_limit: Arc<Counter>,
}

struct HeldRequest {
    request: SpanRequest,
    hold: Box<dyn Hold>,
    spans: Vec<Ids>,
}

impl InFlight {
    /// Requests are held for so long.
    pub(super) fn new(hold: Duration, metrics: &Metrics) -> InFlight {
        let (put, over_limit) = (metrics.spans.events("span"), metrics.limit_reached("span_events"));
        InFlight { held: Vec::new(), release_at: None, hold, put, over_limit }
    }

    /// Holds a request with these spans, if it can be held.
    pub(super) fn add(&mut self, mut request: SpanRequest, spans: Vec<Ids>, now: Instant) {
        if let Some(hold) = request.take_hold().filter(|hold| hold.is_open()) {
            self.release_at.get_or_insert(now + self.hold);
            self.held.push(HeldRequest { request, hold, spans });
        }
    }

    /// When requests are to be let go, if any are held.
    pub(super) fn release_at(&self) -> Option<Instant> {
        self.release_at
    }

    /// Lets all requests go as they came.
    pub(super) fn let_go(&mut self) {
        self.held.clear();
        self.release_at = None;
    }

    /// Puts lines on the spans that are held, and lets all requests go. Gives the others back. `receipts`: of the lines, where they
    /// are settled thereby.
    pub(super) fn put(&mut self, lines: Vec<SpanLine>, receipts: Option<&Arc<EventReceipts>>) -> Vec<SpanLine> {
        self.release_at = None;
        let held = std::mem::take(&mut self.held);
        if lines.is_empty() {
            return lines;
        }
        // A span that comes twice has its lines once.
        let spans = held.iter().zip(0..).filter(|(held, _)| held.hold.is_open());
        let of: HashMap<Ids, usize> =
            spans.flat_map(|(held, number)| held.spans.iter().map(move |ids| (*ids, number))).collect();
        let mut of_requests: Vec<Vec<SpanLine>> = held.iter().map(|_| Vec::new()).collect();
        let mut others = Vec::new();
        for line in lines {
            match of.get(&line.of) {
                Some(number) => of_requests[*number].push(line),
                None => others.push(line),
            }
        }
        for (held, lines) in held.into_iter().zip(of_requests).filter(|(_, lines)| !lines.is_empty()) {
            others.extend(self.put_on(held, lines, receipts));
        }
        others
    }

    /// Puts lines on the spans of a request, and lets it go. Gives those back that its spans have no room for.
    fn put_on(&self, held: HeldRequest, lines: Vec<SpanLine>, receipts: Option<&Arc<EventReceipts>>) -> Vec<SpanLine> {
        let HeldRequest { request, hold, .. } = held;
        let Some((changed, left)) = annotated(request.request(), &lines) else {
            self.over_limit.add(lines.len() as u64);
            return lines;
        };
        if !hold.release(Some(changed.into()), receipts.map(EventReceipts::when_taken)) {
            return lines;
        }
        self.over_limit.add(left.len() as u64);
        self.put.add((lines.len() - left.len()) as u64);
        left
    }
}

/// A request with lines on its spans, and the lines that these have no room for; `None` where the request has none.
fn annotated(request: &[u8], lines: &[SpanLine]) -> Option<(Vec<u8>, Vec<SpanLine>)> {
    let mut events = SpanEvents::new(EVENT_BYTES_MAX, EVENT_BYTES_MAX as u64);
    let (mut counts, mut left, mut changed): (HashMap<Ids, usize>, _, _) = (HashMap::new(), Vec::new(), Vec::new());
    for line in lines {
        let count = counts.entry(line.of).or_default();
        *count += 1;
        let LineEvent { time, event, text } = &line.event;
        if *count > EVENTS_MAX || !events.push(line.of, *time, event, *text) {
            left.push(SpanLine { of: line.of, event: line.event.clone() });
        }
    }
    // There are no temporary files, of which alone it could fail.
    events.annotate(request, None, &mut changed).ok()?;
    changed.shrink_to_fit();
    let waiting = events.each_waiting(&mut |waiting| {
        let event = LineEvent { time: waiting.time, event: waiting.bytes.to_vec(), text: waiting.text };
        left.push(SpanLine { of: waiting.ids, event });
        Ok(())
    });
    waiting.ok()?;
    (changed.len() <= REQUEST_BYTES_MAX && left.len() < lines.len()).then_some((changed, left))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use bytes::Bytes;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span::Event};
    use prost::Message;

    use super::*;
    use crate::live::hold::WhenTaken;

    /// What became of a request.
    type Released = Arc<Mutex<Vec<Option<Bytes>>>>;

    #[derive(Debug)]
    struct Held(Released, bool);

    impl Hold for Held {
        fn is_open(&self) -> bool {
            true
        }

        fn release(self: Box<Self>, changed: Option<Bytes>, _: Option<WhenTaken>) -> bool {
            self.0.lock().unwrap().push(changed);
            self.1
        }
    }

    fn ids(number: u8) -> Ids {
        ([9; 16], [number; 8])
    }

    fn request(spans: &[u8]) -> ExportTraceServiceRequest {
        let span = |number: &u8| Span { trace_id: vec![9; 16], span_id: vec![*number; 8], ..Span::default() };
        let scope = ScopeSpans { spans: spans.iter().map(span).collect(), ..ScopeSpans::default() };
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }],
        }
    }

    fn line(span: u8, time: u64, name: &str) -> SpanLine {
        let event = Event { time_unix_nano: time, name: name.into(), ..Event::default() }.encode_to_vec();
        SpanLine { of: ids(span), event: LineEvent { time, event, text: time } }
    }

    fn hold(in_flight: &mut InFlight, spans: &[u8], is_in_time: bool) -> Released {
        let released = Released::default();
        let held: Box<dyn Hold> = Box::new(Held(released.clone(), is_in_time));
        let bytes = request(spans).encode_to_vec().into();
        let request = SpanRequest::new(bytes, Some(held), Arc::new(AtomicUsize::new(0)));
        in_flight.add(request, spans.iter().map(|span| ids(*span)).collect(), Instant::now());
        released
    }

    fn in_flight() -> (InFlight, Metrics) {
        let metrics = Metrics::new(Instant::now());
        (InFlight::new(Duration::from_millis(300), &metrics), metrics)
    }

    #[test]
    fn lines_go_onto_their_spans_and_the_others_come_back() {
        let (mut in_flight, metrics) = in_flight();
        let [one, other] = [&[1, 2][..], &[3]].map(|spans| hold(&mut in_flight, spans, true));
        assert!(in_flight.release_at().is_some());
        let left = in_flight.put(vec![line(2, 20, "b"), line(7, 5, "elsewhere"), line(2, 10, "a")], None);
        assert_eq!(left, [line(7, 5, "elsewhere")]);
        let changed = one.lock().unwrap().pop().unwrap().unwrap();
        let mut changed = ExportTraceServiceRequest::decode(changed).unwrap();
        let spans = &mut changed.resource_spans[0].scope_spans[0].spans;
        let events = std::mem::take(&mut spans[1].events);
        assert_eq!(events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(changed, request(&[1, 2]));
        // It is dropped, and goes as it came.
        assert!(other.lock().unwrap().is_empty() && Arc::strong_count(&other) == 1);
        assert_eq!((metrics.spans.events("span").get(), in_flight.release_at()), (2, None));
    }

    #[test]
    fn lines_that_come_too_late_or_are_too_many_come_back() {
        let (mut in_flight, metrics) = in_flight();
        hold(&mut in_flight, &[1], false);
        assert_eq!(in_flight.put(vec![line(1, 1, "late")], None), [line(1, 1, "late")]);
        let released = hold(&mut in_flight, &[1, 2], true);
        let many = (0..EVENTS_MAX as u64 + 5).map(|time| line(1, time, "many")).chain([line(2, 1, "one")]);
        let left = in_flight.put(many.collect(), None);
        assert_eq!(left, (0..5).map(|more| line(1, EVENTS_MAX as u64 + more, "many")).collect::<Vec<_>>());
        assert!(released.lock().unwrap()[0].is_some());
        hold(&mut in_flight, &[1], true);
        in_flight.let_go();
        assert_eq!(in_flight.put(vec![line(1, 1, "gone")], None), [line(1, 1, "gone")]);
        assert_eq!(metrics.spans.events("span").get(), EVENTS_MAX as u64 + 1);
        assert_eq!(metrics.limit_reached("span_events").get(), 5);
    }

    #[test]
    fn a_request_does_not_grow_beyond_what_servers_take() {
        let (mut in_flight, _metrics) = in_flight();
        let spans: Vec<u8> = (1..=100).collect();
        let released = hold(&mut in_flight, &spans, true);
        let text = "x".repeat(60_000);
        let lines: Vec<SpanLine> = (1..=100).map(|span| line(span, 1, &text)).collect();
        let left = in_flight.put(lines, None);
        assert!((60..=70).contains(&left.len()), "{}", left.len());
        let changed = released.lock().unwrap().pop().unwrap().unwrap();
        assert!(changed.len() <= REQUEST_BYTES_MAX);
    }
}
