//! The status of a destination while a run goes on, for those who show it to the user.
//!
//! The destination's task writes what it holds and what failed last; progress lines and the message at an interrupt read
//! it. Nothing is decided by it.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// The status, shared by the destination's task and those who show it.
#[derive(Debug, Default)]
pub struct StatusHandle(Mutex<DeliveryStatus>);

/// The status at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// Records that it was given and that are neither taken, dropped nor left for another run.
    pub held: u64,
    /// Bytes of the batches that these are in: as they are sent, and as they were before that.
    pub held_bytes: u64,
    /// Records that it took.
    pub taken: u64,
    /// Requests that it took.
    pub requests: u64,
    /// The last error, unless a request succeeded since.
    pub last_error: Option<String>,
    /// When retries end.
    pub tried_until: Option<Instant>,
}

impl StatusHandle {
    /// A copy of the status.
    pub fn now(&self) -> DeliveryStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut DeliveryStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
