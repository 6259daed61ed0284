//! In which format a file holds traces, by its first bytes.
//!
//! In goes the beginning of a decompressed file, out comes the format that its reader takes; the file's name does not count.
//! A file of spans in no known place is [`telemetry`](super::telemetry)'s to name.

use std::fmt;

use super::json_scan::ValueScan;

/// Bytes that are looked at.
pub const HEAD_BYTES: usize = 4096;

/// The format of a file of traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceFormat {
    /// OTLP/JSON requests, one a line or over several lines.
    OtlpJson,
    /// One JSON list of OTLP/JSON requests.
    OtlpJsonList,
    /// One OTLP request in protobuf.
    Protobuf,
    /// OTLP requests in protobuf, each after its length.
    LengthPrefixed,
    /// What Jaeger's UI saves, and its `/api/traces` answers; also `jaeger.api_v2` as JSON.
    Jaeger,
    /// What `jaeger.api_v3` answers.
    JaegerV3,
    /// What Tempo answers, and Grafana saves of it.
    Tempo,
    /// Spans of Zipkin's second version.
    Zipkin,
    /// None of these: the reader takes it for requests after their lengths, or JSON without spans.
    Unknown,
}

impl fmt::Display for TraceFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TraceFormat::OtlpJson => "OTLP/JSON",
            TraceFormat::OtlpJsonList => "a JSON list of OTLP requests",
            TraceFormat::Protobuf => "an OTLP protobuf request",
            TraceFormat::LengthPrefixed => "OTLP protobuf requests behind their lengths",
            TraceFormat::Jaeger => "Jaeger JSON",
            TraceFormat::JaegerV3 => "Jaeger JSON (api_v3)",
            TraceFormat::Tempo => "Tempo JSON",
            TraceFormat::Zipkin => "Zipkin JSON",
            TraceFormat::Unknown => "no kind of traces that is known",
        })
    }
}

impl TraceFormat {
    /// JSON begins with a bracket (after blanks), a protobuf request with the tag of its field 1 (0x0A), and a length below
    /// the limit with neither. 0x0A is a line feed too, and `{` may be a length: only JSON goes on with `"` or `}`.
    pub fn of(head: &[u8]) -> TraceFormat {
        let head = &head[..head.len().min(HEAD_BYTES)];
        match head {
            _ if is_text(head) => TraceFormat::of_json(head).unwrap_or(TraceFormat::Unknown),
            [0x0a, ..] => TraceFormat::Protobuf,
            // An empty request, or one that begins with its field 1.
            [0, 0, 0, 0, ..] | [_, _, _, _, 0x0a, ..] => TraceFormat::LengthPrefixed,
            _ => TraceFormat::Unknown,
        }
    }

    /// The kind of traces that a JSON text holds, where its beginning leaves no doubt: a log whose lines name a trace is
    /// none.
    pub fn of_json(head: &[u8]) -> Option<TraceFormat> {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        match text.first()? {
            b'{' => of_object(&Outline::of(text)),
            b'[' => {
                let inner = text[1..].trim_ascii_start();
                let list_of_lists = inner.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
                let outline = Outline::of(list_of_lists.unwrap_or(inner));
                match of_object(&outline) {
                    Some(TraceFormat::OtlpJson) => Some(TraceFormat::OtlpJsonList),
                    None if outline.has("traceId") && outline.has("id") => Some(TraceFormat::Zipkin),
                    kind => kind,
                }
            }
            _ => None,
        }
    }
}

/// Text, and not protobuf that begins like it.
pub(super) fn is_text(head: &[u8]) -> bool {
    let printable = head.iter().take(64).all(|byte| *byte >= b' ' || byte.is_ascii_whitespace());
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let in_braces = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    printable || in_braces.is_some_and(|rest| matches!(rest.first(), Some(b'"' | b'}') | None))
}

fn of_object(outline: &Outline<'_>) -> Option<TraceFormat> {
    let is_list = |key: &str| outline.value(key).is_some_and(|value| value.starts_with(b"["));
    if is_list("resourceSpans") || is_list("resource_spans") {
        return Some(TraceFormat::OtlpJson);
    }
    let inside = |key: &str| outline.value(key).filter(|value| value.starts_with(b"{")).map(Outline::of);
    let holds_spans = |inner: &Outline<'_>| {
        ["resourceSpans", "resource_spans", "batches"].iter().any(|key| inner.has(key)) || inner.keys.is_empty()
    };
    if inside("result").is_some_and(|inner| holds_spans(&inner)) {
        return Some(TraceFormat::JaegerV3);
    }
    if is_list("batches") || inside("trace").is_some_and(|inner| holds_spans(&inner)) {
        return Some(TraceFormat::Tempo);
    }
    let traces = outline.value("data").and_then(|value| value.strip_prefix(b"[")).map(<[u8]>::trim_ascii_start);
    let is_trace = |outline: &Outline<'_>| is_jaeger_trace(outline) || is_jaeger_span(outline);
    if traces.is_some_and(|traces| traces.starts_with(b"]") || is_trace(&Outline::of(traces))) || is_trace(outline) {
        return Some(TraceFormat::Jaeger);
    }
    let is_zipkin = outline.has("traceId") && outline.has("id") && outline.has("localEndpoint");
    is_zipkin.then_some(TraceFormat::Zipkin)
}

