//! Search among rows that are ordered by hashes.
//!
//! In go rows in the order of evenly spread numbers, out comes the place of one of them. Numbers that are not spread cost a
//! few steps more, and are found all the same.

/// The first row whose number is not below `number`. Numbers are hashes, so a row's place is known to within a few:
/// that saves most of the steps of a binary search, each of which is a miss of the cache.
pub(crate) fn lower_bound<T>(rows: &[T], number: u64, of: impl Fn(&T) -> u64) -> usize {
    let place = ((u128::from(number) * rows.len() as u128) >> 64) as usize;
    let mut reach = 16 + (rows.len() as f64).sqrt() as usize / 2;
    loop {
        let from = place.saturating_sub(reach);
        let to = place.saturating_add(reach).min(rows.len());
        let left = from == 0 || of(&rows[from - 1]) < number;
        let right = to == rows.len() || of(&rows[to]) >= number;
        if left && right {
            return from + rows[from..to].partition_point(|row| of(row) < number);
        }
        reach = reach.saturating_mul(8);
    }
}
