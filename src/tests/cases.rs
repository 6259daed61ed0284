//! Small inputs of every kind, and what must come out of them: `testdata/cases/NAME.in` beside `NAME.check`.
//!
//! To add a case, put both files there. Each is converted by the binary with `--to json --year 2026 --zone UTC`, and its
//! records are compared. A check is one JSON object:
//!
//! | key | meaning |
//! |---|---|
//! | `kind`, `note` | for people |
//! | `args` | more arguments |
//! | `base_args` | in place of `--year 2026 --zone UTC` |
//! | `records` | how many records, or a list of allowed numbers |
//! | `lines_total` | the sum of `lines` over all records |
//! | `expect` | a list, see below |
//!
//! An expectation picks one record by `at`: its number from 1 (-1 the last), or the only one that fits `{"line": n}` (begins
//! at this physical line), `{"body_contains": s}`, `{"contains": s}` (anywhere in it). Of that record hold:
//!
//! | key | meaning |
//! |---|---|
//! | `lines`, `severity_number`, `severity_text`, `body`, `format`, `trace_id`, `span_id`, `time` | equal, or any of a list |
//! | `time_prefix` | the time begins so, or as any of a list |
//! | `body_contains`, `body_not_contains`, `contains`, `not_contains`, `format_contains` | text, or a list that all holds |
//! | `body_not` | the body is none of these |
//! | `lines_min` | at least so many lines |
//! | `attributes`, `resource` | have these values |
//! | `fields` | these values stand in one of the two |
//! | `attributes_not`, `attributes_absent` | keys without this value, keys that are not there |
//! | `not_future` | the time is known, and at most a day ahead |

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

const EXACT: [&str; 8] = ["lines", "severity_number", "severity_text", "body", "format", "trace_id", "span_id", "time"];

