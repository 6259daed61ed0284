//! OTLP/JSON → span facts, in one pass and without the messages between.
//!
//! In goes a request as nearly all exporters write it, out go the same facts that [`super::facts`] makes of its messages.
//! Whatever is spelled otherwise (names of proto fields, enums by name, ids in base64, null) is left to [`super::json`],
//! which reads all of it, at half of the speed: the answer is then that this one does not know. Text is borrowed where it
//! has no escapes. A request is handed over when all of it was read, so that a broken one tells nothing.
//!
//! ```text
//! request  = { resourceSpans: [ *{ resource: { attributes }, scopeSpans: [ *{ scope: { name }, spans: [ *span ] } ] } ] }
//! span     = { traceId, spanId, parentSpanId, name, kind, startTimeUnixNano, endTimeUnixNano, attributes, events,
//!              status: { code, message }, … }
//! event    = { timeUnixNano, name, attributes, … }
//! attributes = [ *{ key, value: { stringValue / intValue / … } } ]
//! ```

use std::borrow::Cow;
use std::ops::Range;

use super::facts::{EventKey, FAILED, FactCounts, next_run, place_of_resource};
use super::json::hex_id;
use super::json_cursor::{Attribute, Cursor, Value};
use crate::correlate::facts::{EventFact, Kind, ResourceFact, SpanFact};

/// Hands every span of a request to `sink`; `None` where it is not written in the usual way, nothing handed over.
pub(super) fn for_each_fact(
    request: &[u8],
    sink: &mut dyn FnMut(&ResourceFact<'_>, &SpanFact<'_>),
) -> Option<FactCounts> {
    let mut cursor = Cursor { text: std::str::from_utf8(request).ok()?, at: 0 };
    let (mut found, mut is_request) = (Found::default(), false);
    cursor.members(|cursor, key| match key {
        "resourceSpans" => {
            is_request = true;
            cursor.elements(|cursor| found.group(cursor))
        }
        _ => cursor.pass_over(key),
    })?;
    (is_request && cursor.peek().is_none()).then(|| found.hand_over(sink))
}

/// What a request holds, until it is known to be whole.
#[derive(Default)]
struct Found<'t> {
    groups: Vec<Vec<Attribute<'t>>>,
    /// Name, and the group it is in.
    scopes: Vec<(Cow<'t, str>, usize)>,
    spans: Vec<Span<'t>>,
    /// Those of all spans.
    attributes: Vec<(Cow<'t, str>, Cow<'t, str>)>,
    events: Vec<Event<'t>>,
}

#[derive(Default)]
struct Span<'t> {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_id: [u8; 8],
    name: Cow<'t, str>,
    kind: u64,
    start: u64,
    end: u64,
    scope: usize,
    attributes: Range<usize>,
    events: Range<usize>,
    status: Option<Status<'t>>,
}

#[derive(Default)]
struct Status<'t> {
    code: u64,
    message: Cow<'t, str>,
}

/// See [`EventFact`].
#[derive(Default)]
struct Event<'t> {
    time: u64,
    name: Cow<'t, str>,
    message: Option<Cow<'t, str>>,
    request_id: Option<Cow<'t, str>>,
    leveled: bool,
    target: Option<Cow<'t, str>>,
    line: u32,
    has_attributes: bool,
    is_own: bool,
}

impl<'t> Found<'t> {
    fn group(&mut self, cursor: &mut Cursor<'t>) -> Option<()> {
        let number = self.groups.len();
        self.groups.push(Vec::new());
        cursor.members(|cursor, key| match key {
            "resource" => cursor.members(|cursor, key| match key {
                "attributes" => cursor.attributes(|attribute| self.groups[number].push(attribute)),
                _ => cursor.pass_over(key),
            }),
            "scopeSpans" => cursor.elements(|cursor| self.scope(cursor, number)),
            _ => cursor.pass_over(key),
        })
    }

