//! What files, flags and variables make of the tap.

use std::path::Path;

use super::*;
use crate::cli::{Cli, Command};
use clap::Parser;

/// The tap of a file and flags.
fn read(yaml: &str, flags: &[&str]) -> Result<Option<Box<TapConfig>>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.yaml");
    std::fs::write(&path, format!("logs: {{to: [otlp=http://c:4317]}}\n{yaml}\n")).unwrap();
    let config = format!("--config={}", path.display());
    let arguments = ["spanline", "agent", &config].into_iter().chain(flags.iter().copied());
    let Command::Agent(args) = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?.command else {
        unreachable!()
    };
    let around = Surroundings { variable: &|_| None, now_nanos: 0, columns: None };
    let place = format!("{}/", folder.path().display());
    let agent = crate::config::agent(&args, &around);
    agent.map(|agent| agent.tap).map_err(|error| error.to_string().replace(&place, ""))
}

#[test]
fn it_is_on_where_anything_of_it_is_given() {
    assert_eq!(read("", &[]), Ok(None));
    assert_eq!(read("tap: null", &[]), Ok(None));
    let on = read("tap: {forward: otlp=http://j:4317}", &[]).unwrap().unwrap();
    assert_eq!(on.grpc.unwrap().to_string(), "127.0.0.1:4317");
    assert_eq!(on.http.unwrap().to_string(), "127.0.0.1:4318");
    assert_eq!((on.queue_bytes, on.spill_bytes, on.answer), (32 << 20, Some(256 << 20), AnswerWhen::Accepted));
    // A flag turns on what the file turned off.
    let by_flag = read("tap: null", &["--forward=otlp=http://j:4317"]).unwrap().unwrap();
    assert_eq!(by_flag, on);
    let small = read("memory: 64MiB\ntap: {forward: none}", &[]).unwrap().unwrap();
    assert_eq!((small.queue_bytes, small.forward.len()), (16 << 20, 0));
}

#[test]
fn flags_win_over_the_file() {
    let yaml = "tap: {grpc: 127.0.0.1:1, http: null, unix: /a.sock, token: t, forward: [otlp=http://j:4317], queue: 8MiB, \
                spill: null, answer: delivered}";
    let of_file = read(yaml, &[]).unwrap().unwrap();
    assert_eq!((of_file.grpc.unwrap().port(), of_file.http), (1, None));
    assert_eq!((of_file.unix.as_deref(), of_file.token.as_deref()), (Some(Path::new("/a.sock")), Some("t")));
    assert_eq!((of_file.queue_bytes, of_file.spill_bytes, of_file.answer), (8 << 20, None, AnswerWhen::Delivered));
    let flags = [
        "--tap-grpc=none",
        "--tap-http=127.0.0.1:2",
        "--tap-unix=/b.sock",
        "--tap-token=u",
        "--tap-queue=4MiB",
        "--tap-spill=1GiB",
        "--tap-answer=accepted",
        "--forward=otlp=http://k/x",
    ];
    let of_flags = read(yaml, &flags).unwrap().unwrap();
    assert_eq!((of_flags.grpc, of_flags.http.unwrap().port()), (None, 2));
    assert_eq!((of_flags.unix.as_deref(), of_flags.token.as_deref()), (Some(Path::new("/b.sock")), Some("u")));
    assert_eq!(
        (of_flags.queue_bytes, of_flags.spill_bytes, of_flags.answer),
        (4 << 20, Some(1 << 30), AnswerWhen::Accepted)
    );
    assert_eq!(of_flags.forward[0].name(), "otlp=http://k/x");
    assert_eq!(read(yaml, &["--tap-unix=none"]).unwrap().unwrap().unix, None);
}

#[test]
fn logs_are_held_for_a_little_longer_than_lines_wait_unless_they_are_to_pass() {
    let hold = |yaml: &str, flags: &[&str]| read(yaml, flags).unwrap().unwrap().hold_logs.as_secs();
    assert_eq!(hold("tap: {forward: none}", &[]), 15);
    assert_eq!(hold("tap: {forward: none, logs: link}\nlink: {wait: 1m}", &[]), 65);
    assert_eq!(hold("tap: {forward: none, logs: pass}", &[]), 0);
    assert_eq!(hold("tap: {forward: none, logs: pass}", &["--tap-logs=link"]), 15);
    assert!(
        read("tap: {forward: none, logs: no}", &[]).unwrap_err().contains("tap.logs: found \"no\"; one of link, pass")
    );
}

