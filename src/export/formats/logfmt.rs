//! A record as one line of logfmt, as logrus writes it: `time=… level=… msg=… key=value`.
//!
//! In goes a record, out comes one line that a logrus parser reads back: text is quoted as Go quotes it, bytes that are
//! not UTF-8 included, and what would read back as a number, a bool or null is quoted to stay text. A key loses nothing:
//! what would end it is written as `%` and two hex digits. What says who wrote the line stands last.

use std::borrow::Cow;

use spanline_parsers::{Entry, Severity, Value, value};

use crate::export::fields::{self, Attribute, Keys, RecordContext};
use crate::export::resource::{self, ResourceValue};
use crate::export::spell;
use crate::record::{Link, Record};

/// Keys that begin the line; a field of such a name gets logrus's prefix `fields.`.
const HEAD: [&[u8]; 3] = [b"time", b"level", b"msg"];

/// line = [ "time=" time SP ] [ "level=" level SP ] "msg=" text *( SP key "=" value ) LF
pub fn write(out: &mut Vec<u8>, record: &Record<'_>, link: Option<&Link>, context: &RecordContext<'_>) {
    let entry = record.entry;
    if let Some(nanos) = record.time {
        out.extend_from_slice(b"time=\"");
        spell::rfc3339(out, nanos, 9);
        out.extend_from_slice(b"\" ");
    }
    if let Some(level) = level(entry) {
        out.extend_from_slice(b"level=");
        text(out, level);
        out.push(b' ');
    }
    out.extend_from_slice(b"msg=");
    text(out, &entry.body);
    let mut pair = |name: &[u8], value: Attribute<'_>| {
        out.push(b' ');
        key(out, name);
        attribute(out, value);
    };
    fields::each(record, context, Keys::AsWritten, &mut pair);
    fields::sent(link, context, |name, value| {
        if entry.field(name).is_none() {
            pair(name, value);
        }
    });
    ids(out, record, link);
    resource::each(record.origin, |name, value| {
        if entry.field(name.as_bytes()).is_some() {
            return;
        }
        out.push(b' ');
        key(out, name.as_bytes());
        match value {
            ResourceValue::Text(value) => text(out, value.as_bytes()),
            ResourceValue::Integer(number) => spell::decimal(out, number.into()),
        }
    });
    out.push(b'\n');
}

/// The level as written, if its name alone says how severe it is; else the name of the severity.
fn level<'e>(entry: &'e Entry<'_>) -> Option<&'e [u8]> {
    let written = &*entry.severity_text;
    if !written.is_empty() && Severity::from_name(written) == entry.severity {
        return Some(written);
    }
    match entry.severity.0 {
        0 if written.is_empty() => None,
        0 => Some(written),
        1..5 => Some(b"trace"),
        5..9 => Some(b"debug"),
        9 => Some(b"info"),
        10..13 => Some(b"notice"),
        13..17 => Some(b"warning"),
        17 => Some(b"error"),
        18 => Some(b"critical"),
        19..21 => Some(b"alert"),
        _ => Some(b"fatal"),
    }
}

/// `trace_id` and `span_id`: the link's, else those written; unless the line has them as fields.
fn ids(out: &mut Vec<u8>, record: &Record<'_>, link: Option<&Link>) {
    let written = record.entry.trace;
    let (trace_id, span_id) = match link {
        Some(link) => (Some(link.trace_id), Some(link.span_id).filter(|id| *id != [0; 8])),
        None => (written.trace_id, written.span_id),
    };
    let mut id = |name: &[u8], bytes: Option<&[u8]>| {
        if let Some(bytes) = bytes.filter(|_| record.entry.field(name).is_none()) {
            out.push(b' ');
            out.extend_from_slice(name);
            out.extend_from_slice(b"=\"");
            spell::hex(out, bytes);
            out.push(b'"');
        }
    };
    id(b"trace_id", trace_id.as_ref().map(|id| &id[..]));
    id(b"span_id", span_id.as_ref().map(|id| &id[..]));
}

