//! Zipkin's spans of version 2 → OTLP.
//!
//! In go spans, out come the same: endpoints as resource and attributes, annotations as events, tags as attributes, or as
//! the fields of OTLP and the resource that they stand for where an OpenTelemetry exporter wrote them. Client and server
//! may share one id in Zipkin, which spans of OTLP may not: the server, under which its children are, keeps it, and the
//! client gets one made from it. Spans of the first version are not read.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value as Json;

use super::grouped::Grouped;
use super::model::{self, Attribute, Value};
use super::number::Number;
use super::values::{attribute, id, is_id, kind_named, nanos, or_default, take_fields, take_scope, text_attribute};

/// The attribute of a client's span that tells the id by which Zipkin knows it.
const SHARED_ID: &str = "zipkin.shared_id";
/// Exporters write the resource into the tags of all spans of a service. What only some of them have is the span's.
const RESOURCE_PREFIXES: [&str; 11] = [
    "cloud.",
    "container.",
    "deployment.",
    "faas.",
    "host.",
    "k8s.",
    "os.",
    "process.",
    "service.",
    "telemetry.",
    "webengine.",
];
/// Links that one span may have in its tags (`otlp.link.0`, …).
const LINKS_MAX: usize = 128;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Span {
    #[serde(deserialize_with = "or_default")]
    trace_id: String,
    #[serde(deserialize_with = "or_default")]
    id: String,
    #[serde(deserialize_with = "or_default")]
    parent_id: String,
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    kind: String,
    timestamp: Option<Number>,
    #[serde(deserialize_with = "or_default")]
    duration: Number,
    #[serde(deserialize_with = "or_default")]
    local_endpoint: Endpoint,
    #[serde(deserialize_with = "or_default")]
    remote_endpoint: Endpoint,
    #[serde(deserialize_with = "or_default")]
    annotations: Vec<Annotation>,
    #[serde(deserialize_with = "or_default")]
    tags: BTreeMap<String, Json>,
    #[serde(deserialize_with = "or_default")]
    debug: bool,
    #[serde(deserialize_with = "or_default")]
    shared: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(deserialize_with = "or_default", rename = "serviceName")]
    service_name: String,
    #[serde(deserialize_with = "or_default")]
    ipv4: String,
    #[serde(deserialize_with = "or_default")]
    ipv6: String,
    #[serde(deserialize_with = "or_default")]
    port: Number,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotation {
    #[serde(deserialize_with = "or_default")]
    timestamp: Number,
    #[serde(deserialize_with = "or_default")]
    value: String,
}

/// Gives spans to `grouped`.
pub(super) fn take(spans: Vec<Span>, grouped: &mut Grouped) {
    let key = |span: &Span| (id::<16>(&span.trace_id), id::<8>(&span.id));
    let is_server = |span: &&Span| span.shared || span.kind.eq_ignore_ascii_case("server");
    let servers: HashSet<_> = spans.iter().filter(is_server).map(key).collect();
    let is_client = |span: &&Span| span.kind.eq_ignore_ascii_case("client") && servers.contains(&key(span));
    let clients: HashMap<_, _> =
        spans.iter().filter(is_client).map(|span| (key(span), client_id(&key(span)))).collect();
    let keys = ResourceKeys::of(&spans);
    for span in spans {
        let key = key(&span);
        let client = clients.get(&key);
        let is_client = span.kind.eq_ignore_ascii_case("client");
        let (resource, tags) = resource(&span, &keys);
        let place = grouped.resource(&resource);
        let mut span = otlp_span(span, tags);
        if let Some(client) = client {
            if is_client {
                span.attributes.push(text_attribute(SHARED_ID, hex(&key.1)));
                span.span_id.clone_from(client);
            } else {
                span.parent_span_id.clone_from(client);
            }
        }
        let scope = take_scope(&mut span.attributes);
        grouped.push(place, scope, &span);
    }
}