#[test]
fn each_signal_has_its_path_over_http() {
    for url in ["otlp=http://c:4318", "otlp=http://c:4318/v1/traces", "otlp=http://c:4318/v1/logs"] {
        let tap = read("", &["--forward", url]).unwrap().unwrap();
        let urls: Vec<String> = tap.forward[0].endpoints.iter().map(|(_, endpoint)| endpoint.uri.to_string()).collect();
        let base = "http://c:4318/v1";
        let expected = [
            format!("{base}/traces"),
            format!("{base}/metrics"),
            format!("{base}/logs"),
            "http://c:4318/v1development/profiles".to_owned(),
        ];
        assert_eq!(urls, expected);
    }
}

#[test]
fn what_is_wrong_is_told_with_what_to_change() {
    for (yaml, flags, expected) in [
        ("tap: {}", &[][..], "agent.yaml:2: tap.forward: say where spans go on to"),
        ("", &["--tap-grpc=127.0.0.1:1"], "--forward: say where spans go on to"),
        ("tap: {forward: [otlp=ftp://j]}", &[], "agent.yaml:2: tap.forward: OTLP endpoint `ftp://j`: scheme ftp"),
        ("tap: {forward: [otlp=http://j, none]}", &[], "tap.forward: none stands alone"),
        ("tap: {forward: [otlp=http://j, otlp=http://j]}", &[], "otlp=http://j is given twice"),
        ("tap: {forward: [jaeger=http://j]}", &[], "is neither otlp=URL, otlp, nor none"),
        ("tap: {forward: otlp=http://localhost:4317}", &[], "otlp=http://localhost:4317 is the tap itself"),
        ("tap: {forward: otlp=http://127.0.0.1:4318}", &[], "is the tap itself: requests would go round for ever"),
        (
            "tap: {forward: none, grpc: 10.0.0.1:4317}",
            &[],
            "tap.grpc: 10.0.0.1:4317 can be reached from other machines: give tap.tls or a token",
        ),
        ("tap: {forward: none, http: 0.0.0.0:4318}", &[], "tap.http: 0.0.0.0:4318 can be reached"),
        ("tap: {forward: none, grpc: null, http: null}", &[], "spans are received nowhere"),
        ("tap: {forward: none, http: 127.0.0.1:4317}", &[], "both are understood there, turn one of them off"),
        (
            "tap: {forward: none, queue: 100KiB}",
            &[],
            "tap.queue: must be 1MiB or more, and at most half of the memory, 64 MiB",
        ),
        ("tap: {forward: none, queue: 100MiB}", &[], "tap.queue: must be 1MiB or more"),
        ("tap: {forward: none, unix: otlp.sock}", &[], "tap.unix: found \"otlp.sock\"; an absolute path is expected"),
        ("tap: {forward: none, tls: {cert: /c}}", &[], "tap.tls: give key, a PEM file"),
        ("tap: {forward: none, insecure: maybe}", &[], "tap.insecure: found \"maybe\"; one of true, false is expected"),
        ("tap: {forward: none, token: 5}", &[], "tap.token: text is expected, in quotes"),
        ("tap: {forward: none, hold: 5s}", &[], "tap.hold: must be at most 4 s"),
        ("", &["--forward=none", "--tap-hold=5s"], "--tap-hold: must be at most 4 s"),
        (
            "tap: {forward: none, about_events: some}",
            &[],
            "tap.about_events: found \"some\"; one of all, none is expected",
        ),
        (
            "tap: {forward: none, span_events: yes}",
            &[],
            "tap.span_events: found \"yes\"; one of annotate, carrier, none is expected",
        ),
        ("tap: {forwrd: none}", &[], "tap.forwrd: unknown key; did you mean forward?"),
        ("", &["--forward=none", "--tap-http=4318"], "--tap-http: \"4318\" is no IP address with a port"),
        ("", &["--forward=none", "--tap-grpc=10.0.0.1:1"], "--tap-grpc: 10.0.0.1:1 can be reached from other machines"),
    ] {
        let told = read(yaml, flags).expect_err(yaml);
        assert!(told.contains(expected), "{yaml} {flags:?}: {told}");
    }
    for guarded in ["token: t", "insecure: true", "tls: {cert: /c, key: /k}"] {
        let yaml = format!("tap: {{forward: none, grpc: 10.0.0.1:4317, {guarded}}}");
        assert!(read(&yaml, &[]).is_ok(), "{yaml}");
    }
    assert!(read("", &["--forward=none", "--tap-grpc=0.0.0.0:1", "--tap-insecure"]).is_ok());
    assert!(!read("tap: {forward: none, token: [SECRET]}", &[]).unwrap_err().contains("SECRET"));
}
