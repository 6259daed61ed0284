//! Lines that come in parts: joined up to the limit; what is longer is emitted in marked pieces, each a record of its own.
//!
//! In go the parts of a line as they were read or as the runtime wrote them, out come whole lines, or records that bear the
//! number of their piece. Pieces are never joined again.

use std::borrow::Cow;

use super::slot::{Logical, Meta, State};
use super::{Assembler, Work};
use crate::decode::{self, Line};
use crate::record::sink::RecordSink;

impl Assembler {
    /// A part of a line as the runtime cut it: joined with those before it; the last one makes it whole.
    #[cold]
    pub(super) fn part<'c>(&mut self, work: &mut Work<'c>, at: usize, line: Line<'c>, meta: Meta, lines: u32) {
        let begun = work.slots[at].partial;
        let number = match begun.and_then(|number| work.queue.get(number)) {
            Some(parts) if parts.logical.content.len() + line.content.len() <= self.settings.record_bytes_max => {
                parts.logical.append(&line.content, None, b"", lines, &meta);
                begun.unwrap_or_default()
            }
            full => {
                if full.is_some() {
                    self.cut_parts(work, at);
                }
                work.queue.push(Logical::new(meta, line.content, lines, line.journal), 0, State::Open)
            }
        };
        work.slots[at].partial = Some(number);
        if !line.partial {
            self.end_parts(work, at);
        }
    }

    /// What was joined so far is as long as a record may be: it becomes a piece.
    fn cut_parts(&mut self, work: &mut Work<'_>, at: usize) {
        self.release_all(work, at);
        let slot = &mut work.slots[at];
        let (number, open) = (slot.partial.take(), slot.open.take());
        slot.pieces += 1;
        if slot.pieces == 1 {
            self.counts.cut += 1;
        }
        let piece = slot.pieces;
        if let Some((open, _)) = open {
            work.done(open);
        }
        if let Some(item) = number.and_then(|number| work.queue.get(number)) {
            (item.piece, item.state) = (piece, State::Done);
        }
    }

    /// The last part was read: the line is whole, or the last piece of it.
    pub(super) fn end_parts(&mut self, work: &mut Work<'_>, at: usize) {
        if work.slots[at].pieces > 0 {
            self.cut_parts(work, at);
            work.slots[at].pieces = 0;
        } else if let Some(number) = work.slots[at].partial.take() {
            self.joined(work, at, number);
        }
    }

    /// The first piece of a line that is longer than the limit.
    pub(super) fn first_piece<'c, S: RecordSink>(
        &mut self,
        work: &mut Work<'c>,
        bytes: &'c [u8],
        offset: u64,
        sink: &mut S,
    ) {
        let (bytes, offset) = self.without_nul_run(bytes, offset);
        self.nul_run = bytes.is_empty();
        if self.nul_run {
            return;
        }
        self.counts.lines += 1;
        self.counts.cut += 1;
        let line = decode::line(bytes, self.settings.envelopes);
        let meta = self.meta(&line, offset, bytes.len());
        let at = self.slot(work, line.stream as u64);
        self.close(work, at);
        self.cut = Some((meta, 1));
        work.queue.push(Logical::new(meta, line.content, 1, None), 1, State::Done);
        self.give_ready(work, sink);
    }

    /// A further piece of it; the last one ends its line.
    pub(super) fn piece<'c, S: RecordSink>(
        &mut self,
        work: &mut Work<'c>,
        bytes: &'c [u8],
        offset: u64,
        more: bool,
        sink: &mut S,
    ) {
        let has_run = self.nul_run || bytes.first() == Some(&0) || more && bytes.last() == Some(&0);
        if self.settings.drop_nul_lines && has_run {
            let (rest, at) = self.without_nul_run(bytes, offset);
            match (self.nul_run, rest.is_empty(), more) {
                // The run goes on.
                (_, true, true) => {}
                (true, true, false) => {
                    self.nul_run = false;
                    self.counts.lines += 1;
                    self.counts.nul_lines += 1;
                    self.line += 1;
                }
                (false, true, false) => {
                    self.cut = None;
                    self.line += 1;
                }
                // A line that begins after the run, which a writer leaves that was not told that its file was emptied.
                (true, false, true) => self.first_piece(work, rest, at, sink),
                (true, false, false) => {
                    self.nul_run = false;
                    self.physical(work, rest, at, sink);
                }
                (false, false, _) => self.text_piece(work, rest, at, more, sink),
            }
            return;
        }
        self.text_piece(work, bytes, offset, more, sink);
    }

    fn text_piece<'c, S: RecordSink>(
        &mut self,
        work: &mut Work<'c>,
        bytes: &'c [u8],
        offset: u64,
        more: bool,
        sink: &mut S,
    ) {
        let (meta, piece) = self.cut.take().unwrap_or_else(|| (self.meta(&Line::bare(bytes), offset, bytes.len()), 1));
        let place = Meta { offset, end: offset + bytes.len() as u64 + 1, ..meta };
        let logical = Logical::new(place, Cow::Borrowed(bytes), 0, None);
        work.queue.push(logical, piece + 1, State::Done);
        self.give_ready(work, sink);
        if more {
            self.cut = Some((meta, piece + 1));
        } else {
            self.line += 1;
        }
    }

    /// A piece of a line without the NUL bytes at its ends, which are counted, and where it begins then.
    fn without_nul_run<'c>(&mut self, bytes: &'c [u8], offset: u64) -> (&'c [u8], u64) {
        if !self.settings.drop_nul_lines {
            return (bytes, offset);
        }
        let run = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(run, |last| last + 1);
        self.counts.nul_bytes += (bytes.len() - (end - run)) as u64;
        (&bytes[run..end], offset + run as u64)
    }
}
