//! Requests of spans as OTLP/JSON: `{"resourceSpans":[…]}`, one object a line.
//!
//! In goes a request in protobuf, out comes the line, by the rules of protobuf's JSON mapping as OTLP bends them: ids in
//! hex, 64-bit integers as text, other bytes in base64. All fields that are known stand there, defaults too, in the order of
//! the `.proto`, as the libraries write them; fields that nobody knows have no name, and are left out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::export::spell;
use crate::otlp::wire::messages::{Field, Kind, Message, REQUEST};
use crate::otlp::wire::read::{Fields, Value};

/// Fields that only profiles have: left out where they are not set.
const STRING_INDEX: &str = "keyStrindex";

/// Appends a request and the end of its line.
pub fn write_line(out: &mut Vec<u8>, request: &[u8]) {
    message(out, &REQUEST, request);
    out.push(b'\n');
}

fn message(out: &mut Vec<u8>, kind: &'static Message, bytes: &[u8]) {
    out.push(b'{');
    if kind.is_choice {
        // The last one that is set.
        let set = Fields::of(bytes).filter_map(|(number, value)| Some((kind.field(number)?, value))).last();
        if let Some((field, found)) = set {
            name(out, field, true);
            value(out, field, Some(found));
        }
    } else {
        members(out, kind, bytes);
    }
    out.push(b'}');
}

fn members(out: &mut Vec<u8>, kind: &'static Message, bytes: &[u8]) {
    /// No message has more fields.
    const FIELDS_MAX: usize = 16;
    let mut found = [None; FIELDS_MAX];
    for (number, value) in Fields::of(bytes) {
        if let Some(place) = found.get_mut(number as usize - 1) {
            *place = Some(value);
        }
    }
    let mut is_first = true;
    for field in kind.fields {
        let last = found.get(field.number as usize - 1).copied().flatten();
        if field.json == STRING_INDEX && last.is_none() {
            continue;
        }
        name(out, field, std::mem::take(&mut is_first));
        if field.repeated {
            list(out, field, if last.is_some() { bytes } else { &[] });
        } else {
            value(out, field, last);
        }
    }
}

fn name(out: &mut Vec<u8>, field: &Field, is_first: bool) {
    if !is_first {
        out.push(b',');
    }
    out.extend_from_slice(field.key.bytes());
}

fn list(out: &mut Vec<u8>, field: &Field, message: &[u8]) {
    out.push(b'[');
    let mut is_first = true;
    for (_, element) in Fields::of(message).filter(|(number, _)| *number == field.number) {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        value(out, field, Some(element));
    }
    out.push(b']');
}

/// A value, or the default of its kind.
fn value(out: &mut Vec<u8>, field: &Field, value: Option<Value<'_>>) {
    let bytes = value.map_or(&[][..], Value::bytes);
    let number = value.map_or(0, Value::number);
    match field.kind {
        Kind::Message(_) if value.is_none() => out.extend_from_slice(b"null"),
        Kind::Message(inner) => message(out, inner, bytes),
        Kind::Text => spell::json_string(out, bytes),
        Kind::Id => quoted(out, |out| spell::hex(out, bytes)),
        Kind::Bytes => quoted(out, |out| out.extend_from_slice(STANDARD.encode(bytes).as_bytes())),
        Kind::Fixed64 => quoted(out, |out| spell::decimal(out, fixed64(value))),
        Kind::Fixed32 => {
            spell::decimal(out, u64::from(if let Some(Value::Fixed32(number)) = value { number } else { 0 }))
        }
        Kind::Uint32 => spell::decimal(out, u64::from(number as u32)),
        Kind::Int32 => signed(out, i64::from(number as i32)),
        Kind::Int64 => quoted(out, |out| signed(out, number as i64)),
        Kind::Bool => out.extend_from_slice(if number != 0 { b"true" } else { b"false" }),
        Kind::Double => {
            let double = f64::from_bits(fixed64(value));
            // Of JSON's numbers none is not finite.
            out.extend_from_slice(serde_json::to_string(&double).unwrap_or_default().as_bytes());
        }
    }
}

fn fixed64(value: Option<Value<'_>>) -> u64 {
    match value {
        Some(Value::Fixed64(number)) => number,
        _ => 0,
    }
}

