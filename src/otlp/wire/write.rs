//! Tags, varints and length prefixes straight into a buffer.
//!
//! In go bytes and numbers, out comes the encoding that prost would give for the same message (a test of the encoder
//! holds it to that). No messages are known here.

use super::read::Fields;

/// Bytes that a varint takes.
#[inline]
pub fn varint_len(value: usize) -> usize {
    // ⌈bits / 7⌉, at least 1.
    (70 - (value as u64 | 1).leading_zeros() as usize) / 7
}

/// Appends a varint.
#[inline]
pub fn varint(out: &mut Vec<u8>, value: u64) {
    let mut encoded = [0; 10];
    let length = put_varint(&mut encoded, value);
    out.extend_from_slice(&encoded[..length]);
}

/// Appends a field of bytes: tag, length, content.
#[inline]
pub fn bytes(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Calls with each field of a message: its number and all its bytes.
fn each_field<'m>(message: &'m [u8], mut each: impl FnMut(u32, &'m [u8])) {
    let (mut fields, mut start) = (Fields::of(message), 0);
    while let Some((number, _)) = fields.next() {
        each(number, &message[start..fields.at()]);
        start = fields.at();
    }
}

/// What a message is written into: bytes that are there already, and how far they are filled.
///
/// An attribute is a dozen pieces of a few bytes. Room for all of them is made once, and each is stored in its place: that
/// takes half the time of appending them to a `Vec`, which looks at its capacity and calls `memcpy` for each.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    at: usize,
}

/// The longest header of a `KeyValue`: four tags, and lengths of a whole file.
const HEADERS: usize = 4 + 4 * 10;

/// Short pieces are stored this many bytes at once, whatever their length.
const WIDE: usize = 32;

/// Key and content of an attribute together, up to which each of its four lengths takes one byte.
const SHORT: usize = 0x7f - 6;

