//! OTLP/JSON → protobuf.
//!
//! In goes a request as it is spelled by many hands, out come its bytes: numbers as text, enums by name, null for a missing
//! list, proto's field names instead of the JSON ones, ids in upper case or (by a plain protobuf printer) base64, and fields
//! nobody knows. A malformed id becomes an empty one, so that one bad span does not cost its neighbours. The bytes are
//! those of the library for the same message: fields by number, defaults left out; of a member that comes twice the last
//! one counts.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::cursor::{Attribute, Cursor, Value};
use super::number::{Number, hex_id};
use crate::otlp::wire::messages::{Field, KEY_VALUE, Kind, Message, REQUEST, RESOURCE_SPANS, SCOPE_SPANS};
use crate::otlp::wire::write::{Buffer, put_varint};

/// Objects and lists within each other beyond which nothing is read: as `serde_json` has it.
const DEPTH_MAX: u32 = 127;
/// `Span.flags` stands before the name in JSON, and last on the wire.
const FLAGS: u32 = 16;
const RESOURCE_SPANS_TAG: u8 = 0x0a;

/// Appends a request (or TracesData, which has the same shape); nothing of it, if it cannot be read.
pub(crate) fn request(text: &[u8], out: &mut Buffer) -> Result<(), String> {
    read(text, out, |reader| reader.message(&REQUEST, DEPTH_MAX))
}

/// Appends the spans of one resource as those of a request.
pub(super) fn resource_spans(text: &[u8], out: &mut Buffer) -> Result<(), String> {
    read(text, out, |reader| reader.nested(RESOURCE_SPANS_TAG, &RESOURCE_SPANS, DEPTH_MAX))
}

fn read(text: &[u8], out: &mut Buffer, read: impl FnOnce(&mut Reader<'_, '_>) -> Option<()>) -> Result<(), String> {
    let start = out.len();
    let utf8 = std::str::from_utf8(text).map_err(|_| why_not(text, None))?;
    let mut reader = Reader { cursor: Cursor { text: utf8, at: 0 }, out: &mut *out, unexpected: None };
    let (whole, unexpected) = (read(&mut reader), reader.unexpected);
    if whole.is_some() && reader.cursor.peek().is_none() {
        return Ok(());
    }
    out.truncate(start);
    Err(why_not(text, unexpected))
}

/// A value in whose place something else was expected.
type Unexpected = (usize, &'static str);

/// Why a text cannot be read: it is no JSON, or something in it is of another kind than it should be.
fn why_not(text: &[u8], unexpected: Option<Unexpected>) -> String {
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(text) {
        return error.to_string();
    }
    let Some((at, expected)) = unexpected else { return "it is nested too deep".to_owned() };
    let rest = &text[at..];
    let found = match rest.first() {
        Some(b'{') => "map".to_owned(),
        Some(b'[') => "sequence".to_owned(),
        Some(b'"') => "text".to_owned(),
        _ => {
            let end = rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace());
            format!("`{}`", String::from_utf8_lossy(&rest[..end.unwrap_or(rest.len())]))
        }
    };
    let before = &text[..at];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    format!("invalid type: {found}, expected {expected} at line {line} column {}", at - line_start + 1)
}

struct Reader<'t, 'o> {
    cursor: Cursor<'t>,
    out: &'o mut Buffer,
    unexpected: Option<Unexpected>,
}

/// The fields of a message that were met.
#[derive(Default)]
struct Met {
    numbers: u32,
    last: u32,
    out_of_order: bool,
    flags: Option<u32>,
    /// Where the next one is looked for first: most writers keep to the order of the `.proto`.
    next: usize,
}

