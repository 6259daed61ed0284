//! Entries found without the arrays that tell their places: object by object.
//!
//! In goes the place from which on the arrays are damaged, out come places of entries. Behind an object that is damaged too,
//! the next entry is searched for: what looks like one, and comes after those before.

use spanline_parsers::journal_file::{Kind, OBJECT_BYTES};

use super::file::JournalFile;

/// An entry looks like one if it came at most so long before the first or after the last one that the header knows, µs:
/// a day.
const AROUND_USEC: u64 = 86_400_000_000;

/// A search for entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    at: u64,
    /// The number of the last entry that was found.
    seqnum: u64,
    /// Objects are no longer known to stand here.
    is_lost: bool,
}

impl Scan {
    /// From a place on where an object stands, behind the entry of this number.
    pub(super) fn new(at: u64, seqnum: u64) -> Scan {
        Scan { at, seqnum, is_lost: false }
    }

    /// The place of the next entry, among the objects that end here at the latest.
    pub(super) fn next(&mut self, file: &mut JournalFile, end: u64) -> Option<u64> {
        while self.at + OBJECT_BYTES as u64 <= end {
            let at = self.at;
            let Some(object) = file.object(at) else {
                self.is_lost = true;
                self.at += 8;
                continue;
            };
            let is_entry = object.kind == Kind::Entry && self.is_next(file, at);
            if self.is_lost && !is_entry {
                self.at += 8;
                continue;
            }
            self.is_lost = false;
            self.at = (at + object.size).next_multiple_of(8);
            if is_entry {
                return Some(at);
            }
        }
        None
    }

    fn is_next(&mut self, file: &mut JournalFile, at: u64) -> bool {
        let Some(found) = file.entry(at) else { return false };
        let (entry, header) = (found.entry, file.header);
        let (first, last) = header.realtime;
        let is_of_time =
            entry.realtime >= first.saturating_sub(AROUND_USEC) && entry.realtime <= last.saturating_add(AROUND_USEC);
        // The numbers of the header may be what is damaged: then what looks like an entry is one.
        let is_known = header.last_seqnum > self.seqnum && last >= first;
        let is_next = entry.seqnum > self.seqnum && (!is_known || entry.seqnum <= header.last_seqnum && is_of_time);
        if is_next {
            self.seqnum = entry.seqnum;
        }
        is_next
    }
}
