//! Jaeger's own JSON → OTLP.
//!
//! In go a trace as Jaeger's UI and `/api/traces` give it, as protobuf's JSON spells `jaeger.api_v2`, or a span with its
//! process in itself. Out come its spans: tags as attributes, or as the fields of OTLP that they stand for, references as
//! parents and links, logs as events, warnings as the attribute under which Jaeger keeps them. A file of Jaeger's storage
//! schema with tags as one object is not known.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value as Json;

use super::grouped::Grouped;
use super::model::{self, Attribute, Value};
use super::number::Number;
use super::values::{attribute, id, is_id, nanos, or_default, take, take_fields, take_scope, text_attribute};

/// Where Jaeger keeps what it finds wrong with a span (its `jptrace.WarningsAttribute`).
const WARNINGS: &str = "@jaeger@warnings";
/// OpenTelemetry's name for what kind of reference a link was.
const REFERENCE_KIND: &str = "opentracing.ref_type";

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Trace {
    #[serde(deserialize_with = "or_default")]
    spans: Vec<Span>,
    #[serde(deserialize_with = "or_default")]
    processes: HashMap<String, Process>,
    #[serde(deserialize_with = "or_default", alias = "process_map")]
    process_map: Vec<NamedProcess>,
    /// Of a batch.
    process: Option<Process>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Span {
    #[serde(deserialize_with = "or_default", alias = "traceID", alias = "trace_id")]
    trace_id: String,
    #[serde(deserialize_with = "or_default", alias = "spanID", alias = "span_id")]
    span_id: String,
    #[serde(deserialize_with = "or_default", alias = "parentSpanID", alias = "parent_span_id")]
    parent_span_id: String,
    #[serde(deserialize_with = "or_default", alias = "operation_name")]
    operation_name: String,
    #[serde(deserialize_with = "or_default")]
    references: Vec<Reference>,
    #[serde(deserialize_with = "or_default")]
    flags: Number,
    #[serde(alias = "start_time")]
    start_time: Time,
    duration: Time,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<Tag>,
    #[serde(deserialize_with = "or_default")]
    logs: Vec<Log>,
    #[serde(deserialize_with = "or_default", alias = "processID", alias = "process_id")]
    process_id: String,
    process: Option<Process>,
    #[serde(deserialize_with = "or_default")]
    warnings: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Process {
    #[serde(deserialize_with = "or_default", alias = "service_name")]
    service_name: String,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<Tag>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NamedProcess {
    #[serde(deserialize_with = "or_default", alias = "processID", alias = "process_id")]
    process_id: String,
    process: Process,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference {
    #[serde(deserialize_with = "or_default", alias = "ref_type")]
    ref_type: String,
    #[serde(deserialize_with = "or_default", alias = "traceID", alias = "trace_id")]
    trace_id: String,
    #[serde(deserialize_with = "or_default", alias = "spanID", alias = "span_id")]
    span_id: String,
}

impl Reference {
    /// Protobuf's JSON leaves the default out, which is `CHILD_OF`.
    fn is_child_of(&self) -> bool {
        self.ref_type != "FOLLOWS_FROM"
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Log {
    timestamp: Time,
    #[serde(deserialize_with = "or_default")]
    fields: Vec<Tag>,
}

/// key, type and value; in protobuf's JSON the value is in the field of its type, and what is the default is left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Tag {
    #[serde(deserialize_with = "or_default")]
    key: String,
    #[serde(deserialize_with = "or_default", rename = "type", alias = "vType", alias = "v_type")]
    kind: String,
    #[serde(
        alias = "vStr",
        alias = "v_str",
        alias = "vBool",
        alias = "v_bool",
        alias = "vInt64",
        alias = "v_int64",
        alias = "vFloat64",
        alias = "v_float64",
        alias = "vBinary",
        alias = "v_binary"
    )]
    value: Json,
}

/// µs, or as protobuf's JSON has it: RFC 3339, and seconds such as `0.25s`. In ns.
#[derive(Default)]
struct Time(u64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        use serde::de::Error;
        match Json::deserialize(deserializer)? {
            Json::String(text) => time(&text).map(Time).ok_or_else(|| D::Error::custom("not a time")),
            number => Number::deserialize(number).map(|micros| Time(nanos(&micros))).map_err(D::Error::custom),
        }
    }
}

/// time = 1*DIGIT / rfc3339 / seconds "s"
fn time(text: &str) -> Option<u64> {
    if let Ok(micros) = text.parse() {
        return Some(nanos(&Number::Integer(micros)));
    }
    if let Some(seconds) = text.strip_suffix('s') {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
        let nanos: u64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
        return whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos);
    }
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    time.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok())
}

impl Trace {
    /// A span that stands alone, with its process in itself.
    pub(super) fn of_span(span: Span) -> Trace {
        Trace { spans: vec![span], ..Trace::default() }
    }

