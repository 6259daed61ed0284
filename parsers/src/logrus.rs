//! logrus text, as CRI-O, containerd and runc write it.
//!
//! In goes one record, out come its time, level, message and other keys. What another program writes with unquoted
//! times or with other keys in front is left to [`crate::logfmt`].

use crate::continuation;
use crate::entry::{Entry, Format, Severity, Time, Value};
use crate::logfmt::Pairs;
use crate::timestamp;
use memchr::memchr;

/// record = [ "time=" DQUOTE time DQUOTE SP ] "level=" level *( SP key "=" value )
/// value  = *( ALPHA / DIGIT / "-" / "." / "_" / "/" / "@" / "^" / "+" ) / DQUOTE … DQUOTE
///
/// `false`, and nothing filled, where the line has another shape. See `text_formatter.go` of logrus.
pub fn text<'a>(record: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let timed = record.starts_with(b"time=\"");
    if !timed && !record.starts_with(b"level=") {
        return false;
    }
    let end = memchr(b'\n', record).unwrap_or(record.len());
    let line = match &record[..end] {
        [line @ .., b'\r'] => line,
        line => line,
    };
    if !timed && !is_level_and_message(line) {
        return false;
    }
    entry.format = Format::Logrus;
    for pair in Pairs::new(line) {
        match pair.key {
            b"time" if entry.time == Time::None => match time(&pair.value) {
                Some(time) => entry.time = time,
                None => entry.push(pair.key, pair.value),
            },
            b"level" if entry.severity_text.is_empty() => {
                let level = pair.into_text();
                entry.severity = Severity::from_name(&level);
                entry.severity_text = level;
            }
            b"msg" if entry.body.is_empty() => entry.body = pair.into_text(),
            _ => entry.push(pair.key, pair.value),
        }
    }
    continuation::attach(entry, record.get(end + 1..).unwrap_or_default());
    true
}

/// A line without a time: the level is one, and the message is next to it.
fn is_level_and_message(line: &[u8]) -> bool {
    let level = &line[b"level=".len()..];
    let end = memchr(b' ', level).unwrap_or(level.len());
    Severity::from_name(&level[..end]) != Severity::UNKNOWN && level[end..].starts_with(b" msg=")
}

fn time(value: &Value<'_>) -> Option<Time> {
    let Value::Text(text) = value else { return None };
    timestamp::iso8601(text).filter(|(_, length)| *length == text.len()).map(|(time, _)| time)
}
