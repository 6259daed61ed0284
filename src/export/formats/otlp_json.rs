//! Records as OTLP/JSON: `{"resourceLogs":[…]}`, one object a line.
//!
//! In go records of one origin, out comes a request by the rules of protobuf's JSON mapping as OTLP changes it: ids in
//! hex, 64-bit integers as decimal strings, bytes in base64. What OTLP cannot express is written otherwise: an integer beyond
//! 64 bits signed is a string, text that is not UTF-8 is bytes, an empty key is `_`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use spanline_parsers::{Severity, Value, json};

use crate::export::fields::{self, Attribute, Keys, RecordContext};
use crate::export::resource::{self, ResourceValue};
use crate::export::spell;
use crate::record::{Link, Origin, Record};

/// A record as a request of its own.
pub fn write(out: &mut Vec<u8>, record: &Record<'_>, link: Option<&Link>, context: &RecordContext<'_>) {
    let mut batch = Batch::open(out, record.origin);
    batch.push(out, record, link, context);
    batch.close(out);
}

/// A request that is being written: records of one origin.
#[derive(Debug)]
pub struct Batch {
    empty: bool,
}

impl Batch {
    /// Begins a request.
    pub fn open(out: &mut Vec<u8>, origin: &Origin) -> Batch {
        out.extend_from_slice(b"{\"resourceLogs\":[{\"resource\":{\"attributes\":[");
        let mut empty = true;
        resource::each(origin, |name, value| {
            key(out, &mut empty, name.as_bytes());
            match value {
                ResourceValue::Text(value) => text(out, value.as_bytes()),
                ResourceValue::Integer(number) => integer(out, number.into()),
            }
            out.push(b'}');
        });
        out.extend_from_slice(b"]},\"scopeLogs\":[{\"scope\":{\"name\":\"spanline\",\"version\":\"");
        out.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
        out.extend_from_slice(b"\"},\"logRecords\":[");
        Batch { empty: true }
    }

    /// Adds a record, whose origin must be the request's.
    pub fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>, link: Option<&Link>, context: &RecordContext<'_>) {
        if !std::mem::take(&mut self.empty) {
            out.push(b',');
        }
        log_record(out, record, link, context);
    }

    /// Ends the request and its line.
    pub fn close(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"]}]}]}\n");
    }
}

fn log_record(out: &mut Vec<u8>, record: &Record<'_>, link: Option<&Link>, context: &RecordContext<'_>) {
    let entry = record.entry;
    out.push(b'{');
    nanos(out, b"\"timeUnixNano\":\"", record.time);
    nanos(out, b"\"observedTimeUnixNano\":\"", context.observed);
    if entry.severity != Severity::UNKNOWN {
        out.extend_from_slice(b"\"severityNumber\":");
        spell::decimal(out, entry.severity.0.into());
        out.push(b',');
    }
    if !entry.severity_text.is_empty() {
        out.extend_from_slice(b"\"severityText\":");
        spell::json_string(out, &entry.severity_text);
        out.push(b',');
    }
    out.extend_from_slice(b"\"body\":");
    text(out, &entry.body);
    out.extend_from_slice(b",\"attributes\":[");
    let mut empty = true;
    let mut one = |name: &[u8], value: Attribute<'_>| {
        key(out, &mut empty, name);
        attribute(out, value);
        out.push(b'}');
    };
    fields::each(record, context, Keys::Otlp, &mut one);
    fields::sent(link, context, &mut one);
    out.push(b']');
    ids(out, record, link);
    out.push(b'}');
}

/// A time before 1970 cannot be expressed and is left out, like an unknown one.
fn nanos(out: &mut Vec<u8>, member: &[u8], nanos: Option<i64>) {
    if let Some(nanos) = nanos.and_then(|nanos| u64::try_from(nanos).ok()).filter(|nanos| *nanos != 0) {
        out.extend_from_slice(member);
        spell::decimal(out, nanos);
        out.extend_from_slice(b"\",");
    }
}

