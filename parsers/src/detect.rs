//! Which format a payload has, by its first bytes, and what it says.
//!
//! In goes one payload (no envelope), out comes a filled [`Entry`] with its trace context. Nothing is refused: a line that
//! no parser fits is text with the line as its body.

use crate::entry::{Entry, Format, Severity, Text, Time, Value};
use crate::formats::{
    access, audit, conmon, conmon_rs, databases, glog, golang, json_line, klog, log4j, logfmt, logrus, plain, python,
    ruby, spring, syslog, web,
};
use crate::text::{levels, parts};
use crate::time::dates;
use crate::trace_context;
/// What a payload is expected to be; each name covers the text and the JSON form of its family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Expect {
    /// Found by the first bytes.
    #[default]
    Auto,
    /// klog, or component-base's JSON.
    Klog,
    /// logrus, text or JSON.
    Logrus,
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object.
    Json,
    /// conmon-rs.
    ConmonRs,
    /// conmon.
    Conmon,
    /// RFC 3164 or 5424, or a journal's short format.
    Syslog,
    /// Text whose parts are not looked at.
    Text,
}

/// Reads a payload. The entry is cleared first; a line that does not fit what is expected is text.
pub fn payload<'a>(line: &'a [u8], expect: Expect, entry: &mut Entry<'a>) {
    entry.clear();
    let is_json = line.first() == Some(&b'{');
    let fits = match expect {
        Expect::Auto => {
            auto(line, entry);
            true
        }
        Expect::Klog | Expect::Logrus | Expect::Json if is_json => json_line::line(line, entry),
        Expect::Klog => klog::text(line, entry),
        Expect::Logrus => logrus::text(line, entry),
        Expect::Logfmt => logfmt::line(line, entry),
        Expect::ConmonRs => conmon_rs::line(line, entry),
        Expect::Conmon => conmon::line(line, entry),
        Expect::Syslog => in_syslog(line, entry),
        Expect::Json | Expect::Text => false,
    };
    if !fits {
        entry.clear();
        entry.body = Text::Borrowed(line);
    }
    trace(line, entry);
}

/// Ids of the fields, else of the text: the header of a text pattern may hold them, structured formats have them in
/// their message.
fn trace<'a>(line: &'a [u8], entry: &mut Entry<'a>) {
    if entry.trace.trace_id.is_some() {
        return;
    }
    if !entry.fields.is_empty() {
        entry.trace = trace_context::from_fields(&entry.fields);
        if entry.trace.trace_id.is_some() {
            return;
        }
    }
    entry.trace = match entry.format {
        Format::Log4j | Format::Python | Format::Text => trace_context::from_text(line),
        _ => trace_context::from_text(&entry.body),
    };
}

fn auto<'a>(line: &'a [u8], entry: &mut Entry<'a>) {
    // syslog wraps other formats, but never itself.
    let is_syslog = match line.first() {
        Some(b'<') => true,
        Some(b'A' | b'D' | b'F' | b'J' | b'M' | b'N' | b'O' | b'S') => line.get(3) == Some(&b' '),
        _ => false,
    };
    if is_syslog {
        if in_syslog(line, entry) || behind_level(line, entry) {
            return;
        }
        entry.clear();
    }
    if !recognised(line, true, entry) {
        entry.clear();
        plain::fallback(line, entry);
    }
}

/// A line with a syslog prefix.
fn in_syslog<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(prefix) = syslog::prefix(line) else { return false };
    prefixed(prefix, entry);
    true
}

fn prefixed<'a>(prefix: syslog::Prefix<'a>, entry: &mut Entry<'a>) {
    inner(prefix.payload, entry);
    prefix.finish(entry);
}

/// A line after a level in angle brackets, which it has where it has none of its own.
fn behind_level<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((severity, payload)) = syslog::level_prefix(line) else { return false };
    inner(payload, entry);
    if entry.severity == Severity::UNKNOWN {
        entry.severity = severity;
    }
    true
}

/// A payload inside of a syslog prefix.
fn inner<'a>(line: &'a [u8], entry: &mut Entry<'a>) {
    entry.clear();
    if !recognised(line, false, entry) {
        entry.clear();
        plain::fallback(line, entry);
    }
}

/// Is the line a whole record of a format that says when or how bad it is? Asked only of lines that would continue another
/// one: they look like free text at their first bytes.
#[inline(never)]
pub(crate) fn stands_alone(line: &[u8]) -> bool {
    let mut entry = Entry::default();
    let fits = recognised(line, true, &mut entry) || behind_level(line, &mut entry);
    fits && (entry.severity != Severity::UNKNOWN || entry.time != Time::None || entry.format == Format::Access)
}

