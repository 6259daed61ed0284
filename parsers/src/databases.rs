//! PostgreSQL, Redis and ClickHouse in their own log formats.
//!
//! In go lines or what follows their time, out come level, pid and message; statements and details of PostgreSQL, which are
//! lines of their own, have no level.

use crate::dates;
use crate::entry::{Entry, Severity, Text, Value};
use crate::log4j;
use crate::plain::{digits, skip_blanks};

/// What PostgreSQL's prefix may take.
const PREFIX_BYTES_MAX: usize = 200;

/// postgres = prefix word ":" SP SP message
/// prefix   = [ ":" client ":" user "@" db ":" ] [ "[" pid "]" [":"] ] *( SP token ) SP     ; `log_line_prefix`
///
/// The two blanks tell it from everything else.
pub(crate) fn postgres<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let window = &rest[..rest.len().min(PREFIX_BYTES_MAX)];
    let Some(end) = memchr::memmem::find(window, b":  ") else { return false };
    let head = &rest[..end];
    let length = head.iter().rev().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
    let (prefix, word) = head.split_at(head.len() - length);
    if prefix.last().is_some_and(|byte| !matches!(byte, b' ' | b':')) {
        return false;
    }
    let severity = match word {
        b"LOG" | b"INFO" => Severity::INFO,
        b"NOTICE" => Severity::INFO2,
        b"WARNING" => Severity::WARN,
        b"ERROR" => Severity::ERROR,
        b"FATAL" | b"PANIC" => Severity::FATAL,
        b"DEBUG" | b"DEBUG1" | b"DEBUG2" | b"DEBUG3" | b"DEBUG4" | b"DEBUG5" => Severity::DEBUG,
        b"STATEMENT" | b"DETAIL" | b"HINT" | b"CONTEXT" | b"QUERY" | b"LOCATION" => Severity::UNKNOWN,
        _ => return false,
    };
    let process = prefix.split(|byte| *byte == b'[').nth(1).map(digits);
    if let Some((Some(pid), [b']', ..])) = process {
        entry.pid = Some(pid);
    }
    if let Some((user, database)) = session(prefix) {
        for (key, value) in [(&b"user"[..], user), (b"database", database)] {
            if !value.is_empty() {
                entry.push(key, Value::Text(Text::Borrowed(value)));
            }
        }
    }
    entry.severity = severity;
    if severity != Severity::UNKNOWN {
        entry.severity_text = Text::Borrowed(word);
        entry.body = Text::Borrowed(skip_blanks(&rest[end + 1..]));
    } else {
        entry.body = Text::Borrowed(&rest[prefix.len()..]);
    }
    true
}

/// session = user "@" database, between blanks or colons
fn session(prefix: &[u8]) -> Option<(&[u8], &[u8])> {
    let token = prefix.split(|byte| matches!(byte, b' ' | b':')).find(|token| token.contains(&b'@'))?;
    let at = memchr::memchr(b'@', token)?;
    Some((&token[..at], &token[at + 1..]))
}

/// clickhouse = YYYY "." MM "." DD SP time SP "[ " thread " ] {" query "} <" level "> " logger ": " message
pub(crate) fn clickhouse<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((time, rest)) = dates::dotted(line) else { return false };
    let Some((thread, after)) = rest.strip_prefix(b" ").and_then(log4j::bracket) else { return false };
    let Some(query) = after.strip_prefix(b" {") else { return false };
    let Some(close) = memchr::memchr(b'}', &query[..query.len().min(160)]) else { return false };
    let rest = skip_blanks(&query[close + 1..]);
    let (Some(open), Some(end)) = (rest.strip_prefix(b"<"), memchr::memchr(b'>', &rest[..rest.len().min(24)])) else {
        return false;
    };
    let word = &open[..end - 1];
    entry.time = time;
    entry.severity = Severity::from_name(word);
    entry.severity_text = Text::Borrowed(word);
    for (key, value) in [(&b"thread.id"[..], thread.trim_ascii()), (b"query_id", &query[..close])] {
        if !value.is_empty() {
            entry.push(key, Value::Text(Text::Borrowed(value)));
        }
    }
    entry.body = Text::Borrowed(skip_blanks(&rest[end + 1..]));
    entry.severity != Severity::UNKNOWN
}

/// redis = ( pid ":" role / "[" pid "]" ) SP dd SP Mon [ SP YYYY ] SP time SP mark SP message
/// role  = "M" / "S" / "C" / "X" ; mark = "." / "-" / "*" / "#"
pub(crate) fn redis<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let (pid, rest) = digits(line.strip_prefix(b"[").unwrap_or(line));
    let rest = match rest {
        [b':', b'M' | b'S' | b'C' | b'X', b' ', rest @ ..] => rest,
        [b']', b' ', rest @ ..] => rest,
        _ => return false,
    };
    let Some((time, rest)) = dates::day_month(rest) else { return false };
    let [b' ', mark, b' ', message @ ..] = rest else { return false };
    entry.severity = match mark {
        b'.' => Severity::DEBUG,
        b'-' => Severity::INFO,
        b'*' => Severity::INFO2,
        b'#' => Severity::WARN,
        _ => return false,
    };
    entry.severity_text = Text::Borrowed(&rest[1..2]);
    (entry.pid, entry.time) = (pid, time);
    entry.body = Text::Borrowed(message);
    pid.is_some()
}
