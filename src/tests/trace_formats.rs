//! Traces in every form that people hold: each links the same lines to the same spans.

use std::collections::BTreeMap;
use std::path::Path;

use crate::harness::run::{Place, Ran, testdata};

const ENDS: [&str; 4] = ["--to", "file=out", "--links", "links"];

/// The samples of `testdata/traces`, and what each is called.
const FORMS: [(&str, &str); 7] = [
    ("jaeger-ui.json", "Jaeger JSON"),
    ("jaeger-api.json", "Jaeger JSON"),
    ("jaeger-v3.json", "Jaeger JSON (api_v3)"),
    ("tempo.json", "Tempo JSON"),
    ("tempo-v2.json", "Tempo JSON"),
    ("otlp-list.json", "a JSON list of OTLP requests"),
    ("zipkin.json", "Zipkin JSON"),
];

fn sample(name: &str) -> Vec<u8> {
    use std::io::Read;
    let file = std::fs::File::open(testdata(&format!("traces/{name}.gz"))).unwrap();
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut text).unwrap();
    text
}

fn run(place: &Place, traces: &[&str]) -> Ran {
    let logs = testdata("nodes/containerd/logs");
    let mut arguments = vec!["backfill", logs.to_str().unwrap()];
    traces.iter().for_each(|traces| arguments.extend(["--traces", traces]));
    arguments.extend(ENDS);
    place.run(&arguments)
}

/// Place of a line → the span it is linked to.
fn links(place: &Place) -> BTreeMap<(String, u64), String> {
    let rows = place.json_lines("links").into_iter();
    let linked = rows.filter(|row| row["method"].is_string());
    let key = |row: &serde_json::Value| {
        let file = Path::new(row["file"].as_str().unwrap()).file_name().unwrap().to_string_lossy().into_owned();
        (file, row["line"].as_u64().unwrap())
    };
    linked.map(|row| (key(&row), row["span_id"].as_str().unwrap_or_default().to_owned())).collect()
}

/// Spans that were given out again, and the events that are spanline's.
fn given_out(place: &Place) -> (usize, usize) {
    let text = place.read("out/traces.jsonl");
    (text.matches("\"traceId\"").count(), text.matches("\"spanline.link").count())
}

#[test]
fn every_form_of_traces_links_the_same_lines_to_the_same_spans() {
    let place = Place::new();
    let otlp = testdata("nodes/containerd/traces.otlp.jsonl");
    run(&place, &[otlp.to_str().unwrap()]).text(0);
    let (expected, spans) = (links(&place), given_out(&place));
    assert!(expected.len() > 50 && spans.1 > 20, "{} {spans:?}", expected.len());
    for (name, _) in FORMS {
        // Named so that nothing but the content tells what it is.
        place.write("given", sample(name));
        run(&place, &["given"]).text(0);
        assert_eq!(given_out(&place).0, spans.0, "{name}");
        // Jaeger and Zipkin keep µs, by which a line at the edge of a span may fall out of it.
        let found = links(&place);
        let same = expected.iter().filter(|(line, span)| found.get(line) == Some(span)).count();
        assert!(same * 50 >= expected.len() * 49, "{name}: {same} of {}", expected.len());
        assert!(found.len() <= expected.len() + 1, "{name}");
    }
}

#[test]
fn a_folder_of_traces_is_read_by_content_and_standard_input_too() {
    let place = Place::new();
    place.write("traces/first.txt", sample("jaeger-ui.json"));
    run(&place, &["traces"]).text(0);
    let expected = links(&place);
    place.write("traces/README", "These are traces.\n").write("traces/deeper/2", sample("tempo.json"));
    let ran = run(&place, &["traces"]);
    ran.text(0);
    ran.says("1 of Jaeger JSON, 1 of Tempo JSON").says("1 that hold no traces were left out");
    let logs = testdata("nodes/containerd/logs");
    let arguments = [&["backfill", logs.to_str().unwrap(), "--traces", "-"], &ENDS[..]].concat();
    let packed = std::fs::read(testdata("traces/jaeger-ui.json.gz")).unwrap();
    place.pipe(&arguments, &packed).text(0);
    assert_eq!(links(&place), expected);
    assert!(given_out(&place).0 > 100);
    place.write("empty/README", "Nothing.\n");
    run(&place, &["empty"]).says("no file in this folder holds traces").text(1);
}

#[test]
fn an_address_is_no_file_of_traces() {
    let ran = run(&Place::new(), &["http://jaeger:16686"]);
    ran.says("jaeger=http://jaeger:16686").text(2);
    let ran = Place::new().run(&["backfill", "-", "--traces", "-"]);
    ran.says("once only").text(2);
}

#[test]
fn traces_between_the_logs_are_no_logs() {
    let place = Place::new();
    for (name, _) in FORMS {
        place.write(&format!("logs/{name}"), sample(name));
    }
    place.write("logs/zipkin-ui", sample("zipkin-ui.json"));
    place.write("logs/app.log", "I1123 09:14:51.123456    1 a.go:12] \"hi\"\n");
    place.run(&["backfill", "logs", "--links", "links", "--year", "2026"]).text(0);
    assert_eq!(place.json_lines("links").len(), 1);
}
