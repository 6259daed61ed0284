//! Lines that the real libraries wrote, against the arguments they were called with.
//!
//! `testdata/recorded/<case>.log` holds the bytes, `<case>.expected` one JSON object per record: its place, and what was
//! passed to the library. A larger corpus of the same shape is read from the folder in `SPANLINE_RECORDED`.

#![allow(clippy::unwrap_used)] // A wrong unwrap here is a failed test.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use spanline_parsers::continuation::Open;
use spanline_parsers::frames::STACK_KEY;
use spanline_parsers::{Entry, Format, Severity, Time, Value, cri, klog, logrus};

#[test]
fn klog_text() {
    check("klog-text", |log| group(lines(log)), klog_differs);
}

#[test]
fn logrus_text() {
    for name in ["logrus-crio-text", "logrus-containerd-text"] {
        check(name, |log| group(lines(log)), logrus_differs);
    }
}

#[test]
fn cri_lines() {
    for name in ["cri-conmon", "cri-containerd", "cri-conmon-tails", "cri-containerd-tails"] {
        check(name, |log| joined(log).into_iter().map(Into::into).collect(), cri_differs);
    }
}

#[test]
fn klog_among_others_in_cri() {
    for name in ["mixed-cri-klog", "mixed-conmon-klog"] {
        check(name, streams, |record, found| match record["type"].as_str() {
            Some("klog") => klog_differs(record, found),
            Some("klogjson") => None,
            _ => differs("text", &record["text"], &found.payload),
        });
    }
}

/// One record as it was put together from physical lines.
#[derive(Debug, Clone, Default)]
struct Found {
    log: Option<String>,
    offset: usize,
    lines: usize,
    inner_lines: usize,
    stdout: bool,
    terminated: bool,
    payload: Vec<u8>,
}

struct Line {
    log: Option<String>,
    offset: usize,
    lines: usize,
    stdout: bool,
    terminated: bool,
    content: Vec<u8>,
}

impl From<Line> for Found {
    fn from(line: Line) -> Found {
        let Line { log, offset, lines, stdout, terminated, content } = line;
        Found { log, offset, lines, inner_lines: 1, stdout, terminated, payload: content }
    }
}

/// Every record that the corpus calls recoverable must be found where it stands and read as it was meant.
fn check(name: &str, read: impl Fn(&Path) -> Vec<Found>, differs: impl Fn(&Json, &Found) -> Option<String>) {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/recorded")];
    folders.extend(std::env::var_os("SPANLINE_RECORDED").map(PathBuf::from));
    for folder in folders {
        let found: HashMap<(Option<String>, usize), Found> = logs(&folder, name)
            .iter()
            .flat_map(|log| read(log))
            .map(|found| ((found.log.clone(), found.offset), found))
            .collect();
        let (mut equal, mut skipped, mut wrong) = (0, 0, Vec::new());
        let records = expected(&folder, name);
        for (at, record) in records.iter().enumerate() {
            if is_lossy(record) || runs_into_next(record, &records[at + 1..]) {
                skipped += 1;
                continue;
            }
            let key = (record["log"].as_str().map(str::to_owned), number(record, "offset"));
            let difference = match found.get(&key) {
                None => Some("no record begins here".to_owned()),
                Some(found) => place_differs(record, found).or_else(|| differs(record, found)),
            };
            match difference {
                None => equal += 1,
                Some(difference) => wrong.push(format!("{key:?}: {difference}")),
            }
        }
        println!("{name} in {}: {equal} equal, {} wrong, {skipped} not recoverable", folder.display(), wrong.len());
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
        assert!(equal > 8, "{name}: only {equal} records");
    }
}

fn logs(folder: &Path, name: &str) -> Vec<PathBuf> {
    let one = folder.join(format!("{name}.log"));
    if one.exists() {
        return vec![one];
    }
    let mut logs: Vec<PathBuf> = fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.sort();
    logs
}

