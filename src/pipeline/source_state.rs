//! What is known of the source that is being read: its files, its writers, and the streams that their receipts speak of.
//!
//! In go the bytes and records of one source, out come what its writers are sent under, and what is known of each record's
//! stream. Nothing is sent here.

use std::sync::atomic::Ordering;

use crate::checkpoint::acknowledged::{Acknowledged, KnownStream};
use crate::checkpoint::recognise::{self, KnownFile};
use crate::checkpoint::source_files::SourceFiles;
use crate::checkpoint::streams::{StreamEnds, WriterStreams};
use crate::export::logs::encode;
use crate::export::logs::writers::Writer;
use crate::input::sources::Source;
use crate::reading::source::Reading;
use crate::record::Record;

/// What is known of the source that is being read.
#[derive(Default)]
pub struct SourceState {
    name: String,
    /// Names of its files.
    pub(super) files: Vec<String>,
    known: SourceFiles,
    /// The one that is being read.
    pub(super) file: u32,
    pub(super) file_attributes: Vec<u8>,
    writers: Vec<(Writer, WriterStreams)>,
    ends: StreamEnds,
    /// The writer of the current record.
    current: usize,
}

/// Which of the files that earlier runs sent the files of a source are.
pub(super) fn recognise(source: &Source, acknowledged: &Acknowledged, reading: &Reading<'_>) -> Vec<KnownFile> {
    let mut buffer = reading.take_buffer();
    let open = |at: usize| source.files[at].open(None);
    let stop = || reading.stop.load(Ordering::Relaxed);
    let known = recognise::recognise(&source.writer, source.files.len(), &open, acknowledged, &mut buffer, &stop);
    reading.keep_buffer(buffer);
    known
}

impl SourceState {
    /// A source whose files are known so.
    pub(super) fn new(source: &Source, known: SourceFiles) -> SourceState {
        let files = source.files.iter().map(|file| file.shown.clone()).collect();
        SourceState { name: source.writer.clone(), files, known, ..SourceState::default() }
    }

    pub(super) fn file_begins(&mut self, file: u32) {
        self.file = file;
        self.known.file_begins(file);
        self.file_attributes = encode::file_attributes(&self.files[file as usize]);
        self.writers.iter_mut().for_each(|(_, streams)| streams.clear());
        self.ends.clear();
    }

    /// Bytes of the file, before their records come.
    #[inline]
    pub(super) fn bytes_read(&mut self, bytes: &[u8], acknowledged: &Acknowledged) {
        self.known.bytes_read(bytes, acknowledged);
    }

    pub(super) fn file_ends(&mut self, whole: bool, acknowledged: &Acknowledged) -> Option<&'static str> {
        self.known.file_ends(whole, acknowledged)
    }

    /// Whether the bytes of a record are those that an earlier run read at its place.
    #[inline]
    pub(super) fn is_verified(&self, record: &Record<'_>, stream: &KnownStream, acknowledged: &Acknowledged) -> bool {
        self.known.is_verified(record, stream, acknowledged)
    }

    /// The writer of the current record, the stream that it is in, and where the record before it in that stream ends.
    #[inline]
    pub(super) fn current(&self) -> Option<(&Writer, &KnownStream, u64)> {
        let (writer, streams) = self.writers.get(self.current)?;
        let (stream, after) = streams.current()?;
        Some((writer, stream, after))
    }

    /// The next record comes: finds its writer. To be called once for each.
    #[inline]
    pub(super) fn writer(&mut self, record: &Record<'_>, acknowledged: &Acknowledged) -> &Writer {
        let is = |(writer, _): &(Writer, WriterStreams)| writer.is(record.origin, record.stream);
        if !self.writers.get(self.current).is_some_and(is) {
            self.current = self.writers.iter().position(is).unwrap_or_else(|| {
                let writer = Writer::new(&self.name, record.origin, record.stream);
                self.writers.push((writer, WriterStreams::default()));
                self.writers.len() - 1
            });
        }
        let (writer, streams) = &mut self.writers[self.current];
        streams.record(record, &self.name, &self.known, &mut self.ends, acknowledged);
        writer
    }
}
