//! `spanline backfill --to jaeger=` and `file=`: lines as events of spans, under what receivers and stores take.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;

use crate::harness::run::{Background, Place};
use crate::harness::sink::Script;

/// What a gRPC server takes by default.
const GRPC_BYTES_MAX: usize = 4 << 20;
const LINES: usize = 20_000;
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const START: u64 = 1_795_425_291_000_000_000;

/// A span of 60 s, in a request of its own; `value` is that of its only attribute.
fn span(id: u8, parent: u8, value: &str) -> String {
    let hex = |id: u8| if id == 0 { String::new() } else { format!("{id:016x}") };
    let span = json!({"traceId": TRACE, "spanId": hex(id), "parentSpanId": hex(parent), "name": format!("work {id}"),
        "kind": 1, "startTimeUnixNano": START.to_string(), "endTimeUnixNano": (START + 60_000_000_000).to_string(),
        "attributes": [{"key": "value", "value": {"stringValue": value}}]});
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}).to_string() + "\n"
}

/// Lines with the ids of these spans, in turn.
fn lines(count: usize, ids: &[u8]) -> String {
    let line = |number: usize| {
        let time = format!(
            "2026-11-23T09:{:02}:{:02}.{:03}Z",
            14 + (51_000 + number) / 60_000,
            (51 + number / 1000) % 60,
            number % 1000
        );
        let id = format!("{:016x}", ids[number % ids.len()]);
        let filler = "a line that is as long as most lines are, with a path /var/lib/kubelet/pods and more ".repeat(3);
        json!({"time": time, "level": "info", "msg": format!("number {number} {filler}"), "trace_id": TRACE,
            "span_id": id, "attempt": number})
        .to_string()
            + "\n"
    };
    (0..count).map(line).collect()
}

fn spans(requests: &[ExportTraceServiceRequest]) -> Vec<&Span> {
    let scopes = requests.iter().flat_map(|request| &request.resource_spans).flat_map(|group| &group.scope_spans);
    scopes.flat_map(|scope| &scope.spans).collect()
}

/// Each span once, each line once; how many events are on each of the given spans and on their carriers.
fn checked(requests: &[ExportTraceServiceRequest], lines: usize) -> BTreeMap<String, usize> {
    let mut events = BTreeMap::new();
    let (mut ids, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for span in spans(requests) {
        assert!(ids.insert(span.span_id.clone()), "{} was sent twice", span.name);
        *events.entry(span.name.clone()).or_default() += span.events.len();
        if span.name.starts_with("logs") {
            assert!(span.events.len() <= 128 && span.parent_span_id.len() == 8);
        }
        let numbers = span.events.iter().map(|event| {
            let mut words = event.name.split(' ').skip_while(|word| *word != "number");
            words.nth(1).unwrap().parse::<usize>().unwrap()
        });
        numbers.for_each(|number| assert!(seen.insert(number), "line {number} is there twice"));
    }
    assert_eq!(seen.len(), lines);
    events
}

#[test]
fn a_span_with_20000_lines_passes_a_receiver_of_4_mib() {
    let place = Place::new();
    let large = "x".repeat(2 << 20);
    place.write("traces.jsonl", [span(1, 0, ""), span(2, 1, &large), span(3, 1, "")].concat());
    // The second is larger than any request should be, the third has no lines.
    place.write("logs/app.log", lines(LINES, &[1, 1, 1, 1, 1, 1, 1, 1, 1, 2]));
    let background = Background::start(Script { bytes_max: Some(GRPC_BYTES_MAX), ..Script::default() });
    let url = background.url().replace("otlp=", "jaeger=");
    let run = || place.run(&["backfill", "logs", "--traces", "traces.jsonl", "--to", &url, "--state", "state"]);
    let first = run();
    first.text(0);
    first.says("more on").says("beyond what stores take on one span");
    let stored = background.sink.traces();
    let events = checked(&stored, LINES);
    assert_eq!((events["work 2"], events["work 3"], events["logs: work 2"]), (0, 0, LINES / 10));
    assert!(events["work 1"] > 500 && events["work 1"] < 3_000, "{events:?}");
    assert_eq!(stored.iter().flat_map(|request| &request.resource_spans).count(), spans(&stored).len());
    let before = background.sink.requests();
    assert_eq!(before, stored.len(), "none was too large");
    run().text(0);
    assert_eq!(background.sink.requests(), before, "a second run sends nothing");
}

#[test]
fn an_interrupted_delivery_of_many_lines_is_completed_by_the_next_run() {
    for after in [1, 3] {
        let place = Place::new();
        place.write("traces.jsonl", [span(1, 0, ""), span(2, 1, "")].concat());
        place.write("logs/app.log", lines(4_000, &[1, 2]));
        let broken = Script { bytes_max: Some(GRPC_BYTES_MAX), wrong_after: Some(after), ..Script::default() };
        let background = Background::start(broken);
        let url = background.url().replace("otlp=", "jaeger=");
        let run = || place.run(&["backfill", "logs", "--traces", "traces.jsonl", "--to", &url, "--state", "state"]);
        run().text(1);
        background.sink.follow(Script { bytes_max: Some(GRPC_BYTES_MAX), ..Script::default() });
        run().text(0);
        checked(&background.sink.traces(), 4_000);
    }
}

#[test]
fn a_file_of_traces_holds_all_lines_and_nothing_is_added_to_it_again() {
    let place = Place::new();
    place.write("traces.jsonl", [span(1, 0, ""), span(2, 1, "")].concat());
    place.write("logs/app.log", lines(4_000, &[1]));
    let read = |name: &str| -> Vec<ExportTraceServiceRequest> {
        place.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    place.run(&["backfill", "logs", "--traces", "traces.jsonl", "--to", "file=one"]).text(0);
    let events = checked(&read("one/traces.jsonl"), 4_000);
    assert_eq!(events["work 1"] + events["logs: work 1"], 4_000);
    let again = place.run(&["backfill", "logs", "--traces", "one/traces.jsonl", "--to", "file=two"]);
    again.text(0);
    again.says("4000 stored already");
    assert_eq!(checked(&read("two/traces.jsonl"), 4_000), events);
}
