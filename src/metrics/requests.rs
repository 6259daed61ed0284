//! Requests to destinations, for those who want them as spans.
//!
//! In go requests as they are answered, out come those since they were taken last. They are kept only once somebody has said
//! that they are wanted, and no more than a few thousand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Counter;

/// Requests that are kept until they are taken; of more, the later ones are left out.
const KEPT_MAX: usize = 2048;

/// A request that was answered, or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its destination, as users name it.
    pub destination: Arc<str>,
    /// When it was sent, in ns since the epoch.
    pub start_nanos: u64,
    /// When it was over.
    pub end_nanos: u64,
    /// Records in it.
    pub records: u64,
    /// Its bytes as sent.
    pub bytes: u64,
    /// How often the same had failed before.
    pub failures_before: u32,
    /// Why it failed.
    pub error: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Requests {
    are_wanted: AtomicBool,
    kept: Mutex<Vec<Request>>,
}

impl Requests {
    /// From now on they are kept.
    pub fn want(&self) {
        self.are_wanted.store(true, Ordering::Relaxed);
    }

    /// Whether somebody wants them. One atomic read.
    pub fn are_wanted(&self) -> bool {
        self.are_wanted.load(Ordering::Relaxed)
    }

    /// Keeps one; `left_out` counts those for which there is no room.
    pub fn add(&self, request: Request, left_out: &Counter) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push(request);
        } else {
            left_out.add(1);
        }
    }

    /// Those since they were taken last.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let (requests, left_out) = (Requests::default(), Counter::default());
        let request = Request {
            destination: "otlp".into(),
            start_nanos: 1,
            end_nanos: 2,
            records: 3,
            bytes: 4,
            failures_before: 0,
            error: None,
        };
        assert!(!requests.are_wanted());
        requests.want();
        assert!(requests.are_wanted());
        (0..KEPT_MAX + 5).for_each(|_| requests.add(request.clone(), &left_out));
        assert_eq!((requests.take().len(), left_out.get(), requests.take().len()), (KEPT_MAX, 5, 0));
    }
}