fn expected(folder: &Path, name: &str) -> Vec<Json> {
    let text = fs::read_to_string(folder.join(format!("{name}.expected")))
        .or_else(|_| fs::read_to_string(folder.join(format!("{name}.expected.jsonl"))));
    text.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Records whose bytes do not tell what was meant. A lost final newline is no such thing: what remains is known.
fn is_lossy(record: &Json) -> bool {
    record["ambiguous_why"].as_array().is_some_and(|why| {
        why.iter()
            .any(|why| !matches!(why.as_str(), Some("multiline-value-trailing-newline" | "message-trailing-newline")))
    })
}

/// Free text of klog, with a foreign line behind it that could as well be its own next line.
fn runs_into_next(record: &Json, behind: &[Json]) -> bool {
    let next = behind.iter().find(|next| next["stream"] == record["stream"]);
    record["structured"] == false
        && next.is_some_and(|next| next["ambiguous_why"][0].as_str() == Some("plain-line-after-klog-record"))
}

fn place_differs(record: &Json, found: &Found) -> Option<String> {
    let lines = record["lines"].as_u64().or(record["offsets"].as_array().map(|all| all.len() as u64)).unwrap_or(1);
    (found.lines as u64 != lines).then(|| format!("{} lines, should be {lines}", found.lines)).or_else(|| {
        let inner = record["inner_lines"].as_u64()?;
        (found.inner_lines as u64 != inner).then(|| format!("{} inner lines, should be {inner}", found.inner_lines))
    })
}

fn klog_differs(record: &Json, found: &Found) -> Option<String> {
    let mut entry = Entry::default();
    if !klog::text(&found.payload, &mut entry) {
        return Some("no klog".to_owned());
    }
    let clock = [("hour", 3_600_000_000u64), ("minute", 60_000_000), ("second", 1_000_000), ("micros", 1)];
    let micros: u64 = clock.iter().map(|(name, unit)| record[name].as_u64().unwrap() * unit).sum();
    let time = Time::Local {
        year: None,
        month: number(record, "month") as u8,
        day: number(record, "day") as u8,
        nanos_of_day: micros as i64 * 1000,
        digits: 6,
    };
    let severity = match record["severity"].as_str().unwrap() {
        "I" => Severity::INFO,
        "W" => Severity::WARN,
        "E" => Severity::ERROR,
        _ => Severity::FATAL,
    };
    if entry.format != Format::Klog || entry.time != time || entry.severity != severity {
        return Some(format!("header: {entry:?}"));
    }
    let code = entry.code.unwrap();
    if entry.pid.unwrap_or(0) != record["pid"].as_u64().unwrap()
        || u64::from(code.line) != record["line"].as_u64().unwrap()
    {
        return Some(format!("pid or line: {entry:?}"));
    }
    let tail = number(record, "tail_lines");
    let stack = match entry.fields.last() {
        Some(field) if tail > 0 && *field.key == *STACK_KEY => entry.fields.pop(),
        _ => None,
    };
    if let Some(field) = &stack
        && text(&field.value).split(|byte| *byte == b'\n').count() != tail
    {
        return Some(format!("dump of {tail} lines: {field:?}"));
    }
    if stack.is_none() && tail > 0 {
        return Some("no dump".to_owned());
    }
    let lost = record["newline_lost_msg"].as_bool() == Some(true);
    differs("file", &record["file"], code.file)
        .or_else(|| differs("severity", &record["severity"], &entry.severity_text))
        .or_else(|| bytes_differ("msg", without_newline(bytes(&record["msg"]), lost), &entry.body))
        .or_else(|| pairs_differ(record, &entry))
}

fn logrus_differs(record: &Json, found: &Found) -> Option<String> {
    let mut entry = Entry::default();
    if !logrus::text(&found.payload, &mut entry) {
        return Some("no logrus".to_owned());
    }
    let time = match entry.time {
        Time::Unix { nanos, .. } => nanos,
        other => return Some(format!("{other:?}")),
    };
    if time != record["time_unix_nano"].as_i64().unwrap() || entry.format != Format::Logrus {
        return Some(format!("time: {time}"));
    }
    if entry.severity == Severity::UNKNOWN {
        return Some("no severity".to_owned());
    }
    if let Some(at) = entry.fields.iter().position(|field| *field.key == *b"logrus_error") {
        let field = entry.fields.remove(at);
        if let Some(difference) = differs("logrus_error", &record["logrus_error"], &text(&field.value)) {
            return Some(difference);
        }
    }
    differs("level", &record["level"], &entry.severity_text)
        .or_else(|| differs("msg", &record["msg"], &entry.body))
        .or_else(|| pairs_differ(record, &entry))
}

fn cri_differs(record: &Json, found: &Found) -> Option<String> {
    if found.stdout != (record["stream"] == "stdout") || Some(found.terminated) != record["terminated"].as_bool() {
        return Some(format!("stream or end: {found:?}"));
    }
    bytes_differ("payload", base64(record["payload_b64"].as_str().unwrap()), &found.payload)
}

fn pairs_differ(record: &Json, entry: &Entry<'_>) -> Option<String> {
    let (pairs, kinds) = (record["kvs"].as_array().unwrap(), record["kinds"].as_array().unwrap());
    if pairs.len() != entry.fields.len() {
        return Some(format!("{} pairs, should be {}: {:?}", entry.fields.len(), pairs.len(), entry.fields));
    }
    pairs.iter().zip(kinds).zip(&entry.fields).enumerate().find_map(|(at, ((pair, kind), field))| {
        let lost = record["newline_lost_kvs"].as_array().is_some_and(|lost| lost.contains(&Json::from(at)));
        let value = without_newline(bytes(&pair[1]), lost);
        let read = text(&field.value);
        if kind == "json" {
            let parse = |text: &[u8]| serde_json::from_slice::<Json>(text).ok();
            if parse(&value).is_some() && parse(&value) == parse(&read) {
                return differs("key", &pair[0], &field.key);
            }
        }
        differs("key", &pair[0], &field.key).or_else(|| bytes_differ("value", value, &read))
    })
}

/// The value's bytes, quotes and escapes aside.
fn text(value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Text(text) | Value::Json(text) => text.to_vec(),
        Value::Number(text) => text.to_vec(),
        Value::Bool(value) => value.to_string().into_bytes(),
        Value::Null => b"null".to_vec(),
    }
}

