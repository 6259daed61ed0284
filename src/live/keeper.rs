//! Writes positions down on threads of its own, so that nobody waits for the disk.
//!
//! In go entries that changed, out comes whether they were written. That survives the process; what is to survive a power
//! failure is made sure of at a slower pace, while more is written. One write and one making sure is under way at a time.

use std::io;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::checkpoint::positions::entry::{Change, Entry};
use crate::checkpoint::positions::journal::{Disk, Journal, Syncing};

/// What is to be written.
#[derive(Debug)]
pub enum Save {
    /// All entries, which then survive a power failure, too.
    All(Vec<(u32, Entry)>),
    /// What has become of those that changed.
    Changes(Vec<(u32, Change)>),
}

/// What became of it.
#[derive(Debug)]
pub enum Kept {
    /// Of what was to be written.
    Written {
        /// Why it was not.
        outcome: Result<(), String>,
        /// It was all entries.
        was_all: bool,
        /// The next time all entries are wanted.
        wants_all: bool,
        /// How long it took.
        took: Duration,
    },
    /// Of what was to be made sure of.
    Synced {
        /// Why it was not.
        outcome: Result<(), String>,
        /// How long it took.
        took: Duration,
    },
}

enum Job {
    Save(Save),
    Sync,
}

/// The threads, which end when this is dropped.
#[derive(Debug)]
pub struct Keeper {
    jobs: mpsc::Sender<Job>,
    wants_all: bool,
}

impl Keeper {
    /// Starts them; `kept` is called there with what became of each job.
    pub fn start<D: Disk + Send + 'static>(
        mut journal: Journal<D>,
        kept: impl Fn(Kept) + Send + Sync + 'static,
    ) -> io::Result<Keeper> {
        let kept = Arc::new(kept);
        let (syncings, to_sync) = mpsc::channel();
        let synced = kept.clone();
        std::thread::Builder::new().name("state-sync".into()).spawn(move || {
            while let Ok(syncing) = to_sync.recv() {
                synced(sync(syncing));
            }
        })?;
        let (sender, jobs) = mpsc::channel();
        let wants_all = journal.wants_all();
        std::thread::Builder::new().name("state".into()).spawn(move || {
            while let Ok(job) = jobs.recv() {
                match job {
                    Job::Save(save) => kept(write(&mut journal, &save)),
                    // The thread ends after this one only.
                    Job::Sync => drop(syncings.send(journal.syncing())),
                }
            }
        })?;
        Ok(Keeper { jobs: sender, wants_all })
    }

    /// The first time all entries are wanted.
    pub fn wants_all(&self) -> bool {
        self.wants_all
    }

    /// Hands over what is to be written; nothing else that is may be under way.
    pub fn save(&self, save: Save) {
        // The thread ends after this only.
        let _ = self.jobs.send(Job::Save(save));
    }

    /// Has it made sure of all that was handed over.
    pub fn sync(&self) {
        let _ = self.jobs.send(Job::Sync);
    }
}

fn write<D: Disk>(journal: &mut Journal<D>, save: &Save) -> Kept {
    let start = Instant::now();
    let outcome = match save {
        Save::All(entries) => journal.write_all(entries),
        Save::Changes(changes) => journal.append(changes),
    };
    Kept::Written {
        outcome: outcome.map_err(|error| error.to_string()),
        was_all: matches!(save, Save::All(_)),
        wants_all: journal.wants_all(),
        took: start.elapsed(),
    }
}

fn sync(syncing: io::Result<Syncing>) -> Kept {
    let start = Instant::now();
    let outcome = syncing.and_then(|syncing| syncing()).map_err(|error| error.to_string());
    Kept::Synced { outcome, took: start.elapsed() }
}
