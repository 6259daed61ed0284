//! klog text: the header and the body of one record.
//!
//! In goes one whole record (LFs inside where it spans lines, none at the end), out come the header's values, the
//! message and the pairs. Which lines make a record is decided by [`crate::records::continuation`]; the year and the zone, which
//! klog never writes, are left to whoever knows the file. What the pairs mean is not judged.

use crate::entry::{CodeSite, Entry, Format, Severity, Text, Time, Value};
use crate::formats::klog_values;
use crate::stacks::frames;
use crate::text::lanes;
use crate::time::timestamp::{self, Pattern, is_date, two};
use memchr::{memchr, memmem};
use nom::IResult;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::combinator::rest;
use nom::sequence::preceded;

/// Most bytes that may stand before the header: a unit's or a container's name, a syslog prefix with a long host name.
pub const PREFIX_BYTES_MAX: usize = 128;

/// The field that holds what stood before the header.
pub const PREFIX_KEY: &[u8] = b"log.prefix";

/// Length of the header up to its process id.
const CLOCK_BYTES: usize = 22;

/// A `file:line` longer than this is none.
const SITE_BYTES_MAX: usize = 512;

/// What klog writes at the top of each of its files (`createLogDirs` and `rotateFile` in klog_file.go and klog.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preamble<'a> {
    /// `Log file created at: 2006/01/02 15:04:05`: local time, and the year of what follows.
    Created(Time),
    /// `Running on machine: node-1`
    Machine(&'a [u8]),
    /// `Binary: Built with gc go1.26 for linux/amd64`
    Binary(&'a [u8]),
    /// `Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg`
    LineFormat(&'a [u8]),
}

/// record     = [ prefix ] header body [ LF dump ]
/// body       = structured / free-text
///
/// Fills the entry from one record; `false`, and nothing filled, where it has no klog header within its first bytes.
///
/// A dump that klog itself appends (`log_backtrace_at`, Fatal) is the field `exception.stacktrace`, as is any stack
/// trace after a structured record. Other lines after a structured record belong to the message.
pub fn text<'a>(record: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let is_first = matches!(record.first(), Some(b'I' | b'W' | b'E' | b'F'));
    let (start, header) = match if is_first { header(record) } else { None } {
        Some(header) => (0, header),
        None => {
            let Some(start) = find_header(record) else { return false };
            let Some(header) = header(&record[start..]) else { return false };
            (start, header)
        }
    };
    entry.format = Format::Klog;
    entry.time = header.time;
    entry.severity = header.severity;
    entry.severity_text = Text::Borrowed(&record[start..=start]);
    entry.pid = header.pid;
    entry.code = header.code;
    if start > 0 {
        entry.push(PREFIX_KEY, Value::Text(Text::Borrowed(record[..start].trim_ascii())));
    }
    let body = &record[start + header.length..];
    match klog_values::message(body) {
        Some((message, pairs)) => {
            entry.body = message;
            let tail = klog_values::pairs(&body[pairs..], entry);
            frames::attach(entry, tail);
        }
        None => {
            let dump = own_dump(body);
            entry.body = Text::Borrowed(&body[..dump.unwrap_or(body.len())]);
            if let Some(dump) = dump {
                entry.push(frames::STACK_KEY, Value::Text(Text::Borrowed(&body[dump + 1..])));
            }
        }
    }
    true
}

/// Does a klog header stand at the start? Looks at the severity, the date and the time only.
#[inline]
pub fn is_header(line: &[u8]) -> bool {
    matches!(line.first(), Some(b'I' | b'W' | b'E' | b'F'))
        && line.first_chunk().is_some_and(|head| clock(head).is_some())
}

/// Where the body begins in a line that begins with a header.
pub(crate) fn body_at(line: &[u8]) -> Option<usize> {
    header(line).map(|header| header.length)
}

/// Where the header begins, within the first [`PREFIX_BYTES_MAX`] bytes and after white space.
pub fn find_header(line: &[u8]) -> Option<usize> {
    if is_header(line) {
        return Some(0);
    }
    let window = &line[..line.len().min(PREFIX_BYTES_MAX + CLOCK_BYTES)];
    // The first colon of the time is the ninth byte of the header, the second the twelfth.
    let chunk = |text: &'_ [u8], at: usize| text.get(at..)?.first_chunk().copied();
    let begins = |colon: usize| {
        let start = colon.checked_sub(8).filter(|start| (1..=PREFIX_BYTES_MAX).contains(start))?;
        let is_likely = line.get(colon + 3) == Some(&b':') && matches!(line[start - 1], b' ' | b'\t');
        (is_likely && is_header(&line[start..])).then_some(start)
    };
    let mut at = 0;
    while let (Some(first), Some(second)) = (chunk(window, at), chunk(window, at + 3)) {
        let mut colons = lanes::either::<b':', b':'>(&first) & lanes::either::<b':', b':'>(&second);
        while colons != 0 {
            if let Some(start) = begins(at + colons.trailing_zeros() as usize) {
                return Some(start);
            }
            colons &= colons - 1;
        }
        at += lanes::STEP;
    }
    (at..window.len()).filter(|colon| window[*colon] == b':').find_map(begins)
}

/// Reads one line of the block that klog writes at the top of a file.
pub fn preamble(line: &[u8]) -> Option<Preamble<'_>> {
    let first = *line.first()?;
    if !matches!(first, b'L' | b'R' | b'B') {
        return None;
    }
    preamble_line(line).ok().and_then(|(_, preamble)| preamble)
}

