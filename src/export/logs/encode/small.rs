//! What the encoder does to each value of a few bytes: read a number, write one, look whether text is ASCII, spell an id.
//!
//! In go bytes, out come values or arrays of bytes. No message is known here. All of it is straight code over words or
//! whole arrays, since it runs several times for every record.

/// As the library's, which looks at the last bytes one by one: lines are too short for that.
#[inline]
pub(super) fn is_ascii(text: &[u8]) -> bool {
    const HIGH: u128 = u128::from_ne_bytes([0x80; 16]);
    let Some(last) = text.last_chunk::<16>() else { return text.is_ascii() };
    // What is looked at twice does no harm.
    let last = u128::from_ne_bytes(*last);
    let seen = text.as_chunks::<16>().0.iter().fold(last, |seen, chunk| seen | u128::from_ne_bytes(*chunk));
    seen & HIGH == 0
}

/// Lower hex. Each step is one over all bytes, which the compiler makes a few vector instructions.
#[inline]
pub(super) fn hex(bytes: &[u8; 16]) -> [u8; 32] {
    let digit = |nibble: u8| nibble + b'0' + u8::from(nibble > 9) * (b'a' - b'9' - 1);
    let (high, low) = (bytes.map(|byte| digit(byte >> 4)), bytes.map(|byte| digit(byte & 15)));
    let mut out = [0u8; 32];
    for at in 0..16 {
        out[2 * at] = high[at];
        out[2 * at + 1] = low[at];
    }
    out
}

/// A varint after its tag: the bytes, and how many of them. They are put together in a register: bytes that are stored
/// one by one are not there yet when all of them are read.
#[inline]
pub(super) fn integer(tag: u8, value: i64) -> ([u8; 16], usize) {
    /// Of smaller ones, tag and varint make a word.
    const WORD: u64 = 1 << (7 * 7);
    let mut rest = value as u64;
    if rest >= WORD {
        return large_integer(tag, rest);
    }
    let (mut encoded, mut shift) = (u64::from(tag), 8);
    while rest >= 0x80 {
        encoded |= (rest & 0x7f | 0x80) << shift;
        rest >>= 7;
        shift += 8;
    }
    encoded |= rest << shift;
    (u128::from(encoded).to_le_bytes(), shift / 8 + 1)
}

#[cold]
fn large_integer(tag: u8, mut rest: u64) -> ([u8; 16], usize) {
    let mut encoded = [0u8; 16];
    encoded[0] = tag;
    let mut length = 1;
    while rest >= 0x80 {
        encoded[length] = rest as u8 | 0x80;
        rest >>= 7;
        length += 1;
    }
    encoded[length] = rest as u8;
    (encoded, length + 1)
}

/// A fixed 64-bit number after its tag, which takes nine bytes.
#[inline]
pub(super) fn fixed(tag: u8, value: u64) -> [u8; 16] {
    (u128::from(tag) | u128::from(value) << 8).to_le_bytes()
}

/// What a number token is.
pub(super) enum Number {
    /// Without a point.
    Integer(i64),
    /// With one.
    Double(f64),
}

/// A number of few digits, without an exponent; longer ones are left to others.
///
/// Up to 15 digits are a whole number that a double holds exactly, as it does powers of ten up to 22: their quotient is
/// rounded once, to the nearest.
#[inline]
pub(super) fn short_number(token: &[u8]) -> Option<Number> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if digits.len() > 16 || digits.is_empty() {
        return None;
    }
    let (mut value, mut point) = (0u64, 0);
    for (at, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
        } else if *byte == b'.' && point == 0 && at > 0 {
            point = at;
        } else {
            return None;
        }
    }
    let is_negative = digits.len() < token.len();
    if point == 0 {
        return Some(Number::Integer(if is_negative { -(value as i64) } else { value as i64 }));
    }
    if point + 1 == digits.len() {
        return None;
    }
    let value = value as f64 / POWERS[digits.len() - 1 - point];
    Some(Number::Double(if is_negative { -value } else { value }))
}

/// Decimal digits to a signed 64-bit integer, if that is what they are.
pub(super) fn integer_of(token: &[u8]) -> Option<i64> {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(token).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(token: &str) -> Option<u64> {
        match short_number(token.as_bytes())? {
            Number::Integer(value) => Some(value as u64),
            Number::Double(value) => Some(value.to_bits()),
        }
    }

    #[test]
    fn short_numbers_are_those_of_the_library() {
        for token in
            ["0.1", "-0.25", "283.912", "1.0", "123456789.123456", "0.00012345678901", "-0.0", "9.99999999999999"]
        {
            assert_eq!(bits(token), Some(token.parse::<f64>().unwrap().to_bits()), "{token}");
        }
        for token in ["0", "7", "-42", "9999999999999999", "-9999999999999999"] {
            assert_eq!(bits(token), Some(token.parse::<i64>().unwrap() as u64), "{token}");
        }
        for token in ["", "-", ".", "1.", "1.2.3", "x", "-.", "1.x", "1e3", "10000000000000000", "1.0000000000000001"] {
            assert_eq!(bits(token), None, "{token}");
        }
    }

    #[test]
    fn integers_are_varints() {
        for value in [0, 1, 0x7f, 0x80, 300, 0x3fff, 0x4000, (1 << 49) - 1, 1 << 49, i64::MAX, -1, i64::MIN] {
            let mut expected = vec![0x18];
            prost::encoding::encode_varint(value as u64, &mut expected);
            let (encoded, length) = integer(0x18, value);
            assert_eq!(encoded[..length], expected, "{value}");
        }
        assert_eq!(fixed(0x21, 0x0807_0605_0403_0201)[..10], [0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
    }

    #[test]
    fn an_id_is_spelled_in_lower_hex() {
        let id = [0x00, 0x09, 0x0a, 0x0f, 0x10, 0x9f, 0xa0, 0xff, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(&hex(&id), b"00090a0f109fa0ff0102030405060708");
    }

    proptest! {
        #[test]
        fn one_byte_that_is_not_ascii_is_seen_wherever_it_stands(length in 0usize..200, at in 0usize..200, byte: u8) {
            let mut text = vec![b'x'; length];
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
            prop_assert_eq!(is_ascii(&text), text.is_ascii());
        }

        #[test]
        fn a_decimal_is_the_nearest_double(whole in 0u64..100_000_000, digits in "[0-9]{1,7}", minus: bool) {
            let token = format!("{}{whole}.{digits}", if minus { "-" } else { "" });
            let expected: f64 = token.parse().unwrap();
            prop_assert_eq!(bits(&token), Some(expected.to_bits()));
        }
    }
}
