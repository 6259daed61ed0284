//! Numbers and texts as bytes.
//!
//! In go values, out come bytes, and the reverse: whatever is read, there is a value or none. What they mean is not known here.

/// varint = *( %x80-FF ) %x00-7F ; seven bits each, the lowest first
pub(super) fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A varint of at most 32 bits.
pub(super) fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    u32::try_from(take_varint(bytes)?).ok()
}

/// hash = 8OCTET ; the lowest byte first
pub(super) fn take_hash(bytes: &mut &[u8]) -> Option<u64> {
    let (hash, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*hash))
}

/// key = 16OCTET ; the lowest byte first
pub(super) fn take_key(bytes: &mut &[u8]) -> Option<u128> {
    let (key, rest) = bytes.split_first_chunk::<16>()?;
    *bytes = rest;
    Some(u128::from_le_bytes(*key))
}

/// text = varint *OCTET ; its length first
pub(super) fn put_text(into: &mut Vec<u8>, text: &str) {
    put_varint(into, text.len() as u64);
    into.extend_from_slice(text.as_bytes());
}

pub(super) fn take_text<'b>(bytes: &mut &'b [u8]) -> Option<&'b str> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_are_read_as_they_were_written_and_any_bytes_without_a_panic(
            value in any::<u64>(), text in ".{0,9}", bytes in proptest::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut written = Vec::new();
            put_varint(&mut written, value);
            put_text(&mut written, &text);
            let mut rest = &written[..];
            prop_assert_eq!((take_varint(&mut rest), take_text(&mut rest), rest.len()), (Some(value), Some(&*text), 0));
            take_varint(&mut &bytes[..]);
            take_text(&mut &bytes[..]);
            prop_assert_eq!(take_hash(&mut &bytes[..]).is_some(), bytes.len() >= 8);
            prop_assert_eq!(take_key(&mut &bytes[..]), None);
        }
    }

    #[test]
    fn varints_grow_by_a_byte_where_seven_bits_are_full() {
        for value in [0, 1, 0x7f, 0x80, 0x81, 0x3fff, 0x4000, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(
                (take_varint(&mut &bytes[..]), bytes.len()),
                (Some(value), value.max(1).ilog2() as usize / 7 + 1)
            );
        }
        let [mut fits, mut does_not] = [u64::from(u32::MAX), u64::from(u32::MAX) + 1].map(|value| {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            bytes
        });
        assert_eq!((take_u32(&mut &fits[..]), take_u32(&mut &does_not[..])), (Some(u32::MAX), None));
        fits.truncate(2);
        does_not.clear();
        assert_eq!((take_u32(&mut &fits[..]), take_u32(&mut &does_not[..])), (None, None));
    }
}
