//! Lines that are longer than the limit: given out in marked pieces, each a record of its own.
//!
//! In go the parts of a line as they were read, out come records that bear the number of their piece and the envelope of the
//! first one. Pieces are never joined again.

use std::borrow::Cow;

use super::slot::{Logical, Meta, State};
use super::{Assembler, RecordSink, Work};
use crate::decode::{self, Line};

impl Assembler {
    /// The first piece of a line that is longer than the limit.
    pub(super) fn first_piece<'c, S: RecordSink>(
        &mut self,
        work: &mut Work<'c>,
        bytes: &'c [u8],
        offset: u64,
        sink: &mut S,
    ) {
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
}
