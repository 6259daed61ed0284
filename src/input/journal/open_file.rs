//! One file of a journal that is followed: how far it is written, and read.
//!
//! In goes a look at the file, out comes whether there is something to read. The memory that reading takes is given back while
//! nothing is written. In which order files are read is not decided here.

use std::io;
use std::time::SystemTime;

use spanline_parsers::journal_file::Header;

use super::cursor::Cursor;
use super::listing::Listed;
use crate::files::identity::FileId;
use crate::files::section::Section;

/// A file in which nothing was new for so many looks gives back the memory that reading it takes.
const QUIET_LOOKS: u8 = 50;

/// How far a file is written, as its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    last_seqnum: u64,
    /// journald gives an entry its number before the entry is whole, and counts it behind that: both are to be compared.
    entries: u64,
    is_archived: bool,
}

impl Written {
    pub(super) fn of(header: &Header) -> Written {
        Written { last_seqnum: header.last_seqnum, entries: header.entries, is_archived: header.is_archived }
    }
}

/// A file that is open.
pub(super) struct OpenFile {
    pub(super) id: FileId,
    pub(super) changed: Option<SystemTime>,
    pub(super) section: Section,
    pub(super) seqnum_id: [u8; 16],
    /// The number of its first entry.
    pub(super) first: u64,
    /// It was listed the last time.
    pub(super) is_there: bool,
    pub(super) cursor: Option<Box<Cursor>>,
    /// What was written when it was read last.
    seen: Option<Written>,
    /// What is written by now.
    pub(super) now: Written,
    /// How often in a row nothing was new.
    quiet: u8,
}

impl OpenFile {
    pub(super) fn new(listed: &Listed, section: Section, header: &Header) -> OpenFile {
        OpenFile {
            id: listed.id,
            changed: listed.changed,
            section,
            seqnum_id: header.seqnum_id,
            first: header.first_seqnum,
            is_there: true,
            cursor: None,
            seen: None,
            now: Written::of(header),
            quiet: 0,
        }
    }

    /// All of it was read, as far as it was written.
    pub(super) fn is_read(&self) -> bool {
        self.cursor.is_none() && self.seen == Some(self.now)
    }

    /// Looks at what was written since, from this number on; whether there is anything.
    pub(super) fn refreshed(&mut self, from: u64) -> io::Result<bool> {
        let cursor = match &mut self.cursor {
            Some(cursor) => {
                if self.seen != Some(self.now) {
                    cursor.refresh()?;
                }
                cursor
            }
            None => self.cursor.insert(Box::new(Cursor::open(self.section.clone(), from)?)),
        };
        self.seen = Some(Written::of(cursor.header()));
        let is_behind = cursor.peek().is_some();
        self.quiet = if is_behind { 0 } else { self.quiet.saturating_add(1) };
        if self.quiet > QUIET_LOOKS && !self.now.is_archived {
            self.cursor = None;
        }
        Ok(is_behind)
    }

    /// Bytes of it that were written and not read, as its header says by now, where the entry of this number is the next one.
    pub(super) fn behind(&mut self, header: &Header, next: u64) -> u64 {
        if self.is_read() || header.last_seqnum < next {
            return 0;
        }
        // The hash tables stand before all entries, and are most of a small file.
        let tables = [header.data_table, header.field_table].map(|(at, bytes)| at.saturating_add(bytes));
        let begin = tables.into_iter().filter(|end| *end < header.last_object).max().unwrap_or(header.first_object);
        let read = self.cursor.as_ref().map_or(begin, |cursor| cursor.read_up_to().max(begin));
        header.last_object.saturating_sub(read).max(1)
    }

    /// It cannot be read: it counts as read.
    pub(super) fn give_up(&mut self) {
        (self.cursor, self.seen) = (None, Some(self.now));
    }
}
