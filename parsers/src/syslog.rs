//! syslog lines: RFC 3164 with and without PRI, journalctl's short formats, RFC 5424.
//!
//! The payload behind the prefix is recognised like a line of its own (klog inside of kubelet's); host and program
//! become fields, the prefix gives time, pid and severity where the payload has none. Octet counts are not read.

use crate::entry::{Entry, Format, Severity, Text, Time, Value};
use crate::{dates, detect, plain, timestamp};

const NAME_MAX: usize = 256;

/// line = [ "<" PRI ">" ] ( "1 " rfc5424 / rfc3164 )
pub fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let (priority, rest) = match priority(line) {
        Some((priority, rest)) => (Some(priority), rest),
        None => (None, line),
    };
    if priority.is_some()
        && let Some(rest) = rest.strip_prefix(b"1 ")
    {
        return rfc5424(rest, priority, entry);
    }
    if let Some((time, rest)) = stamp(rest) {
        return prefixed(time, rest, priority, entry);
    }
    priority.is_some() && cisco(rest, priority, entry)
}

/// prefixed = "<" level ">" payload     ; sd-daemon(3), printk: each line of a program bears its own
///
/// The payload is recognised like a line of its own, and has the level where it has none.
pub(crate) fn level_prefixed<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((priority, payload)) = priority(line) else { return false };
    detect::inner(payload, entry);
    if entry.severity == Severity::UNKNOWN {
        entry.severity = Severity::from_priority(priority & 7);
    }
    true
}

/// cisco = number ": " [ host ": " ] [ "*" / "." ] stamp [ SP zone ] ":" SP message     ; IOS
fn cisco<'a>(text: &'a [u8], priority: Option<u8>, entry: &mut Entry<'a>) -> bool {
    let (number, rest) = plain::digits(text);
    let Some(rest) = rest.strip_prefix(b": ").filter(|_| number.is_some()) else { return false };
    let mut host = None;
    let mut rest = rest;
    if let Some((name, after)) = word(rest).and_then(|name| Some((name.strip_suffix(b":")?, &rest[name.len()..]))) {
        host = Some(name);
        rest = after.strip_prefix(b" ").unwrap_or(after);
    }
    let rest = rest.strip_prefix(b"*").or_else(|| rest.strip_prefix(b".")).unwrap_or(rest);
    let Some((time, rest)) = month_first(rest) else { return false };
    let (time, rest) = dates::with_zone(time, rest);
    let Some(payload) = rest.strip_prefix(b": ") else { return false };
    fill(time, host, None, payload, priority, entry)
}

/// PRI = "<" 1*3DIGIT ">"   ; at most 191
fn priority(line: &[u8]) -> Option<(u8, &[u8])> {
    let (number, rest) = plain::digits(line.strip_prefix(b"<")?);
    let number = u8::try_from(number?).ok().filter(|number| *number <= 191)?;
    Some((number, rest.strip_prefix(b">")?))
}

/// stamp = Mon SP ( SP DIGIT / 2DIGIT ) SP [ YYYY SP ] hh:mm:ss [ "." fraction ] [ SP YYYY ] SP / date-time SP
fn stamp(text: &[u8]) -> Option<(Time, &[u8])> {
    if timestamp::month(text.get(..3)?).is_none() {
        return plain::stamp(text);
    }
    let (mut time, rest) = month_first(text)?;
    let mut rest = rest.strip_prefix(b" ")?;
    if let Time::Local { year: year @ None, month, day, .. } = &mut time
        && let Some((written, after)) = year_before(rest)
        && timestamp::is_date(Some(written), *month, *day)
    {
        (*year, rest) = (Some(written), after);
    }
    Some((time, rest))
}

/// year = ( "19" / "20" ) 2DIGIT SP
fn year_before(text: &[u8]) -> Option<(i32, &[u8])> {
    let (century, year) = (timestamp::two(text, 0)?, timestamp::two(text, 2)?);
    let rest = text[4..].strip_prefix(b" ")?;
    matches!(century, 19 | 20).then_some((i32::from(century) * 100 + i32::from(year), rest))
}

