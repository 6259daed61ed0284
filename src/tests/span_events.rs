//! `spanline backfill --to jaeger=` and `file=`: lines as events of spans, what they say, and what receivers and stores take.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};
use serde_json::json;

use crate::harness::run::{Background, Place, attribute, testdata};
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
    place.run(&["backfill", "logs", "--traces", "traces.jsonl", "--to", "file=one"]).text(0);
    let events = checked(&traces(&place, "one/traces.jsonl"), 4_000);
    assert_eq!(events["work 1"] + events["logs: work 1"], 4_000);
    let again = place.run(&["backfill", "logs", "--traces", "one/traces.jsonl", "--to", "file=two"]);
    again.text(0);
    again.says("4000 stored already");
    assert_eq!(checked(&traces(&place, "two/traces.jsonl"), 4_000), events);
}

/// Lines of a program that fails, each of the span with this id.
fn failing(id: u8) -> String {
    let line = |millis: u32, level: &str, message: &str, more: serde_json::Value| {
        let mut line = json!({"time": format!("2026-11-23T09:14:52.{millis:03}Z"), "level": level, "msg": message,
            "trace_id": TRACE, "span_id": format!("{id:016x}")});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.to_string() + "\n"
    };
    [
        line(1, "info", "request stats", json!({"method": "GET", "status": 200, "note": ""})),
        line(2, "error", "Unhandled Error", json!({"err": "no such image\nat pull()"})),
        line(3, "info", &format!("Request: {}", "x".repeat(300)), json!({})),
    ]
    .concat()
}

fn events_of<'r>(requests: &'r [ExportTraceServiceRequest], name: &str) -> Vec<(&'r str, BTreeMap<&'r str, String>)> {
    let named = spans(requests).into_iter().filter(|span| span.name == name);
    let attributes = |event: &'r Event| {
        let one = |a: &'r KeyValue| (a.key.as_str(), attribute(std::slice::from_ref(a), &a.key));
        event.attributes.iter().map(one).collect()
    };
    named.flat_map(|span| &span.events).map(|event| (event.name.as_str(), attributes(event))).collect()
}