/// Does a level stand at the start of the line? A line that says how bad it is was written by itself.
pub(crate) fn has_level(line: &[u8]) -> bool {
    let mut entry = Entry::default();
    levels::level_only(line, &mut entry);
    entry.severity != Severity::UNKNOWN
}

/// Tries what can begin with the line's first byte, then what follows a prefix. `outer`: prefixes that wrap other
/// formats are looked for.
fn recognised<'a>(line: &'a [u8], outer: bool, entry: &mut Entry<'a>) -> bool {
    if by_first_byte(line, outer, entry) {
        return true;
    }
    entry.clear();
    golang::prefixed(line, entry)
}

fn by_first_byte<'a>(line: &'a [u8], outer: bool, entry: &mut Entry<'a>) -> bool {
    let Some(&first) = line.first() else { return false };
    match first {
        b'{' => json_line::line(line, entry),
        b'0'..=b'9' => numbered(line, outer, entry),
        b'I' | b'W' | b'E' | b'F' | b'C' | b'D' if line.get(1).is_some_and(u8::is_ascii_digit) => {
            if klog::text(line, entry) {
                return true;
            }
            entry.clear();
            glog::line(line, entry)
        }
        b'A'..=b'Z' if line.get(1) == Some(&b',') => ruby::logger(line, entry),
        b' ' if line.get(1) == Some(&b'{') => json_line::line(&line[1..], entry),
        b' ' | b'A'..=b'Z' => worded(line, entry) || pairs(line, entry),
        b'[' => bracketed(line, entry),
        b'c' if conmon::line(line, entry) => true,
        b't' if line.starts_with(b"time=") => {
            if logrus::text(line, entry) {
                return true;
            }
            entry.clear();
            logfmt::line(line, entry)
        }
        b'a'..=b'z' | b'_' | b'@' => {
            if audit::line(line, entry) || pairs(line, entry) {
                return true;
            }
            entry.clear();
            is_access(line) && access::common(line, entry)
        }
        b':' => is_access(line) && access::common(line, entry),
        _ => false,
    }
}

/// A line that begins with a key: `level=info …`. Text with an `=` somewhere later is none.
fn pairs<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let length = line
        .iter()
        .take(64)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'@'))
        .count();
    length > 0 && line.get(length) == Some(&b'=') && logfmt::line(line, entry)
}

/// `host - user [`, for clients that are names or IPv6 addresses.
fn is_access(line: &[u8]) -> bool {
    let head = &line[..line.len().min(300)];
    line.len() > 40 && memchr::memchr(b'[', head).is_some_and(|at| at > 5 && head[at - 1] == b' ')
}

/// A date, a time of day or an address.
fn numbered<'a>(line: &'a [u8], outer: bool, entry: &mut Entry<'a>) -> bool {
    match (line.get(2), line.get(4)) {
        (_, Some(b'-')) => dated(line, outer, entry),
        (Some(b'-'), _) if line.get(6) == Some(&b'-') && log4j::tomcat(line, entry) => true,
        _ if matches!(line.get(..3), Some([_, b'/', _] | [_, _, b'/'])) => {
            let Some((time, rest)) = dates::in_slashes(line).filter(|(time, _)| *time != Time::None) else {
                return false;
            };
            plain::after_time(time, parts::skip_blanks(rest), entry);
            true
        }
        _ if databases::redis(line, entry) => true,
        _ if let Some((clock, rest)) = dates::kitchen(line) => {
            plain::after_time(Time::None, rest, entry);
            entry.push(&b"time"[..], Value::Text(Text::Borrowed(clock)));
            true
        }
        (Some(b':'), _) => {
            let Some((time, rest)) = dates::of_day(line) else { return is_access(line) && access::common(line, entry) };
            if !log4j::line(line, entry) {
                entry.clear();
                plain::after_time(time, rest, entry);
            }
            true
        }
        (_, Some(b'/')) => plain::slashed(line, entry),
        (_, Some(b'.')) if line.get(7) == Some(&b'.') && databases::clickhouse(line, entry) => true,
        _ if let Some((time, rest)) = dates::short(line) => {
            plain::after_time(time, rest, entry);
            true
        }
        _ => is_access(line) && access::common(line, entry),
    }
}

