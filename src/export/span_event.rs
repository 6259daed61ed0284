//! A record as an event of its span.
//!
//! In go a record and its link, out comes the event as it is sent: named by what the line says, since the name is the
//! one text that Jaeger shows without a click. Everything in it has a limit; what is cut says so. Which span gets it, and
//! whether it has it already, is decided elsewhere.

use std::borrow::Cow;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use spanline_parsers::{Severity, Value};

use super::fields::{self, Attribute, Keys, Sighting};
use super::spell;
use crate::record::{Link, Record};

/// Characters of an event's name.
const NAME_CHARS_MAX: usize = 120;
/// Bytes of a value. Stores index values, and cut or refuse long ones by rules of their own.
const VALUE_BYTES_MAX: usize = 8 << 10;
/// Fields of the record that become attributes.
const FIELDS_MAX: usize = 32;
/// Bytes of an event: Badger refuses keys and values beyond 65,000.
const EVENT_BYTES_MAX: usize = 60_000;
/// Bytes that an attribute takes beside its key and value.
const ATTRIBUTE_OVERHEAD: usize = 16;

/// The event that a record becomes. Its time is 0 where the record has none.
pub fn event_for(record: &Record<'_>, link: &Link) -> Event {
    let message = String::from_utf8_lossy(&record.entry.body);
    let (message, mut cut) = shortened(&message);
    let mut attributes = Vec::with_capacity(8);
    let severity = severity_name(record);
    if !severity.is_empty() {
        attributes.push(text("log.severity", severity));
    }
    attributes.push(text("log.message", message));
    attributes.push(text("spanline.link.method", link.method.name()));
    if let Some(confidence) = link.confidence {
        attributes.push(attribute("spanline.link.confidence", Any::DoubleValue(fields::ratio(confidence))));
    }
    attributes.push(text("spanline.link.relation", link.relation.name()));
    let mut bytes = 512 + 2 * message.len();
    let (mut taken, mut dropped) = (0, 0);
    let own: Vec<&str> = vec!["log.severity", "log.message", "log.truncated"];
    fields::each(record, &Sighting::default(), Keys::Otlp, |key, value| {
        let key = String::from_utf8_lossy(key);
        if own.contains(&&*key) {
            return;
        }
        let Some((value, length, is_cut)) = value_of(value) else { return };
        let (key, key_is_cut) = shortened(&key);
        let cost = key.len() + length + ATTRIBUTE_OVERHEAD;
        if taken == FIELDS_MAX || bytes + cost > EVENT_BYTES_MAX {
            dropped += 1;
            return;
        }
        taken += 1;
        bytes += cost;
        cut |= is_cut || key_is_cut;
        attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
    });
    if cut {
        attributes.push(attribute("log.truncated", Any::BoolValue(true)));
    }
    let time = record.time.or(record.envelope_time).and_then(|time| u64::try_from(time).ok()).unwrap_or(0);
    Event { time_unix_nano: time, name: name_of(message), attributes, dropped_attributes_count: dropped }
}

/// The first line that says something, up to 120 characters.
fn name_of(message: &str) -> String {
    let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("log");
    match line.char_indices().nth(NAME_CHARS_MAX) {
        None => line.to_owned(),
        Some(_) => {
            let end = line.char_indices().nth(NAME_CHARS_MAX - 1).map_or(line.len(), |(at, _)| at);
            format!("{}…", &line[..end])
        }
    }
}

/// As CRI-O's hook writes it: upper case, `WARN`.
fn severity_name<'r>(record: &'r Record<'_>) -> &'r str {
    match record.entry.severity {
        Severity(0) => std::str::from_utf8(&record.entry.severity_text).unwrap_or(""),
        Severity(1..=4) => "TRACE",
        Severity(5..=8) => "DEBUG",
        Severity(9..=12) => "INFO",
        Severity(13..=16) => "WARN",
        Severity(17..=20) => "ERROR",
        Severity(_) => "FATAL",
    }
}

