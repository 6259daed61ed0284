use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Option<Entry<'_>> {
    let mut entry = Entry::default();
    let is = line(text.as_bytes(), &mut entry);
    assert_eq!(is, entry.format == Format::Logfmt, "{text}");
    assert!(is || entry == Entry::default(), "{text}");
    is.then_some(entry)
}

/// Severity text, body, and the fields as text.
fn check(text: &str, severity: &str, body: &str, fields: &[(&str, &str)]) -> Time {
    let entry = read(text).unwrap_or_else(|| panic!("not read: {text}"));
    assert_eq!((&*entry.severity_text, &*entry.body), (severity.as_bytes(), body.as_bytes()), "{text}");
    let found: Vec<(String, String)> = entry
        .fields
        .iter()
        .map(|field| {
            let value = match &field.value {
                Value::Text(text) | Value::Json(text) => text.to_vec(),
                Value::Number(text) => text.to_vec(),
                Value::Bool(value) => value.to_string().into_bytes(),
                Value::Null => b"null".to_vec(),
            };
            (String::from_utf8_lossy(&field.key).into_owned(), String::from_utf8_lossy(&value).into_owned())
        })
        .collect();
    let fields: Vec<(String, String)> =
        fields.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    assert_eq!(found, fields, "{text}");
    entry.time
}

#[test]
fn reads_what_the_usual_writers_write() {
    let nanos = 1_704_164_645_067_000_000;
    let time = check(
        r#"ts=2024-01-02T03:04:05.067Z caller=main.go:12 level=info component="a b" msg="it \"is\" on" n=3"#,
        "info",
        "it \"is\" on",
        &[("caller", "main.go:12"), ("component", "a b"), ("n", "3")],
    );
    assert_eq!(time, Time::Unix { nanos, digits: 3 });
    let time = check("time=2024-01-02T04:04:05.067+01:00 level=WARN msg=hello k=v", "WARN", "hello", &[("k", "v")]);
    assert_eq!(time, Time::Unix { nanos, digits: 3 });
    let time = check("t=2024-01-02T03:04:05+0000 lvl=eror message=x", "eror", "x", &[]);
    assert_eq!(time, Time::Unix { nanos: nanos - 67_000_000, digits: 0 });
    check("level=error event=\"two words\" a= b=", "error", "two words", &[("a", ""), ("b", "")]);
    check("a=1 b=2", "", "", &[("a", "1"), ("b", "2")]);
    check("severity=notice a.b/c-d=\"\"", "notice", "", &[("a.b/c-d", "")]);
    check("msg=one msg=two", "", "one", &[("msg", "two")]);
    check("level=loud msg=x time=soon", "", "x", &[("level", "loud"), ("time", "soon")]);
}

#[test]
fn reads_times_since_the_epoch() {
    for (text, nanos, digits) in [
        ("1704164645", 1_704_164_645_000_000_000, 0),
        ("1704164645.067", 1_704_164_645_067_000_000, 3),
        ("1704164645.000000001", 1_704_164_645_000_000_001, 9),
        ("1704164645067", 1_704_164_645_067_000_000, 3),
        ("1704164645067.25", 1_704_164_645_067_250_000, 5),
        ("1704164645067123", 1_704_164_645_067_123_000, 6),
        ("\"1704164645067123456\"", 1_704_164_645_067_123_456, 9),
    ] {
        assert_eq!(check(&format!("ts={text} a=b"), "", "", &[("a", "b")]), Time::Unix { nanos, digits }, "{text}");
    }
    assert_eq!(check("ts=12 a=b", "", "", &[("ts", "12"), ("a", "b")]), Time::None);
}

#[test]
fn bare_words_belong_to_the_value_before() {
    check("level=info msg=a few words k=v", "info", "a few words", &[("k", "v")]);
    check("level=info err=\"a\" b msg=x", "info", "x", &[("err", "\"a\" b")]);
    check("level=info msg=\"cut \\\"off", "info", "cut \"off", &[]);
    check("level=info msg=\"cut k=v", "info", "cut k=v", &[]);
}

#[test]
fn prose_is_no_logfmt() {
    for text in [
        "",
        "=",
        "a=b",
        "a = b",
        "started with port=80",
        "failed to mount volume name=foo type=bar",
        "x=1 is what we found after a long search",
        "a=1 b=2 and then a long text without any more of it",
        "GET /index?a=b&c=d HTTP/1.1",
        "url=http://x/?a=b is not reachable",
        "export PATH=/bin HOME=/root",
        "==== begin ==== a=b",
        "2024-01-02 level=info msg=x",
        "{\"a\":\"b=c\"} d=e",
        "time=soon or later",
    ] {
        assert!(read(text).is_none(), "{text}");
    }
}

#[test]
fn further_lines_are_kept() {
    check("level=info msg=a\n  more", "info", "a\n  more", &[]);
    check("level=info msg=a\n\tat x.y(Z.java:1)", "info", "a", &[("exception.stacktrace", "\tat x.y(Z.java:1)")]);
}

/// Where a byte is looked at once for each before it, each of these takes hours.
#[test]
fn hostile_lines_take_linear_time() {
    let pieces = ["a=\"", "a ", "a= b ", "=", "\\\"", " a=\"b\" c", "\" "];
    let is_read = |piece: &&str| {
        let text = format!("level=info msg=x a={}", piece.repeat(300_000));
        line(text.as_bytes(), &mut Entry::default())
    };
    // What is words for the most part is prose.
    let read: Vec<&str> = pieces.into_iter().filter(is_read).collect();
    assert_eq!(read, ["a=\"", "a= b ", "=", "\\\"", " a=\"b\" c"]);
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100), text in "[a-c=\" \\\\\n\rts0-9.]{0,60}") {
        for text in [&bytes, text.as_bytes(), format!("level=info msg={text}").as_bytes()] {
            let mut entry = Entry::default();
            let _ = line(text, &mut entry);
            let _ = crate::formats::logrus::text(text, &mut entry);
        }
    }

    #[test]
    fn no_byte_of_a_line_is_dropped(text in "[a-c=\"\\\\ ]{1,40}") {
        let kept: usize = Pairs::new(text.as_bytes()).map(|pair| pair.key.len() + pair.raw.len()).sum();
        let apart = text.bytes().filter(|byte| matches!(byte, b' ' | b'=')).count();
        prop_assert!(kept + apart >= text.len(), "{text:?} kept {kept}");
    }
}