/// The date and time of RFC 3164, with the year that some write between them.
fn month_first(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..15)?;
    let month = timestamp::month(&head[..3])?;
    let day = match head[4] {
        b' ' => head[5].wrapping_sub(b'0'),
        _ => timestamp::two(head, 4)?,
    };
    let year = year_before(&text[7..]).map(|(year, _)| year);
    if head[3] != b' ' || head[6] != b' ' || !timestamp::is_date(year, month, day) {
        return None;
    }
    let (nanos_of_day, digits, end) = timestamp::time_of_day(text, if year.is_some() { 12 } else { 7 })?;
    Some((Time::Local { year, month, day, nanos_of_day, digits }, text.get(end..)?))
}

/// prefixed = [ host SP ] tag [ "[" pid "]" ] ":" [SP] payload
fn prefixed<'a>(time: Time, rest: &'a [u8], priority: Option<u8>, entry: &mut Entry<'a>) -> bool {
    let Some(first) = word(rest) else { return false };
    let (host, tag, payload) = match split_tag(first) {
        Some(tag) => (None, tag, &rest[first.len()..]),
        None => {
            let Some(after) = rest[first.len()..].strip_prefix(b" ") else { return false };
            let Some((tag, payload)) = word(after).and_then(|word| Some((split_tag(word)?, &after[word.len()..])))
            else {
                // A program without a tag: all of it is the payload, if a PRI says that it is syslog.
                return priority.is_some() && fill(time, Some(first), None, after, priority, entry);
            };
            (Some(first), tag, payload)
        }
    };
    fill(time, host, Some(tag), payload.strip_prefix(b" ").unwrap_or(payload), priority, entry)
}

/// For times that a journal writes in full (`2026-11-23T09:14:51+0000 node-1 kubelet[812]: …`): here only a tag with a
/// pid tells syslog from text.
pub(crate) fn after_full_time<'a>(time: Time, rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(host) = word(rest) else { return false };
    let Some(after) = rest[host.len()..].strip_prefix(b" ") else { return false };
    let Some(name) = word(after) else { return false };
    let Some(tag) = split_tag(name).filter(|tag| tag.1.is_some() || tag.0 == b"kernel") else { return false };
    let payload = &after[name.len()..];
    fill(time, Some(host), Some(tag), payload.strip_prefix(b" ").unwrap_or(payload), None, entry)
}

/// A word of printable bytes, up to a blank.
pub(crate) fn word(text: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr2(b' ', b'\n', &text[..text.len().min(NAME_MAX)]).unwrap_or(text.len().min(NAME_MAX));
    (end > 0).then(|| &text[..end])
}

pub(crate) type Tag<'a> = (&'a [u8], Option<u64>);

/// tag = name [ "[" pid "]" ] ":"
pub(crate) fn split_tag(word: &[u8]) -> Option<Tag<'_>> {
    let word = word.strip_suffix(b":")?;
    let Some(open) = memchr::memchr(b'[', word) else { return (!word.is_empty()).then_some((word, None)) };
    let (pid, rest) = plain::digits(&word[open + 1..]);
    (rest == b"]" && open > 0).then_some((&word[..open], Some(pid?)))
}

fn fill<'a>(
    time: Time,
    host: Option<&'a [u8]>,
    tag: Option<Tag<'a>>,
    payload: &'a [u8],
    priority: Option<u8>,
    entry: &mut Entry<'a>,
) -> bool {
    detect::inner(payload, entry);
    finish(time, priority, entry);
    if let Some(host) = host {
        entry.push(&b"host.name"[..], Value::Text(Text::Borrowed(host)));
    }
    if let Some((name, pid)) = tag {
        entry.push(&b"appname"[..], Value::Text(Text::Borrowed(name)));
        entry.pid = pid.or(entry.pid);
    }
    true
}

