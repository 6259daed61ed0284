//! Lines of `key=value`, whoever writes them (go-kit, slog, Grafana, Prometheus, zap's console).
//!
//! In goes one record, out come time, level and message under their usual names, all else in order. A line counts only
//! if it is pairs through and through, or has one of the usual keys; prose with a stray `a=b` stays text.

use crate::entry::{Entry, Format, NumberTime, Severity, Text, Time, Value};
use crate::stacks::frames;
use crate::text::{levels, quote, short_search, value};
use crate::time::timestamp;
use memchr::memchr;

/// record = pair *( 1*SP pair )
/// pair   = key "=" [ value ]
/// value  = DQUOTE … DQUOTE / *byte     ; to the next blank; bare words behind it belong to it
///
/// `false`, and nothing filled, where the line has another shape.
pub fn line<'a>(record: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let end = memchr(b'\n', record).unwrap_or(record.len());
    let line = &record[..end];
    if !is_logfmt(line) {
        return false;
    }
    entry.format = Format::Logfmt;
    let mut has_body = false;
    for pair in Pairs::new(line) {
        match role_of(pair.key) {
            Some(Role::Time) if entry.time == Time::None => match time(&pair.value()) {
                Some(time) => {
                    entry.time = time;
                    if !pair.raw.contains(&b'-') {
                        let place = entry.fields.len();
                        entry.number_time = Some(NumberTime { key: pair.key, raw: pair.raw, place });
                    }
                }
                None => entry.push(pair.key, pair.value()),
            },
            Some(Role::Level) if entry.severity_text.is_empty() => match level(&pair.value()) {
                Some(severity) => {
                    entry.severity = severity;
                    entry.severity_text = pair.text();
                }
                None => entry.push(pair.key, pair.value()),
            },
            Some(Role::Message) if !has_body => {
                has_body = true;
                entry.body = pair.text();
            }
            _ => entry.push(pair.key, pair.value()),
        }
    }
    frames::attach(entry, record.get(end + 1..).unwrap_or_default());
    true
}

/// One pair. Its value is made where it is kept: moving it from place to place takes longer than to find it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub(crate) key: &'a [u8],
    raw: &'a [u8],
    form: Form,
    /// Words without a `=` that stood after the value and were taken into it.
    words: usize,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bare,
    Quoted,
    /// Quoted, with escapes in it.
    Escaped,
    /// Quoted, without its closing quote.
    Cut,
}

impl<'a> Pair<'a> {
    /// The value.
    #[inline]
    pub(crate) fn value(&self) -> Value<'a> {
        match self.form {
            Form::Bare => value::unquoted(self.raw),
            _ => Value::Text(self.text()),
        }
    }

    /// The value as text, numbers and words as they stood.
    #[inline]
    pub(crate) fn text(&self) -> Text<'a> {
        match self.form {
            Form::Bare => Text::Borrowed(self.raw),
            Form::Quoted => Text::Borrowed(&self.raw[1..self.raw.len() - 1]),
            Form::Escaped => quote::go_unquote(&self.raw[1..self.raw.len() - 1]),
            Form::Cut => quote::go_unquote(&self.raw[1..]),
        }
    }
}

/// The pairs of a line.
#[derive(Debug, Clone)]
pub(crate) struct Pairs<'a> {
    rest: &'a [u8],
    /// Where the next `=` stands in the rest, where the end of the last value has shown it.
    equals: Option<usize>,
}

