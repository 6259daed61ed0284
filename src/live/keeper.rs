//! Writes positions down on a thread of its own, so that nobody waits for the disk.
//!
//! In go entries that changed, out comes whether they are on the disk. One write is under way at a time.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::checkpoint::positions::entry::Entry;
use crate::checkpoint::positions::journal::{Disk, Journal};

/// What is to be written.
#[derive(Debug)]
pub enum Save {
    /// All entries.
    All(Vec<(u32, Entry)>),
    /// Those that changed; `None`: forgotten.
    Changes(Vec<(u32, Option<Entry>)>),
}

/// What became of it.
#[derive(Debug)]
pub struct Saved {
    /// Why it is not on the disk.
    pub outcome: Result<(), String>,
    /// The next time all entries are wanted.
    pub wants_all: bool,
    /// How long it took.
    pub took: Duration,
}

/// The thread, which ends when this is dropped.
#[derive(Debug)]
pub struct Keeper(mpsc::Sender<Save>);

impl Keeper {
    /// Starts it; `saved` is called there after each write.
    pub fn start<D: Disk + Send + 'static>(
        mut journal: Journal<D>,
        saved: impl Fn(Saved) + Send + 'static,
    ) -> std::io::Result<Keeper> {
        let (sender, saves) = mpsc::channel();
        std::thread::Builder::new().name("state".into()).spawn(move || {
            while let Ok(save) = saves.recv() {
                let start = Instant::now();
                let outcome = match save {
                    Save::All(entries) => journal.write_all(&entries),
                    Save::Changes(changes) => journal.append(&changes),
                };
                let outcome = outcome.map_err(|error| error.to_string());
                saved(Saved { outcome, wants_all: journal.wants_all(), took: start.elapsed() });
            }
        })?;
        Ok(Keeper(sender))
    }

    /// Hands over what is to be written; nothing else may be under way.
    pub fn save(&self, save: Save) {
        // The thread ends after this only.
        let _ = self.0.send(save);
    }
}
