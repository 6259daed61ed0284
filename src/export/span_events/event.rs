//! A record as an event of its span.
//!
//! In go a record, its link and the name of its file, out come the bytes of the event as it is sent. What its name says is
//! [`super::event_name`]'s. Everything in it has a limit; what is cut says so. Which span gets it, and whether it has it
//! already, is decided elsewhere.

use std::borrow::Cow;

use spanline_parsers::{CodeSite, Value};

use super::event_name::{Name, is_code_site, name_of, severity_name};
use super::stored_events::text_hash;
use crate::export::fields::{self, Attribute, Keys, RecordContext};
use crate::export::spell;
use crate::otlp::own;
use crate::otlp::wire::spans::{attribute, within};
use crate::otlp::wire::write::{Buffer, put_varint};
use crate::record::{Link, Method, Record, Relation};

/// Bytes of a value. Stores index values, and cut or refuse long ones by rules of their own.
const VALUE_BYTES_MAX: usize = 8 << 10;
/// Fields of the record that become attributes.
const FIELDS_MAX: usize = 32;
/// Bytes of an event: Badger refuses keys and values beyond 65,000.
const EVENT_BYTES_MAX: usize = 60_000;
/// Bytes that an attribute takes in addition to its key and value.
const ATTRIBUTE_OVERHEAD: usize = 16;

/// Whether records about a request become events of its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AboutEvents {
    /// All that are known to be about that request: by what they say, or by when they come.
    #[default]
    All,
    /// Only records that were written within the span.
    None,
}

impl AboutEvents {
    /// Whether a span takes a record as an event: it was seen, it does not have it already, and the record was written in it
    /// or, where that counts too, is about it. What has no more than a pod in common with what the span does is not.
    pub fn make_event_of(self, link: &Link) -> bool {
        let is_of_span = match link.relation {
            Relation::Within => true,
            Relation::About => self == AboutEvents::All && link.method != Method::Entity,
        };
        is_of_span && link.verified && !link.has_event && link.span_id != [0; 8]
    }
}

/// How events are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Each is named `log`.
    pub constant_name: bool,
    /// All that is known of the line and its link is in it, also what the name says or nobody reads.
    pub all_fields: bool,
    /// Lines about the span become events too, which say so.
    pub about: AboutEvents,
}

/// An event, and what older ones of the same line are told by.
#[derive(Debug, Clone, PartialEq)]
pub struct LineEvent {
    /// ns since the epoch; 0 where the record has none.
    pub time: u64,
    /// Its bytes.
    pub event: Vec<u8>,
    /// [`text_hash`] of the message.
    pub text: u64,
}

/// The event that a record becomes; `file` is the path that its file is shown under.
pub fn event_for(record: &Record<'_>, link: &Link, file: &str, style: Style) -> LineEvent {
    let whole = String::from_utf8_lossy(&record.entry.body);
    let (message, message_cut) = shortened(&whole);
    let name = match style.constant_name {
        true => Name { text: "log".to_owned(), holds_message: false },
        false => name_of(record, message),
    };
    let mut out = Attributes::new(name.text.len());
    match severity_name(record.entry.severity) {
        Some(severity) => out.text("log.severity", severity),
        None => out.text_if_any("log.severity", &String::from_utf8_lossy(&record.entry.severity_text)),
    }
    if !name.holds_message || message_cut || style.all_fields {
        out.text_if_any(own::MESSAGE, message);
        out.cut |= message_cut;
    }
    add_link(&mut out, link, style);
    add_origin(&mut out, record, file);
    add_fields(&mut out, record, style);
    if out.cut {
        out.push("log.truncated", &Any::Bool(true));
    }
    let time = record.time.or(record.envelope_time).and_then(|time| u64::try_from(time).ok()).unwrap_or(0);
    LineEvent { time, event: out.event(time, &name.text), text: text_hash(message) }
}

/// `inferred 0.99`, or the three attributes that log records have.
fn add_link(out: &mut Attributes, link: &Link, style: Style) {
    if style.all_fields {
        out.text(own::LINK_METHOD, link.method.name());
        if let Some(confidence) = link.confidence {
            out.push("spanline.link.confidence", &Any::Double(fields::ratio(confidence)));
        }
        out.text("spanline.link.relation", link.relation.name());
        return;
    }
    let mut value = link.method.name().to_owned();
    if let Some(confidence) = link.confidence {
        // Rounded down: only what is certain is 1.
        let hundredths = fields::ten_thousandths(confidence) / 100;
        value.push_str(&format!(" {}.{:02}", hundredths / 100, hundredths % 100));
    }
    if link.relation == Relation::About {
        value.push_str(" about");
    }
    out.text(own::LINK, &value);
}

