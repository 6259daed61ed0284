//! Lines whose trace is known, by writer and time.
//!
//! In go known lines, out comes whether those just before and after a moment are of a trace: what one goroutine writes
//! in one go stands together.

/// Farther lines are no neighbours.
const NEAR_NS: i64 = 2_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// (writer, time, trace)
    rows: Vec<(u32, i64, u32)>,
    /// First row of each writer.
    starts: Vec<u32>,
}

impl Neighbours {
    pub(super) fn new(mut rows: Vec<(u32, i64, u32)>) -> Neighbours {
        rows.sort_unstable();
        let sources = rows.last().map_or(0, |row| row.0 as usize + 1);
        let starts = (0..=sources as u32).map(|source| rows.partition_point(|row| row.0 < source) as u32).collect();
        Neighbours { rows, starts }
    }

    /// How many of the two known lines next to a moment are of this trace.
    pub(super) fn sides(&self, writer: u32, time: i64, trace: u32) -> u8 {
        let Some([start, end]) = self.starts.get(writer as usize..(writer as usize).saturating_add(2)) else {
            return 0;
        };
        let rows = &self.rows[*start as usize..*end as usize];
        let next = rows.partition_point(|row| row.1 < time);
        let after = rows.get(next).is_some_and(|row| row.1 - time <= NEAR_NS && row.2 == trace);
        let before = rows[..next].last().is_some_and(|row| time - row.1 <= NEAR_NS && row.2 == trace);
        u8::from(after) + u8::from(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_lines_of_the_same_source_count() {
        let near = Neighbours::new(vec![(1, 1_000, 7), (1, 9_000, 7), (1, 50_000_000, 8), (2, 2_000, 9)]);
        assert_eq!(near.sides(1, 5_000, 7), 2);
        assert_eq!(near.sides(1, 500, 7), 1);
        assert_eq!(near.sides(1, 5_000, 9), 0);
        assert_eq!(near.sides(1, 40_000_000, 7), 0);
        assert_eq!(near.sides(2, 2_500, 9), 1);
        assert_eq!(near.sides(5, 0, 9) + near.sides(u32::MAX, 0, 9), 0);
    }
}
