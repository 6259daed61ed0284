//! Records that wait for their links: read and parsed once, held as bytes until what belongs together is known.
//!
//! In go the records of one source while it is read, with what happens to its files in between; out they come again, as
//! often as they are wanted, equal in every field. Nothing is read, linked or sent here.

mod item;
mod layout;
mod read;
mod write;

use std::ops::ControlFlow;

use crate::counts::around;
use crate::record::{Origin, Record};
pub use item::Item;
use read::Reader;
use write::{EVENT_BYTES, Writer, length};

/// Bytes of a block that is full. Blocks are not moved when another one begins.
const BLOCK_BYTES: usize = 1 << 20;
/// Bytes that the first block has room for: most of many sources are small.
const FIRST_BYTES: usize = 4 << 10;

/// The records of one source.
#[derive(Debug, Default)]
pub struct Waiting {
    blocks: Vec<Vec<u8>>,
    /// Who wrote them: each origin once, in the order of their first records.
    origins: Vec<Origin>,
    /// Address of the last record's origin while the source is read, and its number.
    last_origin: Option<(usize, u32)>,
    /// Bytes of all blocks, unused room included.
    capacity: usize,
    /// The earliest time of a record, and the latest.
    times: Option<(i64, i64)>,
}

impl Waiting {
    /// Takes a record. False if it cannot be held: its text is longer than four GiB.
    pub fn push(&mut self, record: &Record<'_>) -> bool {
        let origin = self.origin_number(record.origin);
        let Some(length) = length(record) else { return false };
        self.times = around(self.times, record.time.map(|time| (time, time)));
        self.write(length, |writer| writer.record(record, origin));
        true
    }

    /// A file begins.
    pub fn file_begins(&mut self, file: u32) {
        self.write(EVENT_BYTES, |writer| writer.file_begins(file));
    }

    /// A file ends.
    pub fn file_ends(&mut self, whole: bool) {
        self.write(EVENT_BYTES, |writer| writer.file_ends(whole));
    }

    /// Records up to a line have come.
    pub fn given_up_to(&mut self, open: Option<(u32, u64)>) {
        self.write(EVENT_BYTES, |writer| writer.given_up_to(open));
    }

    /// No more comes: room that is not used is given back.
    pub fn finish(&mut self) {
        if let Some(last) = self.blocks.last_mut() {
            self.capacity -= last.capacity();
            last.shrink_to_fit();
            self.capacity += last.capacity();
        }
        self.last_origin = None;
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.capacity + self.origins.len() * size_of::<Origin>()
    }

    /// The earliest time of a record, and the latest, ns since the epoch; `None` where none has one.
    pub fn times(&self) -> Option<(i64, i64)> {
        self.times
    }

    /// Who wrote the records. What is known of a writer may be told better later on.
    pub fn origins_mut(&mut self) -> impl Iterator<Item = &mut Origin> {
        self.origins.iter_mut()
    }

    /// Gives everything in the order in which it came, until it is told to stop; the records are those of this source.
    pub fn each(&self, source: u32, mut take: impl FnMut(Item<'_>) -> ControlFlow<()>) {
        for block in &self.blocks {
            let mut reader = Reader::new(block, source, &self.origins);
            while let Some(next) = reader.next(&mut take) {
                if next.is_break() {
                    return;
                }
            }
        }
    }

    fn write(&mut self, length: usize, write: impl FnOnce(&mut Writer<'_>)) {
        let has_room = |block: &Vec<u8>| block.len() + length <= BLOCK_BYTES.max(block.capacity());
        if !self.blocks.last().is_some_and(has_room) {
            let room = if self.blocks.is_empty() { FIRST_BYTES } else { BLOCK_BYTES };
            self.blocks.push(Vec::with_capacity(room.max(length)));
            self.capacity += self.blocks.last().map_or(0, Vec::capacity);
        }
        let Some(block) = self.blocks.last_mut() else { return };
        let before = block.capacity();
        write(&mut Writer::new(block));
        self.capacity += block.capacity() - before;
    }

    fn origin_number(&mut self, origin: &Origin) -> u32 {
        let address = std::ptr::from_ref(origin) as usize;
        if let Some((_, number)) = self.last_origin.filter(|(last, _)| *last == address) {
            return number;
        }
        let known = self.origins.iter().position(|known| known == origin);
        let number = known.unwrap_or_else(|| {
            self.origins.push(origin.clone());
            self.origins.len() - 1
        });
        self.last_origin = Some((address, number as u32));
        number as u32
    }
}

#[cfg(test)]
mod tests;