/// The value, its length, and whether it was cut.
fn value_of(value: Attribute<'_>) -> Option<(Option<AnyValue>, usize, bool)> {
    let any = |value: Any| Some(AnyValue { value: Some(value) });
    let long = |whole: &[u8]| {
        let whole = String::from_utf8_lossy(whole);
        let (kept, cut) = shortened(&whole);
        (any(Any::StringValue(kept.to_owned())), kept.len(), cut)
    };
    Some(match value {
        Attribute::Line(Value::Text(whole) | Value::Json(whole)) => long(whole),
        Attribute::Line(Value::Number(token)) => match number(token) {
            Some(number) => (any(number), 9, false),
            None => long(token),
        },
        Attribute::Line(Value::Bool(yes)) => (any(Any::BoolValue(*yes)), 1, false),
        Attribute::Line(Value::Null) => (Some(AnyValue::default()), 0, false),
        Attribute::Text(whole) => long(whole),
        Attribute::Integer(number) => (any(Any::IntValue(i64::try_from(number).ok()?)), 9, false),
        Attribute::Ratio(ratio) => (any(Any::DoubleValue(ratio)), 9, false),
        Attribute::Uid(_) => return None,
    })
}

/// A number that OTLP can hold; others stay text.
fn number(token: &[u8]) -> Option<Any> {
    match std::str::from_utf8(token).ok()?.parse() {
        Ok(integer) => Some(Any::IntValue(integer)),
        Err(_) => spell::double_of(token).map(Any::DoubleValue),
    }
}

/// At most [`VALUE_BYTES_MAX`] bytes, whole characters; and whether that cut something off.
fn shortened(whole: &str) -> (&str, bool) {
    let end = whole.floor_char_boundary(VALUE_BYTES_MAX);
    (&whole[..end], end < whole.len())
}

fn text<'t>(key: &str, value: impl Into<Cow<'t, str>>) -> KeyValue {
    attribute(key, Any::StringValue(value.into().into_owned()))
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Envelope, Method, Origin, Position, Relation, Stream};
    use prost::Message;
    use spanline_parsers::{Entry, Text};

    fn event_of(entry: &Entry<'_>) -> Event {
        let origin = Origin::default();
        let record = Record {
            source: 0,
            origin: &origin,
            position: Position::default(),
            envelope: Envelope::None,
            stream: Stream::Unknown,
            time: Some(1_000),
            time_digits: 9,
            envelope_time: None,
            entry,
            envelope_fields: &[],
            payload: b"",
            piece: 0,
        };
        let link = Link {
            trace_id: [1; 16],
            span_id: [2; 8],
            method: Method::Request,
            confidence: Some(0.9),
            relation: Relation::Within,
            verified: true,
            has_event: false,
        };
        event_for(&record, &link)
    }

    fn value<'e>(event: &'e Event, key: &str) -> Option<&'e Any> {
        event.attributes.iter().find(|a| a.key == key)?.value.as_ref()?.value.as_ref()
    }

    #[test]
    fn an_event_reads_like_the_line() {
        let mut entry = Entry { severity: Severity::WARN, body: Text::Borrowed(b"first\nsecond"), ..Entry::default() };
        entry.push(&b"pod"[..], Value::Text(Text::Borrowed(b"a/b")));
        entry.push(&b"n"[..], Value::Number(b"18446744073709551615"));
        entry.push(&b"spanline.link.method"[..], Value::Text(Text::Borrowed(b"forged")));
        let event = event_of(&entry);
        assert_eq!((event.name.as_str(), event.time_unix_nano), ("first", 1_000));
        assert_eq!(value(&event, "log.severity"), Some(&Any::StringValue("WARN".into())));
        assert_eq!(value(&event, "log.message"), Some(&Any::StringValue("first\nsecond".into())));
        assert_eq!(value(&event, "pod"), Some(&Any::StringValue("a/b".into())));
        assert_eq!(value(&event, "n"), Some(&Any::StringValue("18446744073709551615".into())));
        assert_eq!(value(&event, "spanline.link.confidence"), Some(&Any::DoubleValue(0.9)));
        let methods = event.attributes.iter().filter(|a| a.key == "spanline.link.method").count();
        assert_eq!((methods, value(&event, "log.truncated")), (1, None));
    }

    #[test]
    fn nothing_makes_an_event_too_large() {
        let long = "ü".repeat(40_000);
        let mut entry = Entry { body: Text::Borrowed(long.as_bytes()), ..Entry::default() };
        let keys: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
        for key in &keys {
            entry.push(key.as_bytes(), Value::Text(Text::Borrowed(long.as_bytes())));
        }
        let event = event_of(&entry);
        assert!(event.encoded_len() <= EVENT_BYTES_MAX, "{}", event.encoded_len());
        assert_eq!(event.name.chars().count(), NAME_CHARS_MAX);
        assert_eq!(value(&event, "log.truncated"), Some(&Any::BoolValue(true)));
        assert!(event.dropped_attributes_count > 50);
    }
}