/// preamble = "Log file created at: " YYYY "/" MM "/" DD SP hh ":" mm ":" ss
///          / "Running on machine: " host / "Binary: " text / "Log line format: " text
fn preamble_line(line: &[u8]) -> IResult<&[u8], Option<Preamble<'_>>> {
    alt((
        preceded(tag("Log file created at: "), rest).map(|text| created(text).map(Preamble::Created)),
        preceded(tag("Running on machine: "), rest).map(|text| Some(Preamble::Machine(text))),
        preceded(tag("Binary: "), rest).map(|text| Some(Preamble::Binary(text))),
        preceded(tag("Log line format: "), rest).map(|text| Some(Preamble::LineFormat(text))),
    ))
    .parse(line)
}

fn created(text: &[u8]) -> Option<Time> {
    if text.get(4) != Some(&b'/') || text.get(7) != Some(&b'/') || text.get(10) != Some(&b' ') {
        return None;
    }
    let year = i32::from(two(text, 0)?) * 100 + i32::from(two(text, 2)?);
    let (month, day) = (two(text, 5)?, two(text, 8)?);
    let (nanos_of_day, digits, _) = timestamp::time_of_day(text, 11)?;
    is_date(Some(year), month, day).then_some(Time::Local { year: Some(year), month, day, nanos_of_day, digits })
}

struct Header<'a> {
    severity: Severity,
    time: Time,
    pid: Option<u64>,
    code: Option<CodeSite<'a>>,
    length: usize,
}

/// header = sev mm dd SP hh ":" mi ":" ss "." uuuuuu SP pid SP file ":" lineno "]" [ SP ]
/// sev    = "I" / "W" / "E" / "F"
/// pid    = 7( SP / DIGIT ) / *SP 1*DIGIT      ; right-aligned, all blank for 0
///
/// `FormatHeader` in klog's internal/buffer/buffer.go. A header that ends after the time (`…ss.uuuuuu] `) is that of
/// klog's test logger.
fn header(text: &[u8]) -> Option<Header<'_>> {
    let (month, day, nanos_of_day) = clock(text.first_chunk()?)?;
    let severity = match text[0] {
        b'I' => Severity::INFO,
        b'W' => Severity::WARN,
        b'E' => Severity::ERROR,
        _ => Severity::FATAL,
    };
    let time = Time::Local { year: None, month, day, nanos_of_day, digits: 6 };
    if text[CLOCK_BYTES - 1] == b']' {
        let length = CLOCK_BYTES + usize::from(text.get(CLOCK_BYTES) == Some(&b' '));
        return Some(Header { severity, time, pid: None, code: None, length });
    }
    let (pid, at) = pid(text, CLOCK_BYTES);
    let window = text.get(at..)?;
    let close = at + memchr(b']', &window[..window.len().min(SITE_BYTES_MAX)])?;
    let code = site(&text[at..close])?;
    let length = close + 1 + usize::from(text.get(close + 1) == Some(&b' '));
    Some(Header { severity, time, pid, code: Some(code), length })
}

const MONTH_TO_HOUR: Pattern = Pattern::new(*b"0000 00:");
const MINUTE_TO_FRACTION: Pattern = Pattern::new(*b"00:00.00");
const FRACTION: Pattern = Pattern::new(*b"0.000000");

