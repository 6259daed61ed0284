//! Ids in free text: after a key (`trace_id=…`, `"traceId": "…"`, `X-B3-TraceId: …`), or in a shape that tells what it
//! is (a W3C traceparent, Sleuth's and Boot's blocks, New Relic's linking line).
//!
//! Most lines have neither: a key says "trace" somewhere, every other shape has sixteen hex digits in a row, and a line
//! without both is left after one glance. Bare ids are not taken.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::Found;
use super::ids::{self, Header};
use super::keys::{self, Key};
use super::tokens::{HexRuns, is_bounded, is_hex};
use crate::entry::TraceContext;

/// The longest key that is looked at.
const KEY_MAX: usize = 48;
/// The longest value: an X-Ray header with its lineage.
const VALUE_MAX: usize = 256;
/// Places of one line that are looked at: a line with more says nothing.
const PLACES_MAX: usize = 64;

static LOWER_TRACE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("race"));
static UPPER_TRACE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("RACE"));
static LOWER_SPAN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("pan"));
static UPPER_SPAN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("PAN"));

/// The context that free text carries.
pub fn from_text(text: &[u8]) -> TraceContext {
    let has_key = text.len() > 12 && (LOWER_TRACE.find(text).is_some() || UPPER_TRACE.find(text).is_some());
    if !has_key && HexRuns::new(text).next().is_none() {
        return TraceContext::default();
    }
    let mut found = Found::default();
    if has_key {
        after_keys(text, &LOWER_TRACE, &mut found);
        after_keys(text, &UPPER_TRACE, &mut found);
    }
    if !found.has_trace() {
        shapes(text, &mut found);
    }
    if found.has_trace() && found.span.is_none() && found.datadog_span.is_none() && found.header_span.is_none() {
        after_keys(text, &LOWER_SPAN, &mut found);
        after_keys(text, &UPPER_SPAN, &mut found);
        if found.span.is_none() {
            after_keys(text, &Finder::new("ransaction"), &mut found);
        }
    }
    found.context()
}

/// Reads the values of all keys that hold a word.
fn after_keys(text: &[u8], word: &Finder<'_>, found: &mut Found) {
    let mut done = 0;
    for at in word.find_iter(text).take(PLACES_MAX) {
        if at < done {
            continue;
        }
        let start = at - text[..at].iter().rev().take(KEY_MAX).take_while(|b| is_key(**b)).count();
        let end = at + text[at..].iter().take(KEY_MAX).take_while(|b| is_key(**b)).count();
        done = end;
        let key = &text[start..end];
        let Some(kind) = keys::classify(key) else {
            if key.eq_ignore_ascii_case(b"traces") && text[..start].ends_with(b"/") {
                found.take(Key::Trace, token(&text[start - 1..]).strip_prefix(b"/traces/").unwrap_or_default());
            }
            continue;
        };
        if let Some(value) = value(&text[end..], kind) {
            found.take(kind, value);
        }
    }
}

/// after = [quote] *SP ( "=" / ":" / "=>" ) *SP *( quote / open ) value ; or SP and a full id
fn value(after: &[u8], kind: Key) -> Option<&[u8]> {
    let mut rest = skip(after, b"\\\"'])", 3);
    rest = skip(rest, b" ", 2);
    match rest.first()? {
        b'=' | b':' => {
            rest = rest[1..].strip_prefix(b">").unwrap_or(&rest[1..]);
            rest = skip(rest, b" \t", 4);
            // `"trace":{"id":"…"}`
            if let Some(inner) = rest.strip_prefix(b"{\"id\":").or_else(|| rest.strip_prefix(b"{\\\"id\\\":")) {
                rest = skip(inner, b" ", 2);
            }
            if rest.first() == Some(&b'[') && rest.get(1).is_some_and(u8::is_ascii_digit) && is_byte_list(rest) {
                return Some(&rest[..rest.len().min(VALUE_MAX)]);
            }
            rest = skip(rest, b"\\\"'[(<{", 3);
            Some(token(rest))
        }
        _ if after.first() == Some(&b' ') => {
            let token = token(rest);
            let wanted: &[usize] = match kind {
                Key::Trace => &[32],
                Key::Span => &[16],
                Key::Traceparent => &[55],
                _ => &[],
            };
            wanted.contains(&token.len()).then_some(token)
        }
        _ => None,
    }
}

fn is_byte_list(text: &[u8]) -> bool {
    let end = text.iter().skip(1).take(VALUE_MAX).position(|b| !matches!(b, b'0'..=b'9' | b' ' | b','));
    end.is_some_and(|end| text[end + 1] == b']' && end >= 15)
}

