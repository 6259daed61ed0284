//! A histogram of delays: how long it takes but for some.
//!
//! In go delays in ns, out come quantiles, a quarter of an octave too long at most. What is old counts for less and less.

use super::stored::stored;

/// Delays below are one bin, ns.
const LEAST_NS: i64 = 1_000_000;
/// Bins of an octave: each is 19 % wide.
const PER_OCTAVE: f32 = 4.0;
/// The last one begins at 65 s.
const BINS: usize = 2 + 16 * PER_OCTAVE as usize;
/// Once so many are counted, each counts half.
const COUNTED_MAX: u32 = 1 << 14;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Delays {
    counts: [u16; BINS],
    count: u32,
}

stored!(Delays { counts, count });

impl Default for Delays {
    fn default() -> Delays {
        Delays { counts: [0; BINS], count: 0 }
    }
}

impl Delays {
    /// Counts a delay, ns; a negative one is none.
    pub(crate) fn add(&mut self, delay: i64) {
        if self.count >= COUNTED_MAX {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.count = self.counts.iter().map(|count| u32::from(*count)).sum();
        }
        self.counts[bin(delay)] += 1;
        self.count += 1;
    }

    /// How many are counted.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// This share of all is no longer, ns; `i64::MAX / 2` where that is longer than anything told apart, 0 where none is counted.
    pub(crate) fn quantile(&self, share: f32) -> i64 {
        let mut left = (self.count as f32 * share).ceil() as u32;
        for (bin, count) in self.counts.iter().enumerate() {
            if left <= u32::from(*count) && left > 0 {
                return end_of(bin);
            }
            left = left.saturating_sub((*count).into());
        }
        0
    }
}

fn bin(delay: i64) -> usize {
    if delay < LEAST_NS {
        return 0;
    }
    let octaves = (delay as f32 / LEAST_NS as f32).log2();
    (1 + (octaves * PER_OCTAVE) as usize).min(BINS - 1)
}

/// The longest delay of a bin.
fn end_of(bin: usize) -> i64 {
    match bin {
        // Less than can be told.
        0 => 0,
        last if last == BINS - 1 => i64::MAX / 2,
        bin => (LEAST_NS as f32 * (bin as f32 / PER_OCTAVE).exp2()) as i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_a_bin() {
        let mut delays = Delays::default();
        assert_eq!(delays.quantile(0.99), 0);
        (1..=1_000).for_each(|ms| delays.add(ms * LEAST_NS));
        for (share, ms) in [(0.5, 500), (0.99, 990), (1.0, 1_000)] {
            let (told, right) = (delays.quantile(share), ms * LEAST_NS);
            assert!(told >= right && told < right * 5 / 4, "{share}: {told}");
        }
    }

    #[test]
    fn odd_delays_are_counted_and_what_is_old_fades() {
        let mut delays = Delays::default();
        [i64::MIN, -1, 0, i64::MAX].into_iter().for_each(|delay| delays.add(delay));
        assert_eq!((delays.count(), delays.quantile(0.5), delays.quantile(1.0)), (4, 0, i64::MAX / 2));
        (0..200_000).for_each(|_| delays.add(LEAST_NS * 10));
        assert!(delays.count() <= COUNTED_MAX);
        assert!(delays.quantile(1.0) < LEAST_NS * 13);
    }
}
