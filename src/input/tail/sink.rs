//! Who takes what is followed, and in which order it is given.
//!
//! Of each source: `source_begins`; then of each of its files in turn `file_begins`, `chunk` and `place` any number of
//! times, `file_ends`; at last `source_ends`. Numbers of sources and files are counted up and never used for another one.

use std::io;
use std::path::Path;

use super::super::read::Chunk;
use crate::files::followed::{FollowedFile, Place};

/// Takes what is followed.
pub trait TailSink {
    /// The file at this place in the list given at the start goes by this number from now on; `None`: it is not there any
    /// more. Told once for each file of that list, before anything else is told of it; until then it is to be remembered as
    /// it is.
    fn known_file(&mut self, known: usize, file: Option<u32>);

    /// A source begins.
    fn source_begins(&mut self, source: u32, facts: &SourceFacts<'_>);

    /// A file of the source begins, or goes on from where it was read up to in an earlier run. A file that has ended begins
    /// again under its number if it grew after all ([`FileFacts::is_late`]); it then comes between chunks of the file that
    /// the source has come to since, and ends again before these go on. So does one that is older than that and was found
    /// late.
    fn file_begins(&mut self, source: u32, file: u32, facts: &FileFacts<'_>);

    /// Lines of the file that has begun. Their offsets are those in the decompressed file.
    fn chunk(&mut self, source: u32, file: u32, chunk: &Chunk<'_>);

    /// The file was given up to this place. Told after each turn, unless more is told.
    fn read_up_to(&mut self, source: u32, file: u32, place: &Place);

    /// What the file is by now, and the place up to which its chunks were given: when its name, its identity, its first bytes
    /// or whether it is finished has changed.
    fn place(&mut self, source: u32, file: u32, followed: &FollowedFile);

    /// The file was read to its end, and rotated away or deleted: the source's next file follows.
    fn file_ends(&mut self, source: u32, file: u32);

    /// The file is not on the disk any more under any name of its family, and all that could be read of it was given: it
    /// need not be remembered.
    fn file_is_gone(&mut self, file: u32);

    /// All files of the source are gone. Should its name be written to again, that is another source.
    fn source_ends(&mut self, source: u32);

    /// Bytes that were there and cannot be read any more.
    fn lost(&mut self, source: u32, bytes: u64, reason: Loss);

    /// Something the operator should know.
    fn notice(&mut self, notice: &Notice<'_>);
}

/// What is known of a source when it begins.
#[derive(Debug, Clone, Copy)]
pub struct SourceFacts<'f> {
    /// The path that is written to.
    pub family: &'f Path,
    /// A link that led to it, if one did: its name may tell more, such as a pod's.
    pub linked_as: Option<&'f Path>,
    /// The place of its input among those of the configuration.
    pub input: usize,
}

/// What is known of a file when it begins.
#[derive(Debug, Clone, Copy)]
pub struct FileFacts<'f> {
    /// What it is, and from where it is read on.
    pub followed: &'f FollowedFile,
    /// It goes on where the file of this source that ended before it has ended: nothing is missing between them.
    pub continues: bool,
    /// It had been taken for finished and has grown since, or it was found late: a file that was written after it may have
    /// begun.
    pub is_late: bool,
}

/// Why bytes are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Loss {
    /// The file was cut or written anew, and there is no copy of what it held.
    Truncated,
    /// The file was deleted.
    Deleted,
    /// The system or the decompressor refused.
    Unreadable,
}

impl Loss {
    /// Each of them.
    pub const ALL: [Loss; 3] = [Loss::Truncated, Loss::Deleted, Loss::Unreadable];

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Loss::Truncated => "truncated",
            Loss::Deleted => "deleted",
            Loss::Unreadable => "unreadable",
        }
    }
}

/// Something the operator should know. Each is given once for its subject, until it is over and comes again.
#[derive(Debug)]
pub enum Notice<'n> {
    /// A file or folder cannot be read; it is tried again, and others go on.
    Failed {
        /// Which one.
        path: &'n Path,
        /// Why.
        error: &'n io::Error,
    },
    /// A file is no log.
    LeftOut {
        /// Which one.
        path: &'n Path,
        /// Why.
        reason: &'static str,
    },
    /// Changes are not told any more, or not of all files: they are found by looking, which takes longer.
    NoWatches {
        /// Why.
        error: &'n io::Error,
    },
    /// More changed at once than was told: all is looked at.
    Overflow,
    /// There are more sources than the limit: this one and others are not followed.
    TooManySources {
        /// The first of them.
        path: &'n Path,
    },
    /// More files are behind than descriptors may be kept: what is deleted of the others before it is read is lost.
    TooManyBehind,
}
