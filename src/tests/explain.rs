//! The story of a line and of a trace, and what score says of links, through the binary.

use std::path::Path;

use crate::harness::run::Place;

fn node(name: &str) -> (String, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/labelled").join(name);
    let path = |part: &str| folder.join(part).display().to_string();
    (path("logs"), path("traces.otlp.jsonl.zst"))
}

/// Rows of the links file of this node.
fn links(place: &Place, logs: &str, traces: &str) -> Vec<serde_json::Value> {
    place.run(&["backfill", logs, "--traces", traces, "--dry-run", "--links", "links.jsonl"]).text(0);
    place.json_lines("links.jsonl")
}

#[test]
fn a_line_and_a_trace_are_explained_as_they_are_linked() {
    let place = Place::new();
    let (logs, traces) = node("crio");
    let rows = links(&place, &logs, &traces);
    let inferred = rows.iter().find(|row| row["method"] == "inferred").unwrap();
    let (file, line) = (inferred["file"].as_str().unwrap(), &inferred["line"]);
    // By its end, where that is enough.
    let parts: Vec<&str> = file.rsplitn(5, '/').take(4).collect();
    let short = parts.into_iter().rev().collect::<Vec<_>>().join("/");
    let (trace_id, span_id) = (inferred["trace_id"].as_str().unwrap(), inferred["span_id"].as_str().unwrap());
    let at = format!("{short}:{line}");
    let run = place.run(&["explain", &logs, "--traces", &traces, "--at", &at]);
    let told = run.text(0);
    assert!(
        told.contains(&format!("linked  inferred, confidence {:.4}", inferred["confidence"].as_f64().unwrap())),
        "{told}"
    );
    assert!(told.contains(&format!("  trace {trace_id}  span {span_id}")), "{told}");
    let chosen = told.lines().skip_while(|line| !line.starts_with("* ")).nth(1).unwrap();
    assert!(chosen.contains(span_id), "{told}");
    assert!(told.contains("lines of its kind"), "{told}");

    let run = place.run(&["explain", &logs, "--traces", &traces, "--trace", trace_id]);
    let told = run.text(0);
    let count = rows.iter().filter(|row| row["trace_id"] == trace_id).count();
    assert!(told.lines().next().unwrap().ends_with(&format!(" {count} lines")), "{told}");
    assert!(told.contains(&format!("{file}:{line}")), "{told}");
}

#[test]
fn links_are_the_same_run_after_run_and_whatever_becomes_of_the_lines() {
    for name in ["crio", "containerd"] {
        let (place, (logs, traces)) = (Place::new(), node(name));
        let window = ["--min-confidence", "0.5", "--since", "2020-01-01T00:00:00Z"];
        let run = |other: &[&str]| {
            let args = ["backfill", &logs, "--traces", &traces, "--links", "links.jsonl"];
            let run = place.run(&[&args[..], &window, other].concat());
            run.text(0);
            let counts = run.err.lines().filter(|line| line.contains("linked")).map(str::to_owned);
            let counts: Vec<String> = counts.collect();
            (place.read("links.jsonl"), counts)
        };
        let again = run(&["--to", "file=out"]);
        assert!(!again.0.is_empty() && !again.1.is_empty());
        assert_eq!(run(&["--dry-run"]), again, "{name}");
    }
}

#[test]
fn why_a_line_has_no_link_is_said() {
    let place = Place::new();
    let (logs, traces) = node("crio");
    let rows = links(&place, &logs, &traces);
    let unlinked = rows.iter().find(|row| row["trace_id"].is_null() && row["file"].to_string().contains("kubelet"));
    let at = format!("kubelet.log.gz:{}", unlinked.unwrap()["line"]);
    let run = place.run(&["explain", &logs, "--traces", &traces, "--at", &at]);
    let told = run.text(0);
    assert!(told.contains("\nnot linked  "), "{told}");
    // Below a higher threshold.
    let linked = rows.iter().find(|row| row["method"] == "entity").unwrap();
    let at = format!("{}:{}", linked["file"].as_str().unwrap(), linked["line"]);
    let arguments = ["explain", &logs, "--traces", &traces, "--at", &at, "--min-confidence", "0.99999"];
    let run = place.run(&arguments);
    let told = run.text(0);
    assert!(told.contains("not linked  below_threshold"), "{told}");
}

