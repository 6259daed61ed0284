//! Ranges of acknowledged records, per destination and file.
//!
//! In go ranges in any order, out comes whether a record lies in one as a whole: one that has grown since does not. Ranges
//! that touch become one, so a finished file takes one range whatever its size.

use std::collections::{BTreeMap, HashMap};

/// Which records are meant: those of one writer in one file, by what stays the same when the file is renamed,
/// compressed, or mounted elsewhere.
pub type Key = u128;

/// What one destination has acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    files: HashMap<Key, Ranges>,
}

impl Ledger {
    /// Marks the records at `from..to` as done.
    pub fn add(&mut self, key: Key, from: u64, to: u64) {
        self.files.entry(key).or_default().add(from, to);
    }

    /// The ranges of a key, for many look-ups in order.
    pub fn ranges(&self, key: Key) -> Option<&Ranges> {
        self.files.get(&key)
    }

    /// What was done under one key up to a place is done under another from now on; the rest of it is forgotten.
    pub fn hand_on(&mut self, from: Key, to: Key, up_to: u64) {
        for (start, end) in self.files.remove(&from).unwrap_or_default().ends {
            self.add(to, start, end.min(up_to));
        }
    }

    /// All that is known, in a fixed order.
    pub fn entries(&self) -> Vec<(Key, Vec<(u64, u64)>)> {
        let mut entries: Vec<_> = self.files.iter().map(|(key, ranges)| (*key, ranges.list())).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries
    }
}

/// Ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds a range; an empty one is nothing.
    pub fn add(&mut self, mut from: u64, mut to: u64) {
        if from >= to {
            return;
        }
        while let Some((&start, &end)) = self.ends.range(..=to).next_back() {
            if end < from {
                break;
            }
            self.ends.remove(&start);
            (from, to) = (from.min(start), to.max(end));
        }
        self.ends.insert(from, to);
    }

    /// Does a range hold all of this one?
    pub fn holds(&self, from: u64, to: u64) -> bool {
        self.ends.range(..=from).next_back().is_some_and(|(_, end)| from < *end && to <= *end)
    }

    /// Does a range hold this place?
    pub fn contains(&self, at: u64) -> bool {
        self.ends.range(..=at).next_back().is_some_and(|(_, end)| at < *end)
    }

    /// The ranges in order.
    pub fn list(&self) -> Vec<(u64, u64)> {
        self.ends.iter().map(|(from, to)| (*from, *to)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_hold_what_was_added_and_nothing_else(added in proptest::collection::vec((0u64..60, 0u64..12), 0..20)) {
            let mut ranges = Ranges::default();
            let mut model = [false; 80];
            for (from, length) in added {
                ranges.add(from, from + length);
                (from..from + length).for_each(|at| model[at as usize] = true);
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
}
