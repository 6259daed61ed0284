//! Events put into the bytes of spans: the same as to decode them, add the events, and encode them again.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span::Event};
use proptest::prelude::*;
use prost::Message;
use spanline::export::span_events::annotate::SpanEvents;
use spanline::export::span_events::stored_events::text_hash;
use spanline::spans::file::{Limits, TraceFile};

use crate::harness::run::testdata;

type Ids = ([u8; 16], [u8; 8]);

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn line(time: u64, name: &str) -> Event {
    let attributes =
        vec![attribute("spanline.link", "written"), attribute("k8s.pod.name", "web-0"), attribute("pod", name)];
    Event { time_unix_nano: time, name: name.to_owned(), attributes, ..Event::default() }
}

fn ids_of(span: &Span) -> Option<Ids> {
    Some((span.trace_id.as_slice().try_into().ok()?, span.span_id.as_slice().try_into().ok()?))
}

/// Decoded, added, in order of time: each event once, on the first span of its ids.
fn added(request: &mut ExportTraceServiceRequest, events: &mut HashMap<Ids, Vec<Event>>) {
    for group in &mut request.resource_spans {
        let is_said = |own: &KeyValue| {
            own.key == "k8s.pod.name" && group.resource.iter().any(|resource| resource.attributes.contains(own))
        };
        for span in group.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
            let Some(mut new) = ids_of(span).and_then(|ids| events.remove(&ids)) else { continue };
            new.sort_by_key(|event| event.time_unix_nano);
            for mut event in new {
                if event.time_unix_nano == 0 {
                    event.time_unix_nano = span.start_time_unix_nano;
                }
                event.attributes.retain(|own| !is_said(own));
                span.events.push(event);
            }
            span.events.sort_by_key(|event| event.time_unix_nano);
        }
    }
}

/// Annotates requests both ways, with events in memory and in a temporary file; how many spans had something put on them.
fn check(requests: &[Vec<u8>], wanted: impl Fn(usize, &Span) -> Vec<Event>) -> usize {
    let counts = [usize::MAX, 300].map(|memory_max| check_within(memory_max, requests, &wanted));
    assert_eq!(counts[0], counts[1]);
    counts[0]
}

fn check_within(memory_max: usize, requests: &[Vec<u8>], wanted: &impl Fn(usize, &Span) -> Vec<Event>) -> usize {
    let (mut waiting, mut expected) = (SpanEvents::new(memory_max, u64::MAX), HashMap::<Ids, Vec<Event>>::new());
    let mut number = 0;
    for request in requests {
        let request = ExportTraceServiceRequest::decode(&request[..]).unwrap();
        let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
        for span in scopes.flat_map(|scope| &scope.spans) {
            number += 1;
            let Some(ids) = ids_of(span) else { continue };
            for event in wanted(number, span) {
                waiting.push(ids, event.time_unix_nano, &event.encode_to_vec(), text_hash(&event.name));
                expected.entry(ids).or_default().push(event);
            }
        }
    }
    let with_events = expected.len();
    let mut out = Vec::new();
    for bytes in requests {
        let mut request = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
        added(&mut request, &mut expected);
        out.clear();
        waiting.annotate(bytes, None, &mut out).unwrap();
        assert_eq!(ExportTraceServiceRequest::decode(&out[..]).unwrap(), request);
        // What had nothing put on it is as it was, byte for byte.
        let before = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
        assert!(before != request || out == *bytes);
    }
    waiting.each_waiting(&mut |event| panic!("{:?} is on no span", event.ids)).unwrap();
    with_events
}

/// All traces of the test data, as requests.
fn recorded() -> Vec<(PathBuf, Vec<Vec<u8>>)> {
    let mut files = Vec::new();
    for folder in ["labelled", "nodes", "traces"] {
        find(&testdata(folder), &mut files);
    }
    let requests = |path: &PathBuf| {
        let mut file = TraceFile::open(path, Limits::default()).unwrap();
        let mut requests = Vec::new();
        while let Some(request) = file.next_request().unwrap() {
            requests.push(request.to_vec());
        }
        (path.clone(), requests)
    };
    files.iter().map(requests).collect()
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_of_traces = |path: &Path| path.to_string_lossy().contains("traces");
        if path.is_dir() {
            find(&path, files);
        } else if is_of_traces(&path) {
            files.push(path);
        }
    }
    files.sort();
}

