//! A record straight into the bytes of an OTLP log record: no message structs, no copies but the last one.
//!
//! In goes a [`Record`] with its link and uid, out come the bytes that prost would write for it, appended to a batch. What
//! all records of a source share (file attributes, resource, scope) is encoded once and copied. Compression and framing
//! are not done here.

mod small;

use std::borrow::Cow;

use small::{Number, hex, integer_of, is_ascii, short_number};
use spanline_parsers::{Field, Text, Value, json};

use crate::export::fields::{self, Keys, Observed, RecordContext};
use crate::export::resource::{self, ResourceValue};
use crate::export::{scope, spell};
use crate::otlp::wire::write::{Buffer, varint_len};
use crate::record::{Link, Origin, Record};

/// Tag of `LogRecord` in `ScopeLogs`.
const LOG_RECORD: u8 = 0x12;
/// Tag of an attribute in `LogRecord`.
pub(super) const LOG_ATTRIBUTE: u8 = 0x32;
/// Tag of an attribute in `Resource` and `InstrumentationScope`'s name.
const FIRST: u8 = 0x0a;

/// Tags of `AnyValue`.
mod any {
    pub(super) const STRING: u8 = 0x0a;
    pub(super) const BOOL: u8 = 0x10;
    pub(super) const INT: u8 = 0x18;
    pub(super) const DOUBLE: u8 = 0x21;
    pub(super) const ARRAY: u8 = 0x2a;
    pub(super) const KVLIST: u8 = 0x32;
    pub(super) const BYTES: u8 = 0x3a;
}

const FILE_PATH: &[u8] = b"log.file.path";
const FILE_NAME: &[u8] = b"log.file.name";

/// JSON nested deeper is kept as text.
const DEPTH_MAX: usize = 32;

/// The field `resource` of `ResourceLogs` for an origin, with its tag.
pub fn resource_field(origin: &Origin) -> Vec<u8> {
    let mut out = Buffer::default();
    let resource = out.open(FIRST, 2);
    resource::each(origin, |key, value| match value {
        ResourceValue::Text(text) => out.key_bytes(FIRST, key.as_bytes(), any::STRING, text.as_bytes(), b""),
        ResourceValue::Integer(number) => integer(&mut out, FIRST, key.as_bytes(), number.into(), b""),
    });
    out.close(resource);
    out.written().to_vec()
}

/// The field `scope` of `ScopeLogs`, with its tag.
pub fn scope_field() -> Vec<u8> {
    let mut out = Buffer::default();
    let scope = out.open(FIRST, 1);
    out.bytes(0x0a, scope::NAME.as_bytes(), b"");
    out.bytes(0x12, scope::VERSION.as_bytes(), b"");
    out.close(scope);
    out.written().to_vec()
}

/// The attributes that all records of a file share, as they stand in each of them.
pub fn file_attributes(path: &str) -> Vec<u8> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut out = Buffer::default();
    out.key_bytes(LOG_ATTRIBUTE, FILE_PATH, any::STRING, path.as_bytes(), b"");
    out.key_bytes(LOG_ATTRIBUTE, FILE_NAME, any::STRING, name.as_bytes(), b"");
    out.written().to_vec()
}

/// What is written onto a record in addition to what it holds.
#[derive(Debug, Clone, Copy)]
pub struct RecordExtras<'a> {
    /// `log.record.uid`.
    pub uid: &'a [u8; 16],
    /// The span it belongs to.
    pub link: Option<&'a Link>,
    /// When it was read, ns since the epoch.
    pub observed: u64,
    /// From [`file_attributes`].
    pub file_attributes: &'a [u8],
}

/// Tag and length of the attribute `log.record.uid`, its key, and the header of its value of 32 digits.
const UID_HEAD: &[u8; 22] = b"\x32\x34\x0a\x0elog.record.uid\x12\x22\x0a\x20";