fn finish(time: Time, priority: Option<u8>, entry: &mut Entry<'_>) {
    if entry.format == Format::Text {
        entry.format = Format::Syslog;
    }
    if let Time::Unix { nanos, .. } = time {
        entry.doubt_number_time(nanos);
    }
    entry.time = better(entry.time, time);
    if let Some(priority) = priority {
        if entry.severity == Severity::UNKNOWN {
            entry.severity = Severity::from_priority(priority & 7);
        }
        entry.push(&b"facility"[..], crate::value::unquoted(FACILITIES[usize::from(priority >> 3)].as_bytes()));
    }
}

/// The payload's own time, unless the prefix has a complete one that is as fine.
fn better(own: Time, prefix: Time) -> Time {
    match (own, prefix) {
        (Time::None | Time::Local { month: 0, .. }, _) => prefix,
        (Time::Local { digits, .. }, Time::Unix { digits: prefix_digits, .. }) if prefix_digits >= digits => prefix,
        _ => own,
    }
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// rfc5424 = time SP host SP app SP procid SP msgid SP ( "-" / 1*element ) [ SP [BOM] msg ]
fn rfc5424<'a>(text: &'a [u8], priority: Option<u8>, entry: &mut Entry<'a>) -> bool {
    let mut rest = text;
    let mut header = [&b"-"[..]; 5];
    for part in &mut header {
        let Some(end) = memchr::memchr(b' ', &rest[..rest.len().min(NAME_MAX)]) else { return false };
        (*part, rest) = (&rest[..end], &rest[end + 1..]);
    }
    let [time, host, app, process, message_id] = header;
    let time = match time {
        b"-" => Time::None,
        _ => match timestamp::iso8601(time) {
            Some((time, length)) if length == header[0].len() => time,
            _ => return false,
        },
    };
    let elements_end = match rest.first() {
        Some(b'-') => 1,
        Some(b'[') => match elements(rest, |_, _| {}) {
            Some(end) => end,
            None => return false,
        },
        _ => return false,
    };
    let message = match &rest[elements_end..] {
        [] => &b""[..],
        [b' ', message @ ..] => message.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(message),
        _ => return false,
    };
    detect::inner(message, entry);
    finish(time, priority, entry);
    for (key, value) in [(&b"host.name"[..], host), (b"appname", app), (b"msg_id", message_id)] {
        if value != b"-" {
            entry.push(key, Value::Text(Text::Borrowed(value)));
        }
    }
    if let (Some(pid), b"") = plain::digits(process) {
        entry.pid = Some(pid);
    } else if process != b"-" {
        entry.push(&b"proc_id"[..], Value::Text(Text::Borrowed(process)));
    }
    elements(&rest[..elements_end], |name, value| entry.push(name, Value::Text(unescape(value))));
    true
}

/// element = "[" id *( SP name "=" DQUOTE value DQUOTE ) "]"   ; in values `"`, `\` and `]` are escaped
///
/// Calls for each pair; gives the end of the last element.
fn elements<'a>(text: &'a [u8], mut pair: impl FnMut(&'a [u8], &'a [u8])) -> Option<usize> {
    let mut at = 0;
    while text.get(at) == Some(&b'[') {
        at += memchr::memchr2(b' ', b']', text.get(at..)?)?;
        while text.get(at) == Some(&b' ') {
            let equals = at + memchr::memchr(b'=', text.get(at..text.len().min(at + NAME_MAX))?)?;
            if text.get(equals + 1) != Some(&b'"') {
                return None;
            }
            let from = equals + 2;
            let mut end = from;
            loop {
                end += memchr::memchr2(b'"', b'\\', text.get(end..)?)?;
                if text[end] == b'"' {
                    break;
                }
                end += 2;
            }
            pair(&text[at + 1..equals], &text[from..end]);
            at = end + 1;
        }
        if text.get(at) != Some(&b']') {
            return None;
        }
        at += 1;
    }
    (at > 0).then_some(at)
}

fn unescape(value: &[u8]) -> Text<'_> {
    if memchr::memchr(b'\\', value).is_none() {
        return Text::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\\', Some(&&next @ (b'"' | b'\\' | b']'))) => {
                out.push(next);
                bytes.next();
            }
            _ => out.push(byte),
        }
    }
    Text::Owned(out)
}