/// Names of earlier versions and other tools: Tempo's, and those before OTLP 0.15.
fn other_name(message: &'static Message, key: &str) -> Option<&'static Field> {
    let is = |other: &'static Message| std::ptr::eq(message, other);
    match key {
        "batches" if is(&REQUEST) => REQUEST.field(1),
        "instrumentationLibrarySpans" if is(&RESOURCE_SPANS) => RESOURCE_SPANS.field(2),
        "instrumentationLibrary" if is(&SCOPE_SPANS) => SCOPE_SPANS.field(1),
        _ => None,
    }
}

impl Met {
    fn named(&mut self, message: &'static Message, key: &str) -> Option<&'static Field> {
        let fields = message.fields;
        let after = fields.iter().skip(self.next).position(|field| field.json == key).map(|at| at + self.next);
        let at = after.or_else(|| fields.iter().position(|field| field.json == key || field.name == key));
        let Some(at) = at else { return other_name(message, key) };
        self.next = at + 1;
        fields.get(at)
    }
}

impl<'t> Reader<'t, '_> {
    /// message = null / "{" [ member *( "," member ) ] "}" ; member = key ":" value
    fn message(&mut self, message: &'static Message, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        if self.cursor.null() {
            return Some(());
        }
        if !self.cursor.opens(b'{') {
            return self.expected(message.description);
        }
        if self.cursor.closes(b'}') {
            return Some(());
        }
        let (start, mut met) = (self.out.len(), Met::default());
        loop {
            let key = self.cursor.key()?;
            match met.named(message, &key) {
                Some(field) => self.member(message, field, start, &mut met, depth)?,
                // What Jaeger's api_v3, and Tempo's second version, put around it.
                None if std::ptr::eq(message, &REQUEST) && matches!(&*key, "result" | "trace") => {
                    self.message(&REQUEST, depth)?;
                }
                None => self.cursor.skip()?,
            }
            if self.cursor.ends(b'}')? {
                break;
            }
        }
        if met.out_of_order {
            self.out.sort_fields(start);
        }
        if let Some(flags) = met.flags.filter(|flags| *flags != 0) {
            self.out.array(&[0x85, 0x01]);
            self.out.array(&flags.to_le_bytes());
        }
        Some(())
    }

    fn member(
        &mut self,
        message: &'static Message,
        field: &'static Field,
        start: usize,
        met: &mut Met,
        depth: u32,
    ) -> Option<()> {
        if field.number == FLAGS {
            met.flags = Some(self.number()?);
            return Some(());
        }
        // Lists of spans that come in parts are one list.
        let in_parts = field.repeated && (std::ptr::eq(message, &REQUEST) || std::ptr::eq(message, &RESOURCE_SPANS));
        if message.is_choice && met.numbers != 0 {
            self.out.truncate(start);
        } else if met.numbers >> field.number & 1 == 1 && !in_parts {
            self.out.remove_fields(start, field.number);
        }
        met.numbers |= 1 << field.number;
        met.out_of_order |= field.number < met.last;
        met.last = field.number;
        if field.repeated { self.list(field, depth) } else { self.value(field, message.is_choice, depth) }
    }

    /// list = null / "[" [ value *( "," value ) ] "]"
    fn list(&mut self, field: &'static Field, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        if self.cursor.null() {
            return Some(());
        }
        if !self.cursor.opens(b'[') {
            return self.expected("a list");
        }
        if self.cursor.closes(b']') {
            return Some(());
        }
        let of_attributes = matches!(field.kind, Kind::Message(inner) if std::ptr::eq(inner, &KEY_VALUE));
        loop {
            let common = if of_attributes { self.cursor.common_attribute() } else { None };
            match common {
                Some(attribute) => self.attribute(tag(field, 2), &attribute),
                None => self.value(field, true, depth)?,
            }
            if self.cursor.ends(b']')? {
                return Some(());
            }
        }
    }

    fn attribute(&mut self, tag: u8, attribute: &Attribute<'t>) {
        let around = self.cursor.text.as_bytes();
        match attribute.value {
            Value::Text(text) => self.out.key_bytes(tag, attribute.key.as_bytes(), 0x0a, text.as_bytes(), around),
            Value::Number(number) => {
                let mut any = [0; 16];
                any[0] = 0x18;
                let length = 1 + put_varint(&mut any[1..], number);
                self.out.key_any(tag, attribute.key.as_bytes(), &any, length, around);
            }
        }
    }

    /// `always`: defaults are written too.
    fn value(&mut self, field: &'static Field, always: bool, depth: u32) -> Option<()> {
        match field.kind {
            Kind::Message(inner) => self.nested(tag(field, 2), inner, depth)?,
            Kind::Text => {
                let text = self.text()?;
                if always || !text.is_empty() {
                    self.out.bytes(tag(field, 2), text.as_bytes(), self.cursor.text.as_bytes());
                }
            }
            Kind::Id => self.id(tag(field, 2))?,
            Kind::Bytes => {
                let bytes = STANDARD.decode(self.text()?.as_bytes()).unwrap_or_default();
                if always || !bytes.is_empty() {
                    self.out.bytes(tag(field, 2), &bytes, b"");
                }
            }
            Kind::Fixed64 => {
                let number = self.number()?;
                if always || number != 0 {
                    self.out.fixed64(tag(field, 1), number);
                }
            }
            Kind::Fixed32 => {
                let number = self.number()?;
                if always || number != 0 {
                    self.out.fixed32(tag(field, 5), number);
                }
            }
            Kind::Double => {
                let double = self.any_number()?.double();
                if always || double != 0.0 {
                    self.out.fixed64(tag(field, 1), double.to_bits());
                }
            }
            Kind::Uint32 | Kind::Int32 | Kind::Int64 | Kind::Bool => {
                let number = match field.kind {
                    Kind::Uint32 => u64::from(self.number::<u32>()?),
                    Kind::Int32 => i64::from(self.number::<i32>()?) as u64,
                    Kind::Int64 => self.number::<i64>()? as u64,
                    _ => u64::from(self.boolean()?),
                };
                if always || number != 0 {
                    self.out.array(&[tag(field, 0)]);
                    self.out.varint(number);
                }
            }
        }
        Some(())
    }

    fn nested(&mut self, tag: u8, message: &'static Message, depth: u32) -> Option<()> {
        let opened = self.out.open(tag, message.length_bytes);
        self.message(message, depth)?;
        self.out.close(opened);
        Some(())
    }

    #[cold]
    fn expected(&mut self, what: &'static str) -> Option<()> {
        self.cursor.peek();
        self.unexpected.get_or_insert((self.cursor.at, what));
        None
    }

    /// text = null / string
    #[inline]
    fn text(&mut self) -> Option<Cow<'t, str>> {
        match self.cursor.string() {
            None if self.cursor.null() => Some(Cow::Borrowed("")),
            None => self.expected("text").and(None),
            text => text,
        }
    }

    /// id = 32HEX / 16HEX, any case / 24BASE64 / 12BASE64, also without their padding
    #[inline]
    fn id(&mut self, tag: u8) -> Option<()> {
        let text = self.text()?;
        let text = text.as_bytes();
        match text.len() {
            32 => hex_id::<16>(text).into_iter().for_each(|id| self.out.bytes(tag, &id, b"")),
            16 => hex_id::<8>(text).into_iter().for_each(|id| self.out.bytes(tag, &id, b"")),
            24 | 12 | 22 | 11 => {
                let padded = text.len() % 12 == 0;
                let id = if padded { STANDARD.decode(text) } else { STANDARD_NO_PAD.decode(text) };
                let id = id.unwrap_or_default();
                if !id.is_empty() {
                    self.out.bytes(tag, &id, b"");
                }
            }
            _ => {}
        }
        Some(())
    }

    /// What is out of range is 0.
    #[inline]
    fn number<T: TryFrom<i128> + TryFrom<u64> + Default>(&mut self) -> Option<T> {
        if let Some(number) = self.cursor.number() {
            return Some(T::try_from(number).unwrap_or_default());
        }
        Some(T::try_from(self.any_number()?.integer()).unwrap_or_default())
    }

    fn any_number(&mut self) -> Option<Number> {
        match self.cursor.raw().and_then(|raw| serde_json::from_str(raw).ok().map(|number| (raw.len(), number))) {
            Some((length, number)) => {
                self.cursor.at += length;
                Some(number)
            }
            None => self.expected("a number").and(None),
        }
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.cursor.raw().and_then(|raw| serde_json::from_str::<Option<bool>>(raw).ok().map(|yes| (raw, yes))) {
            Some((raw, yes)) => {
                self.cursor.at += raw.len();
                Some(yes.unwrap_or(false))
            }
            None => self.expected("a boolean").and(None),
        }
    }
}

/// Of all fields but the flags, number and wire type are one byte.
fn tag(field: &Field, wire_type: u8) -> u8 {
    (field.number as u8) << 3 | wire_type
}

#[cfg(test)]
mod tests;
