//! `spanline backfill --to otlp=`: what arrives, and what is said of destinations that refuse.

use crate::harness::run::{Background, ClosedPort, Place};
use crate::harness::sink::Script;

const LINES: usize = 3000;

/// A file of numbered lines; a word stands alone in its middle.
fn numbered(place: &Place) {
    let lines: String = (0..LINES).map(|n| format!("2026-11-23T09:14:51.1Z stdout F number {n}\n")).collect();
    let half = lines.len() / 2;
    let middle = half + lines[half..].find('\n').unwrap() + 1;
    place.write("a.log", format!("{}2026-11-23T09:14:51.1Z stdout F poison\n{}", &lines[..middle], &lines[middle..]));
}

fn stored(background: &Background) -> (usize, usize) {
    let stored = background.sink.stored();
    (stored.len(), stored.values().sum())
}

#[test]
fn all_records_arrive_by_both_protocols_in_every_compression() {
    let place = Place::new();
    numbered(&place);
    let background = Background::start(Script::default());
    for (number, path) in ["", "/v1/logs"].into_iter().enumerate() {
        for (index, compression) in ["none", "gzip", "zstd"].into_iter().enumerate() {
            let url = format!("{}{path}", background.url());
            let run = place.run(&["backfill", "a.log", "--to", &url, "--compression", compression]);
            run.text(0);
            run.says(&format!("{} items in", LINES + 1));
            assert_eq!(stored(&background), (LINES + 1, (LINES + 1) * (number * 3 + index + 1)));
        }
    }
    let before = background.sink.requests();
    place
        .run(&["backfill", "a.log", "--to", &background.url(), "--dry-run", "--links", "links"])
        .says("--dry-run")
        .text(0);
    assert_eq!((background.sink.requests(), place.json_lines("links").len()), (before, LINES + 1));
}

#[test]
fn a_refused_connection_is_said_at_once_and_ends_with_1() {
    let place = Place::new();
    numbered(&place);
    let closed = ClosedPort::new();
    let url = format!("otlp=http://{}", closed.address());
    let run = place.run(&["backfill", "a.log", "--to", &url, "--retry-for", "1s"]);
    run.text(1);
    run.says("does not take anything yet").says("Connection refused").says(&format!("{} left", LINES + 1));
}

#[test]
fn a_store_without_logs_is_said_once_and_names_the_other_way() {
    let place = Place::new();
    numbered(&place);
    let background = Background::start(Script { not_implemented: true, ..Script::default() });
    for path in ["", "/v1/logs"] {
        let run = place.run(&["backfill", "a.log", "--to", &format!("{}{path}", background.url())]);
        run.text(1);
        assert_eq!(run.err.matches("jaeger=URL").count(), 1, "{}", run.err);
        run.says("no logs service").says(&format!("{} left for another run", LINES + 1));
    }
}

/// All records but so many are stored, over both protocols at once.
fn stores_all_but(lost: usize, script: &Script) {
    let place = Place::new();
    numbered(&place);
    let run = |path: &str| {
        let background = Background::start(script.clone());
        let url = format!("{}{path}", background.url());
        // What fails for now is dropped after half of this, which a busy machine needs to find it.
        let run = place.run(&["backfill", "a.log", "--to", &url, "--retry-for", "40s"]);
        run.text(i32::from(lost > 0));
        assert_eq!(stored(&background).0, LINES + 1 - lost, "{script:?}: {}", run.err);
    };
    std::thread::scope(|scope| {
        for path in ["", "/v1/logs"] {
            scope.spawn(|| run(path));
        }
    });
}

#[test]
fn what_is_too_large_is_split_and_one_poisonous_record_costs_itself_alone() {
    stores_all_but(0, &Script { bytes_max: Some(20_000), ..Script::default() });
    stores_all_but(1, &Script { wrong: Some("poison"), ..Script::default() });
    stores_all_but(1, &Script { rejected: Some("poison"), ..Script::default() });
    stores_all_but(0, &Script { unavailable: 2, retry_after: Some(1), ..Script::default() });
}

#[test]
fn a_poisonous_record_that_is_refused_for_now_costs_itself_alone() {
    stores_all_but(1, &Script { poison: Some("poison"), ..Script::default() });
}
