//! Lines of `journalctl -o json`.
//!
//! In goes a line, out comes the entry. Values are text; numbers of bytes where they are not UTF-8; arrays of such
//! where a field came more than once; `null` where journalctl left out a long one (which is left out here too).
//! <https://systemd.io/JOURNAL_EXPORT_FORMATS/#journal-json-format>

use crate::entry::{Text, Value};
use crate::envelopes::journal;
use crate::json;
use std::borrow::Cow;

/// Reads a line; `None` if it is no JSON object with a journal's cursor or time.
pub fn line(line: &[u8]) -> Option<journal::Entry<'_>> {
    let line = line.trim_ascii();
    let mut members = json::object(line)?;
    let mut entry = journal::Entry::default();
    while let Some(member) = members.member() {
        match member.value() {
            Value::Text(text) => entry.set(member.key(), text),
            Value::Json(_) if member.raw.starts_with(b"[") => values(&mut entry, &member.key(), member.raw),
            Value::Null => {}
            _ => entry.set(member.key(), Cow::Borrowed(member.raw)),
        }
    }
    let is_journal = entry.cursor.is_some() || entry.realtime_usec.is_some();
    (is_journal && members.end() == Some(line.len())).then_some(entry)
}

/// An array: the bytes of one value, or values.
fn values<'a>(entry: &mut journal::Entry<'a>, name: &Text<'a>, raw: &'a [u8]) {
    if let Some(bytes) = bytes(raw) {
        return entry.set(name.clone(), Cow::Owned(bytes));
    }
    for element in json::array(raw).into_iter().flatten() {
        let value = match json::value(element) {
            Value::Text(text) => text,
            Value::Null => continue,
            _ => bytes(element).map_or(Cow::Borrowed(element), Cow::Owned),
        };
        entry.set(name.clone(), value);
    }
}

/// bytes = "[" byte *( "," byte ) "]" ; 0 to 255
fn bytes(raw: &[u8]) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> =
        json::array(raw)?.map(|element| std::str::from_utf8(element).ok()?.parse().ok()).collect();
    bytes.filter(|bytes| !bytes.is_empty())
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_kinds_of_values() {
        let text = br#"{"__REALTIME_TIMESTAMP":"1795436362305260","MESSAGE":[97,255,10],"PRIORITY":"3",
            "_TRANSPORT":"syslog","_SOURCE_REALTIME_TIMESTAMP":"1795436362305000","A":["x","y\n",[0,1],null],
            "B":null,"C":"","_SYSTEMD_UNIT":"kubelet.service","D":[],"E":7}"#;
        let entry = line(text).unwrap();
        assert_eq!(&*entry.message, b"a\xff\n");
        assert_eq!(entry.nanos(), Some(1_795_436_362_305_000_000));
        assert_eq!(entry.severity(), crate::entry::Severity::ERROR);
        assert_eq!(entry.unit.as_deref(), Some(&b"kubelet.service"[..]));
        let rest: Vec<_> = entry.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected: [(&[u8], &[u8]); 5] =
            [(b"A", b"x"), (b"A", b"y\n"), (b"A", b"\0\x01"), (b"C", b""), (b"E", b"7")];
        assert_eq!(rest, expected);
    }

    #[test]
    fn leaves_what_is_no_journal_line() {
        for text in ["{}", "{\"MESSAGE\":\"x\"}", "[1]", "{\"__CURSOR\":\"x\"", "{\"__CURSOR\":\"x\"} y"] {
            assert_eq!(line(text.as_bytes()), None, "{text}");
        }
    }
}
