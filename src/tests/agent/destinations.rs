//! Endpoints that are down, slow, full, confused or gone for a while.

use std::time::{Duration, Instant};

use crate::harness::agent::Agent;
use crate::harness::run::{Background, BackgroundRelay, ClosedPort};
use crate::harness::sink::{Faulty, Loaded, Script};
use crate::harness::written::{Written, append, cri};

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn s1_a_destination_that_comes_back_gets_everything_from_the_first_line_on() {
    let closed = ClosedPort::new();
    let mut agent = Agent::new(Script::default());
    agent.sends_to(&[&format!("otlp=http://{}", closed.address())]);
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for number in 0..5 {
        append(&path, lines.cri_lines(4000));
        std::fs::rename(&path, path.with_file_name(format!("0.log.20261130-1000{number:02}"))).unwrap();
        pause(100);
    }
    let background = Background::at(closed, Script::default());
    let sink = &background.sink;
    let start = Instant::now();
    while sink.stored().len() < lines.len() {
        assert!(start.elapsed() < Duration::from_secs(60), "{} of {}", sink.stored().len(), lines.len());
        pause(20);
    }
    assert!(sink.stored().values().all(|count| *count == 1));
    agent.stop().says("does not take anything yet").says("takes records again");
}

#[test]
fn s3_what_is_refused_for_now_is_sent_again() {
    for script in [
        Script { unavailable: 5, retry_after: Some(1), ..Script::default() },
        Script { loaded: Some(Loaded { one_of: 3, says_413: false }), ..Script::default() },
        Script { absent: 3, ..Script::default() },
        Script { faulty: Some(Faulty { record: Some("faulty"), grpc: 13 }), ..Script::default() },
    ] {
        let mut agent = Agent::new(script);
        agent.start();
        let (path, mut lines) = (agent.pod("web"), Written::new("web"));
        append(&path, lines.cri_lines(3000));
        agent.until_stored(&[&lines]);
        assert_eq!(agent.fate(&[&lines]).odd, Vec::<String>::new());
    }
}

#[test]
fn s4_one_record_that_is_wrong_is_dropped_and_counted() {
    for script in
        [Script { wrong: Some("wrong"), ..Script::default() }, Script { rejected: Some("wrong"), ..Script::default() }]
    {
        let mut agent = Agent::new(script);
        agent.start();
        let (path, mut lines) = (agent.pod("web"), Written::new("web"));
        append(&path, lines.cri_lines(300));
        append(&path, cri("F", "wrong"));
        append(&path, lines.cri_lines(300));
        agent.expect_once(&[&lines]);
        let text = agent.asked("/metrics");
        let dropped: f64 = text
            .lines()
            .filter(|line| line.starts_with("spanline_records_dropped_total"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        assert_eq!(dropped as u64, 1, "{text}");
    }
}

#[test]
fn s5_a_reset_after_a_batch_was_stored_costs_that_batch_twice_and_no_more() {
    let mut agent = Agent::new(Script { reset_after_storing: 1, ..Script::default() });
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(2000));
    agent.until_stored(&[&lines]);
    pause(500);
    append(&path, lines.cri_lines(2000));
    agent.until_stored(&[&lines]);
    assert_eq!(agent.fate(&[&lines]).odd, Vec::<String>::new());
}

#[test]
fn s7_what_is_too_large_is_split() {
    let mut agent = Agent::new(Script { bytes_max: Some(20_000), ..Script::default() });
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(3000));
    agent.expect_once(&[&lines]);
}

#[test]
fn s9_a_stop_is_bounded_and_forgets_nothing_that_is_held() {
    let mut agent = Agent::new(Script { hang: u32::MAX, ..Script::default() });
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(3000));
    agent.running().until(|| agent.sink.sink.requests() > 0);
    let start = Instant::now();
    agent.stop();
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    agent.sink.sink.follow(Script::default());
    agent.start();
    agent.expect_once(&[&lines]);
}

#[test]
fn a_token_that_is_refused_holds_everything_until_it_is_taken() {
    let mut agent = Agent::new(Script { unauthorized: true, ..Script::default() });
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(20_000));
    agent.running().until(|| agent.sink.sink.requests() > 2);
    agent.sink.sink.follow(Script::default());
    agent.expect_once(&[&lines]);
    assert_eq!(agent.metric("spanline_records_dropped_total"), 0);
}

