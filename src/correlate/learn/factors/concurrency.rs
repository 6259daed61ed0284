//! Concurrency: how many more spans are open when lines are written than at other times.
//!
//! In go posteriors so far, out comes for each template the ratio of the spans of other traces that were open at its lines to
//! those expected from shifted times. Requests that come in bursts run at the same time more
//! often than chance has it, those of a single client hardly ever; a recorded span that merely runs at the same time as a
//! line is as likely as that. Which traces were recorded does not depend on what runs at the same time, so recorded ones
//! tell of those that were not.

use crate::correlate::learn::candidates::{Block, Candidates};
use crate::correlate::learn::posteriors::Posteriors;
use crate::correlate::learn::tuning::{
    CONCURRENCY_CHANCE_SPANS, CONCURRENCY_LEAST, CONCURRENCY_MOST, CONCURRENCY_SERVICE_SPANS,
};
use crate::correlate::text::hash::NumberMap;

/// Of each template.
#[derive(Debug, Default)]
pub(crate) struct Concurrency {
    /// How many times more spans of other traces are open at its lines than at shifted times.
    pub(crate) ratios: Vec<f32>,
    /// Spans of other traces that are open at its lines, in this window.
    pub(crate) spans: Vec<f32>,
}

impl Concurrency {
    /// Before anything is known.
    pub(crate) fn unknown(templates: usize) -> Concurrency {
        Concurrency { ratios: vec![1.0; templates], spans: Vec::new() }
    }

    /// From the posteriors so far.
    pub(crate) fn new(candidates: &Candidates, posteriors: &Posteriors) -> Concurrency {
        let spans: Vec<f32> = candidates.blocks.iter().map(|block| concurrent(candidates, posteriors, block)).collect();
        let mut of_templates = vec![(0.0, 0.0); candidates.templates.lines.len()];
        let mut of_services: NumberMap<u32, (f32, f32)> = NumberMap::default();
        for block in &candidates.blocks {
            let seen = spans[block.template] + candidates.prior.of(block.template).concurrent;
            let expected = candidates.clutter[block.classes.clone()]
                .iter()
                .zip(&posteriors.preference[block.classes.clone()])
                .map(|(clutter, preference)| preference * clutter.start.iter().sum::<f32>())
                .sum();
            of_templates[block.template] = (seen, expected);
            let service = of_services.entry(candidates.templates.service[block.template]).or_default();
            *service = (service.0 + seen, service.1 + expected);
        }
        let ratio = |((seen, expected), service): (&(f32, f32), &u32)| {
            let (seen_in_all, expected_in_all) = of_services.get(service).copied().unwrap_or_default();
            let of_service = (seen_in_all + CONCURRENCY_CHANCE_SPANS) / (expected_in_all + CONCURRENCY_CHANCE_SPANS);
            ((seen + CONCURRENCY_SERVICE_SPANS * of_service) / (expected + CONCURRENCY_SERVICE_SPANS))
                .clamp(CONCURRENCY_LEAST, CONCURRENCY_MOST)
        };
        let ratios = of_templates.iter().zip(&candidates.templates.service).map(ratio).collect();
        Concurrency { ratios, spans }
    }
}

/// Spans of other traces that are open at the lines of a template, weighted by the preference of their class.
fn concurrent(candidates: &Candidates, posteriors: &Posteriors, block: &Block) -> f32 {
    let mut of_trace = [0.0f32; 1 + u8::MAX as usize];
    let mut seen = 0.0;
    for row in &candidates.rows[block.rows.clone()] {
        let pairs = &candidates.pairs[row.pairs()];
        for (pair, weight) in pairs.iter().zip(&posteriors.weights[row.pairs()]) {
            of_trace[usize::from(pair.trace)] += weight;
        }
        for pair in pairs {
            seen += posteriors.preference[pair.class as usize] * (1.0 - of_trace[usize::from(pair.trace)]).max(0.0);
        }
        pairs.iter().for_each(|pair| of_trace[usize::from(pair.trace)] = 0.0);
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::learn::candidates::{CandidatePair, CandidateRow, Templates};
    use crate::correlate::learn::histograms::Histograms;

    /// A hundred lines, each of its own trace and at the same time as this many others, where chance has one open.
    fn beside(others: u32) -> f32 {
        let count = 1 + others;
        let row = |number| CandidateRow {
            line: 0,
            template: 0,
            time: 0,
            low: 0,
            likely: 0,
            is_rounded: false,
            slack: 0,
            delay: 0,
            first: count * number,
            count,
        };
        let pair = |trace| CandidatePair { trace, ..CandidatePair::plain() };
        let mut chance = Histograms::default();
        chance.start[30] = 100.0;
        let candidates = Candidates {
            rows: (0..100).map(row).collect(),
            pairs: (0..100).flat_map(|_| (0..=others as u8).map(pair)).collect(),
            blocks: vec![Block {
                template: 0,
                rows: 0..100,
                pairs: 0..100 * count as usize,
                classes: 0..1,
                cells: 0..1,
            }],
            templates: Templates { lines: vec![100], service: vec![0], ..Templates::default() },
            clutter: vec![chance],
            ..Candidates::default()
        };
        let weights = candidates.pairs.iter().map(|pair| if pair.trace == 0 { 1.0 } else { 0.0 }).collect();
        let posteriors = Posteriors { weights, preference: vec![1.0], ..Posteriors::default() };
        Concurrency::new(&candidates, &posteriors).ratios[0]
    }

    #[test]
    fn bursts_are_told_from_single_clients() {
        assert!(beside(3) > 2.5 && beside(3) < 3.1, "{}", beside(3));
        assert!((beside(1) - 1.0).abs() < 0.05, "{}", beside(1));
        assert!(beside(0) < 0.2, "{}", beside(0));
    }
}
