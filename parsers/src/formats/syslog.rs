//! syslog lines: RFC 3164 with and without PRI, journalctl's short formats, RFC 5424.
//!
//! In goes a line, out come its prefix and the payload after it, which the caller that chooses formats reads like a line of its own
//! (klog inside of kubelet's). Host and program become fields, the prefix gives time, pid and severity where the payload has
//! none. Octet counts are not read.

use crate::entry::{Entry, Format, Severity, Text, Time, Value};
use crate::text::{levels, parts};
use crate::time::{dates, timestamp, zones};

const NAME_MAX: usize = 256;

/// What stands around a payload, and the payload.
#[derive(Default)]
pub(crate) struct Prefix<'a> {
    time: Time,
    priority: Option<u8>,
    host: Option<&'a [u8]>,
    program: Option<&'a [u8]>,
    pid: Option<u64>,
    message_id: Option<&'a [u8]>,
    /// RFC 5424's, where it is no number.
    process: Option<&'a [u8]>,
    elements: &'a [u8],
    /// A line of its own.
    pub(crate) payload: &'a [u8],
}

/// line = [ "<" PRI ">" ] ( "1 " rfc5424 / rfc3164 )
pub(crate) fn prefix(line: &[u8]) -> Option<Prefix<'_>> {
    let (priority, rest) = match priority(line) {
        Some((priority, rest)) => (Some(priority), rest),
        None => (None, line),
    };
    if priority.is_some()
        && let Some(rest) = rest.strip_prefix(b"1 ")
    {
        return rfc5424(rest, priority);
    }
    if let Some((time, rest)) = stamp(rest) {
        // A program's own line: a level stands where a host would.
        if priority.is_none() && levels::level(rest).is_some() {
            return None;
        }
        return tagged(time, rest, priority);
    }
    priority.is_some().then(|| cisco(rest, priority))?
}

/// prefixed = "<" level ">" payload     ; sd-daemon(3), printk: each line of a program bears its own
///
/// The level that the payload has where it says none, and the payload.
pub(crate) fn level_prefix(line: &[u8]) -> Option<(Severity, &[u8])> {
    let (priority, payload) = priority(line)?;
    Some((Severity::from_priority(priority & 7), payload))
}

/// cisco = number ": " [ host ": " ] [ "*" / "." ] stamp [ SP zone ] ":" SP message     ; IOS
fn cisco(text: &[u8], priority: Option<u8>) -> Option<Prefix<'_>> {
    let (number, rest) = parts::digits(text);
    let rest = rest.strip_prefix(b": ").filter(|_| number.is_some())?;
    let mut host = None;
    let mut rest = rest;
    if let Some((name, after)) = word(rest).and_then(|name| Some((name.strip_suffix(b":")?, &rest[name.len()..]))) {
        host = Some(name);
        rest = after.strip_prefix(b" ").unwrap_or(after);
    }
    let rest = rest.strip_prefix(b"*").or_else(|| rest.strip_prefix(b".")).unwrap_or(rest);
    let (time, rest) = month_first(rest)?;
    let (time, rest) = zones::with_zone(time, rest);
    let payload = rest.strip_prefix(b": ")?;
    Some(Prefix { time, priority, host, payload, ..Prefix::default() })
}

/// PRI = "<" 1*3DIGIT ">"   ; at most 191
fn priority(line: &[u8]) -> Option<(u8, &[u8])> {
    let (number, rest) = parts::digits(line.strip_prefix(b"<")?);
    let number = u8::try_from(number?).ok().filter(|number| *number <= 191)?;
    Some((number, rest.strip_prefix(b">")?))
}

