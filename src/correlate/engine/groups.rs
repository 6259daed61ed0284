//! Keys that name a request find themselves.
//!
//! In go the keys with values of lines and the weights so far, out come groups of lines with one value, for keys whose
//! lines were found to agree on a trace; the lines of a group then share the product of what each of them says. A pod or
//! a user has many traces, and so is no request.

use super::associate::Association;
use super::hash::NumberMap;
use super::lines::Lines;
use super::operations::Operations;
use super::scene::Scene;

/// Lines of a group, at most: more is no request.
const LINES_MAX: usize = 400;
/// A line is sure of its trace from here.
const SURE: f32 = 0.9;
/// A key is a request's when so many of the sure lines with one value agree.
const AGREE: f32 = 0.93;
/// … of so many.
const SEEN_MIN: u32 = 20;
/// Each line's evidence counts at least so much, lest one line rule out a trace.
const FLOOR: f32 = 0.02;

/// See the module.
pub(super) struct Groups<'a> {
    lines: &'a Lines,
    operations: &'a Operations,
    /// Rows of each group.
    groups: Vec<Vec<u32>>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(lines: &'a Lines, operations: &'a Operations) -> Groups<'a> {
        Groups { lines, operations, groups: Vec::new() }
    }

    /// Learns which keys name requests, and who belongs together.
    pub(super) fn find(&mut self, scene: &Scene, so_far: &Association) {
        let mut keyed: Vec<(u32, u64, u32)> = Vec::new();
        for (at, row) in scene.rows.iter().enumerate() {
            let line = &self.lines.rows[row.line as usize];
            let group = self.operations.group_of_writer(line.writer);
            keyed.extend(self.lines.pairs(line).iter().map(|pair| (group, *pair, at as u32)));
        }
        keyed.sort_unstable();
        keyed.dedup();
        let runs: Vec<&[(u32, u64, u32)]> = keyed
            .chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
            .filter(|run| (2..=LINES_MAX).contains(&run.len()))
            .collect();
        let mut agreement: NumberMap<(u32, u32), (u32, u32)> = NumberMap::default();
        let mut traces = Vec::new();
        for run in &runs {
            traces.clear();
            traces.extend(run.iter().filter_map(|(_, _, row)| self.sure_trace(scene, so_far, *row as usize)));
            if traces.len() < 2 {
                continue;
            }
            traces.sort_unstable();
            let most = traces.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or(0);
            let entry = agreement.entry(key_of(run[0])).or_default();
            entry.0 += most as u32;
            entry.1 += traces.len() as u32;
        }
        let names_request = |key: (u32, u32)| {
            agreement.get(&key).is_some_and(|(agree, seen)| *seen >= SEEN_MIN && *agree as f32 >= AGREE * *seen as f32)
        };
        // A line is of its largest group.
        let mut group_of = vec![u32::MAX; scene.rows.len()];
        for (number, run) in runs.iter().enumerate().filter(|(_, run)| names_request(key_of(run[0]))) {
            for (_, _, row) in *run {
                let group = &mut group_of[*row as usize];
                if *group == u32::MAX || runs[*group as usize].len() < run.len() {
                    *group = number as u32;
                }
            }
        }
        let mut members: Vec<(u32, u32)> = group_of
            .iter()
            .zip(0u32..)
            .filter(|(group, _)| **group != u32::MAX)
            .map(|(group, row)| (*group, row))
            .collect();
        members.sort_unstable();
        let groups = members.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1);
        self.groups = groups.map(|group| group.iter().map(|(_, row)| *row).collect()).collect();
    }

    /// Of each template: some of its lines are in a group.
    pub(super) fn templates(&self, scene: &Scene) -> Vec<bool> {
        let mut grouped = vec![false; scene.blocks.len()];
        for row in self.groups.iter().flatten() {
            grouped[scene.rows[*row as usize].template as usize] = true;
        }
        grouped
    }

    /// Of each row: the lines of its group.
    pub(super) fn sizes(&self, scene: &Scene) -> Vec<u32> {
        let mut sizes = vec![1; scene.rows.len()];
        for group in &self.groups {
            for row in group {
                sizes[*row as usize] = group.len() as u32;
            }
        }
        sizes
    }

    fn sure_trace(&self, scene: &Scene, so_far: &Association, row: usize) -> Option<u32> {
        let row = &scene.rows[row];
        let mut sums: Vec<(u32, f32)> = Vec::new();
        for pair in row.pairs() {
            add(&mut sums, self.operations.trace(scene.pairs[pair].slot), so_far.weights[pair]);
        }
        sums.into_iter().find(|(_, sum)| *sum > SURE).map(|(trace, _)| trace)
    }

    /// One trace for each group.
    pub(super) fn agree(&self, scene: &Scene, result: &mut Association) {
        let floor = FLOOR.ln();
        let mut sums: Vec<(u32, f32)> = Vec::new();
        let mut logs: NumberMap<u32, f32> = NumberMap::default();
        let mut posterior: NumberMap<u32, f32> = NumberMap::default();
        for group in &self.groups {
            logs.clear();
            let mut none = 0.0;
            for row in group {
                self.weights_by_trace(scene, result, *row, &mut sums);
                // Against none, given that its request was recorded: what spans take already is in it.
                let share = result.none_share[scene.rows[*row as usize].template as usize];
                let against = result.none[*row as usize].max(1e-12) / share.max(1e-6) * (1.0 - share).max(0.01);
                for (trace, sum) in &sums {
                    *logs.entry(*trace).or_default() += (sum / against + 1e-30).ln().max(floor) - floor;
                }
                none += share;
            }
            let none = (none / group.len() as f32).clamp(1e-9, 1.0 - 1e-6);
            let base = group.len() as f32 * floor;
            let most = logs.values().map(|log| log + base).fold(none.ln(), f32::max);
            posterior.clear();
            posterior.extend(logs.iter().map(|(trace, log)| (*trace, (log + base - most).exp() * (1.0 - none))));
            let no_span = (none.ln() - most).exp();
            let all = no_span + posterior.values().sum::<f32>();
            for row in group {
                self.weights_by_trace(scene, result, *row, &mut sums);
                let place = &scene.rows[*row as usize];
                for pair in place.pairs() {
                    let trace = self.operations.trace(scene.pairs[pair].slot);
                    let sum = sums.iter().find(|(other, _)| *other == trace).map_or(1.0, |(_, sum)| *sum);
                    let share = posterior.get(&trace).copied().unwrap_or(0.0) / all;
                    result.weights[pair] = share * result.weights[pair].max(1e-30) / sum.max(1e-30);
                }
                result.none[*row as usize] = no_span / all;
            }
        }
    }

    fn weights_by_trace(&self, scene: &Scene, result: &Association, row: u32, sums: &mut Vec<(u32, f32)>) {
        sums.clear();
        let row = &scene.rows[row as usize];
        for pair in row.pairs() {
            add(sums, self.operations.trace(scene.pairs[pair].slot), result.weights[pair].max(1e-30));
        }
    }
}

/// Service and key of a run; the value is left out.
fn key_of(row: (u32, u64, u32)) -> (u32, u32) {
    (row.0, (row.1 >> 32) as u32)
}

/// Adds to the sum of a trace.
pub(super) fn add(sums: &mut Vec<(u32, f32)>, trace: u32, weight: f32) {
    match sums.iter_mut().find(|(other, _)| *other == trace) {
        Some((_, sum)) => *sum += weight,
        None => sums.push((trace, weight)),
    }
}
