//! A folder in which files are followed.

use std::path::Path;
use std::sync::Arc;

use super::file::{Millis, at_second};
use super::file_system::WatchId;
use crate::files::identity::FileId;

/// A folder that is watched is looked at as often as this all the same: its events may be lost.
pub(super) const WATCHED_MS: Millis = 240_000;
/// One that is not, and the folders at which looking begins if they are not.
pub(super) const UNWATCHED_MS: Millis = 2_000;
/// The longest time between two looks at one that is not watched.
const UNWATCHED_MS_MAX: Millis = 30_000;
/// A folder that has just changed may change again within the same tick of its clock.
pub(super) const TICK_MS: Millis = 1_000;

/// A folder.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: Arc<Path>,
    /// Looking begins here: it is looked for even if it is gone.
    pub(super) is_base: bool,
    /// What it was when it was listed.
    pub(super) listed: Option<(FileId, i64)>,
    pub(super) watch: Option<WatchId>,
    pub(super) due: Millis,
    pub(super) quiet_looks: u8,
    pub(super) must_list: bool,
    /// It was listed right after a change.
    pub(super) is_fresh: bool,
    pub(super) has_failed: bool,
    /// Links lead from it to other folders.
    pub(super) has_links: bool,
    /// The slots of the sources in it.
    pub(super) sources: Vec<u32>,
}

impl Folder {
    pub(super) fn new(path: Arc<Path>, is_base: bool, now: Millis) -> Folder {
        Folder {
            path,
            is_base,
            listed: None,
            watch: None,
            due: now,
            quiet_looks: 0,
            must_list: true,
            is_fresh: false,
            has_failed: false,
            has_links: false,
            sources: Vec::new(),
        }
    }

    /// When it is looked at again.
    pub(super) fn next_look(&self, now: Millis) -> Millis {
        let wait = match self.watch {
            _ if self.is_fresh => TICK_MS,
            Some(_) => return at_second(now.saturating_add(WATCHED_MS)),
            None if self.is_base => UNWATCHED_MS,
            None => (UNWATCHED_MS << self.quiet_looks.min(8)).min(UNWATCHED_MS_MAX),
        };
        now.saturating_add(wait)
    }
}
