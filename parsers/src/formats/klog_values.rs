//! The structured body of a klog record: a quoted message and `key=value` pairs.
//!
//! In goes what follows the header, out come the message and the fields in order, repeated keys included. All of
//! klog's ages are read: Go quoting, JSON, the `=<` form of values that span lines, and the bare `%+v` of klog before
//! 2.100. What cannot be told apart (blanks and `=` in keys, quotes in object names) is read as it most likely was.

use crate::entry::{Entry, Text, Value};
use crate::json;
use crate::text::{quote, value};
use std::borrow::Cow;

use memchr::{memchr, memmem};

/// A key longer than this is none.
const KEY_BYTES_MAX: usize = 512;

/// A TAB as journalctl shows it.
pub(crate) const SHOWN_TAB: &[u8] = b"        ";

/// No number is longer.
const SCALAR_BYTES_MAX: usize = 32;

/// structured = message *( SP key "=" value )
/// message    = DQUOTE … DQUOTE                 ; strconv.Quote, always on the first line
///
/// The message and where the pairs begin; `None` for free text, even if it begins with a quote.
#[inline]
pub(crate) fn message(body: &[u8]) -> Option<(Text<'_>, usize)> {
    // Mostly the message has neither escapes nor control bytes.
    if body.first() == Some(&b'"') {
        let plain = json::plain_end(body, 1);
        if body.get(plain) == Some(&b'"') {
            return begins_pairs(&body[plain + 1..]).then(|| (Cow::Borrowed(&body[1..plain]), plain + 1));
        }
    }
    let end = message_len(body)?;
    let inside = &body[1..end - 1];
    Some((quote::go_unquote(inside), end))
}

/// Is the body a structured one, as far as its first line shows?
#[inline]
pub(crate) fn is_structured(body: &[u8]) -> bool {
    message_len(body).is_some()
}

#[inline]
fn message_len(body: &[u8]) -> Option<usize> {
    let end = quote::quoted_len(body)?;
    // An LF between the quotes is not Go's: the text is free, and closes some other quote.
    (begins_pairs(&body[end..]) && memchr(b'\n', &body[..end]).is_none()).then_some(end)
}

/// Is what follows the message's quotes the first pair, or nothing?
#[inline]
fn begins_pairs(text: &[u8]) -> bool {
    match text.first() {
        None | Some(b'\n') => true,
        Some(b'\r') => matches!(text.get(1), None | Some(b'\n')),
        Some(b' ') => key_len(&text[1..], false).is_some(),
        Some(_) => false,
    }
}

/// Reads `*( SP key "=" value )` into the fields; returns the lines after the record's own ones.
pub(crate) fn pairs<'a>(text: &'a [u8], entry: &mut Entry<'a>) -> &'a [u8] {
    let mut reader = Reader { rest: text, line: line_end(text), key: None, unbalanced: false };
    while reader.pair(entry) {}
    let (blank, behind) = reader.rest.split_at(reader.line);
    match behind {
        _ if !blank.trim_ascii().is_empty() => reader.rest,
        [b'\n', tail @ ..] => tail,
        _ => &[],
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Length of the first line of `rest`.
    line: usize,
    /// Length of the next key, where the end of the last value has shown it.
    key: Option<usize>,
    /// A bracket did not close: no more balancing in this record, which keeps hostile input linear.
    unbalanced: bool,
}

impl<'a> Reader<'a> {
    /// Reads one pair; `false` at the end.
    fn pair(&mut self, entry: &mut Entry<'a>) -> bool {
        let line = &self.rest[..self.line];
        if line.first() != Some(&b' ') {
            return false;
        }
        let length = self.key.take().or_else(|| key_len(&line[1..], true));
        let Some(equals) = length.map(|length| length + 1) else { return false };
        let key = &line[1..equals];
        self.advance(equals + 1);
        let value =
            if self.rest.starts_with(b"<\n") || self.rest.starts_with(b"<\r\n") { self.lines() } else { self.value() };
        entry.push(key, value);
        true
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
        self.line -= bytes;
    }

    /// lines = "<" LF *( TAB text LF ) SP ">"
    ///
    /// The text of the lines joined by LF. A final LF of the value cannot be told from none.
    fn lines(&mut self) -> Value<'a> {
        let mut rest = &self.rest[self.line + 1..];
        let mut text: Text<'a> = Cow::Borrowed(&[]);
        let mut first = true;
        while !ends_lines(rest) {
            let end = line_end(rest);
            let line = &rest[..end];
            let line = line.strip_prefix(b"\t").or_else(|| line.strip_prefix(SHOWN_TAB)).unwrap_or(line);
            if first {
                text = Cow::Borrowed(line);
                first = false;
            } else {
                let joined = text.to_mut();
                joined.push(b'\n');
                joined.extend_from_slice(line);
            }
            let Some(next) = rest.get(end + 1..) else {
                // Cut off: nothing follows.
                (self.rest, self.line) = (&[], 0);
                return Value::Text(text);
            };
            rest = next;
        }
        self.rest = &rest[2..];
        self.line = line_end(self.rest);
        Value::Text(text)
    }

    /// value = quoted / json / token
    /// token = *byte      ; up to the next ` key=` outside of brackets, or the end of the line
    fn value(&mut self) -> Value<'a> {
        let line = &self.rest[..self.line];
        match line.first() {
            Some(b'"') => {
                if let Some((text, end)) = quote::quoted(line)
                    && self.ends_value(line, end)
                {
                    self.advance(end);
                    return Value::Text(text);
                }
            }
            Some(b'{' | b'[') => {
                if let Some(end) = json::value_end(line)
                    && self.ends_value(line, end)
                {
                    self.advance(end);
                    return Value::Json(Text::Borrowed(&line[..end]));
                }
            }
            _ => {}
        }
        let end = scalar_before_key(line).unwrap_or_else(|| self.token(line));
        let (token, blank) = split_cr(&line[..end], end == line.len());
        self.advance(end - blank);
        match token {
            // The quotes of an object's name, in which nothing is escaped.
            [b'"', name @ .., b'"'] => Value::Text(Text::Borrowed(name)),
            _ => value::unquoted(token),
        }
    }

    /// May a value end here? Behind it stands the next key, whose length is kept, or nothing.
    #[inline]
    fn ends_value(&mut self, line: &[u8], end: usize) -> bool {
        match line.get(end) {
            None => true,
            Some(b' ') => {
                self.key = key_len(&line[end + 1..], true);
                self.key.is_some() || line[end + 1..].trim_ascii().is_empty()
            }
            Some(b'\r') => end + 1 == line.len(),
            Some(_) => false,
        }
    }

    /// Length of an unquoted value.
    fn token(&mut self, line: &[u8]) -> usize {
        if !self.unbalanced {
            match balanced(line) {
                Some(end) => return end,
                None => self.unbalanced = true,
            }
        }
        let mut at = 0;
        while let Some(blank) = memchr(b' ', &line[at..]) {
            if next_key(&line[at + blank + 1..]) {
                return at + blank;
            }
            at += blank + 1;
        }
        line.len()
    }
}

