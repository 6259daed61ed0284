//! `spanline backfill --state`: a file is what its bytes are, not what it is called or how it begins.

use crate::harness::run::{Background, Place, Ran, attribute, gzip, otlp_records, testdata};
use crate::harness::sink::Script;

fn line(number: usize, text: &str) -> String {
    format!("2026-11-23T09:{:02}:{:02}.1Z stdout F {text} {number}\n", number / 60 % 60, number % 60)
}

fn lines(from: usize, to: usize, text: &str) -> String {
    (from..to).map(|number| line(number, text)).collect()
}

fn backfill(place: &Place, background: &Background, what: &str, more: &[&str]) -> Ran {
    place.run(&[&["backfill", what, "--to", &background.url(), "--state", "state"], more].concat())
}

/// How many records a run sends.
fn sent(place: &Place, background: &Background, what: &str) -> usize {
    let count = || background.sink.stored().values().sum::<usize>();
    let before = count();
    backfill(place, background, what, &[]).text(0);
    count() - before
}

fn times(background: &Background, body: &str) -> usize {
    background.sink.stored().get(body).copied().unwrap_or_default()
}

#[test]
fn other_lines_behind_the_same_beginning_are_sent() {
    for packed in [false, true] {
        let place = Place::new();
        let background = Background::start(Script::default());
        let name = if packed { "a.log.1.gz" } else { "a.log" };
        let write = |text: &str| {
            place.write(name, if packed { gzip(text.as_bytes()) } else { text.as_bytes().to_vec() });
        };
        write(&(lines(0, 50, "same") + &lines(50, 350, "old")));
        assert_eq!(sent(&place, &background, name), 350);
        write(&(lines(0, 50, "same") + &lines(50, 350, "new")));
        assert_eq!(sent(&place, &background, name), 300);
        assert!((50..350).all(|number| times(&background, &format!("new {number}")) == 1));
        assert!((0..50).all(|number| times(&background, &format!("same {number}")) == 1));
        assert_eq!(sent(&place, &background, name), 0);
    }
}

#[test]
fn an_edited_inserted_or_removed_line_and_what_follows_is_sent_again() {
    let before: Vec<String> = (0..400).map(|number| line(number, "number")).collect();
    for (place_of_change, rest) in [(5, 395), (200, 200), (399, 1)] {
        for how in ["edited", "inserted", "removed"] {
            let place = Place::new();
            let background = Background::start(Script::default());
            place.write("a.log", before.concat());
            sent(&place, &background, "a.log");
            let (mut after, other) = (before.clone(), line(place_of_change, "other"));
            let expected = match how {
                "edited" => {
                    after[place_of_change] = other;
                    rest
                }
                "inserted" => {
                    after.insert(place_of_change, other);
                    rest + 1
                }
                _ => {
                    after.remove(place_of_change);
                    rest - 1
                }
            };
            place.write("a.log", after.concat());
            assert_eq!(sent(&place, &background, "a.log"), expected, "{how} at {place_of_change}");
            assert_eq!(times(&background, &format!("other {place_of_change}")), usize::from(how != "removed"));
            assert_eq!(sent(&place, &background, "a.log"), 0);
        }
    }
}

#[test]
fn a_file_that_was_emptied_and_grew_again_is_another_one() {
    let place = Place::new();
    let background = Background::start(Script::default());
    place.write("node/a.log", lines(0, 100, "first"));
    assert_eq!(sent(&place, &background, "node"), 100);
    // As `copytruncate` does it, and with a copy that is compressed later.
    place.write("node/a.log.1", lines(0, 120, "first")).write("node/a.log", lines(120, 300, "second"));
    assert_eq!(sent(&place, &background, "node"), 200);
    std::fs::remove_file(place.path("node/a.log.1")).unwrap();
    place.write("node/a.log.1.gz", gzip(lines(0, 120, "first").as_bytes()));
    place.write("node/a.log", lines(120, 301, "second"));
    assert_eq!(sent(&place, &background, "node"), 1);
    // Shorter than it was, and what comes then is other.
    place.write("node/a.log", lines(120, 200, "second"));
    assert_eq!(sent(&place, &background, "node"), 0);
    place.write("node/a.log", lines(120, 200, "second") + &lines(200, 301, "third"));
    assert_eq!(sent(&place, &background, "node"), 101);
}

