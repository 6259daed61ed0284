//! A place in a text of JSON.
//!
//! In go the bytes of a text, out come keys, strings and numbers in the order they stand, borrowed where they have no
//! escapes. What is not JSON ends reading: everything answers `None` then. That the text is UTF-8 was checked before; what
//! the keys mean is not known here.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use spanline_parsers::json;
use spanline_parsers::trace_context::whole_hex;

/// Digits of a time in ns, from the year 2001 to 2286.
const TIME_DIGITS: usize = 19;
/// All numbers of this many digits are less than 2^64.
const DIGITS_MAX: usize = 19;

/// An attribute of OTLP as most are written.
pub(super) struct Attribute<'t> {
    pub(super) key: &'t [u8],
    pub(super) value: Value<'t>,
}

/// Its value.
pub(super) enum Value<'t> {
    Text(&'t [u8]),
    /// At most eighteen digits.
    Number(u64),
}

/// A place in a text.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'t> {
    /// What is not taken yet.
    pub(super) rest: &'t [u8],
}

impl<'t> Cursor<'t> {
    /// The next byte that is no blank.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        match *self.rest.first()? {
            byte @ b'!'.. => Some(byte),
            _ => self.peek_behind_blanks(),
        }
    }

    fn peek_behind_blanks(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Takes the next byte that is no blank, if it is this one.
    #[inline(always)]
    pub(super) fn takes(&mut self, wanted: u8) -> bool {
        self.peek();
        match self.rest {
            [byte, rest @ ..] if *byte == wanted => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Behind a value: takes the comma (false), or the closing bracket (true).
    #[inline(always)]
    pub(super) fn ends(&mut self, bracket: u8) -> Option<bool> {
        self.peek();
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        match *byte {
            b',' => Some(false),
            byte if byte == bracket => Some(true),
            _ => None,
        }
    }

    /// Takes `null`, if it is that.
    pub(super) fn null(&mut self) -> bool {
        self.peek();
        let rest = self.rest.strip_prefix(b"null");
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// key ":"
    pub(super) fn key(&mut self) -> Option<Cow<'t, [u8]>> {
        let key = self.string()?;
        self.takes(b':').then_some(key)
    }

    /// A string; of anything else nothing is taken.
    pub(super) fn string(&mut self) -> Option<Cow<'t, [u8]>> {
        match self.plain_string() {
            Some(text) => Some(Cow::Borrowed(text)),
            None => self.escaped_string(),
        }
    }

    /// A string without escapes; of anything else nothing is taken.
    #[inline(always)]
    pub(super) fn plain_string(&mut self) -> Option<&'t [u8]> {
        self.peek();
        let (text, rest) = plain(self.rest.strip_prefix(b"\"")?)?;
        self.rest = rest;
        Some(text)
    }

    #[inline(never)]
    fn escaped_string(&mut self) -> Option<Cow<'t, [u8]>> {
        if self.peek()? != b'"' {
            return None;
        }
        let (end, _) = json::string_end(self.rest, 1)?;
        let (string, rest) = self.rest.split_at_checked(end)?;
        let text: String = serde_json::from_slice(string).ok()?;
        self.rest = rest;
        Some(Cow::Owned(text.into_bytes()))
    }

    /// The value as it stands; it is not taken.
    pub(super) fn raw(&mut self) -> Option<&'t [u8]> {
        self.peek()?;
        match json::value_end(self.rest) {
            Some(length) => self.rest.get(..length),
            // It may be deeper than that one reads.
            None => {
                let mut values = serde_json::Deserializer::from_slice(self.rest).into_iter::<IgnoredAny>();
                values.next()?.ok()?;
                self.rest.get(..values.byte_offset())
            }
        }
    }

    /// Skips this many bytes.
    pub(super) fn pass(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    /// Skips a value.
    pub(super) fn skip(&mut self) -> Option<()> {
        let length = self.raw()?.len();
        self.pass(length);
        Some(())
    }

    /// A hex id of this many bytes as text, in twice as many digits; of anything else nothing is taken.
    #[inline(always)]
    pub(super) fn hex_id<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.peek();
        let (digits, rest) = self.rest.strip_prefix(b"\"")?.split_at_checked(2 * N)?;
        let rest = rest.strip_prefix(b"\"")?;
        let id = whole_hex(digits)?;
        self.rest = rest;
        Some(id)
    }

    /// Whole and not negative, of at most nineteen digits, bare or as text; of anything else nothing is taken.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<u64> {
        self.peek();
        match self.rest {
            [b'"', ..] => self.time().or_else(|| self.any_whole_number()),
            // Kinds and codes.
            [digit @ b'0'..=b'9', b',' | b'}', ..] => {
                self.rest = &self.rest[1..];
                Some(u64::from(digit - b'0'))
            }
            _ => self.any_whole_number(),
        }
    }

    /// DQUOTE 19DIGIT DQUOTE
    #[inline(always)]
    fn time(&mut self) -> Option<u64> {
        let (text, rest) = self.rest.split_first_chunk::<{ TIME_DIGITS + 2 }>()?;
        let [b'"', digits @ .., b'"'] = text else { return None };
        let (eights, last) = digits.as_chunks::<8>();
        let [first, second] = eights else { return None };
        let mut number = eight_digits(first)? * 100_000_000 + eight_digits(second)?;
        for digit in last {
            number = number * 10 + u64::from(digit.wrapping_sub(b'0'));
        }
        last.iter().all(u8::is_ascii_digit).then(|| {
            self.rest = rest;
            number
        })
    }

    #[inline(never)]
    fn any_whole_number(&mut self) -> Option<u64> {
        let text = self.rest.strip_prefix(b"\"");
        let digits = text.unwrap_or(self.rest);
        let (mut rest, mut number) = (digits, 0u64);
        while let [digit @ b'0'..=b'9', behind @ ..] = rest {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            rest = behind;
        }
        let length = digits.len() - rest.len();
        if length > DIGITS_MAX {
            return None;
        }
        let rest = match text {
            _ if length == 0 => None,
            Some(_) => rest.strip_prefix(b"\""),
            None if length > 1 && digits.starts_with(b"0") => None,
            None => Some(rest).filter(|rest| !matches!(rest, [b'.' | b'e' | b'E', ..])),
        };
        self.rest = rest?;
        Some(number)
    }

    /// An attribute as most are: text or a number as text, without blanks between; else nothing is taken.
    #[inline(always)]
    pub(super) fn common_attribute(&mut self) -> Option<Attribute<'t>> {
        self.peek();
        let (key, rest) = plain(self.rest.strip_prefix(b"{\"key\":\"")?)?;
        // An empty key is a default, which is left out.
        if key.is_empty() {
            return None;
        }
        let value = rest.strip_prefix(b",\"value\":{\"")?;
        let (value, rest) = if let Some(text) = value.strip_prefix(b"stringValue\":\"") {
            let (text, rest) = plain(text)?;
            (Value::Text(text), rest)
        } else {
            let (digits, rest) = plain(value.strip_prefix(b"intValue\":\"")?)?;
            // Nineteen digits may be too many.
            if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            (Value::Number(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))), rest)
        };
        self.rest = rest.strip_prefix(b"}}")?;
        Some(Attribute { key, value })
    }
}

