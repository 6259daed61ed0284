//! Which physical lines make one record.
//!
//! In goes one line after the other (payloads, envelopes removed, of one stream), out comes whether the next one
//! belongs to the record that is open. No bytes are kept: a few flags of the first line and of what followed decide. Only
//! its shape, or klog's own rules, make a line a continuation; one that is a record by itself is none. Some lines are
//! judged by those after them ([`Next::Waits`]): a blank line before an exception, the message of one, a Go function
//! before its place. Whether a line came too late to be one is the caller's to judge.

use crate::detect::{has_level, stands_alone};
use crate::formats::{klog, klog_values, log4j};
use crate::records::lookahead::{Behind, Pending, Verdict};
use crate::records::record_start::begins_record;
use crate::stacks::{crashes, frames};
use crate::time::dates;
use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The record that is open. Its first line is not read until a line comes that does not begin a record by itself: most
/// records are over before what they are matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Open {
    body: Body,
    trace: Trace,
    /// klog stands after a prefix in this stream.
    prefixed: bool,
    /// An indented line was taken: a closing bracket may follow.
    indented: bool,
    /// The first line is java.util.logging's, whose level begins the second one.
    wants_level: bool,
    /// Lines that wait for what follows them.
    pending: Pending,
    /// What the record's first line tells of, once that was asked.
    tells: Option<Tells>,
}

/// What becomes of a line after the open record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It begins a record of its own, as do the lines that waited.
    Begins,
    /// It belongs to the open record, as do the lines that waited.
    Continues,
    /// The lines after it decide.
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
    /// Python: the first line at the margin after the frames ends it.
    Python,
    /// Python, ended: one blank line may lead to the next exception.
    PythonEnd,
    /// Rust: the panic's message comes next.
    Rust,
    /// PHP: a blank line may lead to the next exception.
    Php,
    /// Node's place of an error: source, a caret, a blank line and the error follow.
    Node,
    /// Node's error, its frames and its version.
    Thrown,
    /// Elixir: what a process was doing stands at the margin.
    Elixir,
    /// Gin's report of a panic: the request and the error, then frames.
    Gin,
    /// The frames of that.
    GinFrames,
    /// An exception was named, and no frame seen yet: its message may have more lines.
    Named,
    /// Any other.
    Other,
}

/// What a record's first line tells of, as far as lines of text after it are concerned.
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

    /// What the first line of a record says of those after it.
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

    /// Does the next line belong to the record, as far as can be said without those after it? If not, open a new one
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
        let pending = std::mem::take(&mut self.pending);
        if pending == Pending::Nothing {
            if self.follows(next) || crashes::repeats_tags(first, next) {
                return Next::Continues;
            }
            self.pending = self.first_pending(first, next).unwrap_or_default();
            return if self.pending == Pending::Nothing { Next::Begins } else { Next::Waits };
        }
        match pending.judge(next) {
            Verdict::Joins => self.trace = Trace::Other,
            Verdict::JoinsPhp => self.trace = Trace::Php,
            Verdict::JoinsPython => self.trace = Trace::PythonEnd,
            Verdict::Separate => return Next::Begins,
            Verdict::Undecided(pending) => {
                self.pending = pending;
                return Next::Waits;
            }
        }
        Next::Continues
    }

    /// Does a line that goes on no record by its own looks wait for those after it?
    fn first_pending(&mut self, first: &[u8], next: &[u8]) -> Option<Pending> {
        if !matches!(self.body, Body::Line | Body::Structured) {
            return None;
        }
        if next.trim_ascii().is_empty() {
            let behind = match self.trace {
                Trace::Php => Behind::Php,
                Trace::Thrown => Behind::Thrown,
                Trace::None | Trace::Named | Trace::Other => Behind::Other,
                _ => return None,
            };
            return Some(Pending::Blank(behind));
        }
        // Dates, addresses and objects begin records nearly always: only a named exception makes them wait.
        let is_likely = matches!(next[0], b'{' | b'[' | b'0'..=b'9') && self.trace != Trace::Named;
        if is_likely || matches!(next[0], b' ' | b'\t') || begins_record(next) || is_crash(next) {
            return None;
        }
        if self.trace == Trace::PythonEnd {
            return (!stands_alone(next)).then_some(Pending::Python(1));
        }
        let tells = *self.tells.get_or_insert_with(|| Tells::of(first));
        Pending::first(next, self.trace == Trace::Named || tells == Tells::Exception, tells != Tells::Nothing)
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
            Some(b'[') if crashes::is_laravel_stack(next) => self.shape(next),
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
        } else if self.trace == Trace::None && crashes::is_node_place(first) {
            self.trace = Trace::Node;
        } else if self.trace == Trace::None && crashes::is_gin_recovery(first) {
            self.trace = Trace::Gin;
        }
    }

    fn blank(&self) -> bool {
        self.body == Body::Free
            || matches!(self.trace, Trace::Go | Trace::PythonEnd | Trace::Gin)
            || self.trace == Trace::Node && self.indented
    }

    fn indented_line(&mut self, next: &[u8]) -> bool {
        if next.trim_ascii().is_empty() {
            return self.blank();
        }
        // conmon-rs writes ` INFO …`.
        if self.trace == Trace::Named && frames::is_indented_frame(next) {
            self.trace = Trace::Other;
        }
        let may_begin = next[0] == b' ' && next.get(1).is_some_and(|byte| byte.is_ascii_uppercase() || *byte == b'{');
        self.indented = !(may_begin && stands_alone(next));
        self.indented && self.body != Body::Blank
    }

    /// Inside of `key=<`: lines begin with a TAB up to ` >`. Anything else shows that the value was cut off.
    fn value_line(&mut self, next: &[u8]) -> bool {
        match next {
            [b'\t', ..] => true,
            [] | [b'\r'] => true,
            _ if next.starts_with(klog_values::SHOWN_TAB) => true,
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
            b'"' if self.trace == Trace::Php && next.starts_with(b"\"}") => Trace::Other,
            b'[' if crashes::is_laravel_stack(next) => Trace::Php,
            b'*' if crashes::is_elixir(next) => Trace::Elixir,
            _ => match self.trace {
                Trace::Go if frames::in_go_dump(next) => Trace::Go,
                Trace::Python => Trace::PythonEnd,
                Trace::PythonEnd if frames::is_python_link(next) || crashes::is_python_detail(next) => Trace::PythonEnd,
                Trace::Node if crashes::is_thrown(next) => Trace::Thrown,
                Trace::Elixir if crashes::is_elixir_detail(next) => Trace::Elixir,
                Trace::Gin | Trace::GinFrames if crashes::is_gin_place(next) => Trace::GinFrames,
                Trace::Gin if !(begins_record(next) || stands_alone(next)) => Trace::Gin,
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

/// `key=<` at the end of a line.
#[inline]
fn opens_value(line: &[u8]) -> bool {
    line.ends_with(b"=<") || line.ends_with(b"=<\r")
}

#[cfg(test)]
#[path = "continuation_tests.rs"]
mod tests;
