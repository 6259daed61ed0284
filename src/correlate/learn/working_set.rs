//! The working set of one template while it runs through its rounds: its rows and pairs side by side.
//!
//! In go the rows of a block with their weights, out come the same with new ones. Pairs with a negligible weight are pruned on
//! the way: after the first rounds that is most of them. Nothing is weighed here.

use super::association::ContextFactors;
use super::candidates::{Block, CandidatePair, Candidates};
use super::posteriors::Posteriors;
use super::tuning::{PRUNED_WEIGHT, WAITING_RATIO};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct WorkingSet {
    pub(crate) rows: Vec<WorkingRow>,
    /// Of each pair: itself, what its score is multiplied by in all rounds, its number among all pairs, its weight and, once
    /// it was weighed, its score.
    pub(crate) pairs: Vec<CandidatePair>,
    pub(crate) factors: Vec<PairFactors>,
    pub(crate) numbers: Vec<u32>,
    pub(crate) weights: Vec<f32>,
    pub(crate) scores: Vec<f32>,
    /// Cells with pairs.
    pub(crate) cells: Vec<u32>,
}

/// How likely a pair is, against others, by what is the same in all rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PairFactors {
    /// By the span's end, and by how many are open.
    pub(crate) open: f32,
    /// See [`crate::correlate::learn::factors::shared_words`].
    pub(crate) shared_words: f32,
    /// See [`crate::correlate::learn::factors::adjacent_lines`].
    pub(crate) adjacent_lines: f32,
    /// See [`crate::correlate::learn::factors::by_trace`].
    pub(crate) outcomes: f32,
}

/// A line with its pairs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkingRow {
    /// Of no recorded span.
    pub(crate) none: f32,
    /// Words that it shares tell its pairs apart.
    pub(crate) shares_words: bool,
    row: u32,
    first: u32,
    end: u32,
}

impl WorkingRow {
    /// The places of its pairs.
    #[inline]
    pub(crate) fn pairs(&self) -> std::ops::Range<usize> {
        self.first as usize..self.end as usize
    }
}

impl WorkingSet {
    /// Takes all pairs of a block, with their weights so far.
    pub(crate) fn load(
        &mut self,
        candidates: &Candidates,
        block: &Block,
        posteriors: &Posteriors,
        context: &ContextFactors,
    ) {
        let base = block.pairs.start as u32;
        self.rows.clear();
        self.rows.extend(block.rows.clone().map(|at| {
            let first = candidates.rows[at].first - base;
            let shares_words = context.shared_words.tells_apart(candidates.rows[at].pairs());
            WorkingRow {
                none: posteriors.none[at],
                shares_words,
                row: at as u32,
                first,
                end: first + candidates.rows[at].count,
            }
        }));
        self.pairs.clear();
        self.pairs.extend_from_slice(&candidates.pairs[block.pairs.clone()]);
        self.find_factors(block, context);
        self.numbers.clear();
        self.numbers.extend(base..block.pairs.end as u32);
        self.weights.clear();
        self.weights.extend_from_slice(&posteriors.weights[block.pairs.clone()]);
        self.scores.resize(self.pairs.len(), 0.0);
        self.cells.clear();
        self.cells.extend(block.cells.start as u32..block.cells.end as u32);
    }

    fn find_factors(&mut self, block: &Block, context: &ContextFactors) {
        let alone = 1.0 / context.concurrency.ratios[block.template];
        let after_end = context.after_end[block.template];
        let template = block.template as u32;
        self.factors.clear();
        self.factors.extend(block.pairs.clone().zip(&self.pairs).map(|(number, pair)| {
            let late = if pair.late { after_end } else { 1.0 };
            let waits = if pair.waits { WAITING_RATIO } else { 1.0 };
            PairFactors {
                open: alone * late * waits,
                shared_words: context.shared_words.factor(number, template),
                adjacent_lines: context.adjacent_lines.factor(number, template),
                outcomes: context.threads.factor(number, template),
            }
        }));
    }

    /// Writes the weights back.
    pub(crate) fn store(&self, posteriors: &mut Posteriors) {
        for row in &self.rows {
            posteriors.none[row.row as usize] = row.none;
        }
        for (number, weight) in self.numbers.iter().zip(&self.weights) {
            posteriors.weights[*number as usize] = *weight;
        }
        if !posteriors.scores.is_empty() {
            for (number, score) in self.numbers.iter().zip(&self.scores) {
                posteriors.scores[*number as usize] = *score;
            }
        }
    }

    /// Leaves out pairs with a negligible weight, which they keep.
    pub(crate) fn prune(&mut self, posteriors: &mut Posteriors) {
        let mut to = 0;
        for row in &mut self.rows {
            let from = row.pairs();
            row.first = to as u32;
            for at in from {
                let number = self.numbers[at] as usize;
                if self.weights[at] < PRUNED_WEIGHT {
                    posteriors.weights[number] = self.weights[at];
                    if let Some(score) = posteriors.scores.get_mut(number) {
                        *score = self.scores[at];
                    }
                    continue;
                }
                (self.pairs[to], self.factors[to]) = (self.pairs[at], self.factors[at]);
                (self.numbers[to], self.weights[to]) = (self.numbers[at], self.weights[at]);
                to += 1;
            }
            row.end = to as u32;
        }
        self.pairs.truncate(to);
        self.factors.truncate(to);
        self.numbers.truncate(to);
        self.weights.truncate(to);
        self.scores.truncate(to);
    }
}
