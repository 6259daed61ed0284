//! The entries that one journald numbers: how far they are read.
//!
//! In go places as entries are read, out comes what can be said of them. Which files they stand in is not known here.

use std::time::Instant;

use super::super::tail::follower::SourceStatus;
use crate::files::followed::FollowedFile;

/// See the module.
pub(super) struct Numbering {
    pub(super) source: u32,
    pub(super) file: u32,
    /// The number of the next entry; 0 where any may be the first.
    pub(super) next: u64,
    /// Numbers up to here were given out when the files were looked at.
    pub(super) up_to: u64,
    /// All files in which entries up to here stand had been made when they were listed last.
    pub(super) listed_up_to: u64,
    /// Those from here on stand in files that are not open yet, as there are too many.
    pub(super) not_open_from: u64,
    /// Bytes of entries that were given since the start.
    pub(super) given: u64,
    /// When all was read that was written.
    pub(super) caught_up: Instant,
    pub(super) followed: FollowedFile,
}

impl Numbering {
    /// Before its first entry. The numbers are those of its source and of its file.
    pub(super) fn new((source, file): (u32, u32), next: u64, followed: FollowedFile, now: Instant) -> Numbering {
        Numbering {
            source,
            file,
            next,
            up_to: 0,
            listed_up_to: 0,
            not_open_from: u64::MAX,
            given: 0,
            caught_up: now,
            followed,
        }
    }

    /// What can be said of it, where so many bytes of so many files are not read yet.
    pub(super) fn status(&self, input: usize, behind: u64, files_behind: usize) -> SourceStatus {
        SourceStatus {
            source: self.source,
            family: self.followed.family.clone(),
            input,
            size: self.given + behind,
            read: self.given,
            behind,
            behind_since: (behind > 0).then_some(self.caught_up),
            files_waiting: files_behind.saturating_sub(1),
        }
    }
}
