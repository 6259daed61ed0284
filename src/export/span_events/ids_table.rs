//! Where the rows of each span begin in a list that is in order of its spans.
//!
//! In go ids of trace and span, out comes a place in one step, whether or not the span has rows: of many spans none does.
//! The ids come from outside, so that their hashes have a seed that nobody knows.

use std::hash::{BuildHasher, RandomState};

use twox_hash::XxHash64;

use crate::otlp::own::Ids;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct IdsTable {
    seed: u64,
    /// Ids and where their rows begin; twice as many and more as there are ids, by their hashes.
    slots: Vec<Option<(Ids, usize)>>,
}

impl IdsTable {
    /// Of a list whose equal ids lie together.
    pub(super) fn of(list: impl ExactSizeIterator<Item = Ids>) -> IdsTable {
        let mut table = IdsTable { seed: RandomState::new().hash_one(0u8), slots: Vec::new() };
        table.slots.resize((2 * list.len()).next_power_of_two(), None);
        let mut before = None;
        for (at, ids) in list.enumerate() {
            if before.replace(ids) != Some(ids) {
                let slot = table.slot_of(&ids);
                table.slots[slot] = Some((ids, at));
            }
        }
        table
    }

    /// Where the rows of a span begin.
    #[inline]
    pub(super) fn get(&self, ids: &Ids) -> Option<usize> {
        self.slots.get(self.slot_of(ids))?.map(|(_, at)| at)
    }

    /// Its slot, or the free one where it would be.
    #[inline]
    fn slot_of(&self, ids: &Ids) -> usize {
        let mut key = [0; 24];
        key[..16].copy_from_slice(&ids.0);
        key[16..].copy_from_slice(&ids.1);
        let last = self.slots.len().wrapping_sub(1);
        let mut slot = XxHash64::oneshot(self.seed, &key) as usize & last;
        while let Some(Some((other, _))) = self.slots.get(slot)
            && other != ids
        {
            slot = (slot + 1) & last;
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_found_where_they_begin(mut list in proptest::collection::vec((0u8..4, 0u8..9), 0..40), other: (u8, u8)) {
            list.sort_unstable();
            let ids = |(trace, span): (u8, u8)| ([trace; 16], [span; 8]);
            let table = IdsTable::of(list.iter().map(|one| ids(*one)));
            for one in list.iter().chain([&other]) {
                prop_assert_eq!(table.get(&ids(*one)), list.iter().position(|row| row == one));
            }
            prop_assert_eq!(IdsTable::default().get(&ids(other)), None);
        }
    }
}
