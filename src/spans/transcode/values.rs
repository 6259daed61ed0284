//! What Jaeger's and Zipkin's JSON have in common: ids, times, numbers, attributes, and tags that stand for fields of OTLP.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use spanline_parsers::trace_context::whole_hex;

use super::model::{Attribute, Scope, Span, Status, Value};
use super::number::Number;

/// `STATUS_CODE_OK` and `STATUS_CODE_ERROR`.
const OK: u8 = 1;
const ERROR: u8 = 2;

/// null and a missing field alike.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(value: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(value)?.unwrap_or_default())
}

/// An id in hex, whose leading zeros may be missing, or (as protobuf's JSON has it) in base64; empty where it is none.
pub(super) fn id<const N: usize>(text: &str) -> Vec<u8> {
    if text.ends_with('=') {
        return STANDARD.decode(text).ok().filter(|id| id.len() == N).unwrap_or_default();
    }
    if text.is_empty() || text.len() > 2 * N {
        return Vec::new();
    }
    let padded = format!("{text:0>width$}", width = 2 * N);
    whole_hex::<N>(padded.as_bytes()).map(Vec::from).unwrap_or_default()
}

pub(super) fn is_id(id: &[u8]) -> bool {
    id.iter().any(|byte| *byte != 0)
}

pub(super) fn attribute(key: impl Into<String>, value: Value) -> Attribute {
    Attribute { key: key.into(), value }
}

pub(super) fn text_attribute(key: impl Into<String>, text: impl Into<String>) -> Attribute {
    attribute(key, Value::Text(text.into()))
}

pub(super) fn text(attribute: &Attribute) -> Option<Cow<'_, str>> {
    match &attribute.value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Integer(value) => Some(Cow::Owned(value.to_string())),
        _ => None,
    }
}

/// Takes an attribute out, where it is text.
pub(super) fn take(attributes: &mut Vec<Attribute>, key: &str) -> Option<String> {
    let at = attributes.iter().position(|attribute| attribute.key == key)?;
    let value = text(&attributes[at])?.into_owned();
    attributes.remove(at);
    Some(value)
}

/// The tags that stand for fields of OTLP become these fields: kind, state, status.
///
/// As the collector's translators have it (pkg/translator/jaeger and zipkin in opentelemetry-collector-contrib). What
/// `error` holds other than `true` and `false` is the status message.
pub(super) fn take_fields(span: &mut Span) {
    let attributes = &mut span.attributes;
    if let Some(state) = take(attributes, "w3c.tracestate") {
        span.trace_state = state;
    }
    if let Some(kind) = take(attributes, "span.kind") {
        match kind_named(&kind) {
            0 => attributes.push(text_attribute("span.kind", kind)),
            kind => span.kind = kind,
        }
    }
    let code = take(attributes, "otel.status_code");
    let message = take(attributes, "otel.status_description");
    let (mut status, mut why) = match code.map(|code| code.to_ascii_uppercase()).as_deref() {
        Some("OK" | "STATUS_CODE_OK") => (OK, message),
        Some("ERROR" | "STATUS_CODE_ERROR") => (ERROR, message),
        _ => (0, message),
    };
    if let Some(error) = take(attributes, "error") {
        match error.to_ascii_lowercase().as_str() {
            "false" => {}
            "true" | "" => status = ERROR,
            _ => {
                status = ERROR;
                why.get_or_insert(error);
            }
        }
    }
    if status != 0 || why.is_some() {
        span.status = Some(Status { code: status, message: why.unwrap_or_default() });
    }
}

/// The number of a span's kind: `server`, in the case of either format; 0 for a name that is none.
pub(super) fn kind_named(name: &str) -> u8 {
    match name.to_ascii_lowercase().as_str() {
        "internal" => 1,
        "server" => 2,
        "client" => 3,
        "producer" => 4,
        "consumer" => 5,
        _ => 0,
    }
}

/// The scope that a span's tags name, by today's names or those before.
pub(super) fn take_scope(attributes: &mut Vec<Attribute>) -> Scope {
    let mut field = |names: [&str; 2]| names.iter().find_map(|name| take(attributes, name)).unwrap_or_default();
    Scope {
        name: field(["otel.scope.name", "otel.library.name"]),
        version: field(["otel.scope.version", "otel.library.version"]),
    }
}

/// µs → ns; what is out of range is the nearest that is not.
pub(super) fn nanos(micros: &Number) -> u64 {
    let nanos = match micros {
        Number::Integer(micros) => micros.saturating_mul(1000),
        // Whole µs are exact below 2^53, which is the year 2255; a fraction is ns.
        Number::Double(micros) => {
            (micros.trunc() as i128).saturating_mul(1000).saturating_add((micros.fract() * 1000.0).round() as i128)
        }
    };
    u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micros_out_of_range_are_the_nearest_that_is_not() {
        for (micros, expected) in
            [(1e300, u64::MAX), (-1e300, 0), (f64::NAN, 0), (f64::INFINITY, u64::MAX), (1.5, 1500), (2.0, 2000)]
        {
            assert_eq!(nanos(&Number::Double(micros)), expected, "{micros}");
        }
    }
}
