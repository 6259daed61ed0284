//! Lines and spans that come together: lines get their trace, wait no longer than they may, and none is lost while it waits.

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use spanline::otlp::Signal;

use crate::harness::agent::Agent;
use crate::harness::capture::Capture;
use crate::harness::otlp_client::{Sent, grpc};
use crate::harness::run::{Background, ClosedPort};
use crate::harness::sink::Script;
use crate::harness::written::{Written, append, cri};

/// Of each request: from its start to its end, and to the next one's start at most.
const LASTS: Duration = Duration::from_millis(12);
const EACH: Duration = Duration::from_millis(40);

const LINES_READ: &str = "spanline_lines_read_total{input=\"pods\"}";

/// An agent whose lines wait so long for their spans, which are kept nowhere, and where it takes these.
fn agent(wait: &str) -> (Agent, SocketAddr) {
    agent_to("none", wait)
}

/// The same, with spans passed on there.
pub(super) fn agent_to(forward: &str, wait: &str) -> (Agent, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut agent = Agent::new(Script::default());
    agent.has_tap(format!("{{grpc: '{address}', http: null, forward: [{forward}]}}\nlink: {{wait: {wait}}}"));
    agent.start();
    agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
    (agent, address)
}

/// So many requests of a pod, one after the other until just now: their spans, and three lines of each.
fn requests(pod: &str, count: u32, lines: &mut Written) -> (Vec<u8>, String) {
    requests_until(Duration::ZERO, 0..count, pod, lines)
}

/// The same of these numbers, until so long ago.
pub(super) fn requests_until(ago: Duration, numbers: Range<u32>, pod: &str, lines: &mut Written) -> (Vec<u8>, String) {
    let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - ago;
    let first = until - EACH * numbers.len() as u32;
    let (mut spans, mut text) = (Vec::new(), String::new());
    for number in numbers.clone() {
        // Not at equal distances: then the same lines would fit all requests as well.
        let start = first + EACH * (number - numbers.start) + Duration::from_millis(u64::from(number * number % 23));
        let nanos = |at: Duration| u64::try_from(at.as_nanos()).unwrap();
        spans.push(Span {
            trace_id: trace_of(number).into(),
            span_id: u64::from(number + 1).to_be_bytes().into(),
            name: "GET /cart".to_owned(),
            kind: 2,
            start_time_unix_nano: nanos(start),
            end_time_unix_nano: nanos(start + LASTS),
            ..Span::default()
        });
        for (after, said) in [(1, "received"), (5, "priced"), (11, "answered")] {
            let at = start + Duration::from_millis(after);
            let at = chrono::DateTime::from_timestamp_nanos(nanos(at) as i64).to_rfc3339();
            text += &format!("{at} stdout F {}\n", lines.body_of(&format!("a cart was {said}")));
        }
    }
    let text_of = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    };
    let attributes =
        vec![text_of("service.name", pod), text_of("k8s.namespace.name", "default"), text_of("k8s.pod.name", pod)];
    let resource_spans = vec![ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }];
    (ExportTraceServiceRequest { resource_spans }.encode_to_vec(), text)
}

#[test]
fn lines_whose_spans_have_passed_go_on_below_them() {
    let capture = Capture::start();
    let (agent, address) = agent_to(&format!("otlp=http://{}", capture.address), "2s");
    let lines = two_hundred_requests(&agent, address);
    let linked = || lines.bodies().iter().filter(|body| agent.sink.sink.trace_of(body).is_some()).count();
    let events = || -> Vec<(Vec<u8>, Vec<u8>, String)> {
        let carriers = capture.captured().into_iter().flat_map(|captured| {
            let request = ExportTraceServiceRequest::decode(captured.body).unwrap();
            let groups = request.resource_spans.into_iter();
            groups.flat_map(|group| {
                let of = group.resource.unwrap();
                assert!(of.attributes.iter().any(|attribute| attribute.key == "k8s.pod.name"));
                group.scope_spans.into_iter().flat_map(|scope| scope.spans).collect::<Vec<_>>()
            })
        });
        let carriers = carriers.filter(|span| span.name == "logs: GET /cart");
        carriers
            .flat_map(|span| {
                let (trace, parent) = (span.trace_id.clone(), span.parent_span_id.clone());
                span.events.into_iter().map(move |event| (trace.clone(), parent.clone(), event.name))
            })
            .collect()
    };
    assert!(linked() >= 570, "{}", linked());
    agent.running().until(|| events().len() == linked());
    for (trace, parent, body) in events() {
        assert_eq!(agent.sink.sink.trace_of(&body).unwrap(), *trace);
        let number = u128::from_be_bytes(trace.try_into().unwrap()) >> 64;
        assert_eq!(u128::from(u64::from_be_bytes(parent.try_into().unwrap())), number + 1);
    }
    assert_eq!(agent.metric("spanline_span_events_total{how=\"carrier\"}"), linked() as u64);
}

