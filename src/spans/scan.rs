//! Requests in protobuf → span facts, in one pass over their bytes.
//!
//! In goes one request that was checked, out go facts that borrow from it, resource by resource. What spanline itself once
//! sent (scope `spanline`, events with `spanline.link` or `spanline.link.method`) is left out, since it proves nothing. Spans
//! without valid ids or times are counted and left out.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::facts::{EventFact, Kind, ResourceFact, SpanFact};
use crate::otlp::own;
use crate::otlp::wire::read::{Fields, Value};
use crate::otlp::wire::spans::{attribute, scope_name, text as text_of, text_bytes, within};

/// `STATUS_CODE_ERROR`.
const FAILED: u64 = 2;

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

/// Room for what a fact lists, kept from request to request.
#[derive(Debug, Default)]
pub struct Room(SpanFact<'static>);

/// Hands every span of a request to `sink`, with the resource it belongs to.
pub fn for_each_fact(
    request: &[u8],
    room: &mut Room,
    sink: &mut dyn FnMut(&ResourceFact<'_>, &SpanFact<'_>),
) -> FactCounts {
    let mut counts = FactCounts::default();
    let mut fact = emptied(std::mem::take(&mut room.0));
    for group in within(request, 1) {
        let mut resource = ResourceFact::default();
        for message in within(group, 1) {
            (resource.run, resource.message) = (next_run(), message);
            within(message, 1).for_each(|attribute| take_attribute(&mut resource, attribute));
        }
        for scoped in within(group, 2) {
            let scope = text(scope_name(scoped));
            for span in within(scoped, 2) {
                if scope == own::SCOPE {
                    counts.own += 1;
                } else if span_fact(span, scope, &mut fact) {
                    counts.spans += 1;
                    sink(&resource, &fact);
                } else {
                    counts.invalid += 1;
                }
            }
        }
    }
    room.0 = emptied(fact);
    counts
}

/// The lists of a fact, emptied: the library makes the new ones in the room of the old.
fn emptied<'new>(mut fact: SpanFact<'_>) -> SpanFact<'new> {
    fact.attributes.clear();
    fact.events.clear();
    SpanFact {
        attributes: fact.attributes.into_iter().map(|_| (&[][..], &[][..])).collect(),
        events: fact.events.into_iter().map(|_| EventFact::default()).collect(),
        ..SpanFact::default()
    }
}

/// A number for the spans of one resource of one request, which no others of this process have.
fn next_run() -> u64 {
    static RUNS: AtomicU64 = AtomicU64::new(1);
    RUNS.fetch_add(1, Ordering::Relaxed)
}

#[inline]
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// A number, also one that a store returns as text.
fn number_of(any: Option<(u32, Value<'_>)>) -> Option<u64> {
    match any? {
        (3, Value::Varint(number)) => i64::try_from(number).ok().and_then(|number| u64::try_from(number).ok()),
        _ => text_of(any)?.parse().ok(),
    }
}

fn take_attribute<'a>(fact: &mut ResourceFact<'a>, bytes: &'a [u8]) {
    let (key, any) = attribute(bytes);
    let place = match key {
        b"process.pid" => {
            fact.pid = number_of(any).unwrap_or(0);
            return;
        }
        b"service.name" => &mut fact.service,
        b"k8s.pod.uid" => &mut fact.pod_uid,
        b"k8s.namespace.name" => &mut fact.namespace,
        b"k8s.pod.name" => &mut fact.pod,
        b"k8s.container.name" => &mut fact.container,
        b"container.id" => &mut fact.container_id,
        b"host.name" => &mut fact.host,
        b"service.instance.id" => &mut fact.instance,
        _ => return,
    };
    if let Some(value) = text_of(any) {
        *place = value;
    }
}

