//! Carriers to a server that stores them, run after run, with the spans that they hang under from the index.

use std::cell::RefCell;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span::Event};
use prost::Message;

use crate::correlate::Correlator;
use crate::export::batch::Batch;
use crate::export::config::Carriers;
use crate::export::sinks::BatchSink;
use crate::export::span_events::carrier_batches::send;
use crate::export::span_events::carriers::Counts;
use crate::export::span_events::carriers::LENGTH;
use crate::export::span_events::event::Style;
use crate::export::span_events::event_bytes;
use crate::export::span_events::held_events::HeldEvents;
use crate::export::span_events::span_stream::SpanStream;
use crate::export::span_events::stored_events::text_hash;
use crate::otlp::own;
use crate::pipeline::given_spans::{Given, GivenSpans};
use crate::spans::file::Limits;
use crate::spans::scan::{self, Room};

const SERVICE: &str = "service.name";

fn text_attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn text(event: &Event, key: &str) -> Option<String> {
    event_bytes::text(&event.encode_to_vec(), key).map(str::to_owned)
}

const TRACE: [u8; 16] = [7; 16];
const START: u64 = 1_700_000_000_000_000_500;

/// What was sent, as a server reads it.
#[derive(Default)]
struct Server(RefCell<Vec<ExportTraceServiceRequest>>);

impl BatchSink for Server {
    fn send(&self, batch: Batch) -> bool {
        let bytes: Vec<u8> = batch.message().into_iter().flatten().collect();
        self.0.borrow_mut().push(ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap());
        true
    }
}

fn span(id: u8, parent: u8, length: u64) -> Span {
    Span {
        trace_id: TRACE.to_vec(),
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
        name: format!("span {id}"),
        start_time_unix_nano: START,
        end_time_unix_nano: START + length,
        ..Span::default()
    }
}

fn stored() -> ExportTraceServiceRequest {
    let spans = vec![span(1, 0, 900_000), span(2, 1, 400), span(3, 9, 10)];
    let scope = ScopeSpans { spans, ..ScopeSpans::default() };
    let group = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![group] }
}

fn event(time: u64, message: &str) -> Event {
    let line = Value::IntValue((text_hash(message) >> 1) as i64);
    let line = KeyValue { key: own::LINE.into(), value: Some(AnyValue { value: Some(line) }), ..KeyValue::default() };
    let attributes = vec![text_attribute(own::LINK, "inferred 0.99"), text_attribute(own::FILE, "app.log"), line];
    Event { time_unix_nano: time, name: message.into(), attributes, ..Event::default() }
}

/// The event as earlier versions made it.
fn older(mut event: Event) -> Event {
    event.attributes = vec![text_attribute(own::LINK_METHOD, "inferred"), text_attribute(own::MESSAGE, &event.name)];
    event
}

/// One run over what the store has.
fn run(store: &[ExportTraceServiceRequest], lines: &[(u8, Event)], server: &Server) -> Counts {
    gathered(store, lines, server, Carriers::Span)
}

