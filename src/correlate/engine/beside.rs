//! What the lines just before and after a line are of: who handles a request writes several lines in one go.
//!
//! In go lines and what is known of their traces so far, out comes for each pair (line, span) whether its neighbours are
//! surely of the span's trace, of another, or of none that was recorded, and how much that says against it: counted per
//! template, on lines that are sure, against the traces that they are not of. Nothing speaks for a pair here: what runs in
//! step with a recorded request has its lines among those of that one. Lines that rules have settled are seen elsewhere
//! (`neighbours`).

use super::associate::Association;
use super::lines::Lines;
use super::operations::Operations;
use super::scene::{Row, Scene, TRACES_MAX};
use crate::correlate::text::hash::NumberMap;

/// Farther lines are no neighbours.
const NEAR_NS: i64 = 2_000_000;
/// A line is sure of its trace, or of none, from here.
const SURE: f32 = 0.9;
/// What a neighbour is: far or unsure, of the trace, of another, of none; before and after.
const SIDES: usize = 4;
const OUTCOMES: usize = SIDES * SIDES;
/// What the service has taught counts like so many lines of the template …
const SERVICE: f32 = 8.0;
/// … and that an outcome says nothing like so many of the service.
const BEFORE: f32 = 4.0;
/// It says so much at most.
const LEAST: f32 = 0.2;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Of each pair, empty until it was counted.
    outcomes: Vec<u8>,
    /// Of each template: how many times likelier each outcome makes a pair.
    factors: Vec<[f32; OUTCOMES]>,
}

/// What is sure of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sure {
    /// It may be of several, or none.
    Nothing,
    Trace(u32),
    NoSpan,
}

impl Beside {
    /// How likely a pair is by the lines next to its own, against others.
    pub(crate) fn factor(&self, pair: usize, template: u32) -> f32 {
        self.outcomes.get(pair).map_or(1.0, |outcome| self.factors[template as usize][usize::from(*outcome)])
    }

    /// Counts. `settled`: lines that rules have settled, with their trace.
    pub(crate) fn find(
        lines: &Lines,
        operations: &Operations,
        scene: &Scene,
        so_far: &Association,
        settled: &[(u32, u32)],
    ) -> Beside {
        let of_row = |(row, none): (&Row, &f32)| match scene.sure_trace(operations, &so_far.weights, row, SURE) {
            _ if *none >= SURE => Sure::NoSpan,
            trace => trace.map_or(Sure::Nothing, Sure::Trace),
        };
        let sure: Vec<Sure> = scene.rows.iter().zip(&so_far.none).map(of_row).collect();
        let mut tally = Tally::new(scene);
        let mut outcomes = vec![0u8; scene.pairs.len()];
        let mut traces: Vec<u32> = Vec::new();
        let mut of_traces: Vec<u8> = Vec::new();
        for ((row, own), sides) in scene.rows.iter().zip(&sure).zip(sides(lines, scene, &sure, settled)) {
            traces.clear();
            of_traces.clear();
            for (pair, into) in scene.pairs[row.pairs()].iter().zip(&mut outcomes[row.pairs()]) {
                // Each trace once: they are numbered as they come, but for those beyond the last number.
                if let Some(outcome) = of_traces.get(usize::from(pair.trace))
                    && usize::from(pair.trace) < TRACES_MAX
                {
                    *into = *outcome;
                    continue;
                }
                let trace = operations.trace(pair.slot);
                *into = outcome(sides, trace);
                of_traces.push(*into);
                if usize::from(pair.trace) < TRACES_MAX || !traces.contains(&trace) {
                    traces.push(trace);
                    tally.count(row.template, *into, *own, trace);
                }
            }
        }
        Beside { outcomes, factors: tally.factors(&scene.template_group) }
    }
}

fn outcome(sides: [Sure; 2], trace: u32) -> u8 {
    let [before, after] = sides.map(|side| match side {
        Sure::Nothing => 0,
        Sure::Trace(of) if of == trace => 1,
        Sure::Trace(_) => 2,
        Sure::NoSpan => 3,
    });
    (SIDES * before + after) as u8
}

