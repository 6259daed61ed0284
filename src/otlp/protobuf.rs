//! Protobuf by hand: tags, varints and length prefixes straight into a buffer.
//!
//! In go bytes and numbers, out comes the encoding that prost would give for the same message (a test of the encoder
//! holds it to that). No messages are known here, and nothing is read.

use super::wire;
pub use super::wire::put_varint as varint;

/// Length of a varint.
#[inline]
pub fn varint_len(value: usize) -> usize {
    wire::varint_len(value as u64)
}

/// Appends a field of bytes: tag, length, content.
#[inline]
pub fn bytes(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends a fixed64 field.
#[inline]
pub fn fixed64(out: &mut Vec<u8>, tag: u8, value: u64) {
    let mut field = [0u8; 9];
    field[0] = tag;
    field[1..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&field);
}

/// Appends a fixed32 field.
#[inline]
pub fn fixed32(out: &mut Vec<u8>, tag: u8, value: u32) {
    let mut field = [0u8; 5];
    field[0] = tag;
    field[1..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&field);
}

/// Opens a message field whose length is not known yet; room for `guess` bytes of length is left. Close it with
/// [`close`].
#[inline]
pub fn open(out: &mut Vec<u8>, tag: u8, guess: usize) -> Opened {
    out.push(tag);
    out.extend_from_slice(&[0; 4][..guess.min(4)]);
    Opened { start: out.len(), guess: guess.min(4) }
}

/// A message field that is being written.
#[derive(Debug, Clone, Copy)]
pub struct Opened {
    start: usize,
    guess: usize,
}

/// Writes the length of a message field; its content moves if the guess was wrong.
#[inline]
pub fn close(out: &mut Vec<u8>, opened: Opened) {
    let Opened { start, guess } = opened;
    let length = out.len() - start;
    let needed = varint_len(length);
    if needed > guess {
        let end = out.len();
        out.resize(end + needed - guess, 0);
        out.copy_within(start..end, start + needed - guess);
    } else if needed < guess {
        out.copy_within(start.., start - (guess - needed));
        out.truncate(out.len() - (guess - needed));
    }
    let at = start - guess;
    let mut rest = length;
    for (index, byte) in out[at..at + needed].iter_mut().enumerate() {
        *byte = rest as u8 & 0x7f | if index + 1 < needed { 0x80 } else { 0 };
        rest >>= 7;
    }
}

/// Appends `KeyValue { key, value: AnyValue { <tag>: content } }` as a field of the message around it.
#[inline]
pub fn key_bytes(out: &mut Vec<u8>, field: u8, key: &[u8], any_tag: u8, content: &[u8]) {
    let any = 1 + varint_len(content.len()) + content.len();
    let pair = 1 + varint_len(key.len()) + key.len() + 1 + varint_len(any) + any;
    if pair < 0x80 {
        // All four lengths fit one byte each: the usual attribute.
        out.reserve(pair + 2);
        out.extend_from_slice(&[field, pair as u8, 0x0a, key.len() as u8]);
        out.extend_from_slice(key);
        out.extend_from_slice(&[0x12, any as u8, any_tag, content.len() as u8]);
        out.extend_from_slice(content);
        return;
    }
    out.push(field);
    varint(out, pair as u64);
    bytes(out, 0x0a, key);
    out.push(0x12);
    varint(out, any as u64);
    bytes(out, any_tag, content);
}

/// Appends `KeyValue { key, value: AnyValue <any> }`, the value already encoded (without its length).
#[inline]
pub fn key_any(out: &mut Vec<u8>, field: u8, key: &[u8], any: &[u8]) {
    let pair = 1 + varint_len(key.len()) + key.len() + 1 + varint_len(any.len()) + any.len();
    out.push(field);
    varint(out, pair as u64);
    bytes(out, 0x0a, key);
    bytes(out, 0x12, any);
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
    fn a_wrong_guess_gives_the_same_bytes() {
        for length in [0usize, 1, 127, 128, 300, 16_383, 16_384, 70_000] {
            let content = vec![7u8; length];
            let mut expected = vec![1, 2];
            bytes(&mut expected, 0x12, &content);
            for guess in 0..=4 {
                let mut out = vec![1, 2];
                let opened = open(&mut out, 0x12, guess);
                out.extend_from_slice(&content);
                close(&mut out, opened);
                assert_eq!(out, expected, "{length} bytes, guess {guess}");
            }
        }
    }
}
