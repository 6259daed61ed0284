//! Samples of each text shape against what is expected of them: `testdata/shapes/CASE.log` line by line, one line each in
//! `CASE.expected`. A missing expectation is written, to be reviewed; a changed one fails.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use spanline_parsers::detect::{Expect, payload};
use spanline_parsers::{Entry, Severity, Time, Value};

fn shapes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/shapes")
}

/// `format | time | level | pid | code | trace | body | fields`
fn show(entry: &Entry<'_>) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let mut out = entry.format.name().to_owned();
    let _ = match entry.time {
        Time::None => write!(out, " | -"),
        Time::Unix { nanos, digits } => write!(out, " | {nanos}.{digits}"),
        Time::Local { year, month, day, nanos_of_day, digits } => {
            write!(
                out,
                " | {}-{month}-{day} +{nanos_of_day}.{digits}",
                year.map_or("?".into(), |year| year.to_string())
            )
        }
    };
    let level = if entry.severity == Severity::UNKNOWN {
        "-".into()
    } else {
        format!("{} {}", entry.severity.0, text(&entry.severity_text))
    };
    let _ = write!(out, " | {level} | {}", entry.pid.map_or("-".into(), |pid| pid.to_string()));
    let _ = write!(out, " | {}", entry.code.map_or("-".into(), |code| format!("{}:{}", text(code.file), code.line)));
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let trace = entry.trace.trace_id.map_or("-".into(), |id| hex(&id));
    let span = entry.trace.span_id.map_or(String::new(), |id| format!("/{}", hex(&id)));
    let _ = write!(out, " | {trace}{span} | {} |", text(&entry.body));
    for field in &entry.fields {
        let value = match &field.value {
            Value::Text(value) => format!("'{}'", text(value)),
            Value::Number(value) => text(value),
            Value::Json(value) => text(value),
            Value::Bool(value) => value.to_string(),
            Value::Null => "null".into(),
        };
        let _ = write!(out, " {}={value}", text(&field.key));
    }
    out
}

/// The path of an expectation that had to be written.
#[track_caller]
fn check(case: &str) -> Option<PathBuf> {
    let lines = std::fs::read(shapes().join(format!("{case}.log"))).expect("a case without its lines");
    let mut found = String::new();
    let mut entry = Entry::default();
    for line in lines.strip_suffix(b"\n").unwrap_or(&lines).split(|&b| b == b'\n') {
        payload(line, Expect::Auto, &mut entry);
        found += &show(&entry);
        found.push('\n');
    }
    let path = shapes().join(format!("{case}.expected"));
    match std::fs::read_to_string(&path) {
        Ok(expected) => {
            for (i, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
                assert_eq!(found, expected, "{case}.log line {}", i + 1);
            }
            assert_eq!(found.lines().count(), expected.lines().count());
        }
        Err(_) => {
            std::fs::write(&path, found).expect("testdata can be written");
            return Some(path);
        }
    }
    None
}

#[test]
fn shapes_read_as_expected() {
    let cases = ["spring", "log4j", "python", "access", "syslog", "conmon", "conmon_rs", "glog", "plain"];
    let written: Vec<PathBuf> = cases.iter().filter_map(|case| check(case)).collect();
    assert!(written.is_empty(), "were missing and have been written, review them: {written:?}");
}
