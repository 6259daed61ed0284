//! What is remembered of the source that is being read: its files, and the streams that its writers' receipts speak of.
//!
//! In go the bytes and records of one source after another, out come the stream of each record, and what destinations have
//! settled of it. Nothing is sent here.

use super::acknowledged::Acknowledged;
use super::known::{Known, KnownStream};
use super::source_files::SourceFiles;
use super::streams::{StreamEnds, WriterStreams};
use crate::record::{Position, Record};

/// What is remembered of the source that is being read.
pub struct SourceStreams<'a> {
    acknowledged: &'a Acknowledged,
    /// The name of the source in the state.
    name: String,
    files: SourceFiles,
    /// By their numbers in the source.
    writers: Vec<WriterStreams>,
    ends: StreamEnds,
    /// The writer of the current record.
    current: usize,
}

impl<'a> SourceStreams<'a> {
    /// Before the first source.
    pub fn new(acknowledged: &'a Acknowledged) -> SourceStreams<'a> {
        SourceStreams {
            acknowledged,
            name: String::new(),
            files: SourceFiles::default(),
            writers: Vec::new(),
            ends: StreamEnds::default(),
            current: 0,
        }
    }

    /// A source begins, whose files are known so.
    pub fn source_begins(&mut self, name: &str, files: SourceFiles) {
        *self = SourceStreams { name: name.to_owned(), files, ..SourceStreams::new(self.acknowledged) };
    }

    /// Its files were read on: what was found of them by then.
    pub fn files_were_read(&mut self, files: &SourceFiles) {
        self.files.take_over(files);
    }

    /// A file of it begins: its place among them.
    pub fn file_begins(&mut self, file: u32) {
        self.files.file_begins(file);
        self.writers.iter_mut().for_each(WriterStreams::clear);
        self.ends.file_begins();
    }

    /// Bytes of the file, before their records come.
    #[inline]
    pub fn bytes_read(&mut self, bytes: &[u8]) {
        self.files.bytes_read(bytes, self.acknowledged);
    }

    /// The file ends; a message if it is not the one that it was when the run began.
    pub fn file_ends(&mut self, whole: bool) -> Option<&'static str> {
        self.files.file_ends(whole, self.acknowledged)
    }

    /// The next record comes, of the writer of this number. To be called once for each.
    #[inline]
    pub fn record(&mut self, writer: usize, record: &Record<'_>) {
        if self.writers.len() <= writer {
            self.writers.resize_with(writer + 1, WriterStreams::default);
        }
        self.current = writer;
        self.writers[writer].record(record, &self.name, &self.files, &mut self.ends, self.acknowledged);
    }

    /// The stream of the current record, and where the record before it in that stream ends.
    #[inline]
    pub fn stream(&self) -> Option<(&KnownStream, u64)> {
        self.writers.get(self.current)?.current()
    }

    /// Whether the bytes of the current record are those that an earlier run read at its place.
    #[inline]
    pub fn is_verified(&self, record: &Record<'_>) -> bool {
        self.stream().is_some_and(|(stream, _)| self.files.is_verified(record, stream, self.acknowledged))
    }

    /// What a destination has settled of the current record's stream, if this record is in it.
    #[inline]
    pub fn settled(&self, destination: usize, position: &Position) -> Option<&Known> {
        let known = self.stream()?.0.settled.get(destination)?.as_ref()?;
        known.ranges.holds(position.offset, position.end).then_some(known)
    }

    /// The source ends, which had so many records; `reading`: a hash of how it was read.
    pub fn source_ends(&mut self, reading: u64, records: u64) {
        if self.acknowledged.remembers()
            && let (Some(files), Some(ends)) = (self.files.ends(), self.ends.of_all(records))
        {
            self.acknowledged.outline(&files, ends, reading, records);
        }
    }

    /// How many records a source holds whose files are known so, if none of them need be read for these destinations; `reading`:
    /// a hash of how it would be read.
    pub fn records_settled(&self, files: &SourceFiles, reading: u64, destinations: &[usize]) -> Option<u64> {
        self.acknowledged.settled(&files.whole()?, reading, destinations)
    }

    /// Whether the run has traces to link records to.
    pub fn traced(&self) -> bool {
        self.acknowledged.traced()
    }
}
