#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::entry::Time;

/// One line of each logger: format, time, severity with its text, body, and the fields that are left.
fn check(line: &str, format: Format, time: Time, severity: (Severity, &str), body: &str, fields: &[(&str, &str)]) {
    let mut entry = Entry::default();
    assert!(super::line(line.as_bytes(), &mut entry), "{line}");
    assert_eq!((entry.format, entry.time), (format, time), "{line}");
    assert_eq!((entry.severity, &*entry.severity_text), (severity.0, severity.1.as_bytes()), "{line}");
    assert_eq!(String::from_utf8_lossy(&entry.body), body, "{line}");
    let found: Vec<(String, String)> =
        entry.fields.iter().map(|field| (lossy(&field.key), shown(&field.value))).collect();
    let fields: Vec<_> = fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(found, fields, "{line}");
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Text in quotes, all else as it stands.
fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => format!("\"{}\"", lossy(text)),
        Value::Number(text) => lossy(text),
        Value::Bool(value) => value.to_string(),
        Value::Null => "null".to_owned(),
        Value::Json(text) => lossy(text),
    }
}

fn unix(nanos: i64, digits: u8) -> Time {
    Time::Unix { nanos, digits }
}

const SECOND: i64 = 1_661_145_496; // 2022-08-22T05:18:16Z
const AT: i64 = SECOND * 1_000_000_000;

