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
use spanline_parsers::trace_context::whole_hex;

use super::cursor::{Attribute, Cursor, Value};
use super::number::Number;
use super::why_not::{Unexpected, why_not};
use crate::otlp::wire::log_messages::LOGS_REQUEST;
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

/// Appends a request of logs (or LogsData); nothing of it, if it cannot be read.
pub(super) fn logs_request(text: &[u8], out: &mut Buffer) -> Result<(), String> {
    read(text, out, |reader| reader.message(&LOGS_REQUEST, DEPTH_MAX))
}

/// Appends the spans of one resource as those of a request.
pub(super) fn resource_spans(text: &[u8], out: &mut Buffer) -> Result<(), String> {
    read(text, out, |reader| reader.nested(RESOURCE_SPANS_TAG, &RESOURCE_SPANS, DEPTH_MAX))
}

fn read(text: &[u8], out: &mut Buffer, read: impl FnOnce(&mut Reader<'_, '_>) -> Option<()>) -> Result<(), String> {
    let start = out.len();
    // Most texts are ASCII, which is told in a third of the time.
    if !text.is_ascii() && std::str::from_utf8(text).is_err() {
        return Err(why_not(text, None));
    }
    let mut reader = Reader { text, cursor: Cursor { rest: text }, out: &mut *out, unexpected: None };
    let (whole, unexpected) = (read(&mut reader), reader.unexpected);
    if whole.is_some() && reader.cursor.peek().is_none() {
        return Ok(());
    }
    out.truncate(start);
    Err(why_not(text, unexpected))
}

struct Reader<'t, 'o> {
    text: &'t [u8],
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
    /// Counts the field that is looked for first.
    next: usize,
}