impl Buffer {
    /// What is written so far.
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.at]
    }

    /// An empty one with room for this many bytes.
    pub fn with_room(length: usize) -> Buffer {
        Buffer { bytes: vec![0; length], at: 0 }
    }

    /// How many bytes there is room for, those that are written included.
    pub fn room_len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes are written.
    #[inline]
    pub fn len(&self) -> usize {
        self.at
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// What is written, without a copy.
    pub fn into_written(mut self) -> Vec<u8> {
        self.bytes.truncate(self.at);
        self.bytes
    }

    /// Forgets what is written, and keeps the room.
    pub fn clear(&mut self) {
        self.at = 0;
    }

    /// Forgets what is written from there on, and keeps the room.
    pub fn truncate(&mut self, length: usize) {
        self.at = self.at.min(length);
    }

    /// Takes out the fields of a number from the message that begins there and ends where writing is.
    #[cold]
    pub fn remove_fields(&mut self, from: usize, number: u32) {
        let message = self.bytes[from..self.at].to_vec();
        self.at = from;
        each_field(&message, |field, bytes| {
            if field != number {
                self.put(bytes);
            }
        });
    }

    /// Puts the fields of the message that begins there and ends where writing is into the order of their numbers; those
    /// of one number stay in theirs.
    #[cold]
    pub fn sort_fields(&mut self, from: usize) {
        let message = self.bytes[from..self.at].to_vec();
        let mut all = Vec::new();
        each_field(&message, |field, bytes| all.push((field, bytes)));
        all.sort_by_key(|(field, _)| *field);
        self.at = from;
        all.iter().for_each(|(_, bytes)| self.put(bytes));
    }

    /// Room for this many bytes after what is written.
    #[inline(always)]
    fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.at + length;
        if end > self.bytes.len() {
            self.grow(end);
        }
        &mut self.bytes[self.at..end]
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, end: usize) {
        self.bytes.resize(end.max(2 * self.bytes.len()).max(4096), 0);
    }

    /// Appends bytes.
    #[inline]
    pub fn put(&mut self, content: &[u8]) {
        copy(self.room(content.len()), content);
        self.at += content.len();
    }

    /// Appends a number of bytes that is fixed, so that all of them are stored at once.
    #[inline(always)]
    pub fn array<const N: usize>(&mut self, content: &[u8; N]) {
        self.room(N).copy_from_slice(content);
        self.at += N;
    }

    /// Appends a varint.
    #[inline]
    pub fn varint(&mut self, value: u64) {
        let taken = put_varint(self.room(10), value);
        self.at += taken;
    }

    /// Appends a field of bytes: tag, length, content. `around`: what the content is mostly a piece of.
    #[inline]
    pub fn bytes(&mut self, tag: u8, content: &[u8], around: &[u8]) {
        let length = content.len();
        if length < 0x80 {
            let room = self.room(2 + length + WIDE);
            room[..2].copy_from_slice(&[tag, length as u8]);
            wide(&mut room[2..], content, around);
            self.at += 2 + length;
            return;
        }
        let room = self.room(11 + length);
        room[0] = tag;
        let start = 1 + put_varint(&mut room[1..], length as u64);
        room[start..start + length].copy_from_slice(content);
        self.at += start + length;
    }

    /// Appends a fixed64 field.
    #[inline(always)]
    pub fn fixed64(&mut self, tag: u8, value: u64) {
        let mut field = [0u8; 9];
        field[0] = tag;
        field[1..].copy_from_slice(&value.to_le_bytes());
        self.array(&field);
    }

    /// Appends a fixed32 field.
    #[inline]
    pub fn fixed32(&mut self, tag: u8, value: u32) {
        let mut field = [0u8; 5];
        field[0] = tag;
        field[1..].copy_from_slice(&value.to_le_bytes());
        self.array(&field);
    }

    /// Opens a message field whose length is not known yet; room for `guess` bytes of length is left. Close it with
    /// [`Buffer::close`].
    #[inline]
    pub fn open(&mut self, tag: u8, guess: usize) -> Opened {
        let guess = guess.min(4);
        self.room(5)[0] = tag;
        self.at += 1 + guess;
        Opened { start: self.at, guess }
    }

    /// Writes the length of a message field; its content moves if the guess was wrong.
    #[inline]
    pub fn close(&mut self, opened: Opened) {
        let Opened { start, guess } = opened;
        let length = self.at - start;
        match (guess, length) {
            (1, 0..0x80) => self.bytes[start - 1] = length as u8,
            (2, 0x80..0x4000) => {
                self.bytes[start - 2..start].copy_from_slice(&[length as u8 | 0x80, (length >> 7) as u8]);
            }
            _ => self.close_by_moving(opened, length),
        }
    }

    #[inline(never)]
    fn close_by_moving(&mut self, opened: Opened, length: usize) {
        let Opened { start, guess } = opened;
        let needed = varint_len(length);
        let from = start - guess;
        if needed != guess {
            self.room(needed);
            self.bytes.copy_within(start..self.at, from + needed);
            self.at = from + needed + length;
        }
        put_varint(&mut self.bytes[from..from + needed], length as u64);
    }

    /// Appends `KeyValue { key, value: AnyValue { <tag>: content } }` as a field of the message around it. `around`: what
    /// key and content are mostly pieces of.
    #[inline(always)]
    pub fn key_bytes(&mut self, field: u8, key: &[u8], any_tag: u8, content: &[u8], around: &[u8]) {
        let total = key.len() + content.len();
        if total > SHORT {
            return self.long_key_bytes(field, key, any_tag, content);
        }
        let room = self.room(total + 8 + WIDE);
        room[..4].copy_from_slice(&[field, total as u8 + 6, 0x0a, key.len() as u8]);
        wide(&mut room[4..], key, around);
        let room = &mut room[4 + key.len()..];
        room[..4].copy_from_slice(&[0x12, content.len() as u8 + 2, any_tag, content.len() as u8]);
        wide(&mut room[4..], content, around);
        self.at += total + 8;
    }

    /// As [`Buffer::key_bytes`], for a key that is known where this is called: it is stored without a look at its length.
    #[inline(always)]
    pub fn named(&mut self, field: u8, key: &'static [u8], any_tag: u8, content: &[u8], around: &[u8]) {
        let total = key.len() + content.len();
        if total > SHORT {
            return self.long_key_bytes(field, key, any_tag, content);
        }
        let room = self.room(total + 8 + WIDE);
        room[..4].copy_from_slice(&[field, total as u8 + 6, 0x0a, key.len() as u8]);
        room[4..4 + key.len()].copy_from_slice(key);
        let room = &mut room[4 + key.len()..];
        room[..4].copy_from_slice(&[0x12, content.len() as u8 + 2, any_tag, content.len() as u8]);
        wide(&mut room[4..], content, around);
        self.at += total + 8;
    }

    /// As [`Buffer::key_any`], for a short key that is known where this is called.
    #[inline(always)]
    pub fn named_any(&mut self, field: u8, key: &'static [u8], any: &[u8; 16], length: usize) {
        assert!(key.len() + 16 <= SHORT, "BUG: a key of ours is too long");
        let total = key.len() + length;
        let room = self.room(total + 6 + WIDE);
        room[..4].copy_from_slice(&[field, total as u8 + 4, 0x0a, key.len() as u8]);
        room[4..4 + key.len()].copy_from_slice(key);
        let room = &mut room[4 + key.len()..];
        room[..2].copy_from_slice(&[0x12, length as u8]);
        room[2..18].copy_from_slice(any);
        self.at += total + 6;
    }

    #[inline(never)]
    fn long_key_bytes(&mut self, field: u8, key: &[u8], any_tag: u8, content: &[u8]) {
        let any = 1 + varint_len(content.len()) + content.len();
        let pair = 1 + varint_len(key.len()) + key.len() + 1 + varint_len(any) + any;
        self.room(HEADERS + key.len() + content.len() + WIDE);
        self.array(&[field]);
        self.varint(pair as u64);
        self.bytes(0x0a, key, b"");
        self.array(&[0x12]);
        self.varint(any as u64);
        self.bytes(any_tag, content, b"");
    }

    /// Appends `KeyValue { key, value: AnyValue <any> }`, the value already encoded (without its length): the first
    /// `length` of these bytes. `around`: what the key is mostly a piece of.
    #[inline(always)]
    pub fn key_any(&mut self, field: u8, key: &[u8], any: &[u8; 16], length: usize, around: &[u8]) {
        let total = key.len() + length;
        if total <= SHORT {
            // All of `any` is stored, and what is beyond its length is overwritten by what follows.
            let room = self.room(total + 6 + WIDE);
            room[..4].copy_from_slice(&[field, total as u8 + 4, 0x0a, key.len() as u8]);
            wide(&mut room[4..], key, around);
            let room = &mut room[4 + key.len()..];
            room[..2].copy_from_slice(&[0x12, length as u8]);
            room[2..18].copy_from_slice(any);
            self.at += total + 6;
            return;
        }
        let pair = 1 + varint_len(key.len()) + key.len() + 2 + length;
        self.array(&[field]);
        self.varint(pair as u64);
        self.bytes(0x0a, key, b"");
        self.bytes(0x12, &any[..length], b"");
    }
}

