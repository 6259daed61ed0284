//! Rows in the order of numbers that are spread evenly: hashes, and ids that are drawn at random.
//!
//! In go rows in any order, out come the same rows ordered: first by the highest bits of their numbers, at one go, then the
//! few that share these by comparing. Numbers that are not spread cost what sorting costs.

/// Groups made at one go: more would not fit into the cache.
const BITS_MAX: u32 = 14;
/// Rows per group, as a power of two.
const ROWS_BITS: u32 = 2;

/// `order`: sorts rows whose numbers begin alike, as all are to be sorted: by their numbers first.
pub(crate) fn sorted<T: Copy>(rows: &[T], number: impl Fn(&T) -> u64, mut order: impl FnMut(&mut [T])) -> Vec<T> {
    let mut sorted = rows.to_vec();
    let bits = rows.len().max(1).ilog2().saturating_sub(ROWS_BITS).min(BITS_MAX);
    if bits == 0 {
        order(&mut sorted);
        return sorted;
    }
    let group = |row: &T| (number(row) >> (u64::BITS - bits)) as usize;
    // Where each group begins, then, while it is filled, where it goes on.
    let mut places = vec![0usize; 1 << bits];
    rows.iter().for_each(|row| places[group(row)] += 1);
    let mut all = 0;
    for place in &mut places {
        all += std::mem::replace(place, all);
    }
    for row in rows {
        let place = &mut places[group(row)];
        sorted[*place] = *row;
        *place += 1;
    }
    let mut from = 0;
    for end in places {
        order(&mut sorted[from..end]);
        from = end;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_in_order(
            rows in prop::collection::vec((prop_oneof![any::<u64>(), 0u64..9, Just(u64::MAX)], 0u8..4), 0..300),
        ) {
            let mut expected = rows.clone();
            expected.sort_unstable();
            prop_assert_eq!(sorted(&rows, |row| row.0, |rows| rows.sort_unstable()), expected);
        }
    }
}
