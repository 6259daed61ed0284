//! Writes the state folder as destinations acknowledge, during a run and at its end.
//!
//! In goes what is remembered, out comes the file on disk; one write at a time. What was acknowledged is kept in
//! [`acknowledged`](super::acknowledged).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::acknowledged::Acknowledged;
use super::store::{Store, StoreError};
use crate::notify::Notify;

/// Shortest interval between writes: what is acknowledged in between is sent again after a crash.
const SAVE_SOONEST: Duration = Duration::from_millis(100);
/// Longest interval between writes, while anything is acknowledged.
const SAVE_LATEST: Duration = Duration::from_secs(1);
/// The pause between two writes, in multiples of the time that the last one took.
const SAVE_REST: u32 = 20;

/// Writes what is acknowledged by now.
#[derive(Debug)]
pub struct Saver {
    store: Store,
    acknowledged: Arc<Acknowledged>,
    turn: Mutex<()>,
}

impl Saver {
    /// Writes to this folder what is acknowledged there.
    pub fn new(store: Store, acknowledged: Arc<Acknowledged>) -> Saver {
        Saver { store, acknowledged, turn: Mutex::default() }
    }

    /// Waits for the disk, and for a write in progress.
    pub fn save(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.acknowledged.changes();
        let saved = self.store.save(&changes, &|| self.acknowledged.state());
        if saved.is_err() {
            self.acknowledged.give_back(&changes);
        }
        saved
    }
}

/// Saves at intervals while anything is added, until the future is dropped.
pub async fn save_at_intervals(saver: Arc<Saver>, notify: Notify) {
    let (mut failed, mut changes, mut pause) = (false, 0, SAVE_SOONEST);
    loop {
        tokio::time::sleep(pause).await;
        if !saver.acknowledged.has_changed(&mut changes) {
            continue;
        }
        let (start, saving) = (Instant::now(), Arc::clone(&saver));
        // It waits for the disk: the requests of this thread go on meanwhile.
        let saved = tokio::task::spawn_blocking(move || saving.save()).await;
        pause = (start.elapsed() * SAVE_REST).clamp(SAVE_SOONEST, SAVE_LATEST);
        match saved {
            Ok(Err(error)) if !failed => {
                failed = true;
                notify(&format!("{error}; a run that is started again would send again what was sent since"));
            }
            Ok(Ok(())) => failed = false,
            Ok(Err(_)) | Err(_) => {}
        }
    }
}
