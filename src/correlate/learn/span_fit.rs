//! How well a span of the right trace holds a line, by the line alone: time, depth, and what the text names.
//!
//! In go times and clues, out come likelihood ratios. What templates do elsewhere is learned in `pick_span`.

use super::candidates::CandidateRow;
use super::clues::{DURATION, OWN_WORD};
use super::span_tuning::{RUNTIME_DELAY_SLOPE, SPAN_CLOCK_NS, SPAN_INNER};

/// What it counts that a span lies within others, by their times: a line is rather in the innermost.
pub(crate) fn inner(all: &[(i64, i64)], own: (i64, i64)) -> f32 {
    let around = all.iter().filter(|other| other.0 <= own.0 && own.1 <= other.1 && **other != own).take(INNER_MAX);
    SPAN_INNER.powi(around.count() as i32)
}

/// Spans around one that count.
const INNER_MAX: usize = 16;

/// The span's duration stands in the text.
pub(crate) fn names_duration(clues: u8) -> bool {
    clues & DURATION != 0
}

/// A rare word of the attributes of the span, or of one above it, stands in the text.
pub(crate) fn holds_word(clues: u8) -> bool {
    clues & OWN_WORD == OWN_WORD
}

/// How often a clue is there, among spans of a kind in the right trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hits {
    pub(crate) hits: f32,
    pub(crate) pairs: f32,
    pub(crate) by_chance: f32,
}

impl Hits {
    pub(crate) fn weight(&self, is_hit: bool) -> f32 {
        let hit = (self.hits + self.by_chance) / (self.pairs + 1.0);
        if is_hit { (hit / self.by_chance).max(1.0) } else { ((1.0 - hit) / (1.0 - self.by_chance)).min(1.0) }
    }
}

/// The probability that a moment lies in a span: the line was written some time before it was stamped.
pub(crate) fn time_within(row: &CandidateRow, start: i64, end: i64) -> f32 {
    let late = |time: i64| (row.time.saturating_sub(time)).max(0) as f32;
    // How much later than written the stamp may be, for the span to hold the line.
    let least = late(end.saturating_add(SPAN_CLOCK_NS));
    let most = late(start.saturating_sub(SPAN_CLOCK_NS)).min(late(row.low));
    if start.saturating_sub(SPAN_CLOCK_NS) > row.time || least > late(row.low) {
        return 0.0;
    }
    if row.low == row.time {
        return 1.0;
    }
    if row.is_rounded {
        // The part of the times in the span that would be rounded to the same.
        let (from, to) =
            (start.saturating_sub(SPAN_CLOCK_NS).max(row.low), end.saturating_add(SPAN_CLOCK_NS).min(row.time));
        let all = (row.time - row.low).min(end - start + 2 * SPAN_CLOCK_NS).max(1);
        return ((to - from) as f32 / all as f32).clamp(0.0, 1.0);
    }
    let typical = row.delay as f32;
    let share = |delay: f32| {
        let part = (delay / typical).powf(RUNTIME_DELAY_SLOPE);
        part / (1.0 + part)
    };
    ((share(most) - share(least)) / share(late(row.low)).max(1e-6)).clamp(0.0, 1.0)
}

/// What a line costs to tell, when spans have one with this probability: 1 if always, little if seldom.
pub(crate) fn regularity(share: f32) -> f32 {
    let rest = 1.0 - share;
    let entropy = -share * share.ln() - if rest > 0.0 { rest * rest.ln() } else { 0.0 };
    (-entropy / share).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_late_and_its_line_was_earlier() {
        let row = CandidateRow {
            line: 0,
            template: 0,
            time: 1_000_000,
            low: 0,
            likely: 1_000_000,
            is_rounded: false,
            slack: 0,
            delay: 200_000,
            first: 0,
            count: 0,
        };
        let before = time_within(&row, 0, 900_000);
        let after = time_within(&row, 900_000, 2_000_000);
        assert!(before > 0.5 && after < 0.3 && after > 0.0, "{before} {after}");
        assert_eq!(time_within(&row, 1_100_000, 2_000_000), 0.0);
        assert!(time_within(&row, -5_000_000, 2_000_000) > 0.99);
        let exact = CandidateRow { low: 1_000_000, ..row };
        assert_eq!(time_within(&exact, 999_000, 1_000_500), 1.0);
        assert_eq!(time_within(&exact, 0, 900_000), 0.0);
    }

    #[test]
    fn what_always_happens_costs_nothing_to_tell() {
        assert!(regularity(1.0) > 0.999 && regularity(0.5) < 0.3 && regularity(0.05) < 0.03);
    }
}
