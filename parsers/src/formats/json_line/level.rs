//! Severities as JSON loggers write them.

use crate::entry::{Severity, Text};
use crate::json::Member;
use crate::text::ansi;
use crate::text::levels::name;
use std::borrow::Cow;

/// The severity a member's value means, and its text as written; `None` if it is none.
pub(super) fn of<'a>(member: &Member<'a>) -> Option<(Severity, Text<'a>)> {
    let (severity, text) = match member.text() {
        // Colours that were meant for a terminal.
        Some(text) if text.first() == Some(&ansi::ESCAPE) => {
            let text: Text<'a> = Cow::Owned(ansi::strip(&text).unwrap_or_else(|| text.to_vec()));
            (name(text.trim_ascii()), text)
        }
        Some(text) => (name(text.trim_ascii()), text),
        // Under other keys, numbers have other meanings.
        None if member.plain_key() == b"level" => (bunyan(member.raw), Cow::Borrowed(member.raw)),
        None => return None,
    };
    (severity != Severity::UNKNOWN).then_some((severity, text))
}

/// OpenTelemetry's number, 1 to 24, or the name that protobuf's JSON gives it (`SEVERITY_NUMBER_WARN2`).
pub(super) fn number(member: &Member<'_>) -> Option<Severity> {
    let text = member.text();
    let text = text.as_deref().unwrap_or(member.raw);
    if let Some(name) = text.strip_prefix(b"SEVERITY_NUMBER_") {
        let (name, step) = match name {
            [name @ .., step @ b'2'..=b'4'] => (name, step - b'1'),
            name => (name, 0),
        };
        let base = Severity::from_name(name);
        return (base != Severity::UNKNOWN).then_some(Severity(base.0 + step));
    }
    let number: u8 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (1..=24).contains(&number).then_some(Severity(number))
}

/// pino's and bunyan's numbers: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal, and what lies between.
fn bunyan(raw: &[u8]) -> Severity {
    let &[tens @ b'1'..=b'6', b'0'..=b'9'] = raw else { return Severity::UNKNOWN };
    Severity((tens - b'1') * 4 + 1)
}

/// MongoDB's letters: F, E, W, I, D1 to D5.
pub(super) fn mongodb(text: &[u8]) -> Severity {
    match text {
        b"F" => Severity::FATAL,
        b"E" => Severity::ERROR,
        b"W" => Severity::WARN,
        b"I" => Severity::INFO,
        b"D" | [b'D', b'1'..=b'5'] => Severity::DEBUG,
        _ => Severity::UNKNOWN,
    }
}