/// key = [ "fields." ] 1*( character / "%" 2HEXDIG ) "=" ; a lone "%" for the empty key
fn key(out: &mut Vec<u8>, key: &[u8]) {
    // `fields.time` of the line must not look like its `time` that was moved aside.
    let mut bare = key;
    while let Some(rest) = bare.strip_prefix(b"fields.") {
        bare = rest;
    }
    if HEAD.contains(&bare) {
        out.extend_from_slice(b"fields.");
    }
    for chunk in key.utf8_chunks() {
        for character in chunk.valid().chars() {
            let mut utf8 = [0; 4];
            let bytes = character.encode_utf8(&mut utf8).as_bytes();
            if matches!(character, '=' | '"' | '%') || character.is_whitespace() || is_hidden(character) {
                bytes.iter().for_each(|byte| percent(out, *byte));
            } else {
                out.extend_from_slice(bytes);
            }
        }
        chunk.invalid().iter().for_each(|byte| percent(out, *byte));
    }
    if key.is_empty() {
        out.push(b'%');
    }
    out.push(b'=');
}

fn percent(out: &mut Vec<u8>, byte: u8) {
    out.push(b'%');
    spell::hex(out, &[byte]);
}

fn attribute(out: &mut Vec<u8>, attribute: Attribute<'_>) {
    match attribute {
        Attribute::Line(Value::Text(bytes)) | Attribute::Line(Value::Json(bytes)) => typed_text(out, bytes),
        Attribute::Line(Value::Number(token)) => out.extend_from_slice(token),
        Attribute::Line(Value::Bool(true)) => out.extend_from_slice(b"true"),
        Attribute::Line(Value::Bool(false)) => out.extend_from_slice(b"false"),
        Attribute::Line(Value::Null) => out.extend_from_slice(b"null"),
        Attribute::Integer(number) => spell::decimal(out, number),
        Attribute::Text(bytes) => typed_text(out, bytes),
        Attribute::Ratio(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Attribute::Uid(uid) => {
            out.push(b'"');
            spell::hex(out, &uid);
            out.push(b'"');
        }
    }
}

/// Text that must not read back as a number, a bool or null.
fn typed_text(out: &mut Vec<u8>, bytes: &[u8]) {
    if matches!(value::unquoted(bytes), Value::Text(Cow::Borrowed(_))) { text(out, bytes) } else { quoted(out, bytes) }
}

/// text = 1*( ALPHA / DIGIT / "-" / "." / "_" / "/" / "@" / "^" / "+" ) / quoted
fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._/@^+".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) {
        out.extend_from_slice(bytes);
    } else {
        quoted(out, bytes);
    }
}

/// As Go's strconv.Quote: printable text stands, the rest is escaped, bytes that are not UTF-8 as `\x` and two digits.
fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                ' '..='!' | '#'..='[' | ']'..='~' => out.push(character as u8),
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\0'..='\x7f' => {
                    out.extend_from_slice(b"\\x");
                    spell::hex(out, &[character as u8]);
                }
                _ if is_hidden(character) => unicode(out, character),
                _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(b"\\x");
            spell::hex(out, &[*byte]);
        }
    }
    out.push(b'"');
}

/// `\u` and four digits, or `\U` and eight.
fn unicode(out: &mut Vec<u8>, character: char) {
    let code = u32::from(character).to_be_bytes();
    if code[1] == 0 {
        out.extend_from_slice(b"\\u");
        spell::hex(out, &code[2..]);
    } else {
        out.extend_from_slice(b"\\U");
        spell::hex(out, &code);
    }
}

