//! When a lane has its positions written down.
//!
//! In go the time, the positions and what became of earlier writes, out go saves to the keeper and what is to be told. What was
//! acknowledged is written at once, but for a short pause after each write; it is made sure of each second or so.

use std::time::{Duration, Instant};

use super::keeper::{Keeper, Kept, Save};
use crate::checkpoint::positions::table::Positions;

/// Shortest and longest pause after a write, and the pause in multiples of the time that one took.
const WRITE_SOONEST: Duration = Duration::from_millis(5);
const WRITE_LATEST: Duration = Duration::from_millis(50);
const WRITE_REST: u32 = 4;
/// The same of making sure.
const SYNC_SOONEST: Duration = Duration::from_secs(1);
const SYNC_LATEST: Duration = Duration::from_secs(10);
const SYNC_REST: u32 = 20;
/// The pause after what failed.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Saving {
    keeper: Keeper,
    is_writing: bool,
    is_syncing: bool,
    wants_all: bool,
    /// Something was written that is not made sure of.
    is_unsure: bool,
    next_write: Instant,
    next_sync: Instant,
    /// Why what was acknowledged is not written down.
    failed: Option<String>,
    /// What failed was tried once more at the end.
    was_tried_at_end: bool,
}

/// What became of a write is news.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It fails, for another reason than before.
    Fails(String),
    /// It works again.
    WorksAgain,
}

impl Saving {
    pub(super) fn new(keeper: Keeper, now: Instant) -> Saving {
        Saving {
            wants_all: keeper.wants_all(),
            keeper,
            is_writing: false,
            is_syncing: false,
            is_unsure: false,
            next_write: now,
            next_sync: now + SYNC_SOONEST,
            failed: None,
            was_tried_at_end: false,
        }
    }

    /// Has what changed written down, if it is time.
    pub(super) fn turn(&mut self, now: Instant, positions: &mut Positions) {
        if !self.is_writing && now >= self.next_write && positions.has_changed() {
            self.write(positions);
        }
        if !self.is_syncing && self.is_unsure && now >= self.next_sync {
            self.sync();
        }
    }

    fn write(&mut self, positions: &mut Positions) {
        self.is_writing = true;
        self.keeper.save(match self.wants_all {
            true => Save::All(positions.take_all()),
            false => Save::Changes(positions.take_changes()),
        });
    }

    fn sync(&mut self) {
        (self.is_syncing, self.is_unsure) = (true, false);
        self.keeper.sync();
    }

    /// When something is to be done next.
    pub(super) fn next(&self, positions: &Positions) -> Option<Instant> {
        let write = (!self.is_writing && positions.has_changed()).then_some(self.next_write);
        let sync = (!self.is_syncing && self.is_unsure).then_some(self.next_sync);
        write.into_iter().chain(sync).min()
    }

    /// Takes in what became of a write. What failed is wanted again.
    pub(super) fn kept(&mut self, kept: Kept, now: Instant, positions: &mut Positions) -> Option<Told> {
        let (outcome, was_all) = match kept {
            Kept::Written { outcome, was_all, wants_all, took } => {
                self.is_writing = false;
                // What could not be made sure of meanwhile is still wanted.
                self.wants_all = wants_all || self.failed.is_some() && !was_all;
                self.next_write = now + (took * WRITE_REST).clamp(WRITE_SOONEST, WRITE_LATEST);
                self.is_unsure |= outcome.is_ok() && !was_all;
                (outcome, was_all)
            }
            Kept::Synced { outcome, took } => {
                self.is_syncing = false;
                self.next_sync = now + (took * SYNC_REST).clamp(SYNC_SOONEST, SYNC_LATEST);
                (outcome, false)
            }
        };
        match outcome {
            // What failed is over once all was written.
            Ok(()) => (was_all && self.failed.take().is_some()).then_some(Told::WorksAgain),
            Err(error) => {
                self.wants_all = true;
                self.next_write = now + FAILED_PAUSE;
                positions.all_have_changed();
                let is_news = self.failed.as_ref() != Some(&error);
                self.failed = Some(error.clone());
                is_news.then_some(Told::Fails(error))
            }
        }
    }

    /// Why what was acknowledged is not written down, if it is not.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Begins what is left to be done at the end: what is under way first, then what changed since, then making sure of it. `false`
    /// once nothing is left, or it has failed again.
    pub(super) fn end(&mut self, positions: &mut Positions) -> bool {
        if self.is_writing || self.is_syncing {
            return true;
        }
        if self.failed.is_some() && std::mem::replace(&mut self.was_tried_at_end, true) {
            return false;
        }
        if positions.has_changed() {
            self.write(positions);
        } else if self.is_unsure {
            self.sync();
        }
        self.is_writing || self.is_syncing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::folder::Folder;
    use crate::checkpoint::positions::disk::FolderDisk;
    use crate::checkpoint::positions::journal::Journal;

    #[test]
    fn what_could_not_be_made_sure_of_is_written_anew_though_a_write_was_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(FolderDisk::new(Folder::open(folder.path()).unwrap())).unwrap();
        let (now, positions) = (Instant::now(), &mut Positions::default());
        let mut saving = Saving::new(Keeper::start(journal, drop).unwrap(), now);
        let took = Duration::from_millis(1);
        let written = |was_all| Kept::Written { outcome: Ok(()), was_all, wants_all: false, took };
        assert_eq!(saving.kept(written(true), now, positions), None);
        saving.is_writing = true;
        let error = "no space".to_owned();
        let failed = Kept::Synced { outcome: Err(error.clone()), took };
        assert_eq!(saving.kept(failed, now, positions), Some(Told::Fails(error)));
        assert_eq!(saving.kept(written(false), now, positions), None);
        assert!(saving.wants_all && saving.failed().is_some());
        assert_eq!(saving.kept(written(true), now, positions), Some(Told::WorksAgain));
        assert!(!saving.wants_all && saving.failed().is_none());
    }
}
