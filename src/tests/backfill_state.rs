//! `spanline backfill --state`: killed and started again, stopped with Ctrl-C, run twice.

use std::time::Duration;

use spanline::checkpoint::ledger::FILES_MAX;
use spanline::checkpoint::store::Store;
use spanline::export::deliver::retry::Random;

use crate::harness::run::{Background, Place, ran, signal};
use crate::harness::sink::{PATIENCE, Script};

const LINES: usize = 30_000;

fn body(number: usize) -> String {
    format!("number {number} {}", "of many lines that are long enough ".repeat(4))
}

/// A file of numbered lines, and where each begins.
fn numbered(place: &Place) -> Vec<u64> {
    let mut text = String::new();
    let mut offsets = Vec::new();
    for number in 0..LINES {
        offsets.push(text.len() as u64);
        text.push_str(&format!("2026-11-23T09:14:51.1Z stdout F {}\n", body(number).trim_end()));
    }
    place.write("a.log", text);
    offsets
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never happens");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ranges of offsets that the state holds as acknowledged, perhaps while a run writes it.
fn acknowledged(place: &Place) -> Vec<(u64, u64)> {
    let copy = Place::new();
    for name in ["backfill.json", "backfill.ledger"] {
        if let Ok(bytes) = std::fs::read(place.path(&format!("state/{name}"))) {
            copy.write(name, bytes);
        }
    }
    let (state, _) = Store::open(&copy.path("")).unwrap().load(FILES_MAX).unwrap();
    let streams = state.files.iter().flat_map(|file| file.streams.values());
    streams.flat_map(|stream| stream.settled.values()).flat_map(|settled| settled.ranges.list()).collect()
}

/// Starts it with a slow sink and ends it with a signal once the state holds something but not all.
fn interrupted(place: &Place, background: &Background, name: &str) -> Option<i32> {
    let url = background.url();
    let arguments = ["backfill", "a.log", "--to", &url, "--state", "state", "--compression", "none"];
    let child = place.spawn(&arguments);
    wait_until(|| !acknowledged(place).is_empty());
    signal(&child, name);
    ran(child.wait_with_output().unwrap()).code
}

fn sums_up_after(name: &str, code: Option<i32>) {
    let place = Place::new();
    let offsets = numbered(&place);
    let background = Background::start(Script { pause: Duration::from_millis(700), ..Script::default() });
    assert_eq!(interrupted(&place, &background, name), code);
    let ranges = acknowledged(&place);
    let is_acknowledged = |number: usize| ranges.iter().any(|(from, to)| (*from..*to).contains(&offsets[number]));
    let before = (0..LINES).filter(|number| is_acknowledged(*number)).count();
    assert!(before > 0 && before < LINES, "{before}");
    background.sink.follow(Script::default());
    let run = place.run(&["backfill", "a.log", "--to", &background.url(), "--state", "state"]);
    run.text(0);
    run.says(&format!("{before} records acknowledged in an earlier run"));
    let stored = background.sink.stored();
    for number in 0..LINES {
        let times = stored.get(body(number).trim_end()).copied().unwrap_or_default();
        assert!(times == 1 || times == 2 && !is_acknowledged(number), "{number}: {times} times");
    }
    // Nothing is left to send.
    let requests = background.sink.requests();
    place.run(&["backfill", "a.log", "--to", &background.url(), "--state", "state"]).text(0);
    assert_eq!(background.sink.requests(), requests);
}

#[test]
fn killed_and_started_again_it_sends_the_rest() {
    sums_up_after("KILL", None);
}

#[test]
fn ctrl_c_saves_the_state_first() {
    sums_up_after("INT", Some(130));
}

/// Kills for each protocol; `SPANLINE_KILLS=200` tries many more.
fn kills() -> usize {
    std::env::var("SPANLINE_KILLS").map_or(3, |kills| kills.parse().unwrap())
}

/// Ends it at any moment, over and over, until it gets through; then with other lines, until it was killed often enough.
fn nothing_is_lost(path: &str) {
    let mut random = Random(1);
    let (mut killed, mut twice) = (0, 0);
    while killed < kills() {
        let place = Place::new();
        numbered(&place);
        let background = Background::start(Script { pause: Duration::from_millis(40), ..Script::default() });
        let url = format!("{}{path}", background.url());
        let arguments = ["backfill", "a.log", "--to", &url, "--state", "state", "--compression", "none"];
        loop {
            let mut child = place.spawn(&arguments);
            std::thread::sleep(Duration::from_millis(30 + random.draw() % 600));
            if child.try_wait().unwrap().is_some() || killed == kills() {
                assert_eq!(ran(child.wait_with_output().unwrap()).code, Some(0));
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
        }
        let stored = background.sink.stored();
        for number in 0..LINES {
            let times = stored.get(body(number).trim_end()).copied().unwrap_or_default();
            assert!(times > 0, "{number} is lost after {killed} kills");
            twice += times - 1;
        }
    }
    println!("{killed} kills over {path:?}: 0 lost, {twice} came again");
}

#[test]
fn nothing_is_lost_however_often_it_is_killed() {
    nothing_is_lost("");
    nothing_is_lost("/v1/logs");
}

#[test]
fn files_that_begin_alike_keep_their_own_places() {
    let place = Place::new();
    let banner = "the same banner in each of them\n".repeat(100);
    let background = Background::start(Script::default());
    let run = || place.run(&["backfill", "node", "--to", &background.url(), "--state", "state"]);
    place.write("node/app.log.1", format!("{banner}first\n"));
    run().text(0);
    place.write("node/app.log", format!("{banner}other\n"));
    run().text(0);
    let stored = background.sink.stored();
    assert_eq!((stored.get("first"), stored.get("other")), (Some(&1), Some(&1)));
}

#[test]
fn what_a_destination_refused_as_a_whole_is_sent_by_the_next_run() {
    let place = Place::new();
    place.write("a.log", "one\ntwo\n");
    for script in [
        Script { unauthorized: true, ..Script::default() },
        Script { not_implemented: true, ..Script::default() },
        Script { all_wrong: true, ..Script::default() },
    ] {
        let background = Background::start(script);
        let url = background.url();
        let run = || place.run(&["backfill", "a.log", "--to", &url, "--state", "state"]);
        let refused = run();
        refused.text(1);
        refused.says("2 left for another run");
        background.sink.follow(Script::default());
        run().text(0);
        let stored = background.sink.stored();
        assert_eq!((stored.get("one"), stored.get("two")), (Some(&1), Some(&1)));
    }
}

#[test]
fn the_last_record_is_sent_again_if_it_has_grown() {
    for (before, after, whole) in [
        ("2026-11-23T09:59:00.1Z stdout F half", " line\n", "half line"),
        ("2026-11-23T09:59:00.1Z stdout P half", "\n2026-11-23T09:59:00.1Z stdout F  line\n", "half line"),
        ("a word\n", "\tat its margin\n", "a word\n\tat its margin"),
        ("a word", "\n", "a word"),
    ] {
        let place = Place::new();
        // More than what tells files apart: a small file that grows is another one.
        let lines: String = (0..100).map(|n| format!("2026-11-23T09:14:51.1Z stdout F number {n}\n")).collect();
        let background = Background::start(Script::default());
        let url = background.url();
        let run = || place.run(&["backfill", "a.log", "--to", &url, "--state", "state"]);
        place.write("a.log", format!("{lines}{before}"));
        run().text(0);
        place.write("a.log", format!("{lines}{before}{after}"));
        let again = run();
        again.text(0);
        let known = if after == "\n" { 101 } else { 100 };
        again.says(&format!("{known} records acknowledged in an earlier run"));
        let stored = background.sink.stored();
        assert_eq!((stored.get(whole), stored.get("number 99")), (Some(&1), Some(&1)), "{whole}");
    }
}

#[test]
fn two_runs_do_not_share_a_state_folder() {
    let place = Place::new();
    numbered(&place);
    let background = Background::start(Script { pause: Duration::from_millis(300), ..Script::default() });
    let url = background.url();
    let arguments = ["backfill", "a.log", "--to", &url, "--state", "state", "--compression", "none"];
    let first = place.spawn(&arguments);
    wait_until(|| background.sink.requests() > 0);
    let second = place.run(&arguments);
    second.text(1);
    second.says("state folder state is in use by another run");
    assert_eq!(ran(first.wait_with_output().unwrap()).code, Some(0));
    place.run(&arguments).text(0);
}

#[test]
fn a_small_file_that_grows_is_still_the_same() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let url = background.url();
    let line = |number: usize| format!("2026-11-23T09:14:{:02}.1Z stdout F number {number}\n", number % 60);
    let mut text = String::new();
    for number in 0..60 {
        text.push_str(&line(number));
        let half = format!("{text}2026-11-23T09:14:59.1Z stdout F half");
        place.write("a.log", if number % 7 == 3 { &half } else { &text });
        place.run(&["backfill", "a.log", "--to", &url, "--state", "state"]).text(0);
    }
    let stored = background.sink.stored();
    for number in 0..60 {
        assert_eq!(stored.get(&format!("number {number}")), Some(&1), "{number}");
    }
}