#[test]
fn recorded_spans_get_the_events_that_decoding_would_give_them() {
    let mut spans = 0;
    for (path, requests) in recorded() {
        let found = check(&requests, |number, span| match number % 3 {
            0 => Vec::new(),
            1 => vec![line(span.start_time_unix_nano + 1, "first"), line(0, "without a time")],
            _ => vec![line(u64::MAX, "last"), line(span.end_time_unix_nano, "at its end"), line(1, "long ago")],
        });
        println!("{}: {found}", path.display());
        spans += found;
    }
    assert!(spans > 1000, "{spans}");
}

fn event() -> impl Strategy<Value = Event> {
    (0u64..20, "[a-z]{0,40}", 0u32..2).prop_map(|(time, name, dropped)| {
        let attributes = vec![attribute("k", &name)];
        Event { time_unix_nano: time, name, attributes, dropped_attributes_count: dropped }
    })
}

fn span() -> impl Strategy<Value = Span> {
    let events = proptest::collection::vec(event(), 0..5);
    (0u8..12, "[a-z]{0,150}", 0u64..20, events, 0u32..300).prop_map(|(id, name, start, events, flags)| Span {
        trace_id: if id == 11 { vec![1; 3] } else { vec![9; 16] },
        span_id: vec![id; 8],
        name,
        start_time_unix_nano: start,
        events,
        flags,
        ..Span::default()
    })
}

fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scopes = proptest::collection::vec(proptest::collection::vec(span(), 0..6), 0..3);
    let groups = proptest::collection::vec((scopes, any::<bool>(), any::<bool>()), 0..3);
    groups.prop_map(|groups| {
        let group = |(scopes, names_pod, has_url): (Vec<Vec<Span>>, bool, bool)| {
            let scope =
                |spans| ScopeSpans { spans, schema_url: "u".repeat(usize::from(has_url)), ..ScopeSpans::default() };
            let pod = if names_pod { "web-0" } else { "web-1" };
            let resource = Resource { attributes: vec![attribute("k8s.pod.name", pod)], ..Resource::default() };
            ResourceSpans {
                resource: Some(resource),
                scope_spans: scopes.into_iter().map(scope).collect(),
                schema_url: "v".repeat(usize::from(has_url)),
            }
        };
        ExportTraceServiceRequest { resource_spans: groups.into_iter().map(group).collect() }
    })
}

proptest! {
    #[test]
    fn any_spans_get_the_events_that_decoding_would_give_them(
        requests in proptest::collection::vec(request(), 1..4),
        times in proptest::collection::vec(0u64..25, 1..8),
    ) {
        let bytes: Vec<Vec<u8>> = requests.iter().map(Message::encode_to_vec).collect();
        check(&bytes, |number, _| {
            let own = times.iter().enumerate().filter(|(at, _)| (number + at) % 3 == 0);
            own.map(|(at, time)| line(*time, &format!("line {number} {at}"))).collect()
        });
    }
}

#[test]
fn fields_that_nobody_knows_stay_where_they_are() {
    // In request, resource, scope, span and event; the span's ids come last.
    let field = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
    let unknown = |number: u8| vec![0xf8, 0x07, number];
    let event = [field(0x12, b"own"), vec![0x09, 5, 0, 0, 0, 0, 0, 0, 0], unknown(1)].concat();
    let span = [unknown(2), field(0x5a, &event), field(0x12, &[2; 8]), field(0x0a, &[9; 16])].concat();
    let scope = [field(0x12, &span), unknown(3)].concat();
    let group = [unknown(4), field(0x12, &scope)].concat();
    let request = [unknown(5), field(0x0a, &group)].concat();
    let mut events = SpanEvents::new(1 << 20, 1 << 20);
    let new = Event { time_unix_nano: 3, name: "n".into(), ..Event::default() }.encode_to_vec();
    assert!(events.push(([9; 16], [2; 8]), 3, &new, 0));
    let mut out = Vec::new();
    assert_eq!(events.annotate(&request, None, &mut out).unwrap(), 1);
    let span =
        [unknown(2), field(0x5a, &new), field(0x5a, &event), field(0x12, &[2; 8]), field(0x0a, &[9; 16])].concat();
    let scope = [field(0x12, &span), unknown(3)].concat();
    let group = [unknown(4), field(0x12, &scope)].concat();
    assert_eq!(out, [unknown(5), field(0x0a, &group)].concat());
    // And a file of it is read as it is.
    let mut file = TraceFile::from_reader(Box::new(Cursor::new(field(0x0a, &group))), Limits::default()).unwrap();
    assert_eq!(file.next_request().unwrap(), Some(&field(0x0a, &group)[..]));
}
