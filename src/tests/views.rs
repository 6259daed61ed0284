//! What `--only` leaves and how text is laid out, through the binary.

use std::collections::{BTreeSet, HashMap};

use opentelemetry_proto::tonic::logs::v1::LogRecord;

use crate::harness::run::{Background, Place, Ran, attribute, otlp_records, testdata};
use crate::harness::sink::Script;

fn node() -> (String, String) {
    let folder = testdata("nodes/crio");
    (folder.join("logs").display().to_string(), folder.join("traces.otlp.jsonl").display().to_string())
}

fn backfill(place: &Place, other: &[&str]) -> Ran {
    let (logs, traces) = node();
    place.run(&[&["backfill", &logs, "--traces", &traces][..], other].concat())
}

type Records = Vec<(HashMap<String, String>, LogRecord)>;

/// Records written with these flags, each with the attributes of its resource, and the traces written beside.
fn written(place: &Place, other: &[&str]) -> (Records, Vec<serde_json::Value>) {
    let run = backfill(place, &[&["--to", "file=out", "--links", "links.jsonl"][..], other].concat());
    assert_eq!(run.code, Some(0), "{}", run.err);
    let records = otlp_records(&place.read("out/logs.jsonl"));
    let keys = ["k8s.pod.name", "k8s.namespace.name", "k8s.container.name", "service.name"];
    let resource = |of: &[_]| keys.iter().map(|key| ((*key).to_owned(), attribute(of, key))).collect();
    let records = records.into_iter().map(|(of, record)| (resource(&of), record)).collect();
    (records, spans(&place.json_lines("out/traces.jsonl")))
}