/// Copies a piece to the start of a slice that has [`WIDE`] bytes more than it needs. Where the piece stands in the text
/// around it, and so much follows there, it is copied with what follows: one store for every length, and no branch on it.
#[inline(always)]
fn wide(to: &mut [u8], piece: &[u8], around: &[u8]) {
    let offset = piece.as_ptr().addr().wrapping_sub(around.as_ptr().addr());
    if piece.len() <= WIDE
        && let Some(text) = around.get(offset..).and_then(|rest| rest.first_chunk::<WIDE>())
        && let Some(to) = to.first_chunk_mut::<WIDE>()
    {
        *to = *text;
    } else {
        copy(&mut to[..piece.len()], piece);
    }
}

/// Writes a varint to the start of a slice: how many bytes it took.
#[inline(always)]
pub fn put_varint(to: &mut [u8], value: u64) -> usize {
    let (mut rest, mut at) = (value, 0);
    while rest >= 0x80 {
        to[at] = rest as u8 | 0x80;
        rest >>= 7;
        at += 1;
    }
    to[at] = rest as u8;
    at + 1
}

/// Copies between slices of equal length. Short ones, which keys and most values are, take two stores that may overlap
/// instead of a call.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    #[inline(always)]
    fn both_ends<const N: usize>(to: &mut [u8], from: &[u8]) -> bool {
        let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else { return false };
        let Some(start) = to.first_chunk_mut::<N>() else { return false };
        *start = *first;
        let Some(end) = to.last_chunk_mut::<N>() else { return false };
        *end = *last;
        true
    }
    match from.len() {
        33.. => to.copy_from_slice(from),
        16.. => _ = both_ends::<16>(to, from),
        8.. => _ = both_ends::<8>(to, from),
        4.. => _ = both_ends::<4>(to, from),
        2.. => _ = both_ends::<2>(to, from),
        1 => _ = both_ends::<1>(to, from),
        0 => {}
    }
}

