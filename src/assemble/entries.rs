//! A journal's export: entries instead of lines.
//!
//! In go chunks of the export format, out go its entries as lines with their envelope. An entry that a chunk cuts (a binary
//! field may hold empty lines) is carried over; damage is passed over up to the next entry and counted.

use spanline_parsers::journal_export::{self, Split};

use super::slot::without_cr;
use super::{Assembler, RecordSink};
use crate::decode::{self, Line};
use crate::input::read::Chunk;

impl Assembler {
    /// Takes a chunk of a journal's export.
    pub(super) fn feed_entries<S: RecordSink>(&mut self, chunk: &Chunk<'_>, sink: &mut S) {
        self.has_escape = true;
        self.counts.bytes += chunk.bytes.len() as u64;
        if self.carried.is_empty() {
            self.carried_offset = chunk.offset;
            let rest = self.entries(chunk.bytes, false, sink);
            self.carried.extend_from_slice(&chunk.bytes[rest..]);
        } else {
            let mut whole = std::mem::take(&mut self.carried);
            whole.extend_from_slice(chunk.bytes);
            let rest = self.entries(&whole, false, sink);
            whole.drain(..rest);
            self.carried = whole;
        }
    }

    /// The export ended: what is left is an entry if it has whole fields.
    pub(super) fn flush_entries<S: RecordSink>(&mut self, sink: &mut S) {
        let rest = std::mem::take(&mut self.carried);
        self.entries(&rest, true, sink);
    }

    /// Gives entries out; returns how many bytes they took.
    fn entries<S: RecordSink>(&mut self, text: &[u8], at_end: bool, sink: &mut S) -> usize {
        let mut work = self.work();
        let mut at = 0;
        while at < text.len() {
            let taken = match journal_export::entry_end(&text[at..], self.settings.record_bytes_max) {
                Split::Entry(length) => length,
                Split::More(whole) if at_end && whole > 0 => text.len() - at,
                Split::More(_) if at_end => {
                    self.damaged(&text[at..]);
                    at = text.len();
                    break;
                }
                Split::More(_) => break,
                Split::Damaged(length) => {
                    let length = length.clamp(1, text.len() - at);
                    self.damaged(&text[at..at + length]);
                    at += length;
                    continue;
                }
            };
            let piece = &text[at..at + taken];
            let lines = memchr::memchr_iter(b'\n', piece).count() as u32;
            let mut line = decode::from_journal(journal_export::entry(piece));
            if self.enveloped(&mut line, false) && memchr::memchr(b'\n', &line.content).is_some() {
                line.content = without_cr(&line.content).into();
            }
            // The empty line behind an entry may still be to come.
            let length = piece.trim_ascii_end().len();
            let meta = self.meta(&Line::bare(b""), self.carried_offset + at as u64, length);
            self.counts.lines += u64::from(lines);
            self.taken(&mut work, line, meta, lines, sink);
            self.line += u64::from(lines);
            at += taken;
        }
        self.carried_offset += at as u64;
        self.keep(work);
        at
    }

    fn damaged(&mut self, bytes: &[u8]) {
        let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.counts.damaged += 1;
        self.counts.lines += lines;
        self.line += lines;
    }
}
