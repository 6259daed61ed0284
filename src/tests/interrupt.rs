//! Ctrl-C, whatever a run waits for: said in words, ended soon, with the state saved and nothing dumped.

use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use crate::harness::run::{Background, ClosedPort, Place, Ran, Running};
use crate::harness::sink::{PATIENCE, Script};

/// More lines than a destination's task holds.
fn many(place: &Place) {
    let line = |number: usize| format!("2026-11-23T09:14:51.1Z stdout F number {number} {}\n", "x".repeat(500));
    place.write("a.log", (0..30_000).map(line).collect::<String>());
}

fn interrupted(running: Running) -> Ran {
    running.signal("INT");
    let ran = running.end_within(PATIENCE);
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    ran.says("interrupted: finishing what is under way").says("interrupted: what was not read");
    ran
}

#[test]
fn a_destination_that_is_down_holds_nobody() {
    let place = Place::new();
    many(&place);
    let closed = ClosedPort::new();
    let url = format!("otlp=http://{}", closed.address());
    let running = place.start(&["backfill", "a.log", "--to", &url, "--to", "text", "--state", "state"]);
    running.until_says("does not take anything yet");
    let ran = interrupted(running);
    assert!(ran.out.is_empty(), "text of a part of the lines is shown");
    ran.says("left for another run");
}

#[test]
fn a_destination_that_never_answers_holds_nobody() {
    for path in ["", "/v1/logs"] {
        let place = Place::new();
        many(&place);
        let background = Background::start(Script { hang: u32::MAX, ..Script::default() });
        let url = format!("{}{path}", background.url());
        let running = place.start(&["backfill", "a.log", "--to", &url, "--state", "state"]);
        running.until(|| background.sink.requests() > 0);
        interrupted(running).says("left for another run");
    }
}

#[test]
fn a_server_that_is_silent_holds_nobody() {
    for arguments in [
        // In the handshake of TLS, before anything is sent.
        ["backfill", "a.log", "--to", "otlp=https://ADDRESS", "--compression", "none"],
        // Asked for traces.
        ["backfill", "a.log", "--to", "text", "--traces", "jaeger=http://ADDRESS"],
        ["backfill", "a.log", "--to", "text", "--traces", "jaeger=grpc://ADDRESS"],
        ["explain", "a.log", "--at", "a.log:1", "--traces", "jaeger=http://ADDRESS"],
    ] {
        let place = Place::new();
        many(&place);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let arguments = arguments.map(|argument| argument.replace("ADDRESS", &address));
        let running = place.start(&arguments.each_ref().map(String::as_str));
        let connection = listener.accept().unwrap();
        let ran = interrupted(running);
        assert!(ran.out.is_empty(), "{arguments:?}");
        drop(connection);
    }
}

#[test]
fn what_fails_after_ctrl_c_does_not_change_how_the_run_ends() {
    let place = Place::new();
    many(&place);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let traces = format!("jaeger=http://{}", listener.local_addr().unwrap());
    let running = place.start(&["backfill", "a.log", "--to", "text", "--traces", &traces]);
    let connection = listener.accept().unwrap();
    running.signal("INT");
    running.until_says("interrupted");
    drop((connection, listener));
    let ran = running.end_within(PATIENCE);
    assert_eq!(ran.code, Some(130), "{}", ran.err);
}

#[test]
fn output_that_nobody_reads_holds_nobody() {
    for arguments in [
        ["backfill", "a.log", "--to", "text", "--color", "never"],
        ["convert", "a.log", "--to", "text", "--color", "never"],
    ] {
        let place = Place::new();
        many(&place);
        let mut running = place.start(&arguments);
        // It writes, and goes on to write until the pipe is full.
        running.child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        interrupted(running);
    }
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let place = Place::new();
    many(&place);
    let background = Background::start(Script { hang: u32::MAX, ..Script::default() });
    let running = place.start(&["backfill", "a.log", "--to", &background.url()]);
    running.until(|| background.sink.requests() > 0);
    running.signal("INT");
    running.until_says("Ctrl-C again ends at once");
    running.signal("TERM");
    let ran = running.end_within(PATIENCE);
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    assert!(!ran.err.contains("read      "), "{}", ran.err);
}