/// Where the line came from.
fn add_origin(out: &mut Attributes, record: &Record<'_>, file: &str) {
    let name = file.rsplit('/').next().unwrap_or(file);
    out.text_if_any(own::FILE, shortened(name).0);
    // Of a record that came by OTLP nobody tells where it stood.
    if record.position.line > 0 {
        out.push(own::LINE, &Any::Integer(i64::try_from(record.position.line).unwrap_or(i64::MAX)));
    }
    if let Some(pod) = &record.origin.pod {
        out.text_if_any(own::POD, shortened(&pod.name).0);
        out.text_if_any(own::CONTAINER, shortened(&pod.container).0);
    }
}

/// The fields of the line and its envelope, but for what an event has elsewhere.
fn add_fields(out: &mut Attributes, record: &Record<'_>, style: Style) {
    let mut taken = 0;
    let site = record.entry.code;
    fields::each(record, &RecordContext::default(), Keys::Otlp, |key, value| {
        let key = String::from_utf8_lossy(key);
        if !style.all_fields && is_noise(&key, &value, site) {
            return;
        }
        let Some((value, length, value_cut)) = value_of(&value) else { return };
        let (key, key_cut) = shortened(&key);
        let cost = key.len() + length + ATTRIBUTE_OVERHEAD;
        if out.has(key) || taken == FIELDS_MAX || out.bytes + cost > EVENT_BYTES_MAX {
            out.dropped += 1;
            return;
        }
        taken += 1;
        out.bytes += cost;
        out.cut |= value_cut || key_cut;
        out.put(key, value.as_ref());
    });
}

/// Empty values, the process, and a second mention of the place in the program.
fn is_noise(key: &str, value: &Attribute<'_>, site: Option<CodeSite<'_>>) -> bool {
    let text: &[u8] = match value {
        Attribute::Line(Value::Null) => return true,
        Attribute::Line(Value::Text(text)) => text,
        Attribute::Line(Value::Json(json)) => match json.as_ref() {
            b"{}" | b"[]" => return true,
            _ => return false,
        },
        Attribute::Text(text) => text,
        Attribute::Line(Value::Number(_) | Value::Bool(_))
        | Attribute::Integer(_)
        | Attribute::Ratio(_)
        | Attribute::Uid(_) => {
            return key == "process.pid";
        }
    };
    if key == "process.pid" || text.trim_ascii().is_empty() {
        return true;
    }
    let Some(site) = site.filter(|_| !key.starts_with("code.")) else { return false };
    key == "caller" || {
        let text = String::from_utf8_lossy(text);
        let line = text.rsplit_once(':').and_then(|(_, line)| line.parse().ok());
        is_code_site(&text) && line == Some(site.line)
    }
}

/// A value as OTLP has it.
enum Any<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Integer(i64),
    Double(f64),
}

/// Attributes of one event, and their size.
struct Attributes {
    /// Each as a field of the event.
    fields: Buffer,
    bytes: usize,
    cut: bool,
    dropped: u32,
}

/// Own keys that a line must not claim: some are added only where the event is put.
const OWN_KEYS: [&str; 5] = ["log.severity", own::MESSAGE, "log.truncated", own::SPAN_ID, own::SPAN_NAME];
/// The field `attributes` of an event.
const ATTRIBUTES: u32 = 3;
const ATTRIBUTES_TAG: u8 = 0x1a;

impl Attributes {
    fn new(name_bytes: usize) -> Attributes {
        Attributes { fields: Buffer::default(), bytes: 512 + name_bytes, cut: false, dropped: 0 }
    }

    fn push(&mut self, key: &str, value: &Any<'_>) {
        let length = if let Any::Text(text) = value { text.len() } else { 9 };
        self.bytes += key.len() + length + ATTRIBUTE_OVERHEAD;
        self.put(key, Some(value));
    }

    /// Appends it, whatever its size.
    fn put(&mut self, key: &str, value: Option<&Any<'_>>) {
        let (out, key) = (&mut self.fields, key.as_bytes());
        let mut any = [0; 16];
        let length = match value {
            Some(Any::Text(text)) => return out.key_bytes(ATTRIBUTES_TAG, key, 0x0a, text.as_bytes(), b""),
            None => 0,
            Some(Any::Bool(yes)) => {
                any[..2].copy_from_slice(&[0x10, u8::from(*yes)]);
                2
            }
            Some(Any::Integer(number)) => {
                any[0] = 0x18;
                1 + put_varint(&mut any[1..], *number as u64)
            }
            Some(Any::Double(double)) => {
                any[0] = 0x21;
                any[1..9].copy_from_slice(&double.to_le_bytes());
                9
            }
        };
        out.key_any(ATTRIBUTES_TAG, key, &any, length, b"");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.push(key, &Any::Text(Cow::Borrowed(value)));
    }

