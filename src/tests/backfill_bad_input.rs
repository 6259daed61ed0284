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
    let some = place.run(&["backfill", "a.log", "--max-temporary-bytes", "1000"]);
    some.says("lines not shown: more than --max-temporary-bytes").text(1);
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
    let allowed = ["backfill", "b.log", "--traces", "t.jsonl", "--allow-no-traces"];
    place.run(&allowed).says("no spans given").says("t.jsonl is empty").text(0);
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
    // What a container writes is a log whatever it is; a file of nothing else is none.
    let wrapped =
        junk.split(|byte| *byte == b'\n').flat_map(|line| [b"2026-11-23T09:14:51.1Z stdout F ", line, b"\n"].concat());
    place.write("node/junk.log", wrapped.collect::<Vec<u8>>()).write("node/noise.log", [&junk[..], b"\n"].concat());
    let mut long = std::fs::File::create(place.path("node/long.log")).unwrap();
    (0..64).for_each(|_| long.write_all(&[b'x'; 1 << 20]).unwrap());
    long.write_all(b"\nafter\n").unwrap();
    place.write("node/nul.log", [&[0; 300][..], b"\nreal\n\0\0\n\n"].concat());
    let arguments = ["backfill", "node", "--to", "file=out", "--links", "links"];
    let run = place.run(&arguments);
    run.text(0);
    run.says("2 lines of NUL bytes, left out").says("cut into pieces (--max-line-bytes)");
    run.says("1 file: binary, no log (node/noise.log)");
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
        let arguments = ["backfill", logs, "--traces", name, "--to", "file=out", "--links", "links"];
        let run = place.run(&[&arguments[..], &["--allow-no-traces"]].concat());
        run.text(code);
        run.says("linked    ");
        if name != "good.jsonl" {
            run.says(name);
        }
        place.json_lines("links").iter().filter(|row| !row["trace_id"].is_null()).count()
    };
    let all = linked("good.jsonl", 0);
    assert!(all > 50, "{all}");
    assert_eq!(linked("broken.jsonl", 1), all);
    for (name, code) in [("empty.jsonl", 0), ("wrong.jsonl", 1), ("logs.jsonl", 1), ("missing.jsonl", 1)] {
        assert!(linked(name, code) < all / 2, "{name}");
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

#[test]
fn files_that_are_no_logs_are_left_out_and_named() {
    let place = Place::new();
    let row = r#"{"file":"a.log","line":1,"lines":1,"offset":0,"trace_id":null,"span_id":null,"method":null}"#;
    let traces = std::fs::read_to_string(testdata("nodes/crio/traces.otlp.jsonl")).unwrap();
    let mut utmp = vec![0; 384 * 4];
    utmp.chunks_mut(384).for_each(|record| {
        (record[0], record[4]) = (7, 200);
        record[8..13].copy_from_slice(b"pts/1");
        record[44..48].copy_from_slice(b"user");
    });
    let others: [(&str, &[u8], &str); 8] = [
        ("logins", &utmp, "binary, no log"),
        ("wtmp", &utmp, "binary"),
        ("capture", b"\x0a\x0d\x0d\x0a\0\0\0\0", "a packet capture"),
        ("store", b"SQLite format 3\0\x10\0", "an SQLite database"),
        ("rows", row.as_bytes(), "a links file of spanline"),
        ("spans", traces.as_bytes(), "OTLP/JSON, no log"),
        (
            "jaeger",
            br#"{"data":[{"traceID":"1","spans":[{"traceID":"1","operationName":"x"}]}]}"#,
            "JSON traces, no log",
        ),
        ("state", br#"{"version":1,"checksum":"0","destinations":{}}"#, "spanline's own state"),
    ];
    place.write("node/app.log", LINE);
    for (name, bytes, _) in &others {
        place.write(&format!("node/{name}"), bytes);
    }
    // In a folder they are left out, and all is well.
    let run = place.run(&["backfill", "node", "--to", "file=out"]);
    run.says("1 file in 1 source, 1 line").text(0);
    let run = place.run(&["backfill", "-v", "node", "--to", "file=out"]);
    run.text(0);
    for (name, _, reason) in &others {
        run.says(&format!("left out node/{name}: {reason}"));
    }
    // Named, that is an error, and the others are read. Convert reads what it is given.
    for (name, _, reason) in &others {
        let path = format!("node/{name}");
        let run = place.run(&["backfill", "node/app.log", &path, "--to", "file=out"]);
        run.says(&format!("failed    {path}: {reason}"))
            .says("it was left out")
            .says("1 file in 1 source, 1 line")
            .text(1);
        let records = place.run(&["convert", &path]).json(0).len();
        assert!(records > 0, "{name}");
    }
    // Many of one kind: a few are named.
    for at in 0..9 {
        place.write(&format!("node/more{at}"), row);
    }
    let run = place.run(&["backfill", "node", "--to", "file=out"]);
    run.says("10 files: a links file of spanline (node/more0, node/more1, node/more2 and 7 more: -v names all)")
        .text(0);
}

#[test]
fn nul_runs_of_any_length_are_dropped_and_counted() {
    let place = Place::new();
    for length in [1, 1023, 1024, 1025, 5_000, 300_000, 3_000_000_usize] {
        let run = vec![0; length];
        // A whole line, at the start of a file, at its end; a hole before a record, and one within a torn line.
        let line = [&run[..], b"\n", LINE.as_bytes(), &run, b"\n", LINE.as_bytes(), &run].concat();
        place.write("node/a.log", &line).write("node/b.log.gz", gzip(&line));
        let arguments = ["backfill", "node", "--to", "file=out", "--links", "links", "--max-line-bytes", "1024"];
        let ran = place.run(&arguments);
        ran.text(0);
        let rows: Vec<u64> = place.json_lines("links").iter().map(|row| row["line"].as_u64().unwrap()).collect();
        assert_eq!(rows, [2, 4, 2, 4], "{length}");
        ran.says("6 lines of NUL bytes, left out").says(" 4 records");
        if length > 1024 + (256 << 10) {
            ran.says("of NUL bytes in lines longer than the limit, left out");
        }
    }
    let hole = vec![0; 3_000_000];
    place.write("node/a.log", [&hole[..], LINE.as_bytes(), b"half", &hole, b"\n", LINE.as_bytes()].concat());
    std::fs::remove_file(place.path("node/b.log.gz")).unwrap();
    let ran = place.run(&["backfill", "node", "--to", "file=out", "--links", "links"]);
    ran.says(" 3 records").says("5.7 MiB of NUL bytes in lines longer than the limit").text(0);
    let records = otlp_records(&place.read("out/logs.jsonl"));
    let bodies: Vec<String> = records.iter().map(|(_, record)| format!("{:?}", record.body)).collect();
    assert!(
        bodies[0].contains("\"fine\"") && bodies[1].contains("\"half\"") && bodies[2].contains("\"fine\""),
        "{bodies:?}"
    );
    let offsets: Vec<u64> = place.json_lines("links").iter().map(|row| row["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, [3_000_000, 3_000_037, 6_000_042]);
    // Convert drops nothing.
    assert_eq!(place.run(&["convert", "node/a.log", "--max-line-bytes", "4MiB"]).json(0).len(), 3);
}

#[test]
fn a_file_that_is_emptied_while_it_is_read_is_said_with_what_was_lost() {
    let place = Place::new();
    let lines = 400_000;
    place.write("node/a.log", LINE.repeat(lines)).write("node/b.log", LINE);
    let size = (LINE.len() * lines) as u64;
    let mut child = place.spawn(&["backfill", "node", "--to", "file=out", "--links", "/dev/stdout"]);
    let mut stdout = child.stdout.take().unwrap();
    // It has read some of it, and waits here until its rows are taken.
    let mut rows = vec![0; 1000];
    std::io::Read::read_exact(&mut stdout, &mut rows).unwrap();
    std::fs::write(place.path("node/a.log"), LINE).unwrap();
    std::io::Read::read_to_end(&mut stdout, &mut rows).unwrap();
    let run = ran(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(1), "{}", run.err);
    let read = rows.split(|byte| *byte == b'\n').filter(|row| row.starts_with(b"{\"file\":\"node/a.log\"")).count();
    assert!(read < lines, "the pipe held all rows");
    let (_, said) = run.err.split_once("node/a.log: was emptied, cut or replaced").unwrap();
    let lost: u64 = said.split_once(": ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    assert!(lost > 0 && size - lost <= ((read + 1) * LINE.len()) as u64, "{read} rows, {lost} lost");
    run.says("lost      ").says("(1 not to the end)");
    assert!(rows.ends_with(b"\n") && run.err.contains("node/a.log"));
}

#[test]
fn a_file_that_grows_while_it_is_read_ends() {
    let place = Place::new();
    place.write("a.log", LINE.repeat(1000));
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (stop, path) = (done.clone(), place.path("a.log"));
    let writer = std::thread::spawn(move || {
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        while !stop.load(std::sync::atomic::Ordering::Relaxed) && file.metadata().unwrap().len() < 1 << 22 {
            file.write_all(LINE.repeat(20_000).as_bytes()).unwrap();
        }
    });
    // Each takes much longer than the writer for what it reads.
    let backfill = place.run(&["backfill", "a.log", "--to", "file=out"]).code;
    let converted = place.run(&["convert", "a.log", "--to", "text"]).code;
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!((backfill, converted), (Some(0), Some(0)));
}
