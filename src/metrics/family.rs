//! Numbers that are added to from any thread, and groups of them that differ by one label.
//!
//! In go additions, out come sums. A group has a limit on its labels, since these may come from far away: what an unruly
//! destination says becomes a reason.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The sum.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Grows and shrinks.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// It is this now.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one of several adds to a gauge; taken back when it ends.
#[derive(Debug)]
pub struct Share {
    gauge: Arc<Gauge>,
    value: u64,
}

impl Share {
    /// Nothing yet.
    pub fn of(gauge: Arc<Gauge>) -> Share {
        Share { gauge, value: 0 }
    }

    /// It is this now.
    pub fn set(&mut self, value: u64) {
        let change = value.wrapping_sub(std::mem::replace(&mut self.value, value));
        if change != 0 {
            self.gauge.0.fetch_add(change, Ordering::Relaxed);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Labels of a group: more would be kept for ever by whoever stores the metrics.
const LABELS_MAX: usize = 100;
/// Bytes of a label.
const LABEL_BYTES_MAX: usize = 256;
/// The label of all that come after.
pub(super) const OTHER: &str = "other";

/// Numbers that differ by one label.
#[derive(Debug)]
pub struct Family<T>(Mutex<BTreeMap<String, Arc<T>>>);

impl<T> Default for Family<T> {
    fn default() -> Family<T> {
        Family(Mutex::new(BTreeMap::new()))
    }
}

impl<T: Default> Family<T> {
    /// The one with this label, to be kept by whoever adds to it often. Beyond 100 labels all share `other`; a label is cut
    /// at 256 bytes.
    pub fn get(&self, label: &str) -> Arc<T> {
        let label = &label[..label.floor_char_boundary(LABEL_BYTES_MAX)];
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(label) {
            return Arc::clone(known);
        }
        let label = if all.len() < LABELS_MAX { label } else { OTHER };
        Arc::clone(all.entry(label.to_owned()).or_default())
    }

    /// All of them, by label.
    pub fn all(&self) -> Vec<(String, Arc<T>)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(label, value)| (label.clone(), Arc::clone(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_gauge_are_a_sum() {
        let gauge = Arc::new(Gauge::default());
        let (mut one, mut other) = (Share::of(gauge.clone()), Share::of(gauge.clone()));
        one.set(5);
        other.set(7);
        one.set(2);
        assert_eq!(gauge.get(), 9);
        drop(other);
        assert_eq!(gauge.get(), 2);
    }

    #[test]
    fn equal_labels_share_a_number() {
        let family: Family<Counter> = Family::default();
        family.get("b").add(2);
        family.get("a").add(1);
        family.get("b").add(3);
        let all: Vec<_> = family.all().into_iter().map(|(label, counter)| (label, counter.get())).collect();
        assert_eq!(all, [("a".to_owned(), 1), ("b".to_owned(), 5)]);
    }

    #[test]
    fn labels_without_end_share_one() {
        let family: Family<Counter> = Family::default();
        (0..LABELS_MAX + 50).for_each(|number| family.get(&format!("reason {number}")).add(1));
        family.get("reason 7").add(1);
        let all = family.all();
        assert_eq!(all.len(), LABELS_MAX + 1);
        let of = |wanted: &str| all.iter().find(|(label, _)| label == wanted).map(|(_, counter)| counter.get());
        assert_eq!((of(OTHER), of("reason 7")), (Some(50), Some(2)));
    }

    #[test]
    fn a_long_label_is_cut_between_characters() {
        let family: Family<Counter> = Family::default();
        family.get(&"€".repeat(1000)).add(1);
        assert_eq!(family.all()[0].0, "€".repeat(LABEL_BYTES_MAX / "€".len()));
    }
}
