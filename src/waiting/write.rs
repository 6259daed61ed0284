//! Records to bytes.

use spanline_parsers::{Entry, Field, Time, TraceContext, Value};

use super::layout::{COPIED, FIELD_BYTES, FILE_BEGINS, FILE_ENDS, GIVEN_UP_TO, POSITION_BYTES, RECORD};
use crate::record::{Position, Record};

/// Bytes of anything but a record, at most.
pub(super) const EVENT_BYTES: usize = 1 + 1 + 4 + 8;
/// Bytes of a record's fixed fields, at most.
const FIXED_BYTES: usize = 192;
/// Room that a record needs, rather more; `None` if it is too long.
pub(super) fn length(record: &Record<'_>) -> Option<usize> {
    let entry = record.entry;
    let fields = || entry.fields.iter().chain(record.envelope_fields);
    let text = |value: &Value<'_>| match value {
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::Number(number) => number.len(),
        Value::Bool(_) | Value::Null => 0,
    };
    let of_fields: usize = fields().map(|field| FIELD_BYTES + field.key.len() + text(&field.value)).sum();
    let of_number = entry.number_time.map_or(0, |number| number.key.len() + number.raw.len());
    let of_code = entry.code.map_or(0, |code| code.file.len());
    let texts = entry.severity_text.len() + entry.body.len() + of_number + of_code;
    let length = FIXED_BYTES + record.payload.len() + of_fields + texts;
    (length < COPIED as usize).then_some(length)
}

/// Where in the payload a text lies; [`COPIED`] if it lies elsewhere.
#[inline]
fn place(text: &[u8], payload: &[u8]) -> u32 {
    let place = (text.as_ptr() as usize).wrapping_sub(payload.as_ptr() as usize);
    if place <= payload.len() && text.len() <= payload.len() - place { place as u32 } else { COPIED }
}

/// Appends to a block.
pub(super) struct Writer<'b> {
    out: &'b mut Vec<u8>,
}

impl<'b> Writer<'b> {
    pub(super) fn new(out: &'b mut Vec<u8>) -> Writer<'b> {
        Writer { out }
    }

    pub(super) fn file_begins(&mut self, file: u32) {
        self.u8(FILE_BEGINS);
        self.u32(file);
    }

    pub(super) fn file_ends(&mut self, whole: bool) {
        self.u8(FILE_ENDS);
        self.u8(u8::from(whole));
    }

    pub(super) fn given_up_to(&mut self, open: Option<(u32, u64)>) {
        self.u8(GIVEN_UP_TO);
        self.u8(u8::from(open.is_some()));
        if let Some((file, line)) = open {
            self.u32(file);
            self.u64(line);
        }
    }

    pub(super) fn record(&mut self, record: &Record<'_>, origin: u32) {
        let Record { position, entry, payload, .. } = record;
        self.u8(RECORD);
        self.u32(origin);
        self.position(position);
        self.u8(record.envelope as u8);
        self.u8(record.stream as u8);
        self.option(record.time, Writer::i64);
        self.u8(record.time_digits);
        self.option(record.envelope_time, Writer::i64);
        self.u32(record.piece);
        self.u32(payload.len() as u32);
        self.out.extend_from_slice(payload);
        self.entry(entry, payload);
        self.fields(record.envelope_fields, payload);
    }

    fn position(&mut self, position: &Position) {
        let Position { file, line, lines, offset, end, strand, seqnum, is_left_out } = *position;
        let mut row = [0; POSITION_BYTES];
        row[..8].copy_from_slice(&line.to_le_bytes());
        row[8..16].copy_from_slice(&offset.to_le_bytes());
        row[16..24].copy_from_slice(&end.to_le_bytes());
        row[24..32].copy_from_slice(&strand.to_le_bytes());
        row[32..36].copy_from_slice(&file.to_le_bytes());
        row[36..].copy_from_slice(&lines.to_le_bytes());
        self.out.extend_from_slice(&row);
        self.option(seqnum, Writer::u64);
        self.u8(u8::from(is_left_out));
    }

    fn entry(&mut self, entry: &Entry<'_>, payload: &[u8]) {
        self.u8(entry.format as u8);
        self.time(entry.time);
        self.u8(entry.severity.0);
        self.text(&entry.severity_text, payload);
        self.text(&entry.body, payload);
        self.option(entry.pid, Writer::u64);
        self.option(entry.code, |writer, code| {
            writer.text(code.file, payload);
            writer.u32(code.line);
        });
        self.trace(&entry.trace);
        self.option(entry.number_time, |writer, number| {
            writer.text(number.key, payload);
            writer.text(number.raw, payload);
            writer.u64(number.place as u64);
        });
        self.fields(&entry.fields, payload);
    }

    fn time(&mut self, time: Time) {
        match time {
            Time::None => self.u8(0),
            Time::Unix { nanos, digits } => {
                self.u8(1);
                self.i64(nanos);
                self.u8(digits);
            }
            Time::Local { year, month, day, nanos_of_day, digits } => {
                self.u8(2);
                self.option(year, |writer, year| writer.u32(year as u32));
                self.u8(month);
                self.u8(day);
                self.i64(nanos_of_day);
                self.u8(digits);
            }
        }
    }

    fn trace(&mut self, trace: &TraceContext) {
        let TraceContext { trace_id, span_id, flags, remote_parent, low64 } = *trace;
        self.u8(u8::from(remote_parent) | u8::from(low64) << 1);
        self.option(trace_id, |writer, id| writer.out.extend_from_slice(&id));
        self.option(span_id, |writer, id| writer.out.extend_from_slice(&id));
        self.option(flags, Writer::u8);
    }

    fn fields(&mut self, fields: &[Field<'_>], payload: &[u8]) {
        self.u32(fields.len() as u32);
        for Field { key, value } in fields {
            let (kind, text): (u8, &[u8]) = match value {
                Value::Text(text) => (0, text),
                Value::Number(number) => (1, number),
                Value::Json(json) => (2, json),
                Value::Bool(false) => (3, b""),
                Value::Bool(true) => (4, b""),
                Value::Null => (5, b""),
            };
            let (key_place, text_place) = (place(key, payload), place(text, payload));
            // Put together first: one look at the room for all.
            let mut row = [0; FIELD_BYTES];
            row[..4].copy_from_slice(&key_place.to_le_bytes());
            row[4..8].copy_from_slice(&(key.len() as u32).to_le_bytes());
            row[8..12].copy_from_slice(&text_place.to_le_bytes());
            row[12..16].copy_from_slice(&(text.len() as u32).to_le_bytes());
            row[16] = kind;
            self.out.extend_from_slice(&row);
            if key_place == COPIED {
                self.out.extend_from_slice(key);
            }
            if text_place == COPIED {
                self.out.extend_from_slice(text);
            }
        }
    }

    #[inline]
    fn text(&mut self, text: &[u8], payload: &[u8]) {
        let place = place(text, payload);
        self.u32(place);
        self.u32(text.len() as u32);
        if place == COPIED {
            self.out.extend_from_slice(text);
        }
    }

    #[inline]
    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    #[inline]
    fn u8(&mut self, number: u8) {
        self.out.push(number);
    }

    #[inline]
    fn u32(&mut self, number: u32) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    #[inline]
    fn u64(&mut self, number: u64) {
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    #[inline]
    fn i64(&mut self, number: i64) {
        self.u64(number as u64);
    }
}
