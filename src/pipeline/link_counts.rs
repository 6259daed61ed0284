//! What a run came to, in records.
//!
//! In go the counts of each worker, out comes their sum. Who counts what is not decided here.

use crate::counted::Counted;
use crate::record::{Method, Unlinked};

/// What was linked, and what was not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LinkCounts {
    /// Records by method; `None` in the second place: ids whose span was not seen.
    pub linked: Counted<(Method, bool)>,
    /// Records by reason.
    pub unlinked: Counted<Unlinked>,
    /// Between which times the records lie, ns since the epoch.
    pub times: Option<(i64, i64)>,
    /// … and those beside the window too.
    pub all_times: Option<(i64, i64)>,
    /// Records outside `--since` and `--until`.
    pub outside_window: u64,
    /// Records without a time that were in or out of the window by the one before them.
    pub by_record_before: u64,
    /// Records that `--only` left out.
    pub filtered: u64,
    /// Records that every destination had acknowledged before.
    pub acknowledged_before: u64,
    /// Records that were sent before, by a run without traces, and are not sent again.
    pub untraced_before: u64,
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
        self.untraced_before += other.untraced_before;
    }
}

/// From the first of both to the last.
pub(super) fn around(one: Option<(i64, i64)>, two: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (one, two) {
        (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
        (one, two) => one.or(two),
    }
}
