//! The streams of one source that is followed: as which of them each record is handed out.
//!
//! In go records with the files that they stand in, out come the numbers that receipts name them by, and whether an earlier
//! run has delivered them.

use std::cell::RefCell;
use std::rc::Rc;

use super::table::Positions;
use crate::checkpoint::streams::stream_key;
use crate::record::{Receipt, Record};

/// See the module.
#[derive(Debug)]
pub struct RecordStreams {
    positions: Rc<RefCell<Positions>>,
    /// The name of the source in the state.
    name: String,
    /// The number of each file of the source, by its place.
    files: Vec<u32>,
    streams: Vec<Known>,
    /// That of the current record.
    current: usize,
    /// Where receipts for it may begin.
    after: u64,
    /// Where it ends.
    end: u64,
    is_settled: bool,
}

/// A writer's records in one file, of one strand.
#[derive(Debug)]
struct Known {
    file: u32,
    strand: u64,
    writer: usize,
    index: u32,
    reaches_back: bool,
}

impl RecordStreams {
    /// Before the first record of a source.
    pub fn new(positions: Rc<RefCell<Positions>>, name: &str) -> RecordStreams {
        RecordStreams {
            positions,
            name: name.to_owned(),
            files: Vec::new(),
            streams: Vec::new(),
            current: 0,
            after: 0,
            end: 0,
            is_settled: false,
        }
    }

    /// The source's next file has this number. Returns its place.
    pub fn add_file(&mut self, number: u32) -> u32 {
        self.files.push(number);
        self.files.len() as u32 - 1
    }

    /// The place of a file.
    pub fn place_of(&self, number: u32) -> Option<u32> {
        self.files.iter().rposition(|known| *known == number).map(|place| place as u32)
    }

    /// The numbers of its files, by place.
    pub fn files(&self) -> &[u32] {
        &self.files
    }

    /// The number of a file by its place.
    pub fn file(&self, place: u32) -> Option<u32> {
        self.files.get(place as usize).copied()
    }

    /// Only records of files from this place on come.
    pub fn forget_before(&mut self, place: u32) {
        self.streams.retain(|known| known.file >= place);
        self.current = 0;
    }

    /// The next record comes, of the writer of this number. To be called once for each.
    #[inline]
    pub fn record(&mut self, writer: usize, record: &Record<'_>) {
        let (file, strand) = (record.position.file, record.position.strand);
        let is = |known: &Known| known.file == file && known.strand == strand && known.writer == writer;
        if !self.streams.get(self.current).is_some_and(is) {
            self.current = self.streams.iter().position(is).unwrap_or_else(|| self.add(writer, record));
        }
        let Some(known) = self.streams.get(self.current) else { return };
        let (from, to) = (record.position.offset, record.position.end);
        self.end = to;
        let mut positions = self.positions.borrow_mut();
        (self.after, self.is_settled) = positions.hand_out(known.index, from, to, known.reaches_back);
    }

    #[cold]
    fn add(&mut self, writer: usize, record: &Record<'_>) -> usize {
        let (file, strand) = (record.position.file, record.position.strand);
        let number = self.file(file).unwrap_or(u32::MAX);
        let key = stream_key(record, &self.name);
        let index = self.positions.borrow_mut().stream(number, key);
        let reaches_back = !record.envelope.is_shared();
        self.streams.push(Known { file, strand, writer, index, reaches_back });
        self.streams.len() - 1
    }

    /// The stream of the current record, and where receipts for it may begin.
    pub fn stream(&self) -> Option<(u32, u64)> {
        Some((self.streams.get(self.current)?.index, self.after))
    }

    /// The current record is dropped on purpose.
    pub fn settle(&mut self) {
        if let Some(receipt) = self.receipt() {
            self.positions.borrow_mut().settle(&[receipt]);
        }
    }

    /// What comes back once the current record was delivered; `None`: an earlier run has delivered it.
    pub fn receipt(&self) -> Option<Receipt> {
        let known = self.streams.get(self.current).filter(|_| !self.is_settled)?;
        Some(Receipt { source: known.index, from: self.after, to: self.end })
    }

    /// An earlier run has delivered the current record.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }
}
