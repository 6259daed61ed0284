//! Values that are almost JSON, so that they cost themselves and not the record: `NaN` and `Infinity` as Python and others
//! write them, and objects and arrays deeper than is read.
//!
//! In go text and an offset, or a whole value, out come its end, or what an entry holds of it. Asked only where the strict
//! scan has failed.

use crate::entry::Value;
use std::borrow::Cow;

use super::scan::{DEPTH_MAX, blanks, number_end, scan, string_end, word_end};

/// word = [ "-" / "+" ] ( "NaN" / "nan" / "Infinity" / "Inf" / "inf" )
pub(super) fn odd_word(text: &[u8]) -> usize {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let words = [&b"NaN"[..], b"nan", b"Infinity", b"infinity", b"Inf", b"inf"];
    words.into_iter().find(|word| text[sign..].starts_with(word)).map_or(0, |word| sign + word.len())
}

/// The end of a value at an offset, of any depth, words like `NaN` allowed. The open brackets are kept, not recursed into.
#[cold]
pub(super) fn end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut open = Vec::new();
    loop {
        match text.get(at)? {
            byte @ (b'{' | b'[') => {
                let close = if *byte == b'{' { b'}' } else { b']' };
                at = blanks(text, at + 1);
                open.push(close);
                if text.get(at) != Some(&close) {
                    at = start(text, at, close)?;
                    continue;
                }
                at += 1;
                open.pop();
            }
            _ => at = scalar_end(text, at)?,
        }
        // Behind a value: brackets close, or the next value starts.
        loop {
            let Some(&close) = open.last() else { return Some(at) };
            at = blanks(text, at);
            match text.get(at)? {
                b',' => {
                    at = start(text, blanks(text, at + 1), close)?;
                    break;
                }
                byte if *byte == close => {
                    at += 1;
                    open.pop();
                }
                _ => return None,
            }
        }
    }
}

/// Where the next value starts: after its key in an object.
fn start(text: &[u8], at: usize, close: u8) -> Option<usize> {
    if close == b']' {
        return Some(at);
    }
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let colon = blanks(text, string_end(text, at + 1)?.0);
    (text.get(colon) == Some(&b':')).then(|| blanks(text, colon + 1))
}

fn scalar_end(text: &[u8], at: usize) -> Option<usize> {
    let odd = odd_word(text.get(at..)?);
    if odd > 0 {
        return Some(at + odd);
    }
    match text.get(at)? {
        b'"' => string_end(text, at + 1).map(|(end, _)| end),
        b'-' | b'0'..=b'9' => number_end(text, at),
        _ => word_end(text, at),
    }
}

/// What an entry holds of such a value: a word as text, an object or array with its words in quotes, or as text where it
/// is too deep to be read.
#[cold]
pub(super) fn value(raw: &[u8]) -> Value<'_> {
    if !matches!(raw.first(), Some(b'{' | b'[')) {
        return Value::Text(Cow::Borrowed(raw));
    }
    let strict = without_blanks(raw);
    match scan(&strict, 0, DEPTH_MAX) {
        Some(shape) if shape.end == strict.len() => Value::Json(Cow::Owned(strict)),
        _ => Value::Text(Cow::Borrowed(raw)),
    }
}

/// A valid object or array without the blanks between its tokens; words that JSON does not know are put in quotes.
pub(super) fn without_blanks(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let end = match byte {
            b'"' => string_end(raw, at + 1).map_or(raw.len(), |(end, _)| end),
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'-' | b'+' | b'N' | b'n' | b'I' | b'i' => match odd_word(&raw[at..]) {
                0 => at + 1,
                length => {
                    out.push(b'"');
                    out.extend_from_slice(&raw[at..at + length]);
                    out.push(b'"');
                    at += length;
                    continue;
                }
            },
            _ => at + 1,
        };
        out.extend_from_slice(&raw[at..end]);
        at = end;
    }
    out
}
