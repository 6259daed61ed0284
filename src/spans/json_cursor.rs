//! A place in OTLP/JSON as nearly all exporters write it, and the attributes there.
//!
//! In goes text, out come keys, strings and numbers in the order they stand. Whatever is not JSON, or spelled in a way that
//! others know ([`super::json`]), ends reading. What the keys mean is not known here.

use std::borrow::Cow;

use spanline_parsers::json;

#[derive(Default)]
pub(super) struct Attribute<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) value: Value<'t>,
}

#[derive(Default)]
pub(super) enum Value<'t> {
    Text(Cow<'t, str>),
    Number(u64),
    /// No kind of value that tells anything.
    #[default]
    Other,
}

impl<'t> Attribute<'t> {
    pub(super) fn text(self) -> Option<Cow<'t, str>> {
        match self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, also one that a store gives back as text.
    pub(super) fn number(&self) -> Option<u64> {
        match &self.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            Value::Other => None,
        }
    }
}

/// A place in a request. Everything answers `None` to what is not JSON, or not the usual one.
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

    #[inline(always)]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Calls with each key, to read the value.
    #[inline(always)]
    pub(super) fn members(&mut self, mut each: impl FnMut(&mut Self, &'t str) -> Option<()>) -> Option<()> {
        self.list(b'{', b'}', |cursor| {
            let key = cursor.plain()?;
            cursor.take(b':')?;
            each(cursor, key)
        })
    }

    #[inline(always)]
    pub(super) fn elements(&mut self, each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list(b'[', b']', each)
    }

    #[inline(always)]
    fn list(&mut self, open: u8, close: u8, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(open)?;
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            each(self)?;
            let byte = self.peek()?;
            self.at += 1;
            if byte == close {
                return Some(());
            }
            if byte != b',' {
                return None;
            }
        }
    }

    /// A string without escapes.
    #[inline(always)]
    pub(super) fn plain(&mut self) -> Option<&'t str> {
        match self.string()? {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        }
    }

    #[inline(always)]
    pub(super) fn string(&mut self) -> Option<Cow<'t, str>> {
        self.take(b'"')?;
        let start = self.at;
        let (end, escaped) = json::string_end(self.text.as_bytes(), start)?;
        self.at = end;
        if escaped {
            return serde_json::from_str(&self.text[start - 1..end]).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(&self.text[start..end - 1]))
    }

    /// Whole and not negative, bare or as text.
    pub(super) fn number(&mut self) -> Option<u64> {
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
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        let behind = self.text.as_bytes().get(self.at);
        let is_number = match (is_text, &self.text.as_bytes()[start..self.at]) {
            (_, []) | (false, [b'0', _, ..]) => false,
            (false, _) => !matches!(behind, Some(b'.' | b'e' | b'E')),
            (true, _) => behind == Some(&b'"'),
        };
        self.at += usize::from(is_text);
        is_number.then_some(number)
    }

    /// A value that tells nothing, unless its key is one that others read.
    #[inline(always)]
    pub(super) fn pass_over(&mut self, key: &str) -> Option<()> {
        if key.contains('_') || key.starts_with("instrumentation") {
            return None;
        }
        self.skip()
    }

    fn skip(&mut self) -> Option<()> {
        self.peek()?;
        self.at += json::value_end(&self.text.as_bytes()[self.at..])?;
        Some(())
    }

    #[inline(always)]
    pub(super) fn attributes(&mut self, mut each: impl FnMut(Attribute<'t>)) -> Option<()> {
        self.elements(|cursor| {
            if let Some(attribute) = cursor.usual_attribute() {
                each(attribute);
                return Some(());
            }
            let mut attribute = Attribute::default();
            cursor.members(|cursor, key| {
                match key {
                    "key" => attribute.key = cursor.string()?,
                    "value" => attribute.value = cursor.value()?,
                    _ => cursor.pass_over(key)?,
                }
                Some(())
            })?;
            each(attribute);
            Some(())
        })
    }

    /// An attribute as most are: text or a number as text, without blanks between; else nothing is taken.
    #[inline(always)]
    fn usual_attribute(&mut self) -> Option<Attribute<'t>> {
        let (key, at) = self.plain_behind(self.at, b"{\"key\":\"")?;
        let rest = self.text.as_bytes().get(at..)?.strip_prefix(b",\"value\":{\"")?;
        let start = at + b",\"value\":{\"".len();
        let (value, end) = match rest.first()? {
            b's' => {
                let (text, end) = self.plain_behind(start, b"stringValue\":\"")?;
                (Value::Text(Cow::Borrowed(text)), end)
            }
            b'i' => {
                let (digits, end) = self.plain_behind(start, b"intValue\":\"")?;
                // Twenty digits may be too many.
                if digits.is_empty() || digits.len() > 19 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                (Value::Number(digits.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))), end)
            }
            _ => return None,
        };
        self.text.as_bytes().get(end..)?.starts_with(b"}}").then(|| {
            self.at = end + 2;
            Attribute { key: Cow::Borrowed(key), value }
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

    fn value(&mut self) -> Option<Value<'t>> {
        let mut value = None;
        self.members(|cursor, key| {
            let found = match key {
                "stringValue" => Value::Text(cursor.string()?),
                "intValue" => cursor.integer()?,
                "boolValue" if matches!(cursor.peek()?, b't' | b'f') => cursor.skip().map(|()| Value::Other)?,
                "doubleValue" if matches!(cursor.peek()?, b'-' | b'0'..=b'9') => {
                    cursor.skip().map(|()| Value::Other)?
                }
                _ => return None,
            };
            // One of several kinds is the value: which, others say.
            value.replace(found).is_none().then_some(())
        })?;
        Some(value.unwrap_or_default())
    }

    /// A number; one below zero tells nothing.
    fn integer(&mut self) -> Option<Value<'t>> {
        let quote = usize::from(self.peek()? == b'"');
        if self.text.as_bytes().get(self.at + quote) != Some(&b'-') {
            return self.number().map(Value::Number);
        }
        let digits = &self.text.as_bytes()[self.at + quote + 1..];
        let count = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        let ends = quote == 0 || digits[count] == b'"';
        self.at += quote + 1 + count + quote;
        (ends && (1..19).contains(&count) && digits[0] != b'0').then_some(Value::Other)
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
