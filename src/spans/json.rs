//! OTLP/JSON → the messages.
//!
//! The messages' own serde takes ids only as hex and counts only as numbers. Files come from many hands: numbers as
//! text, enums by name, null for a missing list, proto's field names instead of the JSON ones, ids in upper case or (by
//! a plain protobuf printer) base64, and fields nobody knows. All of that is read; a malformed id becomes an empty one,
//! so that one bad span does not cost its neighbours.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads one request (or TracesData, which has the same shape).
pub(super) fn request(bytes: &[u8]) -> Result<ExportTraceServiceRequest, serde_json::Error> {
    // Text that was checked as a whole need not be checked string by string.
    let request = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str::<Lenient<ExportTraceServiceRequest>>(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    request.map(|request| request.0)
}

/// Reads the spans of one resource.
pub(super) fn resource_spans(bytes: &[u8]) -> Result<trace::ResourceSpans, serde_json::Error> {
    serde_json::from_slice::<Lenient<trace::ResourceSpans>>(bytes).map(|spans| spans.0)
}

/// A message that reads itself from JSON, field by field.
trait Message: Default {
    const EXPECTING: &'static str;
    /// Takes one field; false for one that is not known (its value is then skipped).
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error>;
}

#[derive(Default)]
struct Lenient<T>(T);

impl<'de, T: Message> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MessageVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Message> Visitor<'de> for MessageVisitor<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTING)
            }
            fn visit_unit<E: Error>(self) -> Result<T, E> {
                Ok(T::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
                let mut message = T::default();
                while let Some(key) = map.next_key::<Str<'de>>()? {
                    if !message.field(&key.0, &mut map)? {
                        map.next_value::<serde::de::IgnoredAny>()?;
                    }
                }
                Ok(message)
            }
        }
        deserializer.deserialize_any(MessageVisitor(std::marker::PhantomData)).map(Lenient)
    }
}

/// A list of messages; null is an empty one.
struct List<T>(Vec<T>);

impl<'de, T: Message> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Message> Visitor<'de> for ListVisitor<T> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E: Error>(self) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element::<Lenient<T>>()? {
                    list.push(item.0);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_any(ListVisitor(std::marker::PhantomData)).map(List)
    }
}

fn list<'de, A: MapAccess<'de>, T: Message>(map: &mut A) -> Result<Vec<T>, A::Error> {
    map.next_value::<List<T>>().map(|list| list.0)
}

fn message<'de, A: MapAccess<'de>, T: Message>(map: &mut A) -> Result<T, A::Error> {
    map.next_value::<Lenient<T>>().map(|message| message.0)
}

fn string<'de, A: MapAccess<'de>>(map: &mut A) -> Result<String, A::Error> {
    map.next_value::<Str<'de>>().map(|text| text.0.into_owned())
}

fn number<'de, A: MapAccess<'de>, T: TryFrom<i128> + Default>(map: &mut A) -> Result<T, A::Error> {
    map.next_value::<Number>().map(|number| T::try_from(number.integer()).unwrap_or_default())
}

fn id<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<u8>, A::Error> {
    map.next_value::<Str<'de>>().map(|text| id_bytes(text.0.as_bytes()))
}

/// Text, borrowed where it has no escapes; null is empty.
struct Str<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Str<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrVisitor;
        impl<'de> Visitor<'de> for StrVisitor {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(""))
            }
        }
        deserializer.deserialize_any(StrVisitor).map(Str)
    }
}

/// A number, a number as text, or the name of an enum's value.
pub(super) enum Number {
    Integer(i128),
    Double(f64),
}

impl Default for Number {
    fn default() -> Number {
        Number::Integer(0)
    }
}

impl Number {
    pub(super) fn integer(&self) -> i128 {
        match self {
            Number::Integer(number) => *number,
            // Saturates; no field of a span holds a fraction.
            Number::Double(number) => *number as i128,
        }
    }

