//! logrus text, as CRI-O, containerd and runc write it.
//!
//! In goes one record, out come its time, level, message and other keys. What another program writes with unquoted
//! times or with other keys in front is left to [`crate::formats::logfmt`].

use crate::entry::{Entry, Format, Severity, Time, Value};
use crate::formats::logfmt::Pairs;
use crate::stacks::frames;
use crate::text::parts;
use crate::time::{dates, timestamp};
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
            b"time" if entry.time == Time::None => match time(&pair.value()) {
                Some(time) => entry.time = time,
                None => entry.push(pair.key, pair.value()),
            },
            b"level" if entry.severity_text.is_empty() => {
                let level = pair.text();
                entry.severity = Severity::from_name(&level);
                entry.severity_text = level;
            }
            b"msg" if entry.body.is_empty() => entry.body = pair.text(),
            _ => entry.push(pair.key, pair.value()),
        }
    }
    frames::attach(entry, record.get(end + 1..).unwrap_or_default());
    true
}

/// terminal = level "[" ( seconds / date-time ) "]" SP message *SP *pair     ; logrus on a terminal, its colours taken out
///
/// The message is padded to 44 columns where fields follow.
pub(crate) fn terminal<'a>(severity: Severity, word: &'a [u8], after: &'a [u8], entry: &mut Entry<'a>) -> bool {
    let end = memchr(b'\n', after).unwrap_or(after.len());
    let (line, tail) = (&after[..end], after.get(end + 1..).unwrap_or_default());
    let Some((inside, rest)) = parts::bracket(line) else { return false };
    match dates::stamp(inside) {
        Some((time, b"")) => entry.time = time,
        _ if inside.len() == 4 && inside.iter().all(u8::is_ascii_digit) => {}
        _ => return false,
    }
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let padded = rest.get(..44).filter(|_| rest.get(44) == Some(&b' ')).unwrap_or(rest);
    let (message, pairs) = rest.split_at(padded.len());
    entry.format = Format::Logrus;
    (entry.severity, entry.severity_text) = (severity, word.into());
    let is_pairs = |text: &[u8]| Pairs::new(text).all(|pair| crate::formats::logfmt::is_key(pair.key));
    if is_pairs(pairs) {
        entry.body = message.trim_ascii_end().into();
        Pairs::new(pairs).for_each(|pair| entry.push(pair.key, pair.value()));
    } else {
        entry.body = rest.into();
    }
    frames::attach(entry, tail);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<Entry<'_>> {
        let mut entry = Entry::default();
        super::text(text.as_bytes(), &mut entry).then_some(entry)
    }

    #[test]
    fn reads_time_level_and_message() {
        let nanos = 1_602_475_842_877_396_612;
        for time in
            ["2020-10-12T04:10:42.877396612Z", "2020-10-12 04:10:42.877396612Z", "2020-10-12T06:10:42.877396612+02:00"]
        {
            let text = format!("time=\"{time}\" level=warning msg=\"a \\\"b\\\"\\n\" PID=12 file=a/b.go:1 id= x=1.50");
            let entry = read(&text).unwrap();
            assert_eq!(entry.time, Time::Unix { nanos, digits: 9 });
            assert_eq!(
                (entry.severity, &*entry.severity_text, &*entry.body),
                (Severity::WARN, &b"warning"[..], &b"a \"b\"\n"[..])
            );
            assert_eq!(entry.format, Format::Logrus);
            let values: Vec<_> = entry.fields.iter().map(|field| (&*field.key, &field.value)).collect();
            let text = |text: &'static str| Value::Text(text.as_bytes().into());
            assert_eq!(
                values,
                [
                    (&b"PID"[..], &Value::Number(b"12")),
                    (b"file", &text("a/b.go:1")),
                    (b"id", &text("")),
                    (b"x", &text("1.50")),
                ]
            );
        }
    }

    #[test]
    fn reads_lines_without_a_time_or_a_message() {
        let entry = read("level=err msg=\"no time\" a=true").unwrap();
        assert_eq!((entry.time, entry.severity, &*entry.body), (Time::None, Severity::ERROR, &b"no time"[..]));
        assert_eq!(entry.field(b"a"), Some(&Value::Bool(true)));
        assert_eq!(read("time=\"2020-10-12T04:10:42Z\" level=info a=b").unwrap().body, &b""[..]);
        let odd = read("time=\"soon\" level=loud msg=007").unwrap();
        assert_eq!(
            (odd.time, odd.severity, &*odd.severity_text, &*odd.body),
            (Time::None, Severity::UNKNOWN, &b"loud"[..], &b"007"[..])
        );
        assert_eq!(odd.text(b"time"), Some(&b"soon"[..]));
    }

    #[test]
    fn leaves_other_shapes_alone() {
        for text in [
            "",
            "time=2020-10-12T04:10:42Z level=INFO msg=slog",
            "level=info ts=1 msg=x",
            "level=odd msg=x",
            "level=",
            "msg=x",
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn keeps_what_stands_behind_the_line() {
        let entry = read("time=\"2020-10-12T04:10:42Z\" level=info msg=a\r\n  more").unwrap();
        assert_eq!(&*entry.body, b"a\n  more");
        assert_eq!(&*read("time=\"2020-10-12T04:10:42Z\" level=info msg=\"cut o").unwrap().body, b"cut o");
    }

    /// As logrus writes a value.
    fn write(text: &str) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/@^+".contains(&byte);
        if text.bytes().all(plain) {
            return text.to_owned();
        }
        let mut out = String::from("\"");
        for char in text.chars() {
            match char {
                '"' | '\\' => out.extend(['\\', char]),
                '\n' => out.push_str("\\n"),
                char if (char as u32) < 0x20 => out += &format!("\\x{:02x}", char as u32),
                char => out.push(char),
            }
        }
        out + "\""
    }

    proptest! {
        #[test]
        fn reads_back_what_logrus_writes(
            message in any::<String>(), level in prop::sample::select(vec!["panic", "fatal", "error", "warning", "info", "debug", "trace"]),
            pairs in prop::collection::vec(("[A-Za-z#/.é]{1,8}", prop_oneof![any::<String>(), "[a-z0-9./-]{0,8}"]), 0..6),
        ) {
            let mut text = format!("time=\"2020-10-12T04:10:42.5Z\" level={level}");
            if !message.is_empty() {
                text += &format!(" msg={}", write(&message));
            }
            let pairs: Vec<_> = pairs.into_iter().filter(|(key, _)| !matches!(&**key, "time" | "level" | "msg")).collect();
            for (key, value) in &pairs {
                text += &format!(" {key}={}", write(value));
            }
            let entry = read(&text).unwrap();
            prop_assert_eq!(&*entry.body, message.as_bytes());
            prop_assert_eq!(&*entry.severity_text, level.as_bytes());
            prop_assert_eq!(entry.time, Time::Unix { nanos: 1_602_475_842_500_000_000, digits: 1 });
            let read: Vec<(String, Vec<u8>)> = entry.fields.iter().map(|field| {
                let value = match &field.value {
                    Value::Text(text) | Value::Json(text) => text.to_vec(),
                    Value::Number(text) => text.to_vec(),
                    Value::Bool(value) => value.to_string().into_bytes(),
                    Value::Null => b"null".to_vec(),
                };
                (String::from_utf8_lossy(&field.key).into_owned(), value)
            }).collect();
            let written: Vec<(String, Vec<u8>)> = pairs.into_iter().map(|(key, value)| (key, value.into_bytes())).collect();
            prop_assert_eq!(read, written);
        }
    }
}
