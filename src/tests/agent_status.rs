//! `spanline status` against servers that answer alike whatever they are asked.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spanline::metrics::Metrics;
use spanline::metrics::requests::Request;
use spanline::metrics::status::status;
use spanline::notify::Notify;
use spanline::otlp::{Endpoint, Signal};
use spanline::telemetry::push::{Push, PushConfig};
use spanline::telemetry::server::Server as Telemetry;

use crate::harness::canned::{Canned, Server};
use crate::harness::run::{ClosedPort, Place};
use crate::harness::sink::PATIENCE;

#[test]
fn a_status_is_shown_as_it_is_served() {
    let metrics = Metrics::new(Instant::now());
    metrics.inputs_begin();
    metrics.input("pods").lines_read.add(1234);
    metrics.destination("otlp=http://c:4317").failed(1, "no connection: refused", None);
    let json = serde_json::to_vec(&status(&metrics, None, Instant::now(), 61_000_000_001)).unwrap();
    let server = Server::http("200 OK", "content-type: application/json\r\n", &json);
    let place = Place::new();
    let run = place.run(&["status", "--url", &format!("http://{}", server.address)]);
    let text = run.text(0);
    for words in [
        "not ready\n  otlp=http://c:4317 has not taken anything yet: no connection: refused\n",
        "pods   1,234 ",
        "failing since 1970-01-01T00:00:00Z (1 min 1 s), once: no connection: refused\n",
    ] {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
    assert!(server.heads()[0].starts_with("GET /status HTTP/1.1\r\n"), "{:?}", server.heads());
}

#[test]
fn a_watched_status_is_shown_again_and_a_lost_agent_is_no_end() {
    let metrics = Arc::new(Metrics::new(Instant::now()));
    let telemetry = Telemetry::start("127.0.0.1:0".parse().unwrap(), metrics).unwrap();
    let url = format!("http://{}", telemetry.address());
    let place = Place::new();
    let output = std::fs::File::create(place.path("shown")).unwrap();
    let mut child = place.command(&["status", "--watch", "--url", &url]).stdout(output).spawn().unwrap();
    let until = |holds: &dyn Fn(&str) -> bool| {
        let start = Instant::now();
        while !holds(&place.read("shown")) {
            assert!(start.elapsed() < PATIENCE, "{}", place.read("shown"));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until(&|shown| shown.matches("not ready").count() >= 2);
    drop(telemetry);
    until(&|shown| shown.contains("no connection"));
    assert_eq!(child.try_wait().unwrap(), None, "it goes on");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_no_agent_is_said_with_1() {
    let place = Place::new();
    let closed = ClosedPort::new();
    let page = Server::http("200 OK", "content-type: text/html\r\n", b"<html>");
    let missing = Server::http("404 Not Found", "", b"");
    let noise = Server::start(Canned::Greeting(b"SSH-2.0-x\r\n".to_vec()));
    for (address, words) in [
        (closed.address(), "no connection: "),
        (page.address, "what answers there is no spanline agent: expected value"),
        (missing.address, "what answers there is no spanline agent: 404 Not Found"),
        (noise.address, "what answers there is no spanline agent: "),
    ] {
        let run = place.run(&["status", "--url", &format!("http://{address}")]);
        assert_eq!((run.code, run.out.as_slice()), (Some(1), &b""[..]), "{}", run.err);
        run.says(&format!("spanline: status: http://{address}: ")).says(words);
    }
}

#[test]
fn own_metrics_and_spans_are_sent_at_once_and_refusals_are_told() {
    let metrics = Arc::new(Metrics::new(Instant::now()));
    let request = Request {
        destination: "otlp=http://c:4317".into(),
        start_nanos: 1,
        end_nanos: 2,
        records: 3,
        bytes: 4,
        failures_before: 0,
        error: None,
    };
    metrics.requests.add(request, &metrics.limit_reached("own_spans"));
    metrics.set_sources(Instant::now(), std::iter::empty());
    let taken = Server::http("200 OK", "content-type: application/x-protobuf\r\n", b"");
    let refused = Server::http("403 Forbidden", "content-type: text/plain\r\n", b"no");
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let push = |server: &Server| {
        let url = |path: &str| format!("http://{}/v1/{path}", server.address);
        let endpoint = Endpoint::from_url(&url("metrics"), Signal::Metrics, &|_| None).unwrap();
        let heard = Arc::clone(&told);
        let notify: Notify = Arc::new(move |text: &str| heard.lock().unwrap().push(text.to_owned()));
        let config = PushConfig {
            traces: Endpoint::from_url(&url("traces"), Signal::Traces, &|_| None).unwrap(),
            endpoint,
            resource: vec![("service.name".to_owned(), "spanline".to_owned())],
        };
        Push::start(config, Arc::clone(&metrics), notify).unwrap()
    };
    let _of_taken = push(&taken);
    let start = Instant::now();
    while taken.heads().len() < 2 {
        assert!(start.elapsed() < PATIENCE, "{:?}", taken.heads());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(taken.heads()[1].starts_with("POST /v1/traces HTTP/1.1\r\n"), "{:?}", taken.heads());
    // Nothing is kept of what was sent.
    let _of_refused = push(&refused);
    while told.lock().unwrap().is_empty() {
        assert!(start.elapsed() < PATIENCE, "{:?}", told.lock().unwrap());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(taken.heads()[0].starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{:?}", taken.heads());
    let told = told.lock().unwrap();
    assert!(told.len() == 1 && told[0].starts_with("metrics to otlp=http://") && told[0].contains("403"), "{told:?}");
}
