//! `docker compose logs` (also `podman-compose` and `docker service logs`): the container's name and a bar before each line.
//!
//! In goes a line, out come what the container wrote and who it was. Tables have bars too: no single line is certain, a file
//! is.

use crate::text::ansi;
use std::borrow::Cow;

use super::{Line, Writer, stamped};

/// Longest name that is looked at.
const NAME_MAX: usize = 128;

/// A line, the container's name and the column of its bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<'a> {
    /// What the container wrote.
    pub line: Line<'a>,
    /// The container's name as it stands.
    pub name: &'a [u8],
    /// Characters before the bar, colours not counted.
    pub column: usize,
}

/// line = name 1*SP "|" [ SP [ stamp ] content ] ; colours may stand before the name and around the bar
pub fn line(line: &[u8]) -> Option<Named<'_>> {
    let text = ansi::trim_start(line);
    let is_in = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_.-@".contains(byte);
    let length = text.iter().take(NAME_MAX).take_while(is_in).count();
    let (name, rest) = text.split_at(length);
    if !name.first().is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let rest = ansi::trim_start(rest);
    let blanks = rest.iter().take(NAME_MAX).take_while(|byte| **byte == b' ').count();
    let after = ansi::trim_start(ansi::trim_start(&rest[blanks..]).strip_prefix(b"|").filter(|_| blanks > 0)?);
    let content = match after {
        [] => after,
        [b' ', content @ ..] => content,
        _ => return None,
    };
    // The colour of the name ends here; others are the program's.
    let content = content.strip_prefix(b"\x1b[0m").unwrap_or(content);
    let (time, content) = stamped(content);
    let (service, numbered) = service(name);
    let writer = Writer { service: Cow::Borrowed(service), ..Writer::default() };
    let fields = vec![(Cow::Borrowed(&b"container.name"[..]), Cow::Borrowed(name))];
    let line = Line { writer, time, content: Cow::Borrowed(content), fields, is_certain: numbered, ..Line::default() };
    Some(Named { line, name, column: length + blanks })
}

/// Does compose itself say so between the lines of containers?
pub fn is_banner(line: &[u8]) -> bool {
    let text = ansi::trim(line);
    text.starts_with(b"Attaching to ") || text.starts_with(b"Gracefully stopping") || {
        let code = memchr::memmem::find(text, b" exited with code ");
        code.is_some_and(|at| !text[..at].contains(&b' '))
    }
}

/// The service of a container, and whether its name says which of several it is: `web-1`, `web_1`, `web.1.x2x4z@node`.
fn service(name: &[u8]) -> (&[u8], bool) {
    if let Some(dot) = memchr::memchr(b'.', name)
        && memchr::memchr(b'@', name).is_some()
    {
        return (&name[..dot], true);
    }
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match &name[..name.len() - digits] {
        [service @ .., b'-' | b'_'] if digits > 0 && !service.is_empty() => (service, true),
        _ => (name, false),
    }
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_name_off() {
        for (text, name, service, content) in [
            ("web-1  | a | b", "web-1", "web", "a | b"),
            ("web-1  |   a", "web-1", "web", "  a"),
            ("web-1  | ", "web-1", "web", ""),
            ("web-1  |", "web-1", "web", ""),
            ("proj_web_1    | a", "proj_web_1", "proj_web", "a"),
            ("db | a", "db", "db", "a"),
            ("web.1.x2x4z@node-1    | a", "web.1.x2x4z@node-1", "web", "a"),
            ("\x1b[36mweb-1  | \x1b[0m\x1b[31mred", "web-1", "web", "\x1b[31mred"),
            ("\x1b[36mweb-1  |\x1b[0m a", "web-1", "web", "a"),
        ] {
            let found = line(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((found.name, &*found.line.writer.service), (name.as_bytes(), service.as_bytes()), "{text}");
            assert_eq!(&*found.line.content, content.as_bytes(), "{text}");
        }
        assert_eq!(line(b"web-1  | a").unwrap().column, line(b"\x1b[36mdb-1   | \x1b[0mb").unwrap().column);
        let timed = line(b"web-1  | 2026-11-23T12:00:00.123456789Z hello").unwrap();
        assert_eq!(&*timed.line.content, b"hello");
        for none in ["a|b", "a |b", "| a | b |", "a b | c", " id | name", "a-1 || b", ""] {
            assert_eq!(line(none.as_bytes()), None, "{none}");
        }
    }
}
