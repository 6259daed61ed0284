//! Lines that go nowhere but onto spans: what these have not acknowledged is read again, and what they have is not.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::links::{requests_until, send, trace_of};
use crate::harness::agent::Agent;
use crate::harness::capture::{Answer, Capture};
use crate::harness::run::ClosedPort;
use crate::harness::sink::Script;
use crate::harness::written::{Written, append, cri};

/// An agent without a destination of logs, which passes spans on there, and where it takes these.
fn agent(forward: SocketAddr, more: &str) -> (Agent, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut agent = Agent::new(Script::default());
    agent.sends_to(&[]);
    let tap = format!("grpc: '{address}', http: null, forward: ['otlp=http://{forward}']{more}");
    agent.has_tap(format!("{{{tap}}}\nlink: {{wait: 2s}}"));
    start(&mut agent, address);
    (agent, address)
}

fn start(agent: &mut Agent, address: SocketAddr) {
    agent.start();
    agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
}

/// Lines on spans and carriers that have arrived: how often each, of those whose trace is that of the request they are of.
fn events(capture: &Capture, lines: &Written) -> HashMap<String, usize> {
    let mut events = HashMap::new();
    for captured in capture.captured() {
        let request = ExportTraceServiceRequest::decode(captured.body).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|group| group.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            for event in span.events {
                let at = lines.bodies().iter().position(|body| *body == event.name).unwrap() as u32;
                assert_eq!(span.trace_id, trace_of(at / 3), "{}", event.name);
                *events.entry(event.name).or_default() += 1;
            }
        }
    }
    events
}

/// The lines of two hundred requests whose spans have come, a minute old: they are decided soon.
fn two_hundred_requests(agent: &Agent, address: SocketAddr) -> Written {
    let mut lines = Written::new("web");
    let (spans, text) = requests_until(Duration::from_secs(60), 0..200, "web", &mut lines);
    send(address, spans);
    agent.running().until(|| agent.metric("spanline_spans_received_total") == 200);
    append(&agent.pod("web"), text);
    agent.running().until(|| agent.metric(LINES_READ) == 600);
    lines
}

const LINES_READ: &str = "spanline_lines_read_total{input=\"pods\"}";
const WAITING: &str = "spanline_waiting_records";

#[test]
fn what_was_acknowledged_on_spans_or_is_on_none_is_not_read_again() {
    let capture = Capture::start();
    let (mut agent, address) = agent(capture.address, "");
    let lines = two_hundred_requests(&agent, address);
    agent.running().until(|| events(&capture, &lines).len() >= 570 && agent.metric(WAITING) == 0);
    // Nobody has spans for these.
    let mut others = Written::new("other");
    append(&agent.pod("other"), others.cri_lines(50));
    agent.running().until(|| agent.metric(LINES_READ) == 650 && agent.metric(WAITING) == 0);
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    start(&mut agent, address);
    append(&agent.pod("other"), cri("F", &others.body_of("one more")));
    agent.running().until(|| agent.metric(LINES_READ) > 0);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(agent.metric(LINES_READ), 1);
    let events = events(&capture, &lines);
    assert!(events.values().all(|count| *count == 1));
    assert_eq!(agent.sink.sink.stored_count(), 0, "no logs are sent");
}

#[test]
fn what_was_not_acknowledged_is_read_again_after_a_kill() {
    let closed = ClosedPort::new();
    let (mut agent, address) = agent(closed.address(), ", spill: null");
    let mut lines = two_hundred_requests(&agent, address);
    let on_carriers = || agent.metric("spanline_span_events_total{how=\"carrier\"}");
    agent.running().until(|| on_carriers() >= 570 && agent.metric(WAITING) == 0);
    // These are settled: nothing before them may be.
    let mut others = Written::new("other");
    append(&agent.pod("other"), others.cri_lines(50));
    agent.running().until(|| agent.metric(LINES_READ) == 650 && agent.metric(WAITING) == 0);
    std::thread::sleep(Duration::from_secs(2));
    agent.kill();
    let capture = Capture::on(closed);
    start(&mut agent, address);
    agent.running().until(|| agent.metric(LINES_READ) >= 600);
    // What comes from now on is acknowledged.
    let (spans, text) = requests_until(Duration::from_secs(30), 200..400, "web", &mut lines);
    send(address, spans);
    agent.running().until(|| agent.metric("spanline_spans_received_total") == 200);
    append(&agent.pod("web"), text);
    agent.running().until(|| events(&capture, &lines).len() >= 570);
}

