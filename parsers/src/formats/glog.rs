//! Headers like klog's that are not klog: C++ glog with a year, Abseil's before its start, tornado's and Jupyter's.

use crate::entry::{CodeSite, Entry, Format, Severity, Text, Time};
use crate::text::parts;
use crate::time::{dates, timestamp};

/// line = dated / tornado
pub fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    if line.first() == Some(&b'[') { tornado(line, entry) } else { dated(line, entry) }
}

/// dated = L yyyymmdd SP hh:mm:ss.micros SP thread SP file ":" line "] " msg
/// / L "0000 00:00:" seconds "." micros SP thread SP file ":" line "] " msg   ; Abseil before InitializeLog
fn dated<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((severity, rest)) = letter(line) else { return false };
    let Some((time, rest)) = year_stamp(rest).or_else(|| early_stamp(rest)) else { return false };
    let (thread, rest) = parts::digits(parts::skip_blanks(rest));
    let Some((code, message)) = rest.strip_prefix(b" ").and_then(|rest| site(rest, b"] ")) else { return false };
    entry.format = Format::Glog;
    entry.time = time;
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(&line[..1]);
    entry.pid = thread;
    entry.code = Some(code);
    entry.body = Text::Borrowed(message);
    thread.is_some()
}

fn letter(line: &[u8]) -> Option<(Severity, &[u8])> {
    let severity = match line.first()? {
        b'I' => Severity::INFO,
        b'W' => Severity::WARN,
        b'E' | b'C' => Severity::ERROR,
        b'F' => Severity::FATAL,
        b'D' => Severity::DEBUG,
        _ => return None,
    };
    Some((severity, &line[1..]))
}

fn year_stamp(text: &[u8]) -> Option<(Time, &[u8])> {
    let head = text.get(..17)?;
    let two = |at| timestamp::two(head, at);
    let (year, month, day) = (i32::from(two(0)?) * 100 + i32::from(two(2)?), two(4)?, two(6)?);
    if head[8] != b' ' || !timestamp::is_date(Some(year), month, day) {
        return None;
    }
    let (nanos_of_day, digits, end) = timestamp::time_of_day(text, 9)?;
    let rest = text.get(end..).filter(|rest| rest.first() == Some(&b' '))?;
    Some((Time::Local { year: Some(year), month, day, nanos_of_day, digits }, rest))
}

fn early_stamp(text: &[u8]) -> Option<(Time, &[u8])> {
    let rest = text.strip_prefix(b"0000 00:00:")?;
    let (Some(seconds), rest) = parts::digits(rest) else { return None };
    let fraction = rest.strip_prefix(b".")?.get(..6)?;
    let (Some(micros), b"") = parts::digits(fraction) else { return None };
    let nanos =
        i64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(i64::try_from(micros).ok()? * 1000)?;
    Some((Time::Unix { nanos, digits: 6 }, &rest[7..]))
}

/// site = file ":" line close
fn site<'a>(text: &'a [u8], close: &[u8]) -> Option<(CodeSite<'a>, &'a [u8])> {
    let colon = memchr::memchr2(b':', b' ', &text[..text.len().min(256)])?;
    if text[colon] != b':' || colon == 0 {
        return None;
    }
    let (line, rest) = parts::digits(&text[colon + 1..]);
    let code = CodeSite { file: &text[..colon], line: u32::try_from(line?).ok()? };
    Some((code, rest.strip_prefix(close).or_else(|| (rest == b"]").then_some(b""))?))
}

/// tornado = "[" L SP yymmdd SP hh:mm:ss SP module ":" line "] " msg
/// / "[" L SP date-time SP name "] " msg
fn tornado<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((severity, rest)) = letter(&line[1..]) else { return false };
    let Some(rest) = rest.strip_prefix(b" ") else { return false };
    if let Some((time, rest)) = dates::stamp(rest) {
        let Some(close) = memchr::memchr(b']', &rest[..rest.len().min(160)]) else { return false };
        entry.time = time;
        entry.push(&b"logger"[..], crate::entry::Value::Text(Text::Borrowed(&rest[..close])));
        entry.body = Text::Borrowed(parts::skip_blanks(&rest[close + 1..]));
    } else {
        let Some((time, code, message)) = short_stamp(rest) else { return false };
        entry.time = time;
        entry.code = Some(code);
        entry.body = Text::Borrowed(message);
    }
    entry.format = Format::Glog;
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(&line[1..2]);
    true
}

fn short_stamp(text: &[u8]) -> Option<(Time, CodeSite<'_>, &[u8])> {
    let two = |at| timestamp::two(text, at);
    let (year, month, day) = (2000 + i32::from(two(0)?), two(2)?, two(4)?);
    if text.get(6) != Some(&b' ') || !timestamp::is_date(Some(year), month, day) {
        return None;
    }
    let (nanos_of_day, digits, end) = timestamp::time_of_day(text, 7)?;
    let (code, message) = site(text.get(end..)?.strip_prefix(b" ")?, b"] ")?;
    Some((Time::Local { year: Some(year), month, day, nanos_of_day, digits }, code, message))
}
