//! The trace is known: which of its spans?
//!
//! In go the pairs of lines that are sure of their trace, out comes one span for each: the operation that holds (nearly)
//! all lines of the template, the innermost on a tie; between siblings time decides.

use super::super::span_index::SpanIndex;
use super::associate::Association;
use super::groups::add;
use super::operations::Operations;
use super::scene::Scene;

/// Rounds of learning.
const ROUNDS: usize = 25;
/// Lines that are less sure of their trace teach nothing, and get no span.
pub(super) const SURE: f32 = 0.5;
/// Clocks.
const NEAR_NS: i64 = 3_000;

/// The pair chosen for a row, and the probability of its trace.
pub(super) type Choice = Option<(u32, f32)>;

/// One choice for each row.
pub(super) fn choose(index: &SpanIndex, operations: &Operations, scene: &Scene, result: &Association) -> Vec<Choice> {
    let mut traces: Vec<Option<(u32, f32)>> = Vec::with_capacity(scene.rows.len());
    let mut sums: Vec<(u32, f32)> = Vec::new();
    for row in &scene.rows {
        sums.clear();
        for pair in row.first as usize..(row.first + row.count) as usize {
            add(&mut sums, operations.trace(scene.pairs[pair].slot), result.weights[pair]);
        }
        let best = sums.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        traces.push(best.filter(|(_, sum)| *sum >= SURE));
    }
    let likes = likes(index, operations, scene, &traces);
    let weights = shares_of_operations(scene, &traces, &likes);
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
    choices
}

/// Of each pair of the right trace: how well the span holds the line; 0 for other traces.
fn likes(index: &SpanIndex, operations: &Operations, scene: &Scene, traces: &[Option<(u32, f32)>]) -> Vec<f32> {
    let mut likes = vec![0.0; scene.pairs.len()];
    for (row, trace) in scene.rows.iter().zip(traces) {
        let Some((trace, _)) = trace else { continue };
        for pair in row.first as usize..(row.first + row.count) as usize {
            let slot = scene.pairs[pair].slot;
            if operations.trace(slot) != *trace {
                continue;
            }
            let span = index.span(slot);
            let holds = span.start <= row.time.saturating_add(NEAR_NS) && span.end >= row.low.saturating_sub(NEAR_NS);
            let length = (span.end - span.start).max(0) as f32;
            likes[pair] = if holds { 1.0 } else { 0.02 } * (1.0 + 1e-3 / (1.0 + (1.0 + length).log10()));
        }
    }
    likes
}

/// Of each pair: its part of the line, by the share that its operation has of the template.
fn shares_of_operations(scene: &Scene, traces: &[Option<(u32, f32)>], likes: &[f32]) -> Vec<f32> {
    let mut shares = vec![1.0f32; scene.kinds.len()];
    let mut weights = vec![0.0f32; scene.pairs.len()];
    for _ in 0..ROUNDS {
        let mut counts = vec![0.0f32; scene.kinds.len()];
        for (row, _) in scene.rows.iter().zip(traces).filter(|(_, trace)| trace.is_some()) {
            let range = row.first as usize..(row.first + row.count) as usize;
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
        for ((share, count), (template, _)) in shares.iter_mut().zip(&counts).zip(&scene.kinds) {
            *share = (count + 0.01) / of_template[*template as usize];
        }
    }
    weights
}
