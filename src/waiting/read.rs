//! Bytes to records. What is read was written by the same process: a block that ends early ends the records.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use spanline_parsers::{CodeSite, Entry, Field, Format, NumberTime, Severity, Text, Time, TraceContext, Value};

use super::item::Item;
use super::layout::{COPIED, FIELD_BYTES, FILE_BEGINS, FILE_ENDS, POSITION_BYTES, RECORD};
use crate::record::{Envelope, Origin, Position, Record, Stream};

/// Reads a block.
pub(super) struct Reader<'w> {
    rest: &'w [u8],
    source: u32,
    origins: &'w [Arc<Origin>],
    /// Keeps its room from record to record.
    entry: Entry<'w>,
    envelope_fields: Vec<Field<'w>>,
}

impl<'w> Reader<'w> {
    pub(super) fn new(block: &'w [u8], source: u32, origins: &'w [Arc<Origin>]) -> Reader<'w> {
        Reader { rest: block, source, origins, entry: Entry::default(), envelope_fields: Vec::new() }
    }

    /// Leaves out so many bytes: whole items.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Bytes that were not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Gives the next item; `None` at the end.
    pub(super) fn next(&mut self, take: &mut impl FnMut(Item<'_>) -> ControlFlow<()>) -> Option<ControlFlow<()>> {
        Some(match self.u8()? {
            RECORD => take(Item::Record(self.record()?)),
            FILE_BEGINS => take(Item::FileBegins(self.u32()?)),
            FILE_ENDS => take(Item::FileEnds { whole: self.u8()? != 0 }),
            _ => {
                let open = self.option(|reader| Some((reader.u32()?, reader.u64()?)))?;
                take(Item::GivenUpTo(open))
            }
        })
    }

    fn record(&mut self) -> Option<Record<'_>> {
        let origin = self.origins.get(self.u32()? as usize)?;
        let position = self.position()?;
        let envelope = *Envelope::ALL.get(usize::from(self.u8()?))?;
        let stream = *Stream::ALL.get(usize::from(self.u8()?))?;
        let time = self.option(Reader::i64)?;
        let time_digits = self.u8()?;
        let envelope_time = self.option(Reader::i64)?;
        let piece = self.u32()?;
        let length = self.u32()?;
        let payload = self.bytes(length)?;
        self.entry(payload)?;
        let mut fields = std::mem::take(&mut self.envelope_fields);
        self.fields(&mut fields, payload)?;
        self.envelope_fields = fields;
        Some(Record {
            source: self.source,
            origin,
            position,
            envelope,
            stream,
            time,
            time_digits,
            envelope_time,
            entry: &self.entry,
            envelope_fields: &self.envelope_fields,
            payload,
            piece,
        })
    }

    fn position(&mut self) -> Option<Position> {
        let row = self.array::<POSITION_BYTES>()?;
        let (longs, _) = row.as_chunks::<8>();
        let [line, offset, end, strand, rest] = longs else { return None };
        let [line, offset, end, strand] = [line, offset, end, strand].map(|long| u64::from_le_bytes(*long));
        let rest = u64::from_le_bytes(*rest);
        let (file, lines) = (rest as u32, (rest >> 32) as u32);
        let (seqnum, is_left_out) = (self.option(Reader::u64)?, self.u8()? != 0);
        Some(Position { file, line, lines, offset, end, strand, seqnum, is_left_out })
    }

    fn entry(&mut self, payload: &'w [u8]) -> Option<()> {
        self.entry.format = *Format::ALL.get(usize::from(self.u8()?))?;
        self.entry.time = self.time()?;
        self.entry.severity = Severity(self.u8()?);
        self.entry.severity_text = self.text(payload)?;
        self.entry.body = self.text(payload)?;
        self.entry.pid = self.option(Reader::u64)?;
        self.entry.code = self.option(|reader| Some(CodeSite { file: reader.slice(payload)?, line: reader.u32()? }))?;
        self.entry.trace = self.trace()?;
        self.entry.number_time = self.option(|reader| {
            let (key, raw) = (reader.slice(payload)?, reader.slice(payload)?);
            Some(NumberTime { key, raw, place: reader.u64()? as usize })
        })?;
        let mut fields = std::mem::take(&mut self.entry.fields);
        self.fields(&mut fields, payload)?;
        self.entry.fields = fields;
        Some(())
    }

    fn time(&mut self) -> Option<Time> {
        Some(match self.u8()? {
            0 => Time::None,
            1 => Time::Unix { nanos: self.i64()?, digits: self.u8()? },
            _ => Time::Local {
                year: self.option(|reader| Some(reader.u32()? as i32))?,
                month: self.u8()?,
                day: self.u8()?,
                nanos_of_day: self.i64()?,
                digits: self.u8()?,
            },
        })
    }

    fn trace(&mut self) -> Option<TraceContext> {
        let marks = self.u8()?;
        Some(TraceContext {
            trace_id: self.option(Reader::array)?,
            span_id: self.option(Reader::array)?,
            flags: self.option(Reader::u8)?,
            remote_parent: marks & 1 != 0,
            low64: marks & 2 != 0,
        })
    }

    fn fields(&mut self, fields: &mut Vec<Field<'w>>, payload: &'w [u8]) -> Option<()> {
        fields.clear();
        for _ in 0..self.u32()? {
            let row = self.array::<FIELD_BYTES>()?;
            let (places, kind) = row.as_chunks::<4>();
            let [key_place, key_length, place, length] = places else { return None };
            let key = self.slice_at(payload, *key_place, *key_length)?;
            let text = self.slice_at(payload, *place, *length)?;
            let value = match kind {
                [0] => Value::Text(Cow::Borrowed(text)),
                [1] => Value::Number(text),
                [2] => Value::Json(Cow::Borrowed(text)),
                [3] => Value::Bool(false),
                [4] => Value::Bool(true),
                _ => Value::Null,
            };
            let key = Cow::Borrowed(key);
            fields.push(Field { key, value });
        }
        Some(())
    }

    #[inline]
    fn text(&mut self, payload: &'w [u8]) -> Option<Text<'w>> {
        self.slice(payload).map(Cow::Borrowed)
    }

    #[inline]
    fn slice(&mut self, payload: &'w [u8]) -> Option<&'w [u8]> {
        let (place, length) = (self.array()?, self.array()?);
        self.slice_at(payload, place, length)
    }

    /// The text of a length at a place of the payload, or right here.
    #[inline]
    fn slice_at(&mut self, payload: &'w [u8], place: [u8; 4], length: [u8; 4]) -> Option<&'w [u8]> {
        let length = u32::from_le_bytes(length);
        match u32::from_le_bytes(place) {
            COPIED => self.bytes(length),
            place => payload.get(place as usize..)?.get(..length as usize),
        }
    }

    #[inline]
    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            _ => read(self).map(Some),
        }
    }

    #[inline]
    fn bytes(&mut self, length: u32) -> Option<&'w [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length as usize)?;
        self.rest = rest;
        Some(bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    #[inline]
    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    fn i64(&mut self) -> Option<i64> {
        self.u64().map(|number| number as i64)
    }
}
