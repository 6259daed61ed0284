//! Which physical lines make one record.
//!
//! In goes one line after the other (payloads, envelopes removed, of one stream), out comes whether the next one
//! belongs to the record that is open. No bytes are kept: a few flags of the first line and of what followed decide. Only
//! its shape, or klog's own rules, make a line a continuation; one that is a record by itself is none. Some lines are
//! judged by those behind them ([`Next::Waits`]): a blank line before an exception, the message of one, a Go function
//! before its place. Whether a line came too late to be one is the caller's to judge.

use std::sync::LazyLock;

use crate::dates;
use crate::detect::{has_level, stands_alone};
use crate::entry::{Entry, Text, Value};
use crate::frames;
use crate::held::{Held, Judged};
use crate::klog;
use crate::klog_values;
use crate::log4j;
use crate::timestamp;
use memchr::memmem::Finder;

/// The field that holds a stack trace behind a record.
pub const STACK_KEY: &[u8] = b"exception.stacktrace";

/// The record that is open. Its first line is not read until a line comes that does not begin a record by itself: most
/// records are over before what they are matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open {
    body: Body,
    trace: Trace,
    /// klog stands behind a prefix in this stream.
    prefixed: bool,
    /// An indented line was taken: a closing bracket may follow.
    indented: bool,
    /// The first line is java.util.logging's, whose level begins the second one.
    wants_level: bool,
    /// Lines that wait for what follows them.
    held: Held,
    /// What the record's first line tells of, once that was asked.
    tells: Option<Tells>,
}

/// What becomes of a line behind the open record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It begins a record of its own, as do the lines that waited.
    Begins,
    /// It belongs to the open record, as do the lines that waited.
    Continues,
    /// The lines behind it decide.
    Waits,
}

/// How the record's own text goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Body {
    /// Nothing is open.
    #[default]
    Blank,
    /// The first line was not read yet.
    Unread,
    /// Only shapes go on.
    Line,
    /// klog, free text: all goes on that begins no record.
    Free,
    /// klog, structured, with its last line outside of a value.
    Structured,
    /// klog, structured, inside of a value in its `=<` form.
    Value,
}

/// Which stack trace was last seen in the record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Trace {
    #[default]
    None,
    /// Go: frames stand at the start of lines, blank lines between goroutines.
    Go,
    /// Python: the first line at the margin behind the frames ends it.
    Python,
    /// Python, ended: one blank line may lead to the next exception.
    PythonEnd,
    /// Rust: the panic's message comes next.
    Rust,
    /// PHP: a blank line may lead to the next exception.
    Php,
    /// An exception was named, and no frame seen yet: its message may have more lines.
    Named,
    /// Any other.
    Other,
}

/// What a record's first line tells of, as far as lines of text behind it are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    Nothing,
    Error,
    Exception,
}

impl Tells {
    fn of(first: &[u8]) -> Tells {
        let head = &first[..first.len().min(TELLING_BYTES)];
        if frames::names_exception(head) {
            Tells::Exception
        } else if ERROR_WORDS.iter().any(|word| word.find(head).is_some()) {
            Tells::Error
        } else {
            Tells::Nothing
        }
    }
}

