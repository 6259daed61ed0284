//! conmon-rs: tracing-subscriber's text with line numbers, with a time (log driver stdout) or without (systemd).
//!
//! In go lines like ` INFO a{k=v}:b: target: 12: message k=v`. The target and the line become the code site, the span
//! path the field `spans`, the spans' and the event's fields become fields; the body is the message with its fields as it
//! stood. [`message`] gives the message alone, which is the name of the span event that the line repeats.

use crate::entry::{CodeSite, Entry, Format, Severity, Text, Value};
use crate::text::{levels, parts, value};
use crate::time::dates;

/// line = [ date-time SP ] level rest   ; the level is right-aligned to five columns
pub fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let rest = match line.first() {
        Some(b'0'..=b'9') => {
            let Some((time, rest)) = dates::stamp(line) else { return false };
            entry.time = time;
            rest
        }
        _ => line.strip_prefix(b" ").unwrap_or(line),
    };
    let Some((severity, word, rest)) = levels::level(rest) else { return false };
    if !is_tracing_level(word) {
        return false;
    }
    after_level(severity, word, rest, entry)
}

/// Does a level's text come from tracing?
pub(crate) fn is_tracing_level(word: &[u8]) -> bool {
    matches!(word, b"INFO" | b"WARN" | b"DEBUG" | b"ERROR" | b"TRACE")
}

/// rest = SP [ path ": " ] target ": " line ": " message *( SP field "=" value ) [LF]
pub(crate) fn after_level<'a>(severity: Severity, word: &'a [u8], rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(rest) = rest.strip_prefix(b" ") else { return false };
    let Some(first) = colon_space(rest) else { return false };
    let (path, target, after) = match line_number(&rest[first + 2..]) {
        Some(after) => (None, &rest[..first], after),
        None => {
            let behind = &rest[first + 2..];
            let length = behind.iter().take(256).take_while(|b| is_target(**b)).count();
            // A target ends in a name, its last colon is the separator.
            let Some(target) = behind[..length].strip_suffix(b":") else { return false };
            let Some(after) = behind[length..].strip_prefix(b" ").and_then(line_number) else { return false };
            (Some(&rest[..first]), target, after)
        }
    };
    if target.is_empty() || !target.iter().all(|b| is_target(*b)) {
        return false;
    }
    entry.format = Format::ConmonRs;
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    entry.code = Some(CodeSite { file: target, line: after.0 });
    let body = after.1.strip_suffix(b"\n").unwrap_or(after.1);
    entry.body = Text::Borrowed(body);
    entry.push(&b"target"[..], Value::Text(Text::Borrowed(target)));
    if let Some(path) = path {
        entry.push(&b"spans"[..], Value::Text(Text::Borrowed(path)));
        span_fields(path, entry);
    }
    let parts = split(body);
    pairs(parts.leading, entry);
    pairs(parts.trailing, entry);
    true
}

/// The event's message without its fields; empty for an event that has fields only.
pub fn message(body: &[u8]) -> &[u8] {
    split(body).message
}

fn is_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.')
}

/// line = 1*DIGIT ":" ( SP / end )
fn line_number(text: &[u8]) -> Option<(u32, &[u8])> {
    let (line, rest) = parts::digits(text);
    let rest = rest.strip_prefix(b":")?;
    Some((u32::try_from(line?).ok()?, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// The first ": " outside of braces and quotes.
fn colon_space(text: &[u8]) -> Option<usize> {
    Marks::new(text).find(|&at| text[at] == b':' && text.get(at + 1) == Some(&b' '))
}

/// The blanks, colons and outermost brackets of a text that stand outside of brackets and quotes.
struct Marks<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
    /// No quote closes any more.
    unclosed: bool,
}

impl<'a> Marks<'a> {
    fn new(text: &'a [u8]) -> Self {
        Marks { text, at: 0, depth: 0, unclosed: false }
    }

    /// Where the quoted text that begins here ends, its quote included.
    fn quoted(&mut self) -> usize {
        let mut at = self.at + 1;
        while let Some(next) = self.text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
            at += next;
            if self.text[at] == b'"' {
                return at + 1;
            }
            at += 2;
        }
        self.unclosed = true;
        self.at + 1
    }
}

impl Iterator for Marks<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let rest = self.text.get(self.at..)?;
            self.at += rest.iter().position(|b| MARKS[*b as usize])?;
            let at = self.at;
            match self.text[at] {
                // Only where a value can begin: the quote in `3"` opens nothing.
                b'"' if !self.unclosed
                    && (at == 0 || matches!(self.text[at - 1], b' ' | b'=' | b'(' | b'[' | b'{' | b',')) =>
                {
                    self.at = self.quoted();
                    continue;
                }
                b'"' => {}
                b'{' | b'[' | b'(' => {
                    self.depth += 1;
                    if self.depth == 1 {
                        self.at += 1;
                        return Some(at);
                    }
                }
                b'}' | b']' | b')' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.at += 1;
                        return Some(at);
                    }
                }
                _ if self.depth == 0 => {
                    self.at += 1;
                    return Some(at);
                }
                _ => {}
            }
            self.at += 1;
        }
    }
}

