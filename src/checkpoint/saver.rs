//! The state folder kept up with what is acknowledged, while a run goes on and at its end.
//!
//! In goes what is remembered, out it goes to the disk, one writing at a time. What is acknowledged is known elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::acknowledged::Acknowledged;
use super::store::{Store, StoreError};
use crate::notify::Say;

/// How often the state is written, if that is done quickly: what comes between is sent again after a crash.
const SAVE_SOONEST: Duration = Duration::from_millis(100);
/// How often it is written at least, while anything is acknowledged.
const SAVE_LATEST: Duration = Duration::from_secs(1);
/// Between two times it rests so many times as long as the last one took.
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

    /// Waits for the disk, and for a writing that is under way.
    pub fn save(&self) -> Result<(), StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.store.save(&self.acknowledged.state())
    }
}

/// Saves now and then while anything is added, until it is dropped.
pub async fn save_often(saver: Arc<Saver>, say: Say) {
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
                say(&format!("{error}; a run that is started again would send again what was sent since"));
            }
            Ok(Ok(())) => failed = false,
            Ok(Err(_)) | Err(_) => {}
        }
    }
}
