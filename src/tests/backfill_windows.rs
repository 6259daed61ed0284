//! More lines and spans than `--memory` holds: linked a window of time after the other, each line once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use spanline::export::deliver::retry::Random;

use crate::harness::labelled::Node;
use crate::harness::run::{Background, Place};
use crate::harness::sink::Script;

/// The least that there is: two MiB of logs are more than it holds at once.
const MEMORY: [&str; 2] = ["--memory", "16MiB"];

/// Which lines have a row.
fn rows(links: &str) -> BTreeSet<String> {
    links.lines().map(|row| row.split(",\"trace_id\"").next().unwrap().to_owned()).collect()
}

#[test]
fn a_node_is_linked_nearly_as_well_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    for (name, producer, recall) in [("crio", "pods", 0.93), ("crio", "crio", 0.95), ("containerd", "pods", 0.92)] {
        let node = Node::new(name, 100, folder.path()).unwrap();
        let link = |memory: &[&str]| {
            let mut command = node.command(env!("CARGO_BIN_EXE_spanline"));
            assert!(command.args(memory).stderr(Stdio::null()).status().unwrap().success(), "{name}");
            rows(&std::fs::read_to_string(&node.links).unwrap())
        };
        let whole = link(&[]);
        let in_windows = link(&MEMORY);
        assert!(whole == in_windows, "{name}: {} lines, {}", whole.len(), in_windows.len());
        let tally = &node.score().score.producers[producer];
        let (precision, reached) = (tally.trace_precision().unwrap(), tally.trace_recall().unwrap());
        assert!(precision >= 0.985 && reached >= recall, "{name}, {producer}: {precision:.4} {reached:.4}");
    }
}

const FILES: usize = 24;
const LINES: usize = 1_200;

fn time(line: usize) -> String {
    let second = line / 2;
    format!("2026-11-23T09:{:02}:{:02}.{:03}Z", second / 60, second % 60, 500 * (line % 2) + 1)
}

fn body(file: usize, line: usize) -> String {
    format!("file {file} says {line} {}", "of many lines that are long enough".repeat(2))
}

/// Files that begin and end at different times, of which one goes back in time, one has no times, one is of the future, one
/// is compressed, and one is rotated; and spans of one of them.
fn many(place: &Place) {
    let mut all = Vec::new();
    for file in 0..FILES {
        let mut text = String::new();
        for line in 0..LINES {
            let at = match file {
                1 => time(LINES - line),
                3 => time(line).replace("2026", "2031"),
                4.. => time((line + 100 * (file % 7)) % (2 * LINES)),
                _ => time(line),
            };
            let stamp = if file == 2 { String::new() } else { format!("{at} stdout F ") };
            writeln!(text, "{stamp}{}", body(file, line)).unwrap();
        }
        all.push(text);
    }
    for (file, text) in all.iter().enumerate() {
        let name = format!("logs/{file}.log");
        match file {
            5 => {
                let half = text.lines().take(LINES / 2).map(|line| line.len() + 1).sum();
                place.write(&format!("{name}.1"), &text[..half]).write(&name, &text[half..]);
            }
            6 => {
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packed.write_all(text.as_bytes()).unwrap();
                place.write(&format!("{name}.gz"), packed.finish().unwrap());
            }
            _ => drop(place.write(&name, text)),
        }
    }
    spans(place, 15_000);
}

/// More spans than there is room for at once, some of them of a pod that wrote nothing.
fn spans(place: &Place, count: u64) {
    let start = 1_795_424_400_000_000_000u64;
    let mut requests = String::new();
    for first in (0..count).step_by(100) {
        let spans: Vec<String> = (first..first + 100)
            .map(|number| {
                let (from, id) = (start + number * 40_000_000, number + 1);
                let to = from + 30_000_000;
                format!(
                    "{{\"traceId\":\"{id:032x}\",\"spanId\":\"{id:016x}\",\"name\":\"GET /{}\",\"kind\":2,\"startTimeUnixNano\":\"{from}\",\"endTimeUnixNano\":\"{to}\"}}",
                    number % 10
                )
            })
            .collect();
        let attribute = "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"web\"}}";
        let spans = spans.join(",");
        writeln!(
            requests,
            "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{attribute}]}},\"scopeSpans\":[{{\"spans\":[{spans}]}}]}}]}}"
        )
        .unwrap();
    }
    place.write("traces.jsonl", requests);
}

fn arguments<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let arguments = ["backfill", "--service", "web", "logs", "--traces", "traces.jsonl", "--to", url];
    [&arguments[..], &["--state", "state", "--compression", "none"], &MEMORY, more].concat()
}

fn each_is_stored(background: &Background, is_right: impl Fn(u64) -> bool) {
    let stored = background.sink.stored();
    for file in 0..FILES {
        for line in 0..LINES {
            let times = stored.get(body(file, line).as_str()).copied().unwrap_or_default() as u64;
            assert!(is_right(times), "line {line} of file {file}: {times} times");
        }
    }
}

