//! Telemetry that is no plain log: OTLP of any signal, and traces of other tools, by the first bytes of a file.
//!
//! In goes the beginning of a decompressed file, out comes what it is, so that it is not read as a log and can be called by
//! its name. Whether and how its spans can be read is decided in [`trace_format`](super::trace_format).

/// What a file that is no plain log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telemetry {
    /// OTLP/JSON with spans.
    OtlpTraces,
    /// OTLP/JSON with log records.
    OtlpLogs,
    /// OTLP/JSON with metrics.
    OtlpMetrics,
    /// OTLP protobuf: of what, its first bytes don't tell.
    OtlpProtobuf,
    /// What Jaeger's API and UI give, or its spans as they are stored.
    Jaeger,
    /// What Tempo's API gives.
    Tempo,
    /// Zipkin's JSON.
    Zipkin,
}

/// Members are looked for in this many bytes: those of a wrapper may stand before them.
const EARLY_BYTES: usize = 4096;

impl Telemetry {
    /// The kind, if it is one of these.
    pub fn of(head: &[u8]) -> Option<Telemetry> {
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        match text.first()? {
            b'{' | b'[' => Telemetry::of_json(&text[..text.len().min(EARLY_BYTES)]),
            _ => is_protobuf(head).then_some(Telemetry::OtlpProtobuf),
        }
    }

    fn of_json(text: &[u8]) -> Option<Telemetry> {
        let has = |name: &str| holds_member(text, name);
        let all = |names: &[&str]| names.iter().all(|name| has(name));
        let otlp = [
            ("resourceSpans", "resource_spans", Telemetry::OtlpTraces),
            ("resourceLogs", "resource_logs", Telemetry::OtlpLogs),
            ("resourceMetrics", "resource_metrics", Telemetry::OtlpMetrics),
        ];
        if let Some((.., kind)) = otlp.iter().find(|(camel, snake, _)| has(camel) || has(snake)) {
            return Some(*kind);
        }
        match () {
            () if has("batches") && (has("scopeSpans") || has("instrumentationLibrarySpans") || has("resource")) => {
                Some(Telemetry::Tempo)
            }
            () if all(&["traceID", "operationName"]) && (has("spans") || all(&["spanID", "startTime", "duration"])) => {
                Some(Telemetry::Jaeger)
            }
            () if text.first() == Some(&b'[') && all(&["traceId", "id", "timestamp"]) => Some(Telemetry::Zipkin),
            () => None,
        }
    }

    /// What the file is, as the end of a sentence that begins with its name.
    pub fn description(self) -> &'static str {
        match self {
            Telemetry::OtlpTraces => "OTLP/JSON traces",
            Telemetry::OtlpLogs => "OTLP/JSON logs, no traces",
            Telemetry::OtlpMetrics => "OTLP/JSON metrics, no traces",
            Telemetry::OtlpProtobuf => "OTLP protobuf",
            Telemetry::Jaeger => "a Jaeger JSON file",
            Telemetry::Tempo => "a Tempo JSON file",
            Telemetry::Zipkin => "a Zipkin JSON file",
        }
    }

    /// Why it is left out of the logs.
    pub fn is_no_log(self) -> &'static str {
        match self {
            Telemetry::OtlpTraces | Telemetry::OtlpLogs | Telemetry::OtlpMetrics => "OTLP/JSON, no log",
            Telemetry::OtlpProtobuf => "OTLP protobuf, no log",
            Telemetry::Jaeger | Telemetry::Tempo | Telemetry::Zipkin => "JSON traces, no log",
        }
    }
}

/// Whether a member of this name stands in the text: the name in quotes and a colon after it. Within a string, quotes are
/// escaped, so that a message about traces is none.
fn holds_member(text: &[u8], name: &str) -> bool {
    memchr::memmem::find_iter(text, name.as_bytes()).any(|at| {
        let before = at.checked_sub(1).map(|at| text[at]);
        let after = &text[at + name.len()..];
        let follows = after.strip_prefix(b"\"").map(<[u8]>::trim_ascii_start);
        before == Some(b'"') && follows.is_some_and(|rest| rest.starts_with(b":"))
    })
}

/// request = 0x0A length resource-data ; resource-data = 0x0A length resource
/// resource = 0x0A length attribute    ; attribute = 0x0A length key
///
/// Each length fits into the one around it, and the key of an attribute is text. A request may stand after its length in
/// four bytes.
fn is_protobuf(head: &[u8]) -> bool {
    is_request(head) || head.len() > 4 && head[0] < 0x20 && is_request(&head[4..])
}

fn is_request(bytes: &[u8]) -> bool {
    let (mut rest, mut room) = (bytes, u64::MAX);
    for _ in 0..4 {
        let Some((length, after)) = rest.strip_prefix(b"\x0a").and_then(length) else { return false };
        if length == 0 || length >= room {
            return false;
        }
        (rest, room) = (after, length);
    }
    let key = &rest[..rest.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
    room <= 256 && key.len() as u64 == room && key.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

fn length(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
    use prost::Message;

    #[test]
    fn kinds_are_recognised_in_each_spelling() {
        for (text, kind) in [
            (r#"{"resourceSpans":[]}"#, Some(Telemetry::OtlpTraces)),
            ("\u{feff}{\n  \"resourceSpans\" : [", Some(Telemetry::OtlpTraces)),
            (r#"{"time":"x","body":{"resource_spans":[]}}"#, Some(Telemetry::OtlpTraces)),
            (r#"{"resourceLogs":[{"resource":{}}]}"#, Some(Telemetry::OtlpLogs)),
            (r#"{"resourceMetrics":[]}"#, Some(Telemetry::OtlpMetrics)),
            (r#"{"data":[{"traceID":"1","spans":[{"traceID":"1","operationName":"x""#, Some(Telemetry::Jaeger)),
            (r#"{"traceID":"1","spanID":"2","operationName":"x","startTime":1,"duration":2}"#, Some(Telemetry::Jaeger)),
            (r#"{"batches":[{"resource":{}"#, Some(Telemetry::Tempo)),
            (r#"[{"traceId":"1","id":"2","name":"x","timestamp":1}]"#, Some(Telemetry::Zipkin)),
            (r#"{"msg":"sent {\"resourceSpans\":[]}"}"#, None),
            (r#"{"traceId":"1","id":"2","timestamp":1,"msg":"a log"}"#, None),
            (r#"{"level":"info","traceID":"1","spanID":"2","msg":"a log"}"#, None),
            ("\n\n\n\n\n\n\n\n", None),
            ("a line\n", None),
            ("", None),
        ] {
            assert_eq!(Telemetry::of(text.as_bytes()), kind, "{text}");
        }
    }

    #[test]
    fn protobuf_is_recognised_with_and_without_its_length() {
        let value = Some(AnyValue { value: Some(Value::StringValue("shop".into())) });
        let attributes = vec![KeyValue { key: "service.name".into(), value, ..KeyValue::default() }];
        let resource = Some(Resource { attributes, ..Resource::default() });
        let resource_spans = vec![ResourceSpans { resource, ..ResourceSpans::default() }];
        let bytes = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let length = (bytes.len() as u32).to_be_bytes();
        assert_eq!(Telemetry::of(&bytes), Some(Telemetry::OtlpProtobuf));
        assert_eq!(Telemetry::of(&[&length[..], &bytes].concat()), Some(Telemetry::OtlpProtobuf));
        assert_eq!(Telemetry::of(&bytes[1..]), None);
    }
}
