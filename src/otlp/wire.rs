//! Just enough of protobuf's wire format: lengths and tags going out, one pass over the fields coming in.
//!
//! In go bytes, out come field numbers with borrowed values. No message types, no recursion: whoever reads a message
//! inside another asks again for that one's bytes.

/// Bytes that `value` takes as a varint.
#[inline]
pub fn varint_len(value: u64) -> usize {
    // ⌈bits / 7⌉, at least 1.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends `value` as a varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

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

/// The fields of one message in order; ends at the first thing that is not protobuf.
#[derive(Debug, Clone)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Reads `message`.
    pub fn of(message: &'a [u8]) -> Fields<'a> {
        Fields(message)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for (index, &byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.0 = &self.0[index + 1..];
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((number, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_back_what_prost_writes() {
        use prost::Message;
        let status = opentelemetry_proto::tonic::trace::v1::Status { message: "no".into(), code: 2 };
        let bytes = status.encode_to_vec();
        let fields: Vec<_> = Fields::of(&bytes).collect();
        assert_eq!(fields, [(2, Value::Bytes(b"no")), (3, Value::Varint(2))]);
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
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            prop_assert_eq!(Fields(&out).varint(), Some(value));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            Fields::of(&bytes).count();
        }
    }
}