/// The link's ids, else those written in the record.
fn ids(out: &mut Vec<u8>, record: &Record<'_>, link: Option<&Link>) {
    let written = record.entry.trace;
    let (trace_id, span_id) = match link {
        Some(link) => (Some(link.trace_id), Some(link.span_id).filter(|id| *id != [0; 8])),
        None => (written.trace_id, written.span_id),
    };
    // OTLP knows no span without its trace.
    let Some(trace_id) = trace_id else { return };
    if let Some(flags) = written.flags {
        out.extend_from_slice(b",\"flags\":");
        spell::decimal(out, flags.into());
    }
    out.extend_from_slice(b",\"traceId\":\"");
    spell::hex(out, &trace_id);
    out.push(b'"');
    if let Some(span_id) = span_id {
        out.extend_from_slice(b",\"spanId\":\"");
        spell::hex(out, &span_id);
        out.push(b'"');
    }
}

/// Opens an object with a key, for a value to follow.
fn key(out: &mut Vec<u8>, empty: &mut bool, key: &[u8]) {
    if !std::mem::take(empty) {
        out.push(b',');
    }
    out.extend_from_slice(b"{\"key\":");
    spell::json_string(out, if key.is_empty() { b"_" } else { key });
    out.extend_from_slice(b",\"value\":");
}

fn attribute(out: &mut Vec<u8>, attribute: Attribute<'_>) {
    match attribute {
        Attribute::Line(one) => value(out, one),
        Attribute::Integer(number) => integer(out, number),
        Attribute::Text(bytes) => text(out, bytes),
        Attribute::Ratio(number) => double(out, number.to_string().as_bytes()),
        Attribute::Uid(uid) => {
            out.extend_from_slice(b"{\"stringValue\":\"");
            spell::hex(out, &uid);
            out.extend_from_slice(b"\"}");
        }
    }
}

fn value(out: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Text(bytes) => text(out, bytes),
        Value::Number(token) => number(out, token),
        Value::Bool(true) => out.extend_from_slice(b"{\"boolValue\":true}"),
        Value::Bool(false) => out.extend_from_slice(b"{\"boolValue\":false}"),
        Value::Null => out.extend_from_slice(b"{}"),
        Value::Json(raw) => {
            let start = out.len();
            if nested(out, raw).is_none() {
                out.truncate(start);
                text(out, raw);
            }
        }
    }
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
        out.extend_from_slice(b"{\"stringValue\":");
        spell::json_string(out, bytes);
        out.push(b'}');
    } else {
        out.extend_from_slice(b"{\"bytesValue\":\"");
        let start = out.len();
        out.resize(start + bytes.len().div_ceil(3) * 4, b'=');
        let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
        out.truncate(start + written);
        out.extend_from_slice(b"\"}");
    }
}

fn number(out: &mut Vec<u8>, token: &[u8]) {
    if token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        match spell::double_of(token) {
            Some(_) => double(out, token),
            None => text(out, token),
        }
    } else if std::str::from_utf8(token).is_ok_and(|token| token.parse::<i64>().is_ok()) {
        out.extend_from_slice(b"{\"intValue\":\"");
        out.extend_from_slice(token);
        out.extend_from_slice(b"\"}");
    } else {
        text(out, token);
    }
}

/// Process ids and the like: beyond 64 bits signed, a string as everywhere.
fn integer(out: &mut Vec<u8>, number: u64) {
    let beyond = i64::try_from(number).is_err();
    out.extend_from_slice(if beyond { b"{\"stringValue\":\"" } else { b"{\"intValue\":\"" });
    spell::decimal(out, number);
    out.extend_from_slice(b"\"}");
}

fn double(out: &mut Vec<u8>, token: &[u8]) {
    out.extend_from_slice(b"{\"doubleValue\":");
    out.extend_from_slice(token);
    out.push(b'}');
}

