//! Loki's answers: `logcli query` as text, and the streams that its HTTP API gives or takes.
//!
//! In goes a line of logcli, or a buffer of JSON with streams, out come the lines with their labels and times. `-o raw` has
//! nothing around its lines, and `-o jsonl` is one of the forms of [`shipped`](super::shipped).
//! <https://grafana.com/docs/loki/latest/reference/loki-http-api/>

use crate::entry::Time;
use crate::json;
use crate::text::{ansi, quote};
use crate::time::{epoch, timestamp};
use std::borrow::Cow;

use memchr::memchr3;

use super::Line;

/// line = time SP "{" [ name "=" quoted *( ", " name "=" quoted ) ] "}" 1*SP content
///
/// Labels are padded to one width. The content is given with its blanks, and how many bytes the labels had with theirs before
/// the first that is none: [`Logcli::start`] of all lines tells where contents begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logcli<'a> {
    /// The line; its content begins after the blank that always is.
    pub line: Line<'a>,
    /// Characters from the labels' start to the end of the blanks after them.
    pub start: usize,
    /// Characters of the labels and of the blank after them.
    pub least: usize,
}

/// Reads a line of logcli's default output.
pub fn logcli(line: &[u8]) -> Option<Logcli<'_>> {
    let text = ansi::trim_start(line);
    let (time, end) = timestamp::iso8601(text).filter(|_| text.get(10) == Some(&b'T'))?;
    if !matches!(time, Time::Unix { .. }) {
        return None;
    }
    let labels = ansi::trim_start(ansi::trim_start(&text[end..]).strip_prefix(b" ")?);
    let mut out = Line { time, is_certain: true, ..Line::default() };
    let length = each_label(labels, |name, value| out.label(Cow::Borrowed(name), value))?;
    let rest = ansi::trim_start(&labels[length..]).strip_prefix(b" ")?;
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    out.content = Cow::Borrowed(rest);
    Some(Logcli { line: out, start: length + 1 + blanks, least: length + 1 })
}

/// Gives the labels of `{name="value", …}`; how many bytes they take.
fn each_label<'a>(text: &'a [u8], mut give: impl FnMut(&'a [u8], Cow<'a, [u8]>)) -> Option<usize> {
    let mut at = 1;
    if text.first() != Some(&b'{') {
        return None;
    }
    if text.get(1) == Some(&b'}') {
        return Some(2);
    }
    loop {
        let name = text.get(at..)?.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let value = at + name + 1;
        if name == 0 || text.get(at + name) != Some(&b'=') {
            return None;
        }
        let (unquoted, length) = quote::quoted(text.get(value..)?)?;
        give(&text[at..at + name], unquoted);
        match text.get(value + length..)? {
            [b'}', ..] => return Some(value + length + 1),
            [b',', b' ', ..] => at = value + length + 2,
            [b',', ..] => at = value + length + 1,
            _ => return None,
        }
    }
}

/// Is this the start of streams in JSON? `None` where more bytes tell.
pub fn is_streams(head: &[u8]) -> Option<bool> {
    const STARTS: [&[u8]; 4] = [
        b"[{\"line\":\"",
        b"{\"streams\":[",
        b"{\"status\":\"success\",\"data\":{\"resultType\":\"streams\"",
        b"{\"data\":{\"resultType\":\"streams\"",
    ];
    const BYTES_MAX: usize = 200;
    if head.first().is_some_and(|byte| !matches!(byte, b'{' | b'[')) {
        return Some(false);
    }
    // Blanks stand anywhere in what a person has formatted.
    let dense: Vec<u8> = head.iter().take(BYTES_MAX).copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if STARTS.iter().any(|start| dense.starts_with(start)) {
        return Some(true);
    }
    let may_be = head.len() < BYTES_MAX && STARTS.iter().any(|start| start.starts_with(&dense));
    if may_be { None } else { Some(false) }
}

/// What comes next in streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'a> {
    /// The labels of the following lines, a JSON object, which ends at this offset.
    Labels(&'a [u8], usize),
    /// A line with its time.
    Value(Value<'a>),
    /// Nothing up to this offset; what begins there is not whole.
    More(usize),
}

/// A line of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value<'a> {
    /// When, with nine digits.
    pub time: Time,
    /// What the program wrote.
    pub content: Cow<'a, [u8]>,
    /// Labels of this line alone, a JSON object; empty where it has none.
    pub metadata: &'a [u8],
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// Finds the next labels or line of streams from an offset on.
pub fn next(text: &[u8], mut at: usize) -> Next<'_> {
    while let Some(found) = text.get(at..).and_then(|rest| memchr3(b'"', b'[', b'{', rest)) {
        let start = at + found;
        let taken = match text[start] {
            b'"' => key(text, start),
            b'[' => value(text, start),
            _ => download(text, start),
        };
        let Some(taken) = taken else { return Next::More(start) };
        match taken {
            Taken::Next(next) => return next,
            Taken::Nothing(end) => at = end,
        }
    }
    Next::More(text.len())
}

