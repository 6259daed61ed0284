//! Destinations: what each took, and whether it does.
//!
//! In goes what became of requests, out comes a state. Whether and when something is sent again is not decided here.

use std::sync::{Mutex, PoisonError};

use super::family::{Counter, Gauge};

/// Of one destination.
#[derive(Debug, Default)]
pub struct DestinationMetrics {
    /// Records that it acknowledged.
    pub delivered: Counter,
    /// Records that were read and that it has not acknowledged yet.
    pub held: Gauge,
    state: Mutex<DestinationState>,
}

/// How a destination answers. Times are ns since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationState {
    /// When it took something last; `None` as long as it has not.
    pub last_success_nanos: Option<i64>,
    /// Why it takes nothing now; `None` while it does, and before anything was sent.
    pub failing: Option<Failing>,
}

/// A destination that takes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Since the first failure after a success.
    pub since_nanos: i64,
    /// Failures since then.
    pub failures: u64,
    /// The latest.
    pub error: String,
    /// When it is tried again, if that is known.
    pub next_try_nanos: Option<i64>,
}

/// Bytes of an error that are kept: an answer may be a web page.
const ERROR_BYTES_MAX: usize = 1024;

impl DestinationMetrics {
    /// It took a request.
    pub fn succeeded(&self, now_nanos: i64) {
        self.change(|state| {
            state.last_success_nanos = Some(now_nanos);
            state.failing = None;
        });
    }

    /// A request failed in a way that holds for what comes after it too.
    pub fn failed(&self, now_nanos: i64, error: &str, next_try_nanos: Option<i64>) {
        let error = error[..error.floor_char_boundary(ERROR_BYTES_MAX)].to_owned();
        self.change(|state| {
            let before = state.failing.take();
            state.failing = Some(Failing {
                since_nanos: before.as_ref().map_or(now_nanos, |failing| failing.since_nanos),
                failures: before.map_or(0, |failing| failing.failures) + 1,
                error,
                next_try_nanos,
            });
        });
    }

    /// Its state now.
    pub fn state(&self) -> DestinationState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut DestinationState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fails_since_the_first_failure_after_a_success() {
        let destination = DestinationMetrics::default();
        destination.failed(1, "refused", Some(5));
        destination.succeeded(6);
        assert_eq!(destination.state(), DestinationState { last_success_nanos: Some(6), failing: None });
        destination.failed(10, "refused", Some(15));
        destination.failed(15, "unavailable", None);
        let failing = Failing { since_nanos: 10, failures: 2, error: "unavailable".to_owned(), next_try_nanos: None };
        assert_eq!(destination.state(), DestinationState { last_success_nanos: Some(6), failing: Some(failing) });
    }

    #[test]
    fn a_page_for_an_error_is_cut() {
        let destination = DestinationMetrics::default();
        destination.failed(1, &"ö".repeat(10_000), None);
        assert_eq!(destination.state().failing.unwrap().error.len(), ERROR_BYTES_MAX);
    }
}
