//! Entries of several lines, or several to a line: a journal's export and its like, and Loki's streams.
//!
//! In go chunks, out go their entries as lines with their envelope. An entry that a chunk cuts (a binary field may hold empty
//! lines) is carried over; damage is skipped up to the next entry and counted.

use spanline_parsers::journal_blocks::{self, Form};
use spanline_parsers::journal_export::Split;
use spanline_parsers::wrapper::loki;

use std::sync::Arc;

use super::slot::without_cr;
use super::{Assembler, Work};
use crate::decode::{self, Line};
use crate::input::read::{Blocks, Chunk};
use crate::record::Envelope;
use crate::record::sink::RecordSink;

impl Assembler {
    /// Takes a chunk of entries.
    pub(super) fn feed_entries<S: RecordSink>(&mut self, chunk: &Chunk<'_>, blocks: Blocks, sink: &mut S) {
        self.has_escape = true;
        self.counts.bytes += chunk.bytes.len() as u64;
        if self.carried.is_empty() {
            self.carried_offset = chunk.offset;
            let rest = self.blocks(blocks, chunk.bytes, false, sink);
            self.carried.extend_from_slice(&chunk.bytes[rest..]);
        } else {
            let mut whole = std::mem::take(&mut self.carried);
            whole.extend_from_slice(chunk.bytes);
            let rest = self.blocks(blocks, &whole, false, sink);
            whole.drain(..rest);
            self.carried = whole;
        }
    }

    /// The export ended: what is left is an entry if it has whole fields.
    pub(super) fn flush_entries<S: RecordSink>(&mut self, sink: &mut S) {
        let rest = std::mem::take(&mut self.carried);
        if let Some(blocks) = self.blocks {
            self.blocks(blocks, &rest, true, sink);
        }
    }

    /// Emits entries; returns how many bytes they took.
    fn blocks<S: RecordSink>(&mut self, blocks: Blocks, text: &[u8], at_end: bool, sink: &mut S) -> usize {
        let at = match blocks {
            Blocks::Journal(Form::Frames) => self.frames(text, false, sink),
            Blocks::Numbered => self.frames(text, true, sink),
            Blocks::Journal(form) => self.entries(form, text, at_end, sink),
            Blocks::Streams => self.streams(text, at_end, sink),
        };
        self.carried_offset += at as u64;
        at
    }

    fn entries<S: RecordSink>(&mut self, form: Form, text: &[u8], at_end: bool, sink: &mut S) -> usize {
        let mut work = self.work();
        let mut at = 0;
        while at < text.len() {
            let taken = match journal_blocks::entry_end(form, &text[at..], self.settings.record_bytes_max) {
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
            let feeds = memchr::memchr_iter(b'\n', piece).count() as u32;
            let is_unfinished = form != Form::Export && !piece.ends_with(b"\n");
            let lines = feeds + u32::from(is_unfinished);
            let mut line = match journal_blocks::entry(form, piece) {
                Some(entry) => decode::from_journal(entry),
                None => Line::bare(piece.trim_ascii_end()),
            };
            if self.enveloped(&mut line, false) && memchr::memchr(b'\n', &line.content).is_some() {
                line.content = without_cr(&line.content).into();
            }
            // The empty line after an entry may still be to come.
            let length = piece.trim_ascii_end().len();
            let meta = self.meta(&line, self.carried_offset + at as u64, length);
            self.counts.lines += u64::from(lines);
            self.taken(&mut work, line, meta, lines, sink);
            self.line += u64::from(lines);
            at += taken;
        }
        self.keep(work);
        at
    }

    /// Lines of Loki's streams. They stand on one physical line, or on several each: the first of a line counts it.
    fn streams<S: RecordSink>(&mut self, text: &[u8], at_end: bool, sink: &mut S) -> usize {
        let mut work = self.work();
        let (mut at, mut counted) = (0, 0);
        loop {
            let next = loki::next(text, at);
            let end = match &next {
                loki::Next::Labels(labels, end) => {
                    self.labels = Arc::from(*labels);
                    *end
                }
                loki::Next::Value(value) => value.end,
                loki::Next::More(start) if !at_end && text.len() - start <= self.settings.record_bytes_max => {
                    at = *start;
                    break;
                }
                loki::Next::More(start) if *start == text.len() => {
                    at = *start;
                    break;
                }
                loki::Next::More(start) => {
                    self.counts.damaged += 1;
                    at = start + 1;
                    continue;
                }
            };
            if let loki::Next::Value(value) = next {
                let start = value.start;
                let before = memchr::memchr_iter(b'\n', &text[counted..start]).count() as u64;
                self.line += before;
                let labels = self.labels.clone();
                let line = self.passed_on(Envelope::Loki, loki::line(&labels, value)).into_owned();
                self.stream_line(&mut work, line, start..end, &text[start..end], sink);
                counted = end;
            }
            at = end;
        }
        self.line += memchr::memchr_iter(b'\n', &text[counted..at.max(counted)]).count() as u64;
        self.keep(work);
        at
    }

    fn stream_line<'c, S: RecordSink>(
        &mut self,
        work: &mut Work<'c>,
        line: Line<'c>,
        place: std::ops::Range<usize>,
        text: &[u8],
        sink: &mut S,
    ) {
        let inside = memchr::memchr_iter(b'\n', text).count() as u64;
        let meta = self.meta(&line, self.carried_offset + place.start as u64, place.len());
        let is_first = self.stream_line != Some(self.line);
        self.taken(work, line, meta, inside as u32 + u32::from(is_first), sink);
        self.line += inside;
        self.counts.lines += inside + u64::from(is_first);
        self.stream_line = Some(self.line);
    }

    fn damaged(&mut self, bytes: &[u8]) {
        let lines = memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.counts.damaged += 1;
        self.counts.lines += lines;
        self.line += lines;
    }
}
