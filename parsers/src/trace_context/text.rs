//! Ids in free text: after a key (`trace_id=…`, `"traceId": "…"`, `X-B3-TraceId: …`), or in a shape that tells what it
//! is (a W3C traceparent, Sleuth's and Boot's blocks, New Relic's linking line).
//!
//! Most lines have neither: a key says "trace" somewhere, every other shape has sixteen hex digits in a row, and a line
//! without both is left after one glance. Bare ids are not taken.

use crate::entry::TraceContext;
use crate::text::short_search;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::found::Found;
use super::hex::is_hex;
use super::ids::{self, Header};
use super::keys::{self, Key};
use super::tokens::{HexRuns, is_bounded};

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
static TRANSACTION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ransaction"));

/// The context that free text carries.
pub fn from_text(text: &[u8]) -> TraceContext {
    let mut found = Found::default();
    let is_named = short_search::has_race(text);
    let lower = if is_named { LOWER_TRACE.find(text) } else { None };
    if let Some(first) = lower {
        after_keys(text, first, &LOWER_TRACE, &mut found);
    }
    let upper = if is_named && !found.has_trace() { UPPER_TRACE.find(text) } else { None };
    if let Some(first) = upper {
        after_keys(text, first, &UPPER_TRACE, &mut found);
    }
    if !found.has_trace() {
        shapes(text, &mut found);
        if !found.has_trace() {
            return TraceContext::default();
        }
    }
    if found.span.is_none() && found.datadog_span.is_none() && found.header_span.is_none() {
        let words = [&*LOWER_SPAN, &*UPPER_SPAN, &*TRANSACTION];
        for (word, first) in words.into_iter().filter_map(|word| Some((word, word.find(text)?))) {
            if found.span.is_none() && found.header_span.is_none() {
                after_keys(text, first, word, &mut found);
            }
        }
    }
    found.context()
}

/// Reads the values of all keys that hold a word, the first of which is given, and of the keys right after them.
fn after_keys(text: &[u8], first: usize, word: &Finder<'_>, found: &mut Found) {
    let mut at = first;
    for _ in 0..PLACES_MAX {
        let start = at - text[..at].iter().rev().take(KEY_MAX).take_while(|b| is_key(**b)).count();
        let mut done = pair(text, start, at, found);
        // Ids stand side by side: `trace_id=… span_id=… trace_flags=…`.
        for _ in 0..4 {
            let next = done + text[done..].iter().take(6).take_while(|b| !is_key(**b)).count();
            match text.get(next) {
                Some(b's' | b'S' | b't' | b'T' | b'd' | b'X' | b'x') if next > done => {
                    let end = pair(text, next, next, found);
                    if end == next {
                        break;
                    }
                    done = end;
                }
                _ => break,
            }
        }
        done = done.max(at + 3);
        match text.get(done..).and_then(|rest| word.find(rest)) {
            Some(next) => at = done + next,
            None => return,
        }
    }
}

/// A key from `start` on, at least up to `at`, and its value: what it says is taken. The end of both, or of the key.
fn pair(text: &[u8], start: usize, at: usize, found: &mut Found) -> usize {
    let end = at + text[at..].iter().take(KEY_MAX).take_while(|b| is_key(**b)).count();
    let key = &text[start..end];
    if let Some(kind) = keys::classify(key) {
        if let Some((value, rest)) = value(&text[end..], kind) {
            let after_value = text.len() - rest.len();
            found.take(kind, value);
            return after_value;
        }
    } else if key.eq_ignore_ascii_case(b"traces") && text[..start].ends_with(b"/") {
        found.take(Key::Trace, token(&text[start - 1..]).strip_prefix(b"/traces/").unwrap_or_default());
    }
    end
}

/// after = [quote] *SP ( "=" / ":" / "=>" ) *SP *( quote / open ) value ; or SP and a full id
///
/// The value, and what follows it.
fn value(after: &[u8], kind: Key) -> Option<(&[u8], &[u8])> {
    let mut rest = after;
    if !matches!(rest.first(), Some(b'=' | b':')) {
        rest = skip(skip(rest, b"\\\"'])", 3), b" ", 2);
    }
    match rest.first()? {
        b'=' | b':' => {
            rest = rest[1..].strip_prefix(b">").unwrap_or(&rest[1..]);
            if rest.first().is_some_and(u8::is_ascii_alphanumeric) {
                let token = token(rest);
                return Some((token, &rest[token.len()..]));
            }
            rest = skip(rest, b" \t", 4);
            // `"trace":{"id":"…"}`
            if let Some(inner) = rest.strip_prefix(b"{\"id\":").or_else(|| rest.strip_prefix(b"{\\\"id\\\":")) {
                rest = skip(inner, b" ", 2);
            }
            if rest.first() == Some(&b'[') && rest.get(1).is_some_and(u8::is_ascii_digit) && is_byte_list(rest) {
                return Some(rest.split_at(rest.len().min(VALUE_MAX)));
            }
            rest = skip(rest, b"\\\"'[(<{", 3);
            let token = token(rest);
            Some((token, &rest[token.len()..]))
        }
        _ if after.first() == Some(&b' ') => {
            let token = token(rest);
            let wanted: &[usize] = match kind {
                Key::Trace | Key::ElasticTrace | Key::BareTrace => &[32],
                Key::Span | Key::BareSpan => &[16],
                Key::Traceparent => &[55],
                _ => &[],
            };
            wanted.contains(&token.len()).then(|| (token, &rest[token.len()..]))
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

/// Bytes of keys (bit 0) and of values (bit 1).
const CLASSES: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = 3;
        }
        byte += 1;
    }
    let (keys, values) = (b"_-.@", b"+/=_-.:;|@%");
    let mut i = 0;
    while i < keys.len() {
        table[keys[i] as usize] |= 1;
        i += 1;
    }
    i = 0;
    while i < values.len() {
        table[values[i] as usize] |= 2;
        i += 1;
    }
    table
};

#[inline]
fn is_key(byte: u8) -> bool {
    CLASSES[byte as usize] & 1 != 0
}

#[inline]
fn is_value(byte: u8) -> bool {
    CLASSES[byte as usize] & 2 != 0
}

/// Shapes that tell by themselves what they are, at each long run of hex digits.
fn shapes(text: &[u8], found: &mut Found) {
    for (at, end) in HexRuns::new(text).take(PLACES_MAX) {
        match end - at {
            24 => found.take_header(root(text, at)),
            16 | 32 if is_bounded(text, at, end) => {
                let is_shape = block(text, at, end, found) || header(text, at, end, found);
                if !is_shape {
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
    if !matches!(kind, Key::Span | Key::BareSpan | Key::HeaderSpan | Key::DatadogSpan | Key::Transaction) {
        found.take(kind, token(&text[at..]));
    }
}

fn trim<'t>(text: &'t [u8], set: &[u8]) -> &'t [u8] {
    let end = text.len() - text.iter().rev().take(4).take_while(|b| set.contains(b)).count();
    &text[..end]
}