/// A message field that is being written.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    start: usize,
    guess: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_bytes() {
        for value in [0usize, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_456] {
            let mut out = Vec::new();
            varint(&mut out, value as u64);
            assert_eq!(out.len(), varint_len(value), "{value}");
        }
    }

    #[test]
    fn fields_are_taken_out_and_put_in_order() {
        let mut out = Buffer::default();
        out.put(b"before");
        for (tag, content) in [(0x1a, "c"), (0x0a, "a"), (0x12, "b"), (0x0a, "aa")] {
            out.bytes(tag, content.as_bytes(), b"");
        }
        out.sort_fields(6);
        assert_eq!(out.written(), b"before\x0a\x01a\x0a\x02aa\x12\x01b\x1a\x01c");
        out.remove_fields(6, 1);
        assert_eq!(out.written(), b"before\x12\x01b\x1a\x01c");
    }

    #[test]
    fn a_wrong_guess_gives_the_same_bytes() {
        for length in [0usize, 1, 127, 128, 300, 16_383, 16_384, 70_000] {
            let content = vec![7u8; length];
            let mut expected = vec![1, 2];
            bytes(&mut expected, 0x12, &content);
            for guess in 0..=4 {
                let mut out = Buffer::default();
                out.put(&[1, 2]);
                let opened = out.open(0x12, guess);
                out.put(&content);
                out.close(opened);
                assert_eq!(out.written(), expected, "{length} bytes, guess {guess}");
            }
        }
    }

    #[test]
    fn keys_and_values_of_every_length_are_the_fields_they_stand_for() {
        let text: Vec<u8> = (0..400u32).map(|n| n as u8).collect();
        for key in (0..70).chain([120, 127, 128, 300]) {
            for length in (0..70).chain([110, 126, 127, 128, 300]) {
                // Content at the end of the text around it, in its middle, and from elsewhere.
                let elsewhere = text[..length].to_vec();
                let around = &text[..key.max(length) + 7 * (length % 6)];
                let (key, content) = (&text[..key], if length % 5 == 0 { &elsewhere } else { &text[..length] });
                let field = |any: &[u8]| {
                    let (mut pair, mut whole) = (Vec::new(), Vec::new());
                    bytes(&mut pair, 0x0a, key);
                    bytes(&mut pair, 0x12, any);
                    bytes(&mut whole, 0x32, &pair);
                    whole
                };
                let (mut any, mut out) = (Vec::new(), Buffer::default());
                bytes(&mut any, 0x0a, content);
                out.key_bytes(0x32, key, 0x0a, content, around);
                assert_eq!(out.written(), field(&any), "{} {length}", key.len());
                if let Some(short) = content.get(..length.min(16)) {
                    let mut any = [0; 16];
                    any[..short.len()].copy_from_slice(short);
                    out.clear();
                    out.key_any(0x32, key, &any, short.len(), around);
                    assert_eq!(out.written(), field(short), "{} {}", key.len(), short.len());
                }
            }
        }
    }
}