/// Where the pieces of a record come from.
#[derive(Clone, Copy)]
struct Source<'r> {
    payload: &'r [u8],
    /// It is ASCII all through, which makes every piece of it a valid string; else each is looked at.
    ascii: bool,
}

/// Appends a record as a field of `ScopeLogs`.
pub fn log_record(out: &mut Buffer, record: &Record, extras: &RecordExtras) {
    let entry = record.entry;
    let payload = record.payload;
    // An envelope's fields are no pieces of the payload.
    let source = Source { payload, ascii: record.envelope_fields.is_empty() && is_ascii(payload) };
    let opened = out.open(LOG_RECORD, 2);
    if let Some(time) = record.time.filter(|time| *time > 0) {
        out.fixed64(0x09, time as u64);
    }
    if entry.severity.0 != 0 {
        out.array(&[0x10, entry.severity.0]);
    }
    if !entry.severity_text.is_empty() {
        string(out, 0x1a, &entry.severity_text, source);
    }
    let (tag, body) = any_text(&entry.body, source.ascii);
    out.array(&[0x2a]);
    out.varint((1 + varint_len(body.len()) + body.len()) as u64);
    out.bytes(tag, body, payload);
    let taken = fields::written(record, Keys::Otlp, false, |key, field| attribute(out, key, field, source));
    fields::observed(record, &RecordContext::default(), taken, &mut Named { out, source });
    out.array(UID_HEAD);
    out.array(&hex(extras.uid));
    let flags = entry.trace.flags;
    let ids = match extras.link {
        Some(link) => {
            link_attributes(out, LOG_ATTRIBUTE, link);
            Some((link.trace_id, link.span_id))
        }
        None => entry.trace.trace_id.map(|trace_id| (trace_id, entry.trace.span_id.unwrap_or_default())),
    };
    if !taken.names_its_file() {
        out.put(extras.file_attributes);
    }
    if let Some(flags) = flags.filter(|flags| *flags != 0 && ids.is_some()) {
        out.fixed32(0x45, u32::from(flags));
    }
    if let Some((trace_id, span_id)) = ids {
        out.array(&[0x4a, 16]);
        out.array(&trace_id);
        if span_id != [0; 8] {
            out.array(&[0x52, 8]);
            out.array(&span_id);
        }
    }
    out.fixed64(0x59, extras.observed);
    out.close(opened);
}

/// Writes attributes whose keys are ours.
struct Named<'b, 'r> {
    out: &'b mut Buffer,
    source: Source<'r>,
}

impl<'r> Observed<'r> for Named<'_, 'r> {
    #[inline(always)]
    fn text(&mut self, key: &'static [u8], text: &'r [u8]) {
        let any_tag = utf8_tag(text, self.source.ascii);
        self.out.named(LOG_ATTRIBUTE, key, any_tag, text, self.source.payload);
    }

    #[inline(always)]
    fn integer(&mut self, key: &'static [u8], number: u64) {
        let (any, length) = small::integer(any::INT, number as i64);
        self.out.named_any(LOG_ATTRIBUTE, key, &any, length);
    }
}

/// `spanline.link.*`: how the ids came onto the record.
pub(super) fn link_attributes(out: &mut Buffer, tag: u8, link: &Link) {
    out.named(tag, b"spanline.link.method", any::STRING, link.method.name().as_bytes(), b"");
    if let Some(confidence) = link.confidence {
        double(out, tag, b"spanline.link.confidence", fields::ratio(confidence), b"");
    }
    out.named(tag, b"spanline.link.relation", any::STRING, link.relation.name().as_bytes(), b"");
}

/// A key as OTLP has it: valid UTF-8. (Empty ones are named by [`Keys::Otlp`].)
fn valid_key(key: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(key) {
        Cow::Borrowed(key) => Cow::Borrowed(key.as_bytes()),
        Cow::Owned(key) => Cow::Owned(key.into_bytes()),
    }
}

