//! What Jaeger's and Zipkin's JSON have in common: ids, times, numbers, attributes, and tags that stand for fields of OTLP.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, span::SpanKind, status::StatusCode};
use serde::{Deserialize, Deserializer};

use crate::spans::json::{Number, hex_id};

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
    hex_id::<N>(padded).map(Vec::from).unwrap_or_default()
}

pub(super) fn is_id(id: &[u8]) -> bool {
    id.iter().any(|byte| *byte != 0)
}

pub(super) fn attribute(key: impl Into<String>, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(super) fn text_attribute(key: impl Into<String>, text: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(text.into()))
}

pub(super) fn text(attribute: &KeyValue) -> Option<Cow<'_, str>> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(Cow::Borrowed(text)),
        Value::BoolValue(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::IntValue(value) => Some(Cow::Owned(value.to_string())),
        _ => None,
    }
}

/// Takes an attribute out, where it is text.
pub(super) fn take(attributes: &mut Vec<KeyValue>, key: &str) -> Option<String> {
    let at = attributes.iter().position(|attribute| attribute.key == key)?;
    let value = text(&attributes[at])?.into_owned();
    attributes.remove(at);
    Some(value)
}

/// The tags that stand for fields of OTLP become these fields: kind, state, status.
///
/// As the collector's translators have it (pkg/translator/jaeger and zipkin in opentelemetry-collector-contrib). What
/// `error` says beside `true` and `false` is the status message.
pub(super) fn take_fields(span: &mut Span) {
    let attributes = &mut span.attributes;
    if let Some(state) = take(attributes, "w3c.tracestate") {
        span.trace_state = state;
    }
    if let Some(kind) = take(attributes, "span.kind") {
        match kind_named(&kind) {
            SpanKind::Unspecified => attributes.push(text_attribute("span.kind", kind)),
            kind => span.kind = kind.into(),
        }
    }
    let code = take(attributes, "otel.status_code");
    let message = take(attributes, "otel.status_description");
    let (mut status, mut why) = match code.map(|code| code.to_ascii_uppercase()).as_deref() {
        Some("OK" | "STATUS_CODE_OK") => (StatusCode::Ok, message),
        Some("ERROR" | "STATUS_CODE_ERROR") => (StatusCode::Error, message),
        _ => (StatusCode::Unset, message),
    };
    if let Some(error) = take(attributes, "error") {
        match error.to_ascii_lowercase().as_str() {
            "false" => {}
            "true" | "" => status = StatusCode::Error,
            _ => {
                status = StatusCode::Error;
                why.get_or_insert(error);
            }
        }
    }
    if status != StatusCode::Unset || why.is_some() {
        span.status = Some(Status { code: status.into(), message: why.unwrap_or_default() });
    }
}

/// `server`, in the case of either format.
pub(super) fn kind_named(name: &str) -> SpanKind {
    match name.to_ascii_lowercase().as_str() {
        "internal" => SpanKind::Internal,
        "server" => SpanKind::Server,
        "client" => SpanKind::Client,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

/// The scope that a span's tags name, by today's names or those before.
pub(super) fn take_scope(attributes: &mut Vec<KeyValue>) -> InstrumentationScope {
    let mut field = |names: [&str; 2]| names.iter().find_map(|name| take(attributes, name)).unwrap_or_default();
    InstrumentationScope {
        name: field(["otel.scope.name", "otel.library.name"]),
        version: field(["otel.scope.version", "otel.library.version"]),
        ..InstrumentationScope::default()
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
