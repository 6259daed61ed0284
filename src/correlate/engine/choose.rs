//! The trace is known: which of its spans?
//!
//! In go the pairs of lines that are sure of their trace, out comes one span for each: time says which spans can hold the
//! line, what its kind does elsewhere says which of them does.

use super::super::span_index::SpanIndex;
use super::associate::Association;
use super::groups::add;
use super::habits::smooth;
use super::operations::Operations;
use super::scene::{BINS, Row, Scene, bin_width};

/// Rounds of learning.
const ROUNDS: usize = 25;
/// Distances are learned anew in every so many of them.
const CLOSENESS_EVERY: usize = 4;
/// Lines that are less sure of their trace teach nothing, and get no span.
pub(super) const SURE: f32 = 0.5;
/// Clocks.
const NEAR_NS: i64 = 3_000;
/// A span that certainly did not hold a line counts so much.
const OUTSIDE: f32 = 0.01;
/// From this share of its possible times on that lie in a span, a line may as well be in it: clocks tell who was certainly
/// not there, not who was.
const MAY_HOLD: f32 = 1.0 / 30.0;
/// How much likelier a line is in a span than in the one above it, other things being equal.
const INNER: f32 = 1.3;
/// How much regularity counts.
const REGULARITY: f32 = 0.7;
/// How much it counts that lines of the kind stand close together, as seen from the span's start or end.
const CLOSENESS: f32 = 0.4;
/// Distances closer than this are the same, where the clock is exact and where it is the runtime's.
const SAME_EXACT_NS: f32 = 5_000.0;
const SAME_NS: f32 = 50_000.0;
/// Runtime's stamps: how steeply their delay is spread around what is usual.
const DELAY_SLOPE: f32 = 2.5;

/// The pair chosen for a row, and the probability of its trace.
pub(super) type Choice = Option<(u32, f32)>;

/// See the module.
#[derive(Debug)]
pub(super) struct Choices {
    /// One choice for each row.
    pub(super) rows: Vec<Choice>,
    /// Of each pair of the row's trace: its part of the row.
    pub(super) weights: Vec<f32>,
}

/// Chooses for each row.
pub(super) fn choose(index: &SpanIndex, operations: &Operations, scene: &Scene, result: &Association) -> Choices {
    let mut traces: Vec<Option<(u32, f32)>> = Vec::with_capacity(scene.rows.len());
    let mut sums: Vec<(u32, f32)> = Vec::new();
    for row in &scene.rows {
        sums.clear();
        for pair in row.pairs() {
            add(&mut sums, operations.trace(scene.pairs[pair].slot), result.weights[pair]);
        }
        let best = sums.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        traces.push(best.filter(|(_, sum)| *sum >= SURE));
    }
    let likes = likes(index, operations, scene, &traces);
    let weights = shares_of_operations(index, scene, &likes);
    let mut choices = Vec::with_capacity(scene.rows.len());
    for (row, trace) in scene.rows.iter().zip(&traces) {
        let start = |pair: u32| index.span(scene.pairs[pair as usize].slot).start;
        let own = (row.first..row.first + row.count).filter(|pair| likes[*pair as usize] > 0.0);
        let best = own.max_by(|a, b| {
            weights[*a as usize].total_cmp(&weights[*b as usize]).then_with(|| start(*a).cmp(&start(*b)))
        });
        choices.push(best.zip(*trace).map(|(pair, (_, confidence))| (pair, confidence)));
    }
    Choices { rows: choices, weights }
}

/// Of each pair of the right trace: how well the span holds the line; 0 for other traces.
fn likes(index: &SpanIndex, operations: &Operations, scene: &Scene, traces: &[Option<(u32, f32)>]) -> Vec<f32> {
    let mut likes = vec![0.0; scene.pairs.len()];
    let durations = durations(operations, scene, traces);
    for (row, trace) in scene.rows.iter().zip(traces) {
        let Some((trace, _)) = trace else { continue };
        for (pair, like) in scene.pairs[row.pairs()].iter().zip(&mut likes[row.pairs()]) {
            if operations.trace(pair.slot) != *trace {
                continue;
            }
            let span = index.span(pair.slot);
            let time = (time_within(row, span.start, span.end) / MAY_HOLD).clamp(OUTSIDE, 1.0);
            let depth = index.ancestors(pair.slot).count() as f32;
            *like = time * durations[pair.kind as usize].weight(pair.clues) * INNER.powf(depth);
        }
    }
    likes
}