#[test]
fn files_with_one_banner_keep_what_they_have_when_they_are_rotated() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let banner = "the same banner in each of them\n".repeat(100);
    let text = |from, to| banner.clone() + &lines(from, to, "number");
    place.write("node/a.log.1", text(0, 40)).write("node/a.log", text(40, 80));
    sent(&place, &background, "node");
    place.write("node/a.log.2", text(0, 40)).write("node/a.log.1", text(40, 90)).write("node/a.log", text(90, 95));
    assert_eq!(sent(&place, &background, "node"), 10 + 100 + 5);
    std::fs::remove_file(place.path("node/a.log.2")).unwrap();
    assert_eq!(sent(&place, &background, "node"), 0);
    assert!((0..95).all(|number| times(&background, &format!("number {number}")) == 1));
}

#[test]
fn one_entry_of_a_journal_that_was_changed_is_sent_again() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let entry = |number: usize, text: &str| {
        let time = 1_795_425_291_000_000 + number * 1_000_000;
        format!(
            "__CURSOR=s=1;i={number:x}\n__REALTIME_TIMESTAMP={time}\n_HOSTNAME=h\n_SYSTEMD_UNIT=u{}.service\n\
             SYSLOG_IDENTIFIER=u{}\nMESSAGE={text} {number}\n\n",
            number % 3,
            number % 3
        )
    };
    let entries = |changed: usize| -> String {
        (0..90).map(|number| entry(number, if number == changed { "other" } else { "entry" })).collect()
    };
    place.write("j.export", entries(90));
    assert_eq!(sent(&place, &background, "j.export"), 90);
    assert_eq!(sent(&place, &background, "j.export"), 0);
    place.write("j.export", entries(60));
    assert_eq!(sent(&place, &background, "j.export"), 30);
    assert_eq!(times(&background, "other 60"), 1);
}

#[test]
fn what_a_record_goes_on_with_in_the_next_file_counts() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let raw = |text: &str| format!("2026-11-23T09:14:51.100Z stderr F {text}\n");
    let older = (0..60).map(|number| raw(&format!("number {number}"))).collect::<String>() + &raw("panic: boom");
    let frames =
        |last: &str| ["", "goroutine 1 [running]:", last].map(|text| raw(text).replace(".100Z", ".101Z")).concat();
    place.write("node/a.log.1", &older).write("node/a.log", frames("main.one()"));
    assert_eq!(sent(&place, &background, "node"), 61);
    assert_eq!(sent(&place, &background, "node"), 0);
    place.write("node/a.log", frames("main.two()"));
    assert_eq!(sent(&place, &background, "node"), 1);
    assert_eq!(times(&background, "panic: boom\n\ngoroutine 1 [running]:\nmain.two()"), 1);
    assert_eq!(sent(&place, &background, "node"), 0);
}

/// The state of an earlier version, whose destination is at this URL.
fn earlier_state(version: u32, url: &str) -> String {
    let sample = std::fs::read_to_string(testdata(&format!("state/version-{version}.json"))).unwrap();
    let part = if version == 1 { "destinations" } else { "state" };
    let (_, rest) = sample.split_once(&format!("\"{part}\":")).unwrap();
    let rest = rest.strip_suffix('}').unwrap();
    let rest = ["?token=hidden", ""].iter().fold(rest.to_owned(), |rest, query| {
        rest.replace(&format!("\"otlp=http://127.0.0.1:43189/v1/logs{query}\""), &format!("\"{url}{query}\""))
    });
    let checksum = twox_hash::XxHash64::oneshot(0, rest.as_bytes());
    format!("{{\"version\":{version},\"checksum\":\"{checksum:016x}\",\"{part}\":{rest}}}")
}

fn sample_lines(from: usize, to: usize) -> String {
    let raw = |number: usize| {
        let stream = if number.is_multiple_of(3) { "stderr" } else { "stdout" };
        format!("2026-11-23T09:{:02}:{:02}.1Z {stream} F number {number}\n", number / 60, number % 60)
    };
    (from..to).map(raw).collect()
}

