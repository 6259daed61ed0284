//! OTLP/JSON → span facts, in one pass and without the messages between.
//!
//! In goes a request as nearly all exporters write it, out go the same facts that [`super::facts`] makes of its messages.
//! Whatever is spelled otherwise (names of proto fields, enums by name, ids in base64, null) is left to [`super::json`],
//! which reads all of it, at a third of the speed: the answer is then that this one does not know. Text is borrowed
//! where it has no escapes. A request is handed over when all of it was read, so that a broken one tells nothing.
//!
//! ```text
//! request  = { resourceSpans: [ *{ resource: { attributes }, scopeSpans: [ *{ scope: { name }, spans: [ *span ] } ] } ] }
//! span     = { traceId, spanId, parentSpanId, name, kind, startTimeUnixNano, endTimeUnixNano, attributes, events, … }
//! event    = { timeUnixNano, name, attributes, … }
//! attributes = [ *{ key, value: { stringValue / intValue / … } } ]
//! ```

use std::borrow::Cow;
use std::ops::Range;

use spanline_parsers::json;

use super::facts::{FactCounts, OWN_EVENT_KEY, OWN_SCOPE, next_run, place_of_resource};
use super::json::hex_id;
use crate::correlate::facts::{EventFact, Kind, ResourceFact, SpanFact};

/// Hands every span of a request to `sink`; `None` where it is not written in the usual way, nothing handed over.
pub(super) fn for_each_fact(
    request: &[u8],
    sink: &mut dyn FnMut(&ResourceFact<'_>, &SpanFact<'_>),
) -> Option<FactCounts> {
    let mut cursor = Cursor { text: std::str::from_utf8(request).ok()?, at: 0 };
    let mut found = Found::default();
    cursor.members(|cursor, key| match key {
        "resourceSpans" => cursor.elements(|cursor| found.group(cursor)),
        _ => cursor.pass_over(key),
    })?;
    (cursor.peek().is_none()).then(|| found.hand_over(sink))
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

#[derive(Default)]
struct Attribute<'t> {
    key: Cow<'t, str>,
    value: Value<'t>,
}

#[derive(Default)]
enum Value<'t> {
    Text(Cow<'t, str>),
    Number(u64),
    /// No kind of value that tells anything.
    #[default]
    Other,
}

impl<'t> Attribute<'t> {
    fn text(self) -> Option<Cow<'t, str>> {
        match self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, also one that a store gives back as text.
    fn number(&self) -> Option<u64> {
        match &self.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            Value::Other => None,
        }
    }
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
                // The last of several counts: rare enough to be left to others.
                "attributes" | "events" => return None,
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
            if *scope == OWN_SCOPE {
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
            let attributes = &self.attributes[span.attributes.clone()];
            fact.attributes.extend(attributes.iter().map(|(key, text)| (&**key, &**text)));
            fact.events.extend(self.events[span.events.clone()].iter().filter_map(event_fact));
            sink(&resources[*group], &fact);
        }
        counts
    }
}