fn gathered(store: &[ExportTraceServiceRequest], lines: &[(u8, Event)], server: &Server, gather: Carriers) -> Counts {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces");
    let mut bytes = Vec::new();
    let mut correlator = Correlator::new(crate::correlate::index::Limits::default());
    for request in store {
        let encoded = request.encode_to_vec();
        bytes.extend_from_slice(&(encoded.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&encoded);
        scan::for_each_fact(&request.encode_to_vec(), &mut Room::default(), &mut |resource, span| {
            correlator.add_span(resource, span);
        });
    }
    std::fs::write(&path, bytes).unwrap();
    correlator.settle();
    let mut held = HeldEvents::new(0, 1 << 30, 1 << 30, Style::default());
    for (id, event) in lines {
        let (time, bytes) = (event.time_unix_nano, event.encode_to_vec());
        held.events.push((TRACE, [*id; 8]), time, &bytes, text_hash(&event.name));
    }
    let (index, paths) = (correlator.index(), [path]);
    let given =
        Given { paths: &paths, limits: Limits::default(), has_carriers: true, spans: GivenSpans::Held(index), gather };
    let stream = || SpanStream { key: 0, is_acknowledged: Box::new(|_| false) };
    send(&given, &mut held, server, &stream).unwrap()
}

fn spans(requests: &[ExportTraceServiceRequest]) -> Vec<&Span> {
    let groups = requests.iter().flat_map(|request| &request.resource_spans);
    groups.flat_map(|group| &group.scope_spans).flat_map(|scope| &scope.spans).collect()
}

fn lines() -> Vec<(u8, Event)> {
    let mut lines: Vec<_> =
        (0..300).map(|number| (1, event(START + 1000 * number, &format!("line {}", number % 290)))).collect();
    // Twice the same, on a span that is too short for a carrier; before and after the span; one without a home.
    lines.extend([(2, event(START + 10, "same")), (2, event(START + 10, "same"))]);
    lines.extend([(1, event(START - 5000, "early")), (1, event(START + 9_000_000, "late")), (1, event(0, "no time"))]);
    lines.push((3, event(START, "nowhere")));
    lines
}

#[test]
fn carriers_lie_within_their_parents_and_hold_every_line_once() {
    let server = Server::default();
    let counts = run(&[stored()], &lines(), &server);
    assert_eq!(counts, Counts { events: 305, carriers: 3, known: 0, without_parent: 1 });
    let requests = server.0.borrow();
    let carriers = spans(&requests);
    assert_eq!(carriers.iter().map(|span| span.events.len()).collect::<Vec<_>>(), [128, 128, 49]);
    for carrier in carriers {
        assert_eq!((carrier.name.as_str(), carrier.kind, carrier.flags), ("logs: span 1", 1, 0x101));
        assert_eq!(carrier.parent_span_id, [1; 8]);
        assert_eq!(carrier.end_time_unix_nano - carrier.start_time_unix_nano, 1000);
        assert!(carrier.start_time_unix_nano >= START && carrier.end_time_unix_nano <= START + 900_000);
        assert!(carrier.events.iter().all(|event| event.time_unix_nano > 0));
    }
}

#[test]
fn what_is_stored_is_not_sent_again_and_the_rest_comes_under_the_same_ids() {
    let first = Server::default();
    run(&[stored()], &lines(), &first);
    let sent = first.0.borrow().clone();
    let again = Server::default();
    let mut store = vec![stored()];
    store.extend(sent.clone());
    // A store that keeps µs gives other times back.
    for event in store.iter_mut().flat_map(|request| &mut request.resource_spans) {
        let spans = event.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans);
        spans.flat_map(|span| &mut span.events).for_each(|event| event.time_unix_nano -= event.time_unix_nano % 1000);
    }
    let counts = run(&store, &lines(), &again);
    assert_eq!(counts, Counts { events: 0, carriers: 0, known: 305, without_parent: 1 });
    assert!(again.0.borrow().is_empty());
    // Of three carriers the second was lost: it is made again as it was, whatever order the lines come in.
    let mut part = sent.clone();
    part[0].resource_spans.remove(1);
    let second = Server::default();
    let mut lines = lines();
    lines.reverse();
    run(&[vec![stored()], part].concat(), &lines, &second);
    assert_eq!(spans(&second.0.borrow()), spans(&sent)[1..2]);
}

#[test]
fn what_an_earlier_version_stored_is_not_sent_again() {
    let first = Server::default();
    run(&[stored()], &lines(), &first);
    let mut store = [vec![stored()], first.0.borrow().clone()].concat();
    for scope in
        store.iter_mut().flat_map(|request| &mut request.resource_spans).flat_map(|group| &mut group.scope_spans)
    {
        for event in scope.spans.iter_mut().flat_map(|span| &mut span.events) {
            *event = older(std::mem::take(event));
        }
    }
    let again = Server::default();
    let counts = run(&store, &lines(), &again);
    assert_eq!((counts.events, counts.known), (0, 305));
}