/// Bare words after a value.
#[derive(Default)]
struct Words {
    count: usize,
    /// Where the last of them ends.
    end: usize,
    /// Where the `=` of the key after them stands.
    equals: Option<usize>,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Pairs { rest: line, equals: None }
    }

    /// The bare words at the start of a text that begins after a value.
    #[inline]
    fn words(text: &[u8]) -> Words {
        let mut words = Words::default();
        let mut at = 0;
        while at < text.len() {
            if text[at] == b' ' {
                at += 1;
                continue;
            }
            at += short_search::either::<b' ', b'='>(&text[at..]);
            if text.get(at) == Some(&b'=') {
                words.equals = Some(at);
                break;
            }
            words.count += 1;
            words.end = at;
        }
        words
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        let text = self.rest.trim_ascii_start();
        if text.is_empty() {
            return None;
        }
        // Words before the first `=` are its key, blanks included: nothing of the line is dropped.
        let equals = match self.equals.take() {
            Some(equals) => equals - (self.rest.len() - text.len()),
            None => short_search::byte::<b'='>(text),
        };
        let key = &text[..equals];
        let behind = text.get(equals + 1..).unwrap_or_default();
        let quoted = match behind.first() {
            Some(b'"') => {
                quote::quoted_form(behind).filter(|(end, _)| matches!(behind.get(*end), None | Some(b' ' | b'\r')))
            }
            _ => None,
        };
        let end = match quoted {
            Some((end, _)) => end,
            None => short_search::byte::<b' '>(behind),
        };
        let words = Self::words(&behind[end..]);
        let mut raw = &behind[..end + words.end];
        self.rest = &behind[raw.len()..];
        self.equals = words.equals.map(|equals| equals - words.end);
        let form = match quoted {
            Some((_, false)) if words.count == 0 => Form::Quoted,
            Some((_, true)) if words.count == 0 => Form::Escaped,
            // Cut off inside of a quoted value.
            None if raw.first() == Some(&b'"') && quote::quoted_len(raw).is_none() => {
                (raw, self.rest, self.equals) = (behind, &[], None);
                Form::Cut
            }
            _ => Form::Bare,
        };
        Some(Pair { key, raw, form, words: words.count })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Time,
    Level,
    Message,
}

fn role_of(key: &[u8]) -> Option<Role> {
    match key {
        b"ts" | b"time" | b"t" | b"timestamp" | b"@timestamp" => Some(Role::Time),
        b"level" | b"lvl" | b"severity" => Some(Role::Level),
        b"msg" | b"message" | b"event" => Some(Role::Message),
        _ => None,
    }
}

/// Pairs that cover the line, at least two of them; or a usual key whose value is one, and more pairs than bare words.
fn is_logfmt(line: &[u8]) -> bool {
    let Some(equals) = memchr(b'=', line) else { return false };
    if !is_key(&line[..equals]) {
        return false;
    }
    let (mut pairs, mut words, mut known) = (0usize, 0usize, false);
    for pair in Pairs::new(line) {
        if !is_key(pair.key) {
            words += 1;
            continue;
        }
        pairs += 1;
        words += pair.words;
        known |= match role_of(pair.key) {
            Some(Role::Time) => time(&pair.value()).is_some(),
            Some(Role::Level) => level(&pair.value()).is_some(),
            Some(Role::Message) => true,
            None => false,
        };
    }
    if known { words <= pairs } else { pairs >= 2 && words * 8 <= pairs }
}

/// key = ( ALPHA / "_" / "@" ) *( ALPHA / DIGIT / "_" / "." / "-" / "/" / "@" / ":" )
pub(crate) fn is_key(key: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/' | b'@' | b':');
    key.first().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b'@'))
        && key.len() <= 128
        && key.iter().all(part)
}

fn level(value: &Value<'_>) -> Option<Severity> {
    let Value::Text(text) = value else { return None };
    Some(levels::name(text)).filter(|severity| *severity != Severity::UNKNOWN)
}

/// time = iso8601 / seconds [ "." fraction ] / milliseconds / microseconds / nanoseconds
fn time(value: &Value<'_>) -> Option<Time> {
    match value {
        Value::Text(text) => {
            let whole = timestamp::iso8601(text).filter(|(_, length)| *length == text.len()).map(|(time, _)| time);
            whole.or_else(|| unix(text))
        }
        Value::Number(text) => unix(text),
        _ => None,
    }
}

/// Since the epoch, in the unit that gives a year from 2001 to 2286.
fn unix(text: &[u8]) -> Option<Time> {
    let point = memchr(b'.', text).unwrap_or(text.len());
    let (int, fraction) = (&text[..point], text.get(point + 1..).unwrap_or_default());
    if !int.iter().chain(fraction).all(u8::is_ascii_digit) || fraction.len() > 9 {
        return None;
    }
    let places = match int.len() {
        10 => 9,
        13 if fraction.len() <= 6 => 6,
        16 if fraction.len() <= 3 => 3,
        19 if fraction.is_empty() => 0,
        _ => return None,
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0i64, |sum, digit| sum.checked_mul(10)?.checked_add(i64::from(digit - b'0')))
    };
    let unit = 10i64.pow(places);
    let below = number(fraction)? * 10i64.pow(places - fraction.len() as u32);
    let nanos = number(int)?.checked_mul(unit)?.checked_add(below)?;
    Some(Time::Unix { nanos, digits: (9 - places) as u8 + fraction.len() as u8 })
}

#[cfg(test)]
#[path = "logfmt_tests.rs"]
mod tests;
