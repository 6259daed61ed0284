//! The name of a span event: the one text of it that Jaeger shows without a click.
//!
//! In go a record and its message, out comes a name of bounded length: the first line that says something, from WARN on
//! after the severity. The cause of a failure is added, and where the message only tells the kind of line, its fields.

use spanline_parsers::{Entry, Field, Severity, Value};

use crate::record::Record;

/// Bytes of a name. Elasticsearch does not index longer values (`ignore_above`); shorter ones end before CRI-O's requests
/// say what they are for: with 120 characters one in five was cut, with 256 bytes one in eight, after names and ids.
const NAME_BYTES_MAX: usize = 256;
/// A message of at most this many words, in this many bytes, that holds no value of its own tells only a kind of line.
const KIND_WORDS_MAX: usize = 4;
const KIND_BYTES_MAX: usize = 40;
/// Fields that are added to such a message.
const FIELDS_MAX: usize = 6;
/// Longer values are not for reading on one line.
const FIELD_BYTES_MAX: usize = 64;

/// A name, and whether all of the message is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name itself.
    pub text: String,
    /// The message need not be said elsewhere.
    pub holds_message: bool,
}

/// The name of a record's event.
pub fn name_of(record: &Record<'_>, message: &str) -> Name {
    let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let severity = record.entry.severity;
    let mut text = String::new();
    if severity >= Severity::WARN {
        let prefix = format!("{}: ", severity_name(severity).unwrap_or_default());
        if !line.starts_with(&prefix) {
            text.push_str(&prefix);
        }
    }
    text.push_str(line);
    let whole = text.len() <= NAME_BYTES_MAX;
    if whole {
        add_cause(&mut text, line, record.entry);
        if tells_only_a_kind(line) {
            add_fields(&mut text, record);
        }
    }
    if text.trim().is_empty() {
        text.push_str("log");
    }
    Name { text: clipped(text), holds_message: whole && message.trim() == line }
}

/// As CRI-O's hook writes it: upper case, `WARN`; `None` where it is not known.
pub fn severity_name(severity: Severity) -> Option<&'static str> {
    Some(match severity {
        Severity(0) => return None,
        Severity(1..=4) => "TRACE",
        Severity(5..=8) => "DEBUG",
        Severity(9..=12) => "INFO",
        Severity(13..=16) => "WARN",
        Severity(17..=20) => "ERROR",
        Severity(_) => "FATAL",
    })
}

fn clipped(mut text: String) -> String {
    if text.len() > NAME_BYTES_MAX {
        text.truncate(text.floor_char_boundary(NAME_BYTES_MAX - '…'.len_utf8()));
        text.push('…');
    }
    text
}

/// "request finished", "Unhandled Error"; not "Container user: 0".
fn tells_only_a_kind(line: &str) -> bool {
    let holds_value = |byte: u8| byte.is_ascii_digit() || b"\"'`=/{<%@#".contains(&byte);
    line.len() <= KIND_BYTES_MAX && line.split_whitespace().count() <= KIND_WORDS_MAX && !line.bytes().any(holds_value)
}

/// Why it failed, where a field says so.
fn add_cause(text: &mut String, line: &str, entry: &Entry<'_>) {
    let cause = entry.fields.iter().rev().filter(|field| is_cause(&field.key)).find_map(|field| cause_of(&field.value));
    let Some(cause) = cause.filter(|cause| !line.contains(cause.as_str())) else { return };
    match text.trim_end().ends_with(':') || text.is_empty() {
        true if text.is_empty() || text.ends_with(' ') => {}
        true => text.push(' '),
        false => text.push_str(": "),
    }
    text.push_str(&cause);
}

fn is_cause(key: &[u8]) -> bool {
    let key = key.to_ascii_lowercase();
    matches!(
        key.as_slice(),
        b"err"
            | b"error"
            | b"exception"
            | b"cause"
            | b"error.message"
            | b"err.message"
            | b"exception.message"
            | b"error.msg"
    )
}