fn spans(requests: &[serde_json::Value]) -> Vec<serde_json::Value> {
    let list = |value: &serde_json::Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let resources = requests.iter().flat_map(|request| list(request, "resourceSpans"));
    let scopes = resources.flat_map(|resource| list(&resource, "scopeSpans"));
    scopes.flat_map(|scope| list(&scope, "spans")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uids(records: &Records) -> BTreeSet<String> {
    records.iter().map(|(_, record)| attribute(&record.attributes, "log.record.uid")).collect()
}

#[test]
fn each_condition_leaves_its_lines_and_their_traces() {
    let place = Place::new();
    let (all, all_spans) = written(&place, &[]);
    let links = place.read("links.jsonl");
    let trace_of = |span: &serde_json::Value| span["traceId"].as_str().unwrap().to_owned();
    let is_failed = |span: &&serde_json::Value| span["status"]["code"] == 2;
    let mut failing: BTreeSet<String> = all_spans.iter().filter(is_failed).map(trace_of).collect();
    let is_error = |record: &LogRecord| record.severity_number >= 17;
    failing.extend(all.iter().filter(|(_, record)| is_error(record)).map(|(_, record)| hex(&record.trace_id)));
    failing.remove("");
    assert!(!failing.is_empty());
    let some = failing.first().unwrap().clone();
    let prefix = format!("trace={}", &some[..7].to_uppercase());
    let prefix = [prefix.as_str()];
    type Check<'c> = Box<dyn Fn(&HashMap<String, String>, &LogRecord) -> bool + 'c>;
    let cases: Vec<(&[&str], Check<'_>)> = vec![
        (&["errors"], Box::new(|_, record| is_error(record) || failing.contains(&hex(&record.trace_id)))),
        (&["level=warn"], Box::new(|_, record| record.severity_number >= 13)),
        (&["pod=flaky-node-1"], Box::new(|of, _| of["k8s.pod.name"] == "flaky-node-1")),
        (&["pod=shop/flaky-node-1"], Box::new(|of, _| of["k8s.pod.name"] == "flaky-node-1")),
        (&["pod=default/flaky-node-1"], Box::new(|_, _| false)),
        (&["namespace=shop"], Box::new(|of, _| of["k8s.namespace.name"] == "shop")),
        (&["service=kubelet"], Box::new(|of, _| of["service.name"] == "kubelet")),
        (&["linked"], Box::new(|_, record| !record.trace_id.is_empty())),
        (&["grep=SyncPod (enter|exit)"], Box::new(|_, record| format!("{:?}", record.body).contains("SyncPod e"))),
        (&["grep=^containerName=main"], Box::new(|_, r| attribute(&r.attributes, "containerName") == "main")),
        (&prefix, Box::new(|_, record| hex(&record.trace_id) == some)),
        (
            &["errors", "service=kubelet", "linked"],
            Box::new(|of, record| of["service.name"] == "kubelet" && failing.contains(&hex(&record.trace_id))),
        ),
    ];
    for (conditions, check) in cases {
        let flags: Vec<&str> = conditions.iter().flat_map(|condition| ["--only", condition]).collect();
        let (left, spans) = written(&place, &flags);
        let expected: Records = all.iter().filter(|(of, record)| check(of, record)).cloned().collect();
        assert_eq!(uids(&left), uids(&expected), "{conditions:?}");
        assert!(left.len() < all.len() && place.read("links.jsonl") == links, "{conditions:?}");
        // The traces of these lines, whole; and where only traces are asked for, those without lines.
        let mut traces: BTreeSet<String> = expected.iter().map(|(_, record)| hex(&record.trace_id)).collect();
        if conditions == ["errors"] {
            traces.extend(failing.iter().cloned());
        }
        let wanted = |span: &&serde_json::Value| traces.contains(&trace_of(span));
        assert_eq!(spans.len(), all_spans.iter().filter(wanted).count(), "{conditions:?}");
        assert!(spans.iter().all(|span| wanted(&span)), "{conditions:?}");
    }
}

#[test]
fn what_only_leaves_out_is_not_recorded_as_sent() {
    let place = Place::new();
    let background = Background::start(Script::default());
    let url = background.url();
    let send = |other: &[&str]| {
        let run = backfill(&place, &[&["--to", &url, "--state", "state"][..], other].concat());
        assert_eq!(run.code, Some(0), "{}", run.err);
        run
    };
    let first = send(&["--only", "level=warn"]);
    let some: usize = background.sink.stored().values().sum();
    assert!(some > 0);
    first.says(&format!("{} records left out by --only", 503 - some));
    send(&[]).says(&format!("{some} records acknowledged in an earlier run"));
    let all: usize = background.sink.stored().values().sum();
    assert_eq!(all, 503);
}

#[test]
fn failed_spans_say_why_and_failed_traces_are_found_with_one_command() {
    let place = Place::new();
    let run = backfill(&place, &["--only", "errors", "--only", "span=syncPod"]);
    let text = run.text(0);
    assert!(text.starts_with("times in UTC\n\nsyncPod  kubelet  "), "{text}");
    let failed = text.lines().find(|line| line.starts_with("▸ syncPod")).unwrap();
    assert!(failed.contains("failed: failed to \"StartContainer\" for \"main\" with ImagePullBackOff"), "{failed}");
    assert!(text.contains(" lines, 8 spans, 1 failed\n"), "{text}");
    assert!(!text.contains("no trace"), "{text}");
    // A failed span without a line below it is shown all the same.
    let only = backfill(&place, &["--only", "errors", "--only", "span=syncPod", "--only", "grep=nothing like it"]);
    assert_eq!(only.text(0), "");
}

#[test]
fn traces_without_lines_are_shown_when_asked() {
    let place = Place::new();
    let headings = |other: &[&str]| {
        let (logs, traces) = node();
        let kubelet = format!("{logs}/kubelet.log");
        let run = place.run(&[&["backfill", &kubelet, "--traces", &traces][..], other].concat());
        run.text(0).lines().filter(|line| line.starts_with("trace ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let (usual, all) = (headings(&[]), headings(&["--all-traces"]));
    let without = all.iter().filter(|line| line.contains("  0 lines")).count();
    assert!(without > 0 && all.len() == usual.len() + without, "{} {}", all.len(), usual.len());
    assert!(usual.iter().all(|line| all.contains(line)));
    let some = all.iter().find(|line| line.contains("  0 lines")).unwrap().split(' ').nth(1).unwrap();
    assert_eq!(headings(&["--only", &format!("trace={some}")]).len(), 1);
    assert!(headings(&["--all-traces", "--only", "linked"]).len() == usual.len());
}

#[test]
fn every_row_can_be_followed_up() {
    let place = Place::new();
    let (logs, traces) = node();
    let run = backfill(&place, &["--where", "--view", "time"]);
    let rows: Vec<&str> = run.text(0).lines().filter(|line| line.contains("kubelet.log:")).collect();
    assert_eq!(rows.len(), 247);
    let row = rows.iter().find(|row| row.contains("SyncPod enter") && row.contains(" entity 0.99 → ")).unwrap();
    assert!(row.contains("  kubelet.go:2043  entity 0.99 → syncPod "), "{row}");
    let place_of_row = row.rsplit(' ').next().unwrap();
    let span = row.split(" → syncPod ").nth(1).unwrap().split(' ').next().unwrap();
    let trace = row.split("(trace ").nth(1).unwrap().split(')').next().unwrap();
    let told = place.run(&["explain", &logs, "--traces", &traces, "--at", place_of_row]);
    assert!(told.text(0).contains(&format!("  trace {trace}")), "{}", told.text(0));
    assert!(told.text(0).contains(&format!("  span {span}")), "{}", told.text(0));
    // Files of one name are told apart.
    place.write("a/x/0.log", "one\n").write("a/y/0.log", "two\n").write("a/y/1.log", "three\n");
    let run = place.run(&["backfill", "a", "--where"]);
    let places: Vec<&str> =
        run.text(0).lines().filter_map(|line| line.split("log:").next()?.rsplit(' ').next()).collect();
    assert!(["x/0.", "y/0.", "1."].iter().all(|place| places.contains(place)), "{places:?}");
}

#[test]
fn fields_are_folded_shown_or_left_out() {
    let place = Place::new();
    let line = |fields: &str| format!("I1123 09:14:51.123456    7 kubelet.go:2043] \"Sync\" {fields}\n");
    place.write("kubelet.log", [line("pod=\"a/b\" n=1"), line("pod=\"a/b\" n=2")].concat());
    let shown = |which: &str| {
        let run = place.run(&["backfill", "kubelet.log", "--zone", "UTC", "--fields", which]);
        let rows =
            run.text(0).lines().filter_map(|line| line.split_once(" kubelet ").map(|(_, row)| row.trim().to_owned()));
        rows.collect::<Vec<_>>()
    };
    assert_eq!(shown("some"), ["Sync pod=a/b n=1  kubelet.go:2043", "Sync n=2  kubelet.go:2043"]);
    assert_eq!(shown("none"), ["Sync", "Sync"]);
    let header = "process.pid=7 code.file.path=kubelet.go code.line.number=2043";
    assert_eq!(shown("all"), [format!("Sync pod=a/b n=1 {header}"), format!("Sync pod=a/b n=2 {header}")]);
}

#[test]
fn microseconds_are_shown_where_they_tell_lines_apart() {
    let place = Place::new();
    let clocks = |second: &str| {
        let line = |time: &str| format!("I1123 09:14:{time}    7 a.go:1] \"x\"\n");
        place.write("kubelet.log", [line("51.123456"), line(second)].concat());
        let run = place.run(&["backfill", "kubelet.log", "--zone", "UTC", "--year", "2026"]);
        let rows = run.text(0).lines().filter_map(|line| line.split(' ').nth(1).filter(|_| line.starts_with("2026-")));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(clocks("51.124456"), ["09:14:51.123", "09:14:51.124"]);
    assert_eq!(clocks("51.123789"), ["09:14:51.123456", "09:14:51.123789"]);
}

#[test]
fn a_record_without_a_time_goes_with_the_one_before_it_and_is_counted() {
    let place = Place::new();
    let text = "no time at first\n2026-11-23T09:00:00Z early\nof early\n2026-11-23T10:00:00Z late\n}of late\n";
    place.write("a.log", text);
    let run = place.run(&["backfill", "a.log", "--to", "file=out", "-S", "2026-11-23 09:30", "--zone", "UTC"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let bodies: Vec<String> =
        otlp_records(&place.read("out/logs.jsonl")).iter().map(|(_, record)| format!("{:?}", record.body)).collect();
    assert!(bodies.iter().any(|body| body.contains("late")) && !bodies.iter().any(|body| body.contains("early")));
    run.says("without a time, taken or left out as the one before");
}
