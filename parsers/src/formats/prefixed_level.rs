//! Levels that stand after something else: a pid, a thread, a file, a process.
//!
//! In goes what follows a time, out come the level with what stood before it, and the message. gunicorn, Airflow, Celery,
//! cloud-init, Envoy, MySQL, MariaDB and Minecraft write so.

use crate::entry::{CodeSite, Entry, Severity, Text, Value};
use crate::text::parts::{digits, skip_blanks};
use crate::text::{levels, parts};

/// Things that may stand before the level.
const BEFORE_MAX: usize = 3;

/// behind = 1*3before ( "[" level "]" / LEVEL ) [ "-" / ":" ] message
/// before = "[" text "]" / "{" file ":" line "}" / 1*DIGIT SP / "- " name
///
/// Fills the entry; `false`, and nothing filled, where no level stands there.
pub(crate) fn level<'a>(text: &'a [u8], entry: &mut Entry<'a>) -> bool {
    if !matches!(text.first(), Some(b'[' | b'{' | b'-' | b'0'..=b'9')) {
        return false;
    }
    if thread(text, entry) {
        return true;
    }
    let mut before = Before::default();
    let mut rest = text;
    for _ in 0..BEFORE_MAX {
        let Some(after) = before.one(rest) else { return false };
        rest = skip_blanks(after);
        if let Some((severity, word, message)) = set_off_level(rest).or_else(|| before.database_level(rest)) {
            before.fill(entry);
            entry.severity = severity;
            entry.severity_text = Text::Borrowed(word);
            entry.body = Text::Borrowed(if word.len() < rest.len() && rest[0] == b'[' {
                sources(message, entry)
            } else {
                message
            });
            return true;
        }
    }
    false
}

/// A level that cannot be the message's first word.
fn set_off_level(text: &[u8]) -> Option<(Severity, &[u8], &[u8])> {
    match text.first()? {
        b'[' | b'A'..=b'Z' => levels::decorated_level(text),
        _ => None,
    }
}

#[derive(Default)]
struct Before<'a> {
    number: Option<u64>,
    is_bare: bool,
    code: Option<CodeSite<'a>>,
    logger: Option<&'a [u8]>,
    thread: Option<&'a [u8]>,
}

impl<'a> Before<'a> {
    /// Takes one thing, and gives what follows it.
    fn one(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        match text.first()? {
            b'[' => {
                let (inside, after) = parts::bracket(text)?;
                match digits(inside) {
                    (Some(number), b"") => self.number = Some(number),
                    _ => self.thread = Some(inside).filter(|inside| inside.len() <= 64),
                }
                Some(after)
            }
            b'{' => {
                let end = memchr::memchr(b'}', &text[..text.len().min(160)])?;
                self.code = Some(parts::code_site(&text[1..end])?);
                Some(&text[end + 1..])
            }
            b'-' => {
                // `- util.py[WARNING]: …`: the bracket with the level touches the name.
                let name = text.strip_prefix(b"- ")?;
                let length = name.iter().take(64).take_while(|byte| is_name(**byte)).count();
                self.logger = Some(&name[..length]).filter(|name| !name.is_empty());
                name.get(length..).filter(|after| after.first() == Some(&b'['))
            }
            _ => {
                let (number, after) = digits(text);
                (self.number, self.is_bare) = (Some(number?), true);
                after.strip_prefix(b" ")
            }
        }
    }

    /// MySQL's and MariaDB's own words, which mean a level after a bare number only.
    fn database_level<'t>(&self, text: &'t [u8]) -> Option<(Severity, &'t [u8], &'t [u8])> {
        let (word, after) = parts::bracket(text).filter(|_| self.is_bare)?;
        let severity = match word {
            b"Note" | b"System" => Severity::INFO,
            _ => return None,
        };
        Some((severity, word, skip_blanks(after)))
    }

    fn fill(self, entry: &mut Entry<'a>) {
        // A number without brackets counts connections.
        if !self.is_bare {
            entry.pid = self.number;
        }
        entry.code = self.code;
        if let Some(logger) = self.logger {
            entry.push(&b"logger"[..], Value::Text(Text::Borrowed(logger)));
        }
        if let Some(thread) = self.thread {
            entry.push(&b"thread.name"[..], Value::Text(Text::Borrowed(thread)));
        }
    }
}

/// sources = "[" logger "] [" file ":" line "] "     ; Envoy
fn sources<'a>(message: &'a [u8], entry: &mut Entry<'a>) -> &'a [u8] {
    let found = parts::bracket(message).and_then(|(logger, after)| {
        let (site, after) = parts::bracket(skip_blanks(after))?;
        Some((logger, parts::code_site(site)?, after))
    });
    let Some((logger, code, after)) = found else { return message };
    entry.code = Some(code);
    entry.push(&b"logger"[..], Value::Text(Text::Borrowed(logger)));
    skip_blanks(after)
}

/// site = "[" file ":" line "] "     ; frp and Beego, behind a level of one letter
pub(crate) fn site<'a>(message: &'a [u8], entry: &mut Entry<'a>) -> &'a [u8] {
    let found = parts::bracket(message).and_then(|(site, after)| Some((parts::code_site(site)?, after)));
    let Some((code, after)) = found else { return message };
    entry.code = Some(code);
    skip_blanks(after)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// thread = "[" thread "/" LEVEL "]" ":" SP message     ; Minecraft and others, behind a time in brackets
fn thread<'a>(text: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((inside, after)) = parts::bracket(text) else { return false };
    let Some(slash) = memchr::memrchr(b'/', inside) else { return false };
    let word = &inside[slash + 1..];
    let (Some(severity), Some(message)) = (levels::severity(word), after.strip_prefix(b": ")) else { return false };
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    entry.push(&b"thread.name"[..], Value::Text(Text::Borrowed(&inside[..slash])));
    entry.body = Text::Borrowed(message);
    true
}

/// process = ": " LEVEL "/" process "] " message     ; Celery, behind `[` and a time
pub(crate) fn process<'a>(text: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(rest) = text.strip_prefix(b": ") else { return false };
    let length = rest.iter().take(10).take_while(|byte| byte.is_ascii_uppercase()).count();
    let (word, rest) = rest.split_at(length);
    let Some(severity) = levels::severity(word) else { return false };
    let Some(rest) = rest.strip_prefix(b"/") else { return false };
    let Some(close) = memchr::memchr(b']', &rest[..rest.len().min(96)]) else { return false };
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    entry.push(&b"process.name"[..], Value::Text(Text::Borrowed(&rest[..close])));
    entry.body = Text::Borrowed(skip_blanks(&rest[close + 1..]));
    true
}
