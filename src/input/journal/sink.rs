//! Who takes the entries of a journal that is followed.

use super::super::tail::sink::TailSink;

/// Takes the entries of a journal, and what is lost of it.
pub trait JournalSink: TailSink {
    /// Entries that were there and cannot be read any more.
    fn entries_lost(&mut self, entries: u64, reason: LostEntries);
}

/// Why entries are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LostEntries {
    /// journald removed the file that they stood in before they were read.
    Vacuumed,
    /// The file that they stand in is damaged, or cannot be opened.
    Unreadable,
}

impl LostEntries {
    /// Each of them.
    pub const ALL: [LostEntries; 2] = [LostEntries::Vacuumed, LostEntries::Unreadable];

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            LostEntries::Vacuumed => "vacuumed",
            LostEntries::Unreadable => "unreadable",
        }
    }
}
