//! Plain text: the time and the level that stand in their usual places, for lines that no named pattern fits.
//!
//! With a time in front the body is what follows it; without one the body is the whole line, and only its level is
//! taken. Levels come from the text alone.

use crate::entry::{CodeSite, Entry, Format, Text, Time, Value};
use crate::formats::{prefixed_level, web};
use crate::text::levels;
use crate::text::parts::{digits, skip_blanks};
use crate::time::dates;

/// stamped = "[" date-time "]" / date-time, then [level], then the message
pub(crate) fn line<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let (time, rest) = match line.strip_prefix(b"[") {
        Some(inner) => match dates::in_brackets(inner) {
            Some((time, rest)) => match rest.strip_prefix(b"]") {
                Some(rest) => (time, skip_blanks(rest)),
                // `[2026-11-23T09:14:51Z INFO target] msg` (Rust's env_logger), `[2026-11-23 … ] `
                None if prefixed_level::process(rest, entry) => {
                    entry.time = time;
                    return true;
                }
                None => return bracketed(time, skip_blanks(rest), entry),
            },
            None => return false,
        },
        None => match dates::stamp(line) {
            Some(found) => found,
            None => return false,
        },
    };
    if line[0] == b'[' && web::monolog(rest, entry) {
        entry.time = time;
        return true;
    }
    after_time(time, rest, entry);
    true
}

/// What follows a time: a level with or without marks, or after a pid and the like, and the message.
pub(crate) fn after_time<'a>(time: Time, rest: &'a [u8], entry: &mut Entry<'a>) {
    entry.time = time;
    let rest = match rest {
        [b':' | b'|' | b',', rest @ ..] => skip_blanks(rest),
        _ => rest,
    };
    match levels::decorated_level(rest).or_else(|| levels::rare_level(rest)) {
        Some((severity, word, message)) => {
            let message = if word.len() == 1 { prefixed_level::site(message, entry) } else { message };
            entry.severity = severity;
            entry.severity_text = Text::Borrowed(word);
            entry.body = Text::Borrowed(message);
        }
        None if prefixed_level::level(rest, entry) => {}
        None => entry.body = Text::Borrowed(rest),
    }
}

/// inside = [LEVEL] [SP logger] "]" SP message
fn bracketed<'a>(time: Time, rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some(close) = memchr::memchr(b']', &rest[..rest.len().min(200)]) else { return false };
    let inside = &rest[..close];
    let Some((severity, word, logger)) = levels::level(inside).or_else(|| levels::lower_level(inside)) else {
        return false;
    };
    entry.time = time;
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    let logger = logger.trim_ascii();
    if !logger.is_empty() {
        entry.push(&b"logger"[..], Value::Text(Text::Borrowed(logger)));
    }
    entry.body = Text::Borrowed(skip_blanks(&rest[close + 1..]));
    true
}

/// go = YYYY "/" MM "/" DD SP hh ":" mm ":" ss ["." micros] SP [ file ":" line ":" SP ] message ;
/// nginx = … "[" level "]" SP pid "#" tid ":" SP [ "*" connection SP ] message
pub(crate) fn slashed<'a>(line: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((time, rest)) = dates::slashed(line) else { return false };
    entry.time = time;
    if nginx(rest, entry) {
        return true;
    }
    let rest = match code_site(rest) {
        Some((code, rest)) => {
            entry.code = Some(code);
            rest
        }
        None => rest,
    };
    after_time(time, rest, entry);
    true
}

fn nginx<'a>(rest: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let Some((severity, word, after)) = rest.strip_prefix(b"[").and_then(levels::lower_level) else { return false };
    let Some(after) = after.strip_prefix(b"] ") else { return false };
    let (pid, after) = digits(after);
    let (Some(pid), Some(after)) = (pid, after.strip_prefix(b"#")) else { return false };
    let (thread, after) = digits(after);
    let (Some(_), Some(mut message)) = (thread, after.strip_prefix(b": ")) else { return false };
    if let Some(after) = message.strip_prefix(b"*")
        && let (Some(_), [b' ', rest @ ..]) = digits(after)
    {
        let number = &after[..after.len() - rest.len() - 1];
        entry.push(&b"connection"[..], crate::text::value::unquoted(number));
        message = rest;
    }
    entry.pid = Some(pid);
    entry.severity = severity;
    entry.severity_text = Text::Borrowed(word);
    entry.body = Text::Borrowed(message);
    true
}

/// site = file ":" line ":" [ function "()" ] SP   ; a name with a dot, no blanks
fn code_site(text: &[u8]) -> Option<(CodeSite<'_>, &[u8])> {
    let colon = memchr::memchr2(b':', b' ', &text[..text.len().min(160)])?;
    let file = &text[..colon];
    if text[colon] != b':' || !file.ends_with(b".go") {
        return None;
    }
    let (line, rest) = digits(&text[colon + 1..]);
    let line = u32::try_from(line?).ok()?;
    let rest = rest.strip_prefix(b": ").or_else(|| {
        // Gitea puts the function's name after it, and the level.
        let name = rest.strip_prefix(b":")?;
        let end = memchr::memchr(b' ', &name[..name.len().min(80)])?;
        let rest = &name[end + 1..];
        (name[..end].ends_with(b"()") && levels::letter(rest).is_some()).then_some(rest)
    });
    Some((CodeSite { file, line }, rest?))
}

/// Nothing but a body, and a level if one stands at the start.
pub(crate) fn fallback<'a>(line: &'a [u8], entry: &mut Entry<'a>) {
    entry.format = Format::Text;
    entry.body = Text::Borrowed(line);
    levels::level_only(line, entry);
}
