//! Entries of a journal's own file.
//!
//! In go frames, out go their entries as lines with their envelope. Each entry counts as one line. What could not be read of
//! the file is counted.

use std::borrow::Cow;

use spanline_parsers::journal_frames::{self as frames, Frame};

use super::slot::{Meta, without_cr};
use super::{Assembler, Work};
use crate::decode::journal_attributes::is_added_by_journald;
use crate::decode::{self, Line};
use crate::record::sink::RecordSink;

impl Assembler {
    /// Emits the entries of frames; returns how many bytes they took. Where they are `numbered`, their numbers are their places.
    pub(super) fn frames<S: RecordSink>(&mut self, bytes: &[u8], numbered: bool, sink: &mut S) -> usize {
        let mut work = self.work();
        let (mut at, all) = (0, self.settings.journal_fields);
        let is_wanted = |name: &[u8]| all || !is_added_by_journald(name);
        while let Some(length) = frames::frame_bytes(&bytes[at..]).filter(|length| *length <= bytes.len() - at) {
            let mut entry = work.scratch.spare.pop().unwrap_or_default();
            match frames::frame(&bytes[at..at + length], is_wanted, &mut entry) {
                Frame::Entry => {
                    let number = entry.place.as_ref().map(|place| place.seqnum).filter(|_| numbered);
                    // A frame has no line feed behind it.
                    let place = number.map_or((self.carried_offset + at as u64, length - 1), |number| (number, 0));
                    let is_left_out = self.wanted.as_ref().is_some_and(|query| !query.matches(&bytes[at..at + length]));
                    self.entry(&mut work, decode::from_entry(entry), place, is_left_out, sink);
                }
                Frame::Lost(entries) => self.counts.damaged += entries,
                Frame::Nothing => {}
            }
            at += length;
            if at == bytes.len() {
                break;
            }
        }
        self.keep(work);
        at
    }

    fn entry<'c, S: RecordSink>(
        &mut self,
        work: &mut Work<'c>,
        mut line: Line<'c>,
        (offset, length): (u64, usize),
        is_left_out: bool,
        sink: &mut S,
    ) {
        if self.enveloped(&mut line, false) && memchr::memchr(b'\n', &line.content).is_some() {
            line.content = without_cr(&line.content).into();
        }
        let meta = Meta { is_left_out, ..self.meta(&line, offset, length) };
        // Entries are counted, and numbered, among those that are wanted.
        self.counts.lines += u64::from(!is_left_out);
        let max = self.settings.record_bytes_max;
        if line.content.len() <= max {
            self.taken(work, line, meta, 1, sink);
        } else {
            let content = std::mem::take(&mut line.content).into_owned();
            let mut pieces = content.chunks(max).peekable();
            let (partial, mut lines) = (line.partial, 1);
            while let Some(piece) = pieces.next() {
                let partial = partial || pieces.peek().is_some();
                let piece = Line { content: Cow::Owned(piece.to_vec()), partial, ..line.clone() };
                self.taken(work, piece, meta, std::mem::take(&mut lines), sink);
            }
        }
        self.line += u64::from(!is_left_out);
    }
}
