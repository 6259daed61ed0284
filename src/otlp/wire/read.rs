//! The fields of a protobuf message, read in place.
//!
//! In go bytes, out come field numbers with borrowed values. No message types, no recursion: whoever reads a message
//! inside another asks again for that one's bytes.

/// The value of a field, as its wire type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: text, bytes or a message.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The bytes of a length-delimited field, empty for any other.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Value::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// The number of a varint field, 0 for any other.
    pub fn number(self) -> u64 {
        match self {
            Value::Varint(number) => number,
            _ => 0,
        }
    }
}

/// The fields of one message in order; ends at the first thing that is not protobuf. Groups, which proto3 does not have,
/// count as none.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    length: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads `message`.
    #[inline]
    pub fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { length: message.len(), rest: message }
    }

    /// Where the next field begins in the message.
    #[inline]
    pub fn at(&self) -> usize {
        self.length - self.rest.len()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    /// A message that was read to its end is told from one that was not by [`Fields::at`].
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (field, rest) = field(self.rest)?;
        self.rest = rest;
        Some(field)
    }
}

/// A field, and what follows it.
#[inline(always)]
fn field(message: &[u8]) -> Option<((u32, Value<'_>), &[u8])> {
    let (tag, rest) = varint(message)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number))?;
    let (value, rest) = match tag & 7 {
        0 => varint(rest).map(|(number, rest)| (Value::Varint(number), rest))?,
        1 => rest.split_first_chunk().map(|(bytes, rest)| (Value::Fixed64(u64::from_le_bytes(*bytes)), rest))?,
        2 => {
            let (length, rest) = varint(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Value::Bytes(bytes), rest)
        }
        5 => rest.split_first_chunk().map(|(bytes, rest)| (Value::Fixed32(u32::from_le_bytes(*bytes)), rest))?,
        _ => return None,
    };
    Some(((number, value), rest))
}

/// Most have one byte, and nearly all others two: tags of the fields above 15, lengths of spans.
#[inline(always)]
fn varint(message: &[u8]) -> Option<(u64, &[u8])> {
    match message {
        [byte @ 0..0x80, rest @ ..] => Some((u64::from(*byte), rest)),
        [low, high @ 0..0x80, rest @ ..] => Some((u64::from(low & 0x7f) | u64::from(*high) << 7, rest)),
        _ => long_varint(message),
    }
}

#[inline(never)]
fn long_varint(message: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, &byte) in message.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            // The tenth byte holds the last bit.
            return (index < 9 || byte < 2).then_some((value, &message[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::otlp::wire::write;

    #[test]
    fn reads_back_what_prost_writes() {
        use prost::Message;
        let status = opentelemetry_proto::tonic::trace::v1::Status { message: "no".into(), code: 2 };
        let bytes = status.encode_to_vec();
        let fields: Vec<_> = Fields::of(&bytes).collect();
        assert_eq!(fields, [(2, Value::Bytes(b"no")), (3, Value::Varint(2))]);
    }

    #[test]
    fn a_message_is_read_to_its_end_or_shown_where_it_breaks() {
        let bytes = [0x08, 0x01, 0x12, 0x02, 7, 7, 0x1a, 0x05, 1];
        let mut fields = Fields::of(&bytes);
        assert_eq!(fields.by_ref().map(|(number, _)| number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(fields.at(), 6);
        for broken in
            [&[0x00, 0x01][..], &[0x0b, 0x0c], &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert_eq!(Fields::of(broken).count(), 0, "{broken:?}");
        }
    }

    #[test]
    fn a_length_past_the_end_ends_the_message() {
        assert_eq!(Fields::of(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1]).count(), 0);
        assert_eq!(Fields::of(&[0x08, 0x01, 0x0a, 5, 1]).count(), 1);
    }

    proptest! {
        #[test]
        fn varints_take_as_many_bytes_as_said(value: u64) {
            let mut out = Vec::new();
            write::varint(&mut out, value);
            prop_assert_eq!(out.len(), write::varint_len(value as usize));
            prop_assert_eq!(varint(&out), Some((value, &[][..])));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            Fields::of(&bytes).count();
        }
    }
}