    fn scope(&mut self, cursor: &mut Cursor<'t>, group: usize) -> Option<()> {
        let number = self.scopes.len();
        self.scopes.push((Cow::Borrowed(""), group));
        cursor.members(|cursor, key| match key {
            "scope" => cursor.members(|cursor, key| match key {
                "name" => cursor.string().map(|name| self.scopes[number].0 = name),
                _ => cursor.pass_over(key),
            }),
            "spans" => cursor.elements(|cursor| self.span(cursor, number)),
            _ => cursor.pass_over(key),
        })
    }

    fn span(&mut self, cursor: &mut Cursor<'t>, scope: usize) -> Option<()> {
        let mut span = Span { scope, ..Span::default() };
        let Found { attributes, events, .. } = self;
        cursor.members(|cursor, key| {
            match key {
                "traceId" => span.trace_id = hex_id(cursor.plain()?)?,
                "spanId" => span.span_id = hex_id(cursor.plain()?)?,
                "parentSpanId" => {
                    let text = cursor.plain()?;
                    span.parent_id = if text.is_empty() { [0; 8] } else { hex_id(text)? };
                }
                "name" => span.name = cursor.string()?,
                "kind" => span.kind = cursor.number()?,
                "startTimeUnixNano" => span.start = cursor.number()?,
                "endTimeUnixNano" => span.end = cursor.number()?,
                "attributes" if span.attributes.is_empty() => {
                    let from = attributes.len();
                    // Only text can be a line's as well.
                    cursor.attributes(|own| {
                        if let Value::Text(text) = own.value {
                            attributes.push((own.key, text));
                        }
                    })?;
                    span.attributes = from..attributes.len();
                }
                "events" if span.events.is_empty() => {
                    let from = events.len();
                    cursor.elements(|cursor| event(cursor).map(|event| events.push(event)))?;
                    span.events = from..events.len();
                }
                "status" if span.status.is_none() => span.status = Some(status(cursor)?),
                // The last of several counts: rare enough to be left to others.
                "attributes" | "events" | "status" => return None,
                _ => return cursor.pass_over(key),
            }
            Some(())
        })?;
        self.spans.push(span);
        Some(())
    }

    fn hand_over(&self, sink: &mut dyn FnMut(&ResourceFact<'_>, &SpanFact<'_>)) -> FactCounts {
        let mut counts = FactCounts::default();
        let resources: Vec<ResourceFact<'_>> = self.groups.iter().map(|attributes| resource_fact(attributes)).collect();
        let mut fact = SpanFact::default();
        for span in &self.spans {
            let (scope, group) = &self.scopes[span.scope];
            if *scope == crate::otlp::own::SCOPE {
                counts.own += 1;
                continue;
            }
            let times = i64::try_from(span.start).ok().zip(i64::try_from(span.end).ok());
            let Some((start, end)) = times.filter(|_| span.trace_id != [0; 16] && span.span_id != [0; 8]) else {
                counts.invalid += 1;
                continue;
            };
            counts.spans += 1;
            fact.attributes.clear();
            fact.events.clear();
            (fact.trace_id, fact.span_id, fact.parent_id) = (span.trace_id, span.span_id, span.parent_id);
            (fact.name, fact.scope) = (&span.name, scope);
            fact.kind = Kind::from_number(i32::try_from(span.kind).unwrap_or_default());
            (fact.start, fact.end) = (start, end.max(start));
            let failed = span.status.as_ref().filter(|status| status.code == FAILED as u64);
            fact.failure = failed.map(|status| &*status.message);
            let attributes = &self.attributes[span.attributes.clone()];
            fact.attributes.extend(attributes.iter().map(|(key, text)| (&**key, &**text)));
            fact.events.extend(self.events[span.events.clone()].iter().filter_map(event_fact));
            sink(&resources[*group], &fact);
        }
        counts
    }
}

