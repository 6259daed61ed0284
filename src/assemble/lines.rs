//! Whole lines to records: each goes on the open record of its stream, begins one, or waits for what follows it.
//!
//! In go lines without their envelopes, out come items in the queue, in the order of their first lines. Lines that wait
//! have places in the queue of their own, so that they can still become records.

use std::borrow::Cow;

use spanline_parsers::ansi;
use spanline_parsers::continuation::{Next, Open};

use super::plain;
use super::slot::{Logical, Meta, State};
use super::{Assembler, Work};
use crate::decode::Line;

impl Assembler {
    /// A line that came in parts is whole.
    pub(super) fn joined(&mut self, work: &mut Work<'_>, at: usize, number: u64) {
        if let Some(parts) = work.queue.get(number) {
            if parts.logical.content.last() == Some(&b'\r') {
                plain::drop_last(&mut parts.logical.content);
                parts.logical.meta.cr = self.crlf != Some(true);
            }
            plain::strip(&mut parts.logical, self.settings.keep_ansi);
        }
        self.place(work, at, number);
    }

    /// A whole line: the next of the open record, or the first of a new one.
    #[inline]
    pub(super) fn logical<'c>(&mut self, work: &mut Work<'c>, at: usize, line: Line<'c>, meta: Meta, lines: u32) {
        let mut logical = Logical::new(meta, line.content, lines, line.journal);
        // What an envelope had to unescape has other bytes than its chunk.
        let may = self.has_escape || matches!(logical.content, Cow::Owned(_));
        if may && ansi::has_escape(&logical.content) {
            plain::strip(&mut logical, self.settings.keep_ansi);
        }
        match self.next(work, at, &logical) {
            Next::Begins => self.begin(work, at, logical),
            Next::Continues => self.append(work, at, &logical),
            Next::Waits => {
                let number = work.queue.push(logical, 0, State::Open);
                work.slots[at].held.push(number);
            }
        }
    }

    /// A line begins a record.
    #[inline]
    pub(super) fn begin<'c>(&self, work: &mut Work<'c>, at: usize, logical: Logical<'c>) {
        let state = Open::start(&logical.content);
        let number = work.queue.push(logical, 0, State::Open);
        if let Some((done, _)) = work.slots[at].open.replace((number, state)) {
            work.done(done);
        }
    }

    /// The same for a line that is in the queue.
    fn place(&mut self, work: &mut Work<'_>, at: usize, number: u64) {
        let Some(item) = work.queue.get(number) else { return };
        // It is put back unless the open record takes it.
        let empty = Logical::new(item.logical.meta, b"".into(), 0, None);
        let logical = std::mem::replace(&mut item.logical, empty);
        let answer = self.next(work, at, &logical);
        if answer == Next::Continues {
            self.append(work, at, &logical);
            if let Some(item) = work.queue.get(number) {
                item.state = State::Gone;
            }
            return;
        }
        let state = Open::start(&logical.content);
        if let Some(item) = work.queue.get(number) {
            item.logical = logical;
        }
        if answer == Next::Waits {
            work.slots[at].held.push(number);
        } else if let Some((done, _)) = work.slots[at].open.replace((number, state)) {
            work.done(done);
        }
    }

    /// What becomes of a line. Lines that waited in vain have become records when it begins one.
    #[inline]
    fn next(&mut self, work: &mut Work<'_>, at: usize, line: &Logical<'_>) -> Next {
        if self.custom.is_any()
            && let Some(next) = self.next_by_rule(work, at, line)
        {
            return next;
        }
        loop {
            let slot = &mut work.slots[at];
            let Some((number, state)) = &mut slot.open else { return Next::Begins };
            let Some(open) = work.queue.get(*number) else { return Next::Begins };
            let mut answer = state.next(&open.logical.content, &line.content);
            if answer != Next::Begins && !self.may_follow(&open.logical, line) {
                answer = Next::Begins;
            }
            if answer != Next::Begins || slot.held.is_empty() {
                return answer;
            }
            self.release(work, at);
        }
    }

    /// A line that goes on by its text belongs to the record, unless it came too late or is too long.
    #[cold]
    pub(super) fn may_follow(&self, open: &Logical<'_>, line: &Logical<'_>) -> bool {
        open.content.len() + line.content.len() <= self.settings.record_bytes_max && open.is_followed_by(&line.meta)
    }

    /// The open record takes the lines that wait, and one after them.
    #[cold]
    pub(super) fn append(&mut self, work: &mut Work<'_>, at: usize, line: &Logical<'_>) {
        let Some((number, _)) = work.slots[at].open else { return };
        for held in std::mem::take(&mut work.slots[at].held) {
            let Some(item) = work.queue.get(held) else { continue };
            item.state = State::Gone;
            let empty = Logical::new(item.logical.meta, b"".into(), 0, None);
            let held = std::mem::replace(&mut item.logical, empty);
            if let Some(open) = work.queue.get(number) {
                open.logical.append(&held.content, held.raw.as_deref(), b"\n", held.lines, &held.meta);
            }
        }
        if let Some(open) = work.queue.get(number) {
            open.logical.append(&line.content, line.raw.as_deref(), b"\n", line.lines, &line.meta);
        }
    }

    /// The first of the lines that wait begins a record; those after it are looked at again.
    #[cold]
    fn release(&mut self, work: &mut Work<'_>, at: usize) {
        let mut held = std::mem::take(&mut work.slots[at].held).into_iter();
        let Some(first) = held.next() else { return };
        let Some(item) = work.queue.get(first) else { return };
        let state = Open::start(&item.logical.content);
        if let Some((done, _)) = work.slots[at].open.replace((first, state)) {
            work.done(done);
        }
        for number in held {
            self.place(work, at, number);
        }
    }

    /// Nothing more comes: lines that wait are records.
    pub(super) fn release_all(&mut self, work: &mut Work<'_>, at: usize) {
        while !work.slots[at].held.is_empty() {
            self.release(work, at);
        }
    }
}