    fn text_if_any(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    /// Does the event say this by itself?
    fn has(&self, key: &str) -> bool {
        OWN_KEYS.contains(&key)
            || within(self.fields.written(), ATTRIBUTES).any(|own| attribute(own).0 == key.as_bytes())
    }

    /// The event with these attributes.
    fn event(&self, time: u64, name: &str) -> Vec<u8> {
        let mut out = Buffer::with_room(self.fields.len() + name.len() + 64);
        if time != 0 {
            out.fixed64(0x09, time);
        }
        if !name.is_empty() {
            out.bytes(0x12, name.as_bytes(), b"");
        }
        out.put(self.fields.written());
        if self.dropped != 0 {
            out.array(&[0x20]);
            out.varint(self.dropped.into());
        }
        out.into_written()
    }
}

/// The value, its length, and whether it was cut.
fn value_of<'a>(value: &'a Attribute<'_>) -> Option<(Option<Any<'a>>, usize, bool)> {
    let long = |whole: &'a [u8]| match String::from_utf8_lossy(whole) {
        Cow::Borrowed(whole) => {
            let (kept, cut) = shortened(whole);
            (Some(Any::Text(Cow::Borrowed(kept))), kept.len(), cut)
        }
        Cow::Owned(whole) => {
            let (kept, cut) = shortened(&whole);
            (Some(Any::Text(Cow::Owned(kept.to_owned()))), kept.len(), cut)
        }
    };
    Some(match value {
        Attribute::Line(Value::Text(whole) | Value::Json(whole)) => long(whole),
        Attribute::Line(Value::Number(token)) => match number(token) {
            Some(number) => (Some(number), 9, false),
            None => long(token),
        },
        Attribute::Line(Value::Bool(yes)) => (Some(Any::Bool(*yes)), 1, false),
        Attribute::Line(Value::Null) => (None, 0, false),
        Attribute::Text(whole) => long(whole),
        Attribute::Integer(number) => (Some(Any::Integer(i64::try_from(*number).ok()?)), 9, false),
        Attribute::Ratio(ratio) => (Some(Any::Double(*ratio)), 9, false),
        Attribute::Uid(_) => return None,
    })
}

/// A number that OTLP can hold; others stay text.
fn number(token: &[u8]) -> Option<Any<'static>> {
    match std::str::from_utf8(token).ok()?.parse() {
        Ok(integer) => Some(Any::Integer(integer)),
        Err(_) => spell::double_of(token).map(Any::Double),
    }
}

