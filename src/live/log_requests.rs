//! Requests with logs on their way to the lane that links them.
//!
//! In go requests as they come, out they go to one lane: one is enough, which knows all spans. Without one, or once it has ended,
//! they pass as they came. How many there are at a time is limited by whoever holds them.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

use super::wake::{LogRequest, Wake};

/// See the module.
#[derive(Debug, Default)]
pub struct LogRequests(Mutex<Option<Sender<Wake>>>);

impl LogRequests {
    /// To this lane from now on.
    pub fn go_to(&self, lane: Option<Sender<Wake>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lane;
    }

    /// Gives a request to the lane, which lets it go.
    pub fn give(&self, request: LogRequest) {
        if let Some(lane) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // One that cannot be given is dropped, and passes as it came.
            let _ = lane.send(Wake::Logs(request));
        }
    }
}