/// Appends an attribute by the rules of OTLP: text that is not UTF-8 as bytes, integers beyond 64 bits as strings.
#[inline]
fn attribute(out: &mut Buffer, key: &[u8], field: &Field<'_>, source: Source<'_>) {
    let valid;
    let key = if source.ascii && matches!(field.key, Cow::Borrowed(_)) {
        key
    } else {
        valid = valid_key(key);
        &*valid
    };
    let (tag, around) = (LOG_ATTRIBUTE, source.payload);
    match &field.value {
        Value::Text(text) => {
            let (any_tag, text) = any_text(text, source.ascii);
            out.key_bytes(tag, key, any_tag, text, around);
        }
        Value::Number(token) => number_attribute(out, tag, key, token, around),
        Value::Bool(value) => out.key_any(tag, key, &bool_of(*value), 2, around),
        Value::Null => out.key_any(tag, key, &[0; 16], 0, around),
        Value::Json(raw) => {
            let source = match raw {
                Cow::Borrowed(_) => source,
                Cow::Owned(raw) => Source { payload: raw, ascii: source.ascii },
            };
            let guess = if raw.len() < 48 { 1 } else { 2 };
            let pair = out.open(tag, guess);
            out.bytes(0x0a, key, around);
            let value = out.open(0x12, guess);
            any_json(out, raw, DEPTH_MAX, source);
            out.close(value);
            out.close(pair);
        }
    }
}

fn number_attribute(out: &mut Buffer, tag: u8, key: &[u8], token: &[u8], around: &[u8]) {
    match short_number(token) {
        Some(Number::Integer(value)) => return integer(out, tag, key, value, around),
        Some(Number::Double(value)) => return double(out, tag, key, value, around),
        None => {}
    }
    match integer_of(token) {
        Some(value) => integer(out, tag, key, value, around),
        // Integers beyond 64 bits signed are strings.
        None => match spell::double_of(token) {
            Some(value) => double(out, tag, key, value, around),
            None => out.key_bytes(tag, key, any::STRING, token, around),
        },
    }
}

/// The tag of `AnyValue` under which text goes: a string if it is UTF-8.
#[inline]
fn any_text<'a>(text: &'a Text, ascii: bool) -> (u8, &'a [u8]) {
    (utf8_tag(text, ascii && matches!(text, Cow::Borrowed(_))), text)
}

#[inline]
fn utf8_tag(text: &[u8], known: bool) -> u8 {
    if known || std::str::from_utf8(text).is_ok() { any::STRING } else { any::BYTES }
}

#[inline]
fn string(out: &mut Buffer, tag: u8, text: &Text, source: Source<'_>) {
    if source.ascii && matches!(text, Cow::Borrowed(_)) || text.is_ascii() {
        return out.bytes(tag, text, source.payload);
    }
    out.bytes(tag, String::from_utf8_lossy(text).as_bytes(), b"");
}

fn bool_of(value: bool) -> [u8; 16] {
    let mut encoded = [0u8; 16];
    (encoded[0], encoded[1]) = (any::BOOL, u8::from(value));
    encoded
}

fn integer(out: &mut Buffer, tag: u8, key: &[u8], value: i64, around: &[u8]) {
    let (any, length) = small::integer(any::INT, value);
    out.key_any(tag, key, &any, length, around);
}

fn double(out: &mut Buffer, tag: u8, key: &[u8], value: f64, around: &[u8]) {
    out.key_any(tag, key, &small::fixed(any::DOUBLE, value.to_bits()), 9, around);
}

/// `AnyValue` of a number token: an integer, else a string if it is one beyond 64 bits, else a double.
fn number(out: &mut Buffer, token: &[u8], around: &[u8]) {
    match short_number(token) {
        Some(Number::Integer(value)) => {
            out.array(&[any::INT]);
            return out.varint(value as u64);
        }
        Some(Number::Double(value)) => return out.fixed64(any::DOUBLE, value.to_bits()),
        None => {}
    }
    match integer_of(token) {
        Some(value) => {
            out.array(&[any::INT]);
            out.varint(value as u64);
        }
        None => match spell::double_of(token) {
            Some(value) => out.fixed64(any::DOUBLE, value.to_bits()),
            None => out.bytes(any::STRING, token, around),
        },
    }
}

