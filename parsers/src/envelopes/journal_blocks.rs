//! Forms of `journalctl` in which an entry takes several lines: `-o export`, `-o verbose` and `-o json-pretty`, and the frames
//! of a journal's own file.
//!
//! In goes a buffer, out comes where its first entry ends, and then the entry. What stands between entries (`-- Boot … --`)
//! is a block of its own without an entry. Nothing is buffered here.

use crate::envelopes::journal_export::Split;
use crate::envelopes::journal_frames::Frame;
use crate::envelopes::{journal, journal_export, journal_frames, journal_json, journal_text};
use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem};

/// How the entries of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Fields with their names, binary ones with a length; an empty line after each entry.
    Export,
    /// A line with time and cursor, the fields indented below it.
    Verbose,
    /// A JSON object over several lines.
    Pretty,
    /// What is read from the journal's own file.
    Frames,
}

/// What the first bytes of a file tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected {
    /// Entries of this form.
    Form(Form),
    /// Lines.
    Lines,
    /// More bytes tell.
    More,
}

/// Longest first line that is looked at; a cursor has some 140 bytes.
const FIRST_LINE_BYTES_MAX: usize = 512;

/// Which form a file has by its first bytes.
pub fn form(head: &[u8]) -> Detected {
    const EXPORT: &[u8] = b"__CURSOR=";
    const PRETTY: &[u8] = b"{\n\t\"";
    if head.starts_with(EXPORT) {
        return Detected::Form(Form::Export);
    }
    if head.starts_with(PRETTY) {
        return pretty(&head[PRETTY.len()..]);
    }
    if head.starts_with(journal_frames::START) {
        return Detected::Form(Form::Frames);
    }
    if EXPORT.starts_with(head) || PRETTY.starts_with(head) || journal_frames::START.starts_with(head) {
        return Detected::More;
    }
    // Lines about the journal stand before the first entry of the forms for people.
    let mut rest = head;
    while rest.starts_with(b"-- ") && rest.len() < FIRST_LINE_BYTES_MAX {
        let Some(end) = memchr(b'\n', rest) else { return Detected::More };
        rest = &rest[end + 1..];
        if rest.is_empty() {
            return Detected::More;
        }
    }
    let first = match memchr(b'\n', rest) {
        Some(end) => &rest[..end],
        // What is read first may be a few bytes.
        None if rest.len() < FIRST_LINE_BYTES_MAX && may_begin(rest) => return Detected::More,
        None => rest,
    };
    if header(first).is_some() { Detected::Form(Form::Verbose) } else { Detected::Lines }
}

/// Does a line that is not whole begin as a header, or as what stands before it?
fn may_begin(text: &[u8]) -> bool {
    let begins = |start: &[u8]| start.starts_with(text) || text.starts_with(start);
    begins(b"-- ") || journal_text::WEEKDAYS.iter().any(|day| begins(day))
}

/// key = DQUOTE 1*( UPPER / DIGIT / "_" ) DQUOTE SP ":"
fn pretty(text: &[u8]) -> Detected {
    let name =
        text.iter().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_').count();
    match text.get(name..name + 3) {
        Some(b"\" :") if name > 0 => Detected::Form(Form::Pretty),
        None if name + 3 > text.len() => Detected::More,
        _ => Detected::Lines,
    }
}

/// Finds the end of the entry at the start of the buffer. An entry of more than `limit` bytes counts as damaged.
pub fn entry_end(form: Form, buffer: &[u8], limit: usize) -> Split {
    let end = match form {
        Form::Export => return journal_export::entry_end(buffer, limit),
        // Whoever writes them has limits of its own.
        Form::Frames => {
            return match journal_frames::frame_bytes(buffer) {
                Some(length) if length <= buffer.len() => Split::Entry(length),
                _ => Split::More(0),
            };
        }
        Form::Verbose => memchr_iter(b'\n', buffer)
            .map(|end| end + 1)
            .find(|end| buffer.get(*end).is_some_and(|next| !matches!(next, b' ' | b'\t' | b'\n' | b'\r'))),
        Form::Pretty if buffer.first() == Some(&b'{') => memmem::find(buffer, b"\n}\n").map(|at| at + 3),
        Form::Pretty => memchr(b'\n', buffer).map(|at| at + 1),
    };
    match end {
        Some(end) if end <= limit => Split::Entry(end),
        Some(end) => Split::Damaged(end),
        None if buffer.len() > limit => Split::Damaged(buffer.len()),
        None => Split::More(buffer.len()),
    }
}

/// Reads an entry, as [`entry_end`] has cut it; `None` for what is none.
pub fn entry(form: Form, text: &[u8]) -> Option<journal::Entry<'_>> {
    match form {
        Form::Export => Some(journal_export::entry(text)),
        Form::Verbose => verbose(text),
        Form::Pretty => journal_json::line(text),
        Form::Frames => {
            let mut entry = journal::Entry::default();
            (journal_frames::frame(text, |_| true, &mut entry) == Frame::Entry).then_some(entry)
        }
    }
}

/// header = Www SP date SP time SP zone SP "[" cursor "]"
///
/// The cursor, which has the time too.
fn header(line: &[u8]) -> Option<&[u8]> {
    let (_, rest) = journal_text::weekday_first(line)?;
    let cursor = rest.trim_ascii_end().strip_prefix(b"[")?.strip_suffix(b"]")?;
    cursor.starts_with(b"s=").then_some(cursor)
}

