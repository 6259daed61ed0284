//! `spanline backfill --state`: what the state holds, how it is kept, and what it makes the next run say.

use serde_json::json;

use crate::harness::run::{Background, Place, Ran};
use crate::harness::sink::Script;

fn lines(count: usize) -> String {
    (0..count).map(|number| format!("2026-11-23T09:14:{:02}.1Z stdout F number {number}\n", number % 60)).collect()
}

fn backfill(place: &Place, url: &str, more: &[&str]) -> Ran {
    place.run(&[&["backfill", "a.log", "--to", url, "--state", "state"], more].concat())
}

fn times(background: &Background, body: &str) -> usize {
    background.sink.stored().get(body).copied().unwrap_or_default()
}

#[test]
fn a_state_that_is_not_known_stops_the_run_and_a_damaged_one_is_set_aside() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("a.log", lines(3));
    for (state, words) in [("{}", "does not know"), ("{\"version\":9,\"more\":1}", "has version 9")] {
        place.write("state/backfill.json", state);
        let run = backfill(&place, &background.url(), &[]);
        run.text(1);
        run.says(words);
        assert_eq!((place.read("state/backfill.json").as_str(), background.sink.requests()), (state, 0));
    }
    place.write("state/backfill.json", "{\"version\":2,\"chec");
    let run = backfill(&place, &background.url(), &[]);
    run.text(0);
    run.says("is damaged and was set aside as state/backfill.json.damaged");
    assert_eq!(
        (place.read("state/backfill.json.damaged").as_str(), times(&background, "number 2")),
        ("{\"version\":2,\"chec", 1)
    );
}

#[test]
fn a_state_that_cannot_be_written_is_said_and_the_rest_goes_on() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("a.log", lines(3)).write("state/backfill.json.new/in-the-way", "");
    let run = backfill(&place, &background.url(), &[]);
    run.text(1);
    run.says("failed    state folder state/backfill.json: ").says("sent      otlp=");
    assert_eq!(times(&background, "number 2"), 1);
    std::fs::remove_dir_all(place.path("state/backfill.json.new")).unwrap();
    backfill(&place, &background.url(), &[]).text(0);
    backfill(&place, &background.url(), &[]).text(0);
    assert_eq!(times(&background, "number 2"), 2);
}

#[test]
fn secrets_are_neither_kept_nor_shown() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("a.log", lines(3));
    let url = |token: &str| format!("{}/v1/logs?token={token}", background.url());
    let header = ["--header", "authorization=Bearer hidden", "--header", "x-scope-orgid=hidden"];
    let run = backfill(&place, &url("hidden"), &header);
    run.text(0);
    let kept =
        ["backfill.json", "backfill.ledger"].map(|name| std::fs::read(place.path(&format!("state/{name}"))).unwrap());
    let is_kept = |secret: &str| kept.iter().any(|bytes| memchr::memmem::find(bytes, secret.as_bytes()).is_some());
    assert!(!run.err.contains("hidden") && !is_kept("hidden") && is_kept(&background.url()), "{}", run.err);
    // A token that changed does not make it another destination; a tenant does.
    let header = ["--header", "authorization=Bearer other", "--header", "x-scope-orgid=hidden"];
    backfill(&place, &url("new"), &header).says("3 records acknowledged in an earlier run").text(0);
    assert_eq!(times(&background, "number 1"), 1);
    backfill(&place, &url("new"), &["--header", "x-scope-orgid=another"]).text(0);
    assert_eq!(times(&background, "number 1"), 2);
    #[cfg(unix)]
    for name in ["state/backfill.json", "state/backfill.ledger", "state/lock"] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn what_was_refused_makes_the_next_run_fail_too_until_it_is_taken() {
    for script in [
        Script { wrong: Some("number 7"), ..Script::default() },
        Script { rejected: Some("number 7"), ..Script::default() },
    ] {
        let place = Place::new();
        place.write("a.log", lines(40));
        let background = Background::start(script);
        let url = background.url();
        backfill(&place, &url, &[]).text(1);
        background.sink.follow(Script::default());
        let again = backfill(&place, &url, &[]);
        again.text(1);
        again.says("1 record in earlier runs, not sent again (--resend tries anew)");
        assert_eq!(times(&background, "number 7"), 0);
        // What comes behind it does not make it forgotten.
        place.write("a.log", lines(45));
        backfill(&place, &url, &[]).says("1 record in earlier runs").text(1);
        assert_eq!((times(&background, "number 7"), times(&background, "number 44")), (0, 1));
        backfill(&place, &url, &["--resend"]).text(0);
        assert_eq!(times(&background, "number 7"), 1);
        backfill(&place, &url, &[]).text(0);
        assert_eq!(times(&background, "number 44"), 1);
    }
}

