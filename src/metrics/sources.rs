//! How far each source is read.
//!
//! In go the facts of all sources when someone asks for them, out come sums by input and the facts of those that are
//! furthest behind: a node may have 20,000 sources, so that they are neither gathered unasked nor all kept.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Sources whose facts are kept.
const KEPT_MAX: usize = 1000;

/// How far a source is read.
#[derive(Debug, Clone, Copy)]
pub struct SourceFacts<'a> {
    /// The name that is written to.
    pub path: &'a Path,
    /// The input that it belongs to, as in [`Metrics::input`](super::Metrics::input).
    pub input: &'a str,
    /// Bytes read of it, in all of its files.
    pub bytes_read: u64,
    /// Bytes that are written and not read yet, in all of its files.
    pub lag_bytes: u64,
    /// How long it has been behind, without having been read to its end; zero if it is read to its end.
    pub lag: Duration,
}

/// A source that is kept. They are in the order of their lag in time, then in bytes, then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceLag {
    /// How long it has been behind.
    pub lag: Duration,
    /// Bytes that are not read yet.
    pub lag_bytes: u64,
    /// Its name.
    pub path: Reverse<PathBuf>,
    /// Its input.
    pub input: String,
    /// Bytes read.
    pub bytes_read: u64,
}

/// The sources of one input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputLag {
    /// How many there are.
    pub sources: u64,
    /// Those that are not read to their end.
    pub behind: u64,
    /// The most bytes that one is behind.
    pub lag_bytes_max: u64,
    /// The longest time that one is behind.
    pub lag_max: Duration,
}

/// All sources at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The moment.
    pub at: Instant,
    /// By input.
    pub inputs: BTreeMap<String, InputLag>,
    /// Those that are furthest behind first; at most 1,000.
    pub worst: Vec<SourceLag>,
    /// Those that are not among them.
    pub left_out: u64,
}

/// The latest sources, and whether others are wanted.
#[derive(Default)]
pub(super) struct Snapshots {
    are_wanted: AtomicBool,
    wake: Mutex<Option<Wake>>,
    latest: Mutex<Option<Arc<Sources>>>,
    set: Notify,
}

/// Wakes the one who sets sources.
type Wake = Box<dyn Fn() + Send + Sync>;

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("latest", &self.latest).finish_non_exhaustive()
    }
}

impl Snapshots {
    pub(super) fn are_wanted(&self) -> bool {
        self.are_wanted.load(Ordering::Relaxed)
    }

    pub(super) fn wake_by(&self, wake: Wake) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
    }

    pub(super) fn set<'a>(&self, now: Instant, sources: impl Iterator<Item = SourceFacts<'a>>) {
        let sources = Arc::new(gathered(now, sources));
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(sources);
        self.are_wanted.store(false, Ordering::Relaxed);
        self.set.notify_waiters();
    }

    pub(super) fn latest(&self) -> Option<Arc<Sources>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn fresh(&self, patience: Duration) -> Option<Arc<Sources>> {
        let set = self.set.notified();
        tokio::pin!(set);
        // Whoever sets them from here on is heard.
        set.as_mut().enable();
        self.are_wanted.store(true, Ordering::Relaxed);
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
        // In vain, there are older ones.
        let _ = tokio::time::timeout(patience, set).await;
        self.latest()
    }
}

fn gathered<'a>(now: Instant, sources: impl Iterator<Item = SourceFacts<'a>>) -> Sources {
    let mut inputs: BTreeMap<String, InputLag> = BTreeMap::new();
    let mut worst: BinaryHeap<Reverse<SourceLag>> = BinaryHeap::new();
    let mut left_out = 0;
    for facts in sources {
        let input = match inputs.get_mut(facts.input) {
            Some(input) => input,
            None => inputs.entry(facts.input.to_owned()).or_default(),
        };
        input.sources += 1;
        input.behind += u64::from(facts.lag_bytes > 0);
        input.lag_bytes_max = input.lag_bytes_max.max(facts.lag_bytes);
        input.lag_max = input.lag_max.max(facts.lag);
        if worst.len() == KEPT_MAX {
            left_out += 1;
            let best = worst.peek().map(|Reverse(best)| (best.lag, best.lag_bytes, Reverse(best.path.0.as_path())));
            if best.is_some_and(|best| (facts.lag, facts.lag_bytes, Reverse(facts.path)) <= best) {
                continue;
            }
            worst.pop();
        }
        worst.push(Reverse(SourceLag {
            lag: facts.lag,
            lag_bytes: facts.lag_bytes,
            path: Reverse(facts.path.to_owned()),
            input: facts.input.to_owned(),
            bytes_read: facts.bytes_read,
        }));
    }
    let worst = worst.into_sorted_vec().into_iter().map(|Reverse(source)| source).collect();
    Sources { at: now, inputs, worst, left_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(path: &'a str, lag_seconds: u64, lag_bytes: u64) -> SourceFacts<'a> {
        let lag = Duration::from_secs(lag_seconds);
        SourceFacts { path: Path::new(path), input: "pods", bytes_read: 7, lag_bytes, lag }
    }

    #[test]
    fn the_furthest_behind_come_first() {
        let all = [facts("b", 0, 0), facts("a", 0, 0), facts("c", 1, 5), facts("d", 2, 1), facts("e", 1, 9)];
        let sources = gathered(Instant::now(), all.into_iter());
        let paths: Vec<_> = sources.worst.iter().map(|source| source.path.0.to_str().unwrap()).collect();
        assert_eq!(paths, ["d", "e", "c", "a", "b"]);
        let expected = InputLag { sources: 5, behind: 3, lag_bytes_max: 9, lag_max: Duration::from_secs(2) };
        assert_eq!((&sources.inputs["pods"], sources.left_out), (&expected, 0));
    }

    #[test]
    fn of_many_sources_the_worst_are_kept() {
        let paths: Vec<String> = (0..5000).map(|number| format!("{number:04}")).collect();
        // In an order that has nothing to do with the lag.
        let all = paths.iter().enumerate().map(|(at, path)| facts(path, (at as u64 * 7919) % 5000, 1));
        let sources = gathered(Instant::now(), all);
        let lags: Vec<u64> = sources.worst.iter().map(|source| source.lag.as_secs()).collect();
        assert_eq!(lags, (4000..5000).rev().collect::<Vec<_>>());
        assert_eq!((sources.left_out, sources.inputs["pods"].sources), (4000, 5000));
    }

    #[tokio::test]
    async fn who_asks_gets_what_is_set_afterwards_or_the_latest() {
        let snapshots = Arc::new(Snapshots::default());
        assert_eq!(snapshots.fresh(Duration::ZERO).await, None);
        assert!(snapshots.are_wanted());
        snapshots.set(Instant::now(), [facts("old", 1, 1)].into_iter());
        assert!(!snapshots.are_wanted());
        let asked = tokio::spawn({
            let snapshots = Arc::clone(&snapshots);
            async move { snapshots.fresh(Duration::from_secs(60)).await }
        });
        while !snapshots.are_wanted() {
            tokio::task::yield_now().await;
        }
        snapshots.set(Instant::now(), [facts("new", 1, 1)].into_iter());
        assert_eq!(asked.await.unwrap().unwrap().worst[0].path.0, Path::new("new"));
        let (woken, wakes) = std::sync::mpsc::channel();
        snapshots.wake_by(Box::new(move || woken.send(()).unwrap()));
        // Nobody sets others.
        let latest = snapshots.fresh(Duration::ZERO).await;
        assert_eq!(wakes.try_iter().count(), 1);
        assert_eq!(latest.unwrap().worst[0].path.0, Path::new("new"));
    }
}