#[test]
fn a_users_call_sites_come_first() {
    let place = Place::new();
    let (logs, traces) = node("crio");
    let entities = |rows: &[serde_json::Value]| rows.iter().filter(|row| row["method"] == "entity").count();
    assert!(entities(&links(&place, &logs, &traces)) > 10);
    let run = |rows: &str| {
        place.write("sites", rows);
        let arguments =
            ["backfill", &logs, "--traces", &traces, "--dry-run", "--links", "own.jsonl", "--call-sites", "sites"];
        place.run(&arguments)
    };
    run("# none\nkubelet * out\n").text(0);
    let rows = place.json_lines("own.jsonl");
    assert_eq!(entities(&rows), 0);
    let of_kubelet = |row: &&serde_json::Value| row["file"].to_string().contains("kubelet");
    assert!(rows.iter().filter(of_kubelet).all(|row| row["method"] != "inferred"));
    run("kubelet * async\n").text(0);
    let rows = place.json_lines("own.jsonl");
    assert!(entities(&rows) > 10 && rows.iter().all(|row| row["method"] != "entity" || row["relation"] == "about"));
    let failed = run("\nkubelet kubelet.go inside\n");
    assert_eq!(failed.code, Some(2));
    failed.says("sites: line 2: no place \"inside\"");
}

#[test]
fn what_is_not_there_is_said_with_1() {
    let place = Place::new();
    let (logs, traces) = node("boutique");
    let unknown = "00000000000000000000000000000001";
    for (arguments, words) in [
        (["--at", "nowhere.log:1"], "no log file nowhere.log"),
        (["--at", "0.log.gz:1"], "may be any of"),
        (["--trace", unknown], "is not among the traces"),
    ] {
        let run = place.run(&["explain", &logs, "--traces", &traces, arguments[0], arguments[1]]);
        assert_eq!(run.code, Some(1), "{arguments:?}");
        run.says(words);
    }
    let some = std::fs::read_dir(Path::new(&logs).join("pods")).unwrap().next().unwrap().unwrap();
    let at = format!("{}/server/0.log.gz:999999", some.file_name().display());
    place.run(&["explain", &logs, "--traces", &traces, "--at", &at]).says("has no line 999999");
}

#[test]
fn score_compares_and_ends_with_its_thresholds() {
    let place = Place::new();
    let (logs, traces) = node("seed");
    links(&place, &logs, &traces);
    let truth = Path::new(&logs).parent().unwrap().join("truth.jsonl.gz").display().to_string();
    let run = place.run(&["score", &truth, "links.jsonl", "--min-precision", "0.9"]);
    let text = run.text(0);
    assert!(text.contains("\ncrio ") && text.contains("crio/request"), "{text}");
    let run = place.run(&["score", &truth, "links.jsonl", "--json", "--min-recall", "1"]);
    assert_eq!(run.code, Some(1));
    run.says("trace recall");
    let json: serde_json::Value = serde_json::from_slice(&run.out).unwrap();
    assert_eq!(json["not_in_links"], 0);
    assert_eq!(
        json["total"]["labelled"].as_u64(),
        json["total"]["missed"].as_u64().map(|missed| {
            missed + json["total"]["right_trace"].as_u64().unwrap() + json["total"]["wrong"].as_u64().unwrap()
        })
    );
}

