//! From what learning believes to how often that is right.
//!
//! In go a probability and what it was learned from, out comes one that holds on captures whose truth is known: habits of
//! kinds with few lines are believed too much, and in services all of whose lines have a span too little. The numbers are
//! shares of links that were right there; no program, template or span is told apart.

use super::candidates::{CandidateRow, Candidates};
use super::posteriors::Posteriors;
use super::tuning::{
    CALIBRATE_HALF_LINES, CALIBRATE_KNOWN_LINES, CALIBRATE_MOSTLY_WITHOUT, CALIBRATE_NAMES_SPAN, CALIBRATE_NONE_OCCUR,
    CALIBRATE_REQUEST_LINES, CALIBRATE_SELDOM, CALIBRATE_SIDE, CALIBRATE_SLOPE, CALIBRATE_SLOPE_ALL_RECORDED,
    CALIBRATE_SLOPE_LEAST, CALIBRATE_SLOPE_OF_ALL, CALIBRATE_TEMPLATE_WITHOUT,
};

/// What a probability was learned from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Learned {
    /// Lines of the kind.
    pub(crate) lines: u32,
    /// Share of the service's lines without a span.
    pub(crate) without_span: f32,
    /// … and of the kind's.
    pub(crate) kind_without_span: f32,
    /// Lines that name the same request.
    pub(crate) of_request: u32,
    /// How much of the kind the span's operation has, against the one with most.
    pub(crate) preference: f32,
    /// The text holds the span's duration, or a rare word of its trace's spans.
    pub(crate) names_span: bool,
    /// Known lines just before and after that are of the trace.
    pub(crate) sides: u8,
}

/// The probability that a link is right.
pub(crate) fn calibrated(probability: f32, learned: Learned) -> f32 {
    let mut lines = learned.lines as f32;
    if learned.of_request >= CALIBRATE_REQUEST_LINES || learned.sides >= 2 {
        lines = lines.max(CALIBRATE_KNOWN_LINES);
    }
    let known = lines / (lines + CALIBRATE_HALF_LINES);
    let occur = ((learned.without_span - CALIBRATE_NONE_OCCUR.0) / (CALIBRATE_NONE_OCCUR.1 - CALIBRATE_NONE_OCCUR.0))
        .clamp(0.0, 1.0);
    let all_recorded = 1.0 + (CALIBRATE_SLOPE_ALL_RECORDED - 1.0) * known;
    let some_not = (CALIBRATE_SLOPE * known).max(CALIBRATE_SLOPE_LEAST);
    let probability = probability.clamp(1e-4, 1.0 - 1e-4);
    let believed = CALIBRATE_SLOPE_OF_ALL * (all_recorded + (some_not - all_recorded) * occur);
    let mut odds = (probability / (1.0 - probability)).ln() * believed;
    odds +=
        if learned.names_span { CALIBRATE_NAMES_SPAN } else { 0.0 } + CALIBRATE_SIDE * f32::from(learned.sides.min(2));
    let seldom = CALIBRATE_SELDOM
        * (1.0 - learned.preference).max(0.0)
        * (learned.without_span - CALIBRATE_MOSTLY_WITHOUT).max(0.0);
    odds += CALIBRATE_TEMPLATE_WITHOUT * learned.kind_without_span + seldom;
    1.0 / (1.0 + (-odds).exp())
}

/// How much of a row's template is in the operation that makes it likeliest of the pair's trace, against that with most.
pub(crate) fn preference(candidates: &Candidates, posteriors: &Posteriors, row: &CandidateRow, pair: u32) -> f32 {
    let trace = candidates.pairs[pair as usize].trace;
    let of_trace = row.pairs().filter(|other| candidates.pairs[*other].trace == trace);
    let likeliest = of_trace.max_by(|a, b| posteriors.weights[*a].total_cmp(&posteriors.weights[*b]));
    likeliest.map_or(1.0, |pair| posteriors.preference[candidates.pairs[pair].class as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEARNED: Learned = Learned {
        lines: 1000,
        without_span: 0.5,
        kind_without_span: 0.0,
        of_request: 1,
        preference: 1.0,
        names_span: false,
        sides: 0,
    };

    #[test]
    fn kinds_with_few_lines_are_believed_less() {
        let at =
            |lines, without_span, of_request| calibrated(0.98, Learned { lines, without_span, of_request, ..LEARNED });
        assert!(at(5, 0.5, 1) < 0.9 && at(1000, 0.5, 1) > 0.95 && at(1000, 0.5, 1) < 0.98);
        assert!(at(5, 0.5, 4) > at(5, 0.5, 1));
        assert!(at(1000, 0.0, 1) > 0.98);
        for probability in [0.0, 1.0, f32::NAN] {
            let learned = Learned { lines: 0, of_request: 0, sides: 2, ..LEARNED };
            let found = calibrated(probability, learned);
            assert!(probability.is_nan() || (0.0..=1.0).contains(&found));
        }
    }

    #[test]
    fn what_names_the_span_counts_and_operations_with_few_of_the_kind_cost() {
        let usual = calibrated(0.95, LEARNED);
        assert!(calibrated(0.95, Learned { names_span: true, ..LEARNED }) > 0.98);
        let seldom = Learned { preference: 0.2, ..LEARNED };
        assert_eq!(calibrated(0.95, seldom), usual);
        let few = Learned { without_span: 0.9, ..LEARNED };
        assert!(calibrated(0.95, Learned { without_span: 0.9, ..seldom }) < calibrated(0.95, few) - 0.05);
        assert!(calibrated(0.95, Learned { sides: 1, ..LEARNED }) < usual);
    }
}