/// Its first line; of an object the message.
fn cause_of(value: &Value<'_>) -> Option<String> {
    let whole = match value {
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Json(json) => {
            let object: serde_json::Value = serde_json::from_slice(json).ok()?;
            ["message", "msg", "error"].iter().find_map(|key| Some(object.get(key)?.as_str()?.to_owned()))?
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => return None,
    };
    let line = whole.lines().map(str::trim).find(|line| !line.is_empty())?;
    (!matches!(line, "nil" | "<nil>" | "null" | "none" | "None")).then(|| line.to_owned())
}

/// `key=value` for the fields that tell this line from others of its kind; long ids only where nothing else does.
fn add_fields(text: &mut String, record: &Record<'_>) {
    let mut fields: Vec<(bool, String)> = Vec::new();
    let all = &record.entry.fields;
    let names_its_logger =
        |field: &Field<'_>| &*field.key == b"name" && all.iter().any(|other| &*other.key == b"hostname");
    for field in all.iter().filter(|field| !is_about_logging(&field.key) && !is_cause(&field.key)) {
        let Some(value) = short_value(&field.value).filter(|_| !names_its_logger(field)) else { continue };
        let says_nothing_new = value == record.origin.service() || text.contains(&value) || is_code_site(&value);
        if says_nothing_new && value.len() > 2 {
            continue;
        }
        let spaced = value.contains(char::is_whitespace);
        let quote = if spaced { "\"" } else { "" };
        fields.push((is_id(&value), format!("{}={quote}{value}{quote}", String::from_utf8_lossy(&field.key))));
    }
    if fields.iter().any(|(is_id, _)| !is_id) {
        fields.retain(|(is_id, _)| !is_id);
    }
    for (_, field) in fields.iter().take(FIELDS_MAX) {
        let space = if text.is_empty() { "" } else { " " };
        if text.len() + space.len() + field.len() > NAME_BYTES_MAX {
            break;
        }
        text.push_str(space);
        text.push_str(field);
    }
}

fn short_value(value: &Value<'_>) -> Option<String> {
    let text = match value {
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Number(token) => String::from_utf8_lossy(token).into_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Json(_) | Value::Null => return None,
    };
    let fits = !text.trim().is_empty() && text.len() <= FIELD_BYTES_MAX && !text.contains(['\n', '"']);
    fits.then_some(text)
}

/// 16 and more hex digits, UUIDs too.
fn is_id(value: &str) -> bool {
    value.len() >= 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// `server/image_pull.go:12`: where the line stands in the program.
pub fn is_code_site(value: &str) -> bool {
    let Some((file, line)) = value.rsplit_once(':') else { return false };
    let is_number = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    let is_file = file.rsplit_once('.').is_some_and(|(stem, kind)| {
        !stem.is_empty() && (1..=4).contains(&kind.len()) && kind.starts_with(|first: char| first.is_ascii_alphabetic())
    });
    is_number && is_file
}

/// Who logs, where, when and how; ids that links are made of.
fn is_about_logging(key: &[u8]) -> bool {
    const KEYS: [&[u8]; 33] = [
        b"logger",
        b"logger_name",
        b"loggername",
        b"logname",
        b"caller",
        b"source",
        b"func",
        b"function",
        b"thread",
        b"thread_name",
        b"threadname",
        b"thread_id",
        b"tid",
        b"pid",
        b"process",
        b"goroutine",
        b"hostname",
        b"host",
        b"level",
        b"severity",
        b"time",
        b"ts",
        b"timestamp",
        b"@timestamp",
        b"@version",
        b"v",
        b"stack",
        b"stacktrace",
        b"stack_trace",
        b"service",
        b"app",
        b"message",
        b"msg",
    ];
    const PREFIXES: [&[u8]; 13] = [
        b"log.",
        b"code.",
        b"process.",
        b"thread.",
        b"trace",
        b"span",
        b"host.",
        b"service.",
        b"telemetry.",
        b"ecs.",
        b"k8s.",
        b"dd.",
        b"logger.",
    ];
    let key = key.to_ascii_lowercase();
    KEYS.contains(&key.as_slice()) || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Origin;

    fn name(severity: Severity, message: &str, fields: &[(&str, Value<'static>)]) -> Name {
        let mut entry = Entry { severity, ..Entry::default() };
        for (key, value) in fields {
            entry.push(key.as_bytes().to_vec(), value.clone());
        }
        let origin = Origin { service_name: "shop".into(), ..Origin::default() };
        name_of(&crate::export::samples::record(&entry, &origin, &[]), message)
    }

    fn text(value: &str) -> Value<'static> {
        Value::Text(value.as_bytes().to_vec().into())
    }

    #[track_caller]
    fn check(severity: Severity, message: &str, fields: &[(&str, Value<'static>)], expected: &str) {
        assert_eq!(name(severity, message, fields).text, expected);
    }

    #[test]
    fn from_warn_on_the_severity_comes_first() {
        check(Severity::INFO, "pulled the image", &[], "pulled the image");
        check(Severity::WARN, "slow disk sda1", &[], "WARN: slow disk sda1");
        check(Severity(18), "broken pipe 3", &[], "ERROR: broken pipe 3");
        check(Severity(21), "out of memory", &[], "FATAL: out of memory");
        check(Severity::ERROR, "ERROR: said by itself", &[], "ERROR: said by itself");
        check(Severity::ERROR, "error: said otherwise", &[], "ERROR: error: said otherwise");
        check(Severity(0), "", &[], "log");
        check(Severity::ERROR, "\n  first \nsecond", &[], "ERROR: first");
    }

    #[test]
    fn the_cause_of_a_failure_is_in_the_name() {
        let err = [("logger", text("UnhandledError")), ("err", text("container main: ErrImagePull"))];
        check(Severity::ERROR, "Unhandled Error", &err, "ERROR: Unhandled Error: container main: ErrImagePull");
        let long = "Error syncing pod, skipping the rest of what was to be done for it";
        check(Severity::ERROR, long, &[("err", text("no sandbox"))], &format!("ERROR: {long}: no sandbox"));
        check(Severity::INFO, "retrying:", &[("error", text("refused\nat f()"))], "retrying: refused");
        check(Severity::WARN, "retry: refused", &[("err", text("refused"))], "WARN: retry: refused");
        check(
            Severity::INFO,
            "all went well with 3",
            &[("err", text("<nil>")), ("error", text(""))],
            "all went well with 3",
        );
        let object = Value::Json(br#"{"type":"E","message":"no such user"}"#.to_vec().into());
        check(Severity::ERROR, "login failed", &[("err", object)], "ERROR: login failed: no such user");
        check(Severity::ERROR, "", &[("error", text("refused"))], "ERROR: refused");
    }

    #[test]
    fn a_message_that_tells_only_a_kind_takes_its_fields_in() {
        let fields = [
            ("logger", text("com.shop.Http")),
            ("method", text("GET")),
            ("path", text("/api/orders/7")),
            ("status", Value::Number(b"200")),
            ("note", text("two words")),
            ("trace_id", text("0af7651916cd43dd8448eb211c80319c")),
            ("session", text("e33831ed-b58d-4dee-8cdf-b9a4301a7eba")),
            ("empty", text("")),
            ("caller", text("http.go:12")),
            ("at", text("server/http.go:12")),
            ("service", text("x")),
            ("who", text("shop")),
        ];
        check(
            Severity::INFO,
            "request stats",
            &fields,
            "request stats method=GET path=/api/orders/7 status=200 note=\"two words\"",
        );
        // A message with a value of its own, or a long one, tells the case.
        check(Severity::INFO, "GET /api/orders/7", &fields, "GET /api/orders/7");
        check(Severity::INFO, "took 7 ms", &fields, "took 7 ms");
        check(
            Severity::INFO,
            "a sentence that says what it was about",
            &fields,
            "a sentence that says what it was about",
        );
        // An id is better than nothing.
        let id = [("containerID", text("f5228adcdd8157ec42e840bc7737a21a474b904941e9644c461a836d33c831fc"))];
        check(
            Severity::INFO,
            "RemoveContainer",
            &id,
            "RemoveContainer containerID=f5228adcdd8157ec42e840bc7737a21a474b904941e9644c461a836d33c831fc",
        );
        check(Severity::INFO, "", &[("a", Value::Bool(true)), ("b", Value::Null)], "a=true");
        let bunyan = [
            ("name", text("currency-server")),
            ("hostname", text("h")),
            ("pid", Value::Number(b"1")),
            ("to", text("CHF")),
        ];
        check(Severity::INFO, "converting", &bunyan, "converting to=CHF");
    }

    #[test]
    fn what_is_cut_ends_in_a_mark_and_is_told() {
        let long = "ü".repeat(200);
        let cut = name(Severity::ERROR, &long, &[("err", text("why"))]);
        assert!(cut.text.len() <= NAME_BYTES_MAX && cut.text.starts_with("ERROR: ü") && cut.text.ends_with('…'));
        assert!(!cut.holds_message);
        let cause = name(Severity::ERROR, "short", &[("err", text(&long))]);
        assert!(cause.holds_message && cause.text.starts_with("ERROR: short: ü") && cause.text.ends_with('…'));
        assert!(!name(Severity::INFO, "first\nsecond", &[]).holds_message);
        assert!(name(Severity::INFO, " one line \n", &[]).holds_message);
        let many: Vec<(String, Value<'static>)> = (0..9).map(|n| (format!("key{n}"), text(&"y".repeat(60)))).collect();
        let many: Vec<_> = many.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let whole = name(Severity::INFO, "stats", &many).text;
        assert!(whole.ends_with("y") && whole.len() <= NAME_BYTES_MAX, "whole fields only: {whole}");
    }
}
