//! What is written on this machine: never over what is read, never half, and one that fails does not take the others along.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::harness::run::{ClosedPort, Place, Ran, gzip, ran, signal, testdata};

const LINE: &str = "2026-11-23T09:14:51.1Z stdout F fine\n";
const LINKS_ROW: &str = r#"{"file":"a.log","line":1,"lines":1,"offset":0,"trace_id":null,"span_id":null,"method":null,"confidence":null,"relation":null,"verified":null}"#;

/// Logs and traces of a node, as relative paths, and what they hold.
fn node(place: &Place) -> (&'static str, String) {
    let traces = fs::read_to_string(testdata("nodes/crio/traces.otlp.jsonl")).unwrap();
    place.write("node/kubelet.log", LINE.repeat(3)).write("traces.jsonl", &traces);
    ("traces.jsonl", traces)
}

/// Names of files that are no longer needed.
fn leftovers(place: &Place, folder: &str) -> Vec<String> {
    let names = fs::read_dir(place.path(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".tmp")).collect()
}

fn with_output(place: &Place, arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Ran {
    let mut command = place.command(arguments);
    ran(command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).output().unwrap())
}

#[test]
fn an_output_that_is_read_is_refused_before_anything_is_written() {
    let place = Place::new();
    let (traces, trace_text) = node(&place);
    place.write("sites.txt", "pod * out\n").write("ca.pem", "none\n").write("real/logs.jsonl", "a line\n");
    place.link("node/kubelet.log", "alias").write("node/pods/x.log", LINE);
    fs::hard_link(place.path("node/kubelet.log"), place.path("hard")).unwrap();
    let cases: [&[&str]; 13] = [
        &["node", "--links", "node/kubelet.log"],
        &["node", "--links", "node/kubelet.log", "--dry-run"],
        &["node/kubelet.log", "--links", "alias"],
        &["node", "--links", "hard"],
        &["node", "--links", "node/../node/./pods/x.log"],
        &["node", "--traces", traces, "--links", traces],
        &["node", "--traces", traces, "--to", "file=."],
        &["node", "--traces", traces, "--to", "file=.", "--dry-run"],
        &["real", "--to", "file=real"],
        &["node", "--call-sites", "sites.txt", "--links", "sites.txt"],
        &["node", "--ca-file", "ca.pem", "--links", "ca.pem"],
        &["node", "--links", "out/logs.jsonl", "--to", "file=./out"],
        &["node", "--to", "file=out", "--to", "file=node/../out"],
    ];
    let before = |name: &str| (place.read(name), fs::metadata(place.path(name)).unwrap().modified().unwrap());
    let names = ["node/kubelet.log", "node/pods/x.log", traces, "sites.txt", "ca.pem", "real/logs.jsonl"];
    let kept = names.map(before);
    for case in cases {
        let run = place.run(&[&["backfill"], case, &["--state", "state"]].concat());
        assert_eq!(run.code, Some(2), "{case:?}: {}", run.err);
        run.says("Nothing was written");
        assert!(run.out.is_empty() && !place.path("out").exists() && !place.path("state").exists(), "{case:?}");
    }
    assert_eq!(names.map(before), kept);
    assert_eq!(place.read(traces), trace_text);
}

#[test]
fn the_shells_redirections_are_outputs_too() {
    let place = Place::new();
    let (traces, _) = node(&place);
    let append = |name: &str| OpenOptions::new().append(true).open(place.path(name)).unwrap();
    place.write("a.log", LINE).write("z.log", LINE);
    let commands: [&[&str]; 5] = [
        &["convert", "a.log", "z.log"],
        &["backfill", "a.log", "z.log"],
        &["backfill", ".", "--dry-run"],
        &["explain", "a.log", "z.log", "--traces", traces, "--at", "a.log:1"],
        &["convert", "--to", "text", "z.log"],
    ];
    for command in commands {
        let run = with_output(&place, command, append("z.log").into(), Stdio::piped());
        assert_eq!(run.code, Some(2), "{command:?}: {}", run.err);
        run.says("standard output goes to is also read");
        let run = with_output(&place, command, Stdio::piped(), append("z.log").into());
        assert_eq!(run.code, Some(2), "{command:?}");
        assert!(fs::metadata(place.path("z.log")).unwrap().len() < 2000, "what it says is all that is added");
        place.write("z.log", LINE);
    }
    // Read from standard input, and written to the same file.
    let input = File::open(place.path("z.log")).unwrap();
    let mut command = place.command(&["convert"]);
    let run = ran(command.stdin(input).stdout(append("z.log")).stderr(Stdio::piped()).output().unwrap());
    assert_eq!(run.code, Some(2), "{}", run.err);
    // Another file, a pipe and /dev/null are fine, and both streams in one file too.
    let other = File::create(place.path("other.txt")).unwrap();
    let run = with_output(&place, &["backfill", "a.log"], other.try_clone().unwrap().into(), other.into());
    assert_eq!(run.code, Some(0));
    assert!(place.read("other.txt").contains("fine"));
    place.run(&["backfill", "a.log", "--links", "/dev/null", "--to", "file=out"]).text(0);
}