fn status<'t>(cursor: &mut Cursor<'t>) -> Option<Status<'t>> {
    let mut status = Status::default();
    cursor.members(|cursor, key| {
        match key {
            "code" => status.code = cursor.number()?,
            "message" => status.message = cursor.string()?,
            _ => return cursor.pass_over(key),
        }
        Some(())
    })?;
    Some(status)
}

fn event<'t>(cursor: &mut Cursor<'t>) -> Option<Event<'t>> {
    let mut event = Event::default();
    cursor.members(|cursor, key| {
        match key {
            "timeUnixNano" => event.time = cursor.number()?,
            "name" => event.name = cursor.string()?,
            "attributes" if !event.has_attributes => {
                event.has_attributes = true;
                cursor.attributes(|attribute| match EventKey::of(&attribute.key) {
                    Some(EventKey::Own) => event.is_own = true,
                    Some(EventKey::Message) => event.message = attribute.text(),
                    Some(EventKey::RequestId) => event.request_id = attribute.text(),
                    Some(EventKey::Level) => event.leveled = true,
                    Some(EventKey::Target) => event.target = attribute.text(),
                    Some(EventKey::Line) => {
                        event.line = attribute.number().and_then(|line| line.try_into().ok()).unwrap_or(0);
                    }
                    None => {}
                })?;
            }
            "attributes" => return None,
            _ => return cursor.pass_over(key),
        }
        Some(())
    })?;
    Some(event)
}

