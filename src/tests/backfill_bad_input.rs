//! Bad input to `spanline backfill`: said, counted, and the rest goes on.

use std::io::Write;
use std::process::Stdio;

use crate::harness::run::{Place, gzip, otlp_records, ran, testdata};

const LINE: &str = "2026-11-23T09:14:51.1Z stdout F fine\n";

#[test]
fn a_file_that_cannot_be_read_to_its_end_does_not_stop_the_others() {
    let place = Place::new();
    let whole = gzip("packed\n".repeat(50_000).as_bytes());
    place.write("node/a.log.gz", &whole[..whole.len() / 2]).write("node/b.log.gz", [&whole[..], b"junk"].concat());
    place.write("node/c.log.gz", [&whole[..], &whole].concat()).write("node/d.log", LINE);
    place.link("/nonexistent", "node/e.log").write("node/f.log/g.log", LINE);
    let run = place.run(&["backfill", "node", "gone.log", "--to", "file=out", "--links", "links"]);
    run.text(1);
    run.says("node/a.log.gz: the compressed data is cut off")
        .says("node/b.log.gz: what follows")
        .says("gone.log: No such");
    let links = place.json_lines("links");
    let count = |file: &str| links.iter().filter(|row| row["file"] == file).count();
    assert_eq!((count("node/b.log.gz"), count("node/c.log.gz")), (50_000, 100_000));
    assert_eq!((count("node/d.log"), count("node/f.log/g.log")), (1, 1));
    assert_eq!(otlp_records(&place.read("out/logs.jsonl")).len(), links.len());
}

#[test]
fn what_is_not_shown_for_want_of_room_is_said_and_ends_with_1() {
    let place = Place::new();
    place.write("a.log", LINE.repeat(100));
    place.run(&["backfill", "a.log", "--max-held-bytes", "1000"]).says("not shown: more than --max-held-bytes").text(1);
    place.run(&["backfill", "a.log"]).text(0);
}

#[test]
fn the_summary_counts_what_was_begun() {
    let place = Place::new();
    let whole = gzip("packed\n".repeat(5000).as_bytes());
    place.write("a.log.gz", &whole[..whole.len() / 2]);
    place.run(&["backfill", "a.log.gz"]).says("1 file (1 not to the end) in 1 source").text(1);
    place.write("b.log", "one\n");
    place.run(&["backfill", "b.log"]).says("1 file in 1 source, 1 line, 4 B, 1 record\n").text(0);
    std::fs::create_dir(place.path("empty")).unwrap();
    let run = place.run(&["backfill", "empty"]);
    assert!(!run.err.contains("formats"), "{}", run.err);
    // A file of traces that holds none.
    place.write("t.jsonl", "");
    place.run(&["backfill", "b.log", "--traces", "t.jsonl"]).says("no spans given").says("holds no span").text(1);
}

#[test]
fn junk_long_lines_and_nul_are_accounted_for() {
    let place = Place::new();
    // A small generator: what it gives looks random and is the same each time.
    let mut state = 7_u64;
    let junk: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    })
    .take(200_000)
    .collect();
    let lines = junk.split(|byte| *byte == b'\n').count() as u64;
    place.write("node/junk.log", [&junk[..], b"\n"].concat());
    let mut long = std::fs::File::create(place.path("node/long.log")).unwrap();
    (0..64).for_each(|_| long.write_all(&[b'x'; 1 << 20]).unwrap());
    long.write_all(b"\nafter\n").unwrap();
    place.write("node/nul.log", [&[0; 300][..], b"\nreal\n\0\0\n\n"].concat());
    let arguments = ["backfill", "node", "--to", "file=out", "--links", "links"];
    let run = place.run(&arguments);
    run.text(0);
    run.says("2 lines of NUL bytes, left out").says("cut into pieces (--max-line-bytes)");
    let sum = |file: &str| -> u64 {
        let rows = place.json_lines("links");
        rows.iter().filter(|row| row["file"] == file).map(|row| row["lines"].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("node/junk.log"), sum("node/long.log"), sum("node/nul.log")), (lines, 2, 2));
    let records = otlp_records(&place.read("out/logs.jsonl"));
    assert_eq!(records.len(), place.json_lines("links").len());
    // Pieces of the long line hold all of it.
    let text = place.run(&["backfill", "node/junk.log", "--to", "text"]);
    assert!(text.text(0).chars().all(|char| char == '\n' || !char.is_control()));
}

#[test]
fn broken_traces_are_said_and_the_good_ones_used() {
    let place = Place::new();
    let traces = std::fs::read_to_string(testdata("nodes/crio/traces.otlp.jsonl")).unwrap();
    let logs = testdata("nodes/crio/logs");
    let logs = logs.to_str().unwrap();
    place.write("good.jsonl", &traces).write("node.log", LINE);
    place.write("broken.jsonl", format!("{{\"resourceSpans\": [{{]\n{traces}\nno json at all\n"));
    place.write("empty.jsonl", "").write("wrong.jsonl", "[1, 2]\n").write("logs.jsonl", LINE);
    let linked = |name: &str, code: i32| {
        let run = place.run(&["backfill", logs, "--traces", name, "--to", "file=out", "--links", "links"]);
        run.text(code);
        run.says("linked    ");
        if code == 1 {
            run.says(name);
        }
        place.json_lines("links").iter().filter(|row| !row["trace_id"].is_null()).count()
    };
    let all = linked("good.jsonl", 0);
    assert!(all > 50, "{all}");
    assert_eq!(linked("broken.jsonl", 1), all);
    for name in ["empty.jsonl", "wrong.jsonl", "logs.jsonl", "missing.jsonl"] {
        assert!(linked(name, 1) < all / 2, "{name}");
    }
}

#[test]
fn a_stuck_terminal_pipe_is_no_failure() {
    let place = Place::new();
    place.write("a.log", LINE.repeat(20_000));
    let mut child =
        place.command(&["backfill", "a.log"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let run = ran(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.err);
    run.says("read      1 file in 1 source, 20000 lines");
}
