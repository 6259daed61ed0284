//! Whether the agent is alive and ready.
//!
//! In go signs of life, out comes an answer for those who restart what is dead (alive: its loop goes round) and those who
//! wait for what starts (ready: inputs are read, the state can be written, no destination has failed from the beginning).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A loop that has not turned for so long hangs: its turns take milliseconds, and it waits a minute at no place.
const TURN_WITHIN: Duration = Duration::from_secs(30);

/// Whether the agent is alive and ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How long ago the loop turned; of several, the one that did longest ago.
    pub since_turn: Duration,
    /// What keeps it from being ready, in sentences.
    pub not_ready: Vec<String>,
}

impl Health {
    /// Each loop has turned within the last 30 s.
    pub fn is_alive(&self) -> bool {
        self.since_turn < TURN_WITHIN
    }

    /// It is alive, and nothing keeps it from its work.
    pub fn is_ready(&self) -> bool {
        self.is_alive() && self.not_ready.is_empty()
    }
}

/// One of several loops that must all turn, as long as this lives.
#[derive(Debug)]
pub struct Heartbeat {
    started: Instant,
    turned_millis: AtomicU64,
}

impl Heartbeat {
    /// The loop goes round; to be said with each turn, at least each 10 s.
    pub fn turned(&self, now: Instant) {
        self.turned_millis.store(millis(now.saturating_duration_since(self.started)), Ordering::Relaxed);
    }
}

/// What loops have said of themselves. Times are since the start.
#[derive(Debug, Default)]
pub(super) struct LoopState {
    turned_millis: AtomicU64,
    heartbeats: Mutex<Vec<Weak<Heartbeat>>>,
    have_inputs_begun: AtomicBool,
    state_error: Mutex<Option<String>>,
}

impl LoopState {
    pub(super) fn turned(&self, since_start: Duration) {
        self.turned_millis.store(millis(since_start), Ordering::Relaxed);
    }

    pub(super) fn heartbeat(&self, started: Instant, now: Instant) -> Arc<Heartbeat> {
        let heartbeat = Arc::new(Heartbeat { started, turned_millis: AtomicU64::new(0) });
        heartbeat.turned(now);
        let mut all = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&heartbeat));
        heartbeat
    }

    /// When the last loop turned that did so longest ago.
    fn oldest_turn(&self) -> Duration {
        let all = self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner);
        let turned = all.iter().filter_map(Weak::upgrade).map(|one| one.turned_millis.load(Ordering::Relaxed)).min();
        Duration::from_millis(turned.unwrap_or_else(|| self.turned_millis.load(Ordering::Relaxed)))
    }

    pub(super) fn inputs_begin(&self) {
        self.have_inputs_begun.store(true, Ordering::Relaxed);
    }

    pub(super) fn state_written(&self, outcome: Result<(), String>) {
        *self.state_error.lock().unwrap_or_else(PoisonError::into_inner) = outcome.err();
    }

    pub(super) fn health(&self, since_start: Duration, failing: Vec<String>) -> Health {
        let turned = self.oldest_turn();
        let mut not_ready = Vec::new();
        if !self.have_inputs_begun.load(Ordering::Relaxed) {
            not_ready.push("the inputs are not read yet".to_owned());
        }
        let state_error = self.state_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        not_ready.extend(state_error.map(|error| format!("the state cannot be written: {error}")));
        not_ready.extend(failing);
        Health { since_turn: since_start.saturating_sub(turned), not_ready }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::Metrics;
    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_dead() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let metrics = Metrics::new(start);
        metrics.inputs_begin();
        assert!(metrics.health(after(29)).is_alive() && !metrics.health(after(30)).is_alive());
        metrics.turned(after(100));
        assert_eq!(metrics.health(after(110)).since_turn, Duration::from_secs(10));
        assert!(metrics.health(after(129)).is_ready());
        assert!(!metrics.health(after(131)).is_ready(), "what is dead is not ready");
    }

    #[test]
    fn of_several_loops_each_must_turn_as_long_as_it_is_there() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let metrics = Metrics::new(start);
        let [one, other] = [metrics.heartbeat(after(50)), metrics.heartbeat(after(50))];
        one.turned(after(100));
        assert_eq!(metrics.health(after(100)).since_turn, Duration::from_secs(50));
        assert!(!metrics.health(after(100)).is_alive());
        other.turned(after(95));
        assert_eq!(metrics.health(after(100)).since_turn, Duration::from_secs(5));
        drop(other);
        assert_eq!(metrics.health(after(110)).since_turn, Duration::from_secs(10));
    }

    #[test]
    fn it_is_ready_once_nothing_is_in_the_way() {
        let now = Instant::now();
        let metrics = Metrics::new(now);
        let not_ready = || metrics.health(now).not_ready;
        assert_eq!(not_ready(), ["the inputs are not read yet"]);
        metrics.inputs_begin();
        assert!(not_ready().is_empty());
        metrics.state_written(Err("no space left on device".to_owned()));
        assert_eq!(not_ready(), ["the state cannot be written: no space left on device"]);
        metrics.state_written(Ok(()));
        let destination = metrics.destination("otlp=http://c:4317");
        destination.failed(1, "no connection: refused", None);
        assert_eq!(not_ready(), ["otlp=http://c:4317 has not taken anything yet: no connection: refused"]);
        destination.succeeded(2);
        assert!(metrics.health(now).is_ready());
        // One that took something is waited for; restarting or leaving out the agent would not help it.
        destination.failed(3, "unavailable", None);
        assert!(metrics.health(now).is_ready());
    }
}
