//! Where a journal begins that is followed for the first time.
//!
//! In go the files of a numbering, out comes the number of the entry with which it begins. What was read in earlier runs is not
//! known here.

use super::cursor::first_since;
use super::file::header;
use super::open_file::OpenFile;

/// Where a journal begins that is followed for the first time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum JournalStart {
    /// With what is written from now on.
    #[default]
    End,
    /// With the first entry that is there.
    Beginning,
    /// With the first entry that journald received at this time or later.
    Since(StartTime),
}

/// A time as it was written, and what that means. Times that are written alike are equal: `2h` is, whenever it is read.
#[derive(Debug, Clone)]
pub struct StartTime {
    /// As it was written.
    pub text: String,
    /// µs since the epoch.
    pub usec: u64,
}

impl PartialEq for StartTime {
    fn eq(&self, other: &StartTime) -> bool {
        self.text == other.text
    }
}

impl Eq for StartTime {}

impl JournalStart {
    /// The number with which the entries of these files begin; 0 for the first that is there.
    pub(super) fn first_of<'f>(&self, files: impl Iterator<Item = &'f OpenFile> + Clone) -> u64 {
        let behind_last = || {
            let headers = files.clone().filter_map(|file| header(&file.section).ok());
            headers.map(|header| header.last_seqnum).max().unwrap_or_default() + 1
        };
        match self {
            JournalStart::Beginning => 0,
            JournalStart::End => behind_last(),
            JournalStart::Since(StartTime { usec, .. }) => {
                // What cannot be read is told when it is to be.
                let firsts = files.clone().filter_map(|file| first_since(file.section.clone(), *usec).ok().flatten());
                firsts.min().unwrap_or_else(behind_last)
            }
        }
    }
}
