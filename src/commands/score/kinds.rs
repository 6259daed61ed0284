//! Kinds of lines: by who wrote them and what they say without its values, with how their links were judged.
//!
//! In go the records of a links file as they were judged, out come their kinds, those with most faults first. Their texts are
//! read from the files that the links file names. Which link is right is not decided here.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use spanline_parsers::Entry;
use spanline_parsers::detect::{self, Expect};

use super::judged::{Judged, Tally, Verdict};
use super::rows::LinkRow;
use crate::decode::{self, Envelopes};
use crate::input::journal::stream;
use crate::input::{open, sources};

/// Words of a line that tell its kind.
const WORDS_MAX: usize = 12;
/// A longer word is a value.
const WORD_BYTES_MAX: usize = 40;
/// Kinds that are told apart; of further ones each writer has one.
const KINDS_MAX: usize = 20_000;
const OTHERS: &str = "(other kinds)";
/// Bytes of a line that are looked at.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineAt {
    /// As the links file names it.
    pub file: String,
    /// From 1.
    pub line: u64,
}

/// Lines of one kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kind {
    /// The service, or the component, by the file's name.
    pub writer: String,
    /// Place in the program and message, with `*` for values.
    pub text: String,
    /// How they were judged.
    pub tally: Tally,
    /// The first line that should have a link, and has none.
    pub missed: Option<LineAt>,
    /// The first line that is linked to another trace.
    pub wrong: Option<LineAt>,
    /// The first line that is linked, though no recorded span was active.
    pub false_link: Option<LineAt>,
    /// The first line that is linked to another span of the right trace.
    pub inexact: Option<LineAt>,
}

impl Kind {
    /// Lines linked to another span of the right trace.
    pub fn inexact_lines(&self) -> u64 {
        self.tally.right_trace - self.tally.right_span
    }

    /// Lines whose link is not what it should be.
    pub fn faults(&self) -> u64 {
        let Tally { missed, wrong, false_links, .. } = self.tally;
        missed + wrong + false_links + self.inexact_lines()
    }

    /// A line of the most frequent fault.
    pub fn example(&self) -> Option<&LineAt> {
        let Tally { missed, wrong, false_links, .. } = self.tally;
        let faults = [
            (missed, &self.missed),
            (wrong, &self.wrong),
            (false_links, &self.false_link),
            (self.inexact_lines(), &self.inexact),
        ];
        faults.into_iter().rev().max_by_key(|(count, _)| *count).and_then(|(_, line)| line.as_ref())
    }
}

/// A file whose lines could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRead {
    /// As the links file names it.
    pub file: String,
    /// Why.
    pub reason: String,
    /// Its records that were judged.
    pub lines: u64,
}

/// The kinds of all lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kinds {
    /// Those with most faults first.
    pub kinds: Vec<Kind>,
    /// What they could not be told of.
    pub not_read: Vec<NotRead>,
}

/// Records by their files, as they are judged.
#[derive(Debug, Default)]
pub(super) struct JudgedRecords(BTreeMap<String, Vec<(u64, Judged)>>);

impl JudgedRecords {
    pub(super) fn add(&mut self, row: &LinkRow, judged: Judged) {
        match self.0.get_mut(&row.file) {
            Some(records) => records.push((row.line, judged)),
            None => drop(self.0.insert(row.file.clone(), vec![(row.line, judged)])),
        }
    }

    /// Reads what they say.
    pub(super) fn into_kinds(self) -> Kinds {
        let (mut known, mut not_read) = (Known::default(), Vec::new());
        for (file, mut records) in self.0 {
            records.sort_by_key(|(line, _)| *line);
            let mut told = 0;
            let read = each_line(Path::new(&file), &records, |line, judged, bytes| {
                told += 1;
                known.add(LineAt { file: file.clone(), line }, judged, bytes);
            });
            let lines = (records.len() - told) as u64;
            if lines > 0 {
                let reason = read.err().map_or("ends before".to_owned(), |error| error.to_string());
                not_read.push(NotRead { file, reason, lines });
            }
        }
        let mut kinds: Vec<Kind> = known.kinds.into_values().collect();
        kinds.sort_by(|a, b| {
            let order = b.faults().cmp(&a.faults()).then(b.tally.lines.cmp(&a.tally.lines));
            order.then_with(|| (&a.writer, &a.text).cmp(&(&b.writer, &b.text)))
        });
        Kinds { kinds, not_read }
    }
}

#[derive(Default)]
struct Known {
    kinds: HashMap<(String, String), Kind>,
}