/// stamp = Mon SP ( SP DIGIT / 2DIGIT ) SP [ YYYY SP ] hh:mm:ss [ "." fraction ] [ SP YYYY ] SP / date-time SP
fn stamp(text: &[u8]) -> Option<(Time, &[u8])> {
    if timestamp::month(text.get(..3)?).is_none() {
        return dates::stamp(text);
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
pub(crate) fn month_first(text: &[u8]) -> Option<(Time, &[u8])> {
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
fn tagged(time: Time, rest: &[u8], priority: Option<u8>) -> Option<Prefix<'_>> {
    let first = word(rest)?;
    let (host, (program, pid), payload) = match split_tag(first) {
        Some(tag) => (None, tag, &rest[first.len()..]),
        None => {
            let after = rest[first.len()..].strip_prefix(b" ")?;
            let Some((tag, payload)) = word(after).and_then(|word| Some((split_tag(word)?, &after[word.len()..])))
            else {
                // A program without a tag: all of it is the payload, if a PRI says that it is syslog.
                let whole = Prefix { time, priority, host: Some(first), payload: after, ..Prefix::default() };
                return priority.is_some().then_some(whole);
            };
            (Some(first), tag, payload)
        }
    };
    let payload = payload.strip_prefix(b" ").unwrap_or(payload);
    Some(Prefix { time, priority, host, program: Some(program), pid, payload, ..Prefix::default() })
}

/// For times that a journal writes in full (`2026-11-23T09:14:51+0000 node-1 kubelet[812]: …`): here only a tag with a
/// pid tells syslog from text.
pub(crate) fn after_full_time(time: Time, rest: &[u8]) -> Option<Prefix<'_>> {
    let host = word(rest)?;
    let after = rest[host.len()..].strip_prefix(b" ")?;
    let name = word(after)?;
    let (program, pid) = split_tag(name).filter(|tag| tag.1.is_some() || tag.0 == b"kernel")?;
    let payload = &after[name.len()..];
    let payload = payload.strip_prefix(b" ").unwrap_or(payload);
    Some(Prefix { time, host: Some(host), program: Some(program), pid, payload, ..Prefix::default() })
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
    let (pid, rest) = parts::digits(&word[open + 1..]);
    (rest == b"]" && open > 0).then_some((&word[..open], Some(pid?)))
}

impl<'a> Prefix<'a> {
    /// Puts what it says into the entry of its payload.
    pub(crate) fn finish(self, entry: &mut Entry<'a>) {
        if entry.format == Format::Text {
            entry.format = Format::Syslog;
        }
        if let Time::Unix { nanos, .. } = self.time {
            entry.doubt_number_time(nanos);
        }
        entry.time = better(entry.time, self.time);
        if let Some(priority) = self.priority {
            if entry.severity == Severity::UNKNOWN {
                entry.severity = Severity::from_priority(priority & 7);
            }
            let facility = FACILITIES[usize::from(priority >> 3)];
            entry.push(&b"facility"[..], crate::text::value::unquoted(facility.as_bytes()));
        }
        for (key, text) in [(&b"host.name"[..], self.host), (b"appname", self.program), (b"msg_id", self.message_id)] {
            if let Some(text) = text {
                entry.push(key, Value::Text(Text::Borrowed(text)));
            }
        }
        entry.pid = self.pid.or(entry.pid);
        if let Some(process) = self.process {
            entry.push(&b"proc_id"[..], Value::Text(Text::Borrowed(process)));
        }
        elements(self.elements, |name, value| entry.push(name, Value::Text(unescape(value))));
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
fn rfc5424(text: &[u8], priority: Option<u8>) -> Option<Prefix<'_>> {
    let mut rest = text;
    let mut header = [&b"-"[..]; 5];
    for part in &mut header {
        let end = memchr::memchr(b' ', &rest[..rest.len().min(NAME_MAX)])?;
        (*part, rest) = (&rest[..end], &rest[end + 1..]);
    }
    let [time, host, app, process, message_id] = header;
    let time = match time {
        b"-" => Time::None,
        _ => timestamp::iso8601(time).filter(|(_, length)| *length == header[0].len())?.0,
    };
    let elements_end = match rest.first()? {
        b'-' => 1,
        b'[' => elements(rest, |_, _| {})?,
        _ => return None,
    };
    let payload = match &rest[elements_end..] {
        [] => &b""[..],
        [b' ', message @ ..] => message.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(message),
        _ => return None,
    };
    let said = |part: &'_ [u8]| part != b"-";
    let (pid, is_number) = match parts::digits(process) {
        (Some(pid), b"") => (Some(pid), true),
        _ => (None, false),
    };
    Some(Prefix {
        time,
        priority,
        host: Some(host).filter(|part| said(part)),
        program: Some(app).filter(|part| said(part)),
        message_id: Some(message_id).filter(|part| said(part)),
        pid,
        process: Some(process).filter(|part| !is_number && said(part)),
        elements: &rest[..elements_end],
        payload,
    })
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