static ERROR_WORDS: LazyLock<[Finder<'static>; 4]> =
    LazyLock::new(|| ["rror", "RROR", "FATAL", "panic"].map(Finder::new));

/// So much of a first line tells what it is about.
const TELLING_BYTES: usize = 512;

impl Open {
    /// Opens a record with its first line.
    #[inline]
    pub fn start(first: &[u8]) -> Open {
        let body = match first.first() {
            None => Body::Blank,
            Some(b'{') => Body::Line,
            // Behind these, a line that looks like the begin of a record may be a part of the trace.
            Some(b'p' | b'f' | b'g' | b'T' | b't') if begins_dump(first) => return Open::read(first),
            _ => Body::Unread,
        };
        Open { body, ..Open::default() }
    }

    /// What the first line of a record says of those behind it.
    #[inline(never)]
    fn read(first: &[u8]) -> Open {
        let mut open = Open { body: Body::Line, ..Open::default() };
        match first.first() {
            None => open.body = Body::Blank,
            Some(b'I' | b'W' | b'E' | b'F') if klog::is_header(first) => open.klog(first),
            Some(b'{') => {}
            _ => open.other(first),
        }
        open
    }

    /// Does the next line belong to the record, as far as can be said without those behind it? If not, open a new one
    /// with it. `first`: the record's first line, or what it has become since.
    #[inline]
    pub fn takes(&mut self, first: &[u8], next: &[u8]) -> bool {
        self.next(first, next) == Next::Continues
    }

    /// What becomes of the next line. Where it [begins](Next::Begins) a record, open new ones, with the lines that waited
    /// first. `first`: the record's first line, or what it has become since.
    #[inline]
    pub fn next(&mut self, first: &[u8], next: &[u8]) -> Next {
        if self.body == Body::Unread {
            if !next.is_empty() && begins_record(next) {
                return Next::Begins;
            }
            *self = Open::read(first);
        }
        self.judge(first, next)
    }

    fn judge(&mut self, first: &[u8], next: &[u8]) -> Next {
        let held = std::mem::take(&mut self.held);
        if held == Held::Nothing {
            if self.follows(next) {
                return Next::Continues;
            }
            self.held = self.first_held(first, next).unwrap_or_default();
            return if self.held == Held::Nothing { Next::Begins } else { Next::Waits };
        }
        match held.judge(next) {
            Judged::Taken => self.trace = Trace::Other,
            Judged::TakenPhp => self.trace = Trace::Php,
            Judged::Given => return Next::Begins,
            Judged::Waiting(held) => {
                self.held = held;
                return Next::Waits;
            }
        }
        Next::Continues
    }

    /// Does a line that goes on no record by its own looks wait for those behind it?
    fn first_held(&mut self, first: &[u8], next: &[u8]) -> Option<Held> {
        if !matches!(self.body, Body::Line | Body::Structured) {
            return None;
        }
        if next.trim_ascii().is_empty() {
            let php = self.trace == Trace::Php;
            let may = php || matches!(self.trace, Trace::None | Trace::Named | Trace::Other);
            return may.then_some(Held::Blank { php });
        }
        // Dates, addresses and objects begin records nearly always: only a named exception makes them wait.
        let is_likely = matches!(next[0], b'{' | b'[' | b'0'..=b'9') && self.trace != Trace::Named;
        if is_likely || matches!(next[0], b' ' | b'\t') || begins_record(next) || is_crash(next) {
            return None;
        }
        let tells = *self.tells.get_or_insert_with(|| Tells::of(first));
        Held::first(next, self.trace == Trace::Named || tells == Tells::Exception, tells != Tells::Nothing)
    }

    fn follows(&mut self, next: &[u8]) -> bool {
        if std::mem::take(&mut self.wants_level) && log4j::jul_level(next).is_some() {
            return true;
        }
        if self.body == Body::Value {
            return self.value_line(next);
        }
        match next.first() {
            None => self.blank(),
            Some(b' ' | b'\t') => self.indented_line(next),
            Some(b'\r') if next.trim_ascii().is_empty() => self.blank(),
            _ if self.body == Body::Blank => false,
            _ if self.body == Body::Free => self.free_line(next),
            Some(b'{' | b'0'..=b'9' | b'[') if self.trace == Trace::None => false,
            Some(b'I' | b'W' | b'F') if klog::is_header(next) => false,
            _ => self.shape(next),
        }
    }

    fn klog(&mut self, first: &[u8]) {
        let Some(at) = klog::body_at(first) else { return };
        let body = &first[at..];
        self.body = match body.first() {
            Some(b'"') if klog_values::is_structured(body) => {
                if opens_value(body) {
                    Body::Value
                } else {
                    Body::Structured
                }
            }
            _ => Body::Free,
        };
    }

    fn other(&mut self, first: &[u8]) {
        if let Some(start) = klog::find_header(first) {
            self.prefixed = true;
            return self.klog(&first[start..]);
        }
        if first.trim_ascii().is_empty() {
            self.body = Body::Blank;
            return;
        }
        self.trace = dump(first);
        self.wants_level = first.get(3) == Some(&b' ') && dates::jul(first).is_some();
        if self.trace == Trace::None && (frames::is_exception(first) || first.starts_with(b"Exception in thread ")) {
            self.trace = Trace::Named;
        }
    }

    fn blank(&self) -> bool {
        self.body == Body::Free || matches!(self.trace, Trace::Go | Trace::PythonEnd)
    }

    fn indented_line(&mut self, next: &[u8]) -> bool {
        if next.trim_ascii().is_empty() {
            return self.blank();
        }
        // conmon-rs writes ` INFO …`.
        if self.trace == Trace::Named && frames::is_indented_frame(next) {
            self.trace = Trace::Other;
        }
        self.indented = !(next[0] == b' ' && next.get(1).is_some_and(u8::is_ascii_uppercase) && stands_alone(next));
        self.indented && self.body != Body::Blank
    }

    /// Inside of `key=<`: lines begin with a TAB up to ` >`. Anything else shows that the value was cut off.
    fn value_line(&mut self, next: &[u8]) -> bool {
        match next {
            [b'\t', ..] => true,
            [] | [b'\r'] => true,
            [b' ', b'>'] | [b' ', b'>', b' ' | b'\r', ..] => {
                self.body = if opens_value(next) { Body::Value } else { Body::Structured };
                true
            }
            _ => {
                self.body = Body::Structured;
                self.follows(next)
            }
        }
    }

    fn free_line(&mut self, next: &[u8]) -> bool {
        !(begins_record(next)
            || self.prefixed && klog::find_header(next).is_some()
            || stands_alone(next)
            || has_level(next))
    }

    /// A line at the margin that continues a record by its shape.
    fn shape(&mut self, next: &[u8]) -> bool {
        let trace = match next[0] {
            b'}' | b']' | b')' => return std::mem::take(&mut self.indented),
            b'g' if frames::is_goroutine(next) => Trace::Go,
            b'T' if next.starts_with(frames::PYTHON) => Trace::Python,
            _ => match self.trace {
                Trace::Go if frames::in_go_dump(next) => Trace::Go,
                Trace::Python => Trace::PythonEnd,
                Trace::PythonEnd if frames::is_python_link(next) => Trace::PythonEnd,
                Trace::Rust => Trace::Other,
                Trace::Other | Trace::Named if next.starts_with(b"note: ") => Trace::Other,
                _ if frames::is_exception(next) || next.starts_with(b"Caused by: ") => Trace::Named,
                _ if next.starts_with(b"Stack trace:") || next[0] == b'#' && frames::is_frame(next) => Trace::Php,
                _ if frames::is_frame(next) => Trace::Other,
                _ => return false,
            },
        };
        self.trace = trace;
        true
    }
}

/// The stack trace that a line begins.
#[inline]
fn dump(first: &[u8]) -> Trace {
    match first[0] {
        b'p' if first.starts_with(b"panic: ") => Trace::Go,
        b'f' if first.starts_with(b"fatal error: ") => Trace::Go,
        b'g' if frames::is_goroutine(first) => Trace::Go,
        b'T' if first.starts_with(frames::PYTHON) => Trace::Python,
        b't' if frames::is_rust_panic(first) => Trace::Rust,
        _ => Trace::None,
    }
}

#[inline]
fn begins_dump(first: &[u8]) -> bool {
    dump(first) != Trace::None
}

/// Does a line report a crash of its own?
fn is_crash(line: &[u8]) -> bool {
    begins_dump(line) || line.starts_with(b"Exception in thread ") || line.starts_with(b"Unhandled exception")
}

/// Hangs the lines behind a record's own ones to it: a stack trace as the field [`STACK_KEY`], other lines to the body.
pub fn attach<'a>(entry: &mut Entry<'a>, tail: &'a [u8]) {
    if tail.is_empty() {
        return;
    }
    let first = tail.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    if frames::begins_trace(first) {
        entry.push(STACK_KEY, Value::Text(Text::Borrowed(tail)));
    } else {
        let body = entry.body.to_mut();
        body.push(b'\n');
        body.extend_from_slice(tail);
    }
}