impl Known {
    fn add(&mut self, at: LineAt, judged: Judged, line: &[u8]) {
        let writer = sources::origin_of(&at.file).service_name;
        let mut key = (writer, kind_of(line));
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&key) {
            key.1 = OTHERS.to_owned();
        }
        let kind = self.kinds.entry(key).or_insert_with_key(|(writer, text)| Kind {
            writer: writer.clone(),
            text: text.clone(),
            ..Kind::default()
        });
        kind.tally.add(judged);
        let first = match judged.verdict {
            Verdict::NotLinked if judged.labelled => &mut kind.missed,
            Verdict::Wrong => &mut kind.wrong,
            Verdict::False => &mut kind.false_link,
            Verdict::Inexact => &mut kind.inexact,
            Verdict::NotLinked | Verdict::Unverified | Verdict::Right => return,
        };
        first.get_or_insert(at);
    }
}

/// Calls `each` with the first line of each record, in order.
fn each_line(path: &Path, records: &[(u64, Judged)], mut each: impl FnMut(u64, Judged, &[u8])) -> io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 18, open::open(path)?);
    if stream::is_journal(input.fill_buf()?) {
        return Err(io::Error::other("is a systemd journal, whose entries have no lines"));
    }
    let (mut records, mut bytes, mut line) = (records.iter().peekable(), Vec::new(), 0);
    while records.peek().is_some() {
        bytes.clear();
        if read_line(&mut input, &mut bytes)? == 0 {
            break;
        }
        line += 1;
        while let Some((_, judged)) = records.next_if(|(at, _)| *at == line) {
            each(line, *judged, &bytes);
        }
    }
    Ok(())
}

/// Reads a line, and passes over what is too long of it; how many bytes it has.
fn read_line(input: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        let bytes = input.fill_buf()?;
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        let room = LINE_BYTES_MAX.saturating_sub(into.len());
        into.extend_from_slice(&bytes[..end.unwrap_or(taken).min(room)]);
        input.consume(taken);
        length += taken;
        if end.is_some() || taken == 0 {
            return Ok(length);
        }
    }
}

/// Where a line was written in the program, if it says that, and its words, with `*` for values.
fn kind_of(line: &[u8]) -> String {
    let line = decode::line(line.strip_suffix(b"\r").unwrap_or(line), Envelopes::Auto);
    let mut entry = Entry::default();
    detect::payload(&line.content, Expect::Auto, &mut entry);
    let site = entry.code.map(|code| format!("{}:{}", String::from_utf8_lossy(code.file), code.line));
    let body = String::from_utf8_lossy(&entry.body);
    let mut words: Vec<String> = site.into_iter().collect();
    for word in body.lines().next().unwrap_or_default().split_whitespace().take(WORDS_MAX) {
        let word = without_value(word);
        if word != "*" || words.last().is_none_or(|last| last != "*") {
            words.push(word);
        }
    }
    words.join(" ")
}

/// word = key "=" value / value / word
fn without_value(word: &str) -> String {
    let has_digit = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    match word.split_once('=') {
        Some((key, _)) if !key.is_empty() && !has_digit(key) && key.len() <= WORD_BYTES_MAX => format!("{key}=*"),
        _ if has_digit(word) || word.len() > WORD_BYTES_MAX => "*".to_owned(),
        _ if word.starts_with(['"', '\'']) && word.len() > 1 && word.ends_with(['"', '\'']) => "*".to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        assert_eq!(kind_of(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn values_do_not_change_the_kind_of_a_line() {
        check("order o-17 placed in 3ms user=a", "order * placed in * user=*");
        check("2026-11-23T09:15:01.1Z stdout F ids 1 2 3 end", "ids * end");
        let klog = "I1123 09:14:51.000000       1 server.go:101] \"Synced pod\" pod=\"ns/pod-1\"";
        check(klog, "server.go:101 Synced pod");
        check(&klog.replace("pod-1", "pod-2"), "server.go:101 Synced pod");
        check("", "");
        check(r#"said "hello" k1=v"#, "said *");
    }

    #[test]
    fn long_lines_are_cut_and_the_next_one_is_whole() {
        let text = [&b"x".repeat(LINE_BYTES_MAX + 9)[..], b"\ntwo\nthree"].concat();
        let mut input = BufReader::with_capacity(100, &text[..]);
        let mut lengths = Vec::new();
        loop {
            let mut line = Vec::new();
            match read_line(&mut input, &mut line).unwrap() {
                0 => break,
                length => lengths.push((length, line.len())),
            }
        }
        assert_eq!(lengths, [(LINE_BYTES_MAX + 10, LINE_BYTES_MAX), (4, 3), (5, 5)]);
    }
}