enum Taken<'a> {
    Next(Next<'a>),
    /// Nothing that counts, up to this offset.
    Nothing(usize),
}

/// `"stream": {…}`, or another string; `None` where it is not whole.
fn key(text: &[u8], start: usize) -> Option<Taken<'_>> {
    let end = start + json::value_end(&text[start..])?;
    if &text[start..end] != b"\"stream\"" {
        return Some(Taken::Nothing(end));
    }
    let blanks = |at: usize| at + text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let colon = blanks(end);
    if text.get(colon).is_some_and(|byte| *byte != b':') {
        return Some(Taken::Nothing(end));
    }
    let object = blanks((colon + 1).min(text.len()));
    match text.get(object) {
        Some(b'{') => {
            let end = object + json::value_end(&text[object..])?;
            Some(Taken::Next(Next::Labels(&text[object..end], end)))
        }
        Some(_) => Some(Taken::Nothing(end)),
        None => None,
    }
}

/// `["1795435200123456789", "line"]`, or the start of another array; `None` where it is not whole.
fn value(text: &[u8], start: usize) -> Option<Taken<'_>> {
    let inside = &text[start + 1..];
    let blanks = inside.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    match &inside[blanks..] {
        [] | [b'"'] => return None,
        [b'"', b'0'..=b'9', ..] => {}
        _ => return Some(Taken::Nothing(start + 1)),
    }
    let end = start + json::value_end(&text[start..])?;
    let mut elements = json::array(&text[start..end])?;
    let time = elements.next().and_then(json::string).and_then(|time| match epoch::time(&time, epoch::Unit::Nanos) {
        Some(Time::Unix { nanos, .. }) => Some(Time::Unix { nanos, digits: 9 }),
        _ => None,
    });
    match (time, elements.next().and_then(json::string)) {
        (Some(time), Some(content)) => {
            let metadata = elements.next().filter(|raw| raw.starts_with(b"{")).unwrap_or_default();
            Some(Taken::Next(Next::Value(Value { time, content, metadata, start, end })))
        }
        _ => Some(Taken::Nothing(start + 1)),
    }
}

/// `{"line": "…", "timestamp": "1795435200123456789", "date": "…", "fields": {…}}`: what Grafana gives to download.
fn download(text: &[u8], start: usize) -> Option<Taken<'_>> {
    const FIRST: &[u8] = b"\"line\"";
    let inside = text[start + 1..].trim_ascii_start();
    if !inside.starts_with(FIRST) {
        return if FIRST.starts_with(inside) { None } else { Some(Taken::Nothing(start + 1)) };
    }
    let end = start + json::value_end(&text[start..])?;
    let (mut time, mut content, mut metadata) = (None, None, &b""[..]);
    let mut members = json::object(&text[start..end])?;
    while let Some(member) = members.member() {
        match member.plain_key() {
            b"line" => content = member.text(),
            b"timestamp" => time = member.text().and_then(|text| epoch::time(&text, epoch::Unit::Nanos)),
            b"fields" => metadata = member.raw,
            _ => {}
        }
    }
    match (time, content) {
        (Some(Time::Unix { nanos, .. }), Some(content)) => {
            let time = Time::Unix { nanos, digits: 9 };
            Some(Taken::Next(Next::Value(Value { time, content, metadata, start, end })))
        }
        _ => Some(Taken::Nothing(start + 1)),
    }
}

