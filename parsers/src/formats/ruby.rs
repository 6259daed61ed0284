//! Ruby: the standard Logger's lines and Sidekiq's.
//!
//! In goes a line, or what follows its time, out come time, level, pid, program and message. Frames at the margin after it
//! are recognised by [`crate::stacks::frames`].

use crate::entry::{Entry, Severity, Text, Value};
use crate::text::parts::{digits, skip_blanks};
use crate::text::{levels, value};
use crate::time::dates;

/// Pairs of Sidekiq's context.
const PAIRS_MAX: usize = 8;

/// logger = L ", [" date-time SP "#" pid "]" 1*SP LEVEL " -- " [ program ] ":" SP message
pub(crate) fn logger<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let [letter, b',', b' ', b'[', rest @ ..] = line else { return false };
    let Some((time, rest)) = dates::stamp(rest) else { return false };
    let (Some(pid), rest) = digits(rest.strip_prefix(b"#").unwrap_or_default()) else { return false };
    let rest = skip_blanks(rest.strip_prefix(b"]").unwrap_or_default());
    let length = rest.iter().take(8).take_while(|byte| byte.is_ascii_uppercase()).count();
    let (word, rest) = rest.split_at(length);
    let severity = match (letter, word) {
        (b'D', b"DEBUG") => Severity::DEBUG,
        (b'I', b"INFO") => Severity::INFO,
        (b'W', b"WARN") => Severity::WARN,
        (b'E', b"ERROR") => Severity::ERROR,
        (b'F', b"FATAL") => Severity::FATAL,
        (b'A', b"ANY") => Severity::UNKNOWN,
        _ => return false,
    };
    let Some(rest) = rest.strip_prefix(b" -- ") else { return false };
    let Some(colon) = memchr::memchr(b':', &rest[..rest.len().min(160)]) else { return false };
    let program = &rest[..colon];
    if !program.is_empty() {
        entry.push(&b"logger"[..], Value::Text(Text::Borrowed(program)));
    }
    entry.time = time;
    entry.pid = Some(pid);
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    let message = &rest[colon + 1..];
    entry.body = Text::Borrowed(message.strip_prefix(b" ").unwrap_or(message));
    true
}

/// sidekiq = "pid=" n SP "tid=" id *( SP key "=" value ) SP LEVEL ":" SP message
///         / pid SP "TID-" id *( SP word ) SP LEVEL ":" SP message
pub(crate) fn sidekiq<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let is_pairs = rest.starts_with(b"pid=");
    let (pid, mut text) = digits(rest.strip_prefix(b"pid=").unwrap_or(rest));
    if pid.is_none() || !(text.starts_with(b" tid=") || text.starts_with(b" TID-")) {
        return false;
    }
    let before = entry.fields.len();
    for _ in 0..PAIRS_MAX {
        text = skip_blanks(text);
        if let Some((severity, word, [b':', message @ ..])) = levels::level(text) {
            entry.pid = pid;
            entry.severity = severity;
            entry.severity_text = Text::Borrowed(word);
            entry.body = Text::Borrowed(message.strip_prefix(b" ").unwrap_or(message));
            return true;
        }
        let end = memchr::memchr(b' ', text).unwrap_or(text.len());
        if let Some(equals) = memchr::memchr(b'=', &text[..end]).filter(|_| is_pairs) {
            entry.push(&text[..equals], value::unquoted(&text[equals + 1..end]));
        }
        text = &text[end..];
    }
    entry.fields.truncate(before);
    false
}
