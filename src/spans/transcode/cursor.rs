//! A place in a text of JSON.
//!
//! In goes text, out come keys, strings and numbers in the order they stand, borrowed where they have no escapes. What is
//! not JSON ends reading: everything answers `None` then. What the keys mean is not known here.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use spanline_parsers::json;

/// An attribute of OTLP as most are written.
pub(super) struct Attribute<'t> {
    pub(super) key: &'t str,
    pub(super) value: Value<'t>,
}

/// Its value.
pub(super) enum Value<'t> {
    Text(&'t str),
    /// At most eighteen digits.
    Number(u64),
}

/// A place in a text.
pub(super) struct Cursor<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Cursor<'t> {
    /// The next byte that is no blank.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.text.as_bytes().get(self.at)? {
                byte @ b'!'.. => return Some(byte),
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Takes an opening bracket.
    #[inline(always)]
    pub(super) fn opens(&mut self, bracket: u8) -> bool {
        let opens = self.peek() == Some(bracket);
        self.at += usize::from(opens);
        opens
    }

    /// Takes the closing bracket of a list or an object without anything in it.
    #[inline(always)]
    pub(super) fn closes(&mut self, bracket: u8) -> bool {
        self.opens(bracket)
    }

    /// Behind a value: takes the comma (false), or the closing bracket (true).
    #[inline(always)]
    pub(super) fn ends(&mut self, bracket: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b',' => Some(false),
            byte if byte == bracket => Some(true),
            _ => None,
        }
    }

    /// Takes `null`, if it is that.
    #[inline(always)]
    pub(super) fn null(&mut self) -> bool {
        let is_null = self.peek() == Some(b'n') && self.text.as_bytes()[self.at..].starts_with(b"null");
        self.at += if is_null { 4 } else { 0 };
        is_null
    }

    /// key ":"
    #[inline(always)]
    pub(super) fn key(&mut self) -> Option<Cow<'t, str>> {
        let key = self.string()?;
        self.opens(b':').then_some(key)
    }

    /// A string; of anything else nothing is taken.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Option<Cow<'t, str>> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let (end, escaped) = json::string_end(self.text.as_bytes(), start)?;
        if escaped {
            let text = serde_json::from_str(&self.text[self.at..end]).ok()?;
            self.at = end;
            return Some(Cow::Owned(text));
        }
        self.at = end;
        Some(Cow::Borrowed(&self.text[start..end - 1]))
    }

    /// The value as it stands; it is not taken.
    pub(super) fn raw(&mut self) -> Option<&'t str> {
        self.peek()?;
        let rest = &self.text[self.at..];
        match json::value_end(rest.as_bytes()) {
            Some(length) => rest.get(..length),
            // It may be deeper than that one reads.
            None => {
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
                values.next()?.ok()?;
                rest.get(..values.byte_offset())
            }
        }
    }

    /// Skips a value.
    pub(super) fn skip(&mut self) -> Option<()> {
        self.at += self.raw()?.len();
        Some(())
    }

    /// Whole and not negative, bare or as text; of anything else nothing is taken.
    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        let before = self.at;
        let is_text = self.peek()? == b'"';
        self.at += usize::from(is_text);
        let start = self.at;
        let mut number = 0u64;
        // Times have nineteen digits: eight at a time, as long as no more can be too many.
        while self.at < start + 16
            && let Some(eight) = self.text.as_bytes()[self.at..].first_chunk().and_then(eight_digits)
        {
            number = number * 100_000_000 + eight;
            self.at += 8;
        }
        while let Some(digit @ b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            let Some(more) = number.checked_mul(10).and_then(|ten| ten.checked_add(u64::from(digit - b'0'))) else {
                self.at = before;
                return None;
            };
            number = more;
            self.at += 1;
        }
        let behind = self.text.as_bytes().get(self.at);
        let is_number = match (is_text, &self.text.as_bytes()[start..self.at]) {
            (_, []) | (false, [b'0', _, ..]) => false,
            (false, _) => !matches!(behind, Some(b'.' | b'e' | b'E')),
            (true, _) => behind == Some(&b'"'),
        };
        if !is_number {
            self.at = before;
            return None;
        }
        self.at += usize::from(is_text);
        Some(number)
    }

    /// An attribute as most are: text or a number as text, without blanks between; else nothing is taken.
    #[inline(always)]
    pub(super) fn common_attribute(&mut self) -> Option<Attribute<'t>> {
        self.peek()?;
        let (key, at) = self.plain_behind(self.at, b"{\"key\":\"")?;
        let rest = self.text.as_bytes().get(at..)?.strip_prefix(b",\"value\":{\"")?;
        let start = at + b",\"value\":{\"".len();
        let (value, end) = match rest.first()? {
            // An empty key is a default, which is left out.
            _ if key.is_empty() => return None,
            b's' => {
                let (text, end) = self.plain_behind(start, b"stringValue\":\"")?;
                (Value::Text(text), end)
            }
            b'i' => {
                let (digits, end) = self.plain_behind(start, b"intValue\":\"")?;
                // Nineteen digits may be too many.
                if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                (Value::Number(digits.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))), end)
            }
            _ => return None,
        };
        self.text.as_bytes().get(end..)?.starts_with(b"}}").then(|| {
            self.at = end + 2;
            Attribute { key, value }
        })
    }

    /// The string without escapes whose first quote ends what stands before it, and where it ends.
    #[inline(always)]
    fn plain_behind(&self, at: usize, before: &[u8]) -> Option<(&'t str, usize)> {
        let bytes = self.text.as_bytes();
        if !bytes.get(at..)?.starts_with(before) {
            return None;
        }
        let start = at + before.len();
        match json::string_end(bytes, start)? {
            (end, false) => Some((&self.text[start..end - 1], end)),
            _ => None,
        }
    }
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
            let mut cursor = Cursor { text: &text, at: 0 };
            let expected = (!tail.starts_with(['.', 'e'])).then_some(number);
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
        assert_eq!(Cursor { text: "18446744073709551616", at: 0 }.number(), None);
    }
}