#[test]
fn outputs_of_an_earlier_run_in_the_tree_are_no_inputs_and_are_replaced() {
    let place = Place::new();
    let (traces, _) = node(&place);
    let arguments =
        ["backfill", "node", "--traces", traces, "--links", "node/links", "--to", "file=node", "--state", "node/state"];
    for run in 0..3 {
        place.run(&arguments).text(0);
        let rows: Vec<String> = place.json_lines("node/links").iter().map(|row| row["file"].to_string()).collect();
        assert_eq!(rows, vec!["\"node/kubelet.log\""; 3], "run {run}");
        assert!(leftovers(&place, "node").is_empty());
    }
    // With the folder of the state as the logs' own.
    place.run(&["backfill", "node", "--dry-run", "--links", "links", "--state", "node"]).text(0);
    assert_eq!(place.json_lines("links").len(), 3);
}

#[test]
fn an_older_output_stays_until_the_new_one_is_whole() {
    let place = Place::new();
    place.write("a.log", LINE.repeat(200_000)).write("b.log", LINE);
    place.run(&["backfill", "b.log", "--links", "links", "--to", "file=out"]).text(0);
    let names = ["links", "out/logs.jsonl"];
    fs::set_permissions(place.path("links"), fs::Permissions::from_mode(0o640)).unwrap();
    let older = names.map(|name| place.read(name));
    // Stopped while a destination is awaited: by one signal in order, by two at once.
    let closed = ClosedPort::new();
    let to = format!("otlp=http://{}", closed.address());
    let arguments = ["backfill", "a.log", "--links", "links", "--to", "file=out", "--to", &to];
    for signals in [1, 2] {
        let child = place.spawn(&arguments);
        while leftovers(&place, ".").is_empty() || leftovers(&place, "out").is_empty() {
            std::thread::yield_now();
        }
        for _ in 0..signals {
            signal(&child, "INT");
        }
        let run = ran(child.wait_with_output().unwrap());
        assert_eq!(run.code, Some(130), "{}", run.err);
        if signals == 1 && run.err.contains("read  ") {
            run.says("--links links").says("out/logs.jsonl");
        }
        assert_eq!(names.map(|name| place.read(name)), older);
        assert!(leftovers(&place, ".").is_empty() && leftovers(&place, "out").is_empty());
    }
    // A run that fails before its end: the state can't be used.
    place.write("state/backfill.json", "{\"version\":99,\"checksum\":\"\",\"destinations\":{}}");
    place.run(&[&arguments[..6], &["--state", "state"]].concat()).text(1);
    assert_eq!(names.map(|name| place.read(name)), older);
    // One that ends replaces them, with the mode that they had.
    place.run(&["backfill", "b.log", "b.log", "--links", "links"]).text(0);
    assert_eq!(fs::metadata(place.path("links")).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_one_output_and_the_others_go_on() {
    let place = Place::new();
    place.write("a.log", LINE.repeat(20_000)).link("/dev/full", "full/logs.jsonl");
    let run = place.run(&["backfill", "a.log", "--links", "/dev/full", "--to", "file=out", "--to", "file=full"]);
    run.text(1);
    run.says("read      1 file").says("failed    --links /dev/full: No space left on device").says("20000 rows");
    run.says("failed    full/logs.jsonl: No space left");
    let records = crate::harness::run::otlp_records(&place.read("out/logs.jsonl")).len();
    assert_eq!(records, 20_000);
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = with_output(&place, &["backfill", "a.log", "--links", "links"], full().into(), Stdio::piped());
    run.text(1);
    run.says("standard output: No space left").says("linked    0 of 20000");
    assert_eq!(place.json_lines("links").len(), 20_000);
    let run = with_output(&place, &["convert", "a.log"], full().into(), Stdio::piped());
    run.text(1);
    run.says("standard output: No space left on device");
}

/// A limit on the size of files, as a full disk is: the older one stays.
#[test]
#[cfg(target_os = "linux")]
fn a_file_that_cannot_be_finished_leaves_the_older_one_and_frees_its_room() {
    let place = Place::new();
    place.write("a.log", LINE.repeat(20_000)).write("b.log", LINE);
    place.run(&["backfill", "b.log", "--links", "links"]).text(0);
    let older = place.read("links");
    // In blocks of 512 bytes (dash) or 1024 (bash): far below what the links take, above what the logs take.
    let binary = env!("CARGO_BIN_EXE_spanline");
    let script = format!("trap '' XFSZ; ulimit -f 1000; exec {binary} backfill a.log --links links --to text");
    let mut shell = std::process::Command::new("sh");
    let run = ran(shell.args(["-c", &script]).current_dir(place.path(".")).env("TZ", "UTC").output().unwrap());
    assert_eq!(run.code, Some(1), "{}", run.err);
    run.says("failed    --links links: File too large").says("20000 rows were not written");
    assert_eq!(place.read("links"), older);
    assert!(leftovers(&place, ".").is_empty());
    assert!(run.out.len() > 1 << 19, "the text went on: {}", run.out.len());
}

#[test]
fn traces_without_a_span_end_the_run_before_anything_is_sent() {
    let place = Place::new();
    let (good, _) = node(&place);
    let sink = crate::harness::run::Background::start(crate::harness::sink::Script::default());
    let jaeger = r#"{"data":[{"traceID":"1","spans":[],"processes":{}}],"operationName":""}"#;
    place.write("log.jsonl", LINE).write("empty", "").write("words", "just words\n");
    place.write("logs.jsonl", "{\"resourceLogs\":[]}\n").write("metrics.jsonl", "{\"resourceMetrics\":[]}\n");
    place.write("none.jsonl", "{\"resourceSpans\":[]}\n").write("jaeger.json", jaeger);
    place.write("links.jsonl", format!("{LINKS_ROW}\n")).write("db", b"SQLite format 3\0rest\0");
    place.write("packed.gz", gzip(LINE.as_bytes())).write("other.json", "{\"a\":1}\n");
    let url = sink.url();
    for (name, words) in [
        ("missing.jsonl", "missing.jsonl: No such file"),
        ("log.jsonl", "log.jsonl is a plain log"),
        ("packed.gz", "packed.gz is a plain log"),
        ("empty", "empty is empty"),
        ("words", "words is plain text"),
        ("logs.jsonl", "logs.jsonl is OTLP/JSON logs, no traces"),
        ("metrics.jsonl", "metrics.jsonl is OTLP/JSON metrics"),
        ("none.jsonl", "none.jsonl holds no span"),
        ("jaeger.json", "jaeger.json is Jaeger JSON: no span was found in it"),
        ("links.jsonl", "links.jsonl is a links file of spanline"),
        ("db", "db is an SQLite database"),
        ("other.json", "other.json is JSON of a kind that is not known"),
    ] {
        // A good one beside it does not make it right.
        let arguments = ["backfill", "node", "--traces", good, "--traces", name, "--to", &url, "--links", "links"];
        let run = place.run(&[&arguments[..], &["--state", "state"]].concat());
        run.text(1);
        run.says(words).says("Nothing was sent or written").says("--allow-no-traces");
        assert!(!place.path("links").exists() && !place.path("state/backfill.json").exists(), "{name}");
    }
    assert_eq!(sink.sink.requests(), 0);
    place.run(&["explain", "node", "--traces", "log.jsonl", "--at", "kubelet.log:1"]).says("is a plain log").text(1);
    // Wanted so: it is said, and the lines are sent. What can't be read is a failure all the same.
    let allowed = ["backfill", "node", "--allow-no-traces", "--to", &url, "--traces"];
    place.run(&[&allowed[..], &["empty"]].concat()).says("empty is empty").text(0);
    place.run(&[&allowed[..], &["missing.jsonl"]].concat()).says("missing.jsonl: No such file").text(1);
    assert_eq!(sink.sink.stored().values().sum::<usize>(), 6);
}
