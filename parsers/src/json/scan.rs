//! Where a JSON value ends: the syntax, byte by byte or word by word.
//!
//! In go text and an offset, out comes the end of the value there, or nothing if it is not well-formed. No value is
//! built, nothing recurses.

use crate::text::lanes;

/// Levels of objects and arrays that are read; deeper text is no JSON to us.
pub const DEPTH_MAX: u32 = 64;

/// Where a value ends, and whether it is marked: a string has escapes, an object or array has blanks between tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) end: usize,
    pub(super) marked: bool,
}

/// The value at an offset, at most `depth_max` levels deep.
#[inline(always)]
pub(super) fn scan(text: &[u8], at: usize, depth_max: u32) -> Option<Shape> {
    match text.get(at)? {
        b'"' => string_end(text, at + 1).map(|(end, marked)| Shape { end, marked }),
        b'{' | b'[' => nested_end(text, at, depth_max),
        b'-' | b'0'..=b'9' => number_end(text, at).map(|end| Shape { end, marked: false }),
        _ => word_end(text, at).map(|end| Shape { end, marked: false }),
    }
}

/// An object or array at an offset. The levels are bits of a word: 1 for an object, 0 for an array.
fn nested_end(text: &[u8], mut at: usize, depth_max: u32) -> Option<Shape> {
    let (mut levels, mut depth) = (0u64, 0u32);
    let mut gaps = 0usize;
    loop {
        // Here a value has to start.
        let byte = *text.get(at)?;
        match byte {
            b'"' => at = string_end(text, at + 1)?.0,
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return None;
                }
                levels = levels << 1 | u64::from(byte == b'{');
                let next = blanks(text, at + 1);
                gaps += next - (at + 1);
                let close = if byte == b'{' { b'}' } else { b']' };
                at = next;
                if text.get(at) != Some(&close) {
                    if byte == b'{' {
                        at = key_end(text, at, &mut gaps)?;
                    }
                    continue;
                }
                at += 1;
                depth -= 1;
                levels >>= 1;
            }
            b'-' | b'0'..=b'9' => at = number_end(text, at)?,
            _ => at = word_end(text, at)?,
        }
        // Behind a value: levels end, or the next one of the same level starts.
        loop {
            if depth == 0 {
                return Some(Shape { end: at, marked: gaps > 0 });
            }
            let next = blanks(text, at);
            gaps += next - at;
            let in_object = levels & 1 == 1;
            match text.get(next)? {
                b',' => {
                    at = blanks(text, next + 1);
                    gaps += at - (next + 1);
                    if in_object {
                        at = key_end(text, at, &mut gaps)?;
                    }
                    break;
                }
                b'}' if in_object => {}
                b']' if !in_object => {}
                _ => return None,
            }
            at = next + 1;
            depth -= 1;
            levels >>= 1;
        }
    }
}

/// string ":" with the blanks around: where the value starts.
#[inline]
fn key_end(text: &[u8], at: usize, gaps: &mut usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let end = string_end(text, at + 1)?.0;
    let colon = blanks(text, end);
    if text.get(colon) != Some(&b':') {
        return None;
    }
    let start = blanks(text, colon + 1);
    *gaps += (colon - end) + (start - colon - 1);
    Some(start)
}

/// string = DQUOTE *( %x20-21 / %x23-5B / %x5D-FF / escape ) DQUOTE, from behind its first quote
/// escape = "\" ( DQUOTE / "\" / "/" / "b" / "f" / "n" / "r" / "t" / "u" 4HEXDIG )
///
/// Returns the end and whether there are escapes.
#[inline(always)]
pub fn string_end(text: &[u8], start: usize) -> Option<(usize, bool)> {
    let at = plain_end(text, start);
    match text.get(at)? {
        b'"' => Some((at + 1, false)),
        b'\\' => escaped_end(text, at).map(|end| (end, true)),
        _ => None,
    }
}

/// The end of a string, from its first escape on.
fn escaped_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match text.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' if text.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            },
            0..0x20 => return None,
            _ => at = plain_end(text, at + 1),
        }
    }
}

/// The next quote, backslash or control byte (or the end), sixteen bytes at a time.
///
/// Most strings of a log line are shorter than what a vector search needs to pay off, and most end within the first
/// step: one branch, which is foreseen.
#[inline(always)]
pub(crate) fn plain_end(text: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let marks = lanes::json_marks(chunk);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize;
        }
        at += lanes::STEP;
    }
    short_end(text, at)
}

/// As [`plain_end`], where a line's last bytes leave no room for its steps.
fn short_end(text: &[u8], mut at: usize) -> usize {
    if let Some(chunk) = text.last_chunk()
        && at < text.len()
    {
        // What was looked at before is shifted out.
        let marks = lanes::json_marks(chunk) >> (lanes::STEP - (text.len() - at));
        return if marks == 0 { text.len() } else { at + marks.trailing_zeros() as usize };
    }
    while let Some(byte) = text.get(at)
        && !matches!(byte, 0..0x20 | b'"' | b'\\')
    {
        at += 1;
    }
    at
}

/// word = "true" / "false" / "null"
#[inline]
pub(super) fn word_end(text: &[u8], at: usize) -> Option<usize> {
    let word: &[u8] = match text.get(at)? {
        b't' => b"true",
        b'f' => b"false",
        b'n' => b"null",
        _ => return None,
    };
    text.get(at..)?.starts_with(word).then_some(at + word.len())
}

/// number = [ "-" ] ( "0" / %x31-39 *DIGIT ) [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "+" / "-" ] 1*DIGIT ]
pub(super) fn number_end(text: &[u8], start: usize) -> Option<usize> {
    let first = start + usize::from(text.get(start) == Some(&b'-'));
    let mut end = if *text.get(first)? == b'0' { first + 1 } else { digits_end(text, first)? };
    if text.get(end) == Some(&b'.') {
        end = digits_end(text, end + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = matches!(text.get(end + 1), Some(b'+' | b'-'));
        end = digits_end(text, end + 1 + usize::from(sign))?;
    }
    Some(end)
}

#[inline]
fn digits_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > start).then_some(at)
}

/// Past SP, TAB, LF, CR.
#[inline(always)]
pub(super) fn blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = text.get(at) {
        // Mostly there is none, which one comparison tells.
        if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            break;
        }
        at += 1;
    }
    at
}
