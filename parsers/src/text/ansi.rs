//! Terminal control sequences, which programs write for a screen and which say nothing of a record.
//!
//! In go bytes of a line, out comes the line without its sequences, or a slice of the original for a part of the plain
//! one. Only whole sequences count: an escape byte that begins none stays where it is.

use std::ops::Range;

use memchr::memchr;

/// The byte that every sequence begins with.
pub const ESCAPE: u8 = 0x1b;

/// A hyperlink's target and the like are at most this long; a longer one is no sequence.
const STRING_BYTES_MAX: usize = 4096;

/// The text without its sequences; `None` where there is none.
///
/// Most lines have no escape byte: ask [`has_escape`] first.
#[cold]
pub fn strip(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(next) = text.get(at..).and_then(|rest| memchr(ESCAPE, rest)) {
        let start = at + next;
        let length = sequence(&text[start..]);
        if length > 0 {
            out.extend_from_slice(&text[from..start]);
            from = start + length;
        }
        at = start + length.max(1);
    }
    if from == 0 {
        return None;
    }
    out.extend_from_slice(&text[from..]);
    Some(out)
}

/// Is there a byte that may begin a sequence?
#[inline]
pub fn has_escape(text: &[u8]) -> bool {
    memchr(ESCAPE, text).is_some()
}

/// The text without the sequences at its start and at its end.
pub fn trim(text: &[u8]) -> &[u8] {
    let mut text = trim_start(text);
    while let Some(start) = memchr::memrchr(ESCAPE, text) {
        let length = sequence(&text[start..]);
        if length == 0 || start + length != text.len() {
            break;
        }
        text = &text[..start];
    }
    text
}

/// The text without the sequences at its start.
pub fn trim_start(mut text: &[u8]) -> &[u8] {
    while text.first() == Some(&ESCAPE) {
        match sequence(text) {
            0 => break,
            length => text = &text[length..],
        }
    }
    text
}

/// Where a part of the plain text stands in the text with its sequences: those right before it and right after it
/// belong to it.
pub fn range_with_sequences(text: &[u8], plain: Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (None, text.len());
    let (mut at, mut count) = (0, 0);
    while at < text.len() {
        if start.is_none() && count == plain.start {
            start = Some(at);
        }
        match if text[at] == ESCAPE { sequence(&text[at..]) } else { 0 } {
            0 => {
                if count == plain.end {
                    end = at;
                    break;
                }
                (at, count) = (at + 1, count + 1);
            }
            length => at += length,
        }
    }
    start.unwrap_or(end)..end
}

/// sequence = ESC "[" *( %x30-3F ) *( %x20-2F ) %x40-7E     ; colours, erasing, moving
///          / ESC "]" *text ( BEL / ESC "\" )                ; titles and hyperlinks
///          / ESC ( "(" / ")" ) byte                         ; character sets, as `tput sgr0` writes
///
/// Its length; 0 where none begins.
fn sequence(text: &[u8]) -> usize {
    match text {
        [ESCAPE, b'[', rest @ ..] => {
            let parameters = rest.iter().take_while(|byte| (0x30..0x40).contains(*byte)).count();
            let between = rest[parameters..].iter().take_while(|byte| (0x20..0x30).contains(*byte)).count();
            match rest.get(parameters + between) {
                Some(0x40..=0x7e) => 3 + parameters + between,
                _ => 0,
            }
        }
        [ESCAPE, b']', rest @ ..] => {
            let rest = &rest[..rest.len().min(STRING_BYTES_MAX)];
            match memchr::memchr2(0x07, ESCAPE, rest) {
                Some(end) if rest[end] == 0x07 => 2 + end + 1,
                Some(end) if rest.get(end + 1) == Some(&b'\\') => 2 + end + 2,
                _ => 0,
            }
        }
        [ESCAPE, b'(' | b')', b'0'..=b'9' | b'A'..=b'Z', ..] => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(text: &str) -> Vec<u8> {
        strip(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec())
    }

    #[test]
    fn whole_sequences_are_dropped_and_nothing_else() {
        for (text, expected) in [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b[38;2;90;200;90mINFO \x1b[39;49m| x\x1b[K", "INFO | x"),
            ("\x1b[38:2::1:2:3mx\x1b[m", "x"),
            ("\x1b]8;;https://a.example/b\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1b]0;title\x07$ ls", "$ ls"),
            ("\x1b(B\x1b[mplain", "plain"),
            ("no codes [31m here", "no codes [31m here"),
            ("a lone \x1b escape", "a lone \x1b escape"),
            ("cut off \x1b[3", "cut off \x1b[3"),
            ("unclosed \x1b]8;;x", "unclosed \x1b]8;;x"),
            ("\x1b\x1b[1mx", "\x1bx"),
        ] {
            assert_eq!(plain(text), expected.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn codes_around_a_line_are_trimmed() {
        assert_eq!(trim(b"\x1b[1m\x1b[32m{\"a\":1}\x1b[0m\x1b[K"), b"{\"a\":1}");
        assert_eq!(trim(b"\x1b[1ma\x1b[0mb"), b"a\x1b[0mb");
        assert_eq!(trim(b"\x1b[1m"), b"");
        assert_eq!(trim(b"\x1b"), b"\x1b");
    }

    proptest! {
        #[test]
        fn plain_text_comes_through(parts in prop::collection::vec(("[ -~é]{0,8}", prop::sample::select(vec!["\x1b[0m", "\x1b[1;31m", "\x1b[K", "\x1b(B", ""])), 0..8)) {
            let text: String = parts.iter().map(|(text, code)| format!("{text}{code}")).collect();
            let expected: String = parts.iter().map(|(text, _)| text.as_str()).collect();
            prop_assert_eq!(plain(&text), expected.as_bytes());
            let whole = range_with_sequences(text.as_bytes(), 0..expected.len());
            prop_assert_eq!(whole, 0..text.len());
        }

        #[test]
        fn no_bytes_are_too_odd(text in prop::collection::vec(prop::sample::select(&b"\x1b[](0;m\\\x07x"[..]), 0..40), from in 0usize..40, length in 0usize..40) {
            let plain = strip(&text).unwrap_or_else(|| text.clone());
            let (from, to) = (from.min(plain.len()), (from + length).min(plain.len()));
            let range = range_with_sequences(&text, from..to.max(from));
            prop_assert!(text.get(range).is_some_and(|part| part.len() >= to.max(from) - from));
            prop_assert!(trim(&text).len() <= text.len());
        }
    }
}
