//! Double-quoted text as Go's `strconv.Quote` and JSON write it.
//!
//! In goes text with its quotes and escapes, out comes what was meant, borrowed unless there is an escape. Both escape
//! sets are read everywhere, since one klog line holds both. An invalid escape is no error: it is kept as it stands.

use crate::entry::Text;
use crate::json::plain_end;
use memchr::{memchr, memchr2};

/// quoted = DQUOTE *( byte / "\" byte ) DQUOTE
///
/// Reads quoted text at the start; returns it without its escapes, and its length with both quotes. `None` where the
/// text begins with no quote or the closing one is missing.
#[inline]
pub fn quoted(text: &[u8]) -> Option<(Text<'_>, usize)> {
    let (end, escape) = closing(text)?;
    let inside = &text[1..end - 1];
    let unquoted = match escape {
        None => Text::Borrowed(inside),
        Some(first) => Text::Owned(unescape(inside, first - 1)),
    };
    Some((unquoted, end))
}

/// The length of the quoted text at the start, quotes included.
#[inline]
pub fn quoted_len(text: &[u8]) -> Option<usize> {
    closing(text).map(|(end, _)| end)
}

/// The length of the quoted text at the start, quotes included, and whether there are escapes in it.
#[inline]
pub(crate) fn quoted_form(text: &[u8]) -> Option<(usize, bool)> {
    closing(text).map(|(end, escape)| (end, escape.is_some()))
}

/// Undoes the escapes of what stood between two quotes.
///
/// escape = "\" ( "a" / "b" / "f" / "n" / "r" / "t" / "v" / "\" / "'" / DQUOTE / "/"
///              / 3OCTAL / "x" 2HEX / "u" 4HEX / "U" 8HEX )
///
/// `\ooo` and `\xHH` are bytes, `\u` and `\U` code points; two `\u` that form a surrogate pair are one code point.
pub fn go_unquote(inside: &[u8]) -> Text<'_> {
    match memchr(b'\\', inside) {
        None => Text::Borrowed(inside),
        Some(first) => Text::Owned(unescape(inside, first)),
    }
}

/// End of the quoted text at the start, and where its first escape stands.
#[inline]
fn closing(text: &[u8]) -> Option<(usize, Option<usize>)> {
    if text.first() != Some(&b'"') {
        return None;
    }
    // Most texts are short and have neither escapes nor control bytes.
    let mut at = plain_end(text, 1);
    if text.get(at) == Some(&b'"') {
        return Some((at + 1, None));
    }
    let mut escape = None;
    loop {
        let found = at + memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[found] == b'"' {
            return Some((found + 1, escape));
        }
        escape = escape.or(Some(found));
        at = found + 2;
    }
}

/// `first` is the place of the first backslash.
fn unescape(inside: &[u8], first: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(inside.len());
    out.extend_from_slice(&inside[..first]);
    let mut rest = &inside[first..];
    while !rest.is_empty() {
        let taken = escape(rest, &mut out).unwrap_or_else(|| {
            out.push(b'\\');
            1
        });
        rest = &rest[taken..];
        let plain = memchr(b'\\', rest).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
    }
    out
}

/// Reads the escape at the start and appends what it means; returns its length.
fn escape(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let byte = match *text.get(1)? {
        b'n' => b'\n',
        b't' => b'\t',
        byte @ (b'"' | b'\\' | b'\'' | b'/') => byte,
        b'r' => b'\r',
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'v' => 0x0b,
        b'x' => {
            out.push(u8::try_from(digits(text.get(2..4)?, 16)?).ok()?);
            return Some(4);
        }
        b'0'..=b'7' => {
            out.push(u8::try_from(digits(text.get(1..4)?, 8)?).ok()?);
            return Some(4);
        }
        b'u' => {
            let (point, length) = code_unit(text)?;
            push_char(out, point)?;
            return Some(length);
        }
        b'U' => {
            push_char(out, digits(text.get(2..10)?, 16)?)?;
            return Some(10);
        }
        _ => return None,
    };
    out.push(byte);
    Some(2)
}

/// `\uXXXX`, or two of them where they form a surrogate pair.
fn code_unit(text: &[u8]) -> Option<(u32, usize)> {
    let high = digits(text.get(2..6)?, 16)?;
    if (0xd800..0xdc00).contains(&high) && text.get(6..8) == Some(b"\\u") {
        let low = digits(text.get(8..12)?, 16)?;
        if (0xdc00..0xe000).contains(&low) {
            return Some((0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12));
        }
    }
    Some((high, 6))
}