/// `AnyValue` of any JSON value, as the content of its message.
fn any_json(out: &mut Buffer, raw: &[u8], depth: usize, source: Source<'_>) {
    match raw.first() {
        Some(b'{') if depth > 0 => {
            let list = out.open(any::KVLIST, 1);
            let mut members = json::object(raw);
            while let Some(member) = members.as_mut().and_then(json::Members::member) {
                let key = member.key();
                let pair = out.open(FIRST, 1);
                string(out, 0x0a, if key.is_empty() { &Cow::Borrowed(b"_") } else { &key }, source);
                let encoded = out.open(0x12, 1);
                match member.raw.first() {
                    Some(b'{' | b'[') => any_json(out, member.raw, depth - 1, source),
                    _ => any_value(out, &member.value(), source),
                }
                out.close(encoded);
                out.close(pair);
            }
            out.close(list);
        }
        Some(b'[') if depth > 0 => {
            let list = out.open(any::ARRAY, 1);
            for element in json::array(raw).into_iter().flatten() {
                let encoded = out.open(FIRST, 1);
                any_json(out, element, depth - 1, source);
                out.close(encoded);
            }
            out.close(list);
        }
        _ => any_value(out, &json::value(raw), source),
    }
}

/// `AnyValue` of a value that is not taken apart.
#[inline]
fn any_value(out: &mut Buffer, value: &Value<'_>, source: Source<'_>) {
    match value {
        Value::Text(text) | Value::Json(text) => {
            let (tag, text) = any_text(text, source.ascii);
            out.bytes(tag, text, source.payload);
        }
        Value::Number(token) => number(out, token, source.payload),
        Value::Bool(value) => out.array(&[any::BOOL, u8::from(*value)]),
        Value::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};
    use proptest::prelude::*;
    use prost::Message;
    use spanline_parsers::detect::{self, Expect};
    use spanline_parsers::{CodeSite, Entry, Severity};

    use super::*;
    use crate::export::samples;
    use crate::record::{Method, Origin, Relation};

    const UID: [u8; 16] = [0xab; 16];

    fn encoded(record: &Record<'_>, link: Option<&Link>) -> Vec<u8> {
        let mut out = Buffer::default();
        let extras = RecordExtras { uid: &UID, link, observed: 7, file_attributes: &file_attributes("logs/a b/0.log") };
        log_record(&mut out, record, &extras);
        out.written().to_vec()
    }

    fn any_of(value: Any) -> Option<AnyValue> {
        Some(AnyValue { value: Some(value) })
    }

    fn pair(key: &str, value: Any) -> KeyValue {
        KeyValue { key: key.into(), value: any_of(value), ..KeyValue::default() }
    }

    fn text(value: &str) -> Any {
        Any::StringValue(value.into())
    }

    #[test]
    fn a_record_is_the_bytes_that_prost_writes() {
        let nested = br#"{"id":5,"":[1.5,null,true,{"x":"y"}],"big":18446744073709551615}"#;
        let mut entry = Entry {
            severity: Severity::WARN,
            severity_text: Cow::Borrowed(b"warn"),
            body: Cow::Borrowed(b"hello"),
            pid: Some(300),
            code: Some(CodeSite { file: b"a.go", line: 7 }),
            ..Entry::default()
        };
        entry.trace.flags = Some(1);
        entry.push(&b"n"[..], Value::Number(b"-42"));
        entry.push(&b"f"[..], Value::Number(b"1.5"));
        entry.push(&b"big"[..], Value::Number(b"18446744073709551615"));
        entry.push(&b"bytes"[..], Value::Text(Cow::Borrowed(b"\xff\x00")));
        entry.push(&b""[..], Value::Bool(false));
        entry.push(&b"nested"[..], Value::Json(Cow::Borrowed(nested)));
        let origin = Origin::default();
        let mut record = samples::record(&entry, &origin, &[]);
        record.time = Some(1_795_425_291_322_215_577);
        record.payload = b"\xff";
        let link = Link {
            trace_id: [1; 16],
            span_id: [2; 8],
            method: Method::Request,
            confidence: Some(0.995),
            relation: Relation::Within,
            verified: true,
            has_event: false,
        };
        let list = |values| Any::KvlistValue(KeyValueList { values });
        let any = |value| AnyValue { value: Some(value) };
        let array = Any::ArrayValue(ArrayValue {
            values: vec![
                any(Any::DoubleValue(1.5)),
                AnyValue::default(),
                any(Any::BoolValue(true)),
                any(list(vec![pair("x", text("y"))])),
            ],
        });
        let expected = LogRecord {
            time_unix_nano: 1_795_425_291_322_215_577,
            observed_time_unix_nano: 7,
            severity_number: 13,
            severity_text: "warn".into(),
            body: any_of(text("hello")),
            attributes: vec![
                pair("n", Any::IntValue(-42)),
                pair("f", Any::DoubleValue(1.5)),
                pair("big", text("18446744073709551615")),
                pair("bytes", Any::BytesValue(vec![0xff, 0])),
                pair("_", Any::BoolValue(false)),
                pair(
                    "nested",
                    list(vec![
                        pair("id", Any::IntValue(5)),
                        pair("_", array),
                        pair("big", text("18446744073709551615")),
                    ]),
                ),
                pair("process.pid", Any::IntValue(300)),
                pair("code.file.path", text("a.go")),
                pair("code.line.number", Any::IntValue(7)),
                pair("log.iostream", text("stderr")),
                pair("log.record.uid", text(&"ab".repeat(16))),
                pair("spanline.link.method", text("request")),
                pair("spanline.link.confidence", Any::DoubleValue(0.995)),
                pair("spanline.link.relation", text("within")),
                pair("log.file.path", text("logs/a b/0.log")),
                pair("log.file.name", text("0.log")),
            ],
            flags: 1,
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            ..LogRecord::default()
        };
        let mut bytes = Vec::new();
        ScopeLogs { log_records: vec![expected], ..ScopeLogs::default() }.encode(&mut bytes).unwrap();
        let ours = encoded(&record, Some(&link));
        assert_eq!(ScopeLogs::decode(&*ours).unwrap(), ScopeLogs::decode(&*bytes).unwrap());
        assert_eq!(ours, bytes);
    }

    #[test]
    fn an_envelope_field_that_is_no_text_is_bytes_beside_an_ascii_payload() {
        let (entry, origin) = (Entry::default(), Origin::default());
        let field =
            spanline_parsers::Field { key: Cow::Borrowed(b"k\xff"), value: Value::Text(Cow::Borrowed(b"\xff")) };
        let fields = [field];
        let record = samples::record(&entry, &origin, &fields);
        let read = ScopeLogs::decode(&*encoded(&record, None)).unwrap();
        let expected = KeyValue { key: "k\u{fffd}".into(), ..pair("", Any::BytesValue(vec![0xff])) };
        assert_eq!(read.log_records[0].attributes[0], expected);
    }

    proptest! {
        #[test]
        fn any_line_becomes_a_record_that_prost_reads_and_writes_back_alike(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut entry = Entry::default();
            detect::payload(&line, Expect::Auto, &mut entry);
            let origin = Origin::default();
            let mut record = samples::record(&entry, &origin, &[]);
            record.payload = &line;
            let ours = encoded(&record, None);
            let read = ScopeLogs::decode(&*ours).unwrap();
            prop_assert_eq!(read.log_records.len(), 1);
            prop_assert_eq!(read.encode_to_vec(), ours);
        }
    }
}
