//! Records of one stream of a file that were handed out and are not settled.
//!
//! In go records in the order in which they were handed out, and ranges that were settled in any order; out comes where the
//! first one begins that is not.

use crate::checkpoint::ranges::Ranges;

/// See the module.
#[derive(Debug, Default)]
pub struct Outstanding {
    /// Those before `open`.
    ranges: Ranges,
    /// The latest ones, as one range: nearly every record makes that longer, and nothing else.
    open: (u64, u64),
}

impl Outstanding {
    /// A record is handed out.
    #[inline]
    pub fn add(&mut self, from: u64, to: u64) {
        if from == self.open.1 {
            self.open.1 = self.open.1.max(to);
            return;
        }
        self.close();
        self.open = (from, to.max(from));
    }

    /// A range is settled.
    pub fn settle(&mut self, from: u64, to: u64) {
        let (open_from, open_to) = self.open;
        if from <= open_from && open_to <= to {
            self.open = (open_to, open_to);
        } else if from < open_to && open_from < to {
            self.close();
        }
        self.ranges.remove(from, to);
    }

    /// Where the first one begins.
    pub fn first(&self) -> Option<u64> {
        let first = self.ranges.iter().next().map(|(from, _)| from);
        let open = (self.open.0 < self.open.1).then_some(self.open.0);
        first.into_iter().chain(open).min()
    }

    fn close(&mut self) {
        let (from, to) = self.open;
        self.open = (to, to);
        self.ranges.add(from, to);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_outstanding_is_what_was_handed_out_less_what_was_settled(
            actions in proptest::collection::vec((any::<bool>(), 0u64..60, 1u64..12, 0u64..3), 0..30),
        ) {
            let mut outstanding = Outstanding::default();
            let (mut model, mut at) = ([false; 500], 0);
            for (adds, from, length, gap) in actions {
                if adds {
                    let from = at + gap;
                    at = from + length;
                    outstanding.add(from, at);
                    (from..at).for_each(|at| model[at as usize] = true);
                } else {
                    outstanding.settle(from, from + length);
                    (from..from + length).for_each(|at| model[at as usize] = false);
                }
                let first = model.iter().position(|held| *held).map(|at| at as u64);
                prop_assert_eq!(outstanding.first(), first);
            }
        }
    }
}
