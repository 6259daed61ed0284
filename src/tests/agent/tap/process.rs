//! The tap of an agent as a process: its configuration, its ports, its end, and what survives a kill.

use std::time::{Duration, Instant};

use spanline::otlp::Signal;

use super::{block_on, spans};
use crate::harness::agent::Agent;
use crate::harness::capture::Capture;
use crate::harness::otlp_client::{Sent, call, grpc};
use crate::harness::run::ClosedPort;
use crate::harness::sink::Script;
use crate::harness::written::Written;

/// An agent with a tap on a port that is free.
fn agent(forward: &str, more: &str) -> (Agent, std::net::SocketAddr) {
    let address = free();
    let mut agent = Agent::new(Script::default());
    agent.has_tap(format!("{{grpc: '{address}', http: null, forward: [{forward}]{more}}}"));
    (agent, address)
}

/// A port that is free now.
fn free() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn send(address: std::net::SocketAddr, count: usize, name: &str) -> u16 {
    block_on(grpc(address, &Sent::new(Signal::Traces, spans(count, name)))).code
}

/// Waits until the agent listens.
fn until_listening(agent: &Agent, address: std::net::SocketAddr) {
    agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
}

#[test]
fn spans_pass_beside_lines_and_are_shown_in_metrics_and_status() {
    let capture = Capture::start();
    let (mut agent, address) = agent(&format!("otlp=http://{}", capture.address), "");
    agent.start();
    until_listening(&agent, address);
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, lines.cri_lines(100)).unwrap();
    assert_eq!(send(address, 512, "a"), 0);
    agent.until_stored(&[&lines]);
    agent.running().until(|| capture.count() == 1);
    let of = format!("{{destination=\"otlp=http://{}\"}}", capture.address);
    agent.running().until(|| agent.metric(&format!("spanline_spans_forwarded_total{of}")) == 512);
    assert_eq!(agent.metric("spanline_spans_received_total"), 512);
    let status: serde_json::Value = serde_json::from_str(&agent.asked("/status")).unwrap();
    assert_eq!(status["spans"]["forwards"][0]["delivered"], 512, "{status}");
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
}

#[test]
fn a_port_that_is_taken_is_said_and_tried_again_and_logs_go_on() {
    let capture = Capture::start();
    let (mut agent, address) = agent(&format!("otlp=http://{}", capture.address), "");
    let taken = std::net::TcpListener::bind(address).unwrap();
    agent.start();
    agent.running().until_says(&format!("spans are not received on {address}: "));
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, lines.cri_lines(100)).unwrap();
    agent.until_stored(&[&lines]);
    let ready = agent.asked("/readyz");
    assert!(ready.contains(&format!("spans are not received on {address}: ")), "{ready}");
    drop(taken);
    let start = Instant::now();
    agent.running().until_says(&format!("spans are received on {address} from now on"));
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(agent.asked("/readyz"), "ready\n");
    assert_eq!(send(address, 3, "a"), 0);
}

#[test]
fn what_lies_on_the_disk_survives_a_kill() {
    let closed = ClosedPort::new();
    let (mut agent, address) = agent(&format!("otlp=http://{}", closed.address()), ", queue: 1MiB");
    agent.start();
    until_listening(&agent, address);
    // Each some 100 kB: few lie in memory, the others on the disk.
    for number in 0..40 {
        assert_eq!(send(address, 500, &format!("request {number:06} {}", "x".repeat(150))), 0);
    }
    let of = format!("{{destination=\"otlp=http://{}\"}}", closed.address());
    let spilled = agent.metric(&format!("spanline_spilled_bytes{of}"));
    let in_memory = agent.metric("spanline_memory_bytes{part=\"tap\"}");
    assert!(spilled > 2 << 20 && in_memory > 500_000, "{spilled} {in_memory}");
    agent.kill();
    let capture = Capture::on(closed);
    agent.start();
    let number =
        |body: &[u8]| String::from_utf8_lossy(body).split_once("request ").unwrap().1[..6].parse::<usize>().unwrap();
    let numbers = || {
        let mut numbers: Vec<usize> = capture.captured().iter().map(|one| number(&one.body)).collect();
        numbers.sort_unstable();
        numbers
    };
    // What lay in memory is lost, some ten; all after that is there, once.
    agent.running().until(|| numbers().last() == Some(&39) && numbers().len() == 40 - numbers()[0]);
    let numbers = numbers();
    assert!(numbers[0] as u64 <= in_memory / 80_000 && numbers == (numbers[0]..40).collect::<Vec<_>>(), "{numbers:?}");
}

#[test]
fn the_end_is_within_the_grace_and_loses_nothing_that_was_taken() {
    let capture = Capture::start();
    capture.answers(crate::harness::capture::Answer::Never);
    let (mut agent, address) = agent(&format!("otlp=http://{}", capture.address), "");
    agent.start();
    until_listening(&agent, address);
    for _ in 0..20 {
        assert_eq!(send(address, 10, "a"), 0);
    }
    let start = Instant::now();
    let end = agent.stop();
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    end.says("has not taken 200 spans: they are in the state folder for the next start");
    capture.answers(crate::harness::capture::Answer::Ok);
    agent.start();
    agent.running().until(|| capture.count() == 20);
}

#[test]
fn a_changed_configuration_keeps_the_tap_unless_it_is_about_it() {
    let (capture, other) = (Capture::start(), Capture::start());
    let (mut agent, address) = agent(&format!("otlp=http://{}", capture.address), ", queue: 8MiB");
    agent.start();
    until_listening(&agent, address);
    // A connection that lives on is not cut.
    let kept = std::net::TcpStream::connect(address).unwrap();
    agent.may_take("64MiB");
    agent.configure();
    agent.signal("HUP");
    agent.running().until_says("the configuration has changed: memory");
    assert_eq!(send(address, 1, "a"), 0);
    agent.running().until(|| capture.count() == 1);
    kept.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(std::io::Read::read(&mut &kept, &mut [0]).is_err(), "it is open");
    agent.has_tap(format!("{{grpc: '{address}', http: null, forward: ['otlp=http://{}']}}", other.address));
    agent.configure();
    agent.signal("HUP");
    agent.running().until_says("the configuration has changed: tap");
    // Who comes while the old one goes and the new one has not come tries again.
    let is_taken = || {
        let sent = Sent::new(Signal::Traces, spans(1, "b"));
        block_on(async {
            let Ok(stream) = tokio::net::TcpStream::connect(address).await else { return false };
            call(stream, Signal::Traces.grpc_path(), &sent).await.is_ok_and(|told| told.code == 0)
        })
    };
    agent.running().until(|| is_taken() && other.count() > 0);
}