#[test]
fn lines_about_a_span_are_linked_but_not_put_on_it() {
    let place = Place::new();
    let (logs, traces) = node("crio");
    let run = place.run(&["backfill", &logs, "--traces", &traces, "--to", "file=out", "--links", "links.jsonl"]);
    run.text(0);
    let rows = place.json_lines("links.jsonl");
    let count = |relation: &str| rows.iter().filter(|row| row["relation"] == relation).count();
    assert!(count("about") > 0, "the sample has lines that are about a pod's span");
    let written = place.read("out/traces.jsonl");
    assert_eq!(written.matches(r#""key":"spanline.link""#).count(), count("within"));
    assert!(!written.contains(" about\"}"));
}

/// Lines told as JSON, of the small node.
fn told(place: &Place, other: &[&str]) -> Vec<serde_json::Value> {
    let folder = crate::harness::run::testdata("nodes/crio");
    let (logs, traces) =
        (folder.join("logs").display().to_string(), folder.join("traces.otlp.jsonl").display().to_string());
    place.run(&[&["explain", &logs, "--traces", &traces, "--json"][..], other].concat()).json(0)
}

#[test]
fn the_summary_counts_what_explain_tells_of_each_line() {
    let place = Place::new();
    let folder = crate::harness::run::testdata("nodes/crio");
    let (logs, traces) =
        (folder.join("logs").display().to_string(), folder.join("traces.otlp.jsonl").display().to_string());
    let lines = told(&place, &["--only", "grep=^"]);
    assert_eq!(lines.len(), 503);
    let mut reasons: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    for line in lines.iter().filter(|line| line["outcome"] == "not_linked") {
        *reasons.entry(line["reason"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for name in ["outside_requests", "no_time", "no_span_near", "no_span", "below_threshold"] {
        assert!(reasons.contains_key(name), "{reasons:?}");
    }
    for way in [&["--dry-run"][..], &["--to", "file=out"]] {
        let run = place.run(&[&["backfill", &logs, "--traces", &traces][..], way].concat());
        run.text(0);
        let row = |line: &str| {
            let (count, rest) = line.strip_prefix("unlinked  ")?.split_once(' ')?;
            Some((rest.split_once(':')?.0.to_owned(), count.parse().unwrap()))
        };
        assert_eq!(run.err.lines().filter_map(row).collect::<std::collections::BTreeMap<_, _>>(), reasons, "{way:?}");
    }
}

#[test]
fn evidence_is_named_by_key_and_word() {
    let place = Place::new();
    let lines = told(&place, &["--only", "linked"]);
    let whats = |method: &str| -> Vec<String> {
        let of_method = lines.iter().filter(|line| line["link"]["method"] == method);
        let chosen = of_method.filter_map(|line| {
            let candidates = line["candidates"].as_array().unwrap();
            candidates.iter().find(|candidate| candidate["chosen"] == true).cloned()
        });
        let evidence = chosen.flat_map(|candidate| candidate["evidence"].as_array().unwrap().clone());
        evidence.filter_map(|factor| factor["what"].as_str().map(str::to_owned)).collect()
    };
    assert!(whats("event").iter().any(|what| what.starts_with("id=")), "{:?}", whats("event"));
    let entity = whats("entity");
    assert!(entity.iter().any(|what| what == "pod=shop/flaky-node-1"), "{entity:?}");
    let inferred = whats("inferred");
    assert!(inferred.iter().any(|what| what.contains(" (an attribute of ")), "{inferred:?}");
    let one = &lines[0];
    for key in ["file", "line", "time", "severity_number", "body", "fields", "outcome", "link", "candidates", "kind"] {
        assert!(one.get(key).is_some(), "{key} is not in {one}");
    }
    let place_of = format!("{}:{}", one["file"].as_str().unwrap(), one["line"]);
    assert_eq!(&told(&place, &["--at", &place_of])[..], std::slice::from_ref(one));
}

#[test]
fn only_narrows_what_is_explained() {
    let place = Place::new();
    let all = told(&place, &["--only", "linked"]);
    let trace = all[0]["link"]["trace_id"].as_str().unwrap();
    let of_trace = all.iter().filter(|line| line["link"]["trace_id"] == trace).count();
    let prefix = format!("trace={}", &trace[..9]);
    assert_eq!(told(&place, &["--only", &prefix]).len(), of_trace);
    let some = told(&place, &["--trace", trace, "--only", "grep=Response"]);
    assert!(!some.is_empty() && some.len() < of_trace);
    let folder = crate::harness::run::testdata("nodes/crio");
    let (logs, traces) =
        (folder.join("logs").display().to_string(), folder.join("traces.otlp.jsonl").display().to_string());
    let run = place.run(&["explain", &logs, "--traces", &traces, "--only", "errors"]);
    let text = run.text(0);
    assert!(text.contains("\nno trace  2 lines, times in UTC\n") && text.contains("  outside_requests: "), "{text}");
    let run = place.run(&["explain", &logs, "--traces", &traces, "--only", "grep=there is no such text"]);
    run.says("no line meets --only").text(1);
}
