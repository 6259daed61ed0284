//! The files of a source that are read before their records are wanted, as they are known before that and after.
//!
//! In go what is known of the files and their bytes, out comes what is known of them for whoever takes their records next.

use super::acknowledged::Acknowledged;
use super::source_files::SourceFiles;
use crate::record::Record;
use crate::record::sink::{RecordSink, SourceSink};

/// The files of a source whose records were to be held.
#[derive(Debug, Default)]
pub struct KnownFiles {
    /// As they were known before they were read.
    before: SourceFiles,
    /// As they were found when they were read.
    read: SourceFiles,
}

impl KnownFiles {
    /// For whoever takes the source's records next: those that are held, or those of its files, which are read again.
    pub fn for_records(&self, are_held: bool) -> SourceFiles {
        if are_held { self.read.clone() } else { self.before.clone() }
    }
}

/// Follows the files of a source while its records are held. Without anything to compare with it follows nothing.
pub struct FollowedFiles<'a> {
    before: SourceFiles,
    read: SourceFiles,
    acknowledged: Option<&'a Acknowledged>,
}

impl<'a> FollowedFiles<'a> {
    /// Files that are known so; `acknowledged`: what earlier runs sent, where lines are to be sent.
    pub fn new(before: SourceFiles, acknowledged: Option<&'a Acknowledged>) -> FollowedFiles<'a> {
        FollowedFiles { read: before.clone(), before, acknowledged }
    }

    /// Its files as they are found while they are read.
    pub fn read(&self) -> &SourceFiles {
        &self.read
    }

    /// Its files, for whoever takes the records of what is read of them.
    pub fn for_records(&self) -> SourceFiles {
        let mut files = self.before.clone();
        files.are_read();
        files
    }

    /// Nothing of them is read any more.
    pub fn end(mut self) -> KnownFiles {
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
