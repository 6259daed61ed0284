//! Export requests → span facts.
//!
//! In goes one request, out go facts that borrow from it, resource by resource. What spanline itself once sent (scope
//! `spanline`, events with `spanline.link` or `spanline.link.method`) is left out, since it proves nothing. Spans without valid ids or
//! times are counted and left out.

use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{Span, span::Event};

use crate::correlate::facts::{EventFact, Kind, ResourceFact, SpanFact};
use crate::otlp::own;

/// `STATUS_CODE_ERROR`.
pub(super) const FAILED: i32 = 2;

/// What became of a request's spans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FactCounts {
    /// Handed over.
    pub spans: u64,
    /// spanline's own.
    pub own: u64,
    /// Without valid ids or times.
    pub invalid: u64,
}

/// Hands every span of a request to `sink`, with the resource it belongs to.
pub fn for_each_fact<'a>(
    request: &'a ExportTraceServiceRequest,
    mut sink: impl FnMut(&ResourceFact<'a>, &SpanFact<'a>),
) -> FactCounts {
    let mut counts = FactCounts::default();
    let mut fact = SpanFact::default();
    for group in &request.resource_spans {
        let resource = group.resource.as_ref().map(resource_fact).unwrap_or_default();
        for scoped in &group.scope_spans {
            let scope = scoped.scope.as_ref().map_or("", |scope| scope.name.as_str());
            if scope == own::SCOPE {
                counts.own += scoped.spans.len() as u64;
                continue;
            }
            for span in &scoped.spans {
                if span_fact(span, scope, &mut fact) {
                    counts.spans += 1;
                    sink(&resource, &fact);
                } else {
                    counts.invalid += 1;
                }
            }
        }
    }
    counts
}

/// A number for the spans of one resource of one request, which no others of this process have.
pub(super) fn next_run() -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(1);
    RUNS.fetch_add(1, Ordering::Relaxed)
}

fn resource_fact(resource: &Resource) -> ResourceFact<'_> {
    let mut fact = ResourceFact { run: next_run(), ..ResourceFact::default() };
    for attribute in &resource.attributes {
        if attribute.key == "process.pid" {
            fact.pid = number(attribute).unwrap_or(0);
            continue;
        }
        if let (Some(place), Some(value)) = (place_of_resource(&mut fact, &attribute.key), text(attribute)) {
            *place = value;
        }
    }
    fact
}

/// Where the text of a resource's attribute goes.
pub(super) fn place_of_resource<'f, 'a>(fact: &'f mut ResourceFact<'a>, key: &str) -> Option<&'f mut &'a str> {
    Some(match key {
        "service.name" => &mut fact.service,
        "k8s.pod.uid" => &mut fact.pod_uid,
        "k8s.namespace.name" => &mut fact.namespace,
        "k8s.pod.name" => &mut fact.pod,
        "k8s.container.name" => &mut fact.container,
        "container.id" => &mut fact.container_id,
        "host.name" => &mut fact.host,
        "service.instance.id" => &mut fact.instance,
        _ => return None,
    })
}

/// Fills `fact`, keeping the room of its lists; false where ids or times are not valid.
fn span_fact<'a>(span: &'a Span, scope: &'a str, fact: &mut SpanFact<'a>) -> bool {
    let (Some(trace_id), Some(span_id)) = (id::<16>(&span.trace_id), id::<8>(&span.span_id)) else { return false };
    let Ok(start) = i64::try_from(span.start_time_unix_nano) else { return false };
    let Ok(end) = i64::try_from(span.end_time_unix_nano) else { return false };
    fact.attributes.clear();
    fact.events.clear();
    fact.trace_id = trace_id;
    fact.span_id = span_id;
    fact.parent_id = id::<8>(&span.parent_span_id).unwrap_or_default();
    fact.name = &span.name;
    fact.scope = scope;
    fact.kind = Kind::from_number(span.kind);
    fact.start = start;
    fact.end = end.max(start);
    fact.failure = span.status.as_ref().filter(|status| status.code == FAILED).map(|status| status.message.as_str());
    fact.attributes.extend(span.attributes.iter().filter_map(|a| Some((a.key.as_str(), text(a)?))));
    fact.events.extend(span.events.iter().filter_map(event_fact));
    true
}

fn event_fact(event: &Event) -> Option<EventFact<'_>> {
    let time = i64::try_from(event.time_unix_nano).ok()?;
    let mut fact = EventFact { time, name: &event.name, ..EventFact::default() };
    for attribute in &event.attributes {
        match EventKey::of(&attribute.key) {
            Some(EventKey::Own) => return None,
            Some(EventKey::Message) => fact.message = text(attribute),
            Some(EventKey::RequestId) => fact.request_id = text(attribute),
            Some(EventKey::Level) => fact.leveled = true,
            Some(EventKey::Target) => fact.target = text(attribute),
            Some(EventKey::Line) => fact.line = number(attribute).and_then(|line| line.try_into().ok()).unwrap_or(0),
            None => {}
        }
    }
    Some(fact)
}

/// What an attribute of an event tells.
pub(super) enum EventKey {
    /// spanline made it.
    Own,
    Message,
    RequestId,
    Level,
    Target,
    Line,
}

impl EventKey {
    pub(super) fn of(key: &str) -> Option<EventKey> {
        Some(match key {
            _ if own::is_mark(key) => EventKey::Own,
            "log.message" => EventKey::Message,
            "id" => EventKey::RequestId,
            "level" => EventKey::Level,
            "target" => EventKey::Target,
            "code.line.number" | "code.lineno" => EventKey::Line,
            _ => return None,
        })
    }
}

fn text(attribute: &KeyValue) -> Option<&str> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// A number, also one that a store gives back as text.
fn number(attribute: &KeyValue) -> Option<u64> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::IntValue(number) => u64::try_from(*number).ok(),
        Value::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}

fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let id: [u8; N] = bytes.try_into().ok()?;
    id.iter().any(|byte| *byte != 0).then_some(id)
}
