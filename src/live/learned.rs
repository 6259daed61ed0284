//! What a lane has learned, kept for its next start.
//!
//! In goes what was learned, now and then and at the end; out come the bytes that the start before left. Written on a thread of its
//! own, so that nobody waits for the disk; while one is written, another is not begun.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::checkpoint::learned_file::LearnedFile;
use crate::notify::Notify;

/// It is kept first after this, when most of it is known, and then so often: what comes in between is learned again.
const FIRST_AFTER: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(300);

/// See the module.
#[derive(Debug)]
pub struct Learned {
    /// What the start before left.
    before: Option<Vec<u8>>,
    /// `None` once it has ended.
    writer: Option<(SyncSender<Vec<u8>>, JoinHandle<()>)>,
    next_at: Instant,
}

impl Learned {
    /// Reads the file, and starts the thread. What is wrong with the file is told.
    pub fn start(file: LearnedFile, notify: Notify) -> io::Result<Learned> {
        let before = file.load().unwrap_or_else(|message| {
            notify(&message);
            None
        });
        let (give, taken) = sync_channel::<Vec<u8>>(0);
        let mut is_failing = false;
        let write = move || {
            for learned in taken {
                let failed = file.save(&learned).err();
                if let Some(error) = failed.as_ref().filter(|_| !is_failing) {
                    notify(&format!("what was learned of lines cannot be kept ({error}): a restart learns it anew"));
                }
                is_failing = failed.is_some();
            }
        };
        let thread = std::thread::Builder::new().name("learned".into()).spawn(write)?;
        Ok(Learned { before, writer: Some((give, thread)), next_at: Instant::now() + FIRST_AFTER })
    }

    /// What the start before left, once.
    pub(super) fn take_before(&mut self) -> Option<Vec<u8>> {
        self.before.take()
    }

    /// Keeps what `learned` gives, if it is time.
    pub(super) fn keep_if_due(&mut self, now: Instant, learned: impl FnOnce() -> Vec<u8>) {
        if now < self.next_at {
            return;
        }
        self.next_at = now + EVERY;
        if let Some((give, _)) = &self.writer {
            // One that is still being written is recent enough.
            let _ = give.try_send(learned());
        }
    }

    /// Keeps it for the last time, and waits until it is written.
    pub(super) fn end(&mut self, learned: Vec<u8>) {
        if let Some((give, thread)) = self.writer.take() {
            let _ = give.send(learned);
            drop(give);
            let _ = thread.join();
        }
    }
}
