//! Ranges of offsets that touch or overlap, as one.
//!
//! In go ranges in any order, out comes whether one holds an offset, or all of another range. What they stand for is not
//! known here.

use super::small_map::SmallMap;

/// Ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    ends: SmallMap<u64, u64>,
}

impl Ranges {
    /// Adds a range; an empty one changes nothing.
    pub fn add(&mut self, mut from: u64, mut to: u64) {
        if from >= to {
            return;
        }
        while let Some((start, &end)) = self.ends.last_up_to(&to) {
            if end < from {
                break;
            }
            self.ends.remove(&start);
            (from, to) = (from.min(start), to.max(end));
        }
        self.ends.insert(from, to);
    }

    /// Removes a range.
    pub fn remove(&mut self, from: u64, to: u64) {
        while let Some((start, &end)) = self.ends.last_below(&to).filter(|(_, end)| **end > from && from < to) {
            self.ends.remove(&start);
            if end > to {
                self.ends.insert(to, end);
            }
            if start < from {
                self.ends.insert(start, from);
            }
        }
    }

    /// Forgets what follows an offset.
    pub fn clip(&mut self, at: u64) {
        self.remove(at, u64::MAX);
    }

    /// Whether one range holds all of this one.
    pub fn holds(&self, from: u64, to: u64) -> bool {
        self.ends.last_up_to(&from).is_some_and(|(_, end)| from < *end && to <= *end)
    }

    /// Whether a range holds this offset.
    pub fn contains(&self, at: u64) -> bool {
        self.ends.last_up_to(&at).is_some_and(|(_, end)| at < *end)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The ranges in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ends.iter().map(|(from, to)| (*from, *to))
    }

    /// The same as a list.
    pub fn list(&self) -> Vec<(u64, u64)> {
        self.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_hold_what_was_added_and_not_removed(
            changes in proptest::collection::vec((any::<bool>(), 0u64..60, 0u64..12), 0..20),
        ) {
            let mut ranges = Ranges::default();
            let mut model = [false; 80];
            for (adds, from, length) in changes {
                if adds {
                    ranges.add(from, from + length);
                } else {
                    ranges.remove(from, from + length);
                }
                (from..from + length).for_each(|at| model[at as usize] = adds);
            }
            for (at, held) in model.iter().enumerate() {
                prop_assert_eq!(ranges.contains(at as u64), *held);
                for to in at + 1..model.len() {
                    let all = model[at..to].iter().all(|held| *held);
                    prop_assert_eq!(ranges.holds(at as u64, to as u64), all);
                }
            }
            for pair in ranges.list().windows(2) {
                prop_assert!(pair[0].1 < pair[1].0);
            }
        }
    }

    #[test]
    fn an_empty_range_is_nothing() {
        let mut ranges = Ranges::default();
        ranges.add(5, 5);
        ranges.add(7, 5);
        assert!(ranges.is_empty());
        ranges.add(0, 10);
        ranges.remove(5, 5);
        ranges.remove(7, 5);
        assert_eq!(ranges.list(), [(0, 10)]);
        assert!(!ranges.holds(10, 10) && ranges.holds(0, 0) && ranges.holds(0, 10) && !ranges.holds(0, 11));
        ranges.remove(0, 10);
        assert!(ranges.is_empty());
    }

    #[test]
    fn ranges_that_touch_become_one_and_what_is_taken_out_leaves_no_empty_ones() {
        let mut ranges = Ranges::default();
        for (from, to) in [(10, 20), (30, 40), (20, 30)] {
            ranges.add(from, to);
        }
        assert_eq!(ranges.list(), [(10, 40)]);
        for (from, to, left) in [
            (10, 15, vec![(15, 40)]),
            (35, 40, vec![(15, 35)]),
            (20, 25, vec![(15, 20), (25, 35)]),
            (0, 15, vec![(15, 20), (25, 35)]),
        ] {
            ranges.remove(from, to);
            assert_eq!(ranges.list(), left);
        }
        ranges.clip(25);
        assert_eq!(ranges.list(), [(15, 20)]);
    }
}