#[test]
fn kubernetes_json_is_told_by_its_header() {
    let (info, error) = ((Severity::INFO, ""), (Severity::ERROR, ""));
    check(
        r#"{"ts":1661145496123.4567,"logger":"a.b","caller":"json/x.go:41","msg":"test\n","v":0,"pod":{"name":"p"}}"#,
        Format::KlogJson,
        unix(AT + 123_456_700, 7),
        info,
        "test\n",
        &[("logger", "\"a.b\""), ("caller", "\"json/x.go:41\""), ("v", "0"), ("pod", r#"{"name":"p"}"#)],
    );
    check(
        r#"{"ts":0.000123,"caller":"x.go:1","msg":"","msg":"again","err":"<nil>"}"#,
        Format::KlogJson,
        unix(123, 9),
        error,
        "",
        &[("caller", "\"x.go:1\""), ("msg", "\"again\""), ("err", "\"<nil>\"")],
    );
    check(
        r#"{"ts":1661145496123,"caller":"x.go:1","msg":"m","g":{"a":1,"h":{"b":2,"v":4}}}"#,
        Format::KlogJson,
        unix(AT + 123_000_000, 3),
        info,
        "m",
        &[("caller", "\"x.go:1\""), ("g", r#"{"a":1,"h":{"b":2,"v":4}}"#)],
    );
    // zap without a level: seconds.
    check(
        r#"{"ts":1661145496.5,"caller":"x.go:1","msg":"m"}"#,
        Format::Json,
        unix(AT + 500_000_000, 1),
        (Severity::UNKNOWN, ""),
        "m",
        &[("caller", "\"x.go:1\"")],
    );
}

#[test]
fn logrus_json_is_told_by_its_order_and_spelling() {
    let line = r#"{"a":"1","level":"warning","msg":"m","time":"2022-08-22T05:18:16Z","z":null}"#;
    let fields = [("a", "\"1\""), ("z", "null")];
    check(line, Format::LogrusJson, unix(AT, 0), (Severity::WARN, "warning"), "m", &fields);
    let line = r#"{"msg":"m","level":"error","time":"2022-08-22T05:18:16.000001Z"}"#;
    check(line, Format::LogrusJson, unix(AT + 1000, 6), (Severity::ERROR, "error"), "m", &[]);
    let line = r#"{"level":"debug", "msg": "nsexec-1[7]: ~> nsexec stage-1"}"#;
    let message = "nsexec-1[7]: ~> nsexec stage-1";
    check(line, Format::LogrusJson, Time::None, (Severity::DEBUG, "debug"), message, &[]);
    let line = r#"{"time":"2022-08-22T05:18:16Z","level":"info","msg":"m"}"#;
    check(line, Format::Json, unix(AT, 0), (Severity::INFO, "info"), "m", &[]);
}

#[test]
fn finds_the_keys_of_many_loggers() {
    let info = |text| (Severity::INFO, text);
    let millis = unix(AT + 123_000_000, 3);
    for (line, time, severity, body) in [
        // zap
        (r#"{"level":"info","ts":1661145496.123,"msg":"m"}"#, millis, info("info"), "m"),
        (r#"{"level":"info","ts":"2022-08-22T05:18:16.123Z","msg":"m"}"#, millis, info("info"), "m"),
        (r#"{"level":"Level(-3)","ts":1661145496123,"msg":"m"}"#, millis, (Severity::DEBUG, "Level(-3)"), "m"),
        // slog
        (r#"{"time":"2022-08-22T07:18:16.123+02:00","level":"WARN","msg":"m"}"#, millis, (Severity::WARN, "WARN"), "m"),
        (r#"{"time":"2022-08-22T05:18:16.123Z","level":"INFO+2","msg":"m"}"#, millis, (Severity(11), "INFO+2"), "m"),
        // pino, bunyan
        (r#"{"level":30,"time":1661145496123,"msg":"m"}"#, millis, info("30"), "m"),
        (r#"{"level":60,"msg":"m","time":"2022-08-22T05:18:16.123Z"}"#, millis, (Severity::FATAL, "60"), "m"),
        // zerolog
        (r#"{"level":"trace","time":1661145496,"message":"m"}"#, unix(AT, 0), (Severity::TRACE, "trace"), "m"),
        // Serilog
        (r#"{"@t":"2022-08-22T05:18:16.123Z","@m":"m"}"#, millis, info(""), "m"),
        (r#"{"@t":"2022-08-22T05:18:16.123Z","@mt":"m","@l":"Error"}"#, millis, (Severity::ERROR, "Error"), "m"),
        // ECS, logstash, Spring Boot
        (r#"{"@timestamp":"2022-08-22T05:18:16.123Z","log.level":"INFO","message":"m"}"#, millis, info("INFO"), "m"),
        // Google Cloud
        (
            r#"{"severity":"NOTICE","message":"m","time":"2022-08-22T05:18:16.123Z"}"#,
            millis,
            (Severity::INFO2, "NOTICE"),
            "m",
        ),
        // .NET
        (
            r#"{"Timestamp":"2022-08-22T05:18:16.123Z","LogLevel":"Information","Message":"m"}"#,
            millis,
            info("Information"),
            "m",
        ),
        // hclog
        (r#"{"@level":"info","@message":"m","@timestamp":"2022-08-22T05:18:16.123Z"}"#, millis, info("info"), "m"),
        // structlog
        (r#"{"event":"m","level":"info","timestamp":"2022-08-22T05:18:16.123Z"}"#, millis, info("info"), "m"),
        // MongoDB
        (r#"{"t":{"$date":"2022-08-22T05:18:16.123+00:00"},"s":"I","msg":"m"}"#, millis, info("I"), "m"),
        // no level, no time
        (r#"{"msg":""}"#, Time::None, (Severity::UNKNOWN, ""), ""),
        // microseconds, nanoseconds, and Go's own notation
        (r#"{"ts":1661145496123000,"msg":"m"}"#, unix(AT + 123_000_000, 6), (Severity::UNKNOWN, ""), "m"),
        (r#"{"ts":"1661145496123000000","msg":"m"}"#, unix(AT + 123_000_000, 9), (Severity::UNKNOWN, ""), "m"),
        (r#"{"ts":"2022-08-22 05:18:16.123 +0000 UTC m=+0.1","msg":"m"}"#, millis, (Severity::UNKNOWN, ""), "m"),
    ] {
        check(line, Format::Json, time, severity, body, &[]);
    }
}

#[test]
fn finds_what_is_nested_and_leaves_it_there() {
    let at = unix(AT + 7, 9);
    for (line, time, severity, body, fields) in [
        (
            r#"{"instant":{"epochSecond":1661145496,"nanoOfSecond":7},"level":"INFO","message":"m","thrown":{"name":"E"}}"#,
            at,
            (Severity::INFO, "INFO"),
            "m",
            &[("thrown", r#"{"name":"E"}"#)][..],
        ),
        (
            r#"{"timestamp":{"seconds":1661145496,"nanos":7},"severity":"info","message":"m"}"#,
            at,
            (Severity::INFO, "info"),
            "m",
            &[],
        ),
        (
            r#"{"log":{"level":"WARN","logger":"l"},"message":"m"}"#,
            Time::None,
            (Severity::WARN, "WARN"),
            "m",
            &[("log", r#"{"level":"WARN","logger":"l"}"#)],
        ),
        (
            r#"{"level":"INFO","fields":{"message":"m","a":1},"target":"t"}"#,
            Time::None,
            (Severity::INFO, "INFO"),
            "m",
            &[("fields", r#"{"message":"m","a":1}"#), ("target", "\"t\"")],
        ),
        (r#"{"short_message":"m","level":3,"timestamp":1661145496.000000007}"#, at, (Severity::ERROR, "3"), "m", &[]),
    ] {
        check(line, Format::Json, time, severity, body, fields);
    }
    let mut entry = Entry::default();
    let line = br#"{"time":"2022-08-22T05:18:16Z","source":{"function":"f","file":"/a/b.go","line":7},"msg":"m"}"#;
    assert!(super::line(line, &mut entry));
    assert_eq!(entry.code, Some(CodeSite { file: b"/a/b.go", line: 7 }));
}

#[test]
fn an_audit_event_says_what_was_asked() {
    check(
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","requestURI":"/api?a=\"b\"","verb":"list","requestReceivedTimestamp":"2022-08-22T05:18:15Z","stageTimestamp":"2022-08-22T05:18:16.000007Z","x":1}"#,
        Format::Json,
        unix(AT + 7000, 6),
        (Severity::INFO, ""),
        "list /api?a=\"b\"",
        &[
            ("kind", "\"Event\""),
            ("apiVersion", "\"audit.k8s.io/v1\""),
            ("level", "\"Metadata\""),
            ("requestURI", "\"/api?a=\"b\"\""),
            ("verb", "\"list\""),
            ("requestReceivedTimestamp", "\"2022-08-22T05:18:15Z\""),
            ("x", "1"),
        ],
    );
}

#[test]
fn what_is_of_no_use_stays_a_field_in_its_place() {
    check(
        r#"{"a":1,"time":"noon","level":"loud","level":7,"msg":{"x":1},"ts":5,"b":1.10,"msg":"m","msg":"n"}"#,
        Format::Json,
        Time::None,
        (Severity::UNKNOWN, ""),
        "m",
        &[
            ("a", "1"),
            ("time", "\"noon\""),
            ("level", "\"loud\""),
            ("level", "7"),
            ("msg", r#"{"x":1}"#),
            ("ts", "5"),
            ("b", "1.10"),
            ("msg", "\"n\""),
        ],
    );
    // What a better key displaces goes back to where it stood.
    check(
        r#"{"event":"e","a":1,"asctime":"2022-08-22 05:18:17,5","b":2,"message":"n","time":"2022-08-22T05:18:16Z","msg":"m"}"#,
        Format::Json,
        unix(AT, 0),
        (Severity::UNKNOWN, ""),
        "m",
        &[("event", "\"e\""), ("a", "1"), ("asctime", "\"2022-08-22 05:18:17,5\""), ("b", "2"), ("message", "\"n\"")],
    );
    let line = r#"{"severity":17,"level":200,"msg":"m"}"#;
    check(line, Format::Json, Time::None, (Severity::UNKNOWN, ""), "m", &[("severity", "17"), ("level", "200")]);
    let line = r#"{"a": 1}"#;
    check(line, Format::Json, Time::None, (Severity::UNKNOWN, ""), line, &[("a", "1")]);
    check("\t{}\r", Format::Json, Time::None, (Severity::UNKNOWN, ""), "{}", &[]);
}

#[test]
fn lines_joined_behind_are_kept() {
    let mut entry = Entry::default();
    assert!(line(b"{\"msg\":\"m\"}\r\ngoroutine 1 [running]:\nmain.main()", &mut entry));
    assert_eq!((&*entry.body, entry.fields.len()), (&b"m"[..], 1));
    assert_eq!(entry.text(frames::STACK_KEY), Some(&b"goroutine 1 [running]:\nmain.main()"[..]));
}

#[test]
fn leaves_the_entry_empty_where_it_is_no_json() {
    for text in [
        "",
        "x",
        "[1]",
        r#"{"msg":"m""#,
        r#"{"msg":"m"} tail"#,
        r#"{"ts":1661145496123,"caller":"x.go:1","msg":"m","v":0"#,
        r#"{"ts":1661145496123,"caller":"x.go:1","msg":"m","v":0} tail"#,
        r#"{"level":"info",}"#,
    ] {
        let mut entry = Entry::default();
        assert!(!line(text.as_bytes(), &mut entry), "{text}");
        assert_eq!(entry, Entry::default(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_member_is_lost(
        members in proptest::collection::vec(
            (
                prop_oneof![
                    "[a-z]{0,4}",
                    prop::sample::select(vec![
                        "ts", "time", "@t", "level", "severity", "msg", "message", "@mt", "event", "log", "fields", "t", "s",
                        "caller", "source", "asctime", "apiVersion", "kind", "short_message", "stageTimestamp", "v",
                    ]).prop_map(str::to_owned),
                ],
                prop::sample::select(vec![
                    "1661145496", "1661145496.25", "\"info\"", "\"x.go:1\"", "30", "3", "null", "true", "\"audit.k8s.io/v1\"",
                    "\"Event\"", "{\"level\":\"warn\",\"message\":\"m\",\"v\":1}", "[1]", "\"2022-08-22T05:18:16Z\"", "\"I\"",
                ]),
            ),
            0..10,
        ),
    ) {
        let inner: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        let text = format!("{{{}}}", inner.join(","));
        let mut entry = Entry::default();
        prop_assert!(line(text.as_bytes(), &mut entry));
        // Each member is a field, in order, but for at most one time, level and message.
        let mut rest = entry.fields.iter().peekable();
        let mut taken = 0;
        for (key, value) in &members {
            let is_next = rest.peek().is_some_and(|field| {
                *field.key == *key.as_bytes() && field.value == json::value(value.as_bytes())
            });
            if is_next { rest.next(); } else { taken += 1; }
        }
        prop_assert!(rest.next().is_none() && taken <= 3, "{} {:?}", text, entry);
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), cut in 0..60usize) {
        let mut entry = Entry::default();
        line(&bytes, &mut entry);
        entry.clear();
        let text: &[u8] = br#"{"ts":1661145496123.4,"caller":"x.go:1","msg":"\u00e9","v":0,"log":{"level":"info"}}"#;
        line(&[&text[..cut], &bytes].concat(), &mut entry);
    }
}
