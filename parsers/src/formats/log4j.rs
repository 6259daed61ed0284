//! log4j, logback and JBoss patterns: a time, a level and a thread in either order, then a logger and the message.
//!
//! The thread and the logger become fields; a line number after `#` or in `Class.java:12` the code site.

use crate::entry::{CodeSite, Entry, Format, Severity, Text, Time, Value};
use crate::formats::plain;
use crate::text::parts::bracket;
use crate::text::{levels, parts};
use crate::time::dates;

/// line = ( date-time / time-of-day / "[" date-time "]" ) SP ( "[" thread "]" SP level / level ) SP rest
pub fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((time, rest)) = stamp(line) else { return false };
    entry.time = time;
    if rest.first() == Some(&b'[') {
        return threaded(rest, entry);
    }
    let Some((severity, word, rest)) = levels::level(rest) else { return false };
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    after_level(rest, entry) || line.first() == Some(&b'[') && trailing(rest, entry)
}

/// trailing = SP message SP "(" logger ")"   ; Kafka's pattern
fn trailing<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(rest) = rest.strip_prefix(b" ") else { return false };
    let Some(open) = memchr::memmem::rfind(rest, b" (") else { return false };
    let Some(logger) = rest[open + 2..].strip_suffix(b")") else { return false };
    if !logger.contains(&b'.') || !logger.iter().all(|b| is_logger(*b)) {
        return false;
    }
    entry.format = Format::Log4j;
    entry.push(&b"logger"[..], Value::Text(Text::Borrowed(logger)));
    entry.body = Text::Borrowed(&rest[..open]);
    true
}

/// stamp = date-time / hh ":" mm ":" ss [ "." fraction ]   ; Kafka puts brackets around it
fn stamp(line: &[u8]) -> Option<(Time, &[u8])> {
    if let Some(found) = dates::stamp(line) {
        return Some(found);
    }
    if let Some(inner) = line.strip_prefix(b"[") {
        let (time, rest) = dates::stamp(inner)?;
        return Some((time, parts::skip_blanks(rest.strip_prefix(b"]")?)));
    }
    dates::of_day(line)
}

/// threaded = "[" thread "]" *( SP "[" ids "]" ) SP [ "-" SP ] level *SP named
pub(crate) fn threaded<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((thread, after)) = bracket(rest) else { return false };
    let has_blocks = parts::skip_blanks(after).first() == Some(&b'[');
    let after = blocks(parts::skip_blanks(after));
    let after = parts::skip_blanks(after.strip_prefix(b"- ").unwrap_or(after));
    let Some((severity, word, after)) = levels::level(after) else { return false };
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    let is_postgres = after.starts_with(b":  ");
    if is_postgres && has_blocks {
        // What stands between pid and level is not skipped.
        return false;
    }
    if let (Some(pid), b"") = parts::digits(thread)
        && let Some(message) = after.strip_prefix(b":")
    {
        // PostgreSQL: `[pid] LOG:  message`
        entry.pid = Some(pid);
        entry.body = Text::Borrowed(parts::skip_blanks(message));
        return true;
    }
    entry.format = Format::Log4j;
    entry.push(&b"thread.name"[..], Value::Text(Text::Borrowed(thread.trim_ascii())));
    let after = blocks(parts::skip_blanks(after));
    if !named(after, entry) {
        entry.body = Text::Borrowed(strip_dash(after));
    }
    true
}

/// after_level = ( "[" thread "]" SP named ) / ( "[" logger "]" SP "(" thread ")" SP message ) / named
pub(crate) fn after_level<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let rest = parts::skip_blanks(rest);
    if let Some(message) = rest.strip_prefix(b"- ") {
        // A pattern whose logger is empty.
        entry.format = Format::Log4j;
        entry.body = Text::Borrowed(message);
        return true;
    }
    if rest.first() != Some(&b'[') {
        return named(rest, entry);
    }
    let Some((first, after)) = bracket(rest) else { return false };
    let after = parts::skip_blanks(after);
    if after.first() == Some(&b'(') {
        let Some(close) = memchr::memchr(b')', &after[..after.len().min(160)]) else { return false };
        entry.format = Format::Log4j;
        entry.push(&b"thread.name"[..], Value::Text(Text::Borrowed(&after[1..close])));
        entry.push(&b"logger"[..], Value::Text(Text::Borrowed(first.trim_ascii())));
        entry.body = Text::Borrowed(parts::skip_blanks(&after[close + 1..]));
        return true;
    }
    if !named(blocks(after), entry) {
        return false;
    }
    entry.push(&b"thread.name"[..], Value::Text(Text::Borrowed(first.trim_ascii())));
    true
}

/// first = level *SP [ "[" thread "]" *SP ] date-time *SP ( named / message )     ; Cassandra, and `[INFO] 2026-…`
pub(crate) fn level_first<'a>(severity: Severity, word: &'a [u8], rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let mut rest = parts::skip_blanks(rest);
    let mut thread = None;
    let dated = |text: &'a [u8]| dates::stamp(text).filter(|_| text.get(4) == Some(&b'-'));
    let mut found = None;
    if rest.first() == Some(&b'[') {
        let Some((inside, after)) = bracket(rest) else { return false };
        found = dated(inside).map(|(time, _)| (time, parts::skip_blanks(after)));
        if found.is_none() {
            thread = Some(inside);
            rest = parts::skip_blanks(after);
        }
    }
    let Some((time, rest)) = found.or_else(|| dated(rest)) else { return false };
    entry.format = Format::Log4j;
    entry.time = time;
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    if let Some(thread) = thread {
        entry.push(&b"thread.name"[..], Value::Text(Text::Borrowed(thread.trim_ascii())));
    }
    if !after_level(rest, entry) {
        entry.body = Text::Borrowed(strip_dash(rest));
    }
    true
}

