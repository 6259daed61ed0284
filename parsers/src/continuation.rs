//! Which physical lines make one record.
//!
//! In goes one line after the other (payloads, envelopes removed, of one stream), out comes whether the next one
//! belongs to the record that is open. No bytes are kept: a few flags of the first line and of what followed decide. Only
//! its shape, or klog's own rules, make a line a continuation; one that is a record by itself is none. Whether it came too
//! late to be one is the caller's to judge.

use crate::detect::stands_alone;
use crate::entry::{Entry, Text, Value};
use crate::klog;
use crate::klog_values;
use crate::timestamp;
use memchr::{memchr, memmem};

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
    /// Any other.
    Other,
}

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

    /// Does the next line belong to the record? If not, open a new one with it. `first`: the record's first line, or what
    /// it has become since.
    #[inline]
    pub fn takes(&mut self, first: &[u8], next: &[u8]) -> bool {
        if self.body == Body::Unread {
            if !next.is_empty() && begins_record(next) {
                return false;
            }
            *self = Open::read(first);
        }
        self.follows(next)
    }

    fn follows(&mut self, next: &[u8]) -> bool {
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
    }

    fn blank(&self) -> bool {
        self.body == Body::Free || matches!(self.trace, Trace::Go | Trace::PythonEnd)
    }

    fn indented_line(&mut self, next: &[u8]) -> bool {
        if next.trim_ascii().is_empty() {
            return self.blank();
        }
        // conmon-rs writes ` INFO …`.
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
        !(begins_record(next) || self.prefixed && klog::find_header(next).is_some() || stands_alone(next))
    }

    /// A line at the margin that continues a record by its shape.
    fn shape(&mut self, next: &[u8]) -> bool {
        let trace = match next[0] {
            b'}' | b']' | b')' => return std::mem::take(&mut self.indented),
            b'g' if is_goroutine(next) => Trace::Go,
            b'T' if next.starts_with(PYTHON) => Trace::Python,
            _ => match self.trace {
                Trace::Go if in_go_dump(next) => Trace::Go,
                Trace::Python => Trace::PythonEnd,
                Trace::PythonEnd if is_python_link(next) => Trace::PythonEnd,
                Trace::Rust => Trace::Other,
                Trace::Other if is_trace_note(next) => Trace::Other,
                _ if is_frame(next) || is_exception(next) => Trace::Other,
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
        b'g' if is_goroutine(first) => Trace::Go,
        b'T' if first.starts_with(PYTHON) => Trace::Python,
        b't' if is_rust_panic(first) => Trace::Rust,
        _ => Trace::None,
    }
}

#[inline]
fn begins_dump(first: &[u8]) -> bool {
    dump(first) != Trace::None
}

/// Hangs the lines behind a record's own ones to it: a stack trace as the field [`STACK_KEY`], other lines to the body.
pub fn attach<'a>(entry: &mut Entry<'a>, tail: &'a [u8]) {
    if tail.is_empty() {
        return;
    }
    let first = tail.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    if begins_trace(first) {
        entry.push(STACK_KEY, Value::Text(Text::Borrowed(tail)));
    } else {
        let body = entry.body.to_mut();
        body.push(b'\n');
        body.extend_from_slice(tail);
    }
}

const PYTHON: &[u8] = b"Traceback (most recent call last):";

/// `goroutine 1 [running]:`, also `goroutine 1 gp=0xc00 m=0 mp=0x1 [select, 2 minutes]:`
pub(crate) fn is_goroutine(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"goroutine ") else { return false };
    rest.first().is_some_and(u8::is_ascii_digit)
        && memmem::find(rest, b" [").is_some()
        && line.trim_ascii_end().ends_with(b"]:")
}

/// `key=<` at the end of a line.
#[inline]
fn opens_value(line: &[u8]) -> bool {
    line.ends_with(b"=<") || line.ends_with(b"=<\r")
}