/// Spans 1 > 2 > 3 > 4 and 1 > 5, of services a, b, b, a and b; the fifth began first, the second lasts longest.
fn two_services() -> ExportTraceServiceRequest {
    let group = |service: &str, spans: Vec<Span>| {
        let attributes = vec![text_attribute(SERVICE, service), text_attribute(own::POD, service)];
        ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }
    };
    let of_a = group("a", vec![span(1, 0, 900_000), span(4, 3, 50_000)]);
    let mut early = span(5, 1, 70_000);
    early.start_time_unix_nano -= 10_000;
    let of_b = group("b", vec![span(2, 1, 800_000), span(3, 2, 700), early]);
    ExportTraceServiceRequest { resource_spans: vec![of_b, of_a] }
}

fn a_line_on_each_span() -> Vec<(u8, Event)> {
    let line = |id: u8| {
        let mut event = event(START + 20_000 * u64::from(id), &format!("line {id}"));
        event.attributes.push(text_attribute(own::POD, if id == 1 || id == 4 { "a" } else { "b" }));
        (id, event)
    };
    (1..=5).map(line).collect()
}

#[test]
fn carriers_are_gathered_under_a_service_or_a_trace_and_their_events_name_their_spans() {
    for (gather, expected) in [
        // The third is too short.
        (Carriers::Span, vec![(1, "1"), (2, "2,3>3"), (4, "4"), (5, "5")]),
        (Carriers::Service, vec![(1, "1,4>4"), (2, "2,3>3,5>5")]),
        (Carriers::Trace, vec![(1, "1,2>2:b,3>3:b,4>4,5>5:b")]),
    ] {
        let server = Server::default();
        let counts = gathered(&[two_services()], &a_line_on_each_span(), &server, gather);
        assert_eq!((counts.events, counts.carriers), (5, expected.len() as u64));
        let requests = server.0.borrow();
        let mut carriers: Vec<(u8, String)> = Vec::new();
        for carrier in spans(&requests) {
            let shown = carrier.events.iter().map(|event| {
                let mut shown = event.name["line ".len()..].to_owned();
                if let Some(id) = text(event, own::SPAN_ID) {
                    shown += &format!(">{}", u8::from_str_radix(&id[..2], 16).unwrap());
                    assert_eq!(text(event, "span.name").unwrap(), format!("span {}", &id[1..2]));
                }
                let service = text(event, SERVICE).map(|service| format!(":{service}"));
                // The pod is told where the carrier's resource tells another.
                assert_eq!(text(event, own::POD), service.as_ref().map(|service| service[1..].to_owned()));
                shown + &service.unwrap_or_default()
            });
            carriers.push((carrier.parent_span_id[0], shown.collect::<Vec<_>>().join(",")));
            assert_eq!(carrier.end_time_unix_nano - carrier.start_time_unix_nano, LENGTH);
        }
        carriers.sort();
        let expected: Vec<_> = expected.iter().map(|(id, shown)| (*id, (*shown).to_owned())).collect();
        assert_eq!(carriers, expected);
        // However they are gathered next time, nothing is added.
        let store = [vec![two_services()], requests.clone()].concat();
        for next in [Carriers::Span, Carriers::Service, Carriers::Trace] {
            let counts = gathered(&store, &a_line_on_each_span(), &Server::default(), next);
            assert_eq!((counts.events, counts.known), (0, 5), "{gather:?} {next:?}");
        }
    }
}

#[test]
fn a_carrier_with_an_error_has_failed() {
    for (severity, failed) in [("INFO", false), ("WARN", false), ("ERROR", true), ("FATAL", true)] {
        let mut bad = event(START + 2000, "ERROR: no such image");
        bad.attributes.push(text_attribute("log.severity", severity));
        let server = Server::default();
        run(&[stored()], &[(1, event(START, "a line")), (1, bad)], &server);
        let requests = server.0.borrow();
        let status = spans(&requests)[0].status.as_ref().map(|status| (status.code, status.message.as_str()));
        assert_eq!(status, failed.then_some((2, "ERROR: no such image")));
    }
}
