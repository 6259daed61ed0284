//! How much more, or less, is going on when lines are written than at other times.
//!
//! In go the weights so far, out comes for each kind of line how many times more spans of other traces were open than at
//! shifted times. Requests that come in bursts run beside each other more often than chance has it, those of a single
//! client hardly ever; a recorded span that merely runs beside a line is as likely as that. Which traces were recorded
//! does not depend on what they run beside, so recorded ones tell of those that were not.

use super::associate::Association;
use super::scene::{Block, Scene};
use crate::correlate::text::hash::NumberMap;

/// Chance is believed like so many spans that were seen beside lines of the service …
const CHANCE: f32 = 3.0;
/// … and the service like so many beside lines of the kind.
const SERVICE: f32 = 10.0;
/// More, or less, is no matter of chance.
const LEAST: f32 = 0.1;
const MOST: f32 = 10.0;

/// Of each template. What was seen beside its lines is kept with the rest that is known so far.
pub(crate) fn crowding(scene: &Scene, so_far: &mut Association) -> Vec<f32> {
    so_far.seen = scene.blocks.iter().map(|block| seen(scene, so_far, block)).collect();
    let mut of_templates = vec![(0.0, 0.0); scene.template_lines.len()];
    let mut of_services: NumberMap<u32, (f32, f32)> = NumberMap::default();
    for block in &scene.blocks {
        let seen = so_far.seen[block.template] + scene.recalled.of(block.template).seen;
        let by_chance = scene.chance[block.kinds.clone()]
            .iter()
            .zip(&so_far.preference[block.kinds.clone()])
            .map(|(chance, preference)| preference * chance.start.iter().sum::<f32>())
            .sum();
        of_templates[block.template] = (seen, by_chance);
        let service = of_services.entry(scene.template_group[block.template]).or_default();
        *service = (service.0 + seen, service.1 + by_chance);
    }
    let crowding = |((seen, by_chance), service): (&(f32, f32), &u32)| {
        let (seen_in_all, by_chance_in_all) = of_services.get(service).copied().unwrap_or_default();
        let of_service = (seen_in_all + CHANCE) / (by_chance_in_all + CHANCE);
        ((seen + SERVICE * of_service) / (by_chance + SERVICE)).clamp(LEAST, MOST)
    };
    of_templates.iter().zip(&scene.template_group).map(crowding).collect()
}

/// Spans beside the lines of a template that are of another trace, by how much of the template their operations have.
fn seen(scene: &Scene, so_far: &Association, block: &Block) -> f32 {
    let mut of_trace = [0.0f32; 1 + u8::MAX as usize];
    let mut seen = 0.0;
    for row in &scene.rows[block.rows.clone()] {
        let pairs = &scene.pairs[row.pairs()];
        for (pair, weight) in pairs.iter().zip(&so_far.weights[row.pairs()]) {
            of_trace[usize::from(pair.trace)] += weight;
        }
        for pair in pairs {
            seen += so_far.preference[pair.kind as usize] * (1.0 - of_trace[usize::from(pair.trace)]).max(0.0);
        }
        pairs.iter().for_each(|pair| of_trace[usize::from(pair.trace)] = 0.0);
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::super::habits::Counts;
    use super::super::scene::{Pair, Row};
    use super::*;

    /// A hundred lines, each of its own trace and beside so many others, where chance has one open.
    fn beside(others: u32) -> f32 {
        let count = 1 + others;
        let row =
            |number| Row { line: 0, template: 0, time: 0, low: 0, slack: 0, delay: 0, first: count * number, count };
        let pair = |trace| {
            let (start_bin, end_bin, edge_bin) = (20, 20, 20);
            let [late, ended, waits] = [false; 3];
            Pair { slot: 0, kind: 0, cell: 0, start_bin, end_bin, edge_bin, clues: 0, late, ended, waits, trace }
        };
        let mut chance = Counts::default();
        chance.start[30] = 100.0;
        let scene = Scene {
            rows: (0..100).map(row).collect(),
            pairs: (0..100).flat_map(|_| (0..=others as u8).map(pair)).collect(),
            blocks: vec![Block { template: 0, rows: 0..100, pairs: 0..100 * count as usize, kinds: 0..1, cells: 0..1 }],
            template_lines: vec![100],
            template_group: vec![0],
            chance: vec![chance],
            ..Scene::default()
        };
        let weights = scene.pairs.iter().map(|pair| if pair.trace == 0 { 1.0 } else { 0.0 }).collect();
        let mut so_far = Association { weights, preference: vec![1.0], ..Association::default() };
        crowding(&scene, &mut so_far)[0]
    }

    #[test]
    fn bursts_are_told_from_single_clients() {
        assert!(beside(3) > 2.5 && beside(3) < 3.1, "{}", beside(3));
        assert!((beside(1) - 1.0).abs() < 0.05, "{}", beside(1));
        assert!(beside(0) < 0.2, "{}", beside(0));
    }
}