/// Fills `fact`, keeping the room of its lists; false where ids or times are not valid.
fn span_fact<'a>(span: &'a [u8], scope: &'a str, fact: &mut SpanFact<'a>) -> bool {
    fact.attributes.clear();
    fact.events.clear();
    let (mut trace_id, mut span_id, mut parent_id) = ([0; 16], [0; 8], [0; 8]);
    let (mut name, mut kind, mut start, mut end) = (&[][..], 0, 0, 0);
    let (mut code, mut message) = (0, &[][..]);
    for (number, value) in Fields::of(span) {
        match (number, value) {
            (1, Value::Bytes(id)) => trace_id = id.try_into().unwrap_or_default(),
            (2, Value::Bytes(id)) => span_id = id.try_into().unwrap_or_default(),
            (4, Value::Bytes(id)) => parent_id = id.try_into().unwrap_or_default(),
            (5, Value::Bytes(text)) => name = text,
            (6, Value::Varint(number)) => kind = number,
            (7, Value::Fixed64(time)) => start = time,
            (8, Value::Fixed64(time)) => end = time,
            (9, Value::Bytes(bytes)) => {
                let (key, any) = attribute(bytes);
                fact.attributes.extend(text_bytes(any).map(|value| (key, value)));
            }
            (11, Value::Bytes(bytes)) => fact.events.extend(event_fact(bytes)),
            (15, Value::Bytes(status)) => {
                for field in Fields::of(status) {
                    match field {
                        (2, Value::Bytes(text)) => message = text,
                        (3, Value::Varint(number)) => code = number,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let (Ok(start), Ok(end)) = (i64::try_from(start), i64::try_from(end)) else { return false };
    if trace_id == [0; 16] || span_id == [0; 8] {
        return false;
    }
    (fact.trace_id, fact.span_id, fact.parent_id) = (trace_id, span_id, parent_id);
    (fact.name, fact.scope) = (text(name), scope);
    fact.kind = Kind::from_number(i32::try_from(kind).unwrap_or_default());
    (fact.start, fact.end) = (start, end.max(start));
    fact.failure = (code == FAILED).then(|| text(message));
    true
}

/// `None` for one that spanline made.
fn event_fact(event: &[u8]) -> Option<EventFact<'_>> {
    let (mut fact, mut time) = (EventFact::default(), 0);
    for (number, value) in Fields::of(event) {
        match (number, value) {
            (1, Value::Fixed64(nanos)) => time = nanos,
            (2, Value::Bytes(name)) => fact.name = text(name),
            (3, Value::Bytes(bytes)) => {
                let (key, any) = attribute(bytes);
                match key {
                    b"log.message" => fact.message = text_of(any),
                    b"id" => fact.request_id = text_of(any),
                    b"level" => fact.leveled = true,
                    b"target" => fact.target = text_of(any),
                    b"code.line.number" | b"code.lineno" => {
                        fact.line = number_of(any).and_then(|line| line.try_into().ok()).unwrap_or(0);
                    }
                    _ if own::is_mark(key) => return None,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    fact.time = i64::try_from(time).ok()?;
    Some(fact)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;

    use super::*;
    use crate::otlp::wire::write::Buffer;
    use crate::spans::transcode::json;

    const SPAN: &str = r#"{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","parentSpanId":"","name":"a\tb","kind":2,"startTimeUnixNano":"3000","endTimeUnixNano":2000,"attributes":[{"key":"x","value":{"stringValue":"\u00e9"}},{"value":{"intValue":"-5"},"key":"n"},{"key":"d","value":{"doubleValue":1.5}},{"key":"b","value":{"boolValue":true}},{"key":"e","value":{}}],"events":[{"timeUnixNano":"7","name":"m","attributes":[{"key":"level","value":{"stringValue":"info"}},{"key":"code.lineno","value":{"intValue":12}},{"key":"id","value":{"stringValue":"r"}}],"droppedAttributesCount":1},{"timeUnixNano":"8","name":"own","attributes":[{"key":"spanline.link.method","value":{"stringValue":"event"}}]}],"status":{"code":2,"message":"no \u0022net\""},"flags":257}"#;

    fn request(span: &str) -> Vec<u8> {
        let text = format!(
            r#" {{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}, {span}],"scope":{{"name":"s","version":"1"}}}},{{"scope":{{"name":"spanline"}},"spans":[{span}]}}],"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"a"}}}},{{"key":"process.pid","value":{{"intValue":"7"}}}}]}},"schemaUrl":"u"}},{{}}]}} "#
        );
        let mut out = Buffer::default();
        json::request(text.as_bytes(), &mut out).unwrap();
        out.into_written()
    }

    /// Every fact, as it prints.
    fn facts(request: &[u8]) -> (Vec<String>, FactCounts) {
        let mut all = Vec::new();
        let mut print = |resource: &ResourceFact<'_>, span: &SpanFact<'_>| {
            let attributes: Vec<_> = span.attributes.iter().map(|(key, value)| (text(key), text(value))).collect();
            let span = SpanFact { attributes: Vec::new(), ..span.clone() };
            all.push(format!("{:?} {span:?} attributes: {attributes:?}", ResourceFact { run: 0, ..*resource }));
        };
        let counts = for_each_fact(request, &mut Room::default(), &mut print);
        (all, counts)
    }

    #[test]
    fn a_fact_is_what_a_span_says() {
        let (facts, counts) = facts(&request(SPAN));
        assert_eq!((counts.spans, counts.own, counts.invalid), (2, 1, 0));
        assert_eq!(facts[0], facts[1]);
        for part in [
            r#"service: "a""#,
            "pid: 7",
            r#"name: "a\tb", scope: "s", kind: Server, start: 3000, end: 3000, failure: Some("no \"net\"")"#,
            r#"attributes: [("x", "é")]"#,
            r#"events: [EventFact { time: 7, name: "m", message: None, request_id: Some("r"), leveled: true, target: None, line: 12 }]"#,
        ] {
            assert!(facts[0].contains(part), "{part} is not in {}", facts[0]);
        }
    }

    #[test]
    fn ids_and_times_that_are_not_valid_are_counted() {
        for (valid, other) in [
            ("00f067aa0ba902b7", "0000000000000000"),
            ("00f067aa0ba902b7", "of another length"),
            ("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            ("\"3000\"", "\"18446744073709551615\""),
        ] {
            let (facts, counts) = facts(&request(&SPAN.replacen(valid, other, 1)));
            assert_eq!((counts.spans, counts.invalid, facts.len()), (0, 2, 0), "{other}");
        }
    }

    #[test]
    fn unknown_fields_and_the_order_of_fields_change_nothing() {
        let bytes = request(SPAN);
        let expected = facts(&bytes);
        // As another library may write it: fields backwards, and some of a later version between.
        fn turned(message: &[u8], nested: &[u32], depth: usize) -> Vec<u8> {
            let mut parts: Vec<Vec<u8>> = Vec::new();
            let (mut fields, mut start) = (Fields::of(message), 0);
            while let Some((number, value)) = fields.next() {
                let inner = nested.get(depth) == Some(&number);
                let part = match value {
                    Value::Bytes(bytes) if inner => {
                        let mut part = Vec::new();
                        crate::otlp::wire::write::bytes(
                            &mut part,
                            (number << 3 | 2) as u8,
                            &turned(bytes, nested, depth + 1),
                        );
                        part
                    }
                    _ => message[start..fields.at()].to_vec(),
                };
                start = fields.at();
                // Lists keep their order.
                let at = parts.iter().position(|part| Fields::of(part).next().is_some_and(|(own, _)| own < number));
                parts.insert(at.unwrap_or(parts.len()), part);
            }
            parts.push(vec![0xf8, 0x07, 0x01]);
            parts.insert(0, vec![0xfa, 0x07, 0x01, b'?']);
            parts.concat()
        }
        let turned = turned(&bytes, &[1, 2, 2], 0);
        assert_ne!(turned, bytes);
        assert_eq!(
            ExportTraceServiceRequest::decode(&turned[..]).unwrap(),
            ExportTraceServiceRequest::decode(&bytes[..]).unwrap()
        );
        assert_eq!(facts(&turned), expected);
    }
}
