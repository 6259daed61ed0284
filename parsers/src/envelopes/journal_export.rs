//! systemd's journal export format, as `journalctl -o export` and systemd-journal-gatewayd write it.
//!
//! In goes a buffer of the stream, out comes where its first entry ends ([`entry_end`]), and then the entry. Damage is
//! told with the bytes to leave out. Nothing is buffered here.
//! <https://systemd.io/JOURNAL_EXPORT_FORMATS/>

use crate::envelopes::journal;
use std::borrow::Cow;

use memchr::{memchr, memmem};

/// What the start of a buffer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// An entry of this many bytes, with the empty lines before and the one after it.
    Entry(usize),
    /// The entry goes on. Its fields before this offset are whole, and need not be looked at again ([`resume`]); where
    /// the stream has ended, they are all there is.
    More(usize),
    /// No entry, or one above the limit: leave out this many bytes (never 0). The next entry starts there, if it is in
    /// the buffer.
    Damaged(usize),
}

/// Every exporter starts an entry with its cursor.
const START: &[u8] = b"\n__CURSOR=";

/// journald's own limit of a name.
const NAME_BYTES_MAX: usize = 64;

/// Finds the end of the entry at the start of the buffer.
///
/// An entry of more than `limit` bytes counts as damaged.
pub fn entry_end(buffer: &[u8], limit: usize) -> Split {
    resume(buffer, 0, limit)
}

/// [`entry_end`], without looking again at what [`Split::More`] has called whole.
pub fn resume(buffer: &[u8], from: usize, limit: usize) -> Split {
    let mut at = if from == 0 { empty_lines(buffer) } else { from };
    if at == buffer.len() && from == 0 && at <= limit {
        return Split::More(0);
    }
    loop {
        if at > limit {
            return damaged(buffer);
        }
        match field(buffer, at) {
            Next::Field { end, .. } => at = end,
            Next::Empty if at >= limit => return damaged(buffer),
            Next::Empty => return Split::Entry(at + 1),
            // A length or a line that can only end beyond the limit is not waited for.
            Next::More { whole } if whole > limit || buffer.len() > limit => return damaged(buffer),
            Next::More { .. } => return Split::More(if at == empty_lines(buffer) { 0 } else { at }),
            Next::Damaged => return damaged(buffer),
        }
    }
}

/// The fields of an entry, as [`entry_end`] has cut it, with their values as bytes.
pub fn fields(entry: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = empty_lines(entry);
    std::iter::from_fn(move || match field(entry, at) {
        Next::Field { name, value, end } => {
            at = end;
            Some((name, value))
        }
        _ => None,
    })
}

/// Reads an entry, as [`entry_end`] has cut it.
pub fn entry(text: &[u8]) -> journal::Entry<'_> {
    let mut entry = journal::Entry::default();
    for (name, value) in fields(text) {
        entry.set(Cow::Borrowed(name), Cow::Borrowed(value));
    }
    entry
}

enum Next<'a> {
    Field {
        name: &'a [u8],
        value: &'a [u8],
        end: usize,
    },
    /// The line feed that ends the entry.
    Empty,
    /// The buffer ends within the field, which needs it to have so many bytes at least.
    More {
        whole: usize,
    },
    Damaged,
}

/// field = name "=" *( %x00-09 / %x0B-FF ) LF / name LF length bytes LF ; length: 64 bits, little-endian
/// name = 1*64( ALPHA / DIGIT / "_" )
fn field(buffer: &[u8], start: usize) -> Next<'_> {
    let rest = buffer.get(start..).unwrap_or_default();
    let name_length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if name_length > NAME_BYTES_MAX {
        return Next::Damaged;
    }
    let name = &rest[..name_length];
    let content = start + name_length + 1;
    match rest.get(name_length) {
        None => Next::More { whole: content },
        Some(b'\n') if name.is_empty() => Next::Empty,
        Some(b'=') if !name.is_empty() => match memchr(b'\n', &buffer[content..]) {
            Some(length) => Next::Field { name, value: &buffer[content..content + length], end: content + length + 1 },
            None => Next::More { whole: buffer.len() + 1 },
        },
        Some(b'\n') => {
            let Some(length) = buffer[content..].first_chunk::<8>() else { return Next::More { whole: content + 8 } };
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
            let end = (content + 8).saturating_add(length);
            match buffer.get(end) {
                Some(b'\n') => Next::Field { name, value: &buffer[content + 8..end], end: end + 1 },
                Some(_) => Next::Damaged,
                None => Next::More { whole: end.saturating_add(1) },
            }
        }
        Some(_) => Next::Damaged,
    }
}

fn empty_lines(buffer: &[u8]) -> usize {
    buffer.iter().take_while(|&&byte| byte == b'\n').count()
}

