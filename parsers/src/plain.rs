//! Plain text: the time and the level that stand in their usual places, for lines that no named pattern fits.
//!
//! With a time in front the body is what follows it; without one the body is the whole line, and only its level is
//! taken. Levels come from the text alone.

use crate::entry::{CodeSite, Entry, Format, Severity, Text, Time, Value};
use crate::timestamp;

/// full = date-time [SP "UTC" / SP offset]   ; Go and PostgreSQL put the zone apart
///
/// The time, and what follows the blanks behind it.
pub(crate) fn stamp(line: &[u8]) -> Option<(Time, &[u8])> {
    let (mut time, mut at) = timestamp::iso8601(line)?;
    if let Time::Local { year: Some(year), month, day, nanos_of_day, digits } = time
        && let [b' ', zone @ ..] = &line[at..]
        && let Some((offset, length)) = separate_zone(zone)
    {
        let seconds = timestamp::days_from_civil(year, month, day) * 86_400 - offset;
        let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos_of_day)?;
        time = Time::Unix { nanos, digits };
        at += 1 + length;
    }
    match line.get(at) {
        None => Some((time, b"")),
        Some(b' ' | b'\t') => Some((time, skip_blanks(&line[at..]))),
        Some(b':' | b']' | b'|' | b',' | b'[') => Some((time, &line[at..])),
        Some(_) => None,
    }
}

fn separate_zone(zone: &[u8]) -> Option<(i64, usize)> {
    let ends = |at: usize| zone.get(at).is_none_or(|b| matches!(b, b' ' | b'\t' | b']'));
    if matches!(zone, [b'U', b'T', b'C', ..] | [b'G', b'M', b'T', ..]) && ends(3) {
        return Some((0, 3));
    }
    let (offset, length) = timestamp::zone(zone).filter(|(_, length)| *length > 1 && ends(*length))?;
    let length = if zone[length..].starts_with(b" UTC") && ends(length + 4) { length + 4 } else { length };
    Some((offset, length))
}

/// Passes over spaces and tabs.
#[inline]
pub(crate) fn skip_blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()..]
}

/// level = 3*13UPPER, followed by a blank, a mark or the end
///
/// Its number, its text, and what follows (blanks not passed over).
#[inline]
pub(crate) fn level(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let length = text.iter().take(14).take_while(|b| b.is_ascii_uppercase()).count();
    if length < 3
        || text.get(length).is_some_and(|b| !matches!(b, b' ' | b'\t' | b':' | b']' | b'|' | b',' | b'-' | b'[' | b')'))
    {
        return None;
    }
    let severity = severity(&text[..length])?;
    Some((severity, &text[..length], &text[length..]))
}

/// The number of a level's name; the commonest ones first.
#[inline]
pub(crate) fn severity(name: &[u8]) -> Option<Severity> {
    let severity = match name {
        b"INFO" => Severity::INFO,
        b"DEBUG" => Severity::DEBUG,
        b"WARN" | b"WARNING" => Severity::WARN,
        b"ERROR" => Severity::ERROR,
        b"TRACE" => Severity::TRACE,
        // Words that are levels in few programs, and words in all others.
        b"ALL" | b"CONFIG" | b"FAIL" => return None,
        _ => Severity::from_name(name),
    };
    (severity != Severity::UNKNOWN).then_some(severity)
}

/// Any case, of the words that are nothing but levels.
fn lower_level(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let length = text.iter().take(14).take_while(|b| b.is_ascii_alphabetic()).count();
    let word = &text[..length];
    let known = [
        &b"trace"[..],
        b"debug",
        b"info",
        b"notice",
        b"warn",
        b"warning",
        b"error",
        b"err",
        b"crit",
        b"critical",
        b"alert",
        b"emerg",
        b"fatal",
        b"panic",
        b"information",
        b"severe",
        b"wrn",
        b"inf",
        b"dbg",
        b"ftl",
    ];
    if !known.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return None;
    }
    Some((Severity::from_name(word), word, &text[length..]))
}

