//! Counts by kind, and counts of linked records.
//!
//! One kind is counted for every record, so that the look-up must cost next to nothing: the list is short, and mostly
//! the same few are met. What is counted is not known here.

use std::collections::BTreeMap;

use crate::record::{Method, Unlinked};

/// Counts by kind, in the order of the kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted<K>(Vec<(K, u64)>);

impl<K> Default for Counted<K> {
    fn default() -> Counted<K> {
        Counted(Vec::new())
    }
}

impl<K: Copy + Ord> Counted<K> {
    /// Adds `count` of one kind.
    #[inline]
    pub fn add(&mut self, kind: K, count: u64) {
        match self.0.iter_mut().find(|(met, _)| *met == kind) {
            Some((_, sum)) => *sum += count,
            None => {
                let place = self.0.partition_point(|(met, _)| *met < kind);
                self.0.insert(place, (kind, count));
            }
        }
    }

    /// Each kind that was met, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.0.iter().copied()
    }

    /// All of them.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

/// Counts by names that the user gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named(BTreeMap<String, u64>);

impl Named {
    /// Adds to the count of a name.
    pub fn add(&mut self, name: &str, count: u64) {
        match self.0.get_mut(name) {
            Some(sum) => *sum += count,
            None => drop(self.0.insert(name.to_owned(), count)),
        }
    }

    /// Adds another's.
    pub fn extend(&mut self, other: &Named) {
        other.iter().for_each(|(name, count)| self.add(name, count));
    }

    /// Each name with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// All of them.
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}

/// What was linked, and what was not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LinkCounts {
    /// Records by method; `None` in the second place: ids whose span was not seen.
    pub linked: Counted<(Method, bool)>,
    /// Records by reason.
    pub unlinked: Counted<Unlinked>,
    /// Between which times the records lie, ns since the epoch.
    pub times: Option<(i64, i64)>,
    /// … and those outside the window too.
    pub all_times: Option<(i64, i64)>,
    /// Records outside the window of time.
    pub outside_window: u64,
    /// Records without a time that were in or out of the window by the one before them.
    pub by_record_before: u64,
    /// Records that conditions left out.
    pub filtered: u64,
    /// Records that every destination had acknowledged before.
    pub acknowledged_before: u64,
    /// Files that were not read, since that holds for all of their records.
    pub files_unchanged: u64,
    /// Records that were sent before, by a run without traces, and are not sent again.
    pub untraced_before: u64,
    /// Records that rules dropped, by reason.
    pub dropped: Named,
    /// What rules blacked out, by rule.
    pub redacted: Named,
}

impl LinkCounts {
    /// Adds another worker's counts.
    pub fn add(&mut self, other: &LinkCounts) {
        other.linked.iter().for_each(|(method, count)| self.linked.add(method, count));
        other.unlinked.iter().for_each(|(reason, count)| self.unlinked.add(reason, count));
        self.times = around(self.times, other.times);
        self.all_times = around(self.all_times, other.all_times);
        self.outside_window += other.outside_window;
        self.by_record_before += other.by_record_before;
        self.filtered += other.filtered;
        self.acknowledged_before += other.acknowledged_before;
        self.files_unchanged += other.files_unchanged;
        self.untraced_before += other.untraced_before;
        self.dropped.extend(&other.dropped);
        self.redacted.extend(&other.redacted);
    }
}

/// From the first of both to the last.
pub fn around(one: Option<(i64, i64)>, two: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (one, two) {
        (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
        (one, two) => one.or(two),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_in_their_order_with_their_sums() {
        let mut counted = Counted::default();
        for kind in [3, 1, 3, 2, 1, 3] {
            counted.add(kind, 1);
        }
        counted.add(2, 10);
        assert_eq!(counted.iter().collect::<Vec<_>>(), [(1, 2), (2, 11), (3, 3)]);
        assert_eq!(counted.sum(), 16);
    }
}
