//! Lines of stack traces, by their looks alone: Go, Python, Rust, Java, .NET, Node, Ruby, PHP.
//!
//! In goes one line, out comes whether it is a frame, names an exception, or begins a dump. Which record it belongs to is
//! said by [`crate::records::continuation`].

use crate::entry::{Entry, Text, Value};
use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr, memmem};

// Asked of many lines: a search that is made each time takes longer than the search.
static EXCEPTION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("Exception"));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("Error: "));
static IN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(":in "));

pub(crate) const PYTHON: &[u8] = b"Traceback (most recent call last):";

/// The field that holds a stack trace after a record.
pub const STACK_KEY: &[u8] = b"exception.stacktrace";

/// `goroutine 1 [running]:`, also `goroutine 1 gp=0xc00 m=0 mp=0x1 [select, 2 minutes]:`
pub(crate) fn is_goroutine(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"goroutine ") else { return false };
    rest.first().is_some_and(u8::is_ascii_digit)
        && memmem::find(rest, b" [").is_some()
        && line.trim_ascii_end().ends_with(b"]:")
}

pub(crate) fn is_rust_panic(line: &[u8]) -> bool {
    line.starts_with(b"thread '") && memmem::find(line, b"' panicked at ").is_some()
        || line.starts_with(b"thread '") && memmem::find(line, b") panicked at ").is_some()
}

/// What stands at the margin inside of a goroutine dump.
pub(crate) fn in_go_dump(line: &[u8]) -> bool {
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
pub(crate) fn is_register(line: &[u8]) -> bool {
    let name = line.iter().take(7).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    (2..=6).contains(&name) && line[name..].trim_ascii_start().starts_with(b"0x") && line.len() < 32
}

/// call = path "." name "(" … ")"      ; main.main(), k8s.io/klog/v2.(*loggingT).output(0xe6ee60, …), main.f[...](…)
pub(crate) fn is_go_call(line: &[u8]) -> bool {
    if !line.trim_ascii_end().ends_with(b")") {
        return false;
    }
    let Some(open) = memchr(b'(', line) else { return false };
    let name = &line[..open];
    let named = name.iter().all(|byte| byte.is_ascii_graphic() || *byte >= 0x80) && !name.is_empty();
    named && (memchr(b'.', name).is_some() || matches!(name, b"panic" | b"main"))
}

/// Frames and links of Java, Node, .NET, Ruby and PHP that stand at the margin.
pub(crate) fn is_frame(line: &[u8]) -> bool {
    let is_frame = match line[0] {
        b'C' => line.starts_with(b"Caused by: "),
        b'S' => line.starts_with(b"Suppressed: ") || line.starts_with(b"Stack trace:"),
        b'P' => line.starts_with(b"PHP Stack trace:") || is_php_call(line),
        b'W' => line.starts_with(b"Wrapped by: "),
        b'a' => line.starts_with(b"at ") && is_call(&line[3..]),
        b'f' => line.starts_with(b"from ") && memmem::find(line, b":in ").is_some(),
        b'.' => is_omitted(line),
        b'-' => line.starts_with(b"--- End of "),
        b's' => line.starts_with(b"stack backtrace:"),
        b'n' => line.starts_with(b"note: run with `RUST_BACKTRACE"),
        b'#' => is_numbered(line),
        _ => false,
    };
    is_frame || is_ruby_frame(line)
}

/// php = "PHP" 1*SP 1*DIGIT "." SP call      ; Xdebug's stack
fn is_php_call(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"PHP ").map(<[u8]>::trim_ascii_start) else { return false };
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest[digits..].starts_with(b". ")
}

/// ruby = path ":" line ":in " quote name "'"     ; what follows the name is the message of a crash, which begins a record
fn is_ruby_frame(line: &[u8]) -> bool {
    let window = &line[..line.len().min(400)];
    let Some(at) = IN.find(window) else { return false };
    let (place, name) = (&window[..at], line[at + 4..].trim_ascii_end());
    let digits = place.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let path = place[..place.len() - digits].strip_suffix(b":").unwrap_or_default();
    let is_source = [&b".rb"[..], b".erb", b".rake", b".ru", b".haml", b".slim"].iter().any(|end| path.ends_with(end))
        || path.starts_with(b"<internal:")
        || matches!(path, b"(irb)" | b"(eval)" | b"-e");
    let is_name = matches!(name.first(), Some(b'`' | b'\'')) && name.len() > 2 && name.ends_with(b"'");
    digits > 0 && is_source && is_name && memchr(b' ', path).is_none()
}

/// go = [ "created by " ] path "." name ; alone on its line, its place on the next one
pub(crate) fn is_go_function(line: &[u8]) -> bool {
    let name = line.strip_prefix(b"created by ").unwrap_or(line);
    let name = name.split(|byte| *byte == b' ').next().unwrap_or_default();
    let whole = name.len() == line.len() || line.starts_with(b"created by ");
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._/-~@()*[]{}$%,".contains(byte) || *byte >= 0x80;
    whole
        && name.len() < 300
        && name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && name.iter().all(part)
        && ends_as_function(name)
}

/// Has the last part of a dotted name a letter, or does it count literals: `main.init.0`, `main.main.func1.2`?
fn ends_as_function(name: &[u8]) -> bool {
    let mut parts = name.rsplit(|byte| *byte == b'.');
    let mut is_counted = false;
    let last = parts.find(|part| {
        let is_number = !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        is_counted |= is_number;
        !is_number
    });
    let counts =
        |part: &[u8]| [&b"func"[..], b"init", b"gowrap", b"deferwrap"].iter().any(|word| part.starts_with(word));
    let is_last = |part: &[u8]| part.iter().any(u8::is_ascii_alphabetic) && (!is_counted || counts(part));
    last.is_some_and(is_last) && parts.next().is_some()
}