/// stamped = "[" date-time "]" / date-time, then [level], then the message
pub(crate) fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let (time, rest) = match line.strip_prefix(b"[") {
        Some(inner) => match stamp(inner) {
            Some((time, rest)) => match rest.strip_prefix(b"]") {
                Some(rest) => (time, skip_blanks(rest)),
                // `[2026-11-23T09:14:51Z INFO target] msg` (Rust's env_logger), `[2026-11-23 … ] `
                None => return bracketed(time, rest, entry),
            },
            None => return false,
        },
        None => match stamp(line) {
            Some(found) => found,
            None => return false,
        },
    };
    after_time(time, rest, entry);
    true
}

/// What follows a time: a level in one of its dresses, and the message.
pub(crate) fn after_time<'a>(time: Time, rest: &'a [u8], entry: &mut Entry<'a>) {
    entry.time = time;
    let rest = match rest {
        [b':' | b'|' | b',', rest @ ..] => skip_blanks(rest),
        _ => rest,
    };
    match dressed_level(rest) {
        Some((severity, word, message)) => {
            entry.severity = severity;
            entry.severity_text = Text::Borrowed(word);
            entry.body = Text::Borrowed(message);
        }
        None => entry.body = Text::Borrowed(rest),
    }
}

/// dressed = LEVEL / "[" level "]" / "<" level ">" / "(" level ")" / level ":" / level TAB / "level=" level
fn dressed_level(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let first = *text.first()?;
    let closing = match first {
        b'[' => b']',
        b'<' => b'>',
        b'(' => b')',
        _ => 0,
    };
    if closing != 0 {
        let (severity, word, rest) = lower_level(skip_blanks(&text[1..]))?;
        let rest = skip_blanks(rest).strip_prefix(&[closing])?;
        return Some((severity, word, message(rest)));
    }
    if !first.is_ascii_alphabetic() {
        return None;
    }
    if let Some((severity, word, rest)) = level(text) {
        return Some((severity, word, message(rest)));
    }
    let length = text.iter().take(14).take_while(|b| b.is_ascii_alphabetic()).count();
    if !matches!(text.get(length), Some(b':' | b'\t' | b'|')) {
        return None;
    }
    let (severity, word, rest) = lower_level(text)?;
    match rest.first() {
        Some(b':' | b'\t' | b'|') => Some((severity, word, message(rest))),
        _ => None,
    }
}

/// The text behind a level: one mark and the blanks around it are not part of it.
fn message(rest: &[u8]) -> &[u8] {
    let rest = skip_blanks(rest);
    match rest {
        [b':' | b'|', after @ ..] if after.first() != Some(&b':') => skip_blanks(after),
        [b'-', b' ' | b'\t', ..] => skip_blanks(&rest[1..]),
        _ => rest,
    }
}

/// inside = [LEVEL] [SP logger] "]" SP message
fn bracketed<'a>(time: Time, rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(close) = memchr::memchr(b']', &rest[..rest.len().min(200)]) else { return false };
    let inside = &rest[..close];
    let Some((severity, word, logger)) = level(inside).or_else(|| lower_level(inside)) else { return false };
    entry.time = time;
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    let logger = logger.trim_ascii();
    if !logger.is_empty() {
        entry.push(&b"logger"[..], Value::Text(Text::Borrowed(logger)));
    }
    entry.body = Text::Borrowed(skip_blanks(&rest[close + 1..]));
    true
}

/// A level at the start of a line without a time: `[ERROR] …`, `ERROR: …`, `ERROR …`, `<error> …`, `level=error …`.
pub(crate) fn level_only<'a>(line: &'a [u8], entry: &mut Entry<'a>) {
    let start = skip_blanks(line);
    let found = match start.first() {
        Some(b'[' | b'<' | b'(') => dressed_level(start),
        Some(b'A'..=b'Z') => level(start),
        Some(b'l') => {
            start.strip_prefix(b"level=").and_then(|rest| lower_level(rest.strip_prefix(b"\"").unwrap_or(rest)))
        }
        Some(b'a'..=b'z') => dressed_level(start),
        _ => None,
    };
    if let Some((severity, word, _)) = found {
        entry.severity = severity;
        entry.severity_text = Text::Borrowed(word);
    }
}