/// `key=<` at the end of a line.
#[inline]
fn opens_value(line: &[u8]) -> bool {
    line.ends_with(b"=<") || line.ends_with(b"=<\r")
}

/// Does this line begin a record by itself, whatever stands open before it (but for the trace of a crash)?
#[inline]
pub(crate) fn begins_record(line: &[u8]) -> bool {
    match line[0] {
        b'I' | b'W' | b'E' => klog::is_header(line),
        b'F' => klog::is_header(line) || is_syslog_dated(line),
        b'{' => line.starts_with(b"{\"") && line.trim_ascii_end().ends_with(b"}"),
        b't' => line.starts_with(b"time=\"") || line.starts_with(b"time=2"),
        b'l' => line.starts_with(b"level=") || line.starts_with(b"log_level="),
        b'0'..=b'9' => is_dated(line),
        b'[' => line.get(1).is_some_and(u8::is_ascii_digit) && is_dated(&line[1..]),
        b'L' | b'R' | b'B' => klog::preamble(line).is_some(),
        b'A'..=b'Z' => is_syslog_dated(line),
        _ => false,
    }
}

/// `Nov 10 14:17:44`
fn is_syslog_dated(line: &[u8]) -> bool {
    line.get(3) == Some(&b' ') && line.get(6) == Some(&b' ') && timestamp::time_of_day(line, 7).is_some()
}

/// `2026-01-02T03:04:05`, `2026-01-02 03:04:05`, `2026/01/02 03:04:05`, `2026-01-02 03:04:05,123`
fn is_dated(line: &[u8]) -> bool {
    let Some(head) = line.first_chunk::<19>() else { return false };
    if !matches!((head[4], head[7], head[10]), (b'-' | b'/', b'-' | b'/', b'T' | b' ')) {
        return false;
    }
    let &[y0, y1, y2, y3, _, m0, m1, _, d0, d1, _, ref clock @ ..] = head;
    let digit = |byte: u8| byte.is_ascii_digit();
    timestamp::is_clock(clock) && [y0, y1, y2, y3, m0, m1, d0, d1].into_iter().all(digit)
}

#[cfg(test)]
#[path = "continuation_tests.rs"]
mod tests;
