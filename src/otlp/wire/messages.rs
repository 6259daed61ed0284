//! What OTLP's messages of traces are made of: numbers, names and kinds of their fields.
//!
//! One table, by which their bytes are checked here, and by which others read and write them as JSON. What a field means
//! is not known here. The names are those of `opentelemetry/proto/trace/v1/trace.proto`.

use super::json_key::JsonKey;
use super::read::{Fields, Value};

/// A message: its fields in the order in which the `.proto` has them.
#[derive(Debug)]
pub struct Message {
    /// As in the `.proto`.
    pub name: &'static str,
    /// With an article, for people.
    pub description: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// Only one of its fields is set (`oneof`), to its default too.
    pub is_choice: bool,
    /// Bytes that its length mostly takes.
    pub length_bytes: usize,
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// Its number.
    pub number: u32,
    /// As in the `.proto`.
    pub name: &'static str,
    /// As in JSON.
    pub json: &'static str,
    /// The same with quotes and colon.
    pub key: JsonKey,
    /// What it holds.
    pub kind: Kind,
    /// It is a list.
    pub repeated: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `string`
    Text,
    /// `bytes`, in JSON as hex.
    Id,
    /// `bytes`, in JSON as base64.
    Bytes,
    /// `fixed64`
    Fixed64,
    /// `fixed32`
    Fixed32,
    /// `uint32`
    Uint32,
    /// `int32`, and enums.
    Int32,
    /// `int64`
    Int64,
    /// `bool`
    Bool,
    /// `double`
    Double,
    /// Another message.
    Message(&'static Message),
}

impl Message {
    /// The field of a number.
    #[inline]
    pub fn field(&self, number: u32) -> Option<&'static Field> {
        // Most stand at the place of their number.
        match self.fields.get(number.wrapping_sub(1) as usize) {
            Some(field) if field.number == number => Some(field),
            _ => self.fields.iter().find(|field| field.number == number),
        }
    }
}

impl Field {
    /// Number and wire type, in one byte as of all fields but the flags of a span.
    #[inline(always)]
    pub fn tag(&self, wire_type: u8) -> u8 {
        (self.number as u8) << 3 | wire_type
    }
}

pub(super) const fn field(number: u32, name: &'static str, json: &'static str, kind: Kind) -> Field {
    Field { number, name, json, key: JsonKey::of(json), kind, repeated: false }
}

pub(super) const fn list(number: u32, name: &'static str, json: &'static str, kind: Kind) -> Field {
    Field { number, name, json, key: JsonKey::of(json), kind, repeated: true }
}

const DROPPED_ATTRIBUTES: [&str; 2] = ["dropped_attributes_count", "droppedAttributesCount"];
pub(super) const fn dropped_attributes(number: u32) -> Field {
    field(number, DROPPED_ATTRIBUTES[0], DROPPED_ATTRIBUTES[1], Kind::Uint32)
}
pub(super) const fn attributes(number: u32) -> Field {
    list(number, "attributes", "attributes", Kind::Message(&KEY_VALUE))
}

/// `ExportTraceServiceRequest`, and `TracesData`, which has the same shape.
pub static REQUEST: Message = Message {
    name: "ExportTraceServiceRequest",
    description: "an export request",
    fields: &[list(1, "resource_spans", "resourceSpans", Kind::Message(&RESOURCE_SPANS))],
    is_choice: false,
    length_bytes: 3,
};

/// Spans of a resource.
pub static RESOURCE_SPANS: Message = Message {
    name: "ResourceSpans",
    description: "spans of a resource",
    fields: &[
        field(1, "resource", "resource", Kind::Message(&RESOURCE)),
        list(2, "scope_spans", "scopeSpans", Kind::Message(&SCOPE_SPANS)),
        field(3, "schema_url", "schemaUrl", Kind::Text),
    ],
    is_choice: false,
    length_bytes: 3,
};

/// A resource.
pub static RESOURCE: Message = Message {
    name: "Resource",
    description: "a resource",
    fields: &[attributes(1), dropped_attributes(2), list(3, "entity_refs", "entityRefs", Kind::Message(&ENTITY_REF))],
    is_choice: false,
    length_bytes: 2,
};

static ENTITY_REF: Message = Message {
    name: "EntityRef",
    description: "a reference to an entity",
    fields: &[
        field(1, "schema_url", "schemaUrl", Kind::Text),
        field(2, "type", "type", Kind::Text),
        list(3, "id_keys", "idKeys", Kind::Text),
        list(4, "description_keys", "descriptionKeys", Kind::Text),
    ],
    is_choice: false,
    length_bytes: 1,
};

/// Spans of a scope.
pub static SCOPE_SPANS: Message = Message {
    name: "ScopeSpans",
    description: "spans of a scope",
    fields: &[
        field(1, "scope", "scope", Kind::Message(&SCOPE)),
        list(2, "spans", "spans", Kind::Message(&SPAN)),
        field(3, "schema_url", "schemaUrl", Kind::Text),
    ],
    is_choice: false,
    length_bytes: 3,
};

