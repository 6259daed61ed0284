//! `spanline backfill --state`: what is acknowledged for one text is not taken for another.

use serde_json::json;

use crate::harness::run::{Background, Place};
use crate::harness::sink::Script;

/// Backfills with a state folder; how many requests it took.
fn run(place: &Place, background: &Background, what: &str, more: &[&str]) -> usize {
    let (before, url) = (background.sink.requests(), background.url());
    place.run(&[&["backfill", what, "--to", &url, "--state", "state"], more].concat()).text(0);
    background.sink.requests() - before
}

fn times(background: &Background, body: &str) -> usize {
    background.sink.stored().get(body).copied().unwrap_or_default()
}

#[test]
fn a_short_file_that_begins_like_an_earlier_one_is_sent() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let long = "half of a very long second line that is not finished";
    place.write("app.log", format!("banner of the program\n{long}"));
    run(&place, &background, "app.log", &[]);
    assert_eq!(run(&place, &background, "app.log", &[]), 0);
    place.write("app.log", "banner of the program\nERROR one\nERROR two\n");
    run(&place, &background, "app.log", &[]);
    assert_eq!((times(&background, "ERROR one"), times(&background, "ERROR two")), (1, 1));
    assert_eq!((times(&background, "banner of the program"), times(&background, long)), (1, 1));
}

#[test]
fn one_file_alone_goes_on_an_earlier_one() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("node/app.log", "banner\n");
    run(&place, &background, "node", &[]);
    place.write("node/app.log.1", "banner\nsome line\n").write("node/app.log", "banner\nother line\n");
    run(&place, &background, "node", &[]);
    assert_eq!(times(&background, "banner"), 2);
    assert_eq!((times(&background, "some line"), times(&background, "other line")), (1, 1));
    assert_eq!(run(&place, &background, "node", &[]), 0);
    // Both grow, and a third begins.
    place.write("node/app.log.2", "banner\nsome line\n").write("node/app.log.1", "banner\nother line\nlast\n");
    place.write("node/app.log", "banner\n");
    run(&place, &background, "node", &[]);
    assert_eq!((times(&background, "banner"), times(&background, "last")), (3, 1));
    assert_eq!((times(&background, "some line"), times(&background, "other line")), (1, 1));
    assert_eq!(run(&place, &background, "node", &[]), 0);
}

#[test]
fn a_record_that_goes_on_in_the_next_file_is_sent_once() {
    for lines in [3, 100] {
        let place = Place::new();
        let background = Background::start(Script::default());
        let folder = "pods/shop_web-7d9f5c6b8-abcde_0d1e2f30-4152-6374-8596-a7b8c9dae1f2/app";
        let line = |text: &str| format!("2026-11-23T09:14:51.100Z stderr F {text}\n");
        let mut text: String = (0..lines).map(|number| line(&format!("number {number}"))).collect();
        text.push_str(&line("panic: boom"));
        place.write(&format!("{folder}/0.log"), &text);
        run(&place, &background, "pods", &[]);
        place.write(&format!("{folder}/0.log.20261123-091452"), &text);
        let frames = ["", "goroutine 1 [running]:", "main.main()", "\t/src/main.go:7 +0x1d"];
        let after: String = frames.map(|text| line(text).replace(".100Z", ".101Z")).concat();
        place.write(&format!("{folder}/0.log"), after);
        run(&place, &background, "pods", &[]);
        let whole = format!("panic: boom\n{}", frames.join("\n"));
        assert_eq!(times(&background, &whole), 1, "{:?}", background.sink.stored());
        assert_eq!(times(&background, "number 2"), 1);
        assert_eq!(run(&place, &background, "pods", &[]), 0);
    }
}

#[test]
fn what_a_destination_refuses_once_it_turned_bad_is_sent_by_the_next_run() {
    let place = Place::new();
    // Few for each request: enough halving is allowed to come to each record alone.
    let word = "long ".repeat(10_000);
    let lines: String = (0..80).map(|n| format!("2026-11-23T09:14:51.1Z stdout F number {n} {word}\n")).collect();
    place.write("a.log", lines);
    let background = Background::start(Script { wrong_after: Some(3), ..Script::default() });
    let url = background.url();
    let first = place.run(&["backfill", "a.log", "--to", &url, "--state", "state"]);
    first.text(1);
    first.says("left for another run");
    background.sink.follow(Script::default());
    run(&place, &background, "a.log", &[]);
    assert_eq!(background.sink.stored().len(), 80);
}

#[test]
fn what_lay_outside_the_window_is_sent_without_it() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let line = |time: &str| format!("2026-11-23T{time}:00.1Z stdout F at {time}\n");
    place.write("a.log", ["10:00", "12:00", "10:01"].map(line).concat());
    run(&place, &background, "a.log", &["--until", "2026-11-23T11:00:00Z"]);
    assert_eq!(background.sink.stored().len(), 2);
    run(&place, &background, "a.log", &[]);
    assert_eq!(["at 10:00", "at 12:00", "at 10:01"].map(|body| times(&background, body)), [1; 3]);
}

#[test]
fn writers_of_a_journal_do_not_acknowledge_for_one_another() {
    for (hosts, pids, units) in [
        (["one", "one"], ["7", "8"], ["x.service", "x.service"]),
        (["one", "two"], ["7", "8"], ["x.service", "x.service"]),
        (["one", "one"], ["7", "8"], ["x.service", "y.service"]),
    ] {
        let place = Place::new();
        let background = Background::start(Script::default());
        let entry = |writer: usize, millis: u64, message: &str| {
            let time = (1_795_425_291_000_000 + millis * 1000).to_string();
            json!({"__CURSOR": format!("s={millis}"), "__REALTIME_TIMESTAMP": time, "_HOSTNAME": hosts[writer],
                "_PID": pids[writer], "SYSLOG_IDENTIFIER": "x", "_SYSTEMD_UNIT": units[writer], "MESSAGE": message})
        };
        let entries = [entry(0, 0, "a word"), entry(1, 20, "between"), entry(0, 10, "\tat its margin")];
        place.write("journal.json", entries.map(|entry| format!("{entry}\n")).concat());
        run(&place, &background, "journal.json", &["--until", "2026-11-23T09:14:51.015Z"]);
        assert_eq!(times(&background, "a word\n\tat its margin"), 1, "{:?}", background.sink.stored());
        run(&place, &background, "journal.json", &[]);
        assert_eq!((times(&background, "between"), background.sink.stored().len()), (1, 2));
    }
}
