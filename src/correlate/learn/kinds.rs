//! Kinds of lines that are new: what is learned of them is still to come.
//!
//! In go lines that could be decided, out comes which of them had better wait: those of new kinds, while a service writes many
//! such. No more is known of a kind than when its first line was written.

use super::stream_tuning::{NEW_FOR_NS, NEW_KINDS_SHARE};
use crate::correlate::stored::stored;
use crate::correlate::text::hash::{NumberMap, mix};

/// Kinds that are known; once there are more, all are new again.
const KINDS_MAX: usize = 1 << 15;
/// What was counted before counts so much after each step.
const FADING: f32 = 0.9;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    /// By service and coarse form: when the first line was written, ns since the epoch.
    first: NumberMap<u64, i64>,
    services: NumberMap<u32, Counts>,
}

stored!(Kinds { first, services });

/// Lines of a service, fading.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    lines: f32,
    new: f32,
}

stored!(Counts { lines, new });

impl Kinds {
    /// A step begins.
    pub(crate) fn fade(&mut self) {
        for counts in self.services.values_mut() {
            *counts = Counts { lines: counts.lines * FADING, new: counts.new * FADING };
        }
    }

    /// Counts a line; whether its kind was new when it was written, ns since the epoch.
    pub(crate) fn is_new(&mut self, service: u32, kind: u64, time: i64) -> bool {
        if self.first.len() >= KINDS_MAX {
            self.first.clear();
        }
        let first = *self.first.entry(mix(service.into(), kind)).or_insert(time);
        let is_new = time.saturating_sub(first) < NEW_FOR_NS;
        let counts = self.services.entry(service).or_default();
        counts.lines += 1.0;
        counts.new += f32::from(u8::from(is_new));
        is_new
    }

    /// Whether lines of new kinds wait.
    pub(crate) fn are_many(&self, service: u32) -> bool {
        self.services.get(&service).is_some_and(|counts| counts.new > counts.lines * NEW_KINDS_SHARE)
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.first.capacity() * size_of::<(u64, i64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_kinds_wait_while_there_are_many() {
        let mut kinds = Kinds::default();
        for second in 0..40i64 {
            let time = second * 1_000_000_000;
            kinds.fade();
            for kind in 0..50 {
                assert_eq!(kinds.is_new(1, kind, time), time < NEW_FOR_NS, "{second}");
            }
            // One more now and then.
            assert!(kinds.is_new(1, 1_000 + second as u64, time));
        }
        assert!(!kinds.are_many(1) && !kinds.are_many(2));
        (0..50).for_each(|kind| assert!(kinds.is_new(2, kind, 40_000_000_000)));
        assert!(kinds.are_many(2) && !kinds.are_many(1));
    }

    #[test]
    fn kinds_without_end_take_no_more_room() {
        let mut kinds = Kinds::default();
        (0..100_000).for_each(|kind| assert!(kinds.is_new(1, kind, 0)));
        assert!(kinds.first.len() <= KINDS_MAX && kinds.bytes() < 2 << 20);
    }
}