/// At most [`VALUE_BYTES_MAX`] bytes, whole characters; and whether that cut something off.
fn shortened(whole: &str) -> (&str, bool) {
    let end = whole.floor_char_boundary(VALUE_BYTES_MAX);
    (&whole[..end], end < whole.len())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::trace::v1::span::Event;
    use prost::Message;
    use spanline_parsers::{Entry, Severity, Text};

    use super::*;
    use crate::export::samples::pod_origin;
    use crate::export::span_events::event_bytes;
    use crate::record::{Envelope, Method, Origin, Position, Stream};

    const SOME: Style = Style { constant_name: false, all_fields: false, about: AboutEvents::All };
    const ALL: Style = Style { constant_name: false, all_fields: true, about: AboutEvents::All };

    fn event_of(entry: &Entry<'_>, origin: &Origin, confidence: Option<f32>, style: Style) -> Event {
        let record = Record {
            source: 0,
            origin,
            position: Position { line: 1234, ..Position::default() },
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
        let method = if confidence.is_some() { Method::Request } else { Method::Written };
        let link = Link {
            trace_id: [1; 16],
            span_id: [2; 8],
            method,
            confidence,
            relation: Relation::Within,
            verified: true,
            has_event: false,
        };
        let made = event_for(&record, &link, "node/var/log/kubelet.log", style);
        let event = Event::decode(&made.event[..]).unwrap();
        assert_eq!(event.encode_to_vec(), made.event, "the bytes are the library's");
        event
    }

    /// All attributes, as text.
    fn shown(event: &Event) -> Vec<String> {
        let value = |value: &Any| match value {
            Any::StringValue(text) => text.clone(),
            Any::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        let attributes = event.attributes.iter();
        attributes
            .map(|a| format!("{}={}", a.key, a.value.as_ref().unwrap().value.as_ref().map(value).unwrap_or_default()))
            .collect()
    }

    fn words(text: &'static str) -> Value<'static> {
        Value::Text(Text::Borrowed(text.as_bytes()))
    }

    #[test]
    fn an_event_says_what_came_where_from_and_how_it_was_linked() {
        let mut entry =
            Entry { severity: Severity::WARN, body: Text::Borrowed(b"took 3 tries"), pid: Some(7), ..Entry::default() };
        entry.code = Some(CodeSite { file: b"kubelet.go", line: 2043 });
        for (key, value) in [
            ("pod", words("a/b")),
            ("caller", words("kubelet/kubelet.go:2043")),
            ("src", words("kubelet.go:2043")),
            ("other", words("other.go:12")),
            ("empty", words("")),
            ("blank", words(" ")),
            ("none", Value::Null),
            ("list", Value::Json(Text::Borrowed(b"[]"))),
            ("n", Value::Number(b"18446744073709551615")),
            ("spanline.link", words("forged")),
            ("spanline.link.method", words("forged")),
            ("span.id", words("forged")),
        ] {
            entry.push(key.as_bytes(), value);
        }
        let event = event_of(&entry, &Origin::default(), Some(0.999), SOME);
        assert_eq!((event.name.as_str(), event.time_unix_nano), ("WARN: took 3 tries", 1_000));
        assert_eq!(
            shown(&event),
            [
                "log.severity=WARN",
                "spanline.link=request 0.99",
                "log.file.name=kubelet.log",
                "log.file.line=1234",
                "pod=a/b",
                "other=other.go:12",
                "n=18446744073709551615",
                "code.file.path=kubelet.go",
                "code.line.number=2043",
            ]
        );
        let all = shown(&event_of(&entry, &Origin::default(), Some(0.999), ALL));
        for wanted in [
            "log.message=took 3 tries",
            "spanline.link.method=request",
            "spanline.link.relation=within",
            "caller=kubelet/kubelet.go:2043",
            "empty=",
            "process.pid=7",
        ] {
            assert!(all.iter().any(|one| one == wanted), "{wanted} is not in {all:?}");
        }
        assert!(!all.iter().any(|one| one.contains("forged") || one.starts_with("spanline.link=")), "{all:?}");
    }

    #[test]
    fn the_message_stands_in_an_attribute_only_where_the_name_does_not_hold_it() {
        let message = |body: &'static str, style| {
            let entry = Entry { body: Text::Borrowed(body.as_bytes()), ..Entry::default() };
            let event = event_of(&entry, &Origin::default(), None, style);
            (event.name.clone(), event_bytes::text(&event.encode_to_vec(), own::MESSAGE).map(str::to_owned))
        };
        assert_eq!(message("one line", SOME), ("one line".into(), None));
        assert_eq!(message("first\nsecond", SOME), ("first".into(), Some("first\nsecond".into())));
        let constant = Style { constant_name: true, ..SOME };
        assert_eq!(message("one line", constant), ("log".into(), Some("one line".into())));
        assert_eq!(message("", constant), ("log".into(), None));
    }

    #[test]
    fn pods_are_named_and_what_is_written_has_no_confidence() {
        let entry = Entry { body: Text::Borrowed(b"x 1"), ..Entry::default() };
        let event = event_of(&entry, &pod_origin(), None, SOME);
        assert_eq!(shown(&event)[..1], ["spanline.link=written"]);
        assert_eq!(shown(&event)[3..], ["k8s.pod.name=web-0", "k8s.container.name=main"]);
    }

    #[test]
    fn nothing_makes_an_event_too_large() {
        let long = "ü".repeat(40_000);
        let mut entry = Entry { body: Text::Borrowed(long.as_bytes()), ..Entry::default() };
        let keys: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
        for key in &keys {
            entry.push(key.as_bytes(), Value::Text(Text::Borrowed(long.as_bytes())));
        }
        for style in [SOME, ALL] {
            let event = event_of(&entry, &pod_origin(), Some(1.0), style);
            assert!(event.encoded_len() <= EVENT_BYTES_MAX, "{}", event.encoded_len());
            let truncated =
                event.attributes.iter().find(|own| own.key == "log.truncated").and_then(|own| own.value.clone());
            assert_eq!(truncated.and_then(|any| any.value), Some(Any::BoolValue(true)));
            assert!(event.dropped_attributes_count > 50);
        }
    }
}