/// Goes on at the next cursor; a start of one at the end of the buffer is kept.
fn damaged(buffer: &[u8]) -> Split {
    let begun = empty_lines(buffer);
    if let Some(found) = memmem::find(&buffer[begun..], START) {
        return Split::Damaged(begun + found + 1);
    }
    let kept = (1..START.len()).rev().find(|&length| buffer.ends_with(&START[..length])).unwrap_or(0);
    Split::Damaged((buffer.len() - kept).max(1))
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelopes::journal::Transport;
    use proptest::prelude::*;

    const LIMIT: usize = 1 << 20;

    fn binary(name: &str, value: &[u8]) -> Vec<u8> {
        [name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes(), value, b"\n"].concat()
    }

    #[test]
    fn reads_text_and_binary_fields() {
        let text = [
            &b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795421836109947\nPRIORITY=6\n_TRANSPORT=stdout\n"[..],
            &binary("MESSAGE", b"a\nb\xff\n\n__CURSOR=no"),
            b"_PID=77\n_COMM=crio\nX=\nX=again\nPRIORITY=9\n_LINE_BREAK=line-max\n\n",
        ]
        .concat();
        let stream = [&text[..], b"__CURSOR=next"].concat();
        assert_eq!(entry_end(&stream, LIMIT), Split::Entry(text.len()));
        let entry = entry(&text);
        assert_eq!(&*entry.message, b"a\nb\xff\n\n__CURSOR=no");
        assert_eq!((entry.priority, entry.pid, entry.transport), (Some(6), Some(77), Some(Transport::Stdout)));
        assert_eq!(entry.cursor.as_deref(), Some(&b"s=1;i=2"[..]));
        assert_eq!(entry.nanos(), Some(1_795_421_836_109_947_000));
        assert!(entry.line_break);
        let rest: Vec<_> = entry.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(rest, [(&b"X"[..], &b""[..]), (b"X", b"again"), (b"PRIORITY", b"9")]);
    }

    #[test]
    fn goes_on_behind_damage() {
        let good = b"__CURSOR=2\nMESSAGE=x\n\n";
        for bad in [
            &b"garbage\n"[..],
            b"=no name\n\n",
            b"__CURSOR=1\nMESSAGE\n\x02\0\0\0\0\0\0\0abc\n\n",
            b"__CURSOR=1\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff\n",
            b"__CURSOR=1\nsp ace=1\n",
            b"\n\n\xff\n",
        ] {
            let stream = [bad, good].concat();
            assert_eq!(entry_end(&stream, 1000), Split::Damaged(bad.len()), "{}", bad.escape_ascii());
        }
        // A cursor that has only begun is not thrown away.
        assert_eq!(entry_end(b"=x\n__CUR", 1000), Split::Damaged(2));
        assert_eq!(entry_end(b"=x", 1000), Split::Damaged(2));
    }

    #[test]
    fn waits_for_no_more_than_the_limit() {
        let text = b"__CURSOR=1\nMESSAGE=0123456789\n\n";
        assert_eq!(entry_end(text, text.len()), Split::Entry(text.len()));
        assert_eq!(entry_end(text, text.len() - 1), Split::Damaged(text.len() - 1));
        assert_eq!(entry_end(&[b"__CURSOR=", &[b'a'; 100][..]].concat(), 50), Split::Damaged(109));
        assert_eq!(entry_end(b"A\n\0\0\0\0\0\x01\0\0", 50), Split::Damaged(10));
        assert_eq!(entry_end(b"", 50), Split::More(0));
        assert_eq!(entry_end(b"\n\n", 50), Split::More(0));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_however_it_arrives(
            entries in proptest::collection::vec(
                proptest::collection::vec(("[A-Z_]{1,8}", proptest::collection::vec(any::<u8>(), 0..20)), 1..6), 1..4,
            ),
            step in 1..40usize,
        ) {
            let mut stream = Vec::new();
            for entry in &entries {
                for (name, value) in entry {
                    if value.contains(&b'\n') || value.len() % 2 == 0 {
                        stream.extend(binary(name, value));
                    } else {
                        stream.extend([name.as_bytes(), b"=", value, b"\n"].concat());
                    }
                }
                stream.push(b'\n');
            }
            let (mut read, mut start, mut from, mut end) = (Vec::new(), 0, 0, 0);
            while start < stream.len() {
                end = (end + step).min(stream.len());
                match resume(&stream[start..end], from, LIMIT) {
                    Split::Entry(length) => {
                        read.push(
                            fields(&stream[start..start + length])
                                .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), value.to_vec()))
                                .collect::<Vec<_>>(),
                        );
                        start += length;
                        from = 0;
                    }
                    Split::More(at) => {
                        prop_assert!(end < stream.len());
                        from = at;
                    }
                    Split::Damaged(_) => prop_assert!(false),
                }
            }
            prop_assert_eq!(read, entries);
        }

        #[test]
        fn never_panics_and_always_moves(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'='), Just(b'A')], 0..200),
            limit in 0..300usize,
        ) {
            let mut rest = &bytes[..];
            loop {
                match entry_end(rest, limit) {
                    Split::Entry(length) => {
                        entry(&rest[..length]);
                        rest = &rest[length..];
                    }
                    Split::Damaged(length) => {
                        prop_assert!(length > 0);
                        rest = &rest[length..];
                    }
                    Split::More(at) => {
                        prop_assert!(at <= rest.len() && rest.len() <= limit);
                        entry(rest);
                        break;
                    }
                }
            }
        }
    }
}