fn differs(what: &str, expected: &Json, found: &[u8]) -> Option<String> {
    bytes_differ(what, bytes(expected), found)
}

fn bytes_differ(what: &str, expected: Vec<u8>, found: &[u8]) -> Option<String> {
    (expected != found)
        .then(|| format!("{what} is\n  {}, should be\n  {}", found.escape_ascii(), expected.escape_ascii()))
}

fn without_newline(mut text: Vec<u8>, lost: bool) -> Vec<u8> {
    if lost && text.last() == Some(&b'\n') {
        text.pop();
    }
    text
}

fn bytes(value: &Json) -> Vec<u8> {
    match value["b64"].as_str() {
        Some(text) => base64(text),
        None => value.as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

fn number(record: &Json, name: &str) -> usize {
    record[name].as_u64().or(record["offsets"][0].as_u64()).unwrap_or(0) as usize
}

fn base64(text: &str) -> Vec<u8> {
    let (mut out, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

fn lines(log: &Path) -> Vec<Line> {
    let mut offset = 0;
    let mut lines = Vec::new();
    for content in fs::read(log).unwrap().split_inclusive(|byte| *byte == b'\n') {
        let line = content.strip_suffix(b"\n").unwrap_or(content);
        lines.push(Line { log: None, offset, lines: 1, stdout: false, terminated: true, content: line.to_vec() });
        offset += content.len();
    }
    lines
}

/// CRI lines, the parts of each stream joined.
fn joined(log: &Path) -> Vec<Line> {
    let tail = log
        .parent()
        .and_then(|folder| folder.file_name())
        .is_some_and(|name| name.as_encoded_bytes().ends_with(b"tails"));
    let name = tail.then(|| {
        let parts: Vec<_> = log.iter().rev().take(2).map(|part| part.to_str().unwrap()).collect();
        format!("{}/{}", parts[1], parts[0])
    });
    let (mut done, mut open) = (Vec::<Line>::new(), [None::<Line>, None]);
    for physical in lines(log) {
        let part = cri::line(&physical.content)
            .unwrap_or_else(|| panic!("{}:{} is no CRI line", log.display(), physical.offset));
        let slot = &mut open[usize::from(part.stdout)];
        let line = slot.get_or_insert_with(|| Line {
            log: name.clone(),
            lines: 0,
            stdout: part.stdout,
            content: Vec::new(),
            ..physical
        });
        line.lines += 1;
        line.terminated = !part.partial;
        line.content.extend_from_slice(part.content);
        if !part.partial {
            done.extend(slot.take());
        }
    }
    done.extend(open.into_iter().flatten());
    done
}

/// Records of each stream by themselves.
fn streams(log: &Path) -> Vec<Found> {
    let (out, err): (Vec<Line>, Vec<Line>) = joined(log).into_iter().partition(|line| line.stdout);
    group(out).into_iter().chain(group(err)).collect()
}

fn group(lines: Vec<Line>) -> Vec<Found> {
    let mut records: Vec<Found> = Vec::new();
    let mut open = Open::default();
    for line in lines {
        match records.last_mut() {
            Some(record) if open.takes(&record.payload, &line.content) => {
                record.payload.push(b'\n');
                record.payload.extend_from_slice(&line.content);
                record.lines += line.lines;
                record.inner_lines += 1;
            }
            _ => {
                open = Open::start(&line.content);
                records.push(line.into());
            }
        }
    }
    records
}
