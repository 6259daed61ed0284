//! Records that wait for their links: read and parsed once, held as bytes until what belongs together is known.
//!
//! In go the records of one source while it is read, with what happens to its files in between; out they come again, as
//! often as they are wanted, equal in every field, until the first of them are dropped. Nothing is read, linked or sent here.

mod item;
mod layout;
mod read;
mod write;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::counts::around;
use crate::record::{Origin, Record};
pub use item::Item;
use read::Reader;
use write::{EVENT_BYTES, Writer, length};

/// Bytes of a block that is full. Blocks are not moved when another one begins, and given back one by one.
const BLOCK_BYTES: usize = 1 << 16;
/// Bytes that the first block has room for: most of many sources are small.
const FIRST_BYTES: usize = 4 << 10;

/// The records of one source.
#[derive(Debug, Default)]
pub struct Waiting {
    blocks: VecDeque<Block>,
    /// Blocks that were dropped, and bytes of the first one left that were.
    dropped: Place,
    /// Who wrote them: each origin once, in the order of their first records. They stay where they are while there are more:
    /// whoever takes records knows writers by the addresses of their origins.
    origins: Vec<Arc<Origin>>,
    /// Address of the last record's origin while the source is read, and its number.
    last_origin: Option<(usize, u32)>,
    /// Bytes of all blocks, unused room included.
    capacity: usize,
}

#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    /// The earliest time of a record that begins in it, and the latest.
    times: Option<(i64, i64)>,
}

/// A place between two items; places stay the same when what is before them is dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    block: u64,
    bytes: usize,
}

impl Waiting {
    /// Takes a record. False if it cannot be held: its text is longer than four GiB.
    pub fn push(&mut self, record: &Record<'_>) -> bool {
        let origin = self.origin_number(record.origin);
        let Some(length) = length(record) else { return false };
        self.write(length, |writer| writer.record(record, origin));
        if let Some(block) = self.blocks.back_mut() {
            block.times = around(block.times, record.time.map(|time| (time, time)));
        }
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
        if let Some(Block { bytes, .. }) = self.blocks.back_mut() {
            self.capacity -= bytes.capacity();
            bytes.shrink_to_fit();
            self.capacity += bytes.capacity();
        }
        self.last_origin = None;
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.dropped == self.end()
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.capacity + self.origins.len() * size_of::<Origin>()
    }

    /// The earliest time of a record, and the latest, ns since the epoch; `None` where none has one. Of the first records
    /// some that were dropped may be among them.
    pub fn times(&self) -> Option<(i64, i64)> {
        self.blocks.iter().fold(None, |all, block| around(all, block.times))
    }

    /// Who wrote the records. What is known of a writer may be told better later on.
    pub fn origins_mut(&mut self) -> impl Iterator<Item = &mut Origin> {
        self.origins.iter_mut().map(Arc::make_mut)
    }

    /// Where it ends by now.
    pub fn end(&self) -> Place {
        match self.blocks.back() {
            Some(last) => Place { block: self.dropped.block + self.blocks.len() as u64 - 1, bytes: last.bytes.len() },
            None => self.dropped,
        }
    }

    /// Gives everything in the order in which it came, until it is told to stop; the records are those of this source.
    pub fn each(&self, source: u32, take: impl FnMut(Item<'_>) -> ControlFlow<()>) {
        self.each_from(self.dropped, source, take);
    }

    /// The same from a place on. Returns the place of the item at which it was told to stop, or the end.
    pub fn each_from(&self, from: Place, source: u32, take: impl FnMut(Item<'_>) -> ControlFlow<()>) -> Place {
        self.each_between(from, self.end(), source, take)
    }

    /// The same up to another place.
    pub fn each_between(
        &self,
        from: Place,
        to: Place,
        source: u32,
        mut take: impl FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Place {
        let mut place = from.max(self.dropped);
        let skipped = usize::try_from(place.block - self.dropped.block).unwrap_or(usize::MAX);
        for block in self.blocks.iter().skip(skipped) {
            let mut reader = Reader::new(&block.bytes, source, &self.origins);
            reader.skip(place.bytes);
            loop {
                place.bytes = block.bytes.len() - reader.left();
                if place >= to {
                    return place;
                }
                match reader.next(&mut take) {
                    Some(ControlFlow::Continue(())) => {}
                    Some(ControlFlow::Break(())) => return place,
                    None => break,
                }
            }
            place = Place { block: place.block + 1, bytes: 0 };
        }
        place.min(self.end())
    }

    /// Drops what is before a place.
    pub fn drop_before(&mut self, place: Place) {
        while self.dropped.block < place.block
            && let Some(block) = self.blocks.pop_front()
        {
            self.capacity -= block.bytes.capacity();
            self.dropped = Place { block: self.dropped.block + 1, bytes: 0 };
        }
        self.dropped = self.dropped.max(place);
        if self.blocks.len() == 1 && self.dropped == self.end() {
            self.capacity = 0;
            self.blocks.clear();
            self.dropped = Place { block: self.dropped.block + 1, bytes: 0 };
        }
    }

    fn write(&mut self, length: usize, write: impl FnOnce(&mut Writer<'_>)) {
        let has_room = |block: &Block| block.bytes.len() + length <= BLOCK_BYTES.max(block.bytes.capacity());
        if !self.blocks.back().is_some_and(has_room) {
            let room = if self.blocks.is_empty() { FIRST_BYTES } else { BLOCK_BYTES };
            let bytes = Vec::with_capacity(room.max(length));
            self.capacity += bytes.capacity();
            self.blocks.push_back(Block { bytes, times: None });
        }
        let Some(Block { bytes, .. }) = self.blocks.back_mut() else { return };
        let before = bytes.capacity();
        write(&mut Writer::new(bytes));
        self.capacity += bytes.capacity() - before;
    }

    fn origin_number(&mut self, origin: &Origin) -> u32 {
        let address = std::ptr::from_ref(origin) as usize;
        if let Some((_, number)) = self.last_origin.filter(|(last, _)| *last == address) {
            return number;
        }
        let known = self.origins.iter().position(|known| **known == *origin);
        let number = known.unwrap_or_else(|| {
            self.origins.push(Arc::new(origin.clone()));
            self.origins.len() - 1
        });
        self.last_origin = Some((address, number as u32));
        number as u32
    }
}

#[cfg(test)]
mod tests;