/// Does this line begin a record by itself, whatever stands open before it (but for the trace of a crash)?
#[inline]
fn begins_record(line: &[u8]) -> bool {
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

fn is_rust_panic(line: &[u8]) -> bool {
    line.starts_with(b"thread '") && memmem::find(line, b"' panicked at ").is_some()
        || line.starts_with(b"thread '") && memmem::find(line, b") panicked at ").is_some()
}

/// What stands at the margin inside of a goroutine dump.
fn in_go_dump(line: &[u8]) -> bool {
    match line[0] {
        b'[' => line.starts_with(b"[signal ") || line.starts_with(b"[originating from "),
        b'.' => line.starts_with(b"...additional frames elided...") || line.starts_with(b"..."),
        b'p' if line.starts_with(b"panic: ") => true,
        b'c' if line.starts_with(b"created by ") => true,
        b'e' if line.starts_with(b"exit status ") => true,
        b'r' if line.starts_with(b"runtime stack:") => true,
        b'r' | b'e' | b'c' | b'f' | b'g' if is_register(line) => true,
        _ => is_go_call(line),
    }
}

/// `rax    0x0` of a crash on a signal.
fn is_register(line: &[u8]) -> bool {
    let name = line.iter().take(7).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    (2..=6).contains(&name) && line[name..].trim_ascii_start().starts_with(b"0x") && line.len() < 32
}

/// call = path "." name "(" … ")"      ; main.main(), k8s.io/klog/v2.(*loggingT).output(0xe6ee60, …), main.f[...](…)
fn is_go_call(line: &[u8]) -> bool {
    if !line.trim_ascii_end().ends_with(b")") {
        return false;
    }
    let Some(open) = memchr(b'(', line) else { return false };
    let name = &line[..open];
    let named = name.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80) && !name.is_empty();
    named && (memchr(b'.', name).is_some() || matches!(name, b"panic" | b"main"))
}

/// Frames and links of Java, Node, .NET, Ruby and PHP that stand at the margin.
fn is_frame(line: &[u8]) -> bool {
    match line[0] {
        b'C' => line.starts_with(b"Caused by: "),
        b'S' => line.starts_with(b"Suppressed: ") || line.starts_with(b"Stack trace:"),
        b'W' => line.starts_with(b"Wrapped by: "),
        b'a' => line.starts_with(b"at ") && is_call(&line[3..]),
        b'f' => line.starts_with(b"from ") && memmem::find(line, b":in ").is_some(),
        b'.' => is_omitted(line),
        b'-' => line.starts_with(b"--- End of "),
        b's' => line.starts_with(b"stack backtrace:"),
        b'n' => line.starts_with(b"note: run with `RUST_BACKTRACE"),
        b'#' => is_numbered(line),
        _ => false,
    }
}

/// What may follow inside of a trace only.
fn is_trace_note(line: &[u8]) -> bool {
    line.starts_with(b"note: ") || is_frame(line) || is_exception(line)
}

/// `x.y(Z.java:1)`, `x.y(Native Method)`, `f (file.js:1:2)`
fn is_call(text: &[u8]) -> bool {
    let Some(open) = memchr(b'(', text) else { return false };
    let (name, place) = text.split_at(open);
    let closed = text.trim_ascii_end().ends_with(b")") || memmem::find(place, b") ~[").is_some();
    let dotted = memchr(b'.', name).is_some() && memchr(b' ', name).is_none();
    !name.is_empty() && closed && (dotted || memchr(b':', place).is_some())
}

/// `... 12 more`, `... 12 common frames omitted`
fn is_omitted(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"... ") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let word = rest[digits..].trim_ascii();
    digits > 0 && (word == b"more" || word.starts_with(b"common frames") || word.starts_with(b"frames"))
}

/// `#0 /app/index.php(12): f()`, `#1 {main}`
fn is_numbered(line: &[u8]) -> bool {
    let digits = line[1..].iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    let rest = &line[1 + digits..];
    digits > 0 && (rest.starts_with(b" {main}") || rest.starts_with(b" /") || rest.starts_with(b" 0x"))
}

/// exception = 2*( name "." ) Name ( "Exception" / "Error" / "Throwable" ) [ ":" … ]
///
/// The line that a Java logger puts before the frames. Fewer dots are prose or a Python name.
fn is_exception(line: &[u8]) -> bool {
    if !line[0].is_ascii_lowercase() {
        return false;
    }
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'$' | b'_');
    let end = line.iter().take(256).take_while(|byte| part(byte)).count();
    let name = &line[..end];
    let kind = [&b"Exception"[..], b"Error", b"Throwable"].iter().any(|kind| name.ends_with(kind));
    kind && matches!(line.get(end), None | Some(b':' | b'\r')) && name.iter().filter(|byte| **byte == b'.').count() >= 2
}

fn is_python_link(line: &[u8]) -> bool {
    line.starts_with(b"During handling of the above exception") || line.starts_with(b"The above exception was")
}

/// Does a stack trace begin with this line?
fn begins_trace(line: &[u8]) -> bool {
    let frame = line.trim_ascii_start();
    if frame.is_empty() {
        return false;
    }
    is_goroutine(line)
        || line.starts_with(PYTHON)
        || line.starts_with(b"[signal ")
        || is_exception(line)
        || is_frame(frame)
        || frame.starts_with(b"File \"")
}

#[cfg(test)]
#[path = "continuation_tests.rs"]
mod tests;
