//! The status of a run, for those who show it, and their request that it end.
//!
//! The run writes how much there is to read, how much it has read, the status of its destinations and what saves the state;
//! whoever shows progress or answers an interrupt reads it. Nothing is shown here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::checkpoint::saver::Saver;
use crate::export::deliver::status::{DeliveryStatus, StatusHandle};

/// The status of a run, shared with those who show it.
#[derive(Debug, Default)]
pub struct Monitor {
    interrupted: AtomicBool,
    to_read: OnceLock<ToRead>,
    bytes_read: Arc<AtomicU64>,
    destinations: Mutex<Vec<(String, Arc<StatusHandle>)>>,
    saver: Mutex<Option<Arc<Saver>>>,
}

/// How much there is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToRead {
    /// Bytes of all sources.
    pub bytes: u64,
    /// How often each is read.
    pub passes: u64,
}

impl Monitor {
    /// Asks the run to end; `true` if it had been asked before.
    pub fn interrupt(&self) -> bool {
        self.interrupted.swap(true, Ordering::Relaxed)
    }

    /// Whether it was asked to end.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The flag itself, for those who look often.
    pub fn interrupted(&self) -> &AtomicBool {
        &self.interrupted
    }

    /// How much there is to read; `None` before the run begins to.
    pub fn to_read(&self) -> Option<ToRead> {
        self.to_read.get().copied()
    }

    /// Bytes read so far, in all passes.
    pub fn bytes_read(&self) -> &Arc<AtomicU64> {
        &self.bytes_read
    }

    /// The status of each destination, by name.
    pub fn destinations(&self) -> Vec<(String, DeliveryStatus)> {
        let destinations = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        destinations.iter().map(|(name, status)| (name.clone(), status.now())).collect()
    }

    /// What saves the state, if there is one.
    pub fn saver(&self) -> Option<Arc<Saver>> {
        self.saver.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The run begins to read.
    pub(crate) fn reading_begins(&self, to_read: ToRead) {
        // A run begins to read once.
        let _ = self.to_read.set(to_read);
    }

    pub(crate) fn watch(&self, name: String, status: Arc<StatusHandle>) {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner).push((name, status));
    }

    pub(crate) fn save_with(&self, saver: Arc<Saver>) {
        *self.saver.lock().unwrap_or_else(PoisonError::into_inner) = Some(saver);
    }
}
