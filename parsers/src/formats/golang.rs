//! Lines of Go's standard logger with a prefix of the program's own.
//!
//! In go lines, out come time, level, logger and message. NATS, MySQL's driver, Sarama, Asynq and Badger write so.

use crate::entry::{Entry, Severity, Text, Value};
use crate::formats::plain;
use crate::text::levels;
use crate::text::parts::digits;

/// What may stand before the date.
const PREFIX_BYTES_MAX: usize = 40;

/// prefixed = ( "[" ( pid / LEVEL / name ) "]" / LEVEL [":"] / name [":"] [ SP "pid=" pid ] ) SP slashed
pub(crate) fn prefixed<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    if !matches!(line.first(), Some(b'[' | b'A'..=b'Z' | b'a'..=b'z')) {
        return false;
    }
    let head = &line[..line.len().min(PREFIX_BYTES_MAX)];
    let date = memchr::memchr(b'/', head).and_then(|slash| slash.checked_sub(4));
    let Some(date) = date.filter(|date| *date > 1 && line[*date].is_ascii_digit() && line[*date - 1] == b' ') else {
        return false;
    };
    let Some(prefix) = Prefix::read(&line[..date - 1]) else { return false };
    if !plain::slashed(&line[date..], entry) {
        return false;
    }
    entry.pid = entry.pid.or(prefix.pid);
    if let Some((severity, word)) = prefix.level.filter(|_| entry.severity == Severity::UNKNOWN) {
        entry.severity = severity;
        entry.severity_text = Text::Borrowed(word);
    }
    if let Some(name) = prefix.name {
        entry.push(&b"logger"[..], Value::Text(Text::Borrowed(name)));
    }
    true
}

#[derive(Default)]
struct Prefix<'a> {
    pid: Option<u64>,
    level: Option<(Severity, &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Prefix<'a> {
    fn read(text: &'a [u8]) -> Option<Prefix<'a>> {
        let mut prefix = Prefix::default();
        let is_name = |text: &[u8]| {
            let is_in = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            text.first().is_some_and(u8::is_ascii_alphanumeric) && text.iter().all(is_in)
        };
        if let Some(inside) = text.strip_prefix(b"[") {
            let inside = inside.strip_suffix(b"]")?;
            match digits(inside) {
                (Some(pid), b"") => prefix.pid = Some(pid),
                _ if is_name(inside) => prefix.named(inside),
                _ => return None,
            }
            return Some(prefix);
        }
        let mut text = text;
        if let Some(at) = memchr::memmem::find(text, b" pid=") {
            let (Some(pid), b"") = digits(&text[at + 5..]) else { return None };
            prefix.pid = Some(pid);
            text = &text[..at];
        }
        let name = text.strip_suffix(b":").unwrap_or(text);
        prefix.named(name);
        is_name(name).then_some(prefix)
    }

    /// A word before the date: a level, or the logger's name.
    fn named(&mut self, word: &'a [u8]) {
        match levels::severity(word) {
            Some(severity) => self.level = Some((severity, word)),
            None => self.name = Some(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Time;

    fn read(text: &str) -> Option<(u8, Option<u64>, String, String)> {
        let mut entry = Entry::default();
        let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        prefixed(text.as_bytes(), &mut entry).then(|| {
            assert!(matches!(entry.time, Time::Local { year: Some(2026), .. }), "{text}");
            let logger = entry.text(b"logger").map(shown).unwrap_or_default();
            (entry.severity.0, entry.pid, logger, shown(&entry.body))
        })
    }

    #[test]
    fn reads_what_stands_before_the_date() {
        let some = |severity, pid, logger: &str, body: &str| Some((severity, pid, logger.to_owned(), body.to_owned()));
        assert_eq!(read("[1] 2026/11/23 12:00:00.123456 [ERR] boom"), some(17, Some(1), "", "boom"));
        assert_eq!(read("[mysql] 2026/11/23 12:00:00 packets.go:122: EOF"), some(0, None, "mysql", "EOF"));
        assert_eq!(read("asynq: pid=7 2026/11/23 12:00:00.123456 INFO: a"), some(9, Some(7), "asynq", "a"));
        assert_eq!(read("badger 2026/11/23 12:00:00 INFO: a"), some(9, None, "badger", "a"));
        for level in ["WARNING:", "[WARN]", "[warn]", "WARN"] {
            assert_eq!(read(&format!("{level} 2026/11/23 12:00:00 a")), some(13, None, "", "a"), "{level}");
        }
    }

    #[test]
    fn leaves_text_with_a_date_in_it() {
        for text in [
            "[a b] 2026/11/23 12:00:00 x",
            "see the note of 2026/11/23 12:00:00 x",
            "a: b 2026/11/23 12:00:00 x",
            "path /2026/11/23 x",
            "asynq: pid=x 2026/11/23 12:00:00 x",
            "[x]2026/11/23 12:00:00 x",
            "x 2026/13/23 12:00:00 x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