/// jul = class SP method LF LEVEL ": " message     ; java.util.logging, behind its date
///
/// Without its second line the record is text after a time.
pub(crate) fn jul<'a>(time: Time, rest: &'a [u8], entry: &mut Entry<'a>) {
    entry.time = time;
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let (head, tail) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
    let (Some((severity, word, message)), Some((class, _))) =
        (jul_level(tail), head.split_at_checked(memchr::memchr(b' ', head).unwrap_or(head.len())))
    else {
        return plain::after_time(time, rest, entry);
    };
    entry.format = Format::Log4j;
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    entry.push(&b"logger"[..], Value::Text(Text::Borrowed(class)));
    entry.body = Text::Borrowed(parts::skip_blanks(message));
}

/// A level and a colon at the start of a line, java.util.logging's own among them.
pub(crate) fn jul_level(line: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    let length = line.iter().take(8).take_while(|byte| byte.is_ascii_uppercase()).count();
    let severity = match &line[..length] {
        b"CONFIG" => Severity::DEBUG,
        word => levels::severity(word)?,
    };
    Some((severity, &line[..length], line[length..].strip_prefix(b":")?))
}

/// A line that begins with Tomcat's date.
pub(crate) fn tomcat<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((time, rest)) = dates::day_month(line) else { return false };
    let rest = parts::skip_blanks(rest);
    entry.time = time;
    if let Some((severity, word, after)) = levels::level(rest)
        && thread_and_class(after, entry)
    {
        entry.severity = severity;
        entry.severity_text = Text::Borrowed(word);
        return true;
    }
    entry.fields.clear();
    plain::after_time(time, rest, entry);
    true
}

/// thread-and-class = SP "[" thread "]" SP class "." method SP message
fn thread_and_class<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((thread, after)) = bracket(parts::skip_blanks(rest)) else { return false };
    let after = parts::skip_blanks(after);
    let length = after.iter().take(200).take_while(|b| is_logger(**b) || matches!(**b, b'<' | b'>')).count();
    let (logger, message) = after.split_at(length);
    if !logger.contains(&b'.') || message.first().is_some_and(|byte| *byte != b' ') {
        return false;
    }
    entry.format = Format::Log4j;
    entry.push(&b"thread.name"[..], Value::Text(Text::Borrowed(thread)));
    entry.push(&b"logger"[..], Value::Text(Text::Borrowed(logger)));
    entry.body = Text::Borrowed(parts::skip_blanks(message));
    true
}

/// named = logger [ "#" line / ":" line ] ( *SP ( "-" / ":" ) SP / SP ) message
///
/// A logger has a dot, or is set off by the mark; otherwise the word is the message's first.
fn named<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let length = rest.iter().take(200).take_while(|b| is_logger(**b)).count();
    let (mut logger, mut after) = rest.split_at(length);
    let mut line = 0;
    if let Some(at) = memchr::memchr(b'#', logger) {
        line = parts::digits(&logger[at + 1..]).0.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
        if line == 0 {
            return false;
        }
        logger = &logger[..at];
    } else if let Some((site, rest)) =
        after.strip_prefix(b":").map(parts::digits).filter(|(_, rest)| rest.starts_with(b" -"))
        && let Some(Ok(number)) = site.map(u32::try_from)
    {
        (line, after) = (number, rest);
    }
    if !logger.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
        return false;
    }
    let mark = parts::skip_blanks(after);
    let message = match mark {
        [b'-', b' ', rest @ ..] => rest,
        [b'-'] => b"",
        [b':', rest @ ..] if rest.first().is_none_or(|b| matches!(b, b' ' | b'\t')) => parts::skip_blanks(rest),
        // `p.c.PriceController#46 msg`
        _ if line > 0 && !after.is_empty() => mark,
        _ => return false,
    };
    let has_dot = memchr::memchr(b'.', logger).is_some();
    if !has_dot && line == 0 && !(mark.first() == Some(&b'-') && is_class(logger)) {
        return false;
    }
    entry.format = Format::Log4j;
    entry.push(&b"logger"[..], Value::Text(Text::Borrowed(logger)));
    if line > 0 {
        entry.code = Some(CodeSite { file: logger, line });
    }
    entry.body = Text::Borrowed(message);
    true
}

fn is_class(logger: &[u8]) -> bool {
    logger.len() > 2 && !logger.iter().all(u8::is_ascii_uppercase)
}

#[inline]
fn is_logger(byte: u8) -> bool {
    /// A table, since the marks lie far apart.
    const LOGGER: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = (byte as u8).is_ascii_alphanumeric()
                || matches!(byte as u8, b'.' | b'$' | b'_' | b'#' | b'-' | b'/' | b'@' | b'[' | b']');
            byte += 1;
        }
        table
    };
    LOGGER[byte as usize]
}

/// Skips further bracketed blocks (ids; they are found in the line's text).
fn blocks(mut rest: &[u8]) -> &[u8] {
    for _ in 0..3 {
        let Some((_, after)) = bracket(rest) else { break };
        rest = parts::skip_blanks(after);
    }
    rest
}

fn strip_dash(rest: &[u8]) -> &[u8] {
    rest.strip_prefix(b"- ").unwrap_or(rest)
}
