//! The entries of a file as a stream.
//!
//! In go a file and which of its entries are wanted, out come their frames, as whoever reads a log reads bytes. What is damaged
//! is told within the stream, where it was met. The stream ends at the last entry that was whole when the file was opened.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spanline_parsers::journal_file::{HEADER_BYTES, Header, HeaderError};
use spanline_parsers::journal_frames as frames;

use super::file::JournalFile;
use super::index;
use super::places::{Arrays, Broken};
use super::query::{Boot, JournalQuery};
use super::scan::Scan;
use crate::files::section::Section;

/// Frames are put together until there are so many bytes: what is open when a chunk of them ends is copied.
const FRAMES_BYTES: usize = 256 << 10;

/// The entries of a file, as a stream of frames.
pub struct JournalStream {
    file: JournalFile,
    query: Arc<JournalQuery>,
    places: Places,
    out: Vec<u8>,
    given: usize,
    /// Entries that were met, damaged ones among them.
    met: u64,
    /// Entries that could not be read, and fields of them, not told yet.
    lost: u64,
    /// Where the object behind the last entry stands, and that one's number.
    last: (u64, u64),
    count: Option<Arc<AtomicU64>>,
    counted: u64,
    has_ended: bool,
}

/// Where the entries are found.
enum Places {
    /// By the file's own list of them.
    All(Arrays),
    /// Those that have a field that is wanted.
    Chosen(std::vec::IntoIter<u64>),
    /// By looking at all that stands in the file.
    Scan(Scan),
}

/// When the first entry of a file came, µs since the epoch, by the first bytes of the file; `None` if that is not told.
pub fn first_usec(head: &[u8]) -> Option<u64> {
    Header::parse(head.get(..HEADER_BYTES)?).ok().map(|header| header.realtime.0).filter(|usec| *usec > 0)
}

/// Whose numbers the entries of a file have, and the number of its first one, by the first bytes of the file.
pub fn first_number(head: &[u8]) -> Option<([u8; 16], u64)> {
    Header::parse(head.get(..HEADER_BYTES)?).ok().map(|header| (header.seqnum_id, header.first_seqnum))
}

/// Whether a file that begins so is a journal's.
pub fn is_journal(head: &[u8]) -> bool {
    Header::parse(head) != Err(HeaderError::NoJournal)
}

/// The boots whose entries a file has.
pub fn boots(section: Section) -> Vec<Boot> {
    JournalFile::open(section).map(|mut file| index::boots(&mut file)).unwrap_or_default()
}

impl JournalStream {
    /// Opens it. `count` grows by the bytes of the file as they are passed.
    pub fn new(section: Section, query: Arc<JournalQuery>, count: Option<Arc<AtomicU64>>) -> io::Result<JournalStream> {
        let mut file = JournalFile::open(section)?;
        let header = file.header;
        let chosen = index::candidates(&mut file, &query);
        let mut met = 0;
        let places = match chosen {
            Some(mut chosen) => {
                let since = query.since_usec.unwrap_or_default();
                let is_before = |place: &u64| file.entry(*place).is_some_and(|found| found.entry.realtime < since);
                let before = chosen.partition_point(is_before);
                chosen.drain(..before);
                Places::Chosen(chosen.into_iter())
            }
            None => {
                let mut arrays = Arrays::new(header.entry_array);
                if let Some(since) = query.since_usec {
                    // They stand in the order in which they came, but for steps of the clock.
                    met = arrays.skip(&mut file, &|entry| entry.realtime < since);
                }
                Places::All(arrays)
            }
        };
        let is_outside = query.since_usec.is_some_and(|since| header.realtime.1 < since && !header.is_online)
            || query.until_usec.is_some_and(|until| header.realtime.0 > until);
        Ok(JournalStream {
            last: (header.first_object, 0),
            file,
            query,
            places,
            out: frames::START.to_vec(),
            given: 0,
            met,
            lost: 0,
            count,
            counted: 0,
            has_ended: is_outside,
        })
    }

    /// Bytes of the file that were read so far, those that were read again among them.
    pub fn bytes_read(&self) -> u64 {
        self.file.bytes_read()
    }

    /// The place of the next entry; `None` at the end.
    fn next_place(&mut self) -> Option<u64> {
        let next = match &mut self.places {
            Places::Scan(scan) => {
                let end = self.file.end();
                return scan.next(&mut self.file, end);
            }
            Places::Chosen(places) => return places.next(),
            // What is written now may be in the list and not whole.
            Places::All(_) if self.file.header.is_online && self.met >= self.file.header.entries => return None,
            Places::All(arrays) => arrays.next(&mut self.file),
        };
        match next {
            Ok(Some(place)) => Some(place),
            Ok(None) if self.met >= self.file.header.entries => None,
            Ok(None) | Err(Broken) => {
                let mut scan = Scan::new(self.last.0, self.last.1);
                let end = self.file.end();
                let place = scan.next(&mut self.file, end);
                self.places = Places::Scan(scan);
                place
            }
        }
    }

    /// Puts the next frames together.
    fn fill(&mut self) {
        self.out.clear();
        self.given = 0;
        while self.out.len() < FRAMES_BYTES && !self.has_ended {
            let Some(place) = self.next_place() else {
                self.end();
                break;
            };
            self.met += 1;
            self.passed(place);
            let Some(found) = self.file.entry(place) else {
                self.lost += 1;
                continue;
            };
            self.last = (found.end, found.entry.seqnum);
            let came = found.entry.realtime;
            if self.query.since_usec.is_some_and(|since| came < since) {
                continue;
            }
            if self.query.until_usec.is_some_and(|until| came > until) {
                self.has_ended = true;
                break;
            }
            self.tell_lost();
            let start = self.out.len();
            match self.file.frame(place, &found, &mut self.out) {
                Some(fields) => self.lost += fields,
                None => {
                    self.out.truncate(start);
                    self.lost += 1;
                }
            }
            if !self.query.wants_all() && !self.query.matches(&self.out[start..]) {
                self.out.truncate(start);
            }
        }
        if self.has_ended {
            let end = self.file.end();
            self.passed(end);
            self.tell_lost();
        }
    }

    /// All entries were met that are found. What the header counts beyond them is lost.
    fn end(&mut self) {
        self.has_ended = true;
        let header = self.file.header;
        // Where the number itself is damaged, it says nothing.
        let is_possible = header.entries <= header.end / 64;
        if is_possible && !matches!(self.places, Places::Chosen(_)) {
            self.lost += header.entries.saturating_sub(self.met);
        }
    }

    fn tell_lost(&mut self) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            frames::lost(lost, &mut self.out);
        }
    }

    fn passed(&mut self, place: u64) {
        if let Some(count) = &self.count
            && place > self.counted
        {
            count.fetch_add(place - self.counted, Ordering::Relaxed);
            self.counted = place;
        }
    }
}

impl Read for JournalStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.out.len() {
            if self.has_ended {
                return self.file.take_error().map_or(Ok(0), Err);
            }
            self.fill();
        }
        let rest = &self.out[self.given..];
        let taken = rest.len().min(into.len());
        into[..taken].copy_from_slice(&rest[..taken]);
        self.given += taken;
        Ok(taken)
    }
}