/// A line with the labels of its stream and its own.
pub fn line<'a>(labels: &'a [u8], value: Value<'a>) -> Line<'a> {
    let Value { time, content, metadata, .. } = value;
    let mut out = Line { time, content, is_certain: true, ..Line::default() };
    for (name, raw) in json::object(labels).into_iter().chain(json::object(metadata)).flatten() {
        match json::string(raw) {
            Some(value) => out.label(name, value),
            // Told apart on demand (`categorize-labels`).
            None if matches!(&*name, b"structuredMetadata" | b"parsed") => {
                for (name, raw) in json::object(raw).into_iter().flatten() {
                    out.label(name, json::string(raw).unwrap_or(Cow::Borrowed(raw)));
                }
            }
            None => {}
        }
    }
    out
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_lines_of_logcli() {
        let found =
            logcli(b"2026-11-23T12:00:00Z {container=\"nginx\", pod=\"web-0\", x=\"a\\\"b\"}   \tat a").unwrap();
        assert_eq!((&*found.line.writer.pod, &*found.line.writer.container), (&b"web-0"[..], &b"nginx"[..]));
        assert_eq!(found.line.fields, [(Cow::Borrowed(&b"x"[..]), Cow::Borrowed(&b"a\"b"[..]))]);
        assert_eq!((&*found.line.content, found.start - found.least), (&b"  \tat a"[..], 2));
        assert_eq!(&*logcli(b"2026-11-23T12:00:00+01:00 {} a").unwrap().line.content, b"a");
        for none in [
            "2026-11-23T12:00:00Z {\"a\":1} x",
            "2026-11-23T12:00:00Z {a=1} x",
            "2026-11-23T12:00:00Z {a=\"1\"}",
            "2026-11-23 12:00:00 {a=\"1\"} x",
            "2026-11-23T12:00:00Z {a=\"1\" x",
        ] {
            assert_eq!(logcli(none.as_bytes()), None, "{none}");
        }
    }

    fn all(text: &[u8]) -> Vec<String> {
        let (mut at, mut out) = (0, Vec::new());
        loop {
            match next(text, at) {
                Next::Labels(labels, end) => {
                    out.push(String::from_utf8(labels.to_vec()).unwrap());
                    at = end;
                }
                Next::Value(Value { time: Time::Unix { nanos, .. }, content, end, .. }) => {
                    out.push(format!("{nanos} {}", String::from_utf8(content.to_vec()).unwrap()));
                    at = end;
                }
                Next::Value(_) => panic!("no time"),
                Next::More(_) => return out,
            }
        }
    }

    #[test]
    fn reads_streams_however_they_stand() {
        let dense = br#"{"status":"success","data":{"resultType":"streams","result":[{"stream":{"pod":"a"},"values":[["1795435200123456789","x [\"1\",\"2\"]"],["1795435200123456790","stream",{"k":"v"}]]},{"stream":{},"values":[]}],"stats":{"a":[1,2]}}}"#;
        let expected = ["{\"pod\":\"a\"}", "1795435200123456789 x [\"1\",\"2\"]", "1795435200123456790 stream", "{}"];
        assert_eq!(all(dense), expected);
        assert_eq!(is_streams(dense), Some(true));
        let spread = b"{\n \"streams\": [\n {\n \"stream\" : { \"pod\": \"a\" },\n \"values\": [\n [ \"1795435200123456789\",\n \"x\" ]\n]}]}";
        assert_eq!(all(spread), ["{ \"pod\": \"a\" }", "1795435200123456789 x"]);
        assert_eq!(is_streams(spread), Some(true));
        for (head, expected) in [("{\"streams\"", None), ("{\"level\":1}", Some(false)), ("x", Some(false)), ("", None)]
        {
            assert_eq!(is_streams(head.as_bytes()), expected, "{head}");
        }
    }

    #[test]
    fn reads_what_a_line_alone_has() {
        for metadata in [r#"{"a":"1","b":"2"}"#, r#"{"structuredMetadata":{"a":"1"},"parsed":{"b":"2"}}"#] {
            let text = format!(r#"[["1795435200123456789","x",{metadata}]]"#);
            let Next::Value(value) = next(text.as_bytes(), 0) else { panic!("{text}") };
            let fields: Vec<_> = line(br#"{"c":"3"}"#, value).fields;
            let shown: Vec<_> = fields.iter().map(|(key, value)| [&**key, value].concat()).collect();
            assert_eq!(shown, [b"c3", b"a1", b"b2"], "{text}");
        }
    }

    #[test]
    fn reads_what_grafana_gives_to_download() {
        let text = br#"[{"line":"a","timestamp":"1795435200123456789","date":"2026","fields":{"pod":"p"}},
            { "line": "b", "timestamp": "1795435200123456790", "fields": {}}, {"line": "no time"}]"#;
        assert_eq!(is_streams(text), Some(true));
        assert_eq!(all(text), ["1795435200123456789 a", "1795435200123456790 b"]);
        let Next::Value(value) = next(text, 0) else { panic!() };
        assert_eq!(&*line(b"", value).writer.pod, b"p");
        assert_eq!(is_streams(br#"[{"level":"info"}]"#), Some(false));
    }

    proptest! {
        #[test]
        fn never_panics_and_always_moves(text in "(\"stream\"|\"line\"|:|\\{|\\}|\\[|\\]|\"12345678901234567\",|\"x\"|,| |\\\\){0,30}") {
            all(text.as_bytes());
            logcli(format!("2026-11-23T12:00:00Z {text}").as_bytes());
            is_streams(text.as_bytes());
        }
    }
}
