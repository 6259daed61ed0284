//! Records as span events, and span events onto the spans they belong to.
//!
//! In go linked records, out come OTLP events made to be read in Jaeger; later, requests of spans, out come the same
//! requests with the events on them. What is kept in between is bounded. Which span a record belongs to is not decided here.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use prost::Message;
use spanline_parsers::Value;

use crate::export::fields::{self, Attribute, Keys, Sighting};
use crate::record::{Link, Record};

/// Longer names of events are cut, as containerd's users are used to.
const NAME_CHARS_MAX: usize = 120;
/// A store that indexes values refuses a span with one beyond 65,000 bytes, for ever.
const VALUE_BYTES_MAX: usize = 8 * 1024;
/// Attributes of the record on an event.
const FIELDS_MAX: usize = 32;
/// All of an event.
const EVENT_BYTES_MAX: usize = 60_000;

/// The event of a linked record.
pub fn of(record: &Record<'_>, link: &Link, name_is_message: bool) -> Event {
    let entry = record.entry;
    let message = String::from_utf8_lossy(&entry.body);
    let first_line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or("log");
    let name = if name_is_message { shortened(first_line) } else { "log".to_owned() };
    let severity = match String::from_utf8_lossy(&entry.severity_text) {
        text if text.is_empty() => severity_name(entry.severity.0).to_owned(),
        text => text.into_owned(),
    };
    let mut made = Made { attributes: Vec::new(), bytes: name.len(), cut: false };
    if !severity.is_empty() {
        made.text("log.severity", severity.as_bytes());
    }
    made.text("log.message", message.as_bytes());
    fields::sent(Some(link), &Sighting::default(), |key, value| made.any(key, value));
    let mut count = 0;
    fields::each(record, &Sighting::default(), Keys::Otlp, |key, value| {
        count += 1;
        if count <= FIELDS_MAX {
            made.any(key, value);
        }
    });
    if made.cut {
        made.push("log.truncated", Any::BoolValue(true), 1);
    }
    Event {
        time_unix_nano: record.time.and_then(|time| u64::try_from(time).ok()).unwrap_or_default(),
        name,
        attributes: made.attributes,
        dropped_attributes_count: count.saturating_sub(FIELDS_MAX) as u32,
    }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(NAME_CHARS_MAX) {
        None => line.to_owned(),
        Some((end, _)) => {
            let end = line[..end].char_indices().next_back().map_or(0, |(last, _)| last);
            format!("{}…", &line[..end])
        }
    }
}

fn severity_name(number: u8) -> &'static str {
    match number {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        21..=24 => "FATAL",
        _ => "",
    }
}

struct Made {
    attributes: Vec<KeyValue>,
    bytes: usize,
    cut: bool,
}

impl Made {
    fn push(&mut self, key: &str, value: Any, cost: usize) {
        if self.bytes + key.len() + cost > EVENT_BYTES_MAX {
            self.cut = true;
            return;
        }
        self.bytes += key.len() + cost;
        let value = Some(AnyValue { value: Some(value) });
        self.attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
    }

    fn text(&mut self, key: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let mut end = text.len().min(VALUE_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.cut |= end < text.len();
        self.push(key, Any::StringValue(text[..end].to_owned()), end);
    }

    fn any(&mut self, key: &[u8], value: Attribute<'_>) {
        let key = String::from_utf8_lossy(key);
        match value {
            Attribute::Text(text) => self.text(&key, text),
            Attribute::Line(Value::Text(text)) => self.text(&key, text),
            // Stores show a structure as text anyhow, and search it so.
            Attribute::Line(Value::Json(raw)) => self.text(&key, raw),
            Attribute::Line(Value::Bool(value)) => self.push(&key, Any::BoolValue(*value), 1),
            Attribute::Line(Value::Null) => self.push(&key, Any::StringValue("null".into()), 4),
            Attribute::Line(Value::Number(token)) => {
                let token = String::from_utf8_lossy(token);
                match (token.parse::<i64>(), token.parse::<f64>()) {
                    (Ok(number), _) => self.push(&key, Any::IntValue(number), 8),
                    (_, Ok(number)) if token.contains('.') => self.push(&key, Any::DoubleValue(number), 8),
                    _ => self.text(&key, token.as_bytes()),
                }
            }
            Attribute::Integer(number) => self.push(&key, Any::IntValue(number as i64), 8),
            Attribute::Ratio(number) => self.push(&key, Any::DoubleValue(number), 8),
            Attribute::Uid(_) => {}
        }
    }
}

/// Events by span, encoded.
#[derive(Debug, Default)]
pub struct Events {
    by_span: HashMap<([u8; 16], [u8; 8]), Vec<Vec<u8>>>,
    count: u64,
    left_out: u64,
    bytes: u64,
    bytes_max: u64,
}

impl Events {
    /// At most so many bytes.
    pub fn new(bytes_max: u64) -> Events {
        Events { bytes_max, ..Events::default() }
    }

    /// Keeps an event for its span.
    pub fn add(&mut self, trace_id: [u8; 16], span_id: [u8; 8], event: &Event) {
        let encoded = event.encode_to_vec();
        let cost = encoded.len() as u64 + 64;
        if self.bytes + cost > self.bytes_max {
            self.left_out += 1;
            return;
        }
        self.bytes += cost;
        self.count += 1;
        self.by_span.entry((trace_id, span_id)).or_default().push(encoded);
    }

    /// Events kept.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Events beyond the limit.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Puts the events onto the spans of a request.
    pub fn put_on(&self, request: &mut ExportTraceServiceRequest) {
        let spans = request.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans);
        for span in spans.flat_map(|group| &mut group.spans) {
            let ids = (<[u8; 16]>::try_from(&*span.trace_id), <[u8; 8]>::try_from(&*span.span_id));
            let (Ok(trace_id), Ok(span_id)) = ids else { continue };
            let Some(events) = self.by_span.get(&(trace_id, span_id)) else { continue };
            span.events.extend(events.iter().filter_map(|event| Event::decode(&**event).ok()));
            span.events.sort_by_key(|event| event.time_unix_nano);
        }
    }
}
