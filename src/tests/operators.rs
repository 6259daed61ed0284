//! What an operator meets: names, filters, reasons and trees as people have them, through the binary.

use std::collections::BTreeSet;

use crate::harness::run::{Place, attribute, otlp_records, testdata};

fn node(part: &str) -> String {
    testdata("nodes/crio").join(part).display().to_string()
}

fn logs() -> String {
    node("logs")
}

fn traces() -> String {
    node("traces.otlp.jsonl")
}

const FLAKY: &str = "logs/pods/shop_flaky-node-1_2fda69975800ea0638248138b0ead8e7/app/0.log";

/// `service.name` and `k8s.pod.name` of all records written.
fn written(place: &Place) -> BTreeSet<(String, String)> {
    let records = otlp_records(&place.read("out/logs.jsonl"));
    records.iter().map(|(of, _)| (attribute(of, "service.name"), attribute(of, "k8s.pod.name"))).collect()
}

fn pair(service: &str, pod: &str) -> BTreeSet<(String, String)> {
    BTreeSet::from([(service.to_owned(), pod.to_owned())])
}

#[test]
fn a_pods_lines_go_by_the_service_of_its_spans() {
    let place = Place::new();
    let ends = ["--traces", &traces(), "--to", "file=out"];
    place.run(&[&["backfill", &logs(), "--only", "service=flaky"][..], &ends].concat()).text(0);
    assert_eq!(written(&place), pair("flaky", "flaky-node-1"));
    place.run(&[&["backfill", "--service", "mine", &node(FLAKY)][..], &ends].concat()).text(0);
    assert_eq!(written(&place), pair("mine", "flaky-node-1"));
    // Where only the lines name the pod.
    let text: String = std::fs::read_to_string(node(FLAKY)).unwrap();
    let lines = text.lines().map(|line| format!("[pod/flaky-node-1/app] {}\n", line.splitn(4, ' ').nth(3).unwrap()));
    place.write("prefixed.txt", lines.collect::<String>());
    place.run(&[&["backfill", "prefixed.txt"][..], &ends].concat()).text(0);
    assert_eq!(written(&place), pair("flaky", "flaky-node-1"));
    // A file that is called like one of the pods is that pod's.
    place.write("flaky-node-1.log", &text);
    place.run(&[&["backfill", "flaky-node-1.log"][..], &ends].concat()).says("linked    ").text(0);
    assert_eq!(written(&place), pair("flaky", "flaky-node-1"));
}

#[test]
fn what_was_sent_without_traces_is_known_with_them() {
    let place = Place::new();
    let background = crate::harness::run::Background::start(Default::default());
    let url = background.url();
    let send = |more: &[&str]| {
        let run = place.run(&[&["backfill", &logs(), "--to", &url, "--state", "state"][..], more].concat());
        assert_eq!(run.code, Some(0), "{}", run.err);
        run
    };
    send(&[]);
    send(&["--traces", &traces()]).says("503 records acknowledged in an earlier run");
}

#[test]
fn a_span_that_is_read_twice_is_written_once() {
    let place = Place::new();
    let spans = |place: &Place| place.read("out/traces.jsonl").matches("\"spanId\":\"").count();
    place.run(&["backfill", &logs(), "--traces", &traces(), "--to", "file=out"]).text(0);
    let once = spans(&place);
    let text = std::fs::read(traces()).unwrap();
    place.write("t/one.jsonl", &text).write("t/two.jsonl", &text);
    let run = place.run(&["backfill", &logs(), "--traces", "t", "--to", "file=out"]);
    run.says(" read more than once, written and sent once").text(0);
    assert_eq!(spans(&place), once);
}

#[test]
fn filters_that_leave_nothing_say_which_and_what_there_is() {
    let place = Place::new();
    let run = |conditions: &[&str]| {
        let flags: Vec<&str> = conditions.iter().flat_map(|condition| ["--only", condition]).collect();
        place.run(&[&["backfill", &logs(), "--traces", &traces()][..], &flags].concat())
    };
    for (condition, words) in [
        ("service=flakey", "nothing meets --only service=flakey; perhaps flaky"),
        ("namespace=shopp", "nothing meets --only namespace=shopp; perhaps shop"),
        ("pod=flaky", "perhaps shop/flaky-node-1; lines of other programs about a pod are found by --only grep=flaky"),
        ("span=syncPods", "nothing meets --only span=syncPods; perhaps syncPod"),
        ("trace=0123456789abcdef", "no line is linked to such a trace"),
        ("grep=there is no such text", "nothing meets --only grep=there is no such text"),
    ] {
        let ran = run(&[condition]);
        assert_eq!(ran.text(0), "", "{condition}");
        ran.says(words);
    }
    run(&["service=kubelet", "pod=flaky-node-1"]).says("together, though each alone leaves some");
    // The last part of a name, in any case, is enough.
    let ran = run(&["span=runpodsandbox"]);
    assert!(ran.text(0).contains("RunPodSandbox"), "{}", ran.err);
    ran.says("--only span=runpodsandbox: no span has this name, taken for /runtime.v1.RuntimeService/RunPodSandbox");
    let ran = place.run(&["backfill", &logs(), "--traces", &traces(), "--since", "2031-01-01"]);
    ran.says("no record lies between them: the records are from 2026-11-23T").text(0);
    let ran = place.run(&["explain", &logs(), "--traces", &traces(), "--only", "service=flakey"]);
    ran.says("no line meets --only: nothing meets --only service=flakey; perhaps flaky").text(1);
}