fn event<'t>(cursor: &mut Cursor<'t>) -> Option<Event<'t>> {
    let mut event = Event::default();
    cursor.members(|cursor, key| {
        match key {
            "timeUnixNano" => event.time = cursor.number()?,
            "name" => event.name = cursor.string()?,
            "attributes" if !event.has_attributes => {
                event.has_attributes = true;
                cursor.attributes(|attribute| match &*attribute.key {
                    OWN_EVENT_KEY => event.is_own = true,
                    "log.message" => event.message = attribute.text(),
                    "id" => event.request_id = attribute.text(),
                    "level" => event.leveled = true,
                    "target" => event.target = attribute.text(),
                    "code.line.number" | "code.lineno" => {
                        event.line = attribute.number().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
                    }
                    _ => {}
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

/// A place in a request. Everything answers `None` to what is not JSON, or not the usual one.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    /// The next byte that is no blank.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.as_bytes().get(self.at)? {
                byte @ b'!'.. => return Some(byte),
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Calls with each key, to read the value.
    #[inline(always)]
    fn members(&mut self, mut each: impl FnMut(&mut Self, &'t str) -> Option<()>) -> Option<()> {
        self.list(b'{', b'}', |cursor| {
            let key = cursor.plain()?;
            cursor.take(b':')?;
            each(cursor, key)
        })
    }

    #[inline(always)]
    fn elements(&mut self, each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list(b'[', b']', each)
    }

    #[inline(always)]
    fn list(&mut self, open: u8, close: u8, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(open)?;
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            each(self)?;
            let byte = self.peek()?;
            self.at += 1;
            if byte == close {
                return Some(());
            }
            if byte != b',' {
                return None;
            }
        }
    }

    /// A string without escapes.
    #[inline(always)]
    fn plain(&mut self) -> Option<&'t str> {
        match self.string()? {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }

    #[inline(always)]
    fn string(&mut self) -> Option<Cow<'t, str>> {
        self.take(b'"')?;
        let start = self.at;
        let (end, escaped) = json::string_end(self.text.as_bytes(), start)?;
        self.at = end;
        if escaped {
            return serde_json::from_str(&self.text[start - 1..end]).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(&self.text[start..end - 1]))
    }

    /// Whole and not negative, bare or as text.
    fn number(&mut self) -> Option<u64> {
        let is_text = self.peek()? == b'"';
        self.at += usize::from(is_text);
        let start = self.at;
        let mut number = 0u64;
        while let Some(digit @ b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        let behind = self.text.as_bytes().get(self.at);
        let is_number = match (is_text, &self.text.as_bytes()[start..self.at]) {
            (_, []) | (false, [b'0', _, ..]) => false,
            (false, _) => !matches!(behind, Some(b'.' | b'e' | b'E')),
            (true, _) => behind == Some(&b'"'),
        };
        self.at += usize::from(is_text);
        is_number.then_some(number)
    }

    /// A value that tells nothing, unless its key is one that others read.
    #[inline(always)]
    fn pass_over(&mut self, key: &str) -> Option<()> {
        if key.contains('_') || key.starts_with("instrumentation") {
            return None;
        }
        self.skip()
    }

    fn skip(&mut self) -> Option<()> {
        self.peek()?;
        self.at += json::value_end(&self.text.as_bytes()[self.at..])?;
        Some(())
    }

    #[inline(always)]
    fn attributes(&mut self, mut each: impl FnMut(Attribute<'t>)) -> Option<()> {
        self.elements(|cursor| {
            if let Some(attribute) = cursor.usual_attribute() {
                each(attribute);
                return Some(());
            }
            let mut attribute = Attribute::default();
            cursor.members(|cursor, key| {
                match key {
                    "key" => attribute.key = cursor.string()?,
                    "value" => attribute.value = cursor.value()?,
                    _ => cursor.pass_over(key)?,
                }
                Some(())
            })?;
            each(attribute);
            Some(())
        })
    }

    /// An attribute as most are: text or a number as text, without blanks between; else nothing is taken.
    #[inline(always)]
    fn usual_attribute(&mut self) -> Option<Attribute<'t>> {
        let (key, at) = self.plain_behind(self.at, b"{\"key\":\"")?;
        let rest = self.text.as_bytes().get(at..)?.strip_prefix(b",\"value\":{\"")?;
        let start = at + b",\"value\":{\"".len();
        let (value, end) = match rest.first()? {
            b's' => {
                let (text, end) = self.plain_behind(start, b"stringValue\":\"")?;
                (Value::Text(Cow::Borrowed(text)), end)
            }
            b'i' => {
                let (digits, end) = self.plain_behind(start, b"intValue\":\"")?;
                // Twenty digits may be too many.
                if digits.is_empty() || digits.len() > 19 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                (Value::Number(digits.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))), end)
            }
            _ => return None,
        };
        self.text.as_bytes().get(end..)?.starts_with(b"}}").then(|| {
            self.at = end + 2;
            Attribute { key: Cow::Borrowed(key), value }
        })
    }

    /// The string without escapes whose first quote ends what stands before it, and where it ends.
    #[inline(always)]
    fn plain_behind(&self, at: usize, before: &[u8]) -> Option<(&'t str, usize)> {
        let bytes = self.text.as_bytes();
        if !bytes.get(at..)?.starts_with(before) {
            return None;
        }
        let start = at + before.len();
        match json::string_end(bytes, start)? {
            (end, false) => Some((&self.text[start..end - 1], end)),
            _ => None,
        }
    }

    fn value(&mut self) -> Option<Value<'t>> {
        let mut value = None;
        self.members(|cursor, key| {
            let found = match key {
                "stringValue" => Value::Text(cursor.string()?),
                "intValue" => cursor.integer()?,
                "boolValue" if matches!(cursor.peek()?, b't' | b'f') => cursor.skip().map(|()| Value::Other)?,
                "doubleValue" if matches!(cursor.peek()?, b'-' | b'0'..=b'9') => {
                    cursor.skip().map(|()| Value::Other)?
                }
                _ => return None,
            };
            // One of several kinds is the value: which, others say.
            value.replace(found).is_none().then_some(())
        })?;
        Some(value.unwrap_or_default())
    }

    /// A number; one below zero tells nothing.
    fn integer(&mut self) -> Option<Value<'t>> {
        let quote = usize::from(self.peek()? == b'"');
        if self.text.as_bytes().get(self.at + quote) != Some(&b'-') {
            return self.number().map(Value::Number);
        }
        let digits = &self.text.as_bytes()[self.at + quote + 1..];
        let count = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        let ends = quote == 0 || digits[count] == b'"';
        self.at += quote + 1 + count + quote;
        (ends && (1..19).contains(&count) && digits[0] != b'0').then_some(Value::Other)
    }
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

    const SPAN: &str = r#"{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","parentSpanId":"","name":"a\tb","kind":2,"startTimeUnixNano":"3000","endTimeUnixNano":2000,"attributes":[{"key":"x","value":{"stringValue":"\u00e9"}},{"value":{"intValue":"-5"},"key":"n"},{"key":"d","value":{"doubleValue":1.5}},{"key":"b","value":{"boolValue":true}},{"key":"e","value":{}}],"events":[{"timeUnixNano":"7","name":"m","attributes":[{"key":"level","value":{"stringValue":"info"}},{"key":"code.lineno","value":{"intValue":12}},{"key":"id","value":{"stringValue":"r"}}],"droppedAttributesCount":1},{"timeUnixNano":"8","name":"own","attributes":[{"key":"spanline.link.method","value":{"stringValue":"event"}}]}],"status":{"code":1},"flags":257}"#;

    fn request(span: &str) -> String {
        format!(
            r#" {{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}, {span}],"scope":{{"name":"s","version":"1"}}}},{{"scope":{{"name":"spanline"}},"spans":[{span}]}}],"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"a"}}}},{{"key":"process.pid","value":{{"intValue":"7"}}}}]}},"schemaUrl":"u"}},{{}}]}} "#
        )
    }

    #[test]
    fn facts_are_those_of_the_messages() {
        let (facts, counts) = quick(request(SPAN).as_bytes()).unwrap();
        assert_eq!((counts.spans, counts.own, counts.invalid), (2, 1, 0));
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
