//! How it stands with a destination, for whoever tells the user while it goes on.
//!
//! The destination's task puts in what it holds and what failed last; progress lines and the words at an interrupt take it
//! out. Nothing is decided by it.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// How it stands, shared.
#[derive(Debug, Default)]
pub struct Standing(Mutex<State>);

/// How it stands at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Records that it was given and that are neither taken, dropped nor left.
    pub held: u64,
    /// Records that it took.
    pub taken: u64,
    /// Requests that it took.
    pub requests: u64,
    /// What it answered last, if that was no success since.
    pub last_error: Option<String>,
    /// Until when it is tried.
    pub tried_until: Option<Instant>,
}

impl Standing {
    /// How it stands now.
    pub fn now(&self) -> State {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