/// Logs have lists of spans too (those of Rust's `tracing` do), of names.
fn is_jaeger_trace(outline: &Outline<'_>) -> bool {
    let first = outline.value("spans").and_then(|value| value.strip_prefix(b"["));
    first.is_some_and(|first| {
        let first = Outline::of(first.trim_ascii_start());
        let has = |names: [&str; 2]| names.iter().any(|name| first.has(name));
        has(["traceID", "traceId"]) && (has(["spanID", "spanId"]) || first.keys.len() == 1)
    }) || outline.has("processes") && outline.has("traceID")
}

fn is_jaeger_span(outline: &Outline<'_>) -> bool {
    outline.has("operationName") && (outline.has("spanID") || outline.has("spanId"))
}

/// The keys of a JSON object, with the beginnings of their values; as far as it is there.
#[derive(Default)]
pub(super) struct Outline<'t> {
    pub(super) keys: Vec<(&'t str, &'t [u8])>,
}

impl<'t> Outline<'t> {
    pub(super) fn of(text: &'t [u8]) -> Outline<'t> {
        let mut outline = Outline::default();
        let Some(mut rest) = text.strip_prefix(b"{") else { return outline };
        loop {
            rest = pass_over(rest, b",");
            let (length, ends) = ValueScan::default().take(rest);
            let key = rest[..length].strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\""));
            let (true, Some(key)) = (ends, key) else { return outline };
            rest = pass_over(&rest[length..], b":");
            let (length, ends) = ValueScan::default().take(rest);
            outline.keys.push((std::str::from_utf8(key).unwrap_or_default(), rest));
            if !ends {
                return outline;
            }
            rest = &rest[length..];
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// From the value's first byte to the end of the text.
    pub(super) fn value(&self, key: &str) -> Option<&'t [u8]> {
        self.keys.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
}

fn pass_over<'t>(text: &'t [u8], mark: &[u8]) -> &'t [u8] {
    let text = text.trim_ascii_start();
    text.strip_prefix(mark).unwrap_or(text).trim_ascii_start()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Option<TraceFormat>) {
        assert_eq!(TraceFormat::of_json(head.as_bytes()), expected, "{head}");
        // Told however it is laid out.
        let spread = head.replace(':', " : ").replace('{', "{\n  ").replace('[', "[\n");
        assert_eq!(TraceFormat::of_json(spread.as_bytes()), expected, "{spread}");
    }

    #[test]
    fn each_kind_is_told_by_its_beginning() {
        check(r#"{"resourceSpans":[{"resource":{"attri"#, Some(TraceFormat::OtlpJson));
        check(r#"[{"resourceSpans":[{"resource":{"attri"#, Some(TraceFormat::OtlpJsonList));
        check(r#"{"data":[{"traceID":"1","spans":[{"traceID":"1"#, Some(TraceFormat::Jaeger));
        check(r#"{"data":[],"total":0}"#, Some(TraceFormat::Jaeger));
        check(r#"{"total":0,"limit":0,"data":[{"spans":[{"traceID":"1","spanID":"2"#, Some(TraceFormat::Jaeger));
        check(r#"{"traceID":"1","spans":[{"traceID":"1","spanID":"2","#, Some(TraceFormat::Jaeger));
        check(r#"[{"traceID":"1","spans":[{"traceID":"1","spanID":"2","#, Some(TraceFormat::Jaeger));
        check(r#"{"spans":[{"traceId":"AAAA"#, Some(TraceFormat::Jaeger));
        check(r#"{"traceID":"1","spanID":"2","flags":1,"operationName":"x""#, Some(TraceFormat::Jaeger));
        check(r#"{"result":{"resourceSpans":[{"res"#, Some(TraceFormat::JaegerV3));
        check(r#"{"batches":[{"resource":{"#, Some(TraceFormat::Tempo));
        check(r#"{"trace":{"resourceSpans":[{"res"#, Some(TraceFormat::Tempo));
        check(r#"{"trace":{"batches":[{"res"#, Some(TraceFormat::Tempo));
        check(r#"[{"traceId":"1","id":"2","name":"x"#, Some(TraceFormat::Zipkin));
        check(r#"[[{"traceId":"1","parentId":"0","id":"2","name":"x"#, Some(TraceFormat::Zipkin));
        check(r#"{"traceId":"1","id":"2","localEndpoint":{"ser"#, Some(TraceFormat::Zipkin));
    }

    #[test]
    fn logs_are_none() {
        for log in [
            r#"{"traceId":"1","spanId":"2","level":"info","msg":"x"}"#,
            r#"{"id":"7","traceId":"1","message":"took 3 ms"}"#,
            r#"{"data":[1,2],"level":"info"}"#,
            r#"{"level":"INFO","fields":{"message":"x"},"span":{"name":"a"},"spans":[{"name":"a","traceId":"1"}]}"#,
            r#"{"data":{"spans":[]},"msg":"x"}"#,
            r#"{"trace":{"id":"1"},"span":{"id":"2"},"message":"x"}"#,
            r#"{"result":{"code":0},"msg":"x"}"#,
            "[GIN] 2026/11/23 - 09:11:02 | 200",
            "I1123 09:11:02.000000       1 main.go:1] \"x\"",
            "",
        ] {
            check(log, None);
        }
    }
}