#[test]
fn an_outage_of_the_destination_holds_lines_back_and_costs_none() {
    let capture = Capture::start();
    let (mut agent, address) = agent(capture.address, ", queue: 1MiB, spill: null, span_events: carrier");
    let lines = two_hundred_requests(&agent, address);
    agent.running().until(|| events(&capture, &lines).len() >= 570 && agent.metric(WAITING) == 0);
    capture.answers(Answer::Unavailable);
    let (mut bulk, all, mut text) = (lines, 2_000, String::new());
    for first in (200..all).step_by(200) {
        let (spans, of) = requests_until(Duration::from_secs(20), first..first + 200, "web", &mut bulk);
        send(address, spans);
        text += &of;
    }
    agent.running().until(|| agent.metric("spanline_spans_received_total") == u64::from(all));
    append(&agent.pod("web"), text);
    // The events of all are more than the queue holds.
    agent.running().until(|| agent.metric("spanline_memory_bytes{part=\"tap\"}") > 700_000);
    std::thread::sleep(Duration::from_secs(3));
    capture.answers(Answer::Ok);
    let linked = || {
        let of = |how: &str| agent.metric(&format!("spanline_span_events_total{{how=\"{how}\"}}"));
        (of("carrier") + of("span")) as usize
    };
    agent.running().until(|| {
        agent.metric(LINES_READ) == u64::from(all) * 3
            && agent.metric(WAITING) == 0
            && events(&capture, &bulk).len() == linked()
    });
    // Nine requests at a time look alike.
    assert!(linked() >= all as usize * 3 / 2, "{} of {}", linked(), all * 3);
    assert_eq!(agent.metric("spanline_spans_dropped_total{reason=\"own_queue_full\"}"), 0);
    assert_eq!(agent.metric("spanline_spans_dropped_total{reason=\"queue_full\"}"), 0);
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    start(&mut agent, address);
    append(&agent.pod("other"), cri("F", "one more"));
    agent.running().until(|| agent.metric(LINES_READ) > 0);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(agent.metric(LINES_READ), 1);
}

#[test]
fn lines_without_a_place_to_go_are_refused_in_words() {
    let place = crate::harness::run::Place::new();
    for (tap, words) in [
        ("null", "give tap, through which these come"),
        ("{forward: none}", "tap.forward keeps none of them"),
        ("{forward: 'otlp=http://j:4317', span_events: none}", "leave nothing of that"),
        ("{forward: 'otlp=http://j:4317', late_events: none, answer: delivered}", "leave nothing of that"),
    ] {
        place.write("agent.yaml", format!("logs: null\ntap: {tap}\nstate: {}\n", place.path("state").display()));
        let run = place.run(&["agent", "--config", "agent.yaml", "--check"]);
        assert_eq!(run.code, Some(2));
        run.says(words);
    }
    place.write(
        "agent.yaml",
        format!("logs: null\ntap: {{forward: 'otlp=http://j:4317'}}\nstate: {}\n", place.path("state").display()),
    );
    let run = place.run(&["agent", "--config", "agent.yaml", "--check"]);
    assert!(run.text(0).contains("logs      nowhere: lines go onto spans only\n"));
    let run = place.run(&["agent", "--logs-to", "none", "--check", "--state", "s"]);
    run.says("--logs-to: without logs lines go onto spans only: give tap");
}