pub(super) static SCOPE: Message = Message {
    name: "InstrumentationScope",
    description: "a scope",
    fields: &[
        field(1, "name", "name", Kind::Text),
        field(2, "version", "version", Kind::Text),
        attributes(3),
        dropped_attributes(4),
    ],
    is_choice: false,
    length_bytes: 1,
};

/// A span.
pub static SPAN: Message = Message {
    name: "Span",
    description: "a span",
    fields: &[
        field(1, "trace_id", "traceId", Kind::Id),
        field(2, "span_id", "spanId", Kind::Id),
        field(3, "trace_state", "traceState", Kind::Text),
        field(4, "parent_span_id", "parentSpanId", Kind::Id),
        field(16, "flags", "flags", Kind::Fixed32),
        field(5, "name", "name", Kind::Text),
        field(6, "kind", "kind", Kind::Int32),
        field(7, "start_time_unix_nano", "startTimeUnixNano", Kind::Fixed64),
        field(8, "end_time_unix_nano", "endTimeUnixNano", Kind::Fixed64),
        attributes(9),
        dropped_attributes(10),
        list(11, "events", "events", Kind::Message(&EVENT)),
        field(12, "dropped_events_count", "droppedEventsCount", Kind::Uint32),
        list(13, "links", "links", Kind::Message(&LINK)),
        field(14, "dropped_links_count", "droppedLinksCount", Kind::Uint32),
        field(15, "status", "status", Kind::Message(&STATUS)),
    ],
    is_choice: false,
    length_bytes: 2,
};

/// An event of a span.
pub static EVENT: Message = Message {
    name: "Event",
    description: "an event",
    fields: &[
        field(1, "time_unix_nano", "timeUnixNano", Kind::Fixed64),
        field(2, "name", "name", Kind::Text),
        attributes(3),
        dropped_attributes(4),
    ],
    is_choice: false,
    length_bytes: 2,
};

static LINK: Message = Message {
    name: "Link",
    description: "a span link",
    fields: &[
        field(1, "trace_id", "traceId", Kind::Id),
        field(2, "span_id", "spanId", Kind::Id),
        field(3, "trace_state", "traceState", Kind::Text),
        attributes(4),
        dropped_attributes(5),
        field(6, "flags", "flags", Kind::Fixed32),
    ],
    is_choice: false,
    length_bytes: 1,
};

static STATUS: Message = Message {
    name: "Status",
    description: "a status",
    fields: &[field(2, "message", "message", Kind::Text), field(3, "code", "code", Kind::Int32)],
    is_choice: false,
    length_bytes: 1,
};

/// An attribute.
pub static KEY_VALUE: Message = Message {
    name: "KeyValue",
    description: "an attribute",
    fields: &[
        field(1, "key", "key", Kind::Text),
        field(2, "value", "value", Kind::Message(&ANY_VALUE)),
        field(3, "key_strindex", "keyStrindex", Kind::Int32),
    ],
    is_choice: false,
    length_bytes: 1,
};