/// What is sure of the lines before and after each row, where rules have not settled them.
fn sides(lines: &Lines, scene: &Scene, sure: &[Sure], settled: &[(u32, u32)]) -> Vec<[Sure; 2]> {
    const SETTLED: u32 = u32::MAX;
    let writer = |line: u32| lines.rows[line as usize].writer;
    let rows = (0u32..).zip(&scene.rows).map(|(number, row)| (writer(row.line), row.time, row.line, number));
    let others = settled.iter().map(|(line, _)| (writer(*line), lines.rows[*line as usize].time, *line, SETTLED));
    let mut order: Vec<(u32, i64, u32, u32)> = rows.chain(others).collect();
    order.sort_unstable();
    let mut sides = vec![[Sure::Nothing; 2]; scene.rows.len()];
    for two in order.windows(2) {
        let [(writer, time, _, first), (next_writer, next_time, _, second)] = [two[0], two[1]];
        let are_near = writer == next_writer && next_time - time <= NEAR_NS;
        if are_near && first != SETTLED && second != SETTLED {
            sides[first as usize][1] = sure[second as usize];
            sides[second as usize][0] = sure[first as usize];
        }
    }
    sides
}

/// Outcomes of the right trace and of others, per template.
struct Tally {
    right: Vec<Counts>,
    others: Vec<Counts>,
}

type Counts = [f32; OUTCOMES];

impl Tally {
    fn new(scene: &Scene) -> Tally {
        let [right, others] = std::array::from_fn(|_| vec![[0.0; OUTCOMES]; scene.template_lines.len()]);
        Tally { right, others }
    }

    fn count(&mut self, template: u32, outcome: u8, own: Sure, trace: u32) {
        let of = match own {
            Sure::Nothing => return,
            Sure::Trace(own) if own == trace => &mut self.right,
            Sure::Trace(_) | Sure::NoSpan => &mut self.others,
        };
        of[template as usize][usize::from(outcome)] += 1.0;
    }

    /// Per template: how much more often each outcome is that of the right trace. `services`: of each template.
    fn factors(&self, services: &[u32]) -> Vec<Counts> {
        let mut of_services: NumberMap<u32, [Counts; 2]> = NumberMap::default();
        for (service, counts) in services.iter().zip(self.right.iter().zip(&self.others)) {
            let [right, others] = of_services.entry(*service).or_insert([[0.0; OUTCOMES]; 2]);
            add(right, counts.0);
            add(others, counts.1);
        }
        for [right, others] in of_services.values_mut() {
            let mut both = *right;
            add(&mut both, others);
            let both = shares(&both, &[1.0 / OUTCOMES as f32; OUTCOMES], 0.5 * OUTCOMES as f32);
            *right = shares(right, &both, BEFORE);
            *others = shares(others, &both, BEFORE);
        }
        let of_template = |(service, counts): (&u32, (&Counts, &Counts))| {
            let [right, others] = &of_services[service];
            let (right, others) = (shares(counts.0, right, SERVICE), shares(counts.1, others, SERVICE));
            std::array::from_fn(|at| (right[at] / others[at]).clamp(LEAST, 1.0))
        };
        services.iter().zip(self.right.iter().zip(&self.others)).map(of_template).collect()
    }
}

fn add(sums: &mut Counts, counts: &Counts) {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

/// Shares of outcomes, with so many of what was believed before.
fn shares(counts: &Counts, before: &Counts, weight: f32) -> Counts {
    let sum: f32 = counts.iter().sum();
    std::array::from_fn(|at| (counts[at] + weight * before[at]) / (sum + weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_no_trace_speak_against_one() {
        let none = outcome([Sure::NoSpan; 2], 7);
        let same = outcome([Sure::Trace(7), Sure::Nothing], 7);
        let scene = Scene { template_lines: vec![40, 2], ..Scene::default() };
        let mut tally = Tally::new(&scene);
        for _ in 0..20 {
            tally.count(0, same, Sure::Trace(7), 7);
            tally.count(0, none, Sure::NoSpan, 7);
        }
        let factors = tally.factors(&[3, 3]);
        assert!(factors[0][usize::from(none)] < 0.3 && factors[0][usize::from(same)] == 1.0);
        // A kind with few lines is taken to be like the others of its service.
        assert!(factors[1][usize::from(none)] < 0.5);
        let nothing = factors[0][usize::from(outcome([Sure::Nothing; 2], 7))];
        assert!(nothing > 0.9, "{nothing}");
    }
}