/// How often a span's duration stands in the text, among spans of a kind in the right trace.
#[derive(Debug, Clone, Copy, Default)]
struct Duration {
    hits: f32,
    pairs: f32,
    by_chance: f32,
}

fn durations(operations: &Operations, scene: &Scene, traces: &[Option<(u32, f32)>]) -> Vec<Duration> {
    let mut durations = vec![Duration::default(); scene.kinds.len()];
    for (duration, clutter) in durations.iter_mut().zip(&scene.clutter_clues) {
        let hits: f32 = clutter.iter().skip(1).step_by(2).sum();
        duration.by_chance = (hits + 0.5) / (clutter.iter().sum::<f32>() + 10.0);
    }
    for (row, trace) in scene.rows.iter().zip(traces) {
        let Some((trace, _)) = trace else { continue };
        for pair in scene.pairs[row.pairs()].iter().filter(|pair| operations.trace(pair.slot) == *trace) {
            durations[pair.kind as usize].hits += f32::from(pair.clues & 1);
            durations[pair.kind as usize].pairs += 1.0;
        }
    }
    durations
}

impl Duration {
    fn weight(&self, clues: u8) -> f32 {
        let hit = (self.hits + self.by_chance) / (self.pairs + 1.0);
        if clues & 1 != 0 { (hit / self.by_chance).max(1.0) } else { ((1.0 - hit) / (1.0 - self.by_chance)).min(1.0) }
    }
}

/// The probability that a moment lies in a span: the line was written some time before it was stamped.
fn time_within(row: &Row, start: i64, end: i64) -> f32 {
    let late = |time: i64| (row.time.saturating_sub(time)).max(0) as f32;
    // How much later than written the stamp may be, for the span to hold the line.
    let least = late(end.saturating_add(NEAR_NS));
    let most = late(start.saturating_sub(NEAR_NS)).min(late(row.low));
    if start.saturating_sub(NEAR_NS) > row.time || least > late(row.low) {
        return 0.0;
    }
    if row.low == row.time {
        return 1.0;
    }
    let usual = row.delay as f32;
    let share = |delay: f32| {
        let part = (delay / usual).powf(DELAY_SLOPE);
        part / (1.0 + part)
    };
    ((share(most) - share(least)) / share(late(row.low)).max(1e-6)).clamp(0.0, 1.0)
}

/// Of each pair: its part of the line. Learned per (template, operation): which share of the lines that could be in a span
/// of the operation is in it, which share of the operation's spans has such a line, and how far from its start or end it
/// stands. An operation every span of which has the template is its home, one that has it here and there is beside it.
fn shares_of_operations(index: &SpanIndex, scene: &Scene, likes: &[f32]) -> Vec<f32> {
    let could = lines_that_could(scene, likes);
    let mut factors: Vec<f32> = vec![1.0; scene.kinds.len()];
    let mut weights = vec![0.0f32; scene.pairs.len()];
    let mut taken = vec![0.0f32; scene.cells];
    let mut closeness = likes.to_vec();
    for round in 0..ROUNDS {
        if round > 0 && round % CLOSENESS_EVERY == 0 {
            weigh_closeness(index, scene, &weights, likes, &mut closeness);
        }
        let mut counts = vec![0.0f32; scene.kinds.len()];
        let mut with_line = vec![0.0f32; scene.kinds.len()];
        taken.fill(0.0);
        for row in &scene.rows {
            let range = row.pairs();
            let part = |pair: usize| factors[scene.pairs[pair].kind as usize] * closeness[pair];
            let all: f32 = range.clone().map(part).sum();
            for pair in range {
                weights[pair] = part(pair) / all.max(1e-30);
                counts[scene.pairs[pair].kind as usize] += weights[pair];
                taken[scene.pairs[pair].cell as usize] += weights[pair];
            }
        }
        for pair in &scene.pairs {
            // Each span once.
            with_line[pair.kind as usize] += std::mem::take(&mut taken[pair.cell as usize]).min(1.0);
        }
        for (kind, factor) in factors.iter_mut().enumerate() {
            let spans = scene.all_spans_of[scene.kinds[kind].1 as usize] as f32;
            let covered = ((with_line[kind] + 0.05) / (spans + 0.1)).clamp(1e-4, 1.0);
            *factor = (counts[kind] + 0.01) / (could[kind] + 0.1) * regularity(covered).powf(REGULARITY);
        }
    }
    weights
}