fn resource_fact<'f>(attributes: &'f [Attribute<'_>]) -> ResourceFact<'f> {
    let mut fact = ResourceFact { run: next_run(), ..ResourceFact::default() };
    for attribute in attributes {
        if attribute.key == "process.pid" {
            fact.pid = attribute.number().unwrap_or(0);
        } else if let (Some(place), Value::Text(text)) =
            (place_of_resource(&mut fact, &attribute.key), &attribute.value)
        {
            *place = text;
        }
    }
    fact
}

fn event_fact<'f>(event: &'f Event<'_>) -> Option<EventFact<'f>> {
    if event.is_own {
        return None;
    }
    Some(EventFact {
        time: i64::try_from(event.time).ok()?,
        name: &event.name,
        message: event.message.as_deref(),
        request_id: event.request_id.as_deref(),
        leveled: event.leveled,
        target: event.target.as_deref(),
        line: event.line,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spans::{facts, json as messages};

    fn print(resource: &ResourceFact<'_>, span: &SpanFact<'_>) -> String {
        format!("{:?} {span:?}", ResourceFact { run: 0, ..*resource })
    }

    /// Every fact, as it prints.
    fn quick(text: &[u8]) -> Option<(Vec<String>, FactCounts)> {
        let mut all = Vec::new();
        let counts = for_each_fact(text, &mut |resource, span| all.push(print(resource, span)))?;
        Some((all, counts))
    }

    fn slow(text: &[u8]) -> Option<(Vec<String>, FactCounts)> {
        let mut all = Vec::new();
        let request = messages::request(text).ok()?;
        let counts = facts::for_each_fact(&request, |resource, span| all.push(print(resource, span)));
        Some((all, counts))
    }

    const SPAN: &str = r#"{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","parentSpanId":"","name":"a\tb","kind":2,"startTimeUnixNano":"3000","endTimeUnixNano":2000,"attributes":[{"key":"x","value":{"stringValue":"\u00e9"}},{"value":{"intValue":"-5"},"key":"n"},{"key":"d","value":{"doubleValue":1.5}},{"key":"b","value":{"boolValue":true}},{"key":"e","value":{}}],"events":[{"timeUnixNano":"7","name":"m","attributes":[{"key":"level","value":{"stringValue":"info"}},{"key":"code.lineno","value":{"intValue":12}},{"key":"id","value":{"stringValue":"r"}}],"droppedAttributesCount":1},{"timeUnixNano":"8","name":"own","attributes":[{"key":"spanline.link.method","value":{"stringValue":"event"}}]}],"status":{"code":2,"message":"no \u0022net\""},"flags":257}"#;

    fn request(span: &str) -> String {
        format!(
            r#" {{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}, {span}],"scope":{{"name":"s","version":"1"}}}},{{"scope":{{"name":"spanline"}},"spans":[{span}]}}],"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"a"}}}},{{"key":"process.pid","value":{{"intValue":"7"}}}}]}},"schemaUrl":"u"}},{{}}]}} "#
        )
    }

    #[test]
    fn facts_are_those_of_the_messages() {
        let (facts, counts) = quick(request(SPAN).as_bytes()).unwrap();
        assert_eq!((counts.spans, counts.own, counts.invalid), (2, 1, 0));
        assert!(facts[0].contains(r#"failure: Some("no \"net\"")"#), "{facts:?}");
        assert_eq!(slow(request(SPAN).as_bytes()).unwrap(), (facts, counts));
    }

    #[test]
    fn other_spellings_and_broken_requests_are_left_to_others() {
        for (usual, other) in [
            ("\"traceId\"", "\"trace_id\""),
            ("\"kind\":2", "\"kind\":\"SPAN_KIND_SERVER\""),
            ("\"kind\":2", "\"kind\":2.0"),
            ("\"parentSpanId\":\"\"", "\"parentSpanId\":null"),
            ("\"00f067aa0ba902b7\"", "\"APBnqgupArc=\""),
            ("\"intValue\":\"-5\"", "\"int_value\":\"-5\""),
            ("\"intValue\":\"-5\"", "\"intValue\":\"-5\",\"stringValue\":\"x\""),
            ("\"flags\":257", "\"attributes\":[]"),
            ("\"flags\":257", "\"status\":{}"),
            ("\"code\":2", "\"code\":\"STATUS_CODE_ERROR\""),
            ("\"flags\":257", "\"flags\":257,\"k\\u0069nd\":3"),
            ("\"flags\":257", "\"flags\":"),
        ] {
            let text = request(&SPAN.replacen(usual, other, 1));
            assert_ne!(text, request(SPAN), "{usual}");
            assert_eq!(quick(text.as_bytes()), None, "{other}");
        }
        let whole = request(SPAN);
        for end in 0..whole.trim_end().len() {
            assert_eq!(quick(&whole.as_bytes()[..end]), None);
        }
        assert_eq!(quick(format!("{whole}x").as_bytes()), None);
    }

    #[test]
    fn ids_and_times_that_are_not_valid_are_counted() {
        for (valid, other) in [
            ("00f067aa0ba902b7", "0000000000000000"),
            ("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            ("\"3000\"", "\"18446744073709551615\""),
        ] {
            let text = request(&SPAN.replacen(valid, other, 1));
            let found = quick(text.as_bytes()).unwrap();
            assert_eq!((found.1.spans, found.1.invalid), (0, 2), "{other}");
            assert_eq!(slow(text.as_bytes()).unwrap(), found);
        }
    }

    proptest! {
        /// What both read is alike, whatever was done to a request; and what this one reads is JSON. (A count that is no
        /// number makes the messages give up: here nobody asks for it.)
        #[test]
        fn never_says_what_the_messages_do_not(edits in proptest::collection::vec((any::<prop::sample::Index>(), "[\"\\\\{}\\[\\],:0-9a-e_ -]{0,2}"), 1..3)) {
            let mut text = request(SPAN);
            for (at, with) in edits {
                let at = at.index(text.len());
                text.replace_range(at..=at, &with);
            }
            let found = quick(text.as_bytes());
            prop_assert!(found.is_none() || serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            if let (Some(found), Some(slow)) = (found, slow(text.as_bytes())) {
                prop_assert_eq!(slow, found, "{}", text);
            }
        }
    }
}
