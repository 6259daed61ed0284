//! What an outcome of a line and a trace says, counted: how much more often it is that of the right trace.
//!
//! In go the outcomes of pairs, out come likelihood ratios for each template: counted on lines that are sure of their trace,
//! against the other traces that were open. A trace hits where one of its spans does.

use crate::correlate::learn::candidates::{Candidates, TRACES_MAX};
use crate::correlate::learn::operations::Operations;
use crate::correlate::learn::posteriors::Posteriors;
use crate::correlate::learn::tuning::{
    OUTCOME_OTHERS_BEFORE, OUTCOME_RATIO_LEAST, OUTCOME_RATIO_MOST, OUTCOME_RIGHT_BEFORE, OUTCOME_SERVICE_LINES,
    OUTCOME_SURE,
};
use crate::correlate::text::hash::NumberMap;

/// There is nothing to tell; it is told; it is not.
const OUTCOMES: usize = 3;
pub(crate) const HIT: u8 = 1;
pub(crate) const MISS: u8 = 2;
/// Nothing was counted.
pub(crate) const NEUTRAL: TraceFactors = [1.0; OUTCOMES];

/// Of each outcome: how many times likelier it makes a pair.
pub(crate) type TraceFactors = [f32; OUTCOMES];

/// Of each template. `outcome`: of each pair.
pub(crate) fn factors(
    operations: &Operations,
    candidates: &Candidates,
    posteriors: &Posteriors,
    outcome: impl Fn(usize) -> u8,
) -> Vec<TraceFactors> {
    let [mut right, mut others] = std::array::from_fn(|_| vec![[0.0; OUTCOMES]; candidates.templates.lines.len()]);
    let mut of_traces = [0u8; TRACES_MAX + 1];
    for row in &candidates.rows {
        let Some(own) = candidates.sure_trace(operations, &posteriors.weights, row, OUTCOME_SURE) else { continue };
        let (mut traces, mut own_number) = (0, None);
        for at in row.pairs() {
            let pair = &candidates.pairs[at];
            let trace = usize::from(pair.trace);
            of_traces[trace] = if of_traces[trace] == HIT { HIT } else { outcome(at) };
            traces = traces.max(trace + 1);
            if own == operations.trace(pair.slot) {
                own_number = Some(trace);
            }
        }
        for (trace, outcome) in of_traces[..traces].iter_mut().enumerate() {
            let of = if own_number == Some(trace) { &mut right } else { &mut others };
            of[row.template as usize][usize::from(std::mem::take(outcome))] += 1.0;
        }
    }
    ratios(&right, &others, &candidates.templates.service)
}

fn ratios(right: &[TraceFactors], others: &[TraceFactors], services: &[u32]) -> Vec<TraceFactors> {
    let mut of_services: NumberMap<u32, [TraceFactors; 2]> = NumberMap::default();
    for (service, (right, others)) in services.iter().zip(right.iter().zip(others)) {
        let sums = of_services.entry(*service).or_insert([[0.0; OUTCOMES]; 2]);
        for at in 1..OUTCOMES {
            sums[0][at] += right[at];
            sums[1][at] += others[at];
        }
    }
    let of_template = |(service, (right, others)): (&u32, (&TraceFactors, &TraceFactors))| {
        let [all_right, all_others] = &of_services[service];
        let share = |own: &TraceFactors, all: &TraceFactors, at: usize, before: [f32; OUTCOMES]| {
            let of_service = (all[at] + 2.0 * before[at]) / (all[1] + all[2] + 2.0);
            (own[at] + OUTCOME_SERVICE_LINES * of_service) / (own[1] + own[2] + OUTCOME_SERVICE_LINES)
        };
        let ratio = |at| {
            let ratio = share(right, all_right, at, OUTCOME_RIGHT_BEFORE)
                / share(others, all_others, at, OUTCOME_OTHERS_BEFORE);
            ratio.clamp(OUTCOME_RATIO_LEAST, OUTCOME_RATIO_MOST)
        };
        [1.0, ratio(1), ratio(2)]
    };
    services.iter().zip(right.iter().zip(others)).map(of_template).collect()
}