/// An object or array as key-value list or array value; `None` if it was no JSON, or deeper than [`json::DEPTH_MAX`],
/// which also bounds this recursion.
fn nested(out: &mut Vec<u8>, raw: &[u8]) -> Option<()> {
    let mut empty = true;
    if let Some(mut elements) = json::array(raw) {
        out.extend_from_slice(b"{\"arrayValue\":{\"values\":[");
        for element in &mut elements {
            if !std::mem::take(&mut empty) {
                out.push(b',');
            }
            inner(out, element)?;
        }
        elements.end()?;
    } else {
        out.extend_from_slice(b"{\"kvlistValue\":{\"values\":[");
        let mut members = json::object(raw)?;
        let list: Vec<_> = members
            .by_ref()
            .map(|(key, value)| if key.is_empty() { (b"_"[..].into(), value) } else { (key, value) })
            .collect();
        members.end()?;
        let wins = fields::last_wins(list.len(), |at| &list[at].0);
        for ((name, member), _) in list.iter().zip(wins).filter(|(_, wins)| *wins) {
            key(out, &mut empty, name);
            inner(out, member)?;
            out.push(b'}');
        }
    }
    out.extend_from_slice(b"]}}");
    Some(())
}

fn inner(out: &mut Vec<u8>, raw: &[u8]) -> Option<()> {
    if matches!(raw.first(), Some(b'{' | b'[')) {
        return nested(out, raw);
    }
    value(out, &json::value(raw));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;
    use crate::record::{Method, Relation};
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, LogsData};
    use proptest::prelude::*;
    use spanline_parsers::{Entry, Field};

    fn link() -> Link {
        Link {
            trace_id: [0xab; 16],
            span_id: [0xcd; 8],
            method: Method::Entity,
            confidence: Some(0.9),
            relation: Relation::Within,
            verified: true,
            has_event: false,
        }
    }

    fn read(line: &[u8]) -> LogsData {
        let line = std::str::from_utf8(line).unwrap();
        assert_eq!(line.lines().count(), 1);
        serde_json::from_str(line).unwrap()
    }

    fn written(entry: &Entry<'_>, link: Option<&Link>, context: &RecordContext<'_>) -> LogRecord {
        let origin = samples::pod_origin();
        let mut out = Vec::new();
        write(&mut out, &samples::record(entry, &origin, &[]), link, context);
        read(&out).resource_logs.remove(0).scope_logs.remove(0).log_records.remove(0)
    }

    fn attribute_of<'a>(list: &'a [KeyValue], key: &str) -> Option<&'a Otlp> {
        let mut found = list.iter().filter(|one| one.key == key);
        let first = found.next()?;
        assert!(found.next().is_none(), "{key} twice");
        first.value.as_ref()?.value.as_ref()
    }

    fn string(text: &str) -> Otlp {
        Otlp::StringValue(text.into())
    }

    #[test]
    fn odd_values_are_said_as_otlp_can() {
        let entry = samples::odd_entry();
        let context = RecordContext { file: Some(b"/l/0.log"), observed: Some(5), uid: Some([0xfe; 16]) };
        let record = written(&entry, Some(&link()), &context);
        let value = |key| attribute_of(&record.attributes, key);
        assert_eq!(record.body.unwrap().value, Some(Otlp::BytesValue(b"a \"b\"\0\nc\xf0\x9f".to_vec())));
        assert_eq!(value("_"), Some(&string("empty key")));
        assert_eq!(value("big"), Some(&string("18446744073709551616")));
        assert_eq!(value("max"), Some(&string("18446744073709551615")));
        assert_eq!(value("half"), Some(&Otlp::DoubleValue(0.5)));
        assert_eq!(value("yes"), Some(&Otlp::BoolValue(true)));
        assert_eq!(value("raw"), Some(&Otlp::BytesValue(vec![0xff])));
        assert_eq!(value("dup"), Some(&string("last")));
        assert_eq!(value("process.pid"), Some(&Otlp::IntValue(42)));
        assert_eq!(value("log.file.name"), Some(&string("0.log")));
        assert_eq!(value("log.record.uid"), Some(&string(&"fe".repeat(16))));
        assert_eq!(value("spanline.link.method"), Some(&string("entity")));
        assert_eq!(value("spanline.link.confidence"), Some(&Otlp::DoubleValue(0.9)));
        let none = record.attributes.iter().find(|one| one.key == "none").unwrap();
        assert_eq!(none.value, Some(AnyValue { value: None }));
        let Some(Otlp::KvlistValue(nest)) = value("nest") else { panic!("no list") };
        assert_eq!(nest.values.len(), 2);
        assert_eq!(attribute_of(&nest.values, "a"), Some(&Otlp::IntValue(2)));
        assert_eq!(attribute_of(&nest.values, "_"), Some(&string("x")));
        assert_eq!((record.trace_id, record.span_id, record.flags), (vec![0xab; 16], vec![0xcd; 8], 1));
        assert_eq!((record.time_unix_nano, record.observed_time_unix_nano), (1_795_425_291_322_215_577, 5));
        assert_eq!((record.severity_number, record.severity_text.as_str()), (9, "I"));
    }

    #[test]
    fn without_a_link_the_written_ids_stand() {
        let record = written(&samples::odd_entry(), None, &RecordContext::default());
        assert_eq!(record.trace_id, (1..=16).collect::<Vec<u8>>());
        let record = written(&Entry::default(), None, &RecordContext::default());
        assert_eq!((record.trace_id, record.body.unwrap().value), (vec![], Some(string(""))));
    }

    #[test]
    fn json_that_is_none_or_too_deep_is_text() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for raw in ["{\"a\":", "[1,]", "{\"a\" 1}", deep.as_str()] {
            let mut entry = Entry::default();
            entry.push(&b"k"[..], Value::Json(raw.as_bytes().into()));
            let record = written(&entry, None, &RecordContext::default());
            assert_eq!(attribute_of(&record.attributes, "k"), Some(&string(raw)));
        }
    }

    #[test]
    fn a_batch_is_one_line_of_many_records() {
        let (entry, origin) = (samples::odd_entry(), samples::pod_origin());
        let mut out = Vec::new();
        let mut batch = Batch::open(&mut out, &origin);
        for _ in 0..3 {
            batch.push(&mut out, &samples::record(&entry, &origin, &[]), None, &RecordContext::default());
        }
        batch.close(&mut out);
        let data = read(&out);
        let resource = data.resource_logs[0].resource.as_ref().unwrap();
        assert_eq!(attribute_of(&resource.attributes, "k8s.pod.name"), Some(&string("web-0")));
        assert_eq!(attribute_of(&resource.attributes, "k8s.container.restart_count"), Some(&Otlp::IntValue(1)));
        let scope = &data.resource_logs[0].scope_logs[0];
        assert_eq!((scope.scope.as_ref().unwrap().name.as_str(), scope.log_records.len()), ("spanline", 3));
    }

    proptest! {
        #[test]
        fn any_record_is_valid_and_gives_its_values_back(
            body in proptest::collection::vec(any::<u8>(), 0..40),
            fields in proptest::collection::vec((".{1,3}", proptest::collection::vec(any::<u8>(), 0..12)), 0..30),
        ) {
            let mut entry = Entry { body: body.as_slice().into(), ..Entry::default() };
            for (key, value) in &fields {
                entry.fields.push(Field { key: key.as_bytes().into(), value: Value::Text(value.as_slice().into()) });
            }
            let record = written(&entry, None, &RecordContext::default());
            let otlp = |bytes: &[u8]| match std::str::from_utf8(bytes) {
                Ok(text) => string(text),
                Err(_) => Otlp::BytesValue(bytes.to_vec()),
            };
            prop_assert_eq!(record.body.unwrap().value, Some(otlp(&body)));
            for (key, _) in &fields {
                let (_, last) = fields.iter().rfind(|(other, _)| other == key).unwrap();
                prop_assert_eq!(attribute_of(&record.attributes, key), Some(&otlp(last)));
            }
        }
    }
}