#[test]
fn every_case_comes_out_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut names: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.iter().all(|path| path.with_extension("in").exists() && path.with_extension("check").exists()));
    let inputs: Vec<_> = names.iter().filter(|path| path.extension().is_some_and(|end| end == "in")).collect();
    assert!(inputs.len() > 70, "the cases are missing");
    let faults: Vec<String> = inputs.iter().flat_map(|input| faults_of(input)).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn a_check_that_cannot_fail_is_refused() {
    for (check, fault) in [
        (r#"{"kind": "x"}"#, "nothing is expected"),
        (r#"{"records": 1, "recrods": 1}"#, "unknown key recrods"),
        (r#"{"expect": [{"at": 1}]}"#, "expects nothing"),
        (r#"{"expect": [{"lines": 1}]}"#, "no at"),
        (r#"{"expect": [{"at": 1, "bdy": "x"}]}"#, "unknown key bdy"),
    ] {
        let check: Map<String, Value> = serde_json::from_str(check).unwrap();
        assert!(lint(&check).iter().any(|found| found.contains(fault)), "{fault}: {:?}", lint(&check));
    }
    let record = serde_json::json!({"lines": 1, "body": "abc", "attributes": {"n": 1}, "time": null});
    let differs = |expect: Value| !compare(&record, expect.as_object().unwrap()).is_empty();
    assert!(differs(serde_json::json!({"lines": 2})) && differs(serde_json::json!({"body_contains": ["a", "x"]})));
    assert!(differs(serde_json::json!({"attributes": {"n": "1"}})) && differs(serde_json::json!({"time_prefix": "2"})));
    assert!(
        differs(serde_json::json!({"attributes_absent": ["n"]})) && differs(serde_json::json!({"not_future": true}))
    );
    assert!(!differs(serde_json::json!({"lines": [1, 2], "body_contains": "b", "attributes": {"n": 1}, "time": null})));
}

fn faults_of(input: &Path) -> Vec<String> {
    let name = input.file_stem().unwrap().to_string_lossy().into_owned();
    let check = std::fs::read(input.with_extension("check")).unwrap();
    let check: Map<String, Value> = match serde_json::from_slice(&check) {
        Ok(check) => check,
        Err(error) => return vec![format!("{name}.check: {error}")],
    };
    let found = lint(&check);
    let found = if found.is_empty() { check_records(input, &check) } else { found };
    found.into_iter().map(|fault| format!("{name}: {fault}")).collect()
}

/// What is wrong with a check itself.
fn lint(check: &Map<String, Value>) -> Vec<String> {
    const KEYS: [&str; 7] = ["kind", "note", "args", "base_args", "records", "lines_total", "expect"];
    const MORE: [&str; 14] = [
        "time_prefix",
        "body_contains",
        "body_not_contains",
        "contains",
        "not_contains",
        "format_contains",
        "body_not",
        "lines_min",
        "attributes",
        "resource",
        "fields",
        "attributes_not",
        "attributes_absent",
        "not_future",
    ];
    let mut faults = Vec::new();
    faults.extend(check.keys().filter(|key| !KEYS.contains(&key.as_str())).map(|key| format!("unknown key {key}")));
    let expectations = many(check.get("expect"));
    if expectations.is_empty() && !check.contains_key("records") {
        faults.push("nothing is expected".to_owned());
    }
    for expectation in expectations {
        let Some(expectation) = expectation.as_object() else {
            faults.push("an expectation is no object".to_owned());
            continue;
        };
        if !expectation.contains_key("at") {
            faults.push("an expectation has no at".to_owned());
        } else if expectation.len() == 1 {
            faults.push("an expectation expects nothing".to_owned());
        }
        let known = |key: &str| key == "at" || EXACT.contains(&key) || MORE.contains(&key);
        faults.extend(expectation.keys().filter(|key| !known(key)).map(|key| format!("unknown key {key}")));
    }
    faults
}

fn check_records(input: &Path, check: &Map<String, Value>) -> Vec<String> {
    let words = |key: &str| check.get(key).map(|list| many(Some(list)).iter().map(text).collect::<Vec<_>>());
    let base = || ["--year", "2026", "--zone", "UTC"].map(str::to_owned).to_vec();
    let output = Command::new(env!("CARGO_BIN_EXE_spanline"))
        .args(["convert", "--to", "json"])
        .args(words("base_args").unwrap_or_else(base))
        .args(words("args").unwrap_or_default())
        .arg(input)
        .env("TZ", "UTC")
        .output()
        .unwrap();
    if !output.status.success() {
        return vec![format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))];
    }
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read = |line: &[u8]| serde_json::from_str(&in_range(std::str::from_utf8(line).unwrap())).unwrap();
    let records: Vec<Value> = lines.map(read).collect();
    let mut faults = Vec::new();
    if let Some(wanted) = check.get("records")
        && !any_is(wanted, &Value::from(records.len()))
    {
        faults.push(format!("wants {wanted} records, has {}", records.len()));
    }
    let total: u64 = records.iter().map(|record| record["lines"].as_u64().unwrap()).sum();
    if check.get("lines_total").is_some_and(|wanted| *wanted != total) {
        faults.push(format!("wants {} lines, has {total}", check["lines_total"]));
    }
    let bytes = std::fs::read(input).unwrap();
    for expectation in many(check.get("expect")) {
        match pick(&records, &bytes, &expectation["at"]) {
            Ok(record) => {
                let found = compare(record, expectation.as_object().unwrap());
                faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", expectation["at"])));
            }
            Err(why) => faults.push(why),
        }
    }
    faults
}

/// JSON whose numbers a double holds: one beyond (`1e400`), which stands in the output as it stood in the line, becomes null.
fn in_range(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        if first == '"' {
            let mut escaped = false;
            let end = |char: char| {
                let ends = char == '"' && !escaped;
                escaped = char == '\\' && !escaped;
                ends
            };
            length += rest[1..].find(end).map_or(rest.len() - 1, |end| end + 1);
        } else if first == '-' || first.is_ascii_digit() {
            length = rest.find([',', '}', ']']).unwrap_or(rest.len());
        }
        let (token, behind) = rest.split_at(length);
        let is_beyond = token.parse::<f64>().is_ok_and(|number| number.is_infinite());
        out.push_str(if is_beyond { "null" } else { token });
        rest = behind;
    }
    out
}

/// The record that an expectation is about.
fn pick<'r>(records: &'r [Value], input: &[u8], at: &Value) -> Result<&'r Value, String> {
    if let Some(number) = at.as_i64() {
        let index = if number > 0 { number - 1 } else { records.len() as i64 + number };
        let record = usize::try_from(index).ok().and_then(|index| records.get(index));
        return record.ok_or_else(|| format!("there is no record {number} of {}", records.len()));
    }
    let (how, what) = at.as_object().and_then(|at| at.iter().next()).ok_or("at is neither a number nor an object")?;
    let line_of = |record: &Value| {
        let offset = record["offset"].as_u64().unwrap() as usize;
        input[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
    };
    let fits = |record: &&Value| match how.as_str() {
        "line" => *what == line_of(record),
        "body_contains" => text(&record["body"]).contains(&text(what)),
        _ => flat(record).contains(&text(what)),
    };
    let mut found = records.iter().filter(fits);
    match (found.next(), found.count()) {
        (Some(record), 0) => Ok(record),
        (None, _) => Err(format!("no record fits {at}")),
        (_, more) => Err(format!("{} records fit {at}", more + 1)),
    }
}

/// What of a record is not as expected.
fn compare(record: &Value, expectation: &Map<String, Value>) -> Vec<String> {
    let body = text(&record["body"]);
    let mut faults = Vec::new();
    for (key, wanted) in expectation.iter().filter(|(key, _)| *key != "at") {
        let found = record.get(key).unwrap_or(&Value::Null);
        let texts: Vec<String> = many(Some(wanted)).iter().map(text).collect();
        let holds = |whole: &str| texts.iter().all(|part| whole.contains(part.as_str()));
        let is_right =
            match key.as_str() {
                exact if EXACT.contains(&exact) => any_is(wanted, found),
                "time_prefix" => texts.iter().any(|start| text(&record["time"]).starts_with(start.as_str())),
                "body_contains" => holds(&body),
                "contains" => holds(&flat(record)),
                "format_contains" => holds(&text(&record["format"])),
                "body_not_contains" => !texts.iter().any(|part| body.contains(part.as_str())),
                "not_contains" => !texts.iter().any(|part| flat(record).contains(part.as_str())),
                "body_not" => !texts.contains(&body),
                "lines_min" => record["lines"].as_u64() >= wanted.as_u64(),
                "attributes" | "resource" => {
                    wanted.as_object().unwrap().iter().all(|(key, value)| found.get(key) == Some(value))
                }
                "fields" => wanted.as_object().unwrap().iter().all(|(key, value)| {
                    ["attributes", "resource"].iter().any(|part| record[part].get(key) == Some(value))
                }),
                "attributes_not" => {
                    wanted.as_object().unwrap().iter().all(|(key, value)| record["attributes"].get(key) != Some(value))
                }
                "attributes_absent" => texts.iter().all(|key| record["attributes"].get(key).is_none()),
                "not_future" => !is_future(record),
                _ => false,
            };
        if !is_right {
            faults.push(format!("{key}: wants {wanted}, has {}", if found.is_null() { record } else { found }));
        }
    }
    faults
}

/// Whether the time is unknown, or more than a day ahead.
fn is_future(record: &Value) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
    let time = record["time_unix_nano"].as_str().and_then(|nanos| nanos.parse::<i64>().ok());
    time.is_none_or(|time| time > now + 86_400_000_000_000)
}

fn any_is(wanted: &Value, found: &Value) -> bool {
    wanted == found || wanted.as_array().is_some_and(|list| list.contains(found))
}

fn many(value: Option<&Value>) -> Vec<Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// All text in a value, keys too.
fn flat(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            members.iter().map(|(key, value)| format!("{key}\n{}", flat(value))).collect::<Vec<_>>().join("\n")
        }
        Value::Array(list) => list.iter().map(flat).collect::<Vec<_>>().join("\n"),
        one => text(one),
    }
}