    /// Gives its spans to `grouped`.
    pub(super) fn take(mut self, grouped: &mut Grouped) {
        let named = std::mem::take(&mut self.process_map).into_iter();
        self.processes.extend(named.map(|named| (named.process_id, named.process)));
        let of_batch = self.process.take().unwrap_or_default();
        let mut known: HashMap<String, usize> = HashMap::new();
        for mut span in self.spans {
            let resource = match span.process.take() {
                Some(process) => grouped.resource(&resource(&process)),
                None => *known.entry(std::mem::take(&mut span.process_id)).or_insert_with_key(|name| {
                    grouped.resource(&resource(self.processes.get(name).unwrap_or(&of_batch)))
                }),
            };
            let mut span = otlp_span(span);
            let scope = take_scope(&mut span.attributes);
            grouped.push(resource, scope, &span);
        }
    }
}

/// Jaeger's clients called the host `hostname`.
fn resource(process: &Process) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    if !process.service_name.is_empty() {
        attributes.push(text_attribute("service.name", process.service_name.as_str()));
    }
    attributes.extend(process.tags.iter().map(Tag::attribute));
    if !attributes.iter().any(|attribute| attribute.key == "host.name")
        && let Some(host) = take(&mut attributes, "hostname")
    {
        attributes.push(text_attribute("host.name", host));
    }
    attributes
}

fn otlp_span(span: Span) -> model::Span {
    let trace_id = id::<16>(&span.trace_id);
    let mut parent_span_id = id::<8>(&span.parent_span_id);
    let mut links = Vec::new();
    let references: Vec<_> =
        span.references.iter().map(|one| (one, id::<16>(&one.trace_id), id::<8>(&one.span_id))).collect();
    // As Jaeger chooses the parent: the first one in the trace that this is a child of, else that it follows from.
    let in_trace = |child_of: bool| {
        let mut all = references.iter();
        all.find(|(one, trace, _)| *trace == trace_id && one.is_child_of() == child_of).map(|(.., span)| span.clone())
    };
    if !is_id(&parent_span_id) {
        parent_span_id = in_trace(true).or_else(|| in_trace(false)).unwrap_or_default();
    }
    for (reference, trace_id_of, span_id) in references {
        if !(reference.is_child_of() && span_id == parent_span_id && trace_id_of == trace_id) && is_id(&span_id) {
            let kind = if reference.is_child_of() { "child_of" } else { "follows_from" };
            let attributes = vec![text_attribute(REFERENCE_KIND, kind)];
            links.push(model::Link { trace_id: trace_id_of, span_id, attributes, ..model::Link::default() });
        }
    }
    let mut attributes: Vec<Attribute> = span.tags.iter().map(Tag::attribute).collect();
    if !span.warnings.is_empty() {
        attributes.push(attribute(WARNINGS, Value::Texts(span.warnings)));
    }
    let mut result = model::Span {
        trace_id,
        span_id: id::<8>(&span.span_id),
        parent_span_id: if is_id(&parent_span_id) { parent_span_id } else { Vec::new() },
        // Of Jaeger's flags only `sampled` is one of W3C's.
        flags: u32::from(span.flags.integer() & 1 == 1),
        name: span.operation_name,
        start_time_unix_nano: span.start_time.0,
        end_time_unix_nano: span.start_time.0.saturating_add(span.duration.0),
        attributes,
        events: span.logs.into_iter().map(event).collect(),
        links,
        ..model::Span::default()
    };
    take_fields(&mut result);
    result
}

fn event(log: Log) -> model::Event {
    let mut attributes: Vec<Attribute> = log.fields.iter().map(Tag::attribute).collect();
    let name = take(&mut attributes, "event").unwrap_or_default();
    model::Event { time_unix_nano: log.timestamp.0, name, attributes, ..model::Event::default() }
}

impl Tag {
    fn attribute(&self) -> Attribute {
        attribute(self.key.as_str(), self.typed().unwrap_or_else(|| untyped(&self.value)))
    }

    /// The value, if it is one of its type.
    fn typed(&self) -> Option<Value> {
        let text = self.value.as_str();
        let is_default = self.value.is_null();
        Some(match self.kind.to_ascii_lowercase().as_str() {
            "string" | "" if is_default => Value::Text(String::new()),
            "bool" if is_default => Value::Bool(false),
            "bool" => Value::Bool(self.value.as_bool().or_else(|| text?.parse().ok())?),
            "int64" if is_default => Value::Integer(0),
            "int64" => Value::Integer(self.value.as_i64().or_else(|| text?.parse().ok())?),
            "float64" if is_default => Value::Double(0.0),
            "float64" => Value::Double(self.value.as_f64().or_else(|| text?.parse().ok())?),
            "binary" => Value::Bytes(STANDARD.decode(text.unwrap_or_default()).ok()?),
            _ => return None,
        })
    }
}

pub(super) fn untyped(value: &Json) -> Value {
    match value {
        Json::String(text) => Value::Text(text.clone()),
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::Integer(number),
            (None, number) => Value::Double(number.unwrap_or_default()),
        },
        other => Value::Text(other.to_string()),
    }
}