#[test]
fn a_state_of_an_earlier_version_is_resumed_from_and_turned_into_one_of_this() {
    for version in [1, 2] {
        let place = Place::new();
        let background = Background::start(Script::default());
        let url = format!("{}/v1/logs", background.url());
        place.write("state/backfill.json", earlier_state(version, &url));
        // The one has grown since; of the other, the last line has.
        place.write("node/long.log", sample_lines(0, 60));
        place.write("node/short.log", sample_lines(0, 3) + "2026-11-23T09:00:03.1Z stdout F half line\n");
        let with_token = format!("{url}?token=hidden");
        let run = || place.run(&["backfill", "node", "--to", &with_token, "--state", "state"]);
        run().says("43 records acknowledged in an earlier run").text(0);
        let stored = background.sink.stored();
        assert_eq!(stored.len(), 21, "{stored:?}");
        assert!((40..60).all(|number| stored[&format!("number {number}")] == 1) && stored["half line"] == 1);
        let state = std::fs::read(place.path("state/backfill.ledger")).unwrap();
        assert!(memchr::memmem::find(&state, b"hidden").is_none());
        assert!(place.read("state/backfill.json").starts_with("{\"version\":3,"));
        // From now on the bytes themselves are known.
        place.write("node/long.log", sample_lines(0, 30) + &sample_lines(61, 62) + &sample_lines(31, 60));
        run().says("34 records acknowledged in an earlier run").text(0);
        assert_eq!(background.sink.stored()["number 59"], 2);
    }
}

/// Ids of all records, in order.
fn ids(place: &Place, what: &str) -> Vec<String> {
    place.run(&["backfill", what, "--to", "file=out"]).text(0);
    let records = otlp_records(&place.read("out/logs.jsonl"));
    records.iter().map(|(_, record)| attribute(&record.attributes, "log.record.uid")).collect()
}

fn distinct(ids: &[String]) -> usize {
    ids.iter().collect::<std::collections::HashSet<_>>().len()
}

#[test]
fn each_of_many_equal_lines_has_its_own_id() {
    let place = Place::new();
    let half = lines(0, 100, "number");
    place.write("twice/a.log", half.repeat(2));
    let whole = ids(&place, "twice");
    assert_eq!((whole.len(), distinct(&whole)), (200, 200));
    place.write("raw/a.log", "no time at all\n".repeat(100));
    assert_eq!(distinct(&ids(&place, "raw")), 100);
    // Neither a name, nor compression, nor what stands before it in another file changes them.
    place
        .write("rotated/a.log.2.gz", gzip(half.repeat(2).as_bytes()))
        .write("rotated/a.log.1", lines(100, 103, "number"));
    place.write("rotated/a.log", lines(103, 104, "number"));
    let rotated = ids(&place, "rotated");
    assert_eq!(rotated[..200], whole);
    std::fs::remove_file(place.path("rotated/a.log.2.gz")).unwrap();
    assert_eq!(ids(&place, "rotated"), rotated[200..]);
}

#[test]
fn an_entry_of_a_journal_has_one_id_in_every_export() {
    let place = Place::new();
    let entry = |number: usize| {
        format!(
            "__CURSOR=s=ab;i={number:x};t=1\n__REALTIME_TIMESTAMP=1795425291000000\n_HOSTNAME=h\nSYSLOG_IDENTIFIER=u\nMESSAGE=same\n\n"
        )
    };
    let export = |from: usize| (from..40).map(entry).collect::<String>();
    place.write("one/j.export", export(0)).write("two/j.export", export(17));
    let all = ids(&place, "one");
    assert_eq!((all.len(), distinct(&all)), (40, 40));
    assert_eq!(ids(&place, "two"), all[17..]);
    // As JSON, with the number by itself, as later versions give it.
    let json = |number: usize| {
        let entry = serde_json::json!({"__CURSOR": "another", "__SEQNUM": number.to_string(), "__REALTIME_TIMESTAMP":
            "1795425291000000", "_HOSTNAME": "h", "SYSLOG_IDENTIFIER": "u", "MESSAGE": "same"});
        format!("{entry}\n")
    };
    place.write("three/j.export", (30..40).map(json).collect::<String>());
    assert_eq!(ids(&place, "three"), all[30..]);
}
