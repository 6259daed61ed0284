//! What chance alone gives: the same lines at shifted times.
//!
//! In go the rows of a template, out come expected counts of pairs per class, at moments 20 ms to 6 s away, where lines and
//! spans have nothing to do with each other; then the same pooled over the classes of an operation.

use super::approximate::exp;
use super::bins::{BINS, bin};
use super::candidates::CandidateRow;
use super::features::tables::FeatureTables;
use super::histograms::Histograms;
use super::tuning::{
    CLUTTER_CLUE_SHIFTS, CLUTTER_LOG_RANGE, CLUTTER_NEAREST_NS, CLUTTER_POOLED_LINES, CLUTTER_SHIFTS,
    CLUTTER_SHIFTS_OF_TEMPLATE,
};
use crate::correlate::index::Open;

/// Looks lines up at shifted times; keeps its random numbers and the room of its lists.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    random: u64,
    open: Vec<Open>,
    words: Vec<(u32, bool)>,
}

impl Sampler {
    /// Adds the counts of a template's rows to the clutter of its classes. `ranges`: first and last time of each writer's
    /// lines; `class_of`: the class of each operation with this template, or a number that none has.
    pub(crate) fn sample(
        &mut self,
        tables: &FeatureTables<'_>,
        rows: &[CandidateRow],
        ranges: &[(i64, i64)],
        class_of: &[u32],
        clutter: &mut [Histograms],
    ) {
        // What is drawn for a template depends on nothing but its own lines.
        self.random = rows.first().map_or(0, |row| row.time as u64);
        let shifts = (CLUTTER_SHIFTS_OF_TEMPLATE / rows.len().max(1)).clamp(1, CLUTTER_SHIFTS);
        let (share, clue_share) = (1.0 / shifts as f32, 1.0 / shifts.min(CLUTTER_CLUE_SHIFTS) as f32);
        for row in rows {
            let line = &tables.lines.rows[row.line as usize];
            let range = ranges.get(line.writer as usize).copied().unwrap_or((row.time, row.time));
            tables.words_of(line, &mut self.words);
            for number in 0..shifts {
                let time = shifted(row.time, range, &mut self.random);
                tables.open_at(row, time, &mut self.open);
                let tells_clues = number < CLUTTER_CLUE_SHIFTS && !self.open.is_empty();
                let near = if tells_clues { tables.settled.around(line.writer, time) } else { [None; 2] };
                let is_bare = tables.is_bare(line, &self.words, near);
                let (shift, rounding) = (time - row.time, tables.operations.rounding(line.writer));
                for open in &self.open {
                    let class = class_of[tables.operations.of(open.slot) as usize] as usize;
                    let Some(clutter) = clutter.get_mut(class) else { continue };
                    let likely = row.likely_in((open.start, open.end), rounding, shift);
                    clutter.start[bin(likely - open.start) as usize] += share;
                    clutter.end[bin(open.end - likely) as usize] += share;
                    clutter.edge[tables.edges.bin(open.slot, likely) as usize] += share;
                    if tells_clues {
                        let clues = if is_bare { 0 } else { tables.clues(line, &self.words, near, open) };
                        clutter.clues[clues as usize] += clue_share;
                    }
                }
            }
        }
    }
}

/// Pools the distances of an operation over the templates of its service: those with few lines know them from the others.
/// Without that, learning ends up elsewhere with other moments to measure at.
pub(crate) fn pool(classes: &[(u32, u32)], template_lines: &[u32], operations: usize, clutter: &mut [Histograms]) {
    let mut sums = vec![([[0.0f32; BINS]; 3], 0.0f32); operations];
    for (class, (template, operation)) in classes.iter().enumerate() {
        let (sums, lines) = &mut sums[*operation as usize];
        *lines += template_lines[*template as usize] as f32;
        let own = [&clutter[class].start, &clutter[class].end, &clutter[class].edge];
        for (sum, own) in sums.as_flattened_mut().iter_mut().zip(own.into_iter().flatten()) {
            *sum += own;
        }
    }
    for (class, (template, operation)) in classes.iter().enumerate() {
        let (sums, all) = &sums[*operation as usize];
        let lines = template_lines[*template as usize] as f32;
        let (scale, common) = (lines / (lines + CLUTTER_POOLED_LINES), CLUTTER_POOLED_LINES / all);
        let Histograms { start, end, edge, .. } = &mut clutter[class];
        for (own, sum) in [start, end, edge].into_iter().flatten().zip(sums.as_flattened()) {
            *own = (*own + common * sum) * scale;
        }
    }
}

/// A time 20 ms to 6 s away, within the times of the source where that is possible.
fn shifted(time: i64, (low, high): (i64, i64), random: &mut u64) -> i64 {
    // Steps of the golden ratio: the draws of a template are spread evenly over the range, on either side.
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let part = (*random << 1 >> 33) as f32 / (1u64 << 31) as f32;
    let far = (CLUTTER_NEAREST_NS * exp(CLUTTER_LOG_RANGE * part)) as i64;
    let far = if *random >> 63 == 1 { far } else { -far };
    match () {
        () if (low..=high).contains(&(time + far)) => time + far,
        () if (low..=high).contains(&(time - far)) => time - far,
        () if high - low > 400_000_000 => low + (time - low + far).rem_euclid(high - low),
        () => time + far,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_times_stay_where_lines_are() {
        let mut random = 0;
        for time in [0, 5_000_000_000, 9_999_999_999] {
            let other = shifted(time, (0, 10_000_000_000), &mut random);
            assert!((0..=10_000_000_000).contains(&other) && (other - time).abs() >= 1_000_000);
        }
    }
}
