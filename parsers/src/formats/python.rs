//! Python's logging in its usual formats, OpenTelemetry's included.
//!
//! The logger's name becomes the field `logger`, a `file.py:12` block the code site.

use crate::entry::{CodeSite, Entry, Format, Severity, Text, Value};
use crate::text::{levels, parts};
use crate::time::dates;

/// line = date-time SP ( "- " name " - " level " - " msg / level SP "[" name "]" … ) / level ":" name ":" msg
pub fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((time, rest)) = dates::stamp(line) else { return basic(line, entry) };
    entry.time = time;
    if rest.first() == Some(&b'-') {
        return dashed(rest, entry);
    }
    let Some((severity, word, rest)) = levels::level(rest) else { return false };
    set_level(severity, word, entry);
    after_level(rest, entry)
}

fn set_level<'a>(severity: Severity, word: &'a [u8], entry: &mut Entry<'a>) {
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
}

/// after_level = SP "[" name "]" [ SP "[" file ":" line "]" ] [ SP "[" ids "]" ] [ SP "-" ] SP msg
pub(crate) fn after_level<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(rest) = rest.strip_prefix(b" ") else { return false };
    let Some((name, mut after)) = parts::bracket(rest) else { return false };
    if name.is_empty() {
        return false;
    }
    entry.format = Format::Python;
    entry.push(&b"logger"[..], Value::Text(Text::Borrowed(name)));
    for _ in 0..2 {
        let Some((block, rest)) = after.strip_prefix(b" ").and_then(parts::bracket) else { break };
        if let Some(code) = code_site(block) {
            entry.code = Some(code);
        } else if block.starts_with(b"trace_id=") {
            otel(block, entry);
        } else {
            break;
        }
        after = rest;
    }
    let message = after.strip_prefix(b" - ").or_else(|| after.strip_prefix(b": ")).or_else(|| after.strip_prefix(b" "));
    entry.body = Text::Borrowed(message.unwrap_or(after));
    true
}

/// otel = "trace_id=" id SP "span_id=" id [ SP "resource.service.name=" name ] [ SP "trace_sampled=" bool ]
///
/// The ids are found in the line's text.
fn otel<'a>(block: &'a [u8], entry: &mut Entry<'a>) {
    // The name of a service may have blanks.
    let after = |key: &[u8]| memchr::memmem::find(block, key).map(|at| &block[at + key.len()..]);
    let sampled = after(b" trace_sampled=");
    if let Some(name) = after(b" resource.service.name=") {
        let name = &name[..memchr::memmem::find(name, b" trace_sampled=").unwrap_or(name.len())];
        if !name.is_empty() {
            entry.push(&b"resource.service.name"[..], Value::Text(Text::Borrowed(name)));
        }
    }
    match sampled {
        Some(b"True") => entry.push(&b"trace_sampled"[..], Value::Bool(true)),
        Some(b"False") => entry.push(&b"trace_sampled"[..], Value::Bool(false)),
        _ => {}
    }
}

/// dashed = "- " name " - " level " - " msg
pub(crate) fn dashed<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(rest) = rest.strip_prefix(b"- ") else { return false };
    let Some(end) = memchr::memmem::find(&rest[..rest.len().min(160)], b" - ") else { return false };
    let (name, rest) = (&rest[..end], &rest[end + 3..]);
    if let Some((severity, word, after)) = levels::level(rest)
        && let Some(message) = after.strip_prefix(b" - ").or_else(|| after.strip_prefix(b": "))
    {
        set_level(severity, word, entry);
        entry.format = Format::Python;
        entry.push(&b"logger"[..], Value::Text(Text::Borrowed(name.trim_ascii())));
        entry.body = Text::Borrowed(message);
        return true;
    }
    // `- LEVEL - msg`: no name
    if let Some((severity, word, b"")) = levels::level(name) {
        set_level(severity, word, entry);
        entry.format = Format::Python;
        entry.body = Text::Borrowed(rest);
        return true;
    }
    false
}

/// basic = level ":" name ":" msg   ; logging.basicConfig's default
pub(crate) fn basic<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((severity, word, after)) = levels::level(line) else { return false };
    let Some(rest) = after.strip_prefix(b":") else { return false };
    let length =
        rest.iter().take(128).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')).count();
    if length == 0 || rest.get(length) != Some(&b':') || rest.get(length + 1) == Some(&b':') {
        return false;
    }
    set_level(severity, word, entry);
    entry.format = Format::Python;
    entry.push(&b"logger"[..], Value::Text(Text::Borrowed(&rest[..length])));
    entry.body = Text::Borrowed(&rest[length + 1..]);
    true
}

/// site = name ".py:" line
fn code_site(block: &[u8]) -> Option<CodeSite<'_>> {
    let colon = memchr::memrchr(b':', block)?;
    let file = block[..colon].ends_with(b".py").then(|| &block[..colon])?;
    let (line, b"") = parts::digits(&block[colon + 1..]) else { return None };
    Some(CodeSite { file, line: u32::try_from(line?).ok()? })
}