#[test]
fn what_was_sent_without_traces_is_said_and_can_be_sent_again() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let url = background.url();
    place.write("a.log", lines(20));
    backfill(&place, &url, &[]).text(0);
    let silent = backfill(&place, &url, &[]);
    assert!(!silent.err.contains("--resend"), "{}", silent.err);
    let span = json!({"traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708", "name": "s",
        "startTimeUnixNano": "1795425291000000000", "endTimeUnixNano": "1795425292000000000"});
    let request =
        json!({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "x"}, "spans": [span]}]}]});
    place.write("traces.jsonl", format!("{request}\n"));
    place.write("a.log", lines(25));
    let traced = backfill(&place, &url, &["--traces", "traces.jsonl"]);
    traced.text(0);
    traced.says("20 of them sent by a run without traces, and so without a link: --resend sends these again");
    traced.says("log.record.uid");
    assert_eq!((times(&background, "number 3"), times(&background, "number 24")), (1, 1));
    backfill(&place, &url, &["--traces", "traces.jsonl", "--resend"]).says("5 records acknowledged").text(0);
    assert_eq!((times(&background, "number 3"), times(&background, "number 24")), (2, 1));
    let settled = backfill(&place, &url, &["--traces", "traces.jsonl", "--resend"]);
    settled.text(0);
    assert!(!settled.err.contains("without traces"), "{}", settled.err);
    assert_eq!(times(&background, "number 3"), 2);
    assert_eq!(place.run(&["backfill", "a.log", "--resend"]).code, Some(2));
}

#[test]
fn one_destination_that_is_down_gets_the_rest_later() {
    let place = Place::new();
    place.write("a.log", lines(20));
    let (one, two) =
        (Background::start(Script::default()), Background::start(Script { unauthorized: true, ..Script::default() }));
    let run = || place.run(&["backfill", "a.log", "--to", &one.url(), "--to", &two.url(), "--state", "state"]);
    run().text(1);
    two.sink.follow(Script::default());
    run().text(0);
    assert_eq!((times(&one, "number 5"), times(&two, "number 5")), (1, 1));
}

#[test]
fn a_state_that_was_not_written_to_its_end_is_cut_and_said_and_the_run_goes_on() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("a.log", lines(3));
    backfill(&place, &background.url(), &[]).text(0);
    place.write("a.log", lines(5));
    backfill(&place, &background.url(), &[]).text(0);
    let mut state = std::fs::read(place.path("state/backfill.ledger")).unwrap();
    state.truncate(state.len() - 1);
    place.write("state/backfill.ledger", state);
    let run = backfill(&place, &background.url(), &[]);
    run.text(0);
    run.says("state/backfill.ledger was not written to its end").says("3 records acknowledged in an earlier run");
    assert_eq!((times(&background, "number 2"), times(&background, "number 4")), (1, 2));
    let settled = backfill(&place, &background.url(), &[]);
    settled.says("5 records acknowledged in an earlier run").text(0);
    assert!(!settled.err.contains("not written to its end"), "{}", settled.err);
}