/// field = 4SP name "=" value LF *( ( 4 + name + 1 )SP value LF )
fn verbose(text: &[u8]) -> Option<journal::Entry<'_>> {
    let first = memchr(b'\n', text).unwrap_or(text.len());
    let cursor = header(&text[..first])?;
    let mut entry = journal::Entry::default();
    entry.set(Cow::Borrowed(b"__CURSOR"), Cow::Borrowed(cursor));
    if let Some(micros) = received(cursor) {
        entry.set(Cow::Borrowed(b"__REALTIME_TIMESTAMP"), Cow::Owned(micros.to_string().into_bytes()));
    }
    let mut open: Option<(&[u8], Cow<'_, [u8]>)> = None;
    for line in text.get(first + 1..).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some((name, value)) = field(line) {
            if let Some((name, value)) = open.replace((name, Cow::Borrowed(value))) {
                entry.set(Cow::Borrowed(name), value);
            }
        } else if let Some((name, value)) = &mut open {
            let indent = line.iter().take(name.len() + 5).take_while(|byte| **byte == b' ').count();
            let value = value.to_mut();
            value.push(b'\n');
            value.extend_from_slice(&line[indent..]);
        }
    }
    if let Some((name, value)) = open {
        entry.set(Cow::Borrowed(name), value);
    }
    Some(entry)
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = line.strip_prefix(b"    ")?;
    let name =
        text.iter().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_').count();
    (name > 0 && text.get(name) == Some(&b'=')).then(|| (&text[..name], &text[name + 1..]))
}

/// When journald received it, µs since the epoch: `t=` of a cursor, in hex.
fn received(cursor: &[u8]) -> Option<u64> {
    let time = cursor.split(|byte| *byte == b';').find_map(|part| part.strip_prefix(b"t="))?;
    u64::from_str_radix(std::str::from_utf8(time).ok()?, 16).ok()
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "Mon 2026-11-23 08:17:16.109947 UTC [s=64c5;i=1;b=c345;m=9ef8040e;t=660ed38c3687b;x=1]\n";

    #[test]
    fn the_first_bytes_tell_the_form() {
        assert_eq!(form(b"__CURSOR=s"), Detected::Form(Form::Export));
        assert_eq!(form(HEADER.as_bytes()), Detected::Form(Form::Verbose));
        for end in 0..HEADER.len() {
            assert_eq!(form(&HEADER.as_bytes()[..end]), Detected::More, "{end}");
        }
        assert_eq!(
            form(format!("-- Logs begin at x. --\n-- Boot 1 --\n{HEADER}").as_bytes()),
            Detected::Form(Form::Verbose)
        );
        assert_eq!(form(b"{\n\t\"__CURSOR\" : \"x\","), Detected::Form(Form::Pretty));
        for more in ["", "__CUR", "{\n", "{\n\t\"MESS", "-- Logs"] {
            assert_eq!(form(more.as_bytes()), Detected::More, "{more}");
        }
        for lines in
            ["{\n  \"a\": 1", "{\n\t\"level\" : 1", "{\"a\":1}", "Mon 2026-11-23 08:17:16 UTC n a[1]: x\n", "x", "\n"]
        {
            assert_eq!(form(lines.as_bytes()), Detected::Lines, "{lines}");
        }
    }

    #[test]
    fn an_entry_of_several_lines_is_read() {
        let text = format!(
            "{HEADER}    _HOSTNAME=vm\n    MESSAGE=one\n            \ttwo\n\n            K=v\n    PRIORITY=3\n"
        );
        let stream = format!("{text}-- Boot 2 --\n{HEADER}    MESSAGE=x\n");
        let Split::Entry(end) = entry_end(Form::Verbose, stream.as_bytes(), 1000) else { panic!() };
        assert_eq!(end, text.len());
        let entry = entry(Form::Verbose, text.as_bytes()).unwrap();
        assert_eq!(&*entry.message, b"one\n\ttwo\n\nK=v");
        assert_eq!((entry.nanos(), entry.priority), (Some(1_795_421_836_109_947_000), Some(3)));
        assert_eq!(entry_end(Form::Verbose, &stream.as_bytes()[end..], 1000), Split::Entry(13));
        assert_eq!(super::entry(Form::Verbose, b"-- Boot 2 --\n"), None);
        let pretty = b"{\n\t\"MESSAGE\" : \"x\\n}\\n\",\n\t\"__REALTIME_TIMESTAMP\" : \"1795421836109947\"\n}\n{\n";
        assert_eq!(entry_end(Form::Pretty, pretty, 1000), Split::Entry(pretty.len() - 2));
        assert_eq!(&*super::entry(Form::Pretty, &pretty[..pretty.len() - 2]).unwrap().message, b"x\n}\n");
    }

    proptest! {
        #[test]
        fn never_panics_and_always_moves(text in "(Mon 2026-11-23 08:17:16 UTC \\[s=1;t=f\\]\n|    A=b\n|\\{\n|\\}\n|.{0,9}\n){0,9}") {
            for form in [Form::Verbose, Form::Pretty] {
                let mut rest = text.as_bytes();
                while let Split::Entry(end) | Split::Damaged(end) = entry_end(form, rest, 50) {
                    prop_assert!(end > 0);
                    entry(form, &rest[..end]);
                    rest = &rest[end..];
                }
            }
            form(text.as_bytes());
        }
    }
}