fn signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    spell::decimal(out, number.unsigned_abs());
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::common::v1::{
        AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event, span::Link};
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn any() -> impl Strategy<Value = Option<Any>> {
        let leaf = prop_oneof![
            any_text().prop_map(|text| Some(Any::StringValue(text))),
            proptest::bool::ANY.prop_map(|yes| Some(Any::BoolValue(yes))),
            proptest::num::i64::ANY.prop_map(|number| Some(Any::IntValue(number))),
            proptest::num::f64::ANY.prop_map(|number| Some(Any::DoubleValue(number))),
            proptest::collection::vec(proptest::num::u8::ANY, 0..9).prop_map(|bytes| Some(Any::BytesValue(bytes))),
            Just(None),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let list = proptest::collection::vec(inner, 0..3);
            let values = |list: Vec<Option<Any>>| list.into_iter().map(|value| AnyValue { value });
            let pairs = move |list: Vec<Option<Any>>| {
                let pair = |value| KeyValue { key: "k".into(), value: Some(value), ..KeyValue::default() };
                Some(Any::KvlistValue(KeyValueList { values: values(list).map(pair).collect() }))
            };
            prop_oneof![
                list.clone().prop_map(move |list| Some(Any::ArrayValue(ArrayValue { values: values(list).collect() }))),
                list.prop_map(pairs)
            ]
        })
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z]{0,9}", "[\\x00-\\x7f]{0,9}", "\\PC{0,5}"]
    }

    fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
        let one = (any_text(), proptest::option::of(any())).prop_map(|(key, value)| KeyValue {
            key,
            value: value.map(|value| AnyValue { value }),
            ..KeyValue::default()
        });
        proptest::collection::vec(one, 0..4)
    }

    fn id() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(proptest::num::u8::ANY, 0..17)
    }

    fn span() -> impl Strategy<Value = Span> {
        let events =
            (any_text(), attributes(), proptest::num::u64::ANY).prop_map(|(name, attributes, time_unix_nano)| Event {
                name,
                attributes,
                time_unix_nano,
                dropped_attributes_count: time_unix_nano as u32 & 1,
            });
        let links = (id(), id(), attributes()).prop_map(|(trace_id, span_id, attributes)| Link {
            trace_id,
            span_id,
            attributes,
            flags: 7,
            ..Link::default()
        });
        let lists = (attributes(), proptest::collection::vec(events, 0..3), proptest::collection::vec(links, 0..3));
        let status = proptest::option::of((any_text(), -1i32..4));
        (id(), id(), any_text(), proptest::num::u64::ANY, lists, status).prop_map(
            |(trace_id, span_id, name, number, (attributes, events, links), status)| Span {
                trace_id,
                span_id,
                trace_state: name.clone(),
                name,
                flags: number as u32,
                kind: number as i32,
                start_time_unix_nano: number,
                end_time_unix_nano: number >> 3,
                attributes,
                dropped_attributes_count: number as u32 & 3,
                events,
                links,
                status: status.map(|(message, code)| Status { message, code }),
                ..Span::default()
            },
        )
    }

    proptest! {
        #[test]
        fn a_line_says_what_the_library_writes(spans in proptest::collection::vec(span(), 0..3), attributes in attributes(), bare: bool) {
            let scope = InstrumentationScope { name: "s".into(), attributes: attributes.clone(), ..InstrumentationScope::default() };
            let scope_spans = ScopeSpans { scope: Some(scope).filter(|_| !bare), spans, schema_url: "u".into() };
            let entity = EntityRef { r#type: "host".into(), id_keys: vec!["host.id".into(), String::new()], ..EntityRef::default() };
            let resource = Resource { attributes, entity_refs: vec![entity], ..Resource::default() };
            let group = ResourceSpans { resource: Some(resource).filter(|_| !bare), scope_spans: vec![scope_spans], ..ResourceSpans::default() };
            let request = ExportTraceServiceRequest { resource_spans: vec![group] };
            let mut line = Vec::new();
            write_line(&mut line, &request.encode_to_vec());
            let written: serde_json::Value = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(written, serde_json::from_str::<serde_json::Value>(&serde_json::to_string(&request).unwrap()).unwrap());
            // Bytes for bytes, but for characters at which some readers split lines.
            let line = String::from_utf8(line).unwrap();
            let shape = |text: &str| text.chars().filter(|char| matches!(char, '{' | '}' | ':')).count();
            let of_library = serde_json::to_string(&request).unwrap() + "\n";
            prop_assert_eq!(shape(&line), shape(&of_library));
        }
    }
}
