//! Who takes records: one by one, or with the files that they are read from.
//!
//! Whoever reads gives to these traits and need not know what becomes of the records.

use super::Record;

/// Takes records as they are complete.
pub trait RecordSink {
    /// One record.
    fn record(&mut self, record: &Record<'_>);
}

/// Takes the records of a source, and, where that matters, how far it has come.
pub trait SourceSink: RecordSink {
    /// Whether there is room for more records.
    fn wants_more(&self) -> bool {
        true
    }

    /// A file of the source begins: its place among them.
    fn file_begins(&mut self, _file: u32) {}

    /// Bytes of the file, before their records are given.
    fn bytes_read(&mut self, _bytes: &[u8]) {}

    /// The file was read to its end, or not; a message if it is not the file that it was when the run began.
    fn file_ends(&mut self, _whole: bool) -> Option<&'static str> {
        None
    }

    /// Records up to this line of this file have been given (`None`: all so far).
    fn given_up_to(&mut self, _open: Option<(u32, u64)>) {}
}