/// The end of a number, bool or null with a key after it, of whatever bytes: such a value is no part of a text.
fn scalar_before_key(line: &[u8]) -> Option<usize> {
    let end = memchr(b' ', &line[..line.len().min(SCALAR_BYTES_MAX)])?;
    let is_scalar = !matches!(line[0], b'"' | b'{' | b'[') && json::value_end(&line[..end]) == Some(end);
    (is_scalar && key_len(&line[end + 1..], false).is_some_and(|length| length > 0)).then_some(end)
}

/// Up to the next ` key=` outside of brackets; `None` where a bracket stays open.
fn balanced(line: &[u8]) -> Option<usize> {
    let mut depth = 0u32;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 && next_key(&line[at + 1..]) => return Some(at),
            _ => {}
        }
    }
    (depth == 0).then_some(line.len())
}

/// Does a key stand here that cannot be part of an unquoted value?
fn next_key(text: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-') || *byte >= 0x80;
    let length = text.iter().take(KEY_BYTES_MAX).take_while(|byte| plain(byte)).count();
    match text.get(length) {
        // An empty key is one of klog's, ` = ` is prose.
        Some(b'=') if length == 0 => !matches!(text.get(1), None | Some(b' ' | b'=')),
        // `1=2` is arithmetic, `0="x"` a key.
        Some(b'=') => !text[0].is_ascii_digit() || matches!(text.get(length + 1), Some(b'"' | b'{' | b'[' | b'<')),
        // Odd keys stand between blanks too: `a:b=`, `label[app]=`, `#1=`, `100%=`.
        Some(b' ' | b'\n' | b'"') | None => false,
        Some(_) => key_len(text, false).is_some(),
    }
}

/// key = *byte    ; no LF or DQUOTE, no "=" but inside of what fmt writes for odd types, `%!s(int=1)`
///
/// Its length, where a `=` follows. Blanks count only where `blanks` is set, that is after a value whose end is sure.
#[inline]
fn key_len(text: &[u8], blanks: bool) -> Option<usize> {
    let window = &text[..text.len().min(KEY_BYTES_MAX)];
    let mut odd = false;
    for (at, byte) in window.iter().enumerate() {
        match byte {
            b'=' if odd => return Some(odd_key_len(window, at)),
            b'=' => return Some(at),
            b'\n' | b'"' => return None,
            b' ' | b'\t' if !blanks => return None,
            b'%' => odd = true,
            _ => {}
        }
    }
    None
}

/// Length of a key in which a `%` stands before its first `=`.
fn odd_key_len(window: &[u8], end: usize) -> usize {
    if memmem::find(&window[..end], b"%!").is_none() {
        return end;
    }
    let close = end + memchr(b')', &window[end..]).unwrap_or(0);
    memchr(b'=', &window[close..]).map_or(end, |equals| close + equals)
}

/// ` >` at the start of a line, at its end or before further pairs.
#[inline]
fn ends_lines(text: &[u8]) -> bool {
    matches!(text, [b' ', b'>'] | [b' ', b'>', b' ' | b'\n' | b'\r', ..])
}

/// A token without the CR at the line's end, and whether there was one.
fn split_cr(token: &[u8], at_end: bool) -> (&[u8], usize) {
    match token {
        [token @ .., b'\r'] if at_end => (token, 1),
        _ => (token, 0),
    }
}

fn line_end(text: &[u8]) -> usize {
    memchr(b'\n', text).unwrap_or(text.len())
}
