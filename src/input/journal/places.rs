//! Arrays of entries: where the entries of a file stand, or those that have a field.
//!
//! In goes the place of the first array, out come places of entries in their order, some at a time. A chain that leads back, or
//! to something else, ends with an error.

use spanline_parsers::journal_file::{ARRAY_BYTES, Entry, Kind, next_array};

use super::file::JournalFile;

/// Places read at once.
const PLACES: u64 = 4096;

/// The chain is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// A chain of arrays, being read.
#[derive(Debug, Clone)]
pub(super) struct Arrays {
    /// The next one; 0 for none.
    array: u64,
    /// Items of it that were read.
    read: u64,
    ahead: Vec<u64>,
    at: usize,
    /// The last place that was given, or stands before the chain.
    last: u64,
}

impl Arrays {
    /// A chain that begins with this array.
    pub(super) fn new(array: u64) -> Arrays {
        Arrays { array, read: 0, ahead: Vec::new(), at: 0, last: 0 }
    }

    /// The next place; `None` at the end.
    #[inline]
    pub(super) fn next(&mut self, file: &mut JournalFile) -> Result<Option<u64>, Broken> {
        if self.at == self.ahead.len() && !self.load(file)? {
            return Ok(None);
        }
        let place = self.ahead[self.at];
        // What was not filled yet are zeros, at the end of the last one.
        if place == 0 {
            return Ok(None);
        }
        if place <= self.last || !place.is_multiple_of(8) || place >= file.end() {
            return Err(Broken);
        }
        self.at += 1;
        self.last = place;
        Ok(Some(place))
    }

    /// Reads more places; whether there are any.
    fn load(&mut self, file: &mut JournalFile) -> Result<bool, Broken> {
        self.ahead.clear();
        self.at = 0;
        while self.array != 0 {
            let (items, next) = items(file, self.array).ok_or(Broken)?;
            if self.read == items {
                // One that follows may be made later.
                if next == 0 {
                    return Ok(false);
                }
                // Arrays are written one behind the other.
                if next <= self.array {
                    return Err(Broken);
                }
                (self.array, self.read) = (next, 0);
                continue;
            }
            let wanted = (items - self.read).min(PLACES);
            let (item_bytes, header) = (file.header.array_item_bytes(), file.header);
            let from = self.array + ARRAY_BYTES as u64 + self.read * item_bytes as u64;
            let bytes = file.bytes(from, wanted as usize * item_bytes).ok_or(Broken)?;
            self.ahead.extend(bytes.chunks_exact(item_bytes).map(|item| header.item(item)));
            self.read += wanted;
            return Ok(true);
        }
        Ok(false)
    }

    /// The chain may have grown: what was not filled is read again. `first`: its first array, which may have been made since.
    pub(super) fn refresh(&mut self, first: u64) {
        if self.array == 0 {
            self.array = first;
        }
        self.read -= (self.ahead.len() - self.at) as u64;
        self.ahead.clear();
        self.at = 0;
    }

    /// Passes over the first entries, as long as they are before what is wanted; how many these are. All that are before it
    /// must stand before all others.
    pub(super) fn skip(&mut self, file: &mut JournalFile, is_before: &dyn Fn(&Entry) -> bool) -> u64 {
        let mut skipped = 0;
        while let Some((items, next)) = items(file, self.array) {
            let is_item_before = |file: &mut JournalFile, index: u64| {
                let place = item(file, self.array, index).filter(|place| *place != 0)?;
                Some(is_before(&file.entry(place)?.entry))
            };
            if next != 0 && items > 0 && is_item_before(file, items - 1) == Some(true) && next > self.array {
                skipped += items;
                (self.array, self.read) = (next, 0);
                continue;
            }
            let (mut from, mut to) = (0, items);
            while from < to {
                let middle = from + (to - from) / 2;
                match is_item_before(file, middle) {
                    Some(true) => from = middle + 1,
                    Some(false) | None => to = middle,
                }
            }
            self.read = from;
            return skipped + from;
        }
        skipped
    }
}

/// How many items an array has, and the one that follows it.
fn items(file: &mut JournalFile, array: u64) -> Option<(u64, u64)> {
    let object = file.object(array).filter(|object| object.kind == Kind::EntryArray)?;
    let bytes = object.size.checked_sub(ARRAY_BYTES as u64)?;
    let next = next_array(file.bytes(array, ARRAY_BYTES)?)?;
    Some((bytes / file.header.array_item_bytes() as u64, next))
}

fn item(file: &mut JournalFile, array: u64, index: u64) -> Option<u64> {
    let (bytes, header) = (file.header.array_item_bytes(), file.header);
    let at = array + ARRAY_BYTES as u64 + index * bytes as u64;
    Some(header.item(file.bytes(at, bytes)?))
}