fn push_char(out: &mut Vec<u8>, point: u32) -> Option<()> {
    let text = char::from_u32(point)?;
    out.extend_from_slice(text.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

fn digits(text: &[u8], radix: u32) -> Option<u32> {
    text.iter().try_fold(0, |sum, byte| Some(sum * radix + char::from(*byte).to_digit(radix)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn undoes_the_escapes_of_go_and_of_json() {
        for (inside, expected) in [
            (&br#"plain"#[..], &b"plain"[..]),
            (br#"a\"b\\c\'d\/e"#, b"a\"b\\c'd/e"),
            (br"\a\b\f\n\r\t\v", b"\x07\x08\x0c\n\r\t\x0b"),
            (br"\x00\xff\101\377", b"\0\xff\x41\xff"),
            (br"\u00e9\U0001f600\u200b", "\u{e9}\u{1f600}\u{200b}".as_bytes()),
            (br"\ud83d\ude00!", "\u{1f600}!".as_bytes()),
            (br"\u003c\u0026", b"<&"),
        ] {
            assert_eq!(go_unquote(inside), expected, "{}", inside.escape_ascii());
        }
    }

    #[test]
    fn keeps_an_invalid_escape_as_it_stands() {
        for inside in
            [r"\q", r"\", r"\x4", r"\xzz", r"\400", r"\08", r"\u12", r"\ud83d", r"\ud83dx", r"\U00110000", r"\ude00\n"]
        {
            let text = format!("{inside}.");
            let expected = text.replace(r"\n", "\n");
            assert_eq!(go_unquote(text.as_bytes()), expected.as_bytes(), "{inside}");
        }
        assert_eq!(go_unquote(br"\ud83d\u0041"), &br"\ud83dA"[..]);
        assert_eq!(go_unquote(br"end\"), &br"end\"[..]);
    }

    #[test]
    fn finds_the_closing_quote() {
        assert_eq!(quoted(br#""a \" b\\" c"#), Some((Text::Borrowed(&br#"a " b\"#[..]), 10)));
        assert_eq!(quoted(br#""""#), Some((Text::Borrowed(&b""[..]), 2)));
        assert!(matches!(quoted(br#""a" "b""#), Some((Text::Borrowed(b"a"), 3))));
        for open in [&br#""a"#[..], br#""a\""#, br#""a\"#, b"\"", b"a\"b\"", b""] {
            assert_eq!(quoted(open), None, "{}", open.escape_ascii());
            assert_eq!(quoted_len(open), None);
        }
    }

    /// As strconv.Quote writes text: what does not print, and what is not UTF-8, as escapes.
    fn quote(text: &[u8]) -> Vec<u8> {
        let mut out = b"\"".to_vec();
        for chunk in text.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char {
                    '"' | '\\' => out.extend([b'\\', char as u8]),
                    '\n' => out.extend(b"\\n"),
                    '\t' => out.extend(b"\\t"),
                    char if (char as u32) < 0x20 => out.extend(format!("\\x{:02x}", char as u32).bytes()),
                    char if char as u32 > 0xffff => out.extend(format!("\\U{:08x}", char as u32).bytes()),
                    char if char as u32 > 0x7f => out.extend(format!("\\u{:04x}", char as u32).bytes()),
                    char => out.push(char as u8),
                }
            }
            out.extend(chunk.invalid().iter().flat_map(|byte| format!("\\x{byte:02x}").into_bytes()));
        }
        out.push(b'"');
        out
    }

    proptest! {
        #[test]
        fn reads_back_what_was_quoted(text in prop::collection::vec(any::<u8>(), 0..60), word in ".{0,20}") {
            for text in [text, word.into_bytes()] {
                let written = quote(&text);
                let (read, length) = quoted(&written).unwrap();
                prop_assert_eq!(&*read, &text[..]);
                prop_assert_eq!(length, written.len());
            }
        }

        #[test]
        fn never_panics(text in r#"[\\"ux0-9a-fUD8'\n]{0,40}"#, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            for text in [text.as_bytes(), &bytes] {
                let _ = go_unquote(text);
                if let Some((_, length)) = quoted(text) {
                    prop_assert!(length >= 2 && length <= text.len());
                }
            }
        }
    }
}
