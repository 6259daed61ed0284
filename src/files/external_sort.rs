//! Records of any number in order: sorted in memory, or, if there are more than it holds, as runs in a temporary file that
//! are merged when they are read (external merge sort).
//!
//! In go records as bytes and what orders them, out they come in that order, as often as they are wanted; of equal ones the
//! first to come is first. What a record says is not known here. How many there may be is the affair of those who give them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::slice;
use std::sync::Arc;

use super::section::{Section, SectionReader};

/// Compares two records.
pub type Order = fn(&[u8], &[u8]) -> Ordering;

/// Bytes of a run that are written or read at once, at least and at most.
const PART_BYTES: (usize, usize) = (4 << 10, 256 << 10);
/// Bytes of the place of a record.
const PLACE_BYTES: usize = size_of::<(u32, u32)>();

/// Records before they are in order.
#[derive(Debug)]
pub struct Sorter {
    order: Order,
    memory_max: usize,
    bytes: Vec<u8>,
    /// From where to where each record lies among the bytes.
    places: Vec<(u32, u32)>,
    file: Option<Arc<File>>,
    written: u64,
    runs: Vec<Section>,
}

impl Sorter {
    /// Holds about so many bytes in memory.
    pub fn new(memory_max: usize, order: Order) -> Sorter {
        let memory_max = memory_max.min(u32::MAX as usize);
        Sorter { order, memory_max, bytes: Vec::new(), places: Vec::new(), file: None, written: 0, runs: Vec::new() }
    }

    /// Takes a record, which is given in parts.
    pub fn push(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let taken = self.bytes.len() + self.places.len() * PLACE_BYTES;
        if !self.places.is_empty() && taken + length + PLACE_BYTES > self.memory_max {
            self.end_run()?;
        }
        let place = |at: usize| u32::try_from(at).map_err(|_| io::Error::other("a record of more than 4 GiB"));
        let place = (place(self.bytes.len())?, place(self.bytes.len() + length)?);
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.places.push(place);
        Ok(())
    }

    /// All records were given.
    pub fn finish(mut self) -> io::Result<Sorted> {
        if !self.runs.is_empty() {
            self.end_run()?;
            (self.bytes, self.places) = Default::default();
        }
        self.sort();
        let Sorter { order, memory_max, bytes, places, runs, .. } = self;
        Ok(Sorted { order, memory_max, bytes, places, runs })
    }

    fn sort(&mut self) {
        let (bytes, order) = (&self.bytes, self.order);
        // Of equal ones the first to come lies first.
        self.places.sort_unstable_by(|one, other| {
            order(record(bytes, *one), record(bytes, *other)).then_with(|| one.0.cmp(&other.0))
        });
    }

    /// Writes what is in memory to the file, each record behind its length.
    fn end_run(&mut self) -> io::Result<()> {
        self.sort();
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self.file.insert(Arc::new(tempfile::tempfile()?)).clone(),
        };
        let (start, mut part) = (self.written, Vec::with_capacity(PART_BYTES.1));
        for place in &self.places {
            let record = record(&self.bytes, *place);
            part.extend_from_slice(&(record.len() as u32).to_le_bytes());
            part.extend_from_slice(record);
            if part.len() >= PART_BYTES.1 {
                file.write_all_at(&part, self.written)?;
                self.written += part.len() as u64;
                part.clear();
            }
        }
        file.write_all_at(&part, self.written)?;
        self.written += part.len() as u64;
        self.runs.push(Section::of(file, start, self.written - start));
        self.bytes.clear();
        self.places.clear();
        Ok(())
    }
}

fn record(bytes: &[u8], (start, end): (u32, u32)) -> &[u8] {
    &bytes[start as usize..end as usize]
}

/// Records in order.
#[derive(Debug)]
pub struct Sorted {
    order: Order,
    memory_max: usize,
    /// All of them, unless there are runs.
    bytes: Vec<u8>,
    places: Vec<(u32, u32)>,
    runs: Vec<Section>,
}

impl Sorted {
    /// From the first one on.
    pub fn read(&self) -> io::Result<InOrder<'_>> {
        let part_bytes = (self.memory_max / self.runs.len().max(1)).clamp(PART_BYTES.0, PART_BYTES.1);
        let mut heads = BinaryHeap::with_capacity(self.runs.len());
        for (number, run) in self.runs.iter().enumerate() {
            let rest = BufReader::with_capacity(part_bytes, run.open());
            let mut head = Head { record: Vec::new(), number, order: self.order, rest, left: run.length };
            if head.read()? {
                heads.push(head);
            }
        }
        Ok(InOrder { bytes: &self.bytes, places: self.places.iter(), heads, current: Vec::new() })
    }
}

/// Reads records in order.
#[derive(Debug)]
pub struct InOrder<'s> {
    bytes: &'s [u8],
    places: slice::Iter<'s, (u32, u32)>,
    /// The first record of each run that is not over; the next one of all is on top.
    heads: BinaryHeap<Head>,
    current: Vec<u8>,
}

impl InOrder<'_> {
    /// The next one.
    #[expect(clippy::should_implement_trait, reason = "it lends the record, and may fail")]
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if let Some(place) = self.places.next() {
            return Ok(Some(record(self.bytes, *place)));
        }
        let Some(mut head) = self.heads.peek_mut() else { return Ok(None) };
        std::mem::swap(&mut self.current, &mut head.record);
        if !head.read()? {
            PeekMut::pop(head);
        }
        Ok(Some(&self.current))
    }
}

/// A run from one of its records on.
#[derive(Debug)]
struct Head {
    record: Vec<u8>,
    /// Earlier runs hold what came earlier.
    number: usize,
    order: Order,
    rest: BufReader<SectionReader>,
    /// Bytes of the run behind the record.
    left: u64,
}

impl Head {
    /// Goes on to the next record; false at the end.
    fn read(&mut self) -> io::Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        let mut length = [0; 4];
        self.rest.read_exact(&mut length)?;
        self.record.resize(u32::from_le_bytes(length) as usize, 0);
        self.rest.read_exact(&mut self.record)?;
        self.left -= (length.len() + self.record.len()) as u64;
        Ok(true)
    }
}

/// The greatest is on top of a heap, which is the first here.
impl Ord for Head {
    fn cmp(&self, other: &Head) -> Ordering {
        (self.order)(&other.record, &self.record).then_with(|| other.number.cmp(&self.number))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_come_in_order_and_equal_ones_as_they_came(
            keys in proptest::collection::vec((0u8..20, 0usize..40), 0..200),
            memory_max in prop_oneof![Just(0usize), 0usize..3_000, Just(usize::MAX)],
        ) {
            let records: Vec<Vec<u8>> =
                keys.iter().enumerate().map(|(number, (key, more))| [vec![*key], vec![number as u8; *more]].concat()).collect();
            let mut sorter = Sorter::new(memory_max, |one, other| one[0].cmp(&other[0]));
            records.iter().for_each(|record| sorter.push(&[&record[..1], &record[1..]]).unwrap());
            let sorted = sorter.finish().unwrap();
            let mut expected = records;
            expected.sort_by_key(|record| record[0]);
            for _ in 0..2 {
                let (mut reader, mut got) = (sorted.read().unwrap(), Vec::new());
                while let Some(record) = reader.next().unwrap() {
                    got.push(record.to_vec());
                }
                prop_assert_eq!(&got, &expected);
            }
        }
    }
}