#[test]
fn lines_are_put_on_the_spans_that_pass_and_go_nowhere_else() {
    let capture = Capture::start();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut agent = Agent::new(Script::default());
    // Held for long: the machine may be slow.
    let forward = format!("forward: ['otlp=http://{}'], hold: 4s", capture.address);
    agent.has_tap(format!("{{grpc: '{address}', http: null, {forward}}}\nlink: {{wait: 10s}}"));
    agent.start();
    agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
    // What is learned from: the time of these is up when they are read.
    let mut lines = Written::new("web");
    let (spans, text) = requests_until(Duration::from_secs(60), 0..200, "web", &mut lines);
    send(address, spans);
    agent.running().until(|| agent.metric("spanline_spans_received_total") == 200);
    append(&agent.pod("web"), text);
    agent.expect_once(&[&lines]);
    let (spans, text) = requests_until(Duration::ZERO, 1_000..1_100, "web", &mut lines);
    append(&agent.pod("web"), text);
    agent.running().until(|| agent.metric("spanline_waiting_records") == 300);
    send(address, spans.clone());
    let on_spans = || agent.metric("spanline_span_events_total{how=\"span\"}");
    agent.running().until(|| on_spans() > 0 && agent.metric("spanline_waiting_records") == 0);
    agent.expect_once(&[&lines]);
    let given = ExportTraceServiceRequest::decode(&spans[..]).unwrap();
    let spans = |request: &ExportTraceServiceRequest| -> Vec<Span> {
        let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    };
    let passed =
        capture.captured().into_iter().map(|captured| ExportTraceServiceRequest::decode(captured.body).unwrap());
    let passed = passed.flat_map(|request| spans(&request));
    let mut seen = 0;
    let (carriers, mut passed): (Vec<Span>, Vec<Span>) = passed.partition(|span| span.name.starts_with("logs: "));
    passed.retain(|span| spans(&given).iter().any(|given| given.span_id == span.span_id));
    for span in &mut passed {
        assert!(span.events.len() <= 3 && span.events.is_sorted_by_key(|event| event.time_unix_nano));
        for event in std::mem::take(&mut span.events) {
            assert_eq!(agent.sink.sink.trace_of(&event.name).map(Vec::from), Some(span.trace_id.clone()));
            assert!(event.time_unix_nano - span.start_time_unix_nano < LASTS.as_nanos() as u64);
            seen += 1;
        }
    }
    // All else in them is as it was.
    assert_eq!(passed, spans(&given));
    // The others, and those that were learned from, are below their spans.
    let later: usize = carriers.iter().map(|carrier| carrier.events.len()).sum();
    assert_eq!((on_spans(), agent.metric("spanline_span_events_total{how=\"carrier\"}")), (seen, later as u64));
    assert!((240..=300).contains(&seen) && later as u64 + seen >= 855, "{seen} {later}");
}

/// Lines with others that tell of each of these spans when it is over, in order of time.
fn with_access_lines(text: &str, spans: &[u8], lines: &mut Written) -> String {
    let request = ExportTraceServiceRequest::decode(spans).unwrap();
    let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
    let mut all: Vec<String> = text.lines().map(str::to_owned).collect();
    for span in scopes.flat_map(|scope| &scope.spans) {
        let took = span.end_time_unix_nano - span.start_time_unix_nano + 70_000;
        let at = chrono::DateTime::from_timestamp_nanos(span.end_time_unix_nano as i64 + 1_500).to_rfc3339();
        let body = lines.body_of(&format!("a cart was handled in {:.6}ms", took as f64 / 1e6));
        all.push(format!("{at} stdout F {body}"));
    }
    all.sort_by_key(|line| chrono::DateTime::parse_from_rfc3339(line.split(' ').next().unwrap()).unwrap());
    all.join("\n") + "\n"
}