/// The value of an attribute.
pub static ANY_VALUE: Message = Message {
    name: "AnyValue",
    description: "a value",
    fields: &[
        field(1, "string_value", "stringValue", Kind::Text),
        field(2, "bool_value", "boolValue", Kind::Bool),
        field(3, "int_value", "intValue", Kind::Int64),
        field(4, "double_value", "doubleValue", Kind::Double),
        field(5, "array_value", "arrayValue", Kind::Message(&ARRAY_VALUE)),
        field(6, "kvlist_value", "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
        field(7, "bytes_value", "bytesValue", Kind::Bytes),
        field(8, "string_value_strindex", "stringValueStrindex", Kind::Int32),
    ],
    is_choice: true,
    length_bytes: 1,
};

static ARRAY_VALUE: Message = Message {
    name: "ArrayValue",
    description: "an array value",
    fields: &[list(1, "values", "values", Kind::Message(&ANY_VALUE))],
    is_choice: false,
    length_bytes: 1,
};

static KEY_VALUE_LIST: Message = Message {
    name: "KeyValueList",
    description: "a list of keys and values",
    fields: &[list(1, "values", "values", Kind::Message(&KEY_VALUE))],
    is_choice: false,
    length_bytes: 1,
};

/// Messages within messages beyond which none is read, as in most libraries.
const DEPTH_MAX: u32 = 100;

/// Why bytes are not the message that they should be: the path to the malformed field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to decode Protobuf message: {path}{reason}")]
pub struct Malformed {
    path: String,
    reason: &'static str,
}

/// Whether bytes are such a message, all through: kinds of fields, lengths, and text that is UTF-8. Fields that are not
/// known may hold anything.
pub fn check(message: &'static Message, bytes: &[u8]) -> Result<(), Malformed> {
    check_within(message, bytes, DEPTH_MAX)
}

fn check_within(message: &'static Message, bytes: &[u8], depth: u32) -> Result<(), Malformed> {
    let malformed = |reason| Malformed { path: String::new(), reason };
    let mut fields = Fields::of(bytes);
    for (number, value) in fields.by_ref() {
        let Some(field) = message.field(number) else { continue };
        let within = |mut error: Malformed| {
            error.path.insert_str(0, &format!("{}.{}: ", message.name, field.name));
            error
        };
        match (field.kind, value) {
            (Kind::Text, Value::Bytes(text)) => {
                if std::str::from_utf8(text).is_err() {
                    return Err(within(malformed("invalid string value: data is not UTF-8 encoded")));
                }
            }
            (Kind::Message(_), Value::Bytes(_)) if depth == 0 => {
                return Err(within(malformed("recursion limit reached")));
            }
            (Kind::Message(inner), Value::Bytes(bytes)) => check_within(inner, bytes, depth - 1).map_err(within)?,
            (Kind::Id | Kind::Bytes, Value::Bytes(_))
            | (Kind::Fixed64 | Kind::Double, Value::Fixed64(_))
            | (Kind::Fixed32, Value::Fixed32(_))
            | (Kind::Uint32 | Kind::Int32 | Kind::Int64 | Kind::Bool, Value::Varint(_)) => {}
            _ => return Err(within(malformed("invalid wire type"))),
        }
    }
    if fields.at() < bytes.len() {
        let mut error = malformed("a field is no field, or goes on beyond the message's end");
        error.path = format!("{}: ", message.name);
        return Err(error);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_the_way_to_it() {
        let path = |bytes: &[u8]| check(&REQUEST, bytes).unwrap_err().to_string();
        // A request of one resource of one scope of one span.
        let span = |span: &[u8]| {
            let mut bytes = span.to_vec();
            for tag in [0x12, 0x12, 0x0a] {
                bytes = [&[tag, bytes.len() as u8], &bytes[..]].concat();
            }
            bytes
        };
        assert_eq!(check(&REQUEST, &span(b"\x2a\x01x\xf8\x07\x01")), Ok(()));
        let all = "failed to decode Protobuf message: ExportTraceServiceRequest.resource_spans: \
            ResourceSpans.scope_spans: ScopeSpans.spans: ";
        assert_eq!(
            path(&span(b"\x2a\x01\xff")),
            format!("{all}Span.name: invalid string value: data is not UTF-8 encoded")
        );
        assert_eq!(path(&span(b"\x28\x01")), format!("{all}Span.name: invalid wire type"));
        assert!(path(&span(b"\x2a\x02x")).starts_with(&format!("{all}Span: a field is no field")));
        let mut deep = Vec::new();
        for _ in 0..200 {
            // A value within an array within a value.
            let array = [&[0x0a][..], &length_of(&deep), &deep].concat();
            deep = [&[0x2a][..], &length_of(&array), &array].concat();
        }
        assert!(check(&ANY_VALUE, &deep).unwrap_err().to_string().ends_with("recursion limit reached"));
    }

    fn length_of(bytes: &[u8]) -> Vec<u8> {
        let mut length = Vec::new();
        crate::otlp::wire::write::varint(&mut length, bytes.len() as u64);
        length
    }

    proptest! {
        /// Whatever the library refuses is refused; that of which it takes more (groups, large tags) is nobody's.
        #[test]
        fn says_what_the_library_says(mut bytes in proptest::collection::vec(prop_oneof![0u8..0x30, any::<u8>()], 0..40), edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)) {
            let checked = check(&REQUEST, &bytes);
            prop_assert!(checked.is_err() || ExportTraceServiceRequest::decode(&bytes[..]).is_ok(), "{:?}", bytes);
            bytes = crate::otlp::wire::messages::tests::sample();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let checked = check(&REQUEST, &bytes);
            prop_assert!(checked.is_err() || ExportTraceServiceRequest::decode(&bytes[..]).is_ok(), "{:?}", bytes);
        }
    }

    fn sample() -> Vec<u8> {
        use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};
        use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event};
        let text = |text: &str| AnyValue { value: Some(Value::StringValue(text.into())) };
        let array = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![text("ü"), text("b")] })) };
        let attribute = |value| KeyValue { key: "key".into(), value: Some(value), ..KeyValue::default() };
        let span = Span {
            trace_id: vec![1; 16],
            name: "näme".into(),
            kind: 2,
            start_time_unix_nano: 7,
            attributes: vec![attribute(text("x")), attribute(array)],
            events: vec![Event { name: "e".into(), time_unix_nano: 9, ..Event::default() }],
            status: Some(Status { code: 2, message: "m".into() }),
            flags: 257,
            ..Span::default()
        };
        let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
        let group = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![group] }.encode_to_vec()
    }

    #[test]
    fn what_the_library_writes_is_right() {
        assert_eq!(check(&REQUEST, &sample()), Ok(()));
    }
}