    fn double(&self) -> f64 {
        match self {
            Number::Integer(number) => *number as f64,
            Number::Double(number) => *number,
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number::Integer(i128::from(number)))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Integer(i128::from(number)))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Double(number))
            }
            fn visit_unit<E: Error>(self) -> Result<Number, E> {
                Ok(Number::Integer(0))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                if let Ok(number) = text.parse::<u64>() {
                    return Ok(Number::Integer(i128::from(number)));
                }
                if let Ok(number) = text.parse::<i128>() {
                    return Ok(Number::Integer(number));
                }
                if let Some(number) = enum_number(text) {
                    return Ok(Number::Integer(number));
                }
                text.parse::<f64>().map(Number::Double).map_err(|_| E::custom("not a number"))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

fn enum_number(name: &str) -> Option<i128> {
    Some(match name {
        "SPAN_KIND_UNSPECIFIED" | "STATUS_CODE_UNSET" => 0,
        "SPAN_KIND_INTERNAL" | "STATUS_CODE_OK" => 1,
        "SPAN_KIND_SERVER" | "STATUS_CODE_ERROR" => 2,
        "SPAN_KIND_CLIENT" => 3,
        "SPAN_KIND_PRODUCER" => 4,
        "SPAN_KIND_CONSUMER" => 5,
        _ => return None,
    })
}

/// id = 32HEX / 16HEX, any case / 24BASE64 / 12BASE64, also without their padding
fn id_bytes(text: &[u8]) -> Vec<u8> {
    let hex = |text: &[u8]| match text.len() {
        32 => hex_id::<16>(text).map(Vec::from),
        _ => hex_id::<8>(text).map(Vec::from),
    };
    match text.len() {
        32 | 16 => hex(text).unwrap_or_default(),
        24 | 12 => STANDARD.decode(text).unwrap_or_default(),
        22 | 11 => STANDARD_NO_PAD.decode(text).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// An id of so many bytes, in hex of any case.
#[inline]
pub(super) fn hex_id<const N: usize>(text: impl AsRef<[u8]>) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_ref().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut id = [0; N];
    let mut all = 0;
    for (byte, [high, low]) in id.iter_mut().zip(pairs) {
        let (high, low) = (HEX[usize::from(*high)], HEX[usize::from(*low)]);
        all |= high | low;
        *byte = high << 4 | low & 15;
    }
    (all <= 15).then_some(id)
}

/// What hex digits stand for; more than 15 for all other bytes.
const HEX: [u8; 256] = hex();

const fn hex() -> [u8; 256] {
    let mut hex = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        hex[b"0123456789abcdef"[value] as usize] = value as u8;
        hex[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    hex
}

impl Message for ExportTraceServiceRequest {
    const EXPECTING: &'static str = "an export request";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            // Tempo's name.
            "resourceSpans" | "resource_spans" | "batches" => self.resource_spans.append(&mut list(map)?),
            // What Jaeger's api_v3, and Tempo's second version, put around it.
            "result" | "trace" => {
                let inside: ExportTraceServiceRequest = message(map)?;
                self.resource_spans.extend(inside.resource_spans);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for trace::ResourceSpans {
    const EXPECTING: &'static str = "spans of a resource";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "resource" => self.resource = Some(message(map)?),
            // The name before OTLP 0.15.
            "scopeSpans" | "scope_spans" | "instrumentationLibrarySpans" => self.scope_spans.append(&mut list(map)?),
            "schemaUrl" | "schema_url" => self.schema_url = string(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for Resource {
    const EXPECTING: &'static str = "a resource";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "attributes" => self.attributes = list(map)?,
            "droppedAttributesCount" | "dropped_attributes_count" => self.dropped_attributes_count = number(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for trace::ScopeSpans {
    const EXPECTING: &'static str = "spans of a scope";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "scope" | "instrumentationLibrary" => self.scope = Some(message(map)?),
            "spans" => self.spans = list(map)?,
            "schemaUrl" | "schema_url" => self.schema_url = string(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for common::InstrumentationScope {
    const EXPECTING: &'static str = "a scope";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "name" => self.name = string(map)?,
            "version" => self.version = string(map)?,
            "attributes" => self.attributes = list(map)?,
            "droppedAttributesCount" | "dropped_attributes_count" => self.dropped_attributes_count = number(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for trace::Span {
    const EXPECTING: &'static str = "a span";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "traceId" | "trace_id" => self.trace_id = id(map)?,
            "spanId" | "span_id" => self.span_id = id(map)?,
            "parentSpanId" | "parent_span_id" => self.parent_span_id = id(map)?,
            "traceState" | "trace_state" => self.trace_state = string(map)?,
            "flags" => self.flags = number(map)?,
            "name" => self.name = string(map)?,
            "kind" => self.kind = number(map)?,
            "startTimeUnixNano" | "start_time_unix_nano" => self.start_time_unix_nano = number(map)?,
            "endTimeUnixNano" | "end_time_unix_nano" => self.end_time_unix_nano = number(map)?,
            "attributes" => self.attributes = list(map)?,
            "droppedAttributesCount" | "dropped_attributes_count" => self.dropped_attributes_count = number(map)?,
            "events" => self.events = list(map)?,
            "droppedEventsCount" | "dropped_events_count" => self.dropped_events_count = number(map)?,
            "links" => self.links = list(map)?,
            "droppedLinksCount" | "dropped_links_count" => self.dropped_links_count = number(map)?,
            "status" => self.status = Some(message(map)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for trace::span::Event {
    const EXPECTING: &'static str = "an event";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "timeUnixNano" | "time_unix_nano" => self.time_unix_nano = number(map)?,
            "name" => self.name = string(map)?,
            "attributes" => self.attributes = list(map)?,
            "droppedAttributesCount" | "dropped_attributes_count" => self.dropped_attributes_count = number(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for trace::span::Link {
    const EXPECTING: &'static str = "a span link";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "traceId" | "trace_id" => self.trace_id = id(map)?,
            "spanId" | "span_id" => self.span_id = id(map)?,
            "traceState" | "trace_state" => self.trace_state = string(map)?,
            "attributes" => self.attributes = list(map)?,
            "droppedAttributesCount" | "dropped_attributes_count" => self.dropped_attributes_count = number(map)?,
            "flags" => self.flags = number(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for trace::Status {
    const EXPECTING: &'static str = "a status";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "message" => self.message = string(map)?,
            "code" => self.code = number(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for common::KeyValue {
    const EXPECTING: &'static str = "an attribute";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "key" => self.key = string(map)?,
            "value" => self.value = Some(message(map)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for common::AnyValue {
    const EXPECTING: &'static str = "a value";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        use common::any_value::Value;
        let value = match key {
            "stringValue" | "string_value" => Value::StringValue(string(map)?),
            "boolValue" | "bool_value" => Value::BoolValue(map.next_value::<Option<bool>>()?.unwrap_or(false)),
            "intValue" | "int_value" => Value::IntValue(number(map)?),
            "doubleValue" | "double_value" => Value::DoubleValue(map.next_value::<Number>()?.double()),
            "arrayValue" | "array_value" => Value::ArrayValue(message(map)?),
            "kvlistValue" | "kvlist_value" => Value::KvlistValue(message(map)?),
            "bytesValue" | "bytes_value" => {
                let text = map.next_value::<Str<'de>>()?;
                Value::BytesValue(STANDARD.decode(text.0.as_bytes()).unwrap_or_default())
            }
            _ => return Ok(false),
        };
        self.value = Some(value);
        Ok(true)
    }
}

impl Message for common::ArrayValue {
    const EXPECTING: &'static str = "an array value";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "values" => self.values = list(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Message for common::KeyValueList {
    const EXPECTING: &'static str = "a list of keys and values";
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "values" => self.values = list(map)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