#[test]
fn lines_about_a_request_are_events_of_its_span_unless_they_are_not_wanted() {
    for (setting, is_wanted) in [("", true), (", about_events: none", false)] {
        let capture = Capture::start();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut agent = Agent::new(Script::default());
        let forward = format!("forward: ['otlp=http://{}']{setting}", capture.address);
        agent.has_tap(format!("{{grpc: '{address}', http: null, {forward}}}\nlink: {{wait: 2s}}"));
        agent.start();
        agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
        let mut lines = Written::new("web");
        let (spans, text) = requests("web", 200, &mut lines);
        let mut request = ExportTraceServiceRequest::decode(&spans[..]).unwrap();
        let scopes = request.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans);
        for (number, span) in scopes.flat_map(|scope| &mut scope.spans).enumerate() {
            // How long it took tells which one a line is about.
            span.end_time_unix_nano -= (number * number * 37 % 900) as u64 * 1_000;
        }
        let spans = request.encode_to_vec();
        let text = with_access_lines(&text, &spans, &mut lines);
        send(address, spans);
        agent.running().until(|| agent.metric("spanline_spans_received_total") == 200);
        append(&agent.pod("web"), text);
        agent.expect_once(&[&lines]);
        let on_carriers = || agent.metric("spanline_span_events_total{how=\"carrier\"}");
        agent.running().until(|| on_carriers() >= if is_wanted { 750 } else { 570 });
        assert_eq!(agent.stop().code, Some(0));
        let mut about = 0;
        for captured in capture.captured() {
            let request = ExportTraceServiceRequest::decode(captured.body).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|group| group.scope_spans);
            for event in scopes.flat_map(|scope| scope.spans).flat_map(|span| span.events) {
                let is_marked = event.attributes.iter().any(|attribute| {
                    let value = attribute.value.as_ref().and_then(|value| value.value.clone());
                    matches!(value, Some(any_value::Value::StringValue(text)) if text.ends_with(" about"))
                });
                assert_eq!(is_marked, event.name.contains("handled"), "{}", event.name);
                about += usize::from(is_marked);
            }
        }
        assert!(if is_wanted { about >= 150 } else { about == 0 }, "{about} of 200 where {setting:?}");
    }
}

/// The lines of so many requests of a pod, which are stored, each once; their spans came before.
fn two_hundred_requests(agent: &Agent, address: SocketAddr) -> Written {
    let mut lines = Written::new("web");
    let (spans, text) = requests("web", 200, &mut lines);
    send(address, spans);
    agent.running().until(|| agent.metric("spanline_spans_received_total") == 200);
    append(&agent.pod("web"), text);
    agent.expect_once(&[&lines]);
    lines
}

pub(super) fn trace_of(number: u32) -> [u8; 16] {
    (u128::from(number) << 64 | 0x5eed).to_be_bytes()
}

pub(super) fn send(address: SocketAddr, spans: Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(grpc(address, &Sent::new(Signal::Traces, spans))).code, 0);
}

#[test]
fn lines_get_the_trace_of_the_span_they_were_written_in() {
    let (agent, address) = agent("2s");
    let lines = two_hundred_requests(&agent, address);
    let (mut right, mut wrong) = (0, 0);
    for (at, body) in lines.bodies().iter().enumerate() {
        match agent.sink.sink.trace_of(body) {
            Some(trace) if trace == trace_of(at as u32 / 3) => right += 1,
            Some(_) => wrong += 1,
            None => {}
        }
    }
    assert!(right >= 570 && wrong == 0, "{right} of 600 right, {wrong} wrong");
    assert!(agent.metric("spanline_links_total{method=\"inferred\"}") >= 570);
}