/// The same in each run.
fn client_id((trace_id, span_id): &(Vec<u8>, Vec<u8>)) -> Vec<u8> {
    twox_hash::XxHash64::oneshot(0, &[trace_id.as_slice(), span_id].concat()).to_be_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// For each service, how many spans it has, and how many of them have a tag that may be of the resource.
#[derive(Default)]
struct ResourceKeys(HashMap<String, (usize, HashMap<String, usize>)>);

impl ResourceKeys {
    fn of(spans: &[Span]) -> ResourceKeys {
        let mut keys = ResourceKeys::default();
        for span in spans {
            let (count, tags) = keys.0.entry(span.local_endpoint.service_name.clone()).or_default();
            *count += 1;
            for key in span.tags.keys().filter(|key| RESOURCE_PREFIXES.iter().any(|prefix| key.starts_with(prefix))) {
                *tags.entry(key.clone()).or_default() += 1;
            }
        }
        keys
    }

    fn has(&self, service: &str, key: &str) -> bool {
        self.0.get(service).is_some_and(|(count, tags)| tags.get(key) == Some(count))
    }
}

/// The resource, and the tags that are not part of it.
fn resource(span: &Span, keys: &ResourceKeys) -> (Vec<Attribute>, Vec<Attribute>) {
    let (mut attributes, mut tags) = (Vec::new(), Vec::new());
    if !span.local_endpoint.service_name.is_empty() {
        attributes.push(text_attribute("service.name", span.local_endpoint.service_name.as_str()));
    }
    for (key, value) in &span.tags {
        // Tags are text; other clients than Zipkin's own are less strict.
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match key.as_str() {
            "service.name" => {}
            _ if keys.has(&span.local_endpoint.service_name, key) => {
                attributes.push(text_attribute(key.as_str(), text))
            }
            _ => tags.push(text_attribute(key.as_str(), text)),
        }
    }
    (attributes, tags)
}

fn otlp_span(span: Span, mut attributes: Vec<Attribute>) -> model::Span {
    let links = take_links(&mut attributes);
    endpoint(&mut attributes, "network.local", &span.local_endpoint);
    endpoint(&mut attributes, "network.peer", &span.remote_endpoint);
    if !span.remote_endpoint.service_name.is_empty() {
        attributes.push(text_attribute("peer.service", span.remote_endpoint.service_name));
    }
    let mut events: Vec<_> = span.annotations.into_iter().map(event).collect();
    events.sort_by_key(|event| event.time_unix_nano);
    // A span that only annotations give a time to.
    let start = span.timestamp.as_ref().map(nanos).filter(|start| *start > 0);
    let start = start.or_else(|| events.first().map(|event| event.time_unix_nano)).unwrap_or_default();
    let (span_id, parent) = (id::<8>(&span.id), id::<8>(&span.parent_id));
    let mut result = model::Span {
        trace_id: id::<16>(&span.trace_id),
        parent_span_id: if is_id(&parent) && parent != span_id { parent } else { Vec::new() },
        span_id,
        // OTLP can say that a debug span is sampled, but no more.
        flags: u32::from(span.debug),
        name: span.name,
        kind: kind_named(&span.kind),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(nanos(&span.duration)),
        attributes,
        events,
        links,
        ..model::Span::default()
    };
    take_fields(&mut result);
    result
}

fn endpoint(attributes: &mut Vec<Attribute>, prefix: &str, endpoint: &Endpoint) {
    for address in [&endpoint.ipv4, &endpoint.ipv6] {
        if !address.is_empty() && !attributes.iter().any(|known| known.key == format!("{prefix}.address")) {
            attributes.push(text_attribute(format!("{prefix}.address"), address.as_str()));
        }
    }
    if let Ok(port @ 1..) = i64::try_from(endpoint.port.integer()) {
        attributes.push(attribute(format!("{prefix}.port"), Value::Integer(port)));
    }
}

/// annotation = name / name "|" json-object "|" dropped / [ DQUOTE ] name [ DQUOTE ] ": " json-object
///
/// As the collector's exporter writes events, and as OpenTelemetry specifies it for SDKs.
/// <https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/#events>
fn event(annotation: Annotation) -> model::Event {
    let mut event = model::Event { time_unix_nano: nanos(&annotation.timestamp), ..model::Event::default() };
    let parts = annotation.value.split_once('|').and_then(|(name, rest)| Some((name, rest.rsplit_once('|')?)));
    if let Some((name, (attributes, dropped))) = parts
        && let (Some(attributes), Ok(dropped)) = (json_attributes(attributes), dropped.parse())
    {
        event.name = name.to_owned();
        event.attributes = attributes;
        event.dropped_attributes_count = dropped;
        return event;
    }
    let parts = annotation.value.split_once(": {").filter(|(name, _)| !name.is_empty());
    if let Some((name, rest)) = parts
        && let Some(attributes) = json_attributes(&format!("{{{rest}"))
    {
        event.name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name).to_owned();
        event.attributes = attributes;
        return event;
    }
    event.name = annotation.value;
    event
}

/// otlp.link.N = trace-id "|" span-id "|" state "|" json-object "|" dropped
fn take_links(attributes: &mut Vec<Attribute>) -> Vec<model::Link> {
    let mut links = Vec::new();
    for number in 0..LINKS_MAX {
        let key = format!("otlp.link.{number}");
        let Some(at) = attributes.iter().position(|attribute| attribute.key == key) else { break };
        let Some(link) = super::values::text(&attributes[at]).and_then(|text| link(&text)) else { break };
        links.push(link);
        attributes.remove(at);
    }
    links
}

fn link(text: &str) -> Option<model::Link> {
    let mut parts = text.splitn(4, '|');
    let (trace_id, span_id, state) = (parts.next()?, parts.next()?, parts.next()?);
    let (attributes, dropped) = parts.next()?.rsplit_once('|')?;
    Some(model::Link {
        trace_id: id::<16>(trace_id.trim_matches('"')),
        span_id: id::<8>(span_id.trim_matches('"')),
        trace_state: state.to_owned(),
        attributes: json_attributes(attributes)?,
        dropped_attributes_count: dropped.parse().ok()?,
    })
}

fn json_attributes(text: &str) -> Option<Vec<Attribute>> {
    let object: BTreeMap<String, Json> = serde_json::from_str(text).ok()?;
    Some(object.iter().map(|(key, value)| attribute(key.as_str(), super::jaeger::untyped(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_with_attributes_is_an_event_with_them() {
        let read = |value: &str| event(Annotation { value: value.to_owned(), ..Annotation::default() });
        for value in ["\"retry\": {\"n\": 2}", "retry: {\"n\": 2}", "retry|{\"n\":2}|0"] {
            let event = read(value);
            assert_eq!((event.name.as_str(), event.attributes.len()), ("retry", 1), "{value}");
        }
        assert_eq!(read("retry: {no json").name, "retry: {no json");
    }
}