/// A line that begins with a date: what follows the time tells the pattern.
fn dated<'a>(line: &'a [u8], outer: bool, entry: &mut Entry<'a>) -> bool {
    let found = dates::stamp(line).or_else(|| dates::padded(line)).or_else(|| dates::minutes(line));
    let Some((time, rest)) = found else { return false };
    entry.time = time;
    let found = match rest.first() {
        Some(b'[') => log4j::threaded(rest, entry),
        Some(b'-') => python::dashed(rest, entry),
        Some(b'A'..=b'Z') => match levels::level(rest) {
            Some((severity, word, after)) => {
                entry.severity = severity;
                entry.severity_text = Text::Borrowed(word);
                levelled(time, severity, word, after, entry)
            }
            None => false,
        },
        _ => false,
    };
    if found {
        return true;
    }
    entry.clear();
    entry.time = time;
    if databases::postgres(rest, entry) || ruby::sidekiq(rest, entry) {
        return true;
    }
    entry.clear();
    // A CRI line that a program passes on as its own output: the time in it is not that of this line.
    if rest.starts_with(b"stdout ") || rest.starts_with(b"stderr ") {
        return false;
    }
    if outer {
        if let Some(prefix) = syslog::after_full_time(time, rest) {
            prefixed(prefix, entry);
            return true;
        }
        if stamped(time, rest, entry) {
            return true;
        }
    }
    entry.clear();
    plain::after_time(time, rest, entry);
    true
}

/// What follows a date and a level.
fn levelled<'a>(
    time: Time,
    severity: crate::entry::Severity,
    word: &'a [u8],
    after: &'a [u8],
    entry: &mut Entry<'a>,
) -> bool {
    let next = parts::skip_blanks(after);
    match next.first() {
        Some(b'0'..=b'9' | b'-') if spring::after_level(after, entry) => true,
        Some(b'[') => {
            spring::after_level(after, entry) || log4j::after_level(after, entry) || python::after_level(after, entry)
        }
        Some(_) => {
            (matches!(time, Time::Unix { .. })
                && conmon_rs::is_tracing_level(word)
                && conmon_rs::after_level(severity, word, after, entry))
                || log4j::after_level(after, entry)
        }
        None => false,
    }
}

/// `kubectl logs --timestamps` puts a time before each line; what follows is a line of its own.
fn stamped<'a>(time: Time, rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let is_line = match rest.first() {
        Some(b'{') => true,
        Some(b'I' | b'W' | b'E' | b'F') => rest.get(1).is_some_and(u8::is_ascii_digit),
        Some(b'a'..=b'z') => true,
        _ => false,
    };
    if !is_line || !matches!(time, Time::Unix { .. } | Time::Local { .. }) || !recognised(rest, false, entry) {
        return false;
    }
    if let Time::Unix { nanos, .. } = time {
        entry.doubt_number_time(nanos);
    }
    if entry.time == Time::None {
        entry.time = time;
    }
    true
}

/// A line that begins with a word in capitals, or blank and word: a level, or nothing.
fn worded<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    if line.get(3) == Some(&b' ') && month_or_day_first(line, entry) {
        return true;
    }
    let Some((severity, word, after)) = levels::level(line.strip_prefix(b" ").unwrap_or(line)) else { return false };
    match after.first() {
        Some(b' ') => {
            conmon_rs::is_tracing_level(word) && conmon_rs::after_level(severity, word, after, entry)
                || log4j::level_first(severity, word, after, entry)
        }
        Some(b':') => python::basic(line, entry),
        Some(b'[') => logrus::terminal(severity, word, after, entry),
        _ => false,
    }
}

/// A line that begins with java.util.logging's date, with that of `date`, or with syslog's before a level.
fn month_or_day_first<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    if let Some((time, rest)) = dates::jul(line) {
        log4j::jul(time, rest, entry);
        return true;
    }
    let found = dates::ctime(line).or_else(|| {
        let found = syslog::month_first(line)?;
        levels::level(parts::skip_blanks(found.1)).is_some().then_some(found)
    });
    let Some((time, rest @ [b' ', ..])) = found else { return false };
    plain::after_time(time, parts::skip_blanks(rest), entry);
    true
}

/// conmon, Envoy, Kafka's log4j, tornado, and anything with its time in brackets.
fn bracketed<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    match line.get(1) {
        Some(b'0'..=b'9') => {
            let found = access::line(line, entry) || log4j::line(line, entry);
            if found {
                return true;
            }
            entry.clear();
            if databases::redis(line, entry) {
                return true;
            }
            entry.clear();
            plain::line(line, entry)
        }
        Some(b'c') if conmon::line(line, entry) => true,
        Some(b'G') if line.starts_with(b"[GIN") => web::gin(line, entry),
        Some(b'N') if web::nest(line, entry) => true,
        Some(b'M' | b'T' | b'W' | b'F' | b'S') if web::apache_error(line, entry) => true,
        Some(b'A'..=b'Z') if glog::line(line, entry) => true,
        Some(b'A'..=b'Z' | b'a'..=b'z' | b' ') => {
            entry.clear();
            let Some((severity, word, after)) = levels::decorated_level(line) else { return false };
            log4j::level_first(severity, word, after, entry)
        }
        _ => false,
    }
}