/// Characters that show nothing, or break or turn the line.
fn is_hidden(character: char) -> bool {
    super::terminal::is_unsafe(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;
    use proptest::prelude::*;
    use spanline_parsers::Field;
    use std::collections::HashSet;

    fn line(entry: &Entry<'_>) -> String {
        let origin = Default::default();
        let mut record = samples::record(entry, &origin, &[]);
        record.stream = Default::default();
        let mut out = Vec::new();
        write(&mut out, &record, None, &RecordContext::default());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_reads_as_logrus_would_write_it() {
        assert_eq!(
            line(&samples::odd_entry()),
            concat!(
                r#"time="2026-11-23T09:14:51.322215577Z" level=info msg="a \"b\"\x00\nc\xf0\x9f" %="empty key" "#,
                r#"big=18446744073709551616 half=0.5 max=18446744073709551615 yes=true none=null "#,
                r#"nest="{\"a\":[1,{\"b\":null}],\"a\":2,\"\":\"x\"}" raw="\xff" dup=last process.pid=42 "#,
                r#"code.file.path=kubelet.go code.line.number=2451 trace_id="0102030405060708090a0b0c0d0e0f10" "#,
                r#"span_id="1112131415161718""#,
                "\n"
            )
        );
    }

    #[test]
    fn text_keeps_its_type_and_its_line() {
        let mut entry = Entry { body: b"ok"[..].into(), ..Entry::default() };
        for (key, value) in [("a", "42"), ("b", "true"), ("c", ""), ("d", "x=1"), ("e", "a\u{2028}é\u{202e}\u{e0001}")]
        {
            entry.push(key.as_bytes(), Value::Text(value.as_bytes().into()));
        }
        assert_eq!(
            line(&entry),
            "time=\"2026-11-23T09:14:51.322215577Z\" msg=ok a=\"42\" b=\"true\" c=\"\" d=\"x=1\" \
             e=\"a\\u2028é\\u202e\\U000e0001\"\n"
        );
    }

    #[test]
    fn the_level_says_how_severe_it_is() {
        for (number, written, expected) in [
            (9, "I", Some("info")),
            (13, "WARNING", Some("WARNING")),
            (10, "", Some("notice")),
            (17, "info", Some("error")),
            (0, "odd one", Some("odd one")),
            (0, "", None),
        ] {
            let entry =
                Entry { severity: Severity(number), severity_text: written.as_bytes().into(), ..Entry::default() };
            assert_eq!(level(&entry), expected.map(str::as_bytes), "{number} {written}");
        }
    }

    #[test]
    fn no_two_keys_become_one() {
        let keys: [&[u8]; 18] = [
            b"",
            b"%",
            b"_",
            b" ",
            b"=",
            b"\"",
            b"%20",
            b"a b",
            b"a%20b",
            b"time",
            b"fields.time",
            b"fields.fields.time",
            b"\xff",
            b"%ff",
            "é".as_bytes(),
            b"\n",
            "\u{2028}".as_bytes(),
            b"level",
        ];
        let mut seen = HashSet::new();
        for one in keys {
            let mut out = Vec::new();
            key(&mut out, one);
            assert_eq!(out.iter().position(|byte| b"= \n\"".contains(byte)), Some(out.len() - 1));
            assert!(std::str::from_utf8(&out).is_ok());
            assert!(!HEAD.contains(&&out[..out.len() - 1]));
            assert!(seen.insert(out), "{}", String::from_utf8_lossy(one));
        }
        let fields = vec![Field { key: b"msg"[..].into(), value: Value::Bool(true) }];
        let entry = Entry { fields, ..Entry::default() };
        assert!(line(&entry).contains(" fields.msg=true"));
    }

    proptest! {
        #[test]
        fn a_logrus_parser_gives_the_record_back(
            body in proptest::collection::vec(any::<u8>(), 0..40),
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 0..6),
            tokens in proptest::collection::vec("-?[0-9]{1,5}|true|null|[a-z]{1,4}", 0..4),
        ) {
            let mut entry =
                Entry { body: body.as_slice().into(), severity: Severity::INFO, ..Entry::default() };
            for (at, value) in values.iter().map(Vec::as_slice).chain(tokens.iter().map(String::as_bytes)).enumerate() {
                entry.push(format!("k{at}").into_bytes(), Value::Text(value.into()));
            }
            entry.push(&b"number"[..], Value::Number(b"-1.5"));
            let line = line(&entry);
            prop_assert_eq!(line.lines().count(), 1);
            let mut read = Entry::default();
            prop_assert!(spanline_parsers::logrus::text(line.trim_end().as_bytes(), &mut read), "{}", line);
            prop_assert_eq!(&*read.body, &body[..], "{}", line);
            prop_assert_eq!(read.severity, Severity::INFO);
            prop_assert_eq!(&read.fields, &entry.fields, "{}", line);
        }
    }
}