/// Names of earlier versions and other tools: Tempo's, and those before OTLP 0.15.
fn other_name(message: &'static Message, key: &[u8]) -> Option<&'static Field> {
    let is = |other: &'static Message| std::ptr::eq(message, other);
    match key {
        b"batches" if is(&REQUEST) => REQUEST.field(1),
        b"instrumentationLibrarySpans" if is(&RESOURCE_SPANS) => RESOURCE_SPANS.field(2),
        b"instrumentationLibrary" if is(&SCOPE_SPANS) => SCOPE_SPANS.field(1),
        _ => None,
    }
}

/// The field with this name.
fn named(message: &'static Message, key: &[u8]) -> Option<&'static Field> {
    let is = |field: &&Field| field.json.as_bytes() == key || field.name.as_bytes() == key;
    message.fields.iter().find(is).or_else(|| other_name(message, key))
}

impl<'t> Reader<'t, '_> {
    /// message = null / "{" [ member *( "," member ) ] "}" ; member = key ":" value
    fn message(&mut self, message: &'static Message, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        if !self.cursor.takes(b'{') {
            return if self.cursor.null() { Some(()) } else { self.expected(message.description) };
        }
        if self.cursor.takes(b'}') {
            return Some(());
        }
        let (start, mut met) = (self.out.len(), Met::default());
        loop {
            match self.known_key(message, &mut met.next) {
                Some(field) => self.member(message, field, start, &mut met, depth)?,
                None => self.other_member(message, start, &mut met, depth)?,
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

    /// Takes a key as nearly all write it, with its colon. Looked for is the field that `next` counts first, then those
    /// behind it, then those before: most writers keep to the order of the `.proto`, and leave some out.
    #[inline(always)]
    fn known_key(&mut self, message: &'static Message, next: &mut usize) -> Option<&'static Field> {
        self.cursor.peek();
        let text = self.cursor.rest.first_chunk()?;
        let (before, behind) = message.fields.split_at_checked(*next)?;
        let at = match behind.iter().position(|field| field.key.begins(text)) {
            Some(at) => before.len() + at,
            None => before.iter().position(|field| field.key.begins(text))?,
        };
        let field = message.fields.get(at)?;
        self.cursor.pass(field.key.bytes().len());
        *next = at + 1;
        Some(field)
    }

    /// A member whose key is written in another way, or is not known.
    #[inline(never)]
    fn other_member(&mut self, message: &'static Message, start: usize, met: &mut Met, depth: u32) -> Option<()> {
        let key = self.cursor.key()?;
        match named(message, &key) {
            Some(field) => self.member(message, field, start, met, depth),
            // What Jaeger's api_v3, and Tempo's second version, put around it.
            None if std::ptr::eq(message, &REQUEST) && matches!(&*key, b"result" | b"trace") => {
                self.message(&REQUEST, depth)
            }
            None => self.cursor.skip(),
        }
    }

    #[inline(always)]
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
        let number = 1 << field.number;
        if message.is_choice && met.numbers != 0 {
            self.out.truncate(start);
        } else if met.numbers & number != 0 {
            // Lists of spans that come in parts are one list.
            let has_parts = std::ptr::eq(message, &REQUEST) || std::ptr::eq(message, &RESOURCE_SPANS);
            if !(field.repeated && has_parts) {
                self.out.remove_fields(start, field.number);
            }
        }
        met.numbers |= number;
        met.out_of_order |= field.number < met.last;
        met.last = field.number;
        if field.repeated { self.list(field, depth) } else { self.value(field, message.is_choice, depth) }
    }

    /// list = null / "[" [ value *( "," value ) ] "]"
    fn list(&mut self, field: &'static Field, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        if !self.cursor.takes(b'[') {
            return if self.cursor.null() { Some(()) } else { self.expected("a list") };
        }
        if self.cursor.takes(b']') {
            return Some(());
        }
        let Kind::Message(inner) = field.kind else { return self.values(field, depth) };
        if std::ptr::eq(inner, &KEY_VALUE) {
            return self.attributes(field.tag(2), depth);
        }
        loop {
            self.nested(field.tag(2), inner, depth)?;
            if self.cursor.ends(b']')? {
                return Some(());
            }
        }
    }

    /// The rest of a list of anything but messages.
    fn values(&mut self, field: &'static Field, depth: u32) -> Option<()> {
        loop {
            self.value(field, true, depth)?;
            if self.cursor.ends(b']')? {
                return Some(());
            }
        }
    }

    /// The rest of a list of attributes.
    #[inline(never)]
    fn attributes(&mut self, tag: u8, depth: u32) -> Option<()> {
        let mut cursor = self.cursor;
        loop {
            match cursor.common_attribute() {
                Some(attribute) => self.attribute(tag, &attribute),
                None => {
                    self.cursor = cursor;
                    self.other_attribute(tag, depth)?;
                    cursor = self.cursor;
                }
            }
            if cursor.ends(b']')? {
                self.cursor = cursor;
                return Some(());
            }
        }
    }

    #[inline(never)]
    fn other_attribute(&mut self, tag: u8, depth: u32) -> Option<()> {
        self.nested(tag, &KEY_VALUE, depth)
    }

    #[inline(always)]
    fn attribute(&mut self, tag: u8, attribute: &Attribute<'t>) {
        match attribute.value {
            Value::Text(text) => self.out.key_bytes(tag, attribute.key, 0x0a, text, self.text),
            Value::Number(number) => {
                let mut any = [0; 16];
                any[0] = 0x18;
                let length = 1 + put_varint(&mut any[1..], number);
                self.out.key_any(tag, attribute.key, &any, length, self.text);
            }
        }
    }

    /// `always`: defaults are written too.
    #[inline(always)]
    fn value(&mut self, field: &'static Field, always: bool, depth: u32) -> Option<()> {
        match field.kind {
            Kind::Message(inner) => self.nested(field.tag(2), inner, depth)?,
            Kind::Text => match self.cursor.plain_string() {
                Some(text) => self.put_text(field, text, always),
                None => self.text().map(|text| self.put_text(field, &text, always))?,
            },
            Kind::Id => self.id(field.tag(2))?,
            Kind::Bytes => {
                let bytes = STANDARD.decode(&*self.text()?).unwrap_or_default();
                if always || !bytes.is_empty() {
                    self.out.bytes(field.tag(2), &bytes, b"");
                }
            }
            Kind::Fixed64 => {
                let number = match self.cursor.number() {
                    Some(time) => time,
                    None => self.number()?,
                };
                if always || number != 0 {
                    self.out.fixed64(field.tag(1), number);
                }
            }
            Kind::Fixed32 => {
                let number = self.number()?;
                if always || number != 0 {
                    self.out.fixed32(field.tag(5), number);
                }
            }
            Kind::Double => {
                let double = self.any_number()?.double();
                if always || double != 0.0 {
                    self.out.fixed64(field.tag(1), double.to_bits());
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
                    self.out.array(&[field.tag(0)]);
                    self.out.varint(number);
                }
            }
        }
        Some(())
    }

    #[inline(always)]
    fn put_text(&mut self, field: &'static Field, text: &[u8], always: bool) {
        if always || !text.is_empty() {
            self.out.bytes(field.tag(2), text, self.text);
        }
    }

    #[inline(always)]
    fn nested(&mut self, tag: u8, message: &'static Message, depth: u32) -> Option<()> {
        let opened = self.out.open(tag, message.length_bytes);
        self.message(message, depth)?;
        self.out.close(opened);
        Some(())
    }

    #[cold]
    fn expected(&mut self, what: &'static str) -> Option<()> {
        self.cursor.peek();
        self.unexpected.get_or_insert((self.text.len() - self.cursor.rest.len(), what));
        None
    }

    /// text = null / string
    #[inline]
    fn text(&mut self) -> Option<Cow<'t, [u8]>> {
        match self.cursor.string() {
            None if self.cursor.null() => Some(Cow::Borrowed(b"")),
            None => self.expected("text").and(None),
            text => text,
        }
    }

    /// id = 32HEX / 16HEX, any case / 24BASE64 / 12BASE64, also without their padding
    #[inline]
    fn id(&mut self, tag: u8) -> Option<()> {
        if let Some(id) = self.cursor.hex_id::<8>() {
            self.out.array(&[tag, 8]);
            self.out.array(&id);
        } else if let Some(id) = self.cursor.hex_id::<16>() {
            self.out.array(&[tag, 16]);
            self.out.array(&id);
        } else {
            return self.other_id(tag);
        }
        Some(())
    }

    #[inline(never)]
    fn other_id(&mut self, tag: u8) -> Option<()> {
        let text = self.text()?;
        let id = match text.len() {
            32 => whole_hex::<16>(&text).map(Vec::from),
            16 => whole_hex::<8>(&text).map(Vec::from),
            24 | 12 => STANDARD.decode(&*text).ok(),
            22 | 11 => STANDARD_NO_PAD.decode(&*text).ok(),
            _ => None,
        };
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            self.out.bytes(tag, &id, b"");
        }
        Some(())
    }

    /// What is out of range is 0.
    fn number<T: TryFrom<i128> + TryFrom<u64> + Default>(&mut self) -> Option<T> {
        if let Some(number) = self.cursor.number() {
            return Some(T::try_from(number).unwrap_or_default());
        }
        Some(T::try_from(self.any_number()?.integer()).unwrap_or_default())
    }

    fn any_number(&mut self) -> Option<Number> {
        match self.cursor.raw().and_then(|raw| serde_json::from_slice(raw).ok().map(|number| (raw.len(), number))) {
            Some((length, number)) => {
                self.cursor.pass(length);
                Some(number)
            }
            None => self.expected("a number").and(None),
        }
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.cursor.raw().and_then(|raw| serde_json::from_slice::<Option<bool>>(raw).ok().map(|yes| (raw, yes))) {
            Some((raw, yes)) => {
                self.cursor.pass(raw.len());
                Some(yes.unwrap_or(false))
            }
            None => self.expected("a boolean").and(None),
        }
    }
}

#[cfg(test)]
mod tests;