/// The text of a string without escapes, from behind its first quote, and what is behind its last one.
#[inline(always)]
fn plain(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (end, false) = json::string_end(text, 0)? else { return None };
    let (string, rest) = text.split_at_checked(end)?;
    Some((string.split_last()?.1, rest))
}

/// The number that eight digits are.
#[inline(always)]
fn eight_digits(text: &[u8; 8]) -> Option<u64> {
    let text = u64::from_le_bytes(*text);
    let digits = text ^ 0x3030_3030_3030_3030;
    // What lies above nine has, with six more, a bit in its upper half.
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    // Neighbours are taken together: the first digit is the lowest byte.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_those_of_their_digits(number in prop_oneof![any::<u64>(), 0u64..1_000_000_000], tail in "[,}. e]?") {
            let text = format!("{number}{tail}");
            let mut cursor = Cursor { rest: text.as_bytes() };
            let is_taken = !tail.starts_with(['.', 'e']) && number < 10u64.pow(DIGITS_MAX as u32);
            let expected = is_taken.then_some(number);
            prop_assert_eq!(cursor.number(), expected);
        }
    }

    #[test]
    fn eight_bytes_are_digits_or_not() {
        assert_eq!(eight_digits(b"12345678"), Some(12_345_678));
        assert_eq!(eight_digits(b"99999999"), Some(99_999_999));
        assert_eq!(eight_digits(b"00000000"), Some(0));
        for other in [b"1234567:", b"/2345678", b"1234567\xb0", b"12 45678", b"12345\xff78", b"?2345678"] {
            assert_eq!(eight_digits(other), None);
        }
        assert_eq!(Cursor { rest: b"18446744073709551616" }.number(), None);
    }
}
