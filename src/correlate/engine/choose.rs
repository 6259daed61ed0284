//! The trace is known: which of its spans?
//!
//! In go the pairs of lines that are sure of their trace, out comes one span for each: the operation that holds (nearly)
//! all lines of the template, the innermost on a tie; between siblings time decides.

use std::collections::HashMap;

use super::super::span_index::SpanIndex;
use super::associate::Association;
use super::groups::add;
use super::operations::Operations;
use super::scene::Scene;

/// Rounds of learning.
const ROUNDS: usize = 25;
/// Lines that are less sure of their trace teach nothing, and get no span.
pub(super) const SURE: f32 = 0.5;
/// Children looked at.
const CHILDREN_MAX: usize = 32;
/// Clocks.
const NEAR_NS: i64 = 3_000;

/// How much likelier a line is in a shorter span: 0 not at all, 1 by its length.
const SHORTER_IS_LIKELIER: f32 = 0.4;
/// Spans that are shorter hold no line by chance.
const SHORT_NS: f32 = 200_000.0;
/// A kind of line stands beside an operation when this share of its lines (and so many) certainly does.
const BESIDE_SHARE: f32 = 0.05;
const BESIDE_MIN: f32 = 1.5;
/// Lines are looked for so near to a span's start or end.
const BESIDE_NS: i64 = 5_000_000;

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
    let mut shut = vec![false; scene.kinds.len()];
    let mut weights = shares_of_operations(scene, &traces, &likes, &shut);
    for _ in 0..2 {
        shut = beside(index, operations, scene, &traces, &weights);
        weights = shares_of_operations(scene, &traces, &likes, &shut);
    }
    let mut choices = Vec::with_capacity(scene.rows.len());
    for (row, trace) in scene.rows.iter().zip(&traces) {
        let Some((_, confidence)) = trace else {
            choices.push(None);
            continue;
        };
        let mut best: Option<(u32, f32)> = None;
        let mut own: Vec<u32> = (row.first..row.first + row.count).filter(|pair| likes[*pair as usize] > 0.0).collect();
        own.sort_by(|a, b| weights[*a as usize].total_cmp(&weights[*b as usize]));
        for pair in own {
            let weight = weights[pair as usize];
            let inner = |old: u32| {
                let order = |pair: u32| {
                    let span = index.span(scene.pairs[pair as usize].slot);
                    (span.start, -span.end)
                };
                order(pair) > order(old)
            };
            let better = best.is_none_or(|(old, known)| weight > 1.15 * known || weight > 0.87 * known && inner(old));
            if better {
                best = Some((pair, weight));
            }
        }
        choices.push(best.map(|(pair, _)| (pair, *confidence)));
    }
    Choices { rows: choices, weights }
}

/// Of each pair of the right trace: how well the span holds the line; 0 for other traces.
fn likes(index: &SpanIndex, operations: &Operations, scene: &Scene, traces: &[Option<(u32, f32)>]) -> Vec<f32> {
    let mut likes = vec![0.0; scene.pairs.len()];
    for (row, trace) in scene.rows.iter().zip(traces) {
        let Some((trace, _)) = trace else { continue };
        for (pair, like) in scene.pairs[row.pairs()].iter().zip(&mut likes[row.pairs()]) {
            let slot = pair.slot;
            if operations.trace(slot) != *trace {
                continue;
            }
            let span = index.span(slot);
            let holds = span.start <= row.time.saturating_add(NEAR_NS) && span.end >= row.low.saturating_sub(NEAR_NS);
            // A line may stand anywhere in its span: the shorter the span, the less by chance.
            let length = (span.end - span.start).max(0) as f32;
            *like = if holds { 1.0 } else { 0.02 } / (length + SHORT_NS).powf(SHORTER_IS_LIKELIER);
        }
    }
    likes
}

/// Of each pair: its part of the line, by the share that its operation has of the template.
fn shares_of_operations(scene: &Scene, traces: &[Option<(u32, f32)>], likes: &[f32], shut: &[bool]) -> Vec<f32> {
    let mut shares: Vec<f32> = shut.iter().map(|shut| if *shut { 1e-6 } else { 1.0 }).collect();
    let mut weights = vec![0.0f32; scene.pairs.len()];
    for _ in 0..ROUNDS {
        let mut counts = vec![0.0f32; scene.kinds.len()];
        for (row, _) in scene.rows.iter().zip(traces).filter(|(_, trace)| trace.is_some()) {
            let range = row.pairs();
            let part = |pair: usize| shares[scene.pairs[pair].kind as usize] * likes[pair];
            let all: f32 = range.clone().map(part).sum();
            for pair in range {
                weights[pair] = part(pair) / all.max(1e-30);
                counts[scene.pairs[pair].kind as usize] += weights[pair];
            }
        }
        let mut of_template = vec![0.1f32; scene.template_lines.len()];
        for ((template, _), count) in scene.kinds.iter().zip(&counts) {
            of_template[*template as usize] += count;
        }
        for (kind, share) in shares.iter_mut().enumerate() {
            let part = (counts[kind] + 0.01) / of_template[scene.kinds[kind].0 as usize];
            *share = if shut[kind] { 1e-6 * part } else { part };
        }
    }
    weights
}

/// Kinds whose lines are written next to spans of the operation, just before or after, not in them. Those that seem to be
/// inside are so because the clock is coarse or late: some of the others certainly are not.
fn beside(
    index: &SpanIndex,
    operations: &Operations,
    scene: &Scene,
    traces: &[Option<(u32, f32)>],
    weights: &[f32],
) -> Vec<bool> {
    let mut inside = vec![0.0f32; scene.kinds.len()];
    let mut outside = vec![0.0f32; scene.kinds.len()];
    let mut kind_of: HashMap<(u32, u32), u32> = HashMap::with_capacity(scene.kinds.len());
    kind_of.extend(scene.kinds.iter().zip(0u32..).map(|(kind, number)| (*kind, number)));
    for (row, _) in scene.rows.iter().zip(traces).filter(|(_, trace)| trace.is_some()) {
        for (pair, weight) in scene.pairs[row.pairs()].iter().zip(&weights[row.pairs()]) {
            if *weight < 0.05 {
                continue;
            }
            inside[pair.kind as usize] += weight;
            // Children of the span the line seems to be in: those that ended before it, and those that began after it.
            let children = index.children(pair.slot);
            let begun =
                children.partition_point(|child| index.span(*child).start <= row.time.saturating_add(BESIDE_NS));
            let mut counted: Vec<u32> = Vec::new();
            for child in children[..begun].iter().rev().take(CHILDREN_MAX) {
                let span = index.span(*child);
                let late = span.end < row.low && row.low - span.end < BESIDE_NS;
                let early = span.start > row.time;
                let operation = operations.of(*child);
                if (late || early) && span.resource == index.span(pair.slot).resource && !counted.contains(&operation) {
                    counted.push(operation);
                    if let Some(kind) = kind_of.get(&(row.template, operation)) {
                        outside[*kind as usize] += weight;
                    }
                }
            }
        }
    }
    let is_beside =
        |(inside, outside): (&f32, &f32)| *outside >= BESIDE_MIN && *outside >= BESIDE_SHARE * (inside + outside);
    inside.iter().zip(&outside).map(is_beside).collect()
}
