//! What web servers and frameworks write in addition to access lines: Apache's error log, Gin's requests, NestJS, Monolog.
//!
//! In go lines in brackets, out come time, level and message, and the request's parts as fields.

use crate::entry::{Entry, Format, Severity, Text, Time, Value};
use crate::text::parts::{digits, skip_blanks};
use crate::text::{levels, parts, value};
use crate::time::dates;

/// error = "[" ctime "]" SP "[" [ module ":" ] level "]" [ SP "[pid " pid [ ":tid " tid ] "]" ] [ SP "[client " address "]" ] SP message
pub(crate) fn apache_error<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((time, rest)) = line.get(1..).and_then(dates::ctime) else { return false };
    let Some(rest) = rest.strip_prefix(b"]") else { return false };
    entry.time = time;
    let mut rest = skip_blanks(rest);
    if let Some((inside, after)) = parts::bracket(rest) {
        let colon = memchr::memrchr(b':', inside);
        let word = &inside[colon.map_or(0, |colon| colon + 1)..];
        let severity = apache_level(word);
        if severity != Severity::UNKNOWN {
            entry.severity = severity;
            entry.severity_text = Text::Borrowed(word);
            if let Some(colon) = colon.filter(|colon| *colon > 0) {
                entry.push(&b"logger"[..], Value::Text(Text::Borrowed(&inside[..colon])));
            }
            rest = skip_blanks(after);
        }
    }
    while let Some((inside, after)) = parts::bracket(rest) {
        if let Some(pid) = inside.strip_prefix(b"pid ") {
            entry.pid = digits(pid).0;
        } else if let Some(client) = inside.strip_prefix(b"client ") {
            entry.push(&b"client.address"[..], Value::Text(Text::Borrowed(client)));
        } else if !(inside.starts_with(b"remote ") || inside.starts_with(b"tid ")) {
            break;
        }
        rest = skip_blanks(after);
    }
    entry.body = Text::Borrowed(rest);
    true
}

/// nest = "[Nest] " pid *SP "- " date *SP [ LEVEL *SP ] [ "[" context "] " ] message
///
/// The date is as the place's habits have it; one whose month is not certain is an attribute.
pub(crate) fn nest<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let (Some(pid), rest) = digits(line.strip_prefix(b"[Nest] ").unwrap_or_default()) else { return false };
    let Some(date) = skip_blanks(rest).strip_prefix(b"- ") else { return false };
    let Some((time, rest)) = dates::in_slashes(date).or_else(|| dates::stamp(date)) else { return false };
    if time == Time::None {
        let date = &date[..date.len() - rest.len()];
        entry.push(&b"time"[..], Value::Text(Text::Borrowed(date)));
    }
    (entry.time, entry.pid) = (time, Some(pid));
    let mut rest = skip_blanks(rest);
    if let Some((severity, word, after)) = levels::level(rest) {
        entry.severity = severity;
        entry.severity_text = Text::Borrowed(word);
        rest = skip_blanks(after);
    }
    if let Some((context, after)) = parts::bracket(rest) {
        entry.push(&b"logger"[..], Value::Text(Text::Borrowed(context)));
        rest = skip_blanks(after);
    }
    entry.body = Text::Borrowed(rest);
    true
}

/// monolog = channel "." LEVEL ":" SP message     ; Monolog, Laravel and Symfony, behind their time in brackets
pub(crate) fn monolog<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let is_in = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'.' | b'_' | b'-');
    let end = rest.iter().take(80).take_while(is_in).count();
    let Some(message @ ([] | [b' ' | b'\n', ..])) = rest[end..].strip_prefix(b":") else { return false };
    let Some(dot) = memchr::memrchr(b'.', &rest[..end]) else { return false };
    let (channel, word) = (&rest[..dot], &rest[dot + 1..end]);
    let severity = match word {
        b"DEBUG" | b"INFO" | b"NOTICE" | b"WARNING" | b"ERROR" | b"CRITICAL" | b"ALERT" | b"EMERGENCY" => {
            Severity::from_name(word)
        }
        _ => return false,
    };
    if channel.is_empty() {
        return false;
    }
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    entry.push(&b"logger"[..], Value::Text(Text::Borrowed(channel)));
    entry.body = Text::Borrowed(skip_blanks(message));
    true
}

/// Apache's levels, `trace1` to `trace8` among them.
fn apache_level(word: &[u8]) -> Severity {
    match word {
        [b't', b'r', b'a', b'c', b'e', b'1'..=b'8'] => Severity::TRACE,
        _ if word.iter().all(u8::is_ascii_lowercase) => Severity::from_name(word),
        _ => Severity::UNKNOWN,
    }
}

/// gin = "[GIN] " date " - " time SP "|" SP status SP "|" latency "|" client "|" SP method 1*SP DQUOTE path DQUOTE
///     / "[GIN-debug] " [ "[" level "] " ] message
pub(crate) fn gin<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    if let Some(rest) = line.strip_prefix(b"[GIN-debug] ") {
        (entry.severity, entry.severity_text) = match levels::decorated_level(rest) {
            Some((severity, word, _)) if rest[0] == b'[' => (severity, Text::Borrowed(word)),
            _ => (Severity::DEBUG, Text::Borrowed(&line[5..10])),
        };
        entry.body = Text::Borrowed(line);
        return true;
    }
    let Some((time, rest)) = line.strip_prefix(b"[GIN] ").and_then(dates::gin) else { return false };
    entry.time = time;
    entry.format = Format::Access;
    entry.body = Text::Borrowed(line);
    let mut parts = rest.splitn(5, |byte| *byte == b'|').skip(1).map(<[u8]>::trim_ascii);
    let (status, latency, client, request) = (parts.next(), parts.next(), parts.next(), parts.next());
    if let Some(status) = status.filter(|status| status.len() == 3) {
        entry.push(&b"http.response.status_code"[..], value::unquoted(status));
    }
    for (key, text) in [(&b"latency"[..], latency), (b"client.address", client)] {
        if let Some(text) = text {
            entry.push(key, Value::Text(Text::Borrowed(text)));
        }
    }
    let Some(request) = request else { return true };
    let method = request.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let target = request[method..].trim_ascii().strip_prefix(b"\"").unwrap_or_default();
    let target = &target[..memchr::memchr(b'"', target).unwrap_or(target.len())];
    if method > 0 && !target.is_empty() {
        entry.push(&b"http.request.method"[..], Value::Text(Text::Borrowed(&request[..method])));
        let path = &target[..memchr::memchr(b'?', target).unwrap_or(target.len())];
        entry.push(&b"url.path"[..], Value::Text(Text::Borrowed(path)));
    }
    true
}
