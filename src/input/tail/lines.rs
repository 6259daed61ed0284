//! The next lines of an open file, from the place on up to which it was read, as many whole ones as fit into a turn.
//!
//! Before them the frontier is read again: if it differs, the file is not what it was.

use std::io;

use super::config::TailLimits;
use super::file::File;
use super::file_system::OpenFile;
use super::opened::{Form, form, head, holds};
use crate::files::followed::{Place, SAMPLE_BYTES_MAX, Sample};
use crate::unpack::START_BYTES;

/// What a turn has found.
#[derive(Debug)]
pub(super) enum Turn {
    /// Lines stand in the window.
    Lines(Lines),
    /// Nothing to give yet, but there is more to read.
    Searching,
    /// Nothing more to give.
    AtEnd,
    /// It ends before where it was seen to end.
    Shorter,
    /// It does not hold what it held.
    Changed,
}

/// Lines in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lines {
    /// Where they begin in the window.
    pub(super) start: usize,
    /// Where they end in it.
    pub(super) end: usize,
    /// The first is the rest of a line that was cut.
    pub(super) continues: bool,
    /// The last is cut.
    pub(super) cut: bool,
    /// There may be more.
    pub(super) has_more: bool,
    /// The place behind them.
    pub(super) place: Place,
}

impl<H: OpenFile> File<H> {
    /// How an open file is stored; it must have something in it.
    pub(super) fn find_form(&mut self) -> io::Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        if self.form == Form::Unknown {
            let found = form(&*open.handle)?;
            // Of a short one that may yet become clear.
            if found == Form::Packed || self.size >= START_BYTES as u64 {
                self.form = found;
            }
        }
        Ok(())
    }

    /// The next lines of an open file. `takes_rest`: also a line that is not finished.
    pub(super) fn turn(&mut self, window: &mut Vec<u8>, limits: &TailLimits, takes_rest: bool) -> io::Result<Turn> {
        let Some(open) = &mut self.open else { return Ok(Turn::AtEnd) };
        let (at, lead, start) = (self.place.at, self.place.frontier.bytes(), self.place.frontier_start());
        let line_max = limits.line_bytes_max.max(1);
        let turn_bytes = limits.turn_bytes.clamp(1, line_max);
        // Up to there no line feed was found behind the place.
        let searched = usize::try_from(self.searched.saturating_sub(at)).unwrap_or(line_max).min(line_max);
        let wanted = if self.form == Form::Packed {
            if !open.come_to(start)? {
                return Ok(Turn::Searching);
            }
            searched.max(open.held_bytes().saturating_sub(lead)) + turn_bytes
        } else if takes_rest {
            line_max + 1
        } else if searched > 0 {
            let found = open.search(window, self.searched, turn_bytes)?;
            if !found.has_found && searched + found.bytes <= line_max {
                self.searched += found.bytes as u64;
                // What comes next may be long in coming.
                if found.has_ended && !holds(&*open.handle, self.place.frontier, start)? {
                    return Ok(Turn::Changed);
                }
                if found.has_ended && self.searched < self.size && open.handle.stat()?.size < self.size {
                    return Ok(Turn::Shorter);
                }
                return Ok(if found.has_ended { Turn::AtEnd } else { Turn::Searching });
            }
            searched + found.bytes
        } else {
            turn_bytes
        };
        let has_ended = open.fill(window, start, (lead + wanted).max(SAMPLE_BYTES_MAX))?;
        if window.len() < lead || Sample::of(&window[..lead]) != self.place.frontier {
            return Ok(Turn::Changed);
        }
        if start == 0 {
            if !self.prefix.is_start_of(window) {
                return Ok(Turn::Changed);
            }
            self.prefix = Sample::of_start(window);
        }
        let read_to = start + window.len() as u64;
        if self.form != Form::Packed {
            if has_ended && read_to < self.size && open.handle.stat()?.size < self.size {
                return Ok(Turn::Shorter);
            }
            self.sure = self.sure.max(self.size).max(read_to);
            self.size = self.size.max(read_to);
        }
        match end_of_lines(&window[lead..], line_max, takes_rest && has_ended) {
            Some((end, cut)) => {
                let end = lead + end;
                let place = Place { at: at + (end - lead) as u64, frontier: Sample::of_end(&window[..end]) };
                if let Some(packed) = &mut open.packed {
                    packed.give(end - place.frontier.bytes());
                }
                let continues = lead > 0 && window[lead - 1] != b'\n';
                let has_more = !has_ended || cut || end < window.len() && takes_rest;
                Ok(Turn::Lines(Lines { start: lead, end, continues, cut, has_more, place }))
            }
            None => {
                self.searched = read_to;
                Ok(if has_ended { Turn::AtEnd } else { Turn::Searching })
            }
        }
    }

    /// Whether an open file holds what it held: its first bytes, and those before the place.
    pub(super) fn is_what_it_was(&mut self) -> io::Result<bool> {
        let Some(open) = &mut self.open else { return Ok(true) };
        self.searched = 0;
        if self.form == Form::Packed {
            let (head, _) = head(&open.handle)?;
            return Ok(self.prefix.is_start_of(&head));
        }
        Ok(holds(&*open.handle, self.prefix, 0)?
            && holds(&*open.handle, self.place.frontier, self.place.frontier_start())?)
    }
}

/// The end of the last whole line, or of the first piece of one that is too long, and whether it is such a piece.
fn end_of_lines(bytes: &[u8], line_max: usize, takes_rest: bool) -> Option<(usize, bool)> {
    match memchr::memchr(b'\n', bytes) {
        Some(first) if first > line_max => Some((line_max, true)),
        Some(_) => memchr::memrchr(b'\n', bytes).map(|last| (last + 1, false)),
        None if bytes.len() > line_max => Some((line_max, true)),
        None => (takes_rest && !bytes.is_empty()).then_some((bytes.len(), false)),
    }
}