/// Case X1: what is read late is linked all the same.
#[test]
fn lines_that_are_read_after_an_outage_get_the_spans_that_came_meanwhile() {
    let (closed, address) = (ClosedPort::new(), TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let mut agent = Agent::new(Script::default());
    agent.sends_to(&[&format!("otlp=http://{}", closed.address())]);
    agent.has_tap(format!("{{grpc: '{address}', http: null, forward: [none]}}\nlink: {{wait: 2s}}"));
    agent.may_take("16MiB");
    agent.start();
    agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
    // More than is held for a destination that is down: from then on nothing is read.
    let mut bulk = Written::new("bulk");
    for _ in 0..60 {
        let noise = |at: u64| twox_hash::XxHash3_128::oneshot(&at.to_le_bytes());
        let line = |at: u64| (0..20).map(|part| format!("{:032x}", noise(at * 20 + part))).collect::<String>();
        let first = bulk.len() as u64;
        append(&agent.pod("bulk"), (0..200).map(|at| cri("F", &bulk.body_of(&line(first + at)))).collect::<String>());
    }
    agent.running().until(|| {
        let before = agent.metric(LINES_READ);
        std::thread::sleep(Duration::from_millis(500));
        before > 0 && before == agent.metric(LINES_READ)
    });
    let read = agent.metric(LINES_READ);
    assert!(read < bulk.len() as u64, "all was read: {read}");
    let mut lines = Written::new("web");
    let (spans, text) = requests("web", 200, &mut lines);
    send(address, spans);
    agent.running().until(|| agent.metric("spanline_spans_received_total") == 200);
    append(&agent.pod("web"), text);
    // Their time is up long before they are read.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(agent.metric(LINES_READ), read);
    agent.sink = Background::at(closed, Script::default());
    agent.expect_once(&[&lines, &bulk]);
    let traces = lines.bodies().iter().map(|body| agent.sink.sink.trace_of(body));
    let right = traces.zip(0..).filter(|(trace, at)| *trace == Some(trace_of(at / 3))).count();
    assert!(right >= 570, "{right} of 600");
}

#[test]
fn what_was_learned_serves_after_a_restart() {
    let (mut agent, address) = agent("2s");
    let mut lines = two_hundred_requests(&agent, address);
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    agent.start();
    agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
    // Too few lines to learn from.
    let (spans, text) = requests_until(Duration::ZERO, 1_000..1_006, "web", &mut lines);
    send(address, spans);
    agent.running().until(|| agent.metric("spanline_spans_received_total") == 6);
    append(&agent.pod("web"), text);
    agent.expect_once(&[&lines]);
    let traces = lines.bodies()[600..].iter().map(|body| agent.sink.sink.trace_of(body));
    let right = traces.zip(0..).filter(|(trace, at)| *trace == Some(trace_of(1_000 + at / 3))).count();
    assert!(right >= 14, "{right} of 18");
}

#[test]
fn lines_that_wait_survive_a_kill_and_are_sent_when_the_agent_stops() {
    let (mut agent, address) = agent("5m");
    let (mut lines, mut others) = (Written::new("web"), Written::new("other"));
    let (spans, text) = requests("web", 50, &mut lines);
    send(address, spans);
    append(&agent.pod("web"), &text);
    // What names its trace itself waits for nothing, and tells that all before was read.
    let told = others.body_of("trace_id=0af7651916cd43dd8448eb211c80319c");
    append(&agent.pod("other"), cri("F", &told));
    agent.until_stored(&[&others]);
    let rotated = agent.pod("web").with_file_name("0.log.20261130-100000");
    std::fs::rename(agent.pod("web"), rotated).unwrap();
    append(&agent.pod("web"), lines.cri_lines(10));
    agent.kill();
    agent.start();
    agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
    append(&agent.pod("other"), cri("F", &others.body_of("trace_id=0af7651916cd43dd8448eb211c80319c")));
    agent.until_stored(&[&others]);
    assert_eq!(agent.sink.sink.stored_count(), others.len());
    // Lines of both files wait by now, or are still to be read: then they stay for the next start.
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    agent.has_tap("null".to_owned());
    agent.start();
    agent.until_stored(&[&lines, &others]);
    // Those that were just acknowledged when it was killed may come twice; those that waited may not.
    let stored = agent.sink.sink.stored();
    assert!(lines.bodies().iter().all(|body| stored[body] == 1));
}

#[test]
fn where_too_much_waits_it_is_given_and_counted_and_nothing_is_lost() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut agent = Agent::new(Script::default());
    agent.has_tap(format!("{{grpc: '{address}', http: null, forward: [none]}}\nlink: {{wait: 5m}}"));
    agent.may_take("16MiB");
    agent.start();
    let mut lines = Written::new("web");
    for _ in 0..40 {
        append(&agent.pod("web"), (0..1000).map(|_| cri("F", &lines.body_of(&"x".repeat(150)))).collect::<String>());
    }
    agent.running().until(|| agent.metric("spanline_limits_reached_total{limit=\"waiting_records\"}") > 0);
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    agent.has_tap("null".to_owned());
    agent.start();
    agent.expect_once(&[&lines]);
}