#[test]
fn a_destination_that_is_down_does_not_hold_another() {
    let closed = ClosedPort::new();
    let mut agent = Agent::new(Script::default());
    let (up, down) = (agent.sink.url(), format!("otlp=http://{}", closed.address()));
    agent.sends_to(&[&up, &down]);
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for number in 0..3 {
        append(&path, lines.cri_lines(3000));
        std::fs::rename(&path, path.with_file_name(format!("0.log.20261130-1000{number:02}"))).unwrap();
        agent.until_stored(&[&lines]);
    }
    let late = Background::at(closed, Script::default());
    agent.running().until(|| late.sink.stored().len() == lines.len());
    assert!(late.sink.stored().values().all(|count| *count == 1));
    agent.expect_once(&[&lines]);
    // Each has its own place, also after a restart.
    assert_eq!(agent.stop().code, Some(0));
    append(&path, lines.cri_lines(10));
    agent.start();
    agent.expect_once(&[&lines]);
    agent.running().until(|| late.sink.stored().len() == lines.len());
    assert!(late.sink.stored().values().all(|count| *count == 1));
}

#[test]
fn a_changed_configuration_is_taken_without_a_restart() {
    let mut agent = Agent::new(Script::default());
    let other = Background::start(Script::default());
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(100));
    agent.until_stored(&[&lines]);
    // What is wrong changes nothing.
    agent.place.write("agent.yaml", "inputs: {pod: {}}\n");
    agent.signal("HUP");
    agent.running().until_says("is not read again");
    append(&path, lines.cri_lines(100));
    agent.until_stored(&[&lines]);
    let before = agent.sink.url();
    agent.sends_to(&[&before, &other.url()]);
    agent.configure();
    agent.signal("HUP");
    agent.running().until_says("the configuration has changed: logs");
    append(&path, lines.cri_lines(100));
    agent.expect_once(&[&lines]);
    agent.running().until(|| other.sink.stored().len() >= 100);
}

#[test]
fn s2_a_link_that_is_slow_loses_nothing_and_holds_the_files_back() {
    let mut agent = Agent::new(Script::default());
    let slow = BackgroundRelay::start(agent.sink.sink.address, 40_000);
    agent.sends_to(&[&format!("otlp=http://{}", slow.relay.address)]);
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for number in 0..4 {
        append(&path, lines.cri_lines(1500));
        std::fs::rename(&path, path.with_file_name(format!("0.log.20261130-1000{number:02}"))).unwrap();
    }
    agent.expect_once(&[&lines]);
}

#[test]
fn s6_a_request_that_is_never_answered_is_sent_again() {
    let mut agent = Agent::new(Script { hang: 1, ..Script::default() });
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(500));
    agent.expect_once(&[&lines]);
}

#[test]
fn n8_requests_that_are_refused_and_taken_in_turn() {
    let mut agent = Agent::new(Script { loaded: Some(Loaded { one_of: 2, says_413: false }), ..Script::default() });
    agent.start();
    let mut all = Vec::new();
    for name in ["a", "b", "c"] {
        let mut lines = Written::new(name);
        let path = agent.pod(name);
        for _ in 0..10 {
            append(&path, lines.cri_lines(100));
            pause(20);
        }
        all.push(lines);
    }
    agent.expect_once(&all.iter().collect::<Vec<_>>());
}

#[test]
fn n11_and_n12_what_is_held_over_a_stop_and_an_outage_comes_from_its_first_line_on() {
    let closed = ClosedPort::new();
    let mut agent = Agent::new(Script::default());
    agent.sends_to(&[&format!("otlp=http://{}", closed.address())]);
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    for number in 0..3 {
        agent.start();
        append(&path, lines.cri_lines(2000));
        agent.running().until_says("does not take anything yet");
        pause(300);
        agent.stop();
        std::fs::rename(&path, path.with_file_name(format!("0.log.20261130-1000{number:02}"))).unwrap();
        append(&path, lines.cri_lines(10));
    }
    let background = Background::at(closed, Script::default());
    agent.start();
    agent.running().until(|| background.sink.stored().len() == lines.len());
    assert!(background.sink.stored().values().all(|count| *count == 1));
}

#[test]
fn n19_what_was_refused_many_times_is_not_acknowledged() {
    let mut agent = Agent::new(Script { unavailable: 12, retry_after: Some(0), ..Script::default() });
    agent.start();
    let (path, mut lines) = (agent.pod("web"), Written::new("web"));
    append(&path, lines.cri_lines(300));
    agent.running().until(|| agent.sink.sink.requests() > 6);
    agent.kill();
    agent.start();
    agent.expect_once(&[&lines]);
    assert_eq!(agent.metric("spanline_records_dropped_total"), 0);
}