/// Month, day and nanoseconds of the day of `Immdd hh:mm:ss.uuuuuu `.
#[inline]
fn clock(head: &[u8; CLOCK_BYTES]) -> Option<(u8, u8, i64)> {
    let date = MONTH_TO_HOUR.pairs(head[1..].first_chunk()?)?;
    let clock = MINUTE_TO_FRACTION.pairs(head[9..].first_chunk()?)?;
    let fraction = FRACTION.pairs(head[13..].first_chunk()?)?.map(u32::from);
    let (month, day) = (date[0], date[2]);
    let (hour, minute, second) = (u32::from(date[5]), u32::from(clock[0]), u32::from(clock[3]));
    let is_time = hour <= 23 && minute <= 59 && second <= 60;
    if !is_time || !is_date(None, month, day) || !matches!(head[21], b' ' | b']') {
        return None;
    }
    let micros = (fraction[2] * 100 + fraction[4]) * 100 + fraction[6];
    Some((month, day, i64::from(hour * 3600 + minute * 60 + second) * 1_000_000_000 + i64::from(micros) * 1000))
}

/// The process id, where there is one, and where the file begins.
fn pid(text: &[u8], at: usize) -> (Option<u64>, usize) {
    let field = &text[at..];
    let blank = field.iter().take_while(|byte| **byte == b' ').count();
    // Seven blanks and the one after them are an id of 0; the file's name may begin with a digit.
    if blank == 8 {
        return (None, at + 8);
    }
    let digits = field[blank..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = blank + digits;
    // Other programs with glog's header write a thread's number with a sign or as hexadecimal digits.
    if let [b'-', ..] | [b'0', b'x', ..] = &field[blank..]
        && let Some(length) = odd_thread(&field[blank..])
    {
        return (None, at + blank + length + 1);
    }
    if digits == 0 || digits > 19 || field.get(end) != Some(&b' ') {
        return (None, at + blank);
    }
    let pid = field[blank..end].iter().fold(0, |pid, digit| pid * 10 + u64::from(digit - b'0'));
    (Some(pid), at + end + 1)
}

/// thread = "-" 1*DIGIT / "0x" 1*HEXDIG     ; its length, where a blank follows
fn odd_thread(field: &[u8]) -> Option<usize> {
    let (sign, is_digit): (usize, fn(&u8) -> bool) =
        if field[0] == b'-' { (1, u8::is_ascii_digit) } else { (2, u8::is_ascii_hexdigit) };
    let digits = field[sign..].iter().take(20).take_while(|byte| is_digit(byte)).count();
    (digits > 0 && field.get(sign + digits) == Some(&b' ')).then_some(sign + digits)
}

/// site = file ":" [ "-" ] lineno     ; a negative number stands for one that is not known
fn site(text: &[u8]) -> Option<CodeSite<'_>> {
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (head, number) = text.split_at(text.len() - digits);
    let colon = head.strip_suffix(b"-").unwrap_or(head).len().checked_sub(1)?;
    if colon == 0 || text[colon] != b':' || number.is_empty() {
        return None;
    }
    let negative = text[colon + 1] == b'-';
    let line = number.iter().try_fold(0u32, |sum, digit| sum.checked_mul(10)?.checked_add(u32::from(digit - b'0')));
    Some(CodeSite { file: &text[..colon], line: if negative { 0 } else { line.unwrap_or(0) } })
}

/// Where the dump begins that klog itself appended to a message: the LF before it. Its innermost frame is klog's own
/// `Stacks` (`stacks` before 2.100); a dump that the program logged is part of the message.
fn own_dump(body: &[u8]) -> Option<usize> {
    memchr(b'\n', body)?;
    memmem::find_iter(body, b"\ngoroutine ").find(|start| {
        let mut lines = body[start + 1..].splitn(3, |byte| *byte == b'\n');
        let head = lines.next().is_some_and(frames::is_goroutine);
        let frame = lines.next().unwrap_or_default();
        let name = &frame[..memchr(b'(', frame).unwrap_or(0)];
        let stacks = [&b"/dbg.Stacks"[..], b"/v2.stacks", b"klog.stacks", b"glog.stacks"];
        head && stacks.iter().any(|end| name.ends_with(end))
    })
}

#[cfg(test)]
#[path = "klog_tests.rs"]
mod tests;
