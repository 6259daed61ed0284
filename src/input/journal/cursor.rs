//! One file of a journal, read on as it is written.
//!
//! In goes a file, out come its entries by their numbers, up to what was whole when it was looked at last. Which of several
//! files is read next is not decided here.

use std::io;

use spanline_parsers::journal_file::{Header, OBJECT_BYTES};

use super::file::{EntryAt, JournalFile};
use super::places::{Arrays, Broken};
use super::scan::Scan;
use crate::files::section::Section;

/// One file that is followed.
pub(super) struct Cursor {
    section: Section,
    file: JournalFile,
    arrays: Arrays,
    /// How entries are found since the arrays were found to be damaged.
    scan: Option<Scan>,
    next: Option<(u64, EntryAt)>,
    /// Entries that were met.
    met: u64,
    /// Where the object behind the last one stands, and its number.
    last: (u64, u64),
    /// Entries and fields that could not be read, not told yet.
    lost: u64,
}

/// The number of the first entry of a file that came at this time or later, µs since the epoch, by its own list of them.
pub(super) fn first_since(section: Section, usec: u64) -> io::Result<Option<u64>> {
    let mut file = open(&section)?;
    let mut arrays = Arrays::new(file.header.entry_array);
    arrays.skip(&mut file, &|entry| entry.realtime < usec);
    Ok(match arrays.next(&mut file) {
        Ok(place) => place.and_then(|place| file.entry(place)).map(|found| found.entry.seqnum),
        // Rather more than what is wanted.
        Err(Broken) => Some(file.header.first_seqnum),
    })
}

/// Opens a file that may have grown since its section was made: its length is looked at behind its header, so that what the
/// header tells of is within it.
fn open(section: &Section) -> io::Result<JournalFile> {
    let mut file = JournalFile::open(section.clone())?;
    file.grow()?;
    Ok(file)
}

impl Cursor {
    /// Goes to the first entry with this number or a later one.
    pub(super) fn open(section: Section, from: u64) -> io::Result<Cursor> {
        let mut file = open(&section)?;
        let mut arrays = Arrays::new(file.header.entry_array);
        let met = arrays.skip(&mut file, &|entry| entry.seqnum < from);
        let last = (file.header.first_object, from.saturating_sub(1));
        Ok(Cursor { section, file, arrays, scan: None, next: None, met, last, lost: 0 })
    }

    /// Looks at what was written since.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        self.file.refresh(&self.section)?;
        self.arrays.refresh(self.file.header.entry_array);
        Ok(())
    }

    /// The number of the next entry; `None` where there is none yet.
    pub(super) fn peek(&mut self) -> Option<u64> {
        while self.next.is_none() {
            let place = self.next_place()?;
            self.met += 1;
            match self.file.entry(place) {
                Some(found) => {
                    self.last = (found.end, found.entry.seqnum);
                    self.next = Some((place, found));
                }
                None => self.lost += 1,
            }
        }
        self.next.as_ref().map(|(_, found)| found.entry.seqnum)
    }

    fn next_place(&mut self) -> Option<u64> {
        // What is written now may be in the list and not whole.
        if self.file.header.is_online && self.met >= self.file.header.entries {
            return None;
        }
        if self.scan.is_none() {
            match self.arrays.next(&mut self.file) {
                Ok(place) => return place,
                Err(Broken) => self.scan = Some(Scan::new(self.last.0, self.last.1)),
            }
        }
        let end = self.written_up_to();
        self.scan.as_mut()?.next(&mut self.file, end)
    }

    /// Behind the last byte that is searched for entries. Where journald still writes there is nothing yet behind the beginning
    /// of its last object: a search that passes over that does not find what is written there later.
    fn written_up_to(&self) -> u64 {
        let (end, header) = (self.file.end(), &self.file.header);
        let written = header.last_object.saturating_add(OBJECT_BYTES as u64);
        let is_written_to = header.is_online && header.last_object >= header.first_object;
        if is_written_to { end.min(written) } else { end }
    }

    /// Passes over the next entry.
    pub(super) fn skip(&mut self) {
        self.next = None;
    }

    /// Writes the frame of the next entry.
    pub(super) fn take(&mut self, out: &mut Vec<u8>) {
        let Some((place, found)) = self.next.take() else { return };
        let start = out.len();
        match self.file.frame(place, &found, out) {
            Some(fields) => self.lost += fields,
            None => {
                out.truncate(start);
                self.lost += 1;
            }
        }
    }

    /// Behind the last object that was read; at the beginning, the first one.
    pub(super) fn read_up_to(&self) -> u64 {
        self.last.0
    }

    /// What it said of itself when it was looked at last.
    pub(super) fn header(&self) -> &Header {
        &self.file.header
    }

    /// Nothing more is written to it.
    pub(super) fn is_archived(&self) -> bool {
        self.file.header.is_archived
    }

    /// Entries and fields that could not be read since this was asked last.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}