fn skip<'t>(text: &'t [u8], set: &[u8], most: usize) -> &'t [u8] {
    &text[text.iter().take(most).take_while(|b| set.contains(b)).count()..]
}

/// The value's bytes, without marks at its end.
fn token(text: &[u8]) -> &[u8] {
    let end = text.iter().take(VALUE_MAX).take_while(|b| is_value(**b)).count();
    let mut token = &text[..end];
    while let [rest @ .., b'.' | b';' | b':'] = token {
        token = rest;
    }
    token
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@')
}

fn is_value(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-' | b'.' | b':' | b';' | b'|' | b'@' | b'%')
}

/// Shapes that tell by themselves what they are, at each long run of hex digits.
fn shapes(text: &[u8], found: &mut Found) {
    for (at, end) in HexRuns::new(text).take(PLACES_MAX) {
        match end - at {
            24 => found.take_header(root(text, at)),
            16 | 32 if is_bounded(text, at, end) => {
                if !(block(text, at, end, found) || header(text, at, end, found)) {
                    keyed(text, at, found);
                }
            }
            _ => {}
        }
        if found.has_trace() {
            return;
        }
    }
}

/// "Root=1-" 8H "-" 24H
fn root(text: &[u8], at: usize) -> Option<Header> {
    let start = at.checked_sub(16)?;
    text[start..].starts_with(b"Root=1-").then(|| ids::xray(token(&text[start..]))).flatten()
}

/// boot = "[" 32H "-" 16H "]" ; sleuth = "[" app "," trace "," 16H [ "," bool ] "]" ;
/// new relic = "NR-LINKING|" guid "|" host "|" 32H "|" 16H "|" name "|"
fn block(text: &[u8], at: usize, end: usize, found: &mut Found) -> bool {
    let rest = &text[end..];
    let span = rest.get(1..17).filter(|span| span.iter().all(|&b| is_hex(b)));
    let (Some(span), Some(&before)) = (span, at.checked_sub(1).and_then(|before| text.get(before))) else {
        return false;
    };
    let close = rest.get(17).copied();
    let is_block = match (before, rest[0]) {
        (b'[', b'-') => close == Some(b']'),
        (b',', b',') => {
            let app =
                text[..at - 1].iter().rev().take(64).take_while(|b| !matches!(b, b'[' | b',' | b']' | b' ')).count();
            text[..at - 1 - app].last() == Some(&b'[')
                && (close == Some(b']') || rest[17..].starts_with(b",true]") || rest[17..].starts_with(b",false]"))
        }
        (b'|', b'|') => close == Some(b'|') && memchr::memmem::find(&text[..at], b"NR-LINKING|").is_some(),
        _ => false,
    };
    if is_block {
        found.take(Key::Trace, &text[at..end]);
        found.take(Key::Span, span);
    }
    is_block && found.trace.is_some()
}

/// A W3C traceparent or a hierarchical Request-Id without its key.
fn header(text: &[u8], at: usize, end: usize, found: &mut Found) -> bool {
    if end - at != 32 {
        return false;
    }
    if at >= 3 && text[at - 1] == b'-' && !(at > 3 && text[at - 4].is_ascii_alphanumeric()) {
        found.take_header(ids::traceparent(token(&text[at - 3..])));
    } else if at >= 1 && text[at - 1] == b'|' {
        found.take_header(ids::hierarchical(&text[at - 1..text.len().min(end + 20)]));
    }
    found.header_trace.is_some()
}

/// A key right before the run that says whose id it is (`operation_Id: `, `b3=`, `@tr":"`).
fn keyed(text: &[u8], at: usize, found: &mut Found) {
    let head = &text[at.saturating_sub(KEY_MAX)..at];
    let head = trim(head, b"\\\"'|[ ");
    let Some(head) = head.strip_suffix(b"=").or_else(|| head.strip_suffix(b":")) else { return };
    let head = trim(head, b"\\\"' ");
    let start = head.len() - head.iter().rev().take_while(|b| is_key(**b)).count();
    let Some(kind) = keys::classify(&head[start..]) else { return };
    // A span alone says nothing of its trace.
    if !matches!(kind, Key::Span | Key::HeaderSpan | Key::DatadogSpan | Key::Transaction) {
        found.take(kind, token(&text[at..]));
    }
}

fn trim<'t>(text: &'t [u8], set: &[u8]) -> &'t [u8] {
    let end = text.len() - text.iter().rev().take(4).take_while(|b| set.contains(b)).count();
    &text[..end]
}