#[test]
fn why_nothing_links_is_said_where_it_happens() {
    let place = Place::new();
    let text = std::fs::read(node(FLAKY)).unwrap();
    let piped = place.pipe(&["backfill", "-", "--traces", &traces()], &text);
    piped.says("writer_not_known: ").says("give --pod NS/POD or --service NAME before the path").text(0);
    place.write("unheard-of.log", &text);
    place.run(&["backfill", "unheard-of.log", "--traces", &traces()]).says("writer_not_known").text(0);
    let said = place.run(&["backfill", "--service", "other", "unheard-of.log", "--traces", &traces()]);
    said.says("no_spans_of_writer: its writer has no recorded spans").text(0);
    place.run(&["backfill", "unheard-of.log"]).says("no_traces: ").says("(give --traces)").text(0);
    let told = ["explain", "-", "--traces", &traces(), "--at", "-:3"];
    assert!(place.pipe(&told, &text).text(0).contains("give --pod NS/POD or --service NAME before the path"));
}

#[test]
fn of_a_sosreport_and_a_must_gather_the_logs_are_read() {
    let place = Place::new();
    let line = "2026-11-23T09:14:51Z something\n";
    let sos = ["etc/passwd", "proc/meminfo", "uname", "sos_commands/crio/crictl_ps_-a"];
    let logs = ["var/log/messages", "sos_commands/logs/journalctl_--no-pager_--boot", "var/log/pods/a_b_0f/c/0.log"];
    for name in sos.iter().chain(&logs) {
        place.write(&format!("a/node-1/{name}"), line);
    }
    let run = place.run(&["backfill", "a", "--links", "links"]);
    run.says("4 files: no log by its place in a sosreport").says("3 files in 3 sources").text(0);
    // What is named within it is read.
    place.run(&["backfill", "a/node-1/etc", "--links", "links"]).says("1 file in 1 source").text(0);
    place.run(&["backfill", "a/node-1/proc/meminfo", "--links", "links"]).says("1 file in 1 source").text(0);
    let no_logs = ["timestamp", "quay/version", "quay/monitoring/prometheus/rules.json"];
    let logs = ["quay/host_service_logs/masters/kubelet_service.log", "quay/namespaces/a/pods/b/c/c/logs/current.log"];
    for name in no_logs.iter().chain(&logs) {
        place.write(&format!("m/must-gather.local.1/{name}"), line);
    }
    let run = place.run(&["backfill", "m", "--links", "links"]);
    run.says("3 files: no log by its place in a must-gather").says("2 files in 2 sources").text(0);
}

#[test]
fn a_zip_is_not_read_and_that_is_said() {
    Place::new().write("a.zip", b"PK\x03\x04").run(&["backfill", "a.zip"]).says("unzip it and give the folder").text(1);
}

#[test]
fn traces_that_are_none_are_told_in_one_message() {
    let place = Place::new();
    place.write("a.log", "2026-11-23T09:14:51Z a\n2026-11-23T09:14:52Z b\n");
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all("logs", node("logs")).unwrap();
    place.write("a.tar", archive.into_inner().unwrap());
    place.write("wrapped.json", r#"{"response":{"resourceSpans":[{"scopeSpans":[]}]}}"#);
    for (file, words) in [
        ("wrapped.json", "wrapped.json is JSON of a kind that is not known"),
        ("a.log", "a.log is a plain log, no traces: give it as a path, without --traces"),
        ("a.tar", "a.tar is an archive: unpack it, and give the folder of its traces"),
    ] {
        let run = place.run(&["backfill", "a.log", "--traces", file]);
        run.says(words).text(1);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    }
}

#[test]
fn a_pattern_for_no_file_is_said() {
    let place = Place::new();
    place.write("a.log", "one\n");
    let pattern = ["--for", "web*.log", "--service", "web", "a.log"];
    place.run(&[&["backfill"][..], &pattern].concat()).says("--for web*.log: no file has such a name").text(0);
    place.run(&[&["convert"][..], &pattern].concat()).says("--for web*.log: no file has such a name").text(0);
}

#[test]
fn explain_spells_fields_as_convert_does() {
    let place = Place::new();
    place.write("kubelet.log", "E1123 09:14:51.123456    7 kubelet.go:2043] \"No\" err=\"a \\\"b\\\"\" n=1.10 m=7\n");
    let zone = ["--zone", "UTC", "--year", "2026"];
    let converted = &place.run(&[&["convert", "kubelet.log"][..], &zone].concat()).json(0)[0];
    let explain = ["explain", "kubelet.log", "--traces", &traces(), "--at", "kubelet.log:1", "--json"];
    let told = &place.run(&[&explain[..], &zone].concat()).json(0)[0];
    assert_eq!(told["fields"], converted["attributes"]);
    assert_eq!(told["fields"]["err"], "a \"b\"");
}

#[test]
fn lines_without_a_time_follow_the_one_before_them() {
    let place = Place::new();
    place.write("a.log", "2026-11-23T09:00:00Z one\nno time\n2026-11-23T10:00:00Z three\n");
    place.write("b.log", "2026-11-23T09:30:00Z two\n");
    let run = place.run(&["backfill", "a.log", "b.log", "--view", "time", "--zone", "UTC"]);
    let text = run.text(0);
    let place_of = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word} is not in {text}"));
    let places = ["one", "no time", "two", "three"].map(place_of);
    assert!(places.is_sorted(), "{text}");
}