const MARKS: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"\"{}[]() :";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    table
};

/// path = span *( ":" span ) ; span = name [ "{" pairs "}" ]
fn span_fields<'a>(path: &'a [u8], entry: &mut Entry<'a>) {
    let mut open = None;
    for at in Marks::new(path) {
        match path[at] {
            b'{' => open = Some(at + 1),
            b'}' => {
                if let Some(from) = open.take() {
                    pairs(&path[from..at], entry);
                }
            }
            _ => {}
        }
    }
}

struct Parts<'a> {
    leading: &'a [u8],
    message: &'a [u8],
    trailing: &'a [u8],
}

/// body = *( pair SP ) message *( SP pair ) ; fields before the message have values without blanks
fn split(body: &[u8]) -> Parts<'_> {
    let mut at = 0;
    while is_pair(&body[at..]) {
        let equals = at + memchr::memchr(b'=', &body[at..]).unwrap_or_default();
        let end = equals + value_end(&body[equals..]);
        at = if end < body.len() { end + 1 } else { end };
    }
    let leading = body[..at].strip_suffix(b" ").unwrap_or(&body[..at]);
    let rest = &body[at..];
    let end = next_pair(rest).unwrap_or(rest.len());
    Parts { leading, message: &rest[..end], trailing: rest[end..].strip_prefix(b" ").unwrap_or_default() }
}

/// pair = key "=" ; key = ALPHA *( ALPHA / DIGIT / "_" / "." )
fn is_pair(text: &[u8]) -> bool {
    if !text.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
        return false;
    }
    let length = text.iter().take(64).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
    text.get(length) == Some(&b'=') && text.get(length + 1) != Some(&b'=')
}

/// Where the blank before the next pair stands.
fn next_pair(text: &[u8]) -> Option<usize> {
    Marks::new(text).find(|&at| text[at] == b' ' && is_pair(&text[at + 1..]))
}

/// The first blank outside of brackets and quotes.
fn value_end(text: &[u8]) -> usize {
    Marks::new(text).find(|&at| text[at] == b' ').unwrap_or(text.len())
}

/// pairs = pair *( SP pair )   ; a value goes on to the next pair
fn pairs<'a>(mut text: &'a [u8], entry: &mut Entry<'a>) {
    while is_pair(text) {
        let end = next_pair(text).unwrap_or(text.len());
        let (pair, rest) = text.split_at(end);
        if let Some(equals) = memchr::memchr(b'=', pair) {
            entry.push(&pair[..equals], read_value(&pair[equals + 1..]));
        }
        text = rest.strip_prefix(b" ").unwrap_or_default();
    }
}

/// Rust's Debug of a string, or anything else as it stands.
fn read_value(text: &[u8]) -> Value<'_> {
    match text {
        [b'"', inner @ .., b'"'] if memchr::memchr(b'"', inner).is_none_or(|at| at > 0 && inner[at - 1] == b'\\') => {
            Value::Text(undo_debug(inner))
        }
        _ => value::unquoted(text),
    }
}

fn undo_debug(inner: &[u8]) -> Text<'_> {
    if memchr::memchr(b'\\', inner).is_none() {
        return Text::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'0') => out.push(0),
            Some(&other @ (b'"' | b'\\' | b'\'')) => out.push(other),
            Some(&other) => out.extend([b'\\', other]),
            None => out.push(b'\\'),
        }
    }
    Text::Owned(out)
}