/// place = TAB path ( ".go" / ".s" / ".c" ) ":" line [ SP "+0x" offset ]
pub(crate) fn is_go_place(line: &[u8]) -> bool {
    let Some(place) = line.strip_prefix(b"\t") else { return false };
    let place = place.split(|byte| *byte == b' ').next().unwrap_or_default().trim_ascii_end();
    let digits = place.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(file) = place[..place.len() - digits].strip_suffix(b":") else { return false };
    digits > 0 && [&b".go"[..], b".s", b".c"].iter().any(|end| file.ends_with(end))
}

/// head = *( name "." ) Name *( "$" Name ) [ ": " message ]
///
/// An exception by any name, `org.acme.Fault$Gone: 410`, which only the frames after it show to be one.
pub(crate) fn is_exception_head(line: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'$' | b'_' | b'`');
    let end = line.iter().take(256).take_while(|byte| part(byte)).count();
    let (name, rest) = line.split_at(end);
    let Some(dot) = memchr::memrchr(b'.', name) else { return false };
    name[0].is_ascii_alphabetic()
        && name.get(dot + 1).is_some_and(u8::is_ascii_uppercase)
        && (rest.is_empty() || rest.starts_with(b": ") || matches!(rest, b":" | b"\r"))
}

/// A frame after its indentation, as Java, Node and .NET write it.
pub(crate) fn is_indented_frame(line: &[u8]) -> bool {
    let frame = line.trim_ascii_start();
    frame.len() < line.len() && (frame.starts_with(b"at ") || frame.starts_with(b"--- End of ") || is_omitted(frame))
}

/// Does a line that a logger wrote name the exception whose message goes on after it?
pub(crate) fn names_exception(line: &[u8]) -> bool {
    EXCEPTION.find(line).is_some() || ERROR.find(line).is_some()
}

/// `Next LogicException: outer in /app/c.php:9`, after a blank line; Laravel's `[previous exception] [object] (…`
pub(crate) fn is_php_link(line: &[u8]) -> bool {
    line.starts_with(b"Next ") && memmem::find(line, b" in ").is_some() || line.starts_with(b"[previous exception] ")
}

/// `x.y(Z.java:1)`, `x.y(Native Method)`, `f (file.js:1:2)`
pub(crate) fn is_call(text: &[u8]) -> bool {
    let Some(open) = memchr(b'(', text) else { return false };
    let (name, place) = text.split_at(open);
    let closed = text.trim_ascii_end().ends_with(b")") || memmem::find(place, b") ~[").is_some();
    let dotted = memchr(b'.', name).is_some() && memchr(b' ', name).is_none();
    !name.is_empty() && closed && (dotted || memchr(b':', place).is_some())
}

/// `... 12 more`, `... 12 common frames omitted`
pub(crate) fn is_omitted(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"... ") else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let word = rest[digits..].trim_ascii();
    digits > 0 && (word == b"more" || word.starts_with(b"common frames") || word.starts_with(b"frames"))
}

/// `#0 /app/index.php(12): f()`, `#1 {main}`, `#2 [internal function]: f()`, `#3 C:\app\a.php(1): f()`
pub(crate) fn is_numbered(line: &[u8]) -> bool {
    let digits = line[1..].iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    let rest = line[1 + digits..].trim_ascii_start();
    let is_drive = matches!(rest, [b'A'..=b'Z' | b'a'..=b'z', b':', b'\\', ..]);
    let known = [&b"{main}"[..], b"[internal function]", b"/", b"0x"];
    digits > 0
        && line[1 + digits..].starts_with(b" ")
        && (is_drive || known.iter().any(|start| rest.starts_with(start)) || has_php_place(rest))
}

/// place = path "(" line "): "     ; a stream's or a relative path
fn has_php_place(text: &[u8]) -> bool {
    let Some(close) = memmem::find(&text[..text.len().min(400)], b"): ") else { return false };
    let digits = text[..close].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && text[..close - digits].ends_with(b".php(")
}

/// exception = 2*( name "." ) Name ( "Exception" / "Error" / "Throwable" ) [ ":" … ]
///
/// The line that a Java logger puts before the frames. Fewer dots are prose or a Python name.
pub(crate) fn is_exception(line: &[u8]) -> bool {
    if !line[0].is_ascii_lowercase() {
        return false;
    }
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'$' | b'_');
    let end = line.iter().take(256).take_while(|byte| part(byte)).count();
    let name = &line[..end];
    let kind = [&b"Exception"[..], b"Error", b"Throwable"].iter().any(|kind| name.ends_with(kind));
    kind && matches!(line.get(end), None | Some(b':' | b'\r')) && name.iter().filter(|byte| **byte == b'.').count() >= 2
}

pub(crate) fn is_python_link(line: &[u8]) -> bool {
    line.starts_with(b"During handling of the above exception") || line.starts_with(b"The above exception was")
}

/// Does a stack trace begin with this line?
pub(crate) fn begins_trace(line: &[u8]) -> bool {
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

/// Hangs the lines after a record's own ones to it: a stack trace as the field [`STACK_KEY`], other lines to the body.
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
