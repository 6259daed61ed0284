//! A histogram of durations that is added to from any thread.
//!
//! In go durations, out come how many lie in each of fixed buckets, and their sum.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, seconds; one more takes the rest.
pub const BOUNDS: [f64; 9] = [0.2, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 60.0];

/// See the module.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

/// A histogram at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Buckets {
    /// Of each bucket by itself, the rest last.
    pub counts: [u64; BOUNDS.len() + 1],
    /// Seconds.
    pub sum: f64,
}

impl Histogram {
    /// Adds a duration.
    pub fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What it holds.
    pub fn get(&self) -> Buckets {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        Buckets { counts, sum: self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_lie_in_the_bucket_whose_bound_they_do_not_exceed() {
        let histogram = Histogram::default();
        [0, 200, 201, 60_000, 60_001, 1_000_000]
            .map(Duration::from_millis)
            .into_iter()
            .for_each(|one| histogram.add(one));
        assert_eq!(histogram.get(), Buckets { counts: [2, 1, 0, 0, 0, 0, 0, 0, 1, 2], sum: 1_120.402 });
    }
}
