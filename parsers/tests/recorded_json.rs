//! JSON lines that the real libraries wrote, against the arguments they were called with.
//!
//! The files are those of `recorded.rs`, and a larger corpus may be given in `SPANLINE_RECORDED` likewise. In the mixed
//! files, the JSON records that CRI put into one part are read.

#![allow(clippy::unwrap_used)] // A wrong unwrap here is a failed test.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use spanline_parsers::{Entry, Format, Severity, Time, Value, cri, json_line};

#[test]
fn klog_json() {
    check("klog-json", klog_differs);
}

#[test]
fn logrus_json() {
    for name in ["logrus-crio-json", "logrus-containerd-json"] {
        check(name, logrus_differs);
    }
}

#[test]
fn json_among_others_in_cri() {
    for name in ["mixed-cri-klog", "mixed-conmon-klog"] {
        check(name, |record, line| {
            let part = cri::line(line).unwrap();
            match record["type"].as_str() {
                _ if part.partial => None,
                Some("klogjson") => klog_differs(record, part.content),
                Some("json") => {
                    let mut entry = Entry::default();
                    let is_json = json_line::line(part.content, &mut entry) && entry.format == Format::Json;
                    (!is_json).then(|| format!("{entry:?}"))
                }
                _ => None,
            }
        });
    }
}

/// Every record that the corpus calls recoverable must be read as it was meant.
fn check(name: &str, differs: impl Fn(&Json, &[u8]) -> Option<String>) {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recorded")];
    folders.extend(std::env::var_os("SPANLINE_RECORDED").map(PathBuf::from));
    for folder in folders {
        let log = fs::read(folder.join(format!("{name}.log"))).unwrap();
        let expected = fs::read_to_string(folder.join(format!("{name}.expected")))
            .or_else(|_| fs::read_to_string(folder.join(format!("{name}.expected.jsonl"))));
        let (mut read, mut wrong) = (0, Vec::new());
        for record in expected.unwrap().lines().map(|line| serde_json::from_str::<Json>(line).unwrap()) {
            if record["ambiguous"] == true || matches!(record["type"].as_str(), Some("klog" | "plain" | "stdout")) {
                continue;
            }
            read += 1;
            let offset = record["offset"].as_u64().unwrap() as usize;
            let line = log[offset..].split(|byte| *byte == b'\n').next().unwrap();
            wrong.extend(differs(&record, line).map(|what| format!("{offset}: {what}")));
        }
        println!("{name} in {}: {read} read, {} wrong", folder.display(), wrong.len());
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
        assert!(read > 3, "{name}: only {read} records");
    }
}

fn klog_differs(record: &Json, line: &[u8]) -> Option<String> {
    let mut entry = Entry::default();
    if !json_line::line(line, &mut entry) || entry.format != Format::KlogJson {
        return Some(format!("no klog: {entry:?}"));
    }
    // The clock had nanoseconds; a double of milliseconds keeps a quarter of a microsecond.
    let clock = record["ts_unix_nano"].as_i64().unwrap();
    if !matches!(entry.time, Time::Unix { nanos, .. } if (nanos - clock).abs() < 1000) {
        return Some(format!("time: {:?}", entry.time));
    }
    let code = entry.code.unwrap();
    if format!("{}:{}", lossy(code.file), code.line) != record["caller"].as_str().unwrap() {
        return Some(format!("code: {code:?}"));
    }
    // A group of slog takes the verbosity in.
    let grouped = record["kvs"].as_array().unwrap().last().is_some_and(|pair| {
        let value = pair[1].as_str().and_then(|value| serde_json::from_str::<Json>(value).ok());
        record["api"] == "slog" && value.is_some_and(|value| value["v"].is_number())
    });
    let is_info = record["v"].is_number() || grouped;
    if entry.severity != if is_info { Severity::INFO } else { Severity::ERROR } {
        return Some(format!("severity: {:?}", entry.severity));
    }
    for name in ["logger", "caller", "v", "err"] {
        if record.get(name).is_some() {
            let expected = record[name].as_str().map_or_else(|| record[name].to_string(), str::to_owned);
            let at = entry.fields.iter().position(|field| *field.key == *name.as_bytes())?;
            if text(&entry.fields.remove(at).value) != expected.as_bytes() {
                return Some(format!("{name} should be {expected}"));
            }
        }
    }
    differs(&record["msg"], &entry.body).or_else(|| pairs_differ(record, &entry))
}

fn logrus_differs(record: &Json, line: &[u8]) -> Option<String> {
    let mut entry = Entry::default();
    if !json_line::line(line, &mut entry) || entry.format != Format::LogrusJson {
        return Some(format!("no logrus: {entry:?}"));
    }
    let expected = record["time_unix_nano"].as_i64().unwrap();
    let unit = if matches!(entry.time, Time::Unix { digits: 0, .. }) { 1_000_000_000 } else { 1 };
    if !matches!(entry.time, Time::Unix { nanos, .. } if nanos == expected - expected.rem_euclid(unit)) {
        return Some(format!("time: {:?}", entry.time));
    }
    if entry.severity == Severity::UNKNOWN {
        return Some("no severity".to_owned());
    }
    if record.get("logrus_error").is_some() {
        entry.fields.retain(|field| *field.key != *b"logrus_error");
    }
    differs(&record["level"], &entry.severity_text)
        .or_else(|| differs(&record["msg"], &entry.body))
        .or_else(|| pairs_differ(record, &entry))
}

fn pairs_differ(record: &Json, entry: &Entry<'_>) -> Option<String> {
    let (pairs, kinds) = (record["kvs"].as_array().unwrap(), record["kinds"].as_array().unwrap());
    if pairs.len() != entry.fields.len() {
        return Some(format!("{} pairs, should be {}: {:?}", entry.fields.len(), pairs.len(), entry.fields));
    }
    pairs.iter().zip(kinds).zip(&entry.fields).find_map(|((pair, kind), field)| {
        let parse = |text: &[u8]| serde_json::from_slice::<Json>(text).ok();
        let (expected, found) = (pair[1].as_str().unwrap_or_default(), text(&field.value));
        let double = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
        // zap writes a large double with all its digits.
        let same = kind == "json"
            && (parse(expected.as_bytes()).is_some_and(|value| Some(value) == parse(&found))
                || double(expected.as_bytes()).is_some_and(|value| Some(value) == double(&found)));
        differs(&pair[0], &field.key).or_else(|| if same { None } else { differs(&pair[1], &found) })
    })
}

fn text(value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Text(text) | Value::Json(text) => text.to_vec(),
        Value::Number(text) => text.to_vec(),
        Value::Bool(value) => value.to_string().into_bytes(),
        Value::Null => b"null".to_vec(),
    }
}

fn differs(expected: &Json, found: &[u8]) -> Option<String> {
    // What is not UTF-8 never comes through JSON: such records are ambiguous.
    let expected = expected.as_str().unwrap();
    (expected.as_bytes() != found).then(|| format!("{}\n  should be {expected}", lossy(found)))
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