/// go = YYYY "/" MM "/" DD SP hh ":" mm ":" ss ["." micros] SP [ file ":" line ":" SP ] message ;
/// nginx = … "[" level "]" SP pid "#" tid ":" SP [ "*" connection SP ] message
pub(crate) fn slashed<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((time, rest)) = slashed_stamp(line) else { return false };
    entry.time = time;
    if nginx(rest, entry) {
        return true;
    }
    let rest = match code_site(rest) {
        Some((code, rest)) => {
            entry.code = Some(code);
            rest
        }
        None => rest,
    };
    after_time(time, rest, entry);
    true
}

fn slashed_stamp(line: &[u8]) -> Option<(Time, &[u8])> {
    let head = line.get(..19)?;
    if head[4] != b'/' || head[7] != b'/' || head[10] != b' ' {
        return None;
    }
    let two = |at| timestamp::two(head, at);
    let (year, month, day) = (i32::from(two(0)?) * 100 + i32::from(two(2)?), two(5)?, two(8)?);
    if !timestamp::is_date(Some(year), month, day) {
        return None;
    }
    let (nanos_of_day, digits, end) = timestamp::time_of_day(line, 11)?;
    let rest = match line.get(end) {
        None => &line[end..],
        Some(b' ') => &line[end + 1..],
        Some(_) => return None,
    };
    Some((Time::Local { year: Some(year), month, day, nanos_of_day, digits }, rest))
}

fn nginx<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((severity, word, after)) = rest.strip_prefix(b"[").and_then(lower_level) else { return false };
    let Some(after) = after.strip_prefix(b"] ") else { return false };
    let (pid, after) = digits(after);
    let (Some(pid), Some(after)) = (pid, after.strip_prefix(b"#")) else { return false };
    let (thread, after) = digits(after);
    let (Some(_), Some(mut message)) = (thread, after.strip_prefix(b": ")) else { return false };
    if let Some(after) = message.strip_prefix(b"*")
        && let (Some(_), [b' ', rest @ ..]) = digits(after)
    {
        let number = &after[..after.len() - rest.len() - 1];
        entry.push(&b"connection"[..], crate::value::unquoted(number));
        message = rest;
    }
    entry.pid = Some(pid);
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    entry.body = Text::Borrowed(message);
    true
}

/// 1*10DIGIT
pub(crate) fn digits(text: &[u8]) -> (Option<u64>, &[u8]) {
    let mut number = 0u64;
    let mut length = 0;
    while let Some(digit) = text.get(length).map(|b| b.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        if length == 10 {
            return (None, text);
        }
        number = number * 10 + u64::from(digit);
        length += 1;
    }
    ((length > 0).then_some(number), &text[length..])
}

/// site = file ":" line ":" SP   ; a name with a dot, no blanks
fn code_site(text: &[u8]) -> Option<(CodeSite<'_>, &[u8])> {
    let colon = memchr::memchr2(b':', b' ', &text[..text.len().min(160)])?;
    let file = &text[..colon];
    if text[colon] != b':' || !file.ends_with(b".go") {
        return None;
    }
    let (line, rest) = digits(&text[colon + 1..]);
    let line = u32::try_from(line?).ok()?;
    Some((CodeSite { file, line }, rest.strip_prefix(b": ")?))
}

/// Nothing but a body, and a level if one stands at the start.
pub(crate) fn fallback<'a>(line: &'a [u8], entry: &mut Entry<'a>) {
    entry.format = Format::Text;
    entry.body = Text::Borrowed(line);
    level_only(line, entry);
}