fn traces(place: &Place, name: &str) -> Vec<ExportTraceServiceRequest> {
    place.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_event_tells_severity_cause_and_place_without_a_click() {
    let place = Place::new();
    place.write("traces.jsonl", span(1, 0, ""));
    let folder = "logs/pods/shop_web-0_0d1e2f30-4152-6374-8596-a7b8c9dae1f2/app";
    let cri = |line: &str| format!("2026-11-23T09:14:52.500Z stderr F {line}\n");
    place.write(&format!("{folder}/0.log"), failing(1).lines().map(cri).collect::<String>());
    let run = |more: &[&str]| {
        let arguments = [&["backfill", "logs", "--traces", "traces.jsonl", "--to", "file=out"], more].concat();
        place.run(&arguments).text(0);
        traces(&place, "out/traces.jsonl")
    };
    let requests = run(&[]);
    let events = events_of(&requests, "work 1");
    let names: Vec<&str> = events.iter().map(|(name, _)| *name).collect();
    assert_eq!(names[..2], ["request stats method=GET status=200", "ERROR: Unhandled Error: no such image"]);
    assert!(names[2].len() <= 256 && names[2].starts_with("Request: xxx") && names[2].ends_with("x…"));
    let keys: Vec<Vec<&str>> = events.iter().map(|(_, attributes)| attributes.keys().copied().collect()).collect();
    let place_of_all = ["k8s.container.name", "k8s.pod.name", "log.file.line", "log.file.name"];
    for (number, keys) in keys.iter().enumerate() {
        assert_eq!(events[number].1["log.file.line"], format!("IntValue({})", number + 1));
        assert_eq!((&*events[number].1["log.file.name"], &*events[number].1["k8s.pod.name"]), ("0.log", "web-0"));
        assert!(place_of_all.iter().all(|key| keys.contains(key)), "{keys:?}");
        assert_eq!(keys.contains(&"log.message"), number == 2, "{keys:?}");
        assert!(!keys.iter().any(|key| key.starts_with("spanline.link.") || *key == "note"), "{keys:?}");
        assert_eq!(events[number].1["spanline.link"], "written 1.00");
    }
    let requests = run(&["--event-fields", "all", "--event-name", "log"]);
    let events = events_of(&requests, "work 1");
    assert_eq!((events[1].0, &*events[1].1["log.message"]), ("log", "Unhandled Error"));
    assert_eq!(events[1].1["spanline.link.method"], "written");
    assert!(events[0].1.contains_key("note") && !events[0].1.contains_key("spanline.link"));
}

#[test]
fn lines_about_a_request_are_events_of_its_span_at_their_own_time_unless_they_are_not_wanted() {
    let place = Place::new();
    let labelled = testdata("labelled/frameworks");
    let (logs, given) = (labelled.join("logs"), labelled.join("traces.otlp.jsonl.zst"));
    let (logs, given) = (logs.display().to_string(), given.display().to_string());
    let run = |more: &[&str]| {
        let arguments = ["backfill", &logs, "--traces", &given, "--to", "file=out", "--links", "links"];
        place.run(&[&arguments[..], more].concat()).text(0);
        let links = place.json_lines("links");
        let of =
            |relation: &str| links.iter().filter(|row| row["relation"] == relation && row["verified"] == true).count();
        let (mut within, mut about, mut after) = (0, 0, 0);
        for request in traces(&place, "out/traces.jsonl") {
            for span in spans(&[request]) {
                for event in &span.events {
                    let link = attribute(&event.attributes, "spanline.link");
                    let is_about = link.ends_with(" about");
                    within += usize::from(!is_about && !link.is_empty());
                    about += usize::from(is_about);
                    let is_own = !span.name.starts_with("logs: ");
                    after += usize::from(is_about && is_own && event.time_unix_nano > span.end_time_unix_nano);
                }
            }
        }
        ((of("within"), of("about")), (within, about, after))
    };
    let (links, (within, about, after)) = run(&[]);
    assert!(links.1 >= 20, "the sample has lines that are about requests: {links:?}");
    assert_eq!((within, about), links);
    assert!(after >= 20, "{after} of {about} were written when it was over");
    let (same_links, shown) = run(&["--about-events", "none"]);
    assert_eq!((same_links, shown), (links, (within, 0, 0)));
}

#[test]
fn carriers_are_gathered_as_told_and_a_second_run_adds_nothing() {
    let place = Place::new();
    place.write("traces.jsonl", [span(1, 0, ""), span(2, 1, ""), span(3, 2, "")].concat());
    place.write("logs/a.log", failing(2)).write("logs/b.log", failing(3));
    for (how, expected) in [
        ("span", vec!["logs: work 2", "logs: work 3"]),
        ("service", vec!["logs: work 1"]),
        ("trace", vec!["logs: work 1"]),
    ] {
        let background = Background::start(Script::default());
        let url = background.url().replace("otlp=", "jaeger=");
        let run = |traces: &str, how: &str| {
            let arguments = ["--to", &url, "--span-events", "carrier", "--carriers", how];
            let run = place.run(&[&["backfill", "logs", "--traces", traces][..], &arguments].concat());
            run.text(0);
            run
        };
        run("traces.jsonl", how).says("6 on");
        let requests = background.sink.traces();
        let mut names: Vec<&str> = spans(&requests).iter().map(|span| span.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, expected);
        assert!(spans(&requests).iter().all(|span| span.status.as_ref().is_some_and(|status| status.code == 2)));
        if how == "trace" {
            let of: BTreeSet<String> = events_of(&requests, "logs: work 1")
                .into_iter()
                .map(|(_, a)| format!("{} {}", a["span.id"], a["span.name"]))
                .collect();
            assert_eq!(of.into_iter().collect::<Vec<_>>(), ["0000000000000002 work 2", "0000000000000003 work 3"]);
        }
        let stored: Vec<String> =
            requests.iter().map(|request| serde_json::to_string(request).unwrap() + "\n").collect();
        place.write("stored.jsonl", place.read("traces.jsonl") + &stored.concat());
        for next in ["span", "service", "trace"] {
            run("stored.jsonl", next).says("6 stored already");
        }
        assert_eq!(background.sink.traces().len(), requests.len());
        let annotated = place.run(&["backfill", "logs", "--traces", "stored.jsonl", "--to", "file=out"]);
        annotated.text(0);
        annotated.says("6 stored already");
    }
}
