//! conmon's own lines: `[conmon:e]: …` on standard error, `conmon <20 hex> <ninfo>: …` through syslog.
//!
//! The first twenty digits of the container's id become the field `container_id`.

use crate::entry::{Entry, Format, Severity, Text, Value};

/// line = "[conmon:" letter "]: " msg / "conmon " 12*64HEX SP "<" level ">: " msg
pub fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    if let Some(rest) = line.strip_prefix(b"[conmon:") {
        let [letter, b']', b':', b' ', message @ ..] = rest else { return false };
        let severity = match letter {
            b'e' => Severity::ERROR,
            b'w' => Severity::WARN,
            b'i' => Severity::INFO,
            b'd' => Severity::DEBUG,
            b't' => Severity::TRACE,
            _ => return false,
        };
        fill(severity, std::slice::from_ref(letter), message, entry);
        return true;
    }
    let Some(rest) = line.strip_prefix(b"conmon ") else { return false };
    let length = rest.iter().take(65).take_while(|b| b.is_ascii_hexdigit()).count();
    if !(12..=64).contains(&length) {
        return false;
    }
    let (id, rest) = rest.split_at(length);
    let Some(rest) = rest.strip_prefix(b" <") else { return false };
    let Some(end) = memchr::memchr(b'>', &rest[..rest.len().min(12)]) else { return false };
    let severity = match &rest[..end] {
        b"error" => Severity::ERROR,
        b"nwarn" | b"pwarn" => Severity::WARN,
        b"ninfo" => Severity::INFO,
        b"ndebug" => Severity::DEBUG,
        b"ntrace" => Severity::TRACE,
        _ => return false,
    };
    let Some(message) = rest[end + 1..].strip_prefix(b": ") else { return false };
    fill(severity, &rest[..end], message, entry);
    entry.push(&b"container_id"[..], Value::Text(Text::Borrowed(id)));
    true
}

fn fill<'a>(severity: Severity, word: &'a [u8], message: &'a [u8], entry: &mut Entry<'a>) {
    entry.format = Format::Conmon;
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    entry.body = Text::Borrowed(message);
}
