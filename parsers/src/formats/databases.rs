//! PostgreSQL, Redis and ClickHouse in their own log formats.
//!
//! In go lines or what follows their time, out come level, pid and message; statements and details of PostgreSQL, which are
//! lines of their own, have no level.

use crate::entry::{Entry, Severity, Text, Value};
use crate::text::parts::{self, digits, skip_blanks};
use crate::time::dates;

/// What PostgreSQL's prefix may take.
const PREFIX_BYTES_MAX: usize = 200;

/// postgres = prefix word ":" SP SP message
/// prefix   = [ ":" client ":" user "@" db ":" ] [ "[" pid "]" [":"] ] *( SP token ) SP     ; `log_line_prefix`, any
///
/// The two blanks tell it from everything else.
pub(crate) fn postgres<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let window = &rest[..rest.len().min(PREFIX_BYTES_MAX)];
    let Some(end) = memchr::memmem::find(window, b":  ") else { return false };
    let head = &rest[..end];
    let length = head.iter().rev().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
    let (prefix, word) = head.split_at(head.len() - length);
    if prefix.last().is_some_and(|byte| !matches!(byte, b' ' | b':' | b'|' | b',' | b']')) {
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
    session(prefix, entry);
    entry.severity = severity;
    if severity != Severity::UNKNOWN {
        entry.severity_text = Text::Borrowed(word);
        entry.body = Text::Borrowed(skip_blanks(&rest[end + 1..]));
    } else {
        entry.body = Text::Borrowed(&rest[prefix.len()..]);
    }
    true
}

/// session = *( pid / line / pairs / user "@" database / client / *byte ), between blanks, bars or colons
///
/// What a prefix says of the session, as fields; tokens that do not say what they are make one of their own.
fn session<'a>(prefix: &'a [u8], entry: &mut Entry<'a>) {
    let push = |entry: &mut Entry<'a>, key: &'static [u8], value: &'a [u8]| {
        if !value.is_empty() {
            entry.push(key, Value::Text(Text::Borrowed(value)));
        }
    };
    // RDS has colons between all of them; elsewhere they are parts of addresses and times.
    let is_split = |byte: u8| matches!(byte, b' ' | b'|') || byte == b':' && prefix.first() == Some(&b':');
    let mut unknown: Option<std::ops::Range<usize>> = None;
    let mut at = 0;
    for token in prefix.split(|byte| is_split(*byte)) {
        let start = at;
        at += token.len() + 1;
        let token = token.strip_suffix(b":").unwrap_or(token);
        let inside = token.strip_prefix(b"[").and_then(|token| token.strip_suffix(b"]"));
        let inside = inside.filter(|inside| !inside.contains(&b']'));
        match inside.unwrap_or(token) {
            b"" => {}
            number
                if let (Some(pid), rest) = digits(number)
                    && inside.is_some()
                    && entry.pid.is_none()
                    && matches!(rest, [] | [b'-', b'0'..=b'9', ..]) =>
            {
                entry.pid = Some(pid);
                push(entry, b"line_num", rest.strip_prefix(b"-").unwrap_or_default());
            }
            line if inside.is_some() && is_line_number(line) => push(entry, b"line_num", line),
            b"local" if inside.is_some() => push(entry, b"client.address", b"local"),
            pairs if is_pairs(pairs) => each_pair(pairs, entry),
            user if inside.is_none() && memchr::memchr(b'@', user).is_some() => {
                let (user, database) = user.split_at(memchr::memchr(b'@', user).unwrap_or_default());
                push(entry, b"user", user);
                push(entry, b"database", &database[1..]);
            }
            client if client.ends_with(b")") && client.first().is_some_and(|byte| *byte != b'(') => {
                let (address, port) = client.split_at(memchr::memchr(b'(', client).unwrap_or(client.len()));
                push(entry, b"client.address", address);
                if let [b'(', port @ .., b')'] = port {
                    entry.push(&b"client.port"[..], crate::text::value::unquoted(port));
                }
            }
            _ => unknown = Some(unknown.map_or(start, |unknown| unknown.start)..start + token.len()),
        }
    }
    if let Some(unknown) = unknown {
        push(entry, b"prefix", &prefix[unknown]);
    }
}

/// number = 1*DIGIT "-" 1*DIGIT
fn is_line_number(token: &[u8]) -> bool {
    matches!(digits(token), (Some(_), [b'-', rest @ ..]) if matches!(digits(rest), (Some(_), b"")))
}

/// pairs = key "=" *byte *( "," key "=" *byte )
fn is_pairs(token: &[u8]) -> bool {
    let is_key = |key: &[u8]| !key.is_empty() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    token
        .split(|byte| *byte == b',')
        .all(|pair| memchr::memchr(b'=', pair).is_some_and(|equals| is_key(&pair[..equals])))
}

fn each_pair<'a>(pairs: &'a [u8], entry: &mut Entry<'a>) {
    for pair in pairs.split(|byte| *byte == b',') {
        let equals = memchr::memchr(b'=', pair).unwrap_or_default();
        if equals + 1 < pair.len() {
            entry.push(&pair[..equals], Value::Text(Text::Borrowed(&pair[equals + 1..])));
        }
    }
}

/// clickhouse = YYYY "." MM "." DD SP time SP "[ " thread " ] {" query "} <" level "> " logger ": " message
pub(crate) fn clickhouse<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((time, rest)) = dates::dotted(line) else { return false };
    let Some((thread, after)) = rest.strip_prefix(b" ").and_then(parts::bracket) else { return false };
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
