//! Plain text: the time and the level that stand in their usual places, for lines that no named pattern fits.
//!
//! With a time in front the body is what follows it; without one the body is the whole line, and only its level is
//! taken. Levels come from the text alone.

use crate::entry::{CodeSite, Entry, Format, Severity, Text, Time, Value};
use crate::{behind, dates, timestamp};

/// full = date-time [SP zone]   ; Go and PostgreSQL put the zone apart
///
/// The time, and what follows the blanks behind it.
pub(crate) fn stamp(line: &[u8]) -> Option<(Time, &[u8])> {
    let (mut time, mut at) = timestamp::iso8601(line)?;
    if matches!(time, Time::Local { .. })
        && let [b' ', b'A'..=b'Z' | b'+' | b'-', ..] = &line[at..]
    {
        let rest;
        (time, rest) = dates::with_zone(time, &line[at..]);
        at = line.len() - rest.len();
    }
    match line.get(at) {
        None => Some((time, b"")),
        Some(b' ' | b'\t') => Some((time, skip_blanks(&line[at..]))),
        Some(b':' | b']' | b'|' | b',' | b'[') => Some((time, &line[at..])),
        Some(_) => None,
    }
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
        b"vrb",
        b"verb",
        b"verbose",
        b"trc",
        b"trce",
        b"dbug",
        b"fail",
        b"fatl",
        b"eror",
        b"silly",
        b"emergency",
    ];
    if !known.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return None;
    }
    Some((Severity::from_name(word), word, &text[length..]))
}

/// stamped = "[" date-time "]" / date-time, then [level], then the message
pub(crate) fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let (time, rest) = match line.strip_prefix(b"[") {
        Some(inner) => match any_stamp(inner) {
            Some((time, rest)) => match rest.strip_prefix(b"]") {
                Some(rest) => (time, skip_blanks(rest)),
                // `[2026-11-23T09:14:51Z INFO target] msg` (Rust's env_logger), `[2026-11-23 … ] `
                None if behind::process(rest, entry) => {
                    entry.time = time;
                    return true;
                }
                None => return bracketed(time, skip_blanks(rest), entry),
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

/// Any date that may stand in brackets, a zone with its area's name behind it passed over; or the time of day.
fn any_stamp(text: &[u8]) -> Option<(Time, &[u8])> {
    if let Some(found) = stamp(text).or_else(|| dates::comma(text)) {
        return Some(found);
    }
    if let Some((time, rest)) = dates::day_month(text) {
        let area = rest.strip_prefix(b" ").unwrap_or_default();
        let length = area.iter().take(40).take_while(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'_')).count();
        let is_area = area[..length].contains(&b'/') && area.get(length) == Some(&b']');
        return Some((time, if is_area { &area[length..] } else { rest }));
    }
    let (nanos_of_day, digits, end) = timestamp::time_of_day(text, 0)?;
    let rest = text.get(end..).filter(|rest| matches!(rest.first(), Some(b' ' | b']')))?;
    Some((Time::Local { year: None, month: 0, day: 0, nanos_of_day, digits }, rest))
}

/// What follows a time: a level in one of its dresses, or behind a pid and the like, and the message.
pub(crate) fn after_time<'a>(time: Time, rest: &'a [u8], entry: &mut Entry<'a>) {
    entry.time = time;
    let rest = match rest {
        [b':' | b'|' | b',', rest @ ..] => skip_blanks(rest),
        _ => rest,
    };
    match dressed_level(rest).or_else(|| loguru(rest)) {
        Some((severity, word, message)) => {
            entry.severity = severity;
            entry.severity_text = Text::Borrowed(word);
            entry.body = Text::Borrowed(message);
        }
        None if behind::level(rest, entry) => {}
        None => entry.body = Text::Borrowed(rest),
    }
}

/// loguru's level between INFO and WARNING.
fn loguru(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let after = text.strip_prefix(b"SUCCESS")?;
    let message = skip_blanks(after).strip_prefix(b"|")?;
    Some((Severity::INFO, &text[..7], skip_blanks(message)))
}

/// dressed = LEVEL / "[" level "]" / "<" level ">" / "(" level ")" / level ":" / level TAB / "level=" level
pub(crate) fn dressed_level(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let first = *text.first()?;
    if matches!(first, b'f' | b'P')
        && let Some(found) = error_phrase(text)
    {
        return Some(found);
    }
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
    // winston's `verbose` is above its `debug`; everywhere else it is the finest level.
    let severity = if word == b"verbose" { Severity::DEBUG } else { severity };
    match rest.first() {
        Some(b':' | b'\t' | b'|') => Some((severity, word, message(rest))),
        _ => None,
    }
}

/// phrase = "fatal error: " / "PHP " ( "Fatal error" / "Parse error" / "Warning" / "Notice" / "Deprecated" / … ) ":"
///
/// Go's and PHP's words; the message is all of it.
fn error_phrase(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    if text.starts_with(b"fatal error: ") {
        return Some((Severity::FATAL, &text[..11], text));
    }
    let rest = text.strip_prefix(b"PHP ")?;
    let word = &rest[..memchr::memchr(b':', &rest[..rest.len().min(32)])?];
    let severity = match word {
        b"Fatal error" | b"Parse error" | b"Core error" | b"Compile error" => Severity::FATAL,
        b"Recoverable fatal error" | b"User Error" => Severity::ERROR,
        b"Warning" | b"Core warning" | b"User Warning" | b"Deprecated" => Severity::WARN,
        b"Notice" | b"User Notice" | b"Strict Standards" => Severity::INFO2,
        _ => return None,
    };
    Some((severity, word, text))
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

/// A level at the start of a line without a time: `[ERROR] …`, `ERROR: …`, `Error: …`, `ERROR …`, `<error> …`,
/// `level=error …`.
pub(crate) fn level_only<'a>(line: &'a [u8], entry: &mut Entry<'a>) {
    let start = skip_blanks(line);
    let found = match start.first() {
        Some(b'[' | b'<' | b'(' | b'P') => dressed_level(start),
        Some(b'A'..=b'Z') => level(start).or_else(|| dressed_level(start)),
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