/// Of each kind: lines that might be in a span of it.
fn lines_that_could(scene: &Scene, likes: &[f32]) -> Vec<f32> {
    let mut could = vec![0.0f32; scene.kinds.len()];
    let mut seen = Vec::new();
    for row in &scene.rows {
        seen.clear();
        for (pair, _) in scene.pairs[row.pairs()].iter().zip(&likes[row.pairs()]).filter(|(_, like)| **like > 0.0) {
            if !seen.contains(&pair.kind) {
                seen.push(pair.kind);
                could[pair.kind as usize] += 1.0;
            }
        }
    }
    could
}

/// What a line costs to tell, when spans have one with this probability: 1 if always, little if seldom.
fn regularity(share: f32) -> f32 {
    let rest = 1.0 - share;
    let entropy = -share * share.ln() - if rest > 0.0 { rest * rest.ln() } else { 0.0 };
    (-entropy / share).exp()
}

/// Likes, and how close together lines of the kind stand where this one does: their number per time, counted from the
/// start or the end of the span, without the line itself; at least as if they stood anywhere.
fn weigh_closeness(index: &SpanIndex, scene: &Scene, weights: &[f32], likes: &[f32], closeness: &mut [f32]) {
    let mut starts = vec![[0.0f32; BINS]; scene.kinds.len()];
    let mut ends = starts.clone();
    let mut sums = vec![0.0f32; scene.kinds.len()];
    for (pair, weight) in scene.pairs.iter().zip(weights) {
        starts[pair.kind as usize][usize::from(pair.start_bin)] += weight;
        ends[pair.kind as usize][usize::from(pair.end_bin)] += weight;
        sums[pair.kind as usize] += weight;
    }
    for bins in starts.iter_mut().chain(&mut ends) {
        *bins = smooth(bins);
    }
    for row in &scene.rows {
        let same = if row.low == row.time { SAME_EXACT_NS } else { SAME_NS };
        for at in row.pairs().filter(|at| likes[*at] > 0.0) {
            let pair = &scene.pairs[at];
            let kind = pair.kind as usize;
            let own = 0.5 * weights[at];
            let span = index.span(pair.slot);
            let length = ((span.end - span.start).max(0) as f32).max(SAME_NS);
            let per_time = |bins: &[f32; BINS], bin: u8| {
                (bins[usize::from(bin)] - own).max(0.0) / (sums[kind] - own + 0.5) / bin_width(bin).max(same)
            };
            let sides = per_time(&starts[kind], pair.start_bin).max(per_time(&ends[kind], pair.end_bin));
            closeness[at] = likes[at] * (sides.max(0.2 / length) * 1e6).powf(CLOSENESS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_late_and_its_line_was_earlier() {
        let row = Row { line: 0, template: 0, time: 1_000_000, low: 0, slack: 0, delay: 200_000, first: 0, count: 0 };
        let before = time_within(&row, 0, 900_000);
        let after = time_within(&row, 900_000, 2_000_000);
        assert!(before > 0.5 && after < 0.3 && after > 0.0, "{before} {after}");
        assert_eq!(time_within(&row, 1_100_000, 2_000_000), 0.0);
        assert!(time_within(&row, -5_000_000, 2_000_000) > 0.99);
        let exact = Row { low: 1_000_000, ..row };
        assert_eq!(time_within(&exact, 999_000, 1_000_500), 1.0);
        assert_eq!(time_within(&exact, 0, 900_000), 0.0);
    }

    #[test]
    fn what_always_happens_costs_nothing_to_tell() {
        assert!(regularity(1.0) > 0.999 && regularity(0.5) < 0.3 && regularity(0.05) < 0.03);
    }
}