#[test]
fn each_line_is_sent_once_whatever_its_time() {
    for workers in ["1", "3"] {
        let place = Place::new();
        many(&place);
        let background = Background::start(Script::default());
        let url = background.url();
        let run = || place.run(&arguments(&url, &["--workers", workers]));
        run().text(0);
        each_is_stored(&background, |times| times == 1);
        let requests = background.sink.requests();
        let again = run();
        again.text(0);
        again.says(&format!("{} records acknowledged in an earlier run", FILES * LINES));
        again.says("windows of time");
        assert_eq!(background.sink.requests(), requests);
    }
}

#[test]
fn nothing_is_lost_when_it_is_killed_in_a_window() {
    let place = Place::new();
    many(&place);
    let background = Background::start(Script { pause: Duration::from_millis(20), ..Script::default() });
    let url = background.url();
    let mut random = Random(3);
    for _ in 0..4 {
        let mut child = place.spawn(&arguments(&url, &[]));
        std::thread::sleep(Duration::from_millis(200 + random.draw() % 1500));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.run(&arguments(&url, &[])).text(0);
    each_is_stored(&background, |times| times >= 1);
}

#[test]
fn files_hold_all_lines_in_windows_too() {
    let place = Place::new();
    many(&place);
    let run = |folder: &str, memory: &[&str]| {
        let to = format!("file={folder}");
        let arguments = ["backfill", "--service", "web", "logs", "--traces", "traces.jsonl", "--to", &to];
        place.run(&[&arguments[..], memory].concat()).text(0);
        let records = |line: &str| line.matches("\"timeUnixNano\"").count();
        let logs = place.read(&format!("{folder}/logs.jsonl"));
        logs.lines().map(records).sum::<usize>()
    };
    let whole = run("whole", &[]);
    assert_eq!(whole, run("in-windows", &MEMORY));
}

/// Lines that name their spans, so that each is linked alike however they are read; every other span is too short for a
/// carrier, of each tenth trace there are two copies, each 50th has a line with an error, and in each 70th a span fails.
fn traces_with_lines(place: &Place) {
    const TRACES: u64 = 3_500;
    let start = 1_795_424_400_000_000_000u64;
    let (mut requests, mut copies, mut lines) = (String::new(), String::new(), String::new());
    for trace in 1..=TRACES {
        let (from, root, child) = (start + trace * 40_000_000, 2 * trace, 2 * trace + 1);
        let span = |id: u64, parent: u64, service: &str, length: u64| {
            let parent = if parent == 0 { String::new() } else { format!("{parent:016x}") };
            let code = if trace % 70 == 0 && service == "back" { 2 } else { 0 };
            format!(
                "{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":{{\"stringValue\":\"{service}\"}}}}]}},\"scopeSpans\":[{{\"scope\":{{\"name\":\"{id:0700}\"}},\"spans\":[{{\"traceId\":\"{trace:032x}\",\"spanId\":\"{id:016x}\",\"parentSpanId\":\"{parent}\",\"name\":\"call {}\",\"kind\":2,\"startTimeUnixNano\":\"{from}\",\"endTimeUnixNano\":\"{}\",\"status\":{{\"code\":{code}}}}}]}}]}}",
                id % 7,
                from + length
            )
        };
        let request = format!(
            "{{\"resourceSpans\":[{},{}]}}\n",
            span(root, 0, "front", 30_000_000),
            span(child, root, "back", 500)
        );
        requests.push_str(&request);
        if trace % 10 == 0 {
            copies.push_str(&request);
        }
        for (number, id) in [root, child, child, root].into_iter().enumerate() {
            let (second, nanos) = ((from - start) / 1_000_000_000, from % 1_000_000_000 + 1_000 * number as u64);
            let time = format!("2026-11-23T09:{:02}:{:02}.{nanos:09}Z", second / 60, second % 60);
            let level = if trace % 50 == 0 && number == 2 { "error" } else { "info" };
            let text = "as long as lines are, with some words that say nothing at all of what was done".repeat(2);
            writeln!(
                lines,
                "{{\"time\":\"{time}\",\"level\":\"{level}\",\"msg\":\"line {number} {text}\",\"trace_id\":\"{trace:032x}\",\"span_id\":\"{id:016x}\"}}"
            )
            .unwrap();
        }
    }
    place.write("logs/app.log", lines).write("traces.jsonl", requests).write("copies.jsonl", copies);
}

const TRACES: [&str; 6] = ["backfill", "logs", "--traces", "traces.jsonl", "--traces", "copies.jsonl"];

#[test]
fn spans_get_the_same_events_in_windows() {
    let place = Place::new();
    traces_with_lines(&place);
    let run = |folder: &str, memory: &[&str]| {
        let to = format!("file={folder}");
        let run = place.run(&[&TRACES[..], &["--to", &to], memory].concat());
        run.text(0);
        run.says("700 spans read more than once");
        (place.read(&format!("{folder}/traces.jsonl")), run)
    };
    let (whole, in_windows) = (run("whole", &[]), run("in-windows", &MEMORY));
    in_windows.1.says("windows of time");
    let no_room = ["--to", "file=nothing", "--max-temporary-bytes", "1KiB"];
    place.run(&[&TRACES[..], &no_room, &MEMORY].concat()).says("the temporary file for spans");
    assert!(whole.0 == in_windows.0);
    assert_eq!(whole.0.matches("spanline.link").count(), 14_000);
}

#[test]
fn carriers_are_the_same_in_windows() {
    let place = Place::new();
    traces_with_lines(&place);
    for under in ["span", "service", "trace"] {
        let sent = [&[][..], &MEMORY].map(|memory| {
            let background = Background::start(Script::default());
            let url = background.url().replace("otlp=", "jaeger=");
            let arguments = ["--to", &url, "--span-events", "carrier", "--carriers", under];
            let run = place.run(&[&TRACES[..], &arguments, memory].concat());
            run.text(0);
            run.says("14000 on");
            // Requests may arrive in another order, or twice if an answer was late.
            let mut carriers = BTreeMap::new();
            for group in background.sink.traces().into_iter().flat_map(|request| request.resource_spans) {
                for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    carriers.insert(span.span_id.clone(), (group.resource.clone(), span));
                }
            }
            carriers
        });
        let events = sent[0].values().map(|(_, span)| span.events.len()).sum::<usize>();
        assert!(sent[0] == sent[1] && events == 14_000, "{under}");
    }
}

#[test]
fn conditions_on_traces_choose_the_same_in_windows() {
    let place = Place::new();
    traces_with_lines(&place);
    for (only, lines, says) in [
        ("errors", 4 * (3_500 / 50 + 3_500 / 70 - 3_500 / 350), "left out by --only"),
        ("span=call 3", 4 * 1_000, "left out by --only"),
        ("span=of 3", 4 * 1_000, "no span has this name, taken for call 3"),
        ("span=calls", 0, "nothing meets --only span=calls"),
    ] {
        let sent = [("whole", &[][..]), ("in-windows", &MEMORY)].map(|(folder, memory)| {
            let to = format!("file={folder}");
            let run = place.run(&[&TRACES[..], &["--to", &to, "--only", only], memory].concat());
            run.text(0);
            run.says(says);
            let text = place.read(&format!("{folder}/traces.jsonl"));
            assert_eq!(text.matches("spanline.link").count(), lines, "{only} {folder}");
            text
        });
        assert!(sent[0] == sent[1], "{only}");
    }
}

#[test]
fn text_is_the_same_in_windows() {
    let place = Place::new();
    traces_with_lines(&place);
    // Lines of no trace, of which one file goes back in time and one has no times.
    let many: Vec<String> = (0..LINES).map(|line| format!("{} stdout F {}\n", time(line), body(7, line))).collect();
    place.write("logs/other.log", many.concat());
    place.write("logs/back.log", many.iter().rev().take(500).map(String::as_str).collect::<String>());
    place.write("logs/timeless.log", (0..300).map(|line| body(9, line) + "\n").collect::<String>());
    for more in [
        &[][..],
        &["--where", "--all-traces"],
        &["--view", "time", "--fields", "all"],
        &["--only", "errors", "--only", "span=call 3"],
        &["--view", "time", "--only", "errors"],
    ] {
        let [whole, in_windows] =
            [&["--memory", "1GiB"], &MEMORY].map(|memory| place.run(&[&TRACES[..], memory, more].concat()));
        in_windows.says("windows of time");
        assert!(!whole.err.contains("windows of time"), "{}", whole.err);
        assert!(whole.text(0).len() > 1_000 && whole.text(0) == in_windows.text(0), "{more:?}");
    }
}

#[test]
fn of_a_trace_with_more_lines_than_there_is_room_for_the_first_are_shown() {
    const LINES: usize = 6_000;
    let place = Place::new();
    let mut lines = String::new();
    for number in 0..LINES {
        let time = format!("2026-11-23T09:{:02}:{:02}.{:03}Z", number / 600, number / 10 % 60, number % 10);
        let (text, trace) = (body(0, number), if number % 1000 == 0 { 2 } else { 1 });
        writeln!(
            lines,
            "{{\"time\":\"{time}\",\"msg\":\"{text}\",\"trace_id\":\"{trace:032x}\",\"span_id\":\"{:016x}\"}}",
            1
        )
        .unwrap();
    }
    place.write("a.log", lines);
    let run = place.run(&[&["backfill", "a.log", "--color", "never"][..], &MEMORY].concat());
    let text = run.text(1);
    let shown = text.lines().filter(|line| line.contains(" file 0 says ")).count();
    assert!((1_000..LINES).contains(&shown), "{shown}");
    run.says(&format!("{} lines not shown", LINES - shown));
    let more = format!("  … {} lines more than there was room for\n", LINES - shown);
    assert!(text.contains(&more) && text.contains("  5994 lines, 0 spans\n") && text.contains("  6 lines, 0 spans\n"));
    assert!(text.contains("says 1 ") && !text.contains("says 5999 "));
}
