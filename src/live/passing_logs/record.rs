//! One log record that came by OTLP, as linking looks at it.
//!
//! In go the bytes of a record, out comes what its body and attributes say, by the same parsers as a line of a file, with the time of
//! the record where the text has none. Nothing is copied but numbers. Its link is not known here.

use std::borrow::Cow;
use std::io::Write;

use spanline_parsers::detect::{self, Expect};
use spanline_parsers::{Entry, Field, Severity, Text, Value as Said, ansi, trace_context};

use super::writer::Names;
use crate::calendar::Calendar;
use crate::decode::{self, Line};
use crate::otlp::wire::read::{Fields, Value};
use crate::otlp::wire::spans::{attribute, text_bytes, within};

/// Keys of a body that is a map under which its message stands, those of a journal's entry last.
const MESSAGE_KEYS: [&[u8]; 8] =
    [b"message", b"msg", b"log", b"body", b"event", b"short_message", b"@message", b"MESSAGE"];

/// Fields of a `LogRecord`.
#[derive(Debug, Default)]
pub(super) struct Parts<'r> {
    time: u64,
    observed: u64,
    severity: u64,
    severity_text: &'r [u8],
    /// Of its `AnyValue`.
    body: Option<(u32, Value<'r>)>,
    attributes: Vec<&'r [u8]>,
    /// Of a body that is a map: key and value of its message.
    message: Option<&'r [u8]>,
    /// It names its trace.
    has_ids: bool,
}

/// What a record says.
#[derive(Debug)]
pub(super) struct Told<'r> {
    pub(super) entry: Entry<'r>,
    /// When it was written, ns since the epoch, and the digits of the second.
    pub(super) time: Option<(i64, u8)>,
    pub(super) envelope_time: Option<i64>,
}

impl<'r> Parts<'r> {
    /// Reads a record.
    pub(super) fn of(record: &'r [u8]) -> Parts<'r> {
        let mut parts = Parts::default();
        for field in Fields::of(record) {
            match field {
                (1, Value::Fixed64(time)) => parts.time = time,
                (11, Value::Fixed64(time)) => parts.observed = time,
                (2, Value::Varint(number)) => parts.severity = number,
                (3, Value::Bytes(text)) => parts.severity_text = text,
                (5, Value::Bytes(any)) => parts.body = Fields::of(any).last(),
                (6, Value::Bytes(pair)) => parts.attributes.push(pair),
                (9, Value::Bytes(id)) => parts.has_ids = id.iter().any(|byte| *byte != 0),
                _ => {}
            }
        }
        let is_message = |key: &&[u8]| parts.pairs_of_body().find(|pair| attribute(pair).0 == *key);
        parts.message = MESSAGE_KEYS.iter().find_map(is_message);
        parts
    }

    /// It names its trace itself.
    pub(super) fn has_ids(&self) -> bool {
        self.has_ids
    }

    /// What it says of who wrote it, beside its resource.
    pub(super) fn name(&self, names: &mut Names<'r>) {
        self.attributes.iter().for_each(|pair| names.take(pair));
        for pair in self.pairs_of_body() {
            let (key, any) = attribute(pair);
            text_bytes(any).into_iter().for_each(|value| names.take_journal(key, value));
        }
    }

    /// What is written in it: text, or the message of a map.
    pub(super) fn content(&self) -> Text<'r> {
        let text = match self.body {
            Some((1 | 7, Value::Bytes(text))) => text,
            _ => self.message.and_then(|pair| text_bytes(attribute(pair).1)).unwrap_or_default(),
        };
        let plain = ansi::has_escape(text).then(|| ansi::strip(text)).flatten();
        plain.map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// Attributes, and values of a body that is a map.
    fn pairs(&self) -> impl Iterator<Item = &'r [u8]> {
        self.attributes.iter().copied().chain(self.pairs_of_body())
    }

    fn pairs_of_body(&self) -> impl Iterator<Item = &'r [u8]> + use<'r> {
        let list = match self.body {
            Some((6, Value::Bytes(list))) => list,
            _ => &[],
        };
        within(list, 1)
    }

