//! A span as other tools' formats say it, until it is written as OTLP.
//!
//! Plain data with the names of OTLP's messages; out come their bytes, as the library would write them.

use crate::otlp::wire::write::Buffer;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Bool(bool),
    Integer(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Texts(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attribute {
    pub(super) key: String,
    pub(super) value: Value,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scope {
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Debug, Default)]
pub(super) struct Span {
    pub(super) trace_id: Vec<u8>,
    pub(super) span_id: Vec<u8>,
    pub(super) trace_state: String,
    pub(super) parent_span_id: Vec<u8>,
    pub(super) flags: u32,
    pub(super) name: String,
    pub(super) kind: u8,
    pub(super) start_time_unix_nano: u64,
    pub(super) end_time_unix_nano: u64,
    pub(super) attributes: Vec<Attribute>,
    pub(super) events: Vec<Event>,
    pub(super) links: Vec<Link>,
    pub(super) status: Option<Status>,
}

#[derive(Debug, Default)]
pub(super) struct Event {
    pub(super) time_unix_nano: u64,
    pub(super) name: String,
    pub(super) attributes: Vec<Attribute>,
    pub(super) dropped_attributes_count: u32,
}

#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) trace_id: Vec<u8>,
    pub(super) span_id: Vec<u8>,
    pub(super) trace_state: String,
    pub(super) attributes: Vec<Attribute>,
    pub(super) dropped_attributes_count: u32,
}

#[derive(Debug)]
pub(super) struct Status {
    pub(super) code: u8,
    pub(super) message: String,
}

/// The content of a resource with these attributes.
pub(super) fn resource(out: &mut Buffer, attributes: &[Attribute]) {
    attributes.iter().for_each(|attribute| attribute.write(out, 0x0a));
}

impl Scope {
    pub(super) fn write(&self, out: &mut Buffer, tag: u8) {
        let opened = out.open(tag, 1);
        text(out, 0x0a, &self.name);
        text(out, 0x12, &self.version);
        out.close(opened);
    }
}

impl Span {
    pub(super) fn write(&self, out: &mut Buffer, tag: u8) {
        let opened = out.open(tag, 2);
        bytes(out, 0x0a, &self.trace_id);
        bytes(out, 0x12, &self.span_id);
        text(out, 0x1a, &self.trace_state);
        bytes(out, 0x22, &self.parent_span_id);
        text(out, 0x2a, &self.name);
        number(out, 0x30, self.kind.into());
        time(out, 0x39, self.start_time_unix_nano);
        time(out, 0x41, self.end_time_unix_nano);
        self.attributes.iter().for_each(|attribute| attribute.write(out, 0x4a));
        self.events.iter().for_each(|event| event.write(out));
        self.links.iter().for_each(|link| link.write(out));
        if let Some(status) = &self.status {
            let opened = out.open(0x7a, 1);
            text(out, 0x12, &status.message);
            number(out, 0x18, status.code.into());
            out.close(opened);
        }
        if self.flags != 0 {
            out.array(&[0x85, 0x01]);
            out.array(&self.flags.to_le_bytes());
        }
        out.close(opened);
    }
}

impl Event {
    fn write(&self, out: &mut Buffer) {
        let opened = out.open(0x5a, 1);
        time(out, 0x09, self.time_unix_nano);
        text(out, 0x12, &self.name);
        self.attributes.iter().for_each(|attribute| attribute.write(out, 0x1a));
        number(out, 0x20, self.dropped_attributes_count.into());
        out.close(opened);
    }
}

impl Link {
    fn write(&self, out: &mut Buffer) {
        let opened = out.open(0x6a, 1);
        bytes(out, 0x0a, &self.trace_id);
        bytes(out, 0x12, &self.span_id);
        text(out, 0x1a, &self.trace_state);
        self.attributes.iter().for_each(|attribute| attribute.write(out, 0x22));
        number(out, 0x28, self.dropped_attributes_count.into());
        out.close(opened);
    }
}

impl Attribute {
    fn write(&self, out: &mut Buffer, tag: u8) {
        let pair = out.open(tag, 1);
        text(out, 0x0a, &self.key);
        let any = out.open(0x12, 1);
        match &self.value {
            Value::Text(text) => out.bytes(0x0a, text.as_bytes(), b""),
            Value::Bool(yes) => out.array(&[0x10, u8::from(*yes)]),
            Value::Integer(number) => {
                out.array(&[0x18]);
                out.varint(*number as u64);
            }
            Value::Double(double) => out.fixed64(0x21, double.to_bits()),
            Value::Bytes(bytes) => out.bytes(0x3a, bytes, b""),
            Value::Texts(texts) => {
                let array = out.open(0x2a, 1);
                for text in texts {
                    let element = out.open(0x0a, 1);
                    out.bytes(0x0a, text.as_bytes(), b"");
                    out.close(element);
                }
                out.close(array);
            }
        }
        out.close(any);
        out.close(pair);
    }
}

fn text(out: &mut Buffer, tag: u8, text: &str) {
    bytes(out, tag, text.as_bytes());
}

fn bytes(out: &mut Buffer, tag: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.bytes(tag, bytes, b"");
    }
}

fn time(out: &mut Buffer, tag: u8, nanos: u64) {
    if nanos != 0 {
        out.fixed64(tag, nanos);
    }
}

fn number(out: &mut Buffer, tag: u8, number: u64) {
    if number != 0 {
        out.array(&[tag]);
        out.varint(number);
    }
}
