//! Which files of earlier runs the files of a source are: found out before they are read, and followed while they are.
//!
//! In go the files of a source and their bytes, out comes what is known of them for whoever takes its records next. Nothing
//! is sent here.

use std::sync::atomic::Ordering;

use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::recognise;
use crate::checkpoint::source_files::SourceFiles;
use crate::input::sources::Source;
use crate::reading::source::Reading;
use crate::record::Record;
use crate::record::sink::{RecordSink, SourceSink};

/// Finds out which of the files that earlier runs sent the files of a source are.
pub(super) fn recognise(source: &Source, acknowledged: &Acknowledged, reading: &Reading<'_>) -> SourceFiles {
    let mut buffer = reading.take_buffer();
    let open = |at: usize| source.files[at].open(None);
    let stop = || reading.stop.load(Ordering::Relaxed);
    let known = recognise::recognise(&source.writer, source.files.len(), &open, acknowledged, &mut buffer, &stop);
    reading.keep_buffer(buffer);
    SourceFiles::new(known)
}

/// The files of a source whose records were to be held.
#[derive(Debug, Default)]
pub(crate) struct KnownFiles {
    /// As they were known before they were read.
    before: SourceFiles,
    /// As they were found when they were read.
    read: SourceFiles,
}

impl KnownFiles {
    /// For whoever takes the source's records next: those that are held, or those of its files, which are read again.
    pub(super) fn for_records(&self, are_held: bool) -> SourceFiles {
        if are_held { self.read.clone() } else { self.before.clone() }
    }
}

/// Follows the files of a source while its records are held. Without anything to compare with it follows nothing.
pub(super) struct FollowedFiles<'a> {
    before: SourceFiles,
    read: SourceFiles,
    acknowledged: Option<&'a Acknowledged>,
}

impl<'a> FollowedFiles<'a> {
    /// `acknowledged`: what earlier runs sent, where lines are to be sent.
    pub(super) fn new(source: &Source, acknowledged: Option<&'a Acknowledged>, reading: &Reading<'_>) -> Self {
        let recognised = acknowledged.map(|acknowledged| recognise(source, acknowledged, reading));
        let before = recognised.unwrap_or_default();
        FollowedFiles { read: before.clone(), before, acknowledged }
    }

    /// Nothing of them is read any more.
    pub(super) fn end(mut self) -> KnownFiles {
        self.read.are_read();
        KnownFiles { before: self.before, read: self.read }
    }
}

impl RecordSink for FollowedFiles<'_> {
    fn record(&mut self, _: &Record<'_>) {}
}

impl SourceSink for FollowedFiles<'_> {
    fn file_begins(&mut self, file: u32) {
        if self.acknowledged.is_some() {
            self.read.file_begins(file);
        }
    }

    fn bytes_read(&mut self, bytes: &[u8]) {
        if let Some(acknowledged) = self.acknowledged {
            self.read.bytes_read(bytes, acknowledged);
        }
    }

    fn file_ends(&mut self, whole: bool) -> Option<&'static str> {
        self.read.file_ends(whole, self.acknowledged?)
    }
}