    /// Appends the numbers among its values, each behind the other, as text.
    pub(super) fn write_numbers(&self, out: &mut Vec<u8>) -> Vec<usize> {
        let number = |pair: &[u8]| {
            match attribute(pair).1 {
                // Nothing that is written to memory fails.
                Some((3, Value::Varint(number))) => drop(write!(out, "{}", number.cast_signed())),
                Some((4, Value::Fixed64(bits))) => drop(write!(out, "{}", f64::from_bits(bits))),
                _ => return None,
            }
            Some(out.len())
        };
        self.pairs().filter_map(number).collect()
    }

    /// What it says; `line`: its content without an envelope, `numbers`: from [`Parts::write_numbers`], with where each ends.
    pub(super) fn told<'s>(
        &'s self,
        line: &'s Line<'_>,
        (numbers, ends): (&'s [u8], &[usize]),
        calendar: &mut Calendar,
    ) -> Told<'s> {
        let mut entry = Entry::default();
        detect::payload(&line.content, Expect::Auto, &mut entry);
        let own_fields = entry.fields.len();
        self.take_fields(&mut entry, (numbers, ends));
        if entry.trace.trace_id.is_none() {
            entry.trace = trace_context::from_fields(&entry.fields[own_fields..]);
        }
        if entry.severity == Severity::UNKNOWN {
            entry.severity = Severity(u8::try_from(self.severity).ok().filter(|number| *number <= 24).unwrap_or(0));
            entry.severity_text = Cow::Borrowed(self.severity_text);
        }
        let envelope = line.time.or_else(|| self.time());
        envelope.iter().for_each(|(envelope, _)| entry.doubt_number_time(*envelope));
        let time = decode::when(entry.time, envelope, calendar);
        Told { entry, time, envelope_time: envelope.map(|(nanos, _)| nanos) }
    }

    fn take_fields<'s>(&'s self, entry: &mut Entry<'s>, (numbers, ends): (&'s [u8], &[usize])) {
        let (mut from, mut ends) = (0, ends.iter());
        for pair in self.pairs() {
            let (key, any) = attribute(pair);
            let value = match any {
                // The body has it already.
                Some((1, Value::Bytes(_))) if self.message.is_some_and(|message| std::ptr::eq(message, pair)) => {
                    continue;
                }
                Some((1, Value::Bytes(text))) => Said::Text(Cow::Borrowed(text)),
                Some((2, Value::Varint(number))) => Said::Bool(number != 0),
                Some((3, Value::Varint(_)) | (4, Value::Fixed64(_))) => {
                    let Some(end) = ends.next() else { continue };
                    Said::Number(&numbers[std::mem::replace(&mut from, *end)..*end])
                }
                _ => continue,
            };
            entry.fields.push(Field { key: Cow::Borrowed(key), value });
        }
    }

    /// Its own time, else when it was seen, with as many digits as are written.
    fn time(&self) -> Option<(i64, u8)> {
        let nanos = [self.time, self.observed].into_iter().find(|time| *time != 0)?;
        let digits = match nanos {
            _ if nanos.is_multiple_of(1_000_000_000) => 0,
            _ if nanos.is_multiple_of(1_000_000) => 3,
            _ if nanos.is_multiple_of(1_000) => 6,
            _ => 9,
        };
        i64::try_from(nanos).ok().map(|nanos| (nanos, digits))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList, any_value::Value as Any};
    use opentelemetry_proto::tonic::logs::v1::LogRecord;
    use prost::Message;

    use super::*;
    use crate::calendar::CalendarSettings;
    use crate::decode::Envelopes;

    fn any(value: Any) -> Option<AnyValue> {
        Some(AnyValue { value: Some(value) })
    }

    fn pair(key: &str, value: Any) -> KeyValue {
        KeyValue { key: key.into(), value: any(value), ..KeyValue::default() }
    }

    fn text(text: &str) -> Any {
        Any::StringValue(text.into())
    }

    /// Monday, 23 November 2026, 09:15:00.5.
    const AT: u64 = 1_795_425_300_500_000_000;

    fn told(record: &LogRecord, check: impl FnOnce(&Told<'_>)) {
        let bytes = record.encode_to_vec();
        let (parts, mut numbers) = (Parts::of(&bytes), Vec::new());
        let ends = parts.write_numbers(&mut numbers);
        let (content, mut calendar) = (parts.content(), Calendar::new(&CalendarSettings::default()));
        let line = decode::line(&content, Envelopes::Auto);
        check(&parts.told(&line, (&numbers, &ends), &mut calendar));
    }

    #[test]
    fn bodies_are_read_as_lines_of_files_are() {
        let klog = "I1123 09:15:00.123456     300 pod.go:7] \"Started\" pod=\"shop/web\"";
        let record = LogRecord { time_unix_nano: AT, body: any(text(klog)), ..LogRecord::default() };
        told(&record, |told| {
            assert_eq!((&*told.entry.body, told.entry.pid), (&b"Started"[..], Some(300)));
            assert_eq!(told.time, Some(((AT - 376_544_000) as i64, 6)));
            assert_eq!(told.envelope_time, Some(AT as i64));
        });
        let cri = "2026-11-23T09:15:00.250000000Z stderr F {\"level\":\"warn\",\"msg\":\"slow\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"}";
        told(&LogRecord { body: any(text(cri)), ..LogRecord::default() }, |told| {
            assert_eq!((&*told.entry.body, told.entry.severity), (&b"slow"[..], Severity::WARN));
            assert_eq!(told.time, Some(((AT - 250_000_000) as i64, 9)));
            assert!(told.entry.trace.trace_id.is_some());
        });
        let docker = "{\"log\":\"a \\u001b[31mred\\u001b[0m line\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-23T09:15:00.25Z\"}";
        told(&LogRecord { body: any(text(docker)), ..LogRecord::default() }, |told| {
            assert!(told.entry.body.ends_with(b" line") && told.time.is_some(), "{told:?}");
        });
    }

    #[test]
    fn maps_attributes_and_times_tell_what_the_text_does_not() {
        let list =
            vec![pair("MESSAGE", text("took 5 ms")), pair("n", Any::IntValue(-5)), pair("x", Any::DoubleValue(1.5))];
        let record = LogRecord {
            observed_time_unix_nano: AT,
            severity_number: 17,
            severity_text: "Error".into(),
            body: any(Any::KvlistValue(KeyValueList { values: list })),
            attributes: vec![
                pair("ok", Any::BoolValue(true)),
                pair("trace_id", text("0af7651916cd43dd8448eb211c80319c")),
                pair("bytes", Any::BytesValue(vec![1])),
            ],
            trace_id: vec![0; 16],
            ..LogRecord::default()
        };
        assert!(!Parts::of(&record.encode_to_vec()).has_ids());
        told(&record, |told| {
            let entry = &told.entry;
            assert_eq!(
                (&*entry.body, entry.severity, &*entry.severity_text),
                (&b"took 5 ms"[..], Severity::ERROR, &b"Error"[..])
            );
            let fields: Vec<_> = entry.fields.iter().map(|field| (&*field.key, field.value.clone())).collect();
            assert_eq!(fields[0], (&b"ok"[..], Said::Bool(true)));
            assert_eq!(fields[2..], [(&b"n"[..], Said::Number(b"-5")), (&b"x"[..], Said::Number(b"1.5"))]);
            assert_eq!((told.time, entry.trace.trace_id.is_some()), (Some((AT as i64, 3)), true));
        });
        assert!(Parts::of(&LogRecord { trace_id: vec![1; 16], ..record }.encode_to_vec()).has_ids());
        told(&LogRecord::default(), |told| assert_eq!((told.time, told.entry.body.len()), (None, 0)));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let (parts, mut numbers) = (Parts::of(&bytes), Vec::new());
            let ends = parts.write_numbers(&mut numbers);
            let (content, mut calendar) = (parts.content(), Calendar::new(&CalendarSettings::default()));
            let line = decode::line(&content, Envelopes::Auto);
            parts.told(&line, (&numbers, &ends), &mut calendar);
            let mut names = Names::default();
            parts.name(&mut names);
            names.origin();
        }
    }
}
