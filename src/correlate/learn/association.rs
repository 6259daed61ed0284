//! What the association of lines with spans gives: data only.
//!
//! `em` makes it; `pick_span`, `decay`, `evidence` and the engine read it.

use super::candidates::Candidates;
use super::earlier_lines::Told;
use super::factors::adjacent_lines::AdjacentLines;
use super::factors::concurrency::Concurrency;
use super::factors::lateness::Lateness;
use super::factors::shared_words::SharedWords;
use super::factors::threads::Threads;
use super::habit::Habit;
use super::posteriors::Posteriors;
use super::request_keys::Agreement;
use crate::correlate::text::hash::NumberMap;

/// Factors that are the same in all later rounds.
#[derive(Debug, Default)]
pub(crate) struct ContextFactors {
    /// Of each pair: what the words of other lines say.
    pub(crate) shared_words: SharedWords,
    /// Of each pair: what the adjacent lines say.
    pub(crate) adjacent_lines: AdjacentLines,
    /// Of each pair: what the thread that the line names says.
    pub(crate) threads: Threads,
    pub(crate) concurrency: Concurrency,
    /// How lines stand to the ends of spans.
    pub(crate) lateness: Lateness,
    /// Of each class: its lines are written after the span's end.
    pub(crate) written_after: Vec<bool>,
    /// Of each template: the likelihood ratio of spans that had certainly ended.
    pub(crate) after_end: Vec<f32>,
}

/// What was learned of all candidates.
#[derive(Debug, Default)]
pub(crate) struct Association {
    pub(crate) posteriors: Posteriors,
    pub(crate) context: ContextFactors,
    /// Of each class. Empty unless they are kept.
    pub(crate) habits: Vec<Option<Habit>>,
    /// Of each class: lines that a span takes of the template.
    pub(crate) capacity: Vec<f32>,
    /// Of each row: lines that name the same request, itself included.
    pub(crate) group_sizes: Vec<u32>,
    /// How well the values of keys agree on a trace.
    pub(crate) agreement: Agreement,
    /// What lines tell of the requests they name, in a stream.
    pub(crate) told: Vec<Told>,
}

impl Association {
    /// Of each service: the share of its lines without a recorded span.
    pub(crate) fn without_span(&self, candidates: &Candidates) -> NumberMap<u32, f32> {
        let gone = |(service, lines): (&u32, &u32)| (*service, (*lines as f32, *lines as f32));
        let mut sums: NumberMap<u32, (f32, f32)> = candidates.without_pairs.iter().map(gone).collect();
        for (of, service) in candidates.prior.templates.iter().zip(&candidates.templates.service) {
            let sum = sums.entry(*service).or_default();
            *sum = (sum.0 + of.none, sum.1 + of.lines);
        }
        for (row, none) in candidates.rows.iter().zip(&self.posteriors.none) {
            let sum = sums.entry(candidates.templates.service[row.template as usize]).or_default();
            *sum = (sum.0 + none, sum.1 + 1.0);
        }
        sums.into_iter().map(|(service, (none, all))| (service, none / all)).collect()
    }
}
