//! The streams of one writer: its records in each file, as receipts speak of them.
//!
//! In go records, out comes the stream of each with what is known of it. The name of a stream goes into the state, and so
//! does not change between versions.

use std::collections::HashMap;

use super::acknowledged::{Acknowledged, KnownStream};
use super::source_files::SourceFiles;
use crate::record::{Position, Record};

/// The streams of one writer in the files that are open.
#[derive(Debug, Default)]
pub struct WriterStreams {
    streams: Vec<FileStream>,
    /// Which of them is of a file and strand.
    by_file: HashMap<(u32, u64), usize>,
    /// That of the current record.
    current: usize,
}

/// A writer's records in one file, of one strand.
#[derive(Debug)]
struct FileStream {
    file: u32,
    strand: u64,
    stream: KnownStream,
    /// Where the record before the current one ends.
    after: u64,
    /// Where the current one does.
    end: u64,
}

impl WriterStreams {
    /// The stream of the current record, and where the record before it in that stream ends.
    #[inline]
    pub fn current(&self) -> Option<(&KnownStream, u64)> {
        self.streams.get(self.current).map(|stream| (&stream.stream, stream.after))
    }

    /// Another file begins.
    pub fn clear(&mut self) {
        self.streams.clear();
        self.by_file.clear();
    }

    /// The next record comes, once. `source`: the name of its source in the state.
    #[inline]
    pub fn record(&mut self, record: &Record<'_>, source: &str, files: &SourceFiles, acknowledged: &Acknowledged) {
        let Position { file, strand, .. } = record.position;
        let is = |stream: &FileStream| stream.file == file && stream.strand == strand;
        if !self.streams.get(self.current).is_some_and(is) {
            self.change(record, source, files, acknowledged);
        }
        if let Some(stream) = self.streams.get_mut(self.current) {
            stream.after = std::mem::replace(&mut stream.end, record.position.end);
        }
    }

    #[cold]
    fn change(&mut self, record: &Record<'_>, source: &str, files: &SourceFiles, acknowledged: &Acknowledged) {
        let Position { file, strand, .. } = record.position;
        let next = self.streams.len();
        self.current = *self.by_file.entry((file, strand)).or_insert(next);
        if self.current == next {
            let stream = stream_of(record, source, files, acknowledged);
            // Of a file that has ended, earlier records may have been given.
            let end = if files.is_current(file) { 0 } else { record.position.offset };
            self.streams.push(FileStream { file, strand, stream, after: end, end });
        }
    }
}

fn stream_of(record: &Record<'_>, source: &str, files: &SourceFiles, acknowledged: &Acknowledged) -> KnownStream {
    let Position { file, strand, .. } = record.position;
    let origin = record.origin;
    let mut name = format!("{source}\0{}\0{:?}", origin.service_name, record.stream);
    if record.envelope.is_shared() {
        // Many write to a journal. A receipt reaches from a record to another, over what others wrote in between.
        let (host, unit) = (origin.host.as_deref(), origin.unit.as_deref());
        name.push_str(&format!("\0{}\0{}\0{strand:x}", host.unwrap_or_default(), unit.unwrap_or_default()));
    }
    let key = twox_hash::XxHash3_128::oneshot(name.as_bytes());
    let known = files.known(file);
    let version_1 = known.and_then(|known| Some(known.fingerprints.as_ref()?.keys(name.as_bytes())));
    acknowledged.stream(known.map_or(0, |known| known.number), key, version_1.as_ref())
}
