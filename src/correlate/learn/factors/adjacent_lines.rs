//! What the lines just before and after a line are of: who handles a request writes several lines in one go.
//!
//! In go lines and what is known of their traces so far, out comes for each pair (line, span) whether its neighbours are
//! surely of the span's trace, of another, or of none that was recorded, and how much that says against it: counted per
//! template, on lines that are sure, against the traces that they are not of. Nothing speaks for a pair here: what runs in
//! step with a recorded request has its lines among those of that one. Lines that rules have settled are seen elsewhere
//! (`settled_lines`).

use crate::correlate::learn::candidates::{CandidateRow, Candidates, TRACES_MAX};
use crate::correlate::learn::lines::Lines;
use crate::correlate::learn::observed::Observed;
use crate::correlate::learn::posteriors::Posteriors;
use crate::correlate::learn::tuning::{
    ADJACENT_NEAR_NS, ADJACENT_PRIOR_LINES, ADJACENT_RATIO_LEAST, ADJACENT_SERVICE_LINES, ADJACENT_SURE,
};
use crate::correlate::text::hash::NumberMap;

/// What a neighbour is: far or unsure, of the trace, of another, of none; before and after.
const SIDES: usize = 4;
const OUTCOMES: usize = SIDES * SIDES;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct AdjacentLines {
    /// Of each pair, empty until it was counted.
    outcomes: Vec<u8>,
    /// Of each template: how many times likelier each outcome makes a pair.
    pub(crate) factors: Vec<OutcomeFactors>,
}

/// Of each outcome.
pub(crate) type OutcomeFactors = [f32; OUTCOMES];

/// What is sure of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sure {
    /// It may be of several, or none.
    Nothing,
    Trace(u32),
    NoSpan,
}

impl AdjacentLines {
    /// How likely a pair is by the lines next to its own, against others.
    pub(crate) fn factor(&self, pair: usize, template: u32) -> f32 {
        self.outcomes.get(pair).map_or(1.0, |outcome| self.factors[template as usize][usize::from(*outcome)])
    }

    /// Counts outcomes of the lines that are sure by now.
    pub(crate) fn new(
        observed: &Observed<'_>,
        candidates: &Candidates,
        posteriors: &Posteriors,
        named: &[Option<u64>],
    ) -> AdjacentLines {
        let (outcomes, tally) = count(observed, candidates, posteriors, named);
        AdjacentLines { outcomes, factors: tally.factors(&candidates.templates.service) }
    }

    /// The same where the factors of templates are known.
    pub(crate) fn by(
        observed: &Observed<'_>,
        candidates: &Candidates,
        posteriors: &Posteriors,
        (factors, named): (Vec<OutcomeFactors>, &[Option<u64>]),
    ) -> AdjacentLines {
        let (outcomes, _) = count(observed, candidates, posteriors, named);
        AdjacentLines { outcomes, factors }
    }
}

