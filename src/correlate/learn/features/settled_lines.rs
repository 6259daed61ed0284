//! Lines whose trace is known, by writer and time.
//!
//! In go known lines, out comes whether those just before and after a moment are of a trace: what one goroutine writes
//! in one go stands together.

use crate::correlate::learn::tuning::SETTLED_NEAR_NS;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SettledLines {
    /// (writer, time, trace)
    rows: Vec<(u32, i64, u32)>,
    /// First row of each writer.
    starts: Vec<u32>,
}

impl SettledLines {
    pub(crate) fn new(mut rows: Vec<(u32, i64, u32)>) -> SettledLines {
        rows.sort_unstable();
        let sources = rows.last().map_or(0, |row| row.0 as usize + 1);
        let starts = (0..=sources as u32).map(|source| rows.partition_point(|row| row.0 < source) as u32).collect();
        SettledLines { rows, starts }
    }

    /// The traces of the two known lines next to a moment.
    pub(crate) fn around(&self, writer: u32, time: i64) -> [Option<u32>; 2] {
        let Some([start, end]) = self.starts.get(writer as usize..(writer as usize).saturating_add(2)) else {
            return [None; 2];
        };
        let rows = &self.rows[*start as usize..*end as usize];
        let next = rows.partition_point(|row| row.1 < time);
        let after = rows.get(next).filter(|row| row.1 - time <= SETTLED_NEAR_NS);
        let before = rows[..next].last().filter(|row| time - row.1 <= SETTLED_NEAR_NS);
        [before.map(|row| row.2), after.map(|row| row.2)]
    }
}

/// How many of the known lines around a moment are of this trace.
pub(crate) fn sides(around: [Option<u32>; 2], trace: u32) -> u8 {
    around.iter().filter(|known| **known == Some(trace)).count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_lines_of_the_same_source_count() {
        let near = SettledLines::new(vec![(1, 1_000, 7), (1, 9_000, 7), (1, 50_000_000, 8), (2, 2_000, 9)]);
        assert_eq!(sides(near.around(1, 5_000), 7), 2);
        assert_eq!(sides(near.around(1, 500), 7), 1);
        assert_eq!(sides(near.around(1, 5_000), 9), 0);
        assert_eq!(sides(near.around(1, 40_000_000), 7), 0);
        assert_eq!(sides(near.around(2, 2_500), 9), 1);
        assert_eq!(sides(near.around(5, 0), 9) + sides(near.around(u32::MAX, 0), 9), 0);
    }
}