/// `named`: of each row, the thread that its line names; lines of others are not next to it.
fn count(
    observed: &Observed<'_>,
    candidates: &Candidates,
    posteriors: &Posteriors,
    named: &[Option<u64>],
) -> (Vec<u8>, Tally) {
    let Observed { lines, operations, settled, .. } = *observed;
    let of_row = |(row, none): (&CandidateRow, &f32)| match candidates.sure_trace(
        operations,
        &posteriors.weights,
        row,
        ADJACENT_SURE,
    ) {
        _ if *none >= ADJACENT_SURE => Sure::NoSpan,
        trace => trace.map_or(Sure::Nothing, Sure::Trace),
    };
    let sure: Vec<Sure> = candidates.rows.iter().zip(&posteriors.none).map(of_row).collect();
    let mut tally = Tally::new(candidates);
    let mut outcomes = vec![0u8; candidates.pairs.len()];
    let mut traces: Vec<u32> = Vec::new();
    let mut of_traces: Vec<u8> = Vec::new();
    for ((row, own), sides) in candidates.rows.iter().zip(&sure).zip(sides(lines, candidates, &sure, settled, named)) {
        traces.clear();
        of_traces.clear();
        for (pair, into) in candidates.pairs[row.pairs()].iter().zip(&mut outcomes[row.pairs()]) {
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
    (outcomes, tally)
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
fn sides(
    lines: &Lines,
    candidates: &Candidates,
    sure: &[Sure],
    settled: &[(u32, u32)],
    named: &[Option<u64>],
) -> Vec<[Sure; 2]> {
    const SETTLED: u32 = u32::MAX;
    let writer = |line: u32| lines.rows[line as usize].writer;
    let thread = |number: u32| named.get(number as usize).copied().flatten().unwrap_or_default();
    let rows = (0u32..)
        .zip(&candidates.rows)
        .map(|(number, row)| ((writer(row.line), thread(number)), row.time, row.line, number));
    let others = settled.iter().map(|(line, _)| ((writer(*line), 0), lines.rows[*line as usize].time, *line, SETTLED));
    let mut order: Vec<((u32, u64), i64, u32, u32)> = rows.chain(others).collect();
    order.sort_unstable();
    let mut sides = vec![[Sure::Nothing; 2]; candidates.rows.len()];
    for two in order.windows(2) {
        let [(writer, time, _, first), (next_writer, next_time, _, second)] = [two[0], two[1]];
        let are_near = writer == next_writer && next_time - time <= ADJACENT_NEAR_NS;
        if are_near && first != SETTLED && second != SETTLED {
            sides[first as usize][1] = sure[second as usize];
            sides[second as usize][0] = sure[first as usize];
        }
    }
    sides
}

/// Outcomes of the right trace and of others, per template.
struct Tally {
    right: Vec<OutcomeCounts>,
    others: Vec<OutcomeCounts>,
}

type OutcomeCounts = [f32; OUTCOMES];

impl Tally {
    fn new(candidates: &Candidates) -> Tally {
        let [right, others] = std::array::from_fn(|_| vec![[0.0; OUTCOMES]; candidates.templates.lines.len()]);
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
    fn factors(&self, services: &[u32]) -> Vec<OutcomeCounts> {
        let mut of_services: NumberMap<u32, [OutcomeCounts; 2]> = NumberMap::default();
        for (service, counts) in services.iter().zip(self.right.iter().zip(&self.others)) {
            let [right, others] = of_services.entry(*service).or_insert([[0.0; OUTCOMES]; 2]);
            add(right, counts.0);
            add(others, counts.1);
        }
        for [right, others] in of_services.values_mut() {
            let mut both = *right;
            add(&mut both, others);
            let both = shares(&both, &[1.0 / OUTCOMES as f32; OUTCOMES], 0.5 * OUTCOMES as f32);
            *right = shares(right, &both, ADJACENT_PRIOR_LINES);
            *others = shares(others, &both, ADJACENT_PRIOR_LINES);
        }
        let of_template = |(service, counts): (&u32, (&OutcomeCounts, &OutcomeCounts))| {
            let [right, others] = &of_services[service];
            let (right, others) =
                (shares(counts.0, right, ADJACENT_SERVICE_LINES), shares(counts.1, others, ADJACENT_SERVICE_LINES));
            std::array::from_fn(|at| (right[at] / others[at]).clamp(ADJACENT_RATIO_LEAST, 1.0))
        };
        services.iter().zip(self.right.iter().zip(&self.others)).map(of_template).collect()
    }
}

fn add(sums: &mut OutcomeCounts, counts: &OutcomeCounts) {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
}

/// Shares of outcomes, with so many of what was believed before.
fn shares(counts: &OutcomeCounts, before: &OutcomeCounts, weight: f32) -> OutcomeCounts {
    let sum: f32 = counts.iter().sum();
    std::array::from_fn(|at| (counts[at] + weight * before[at]) / (sum + weight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::learn::candidates::Templates;

    #[test]
    fn neighbours_of_no_trace_speak_against_one() {
        let none = outcome([Sure::NoSpan; 2], 7);
        let same = outcome([Sure::Trace(7), Sure::Nothing], 7);
        let templates = Templates { lines: vec![40, 2], ..Templates::default() };
        let candidates = Candidates { templates, ..Candidates::default() };
        let mut tally = Tally::new(&candidates);
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
