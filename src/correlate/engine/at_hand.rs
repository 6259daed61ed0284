//! The pairs of one template while it runs through its rounds.
//!
//! In go the rows of a block with their weights, out come the same with new ones. Pairs that have no part of their line any
//! more are left out on the way: after the first rounds that is most of them. Nothing is weighed here.

use super::associate::Association;
use super::scene::{Block, Pair, Scene};
use super::sharing::Cell;

/// A pair with less of its line is left out, what remains of it stays as it is.
const LEAST: f32 = 1e-6;
/// How likely a line is in a span that only waits for something, against others.
const WAITING: f32 = 0.03;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct AtHand {
    pub(crate) rows: Vec<HandRow>,
    /// Of each pair: itself, what its score is multiplied by in all rounds, its place in the scene, its weight and, once
    /// it was weighed, its score.
    pub(crate) pairs: Vec<Pair>,
    pub(crate) factors: Vec<Factors>,
    pub(crate) numbers: Vec<u32>,
    pub(crate) weights: Vec<f32>,
    pub(crate) scores: Vec<f32>,
    /// Cells with pairs.
    pub(crate) cells: Vec<u32>,
}

/// How likely a pair is, against others, by what is the same in all rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factors {
    /// By the span's end, and by how many are open.
    pub(crate) open: f32,
    /// See [`super::shared`].
    pub(crate) shared: f32,
    /// See [`super::beside`].
    pub(crate) beside: f32,
}

/// A line with its pairs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandRow {
    /// Of no recorded span.
    pub(crate) none: f32,
    /// Words that it shares tell its pairs apart.
    pub(crate) shares_words: bool,
    row: u32,
    first: u32,
    end: u32,
}

impl HandRow {
    /// The places of its pairs.
    #[inline]
    pub(crate) fn pairs(&self) -> std::ops::Range<usize> {
        self.first as usize..self.end as usize
    }
}

impl AtHand {
    /// Takes all of a block. `after_end`: see [`super::late::Late::after_end`].
    pub(crate) fn load(&mut self, scene: &Scene, block: &Block, so_far: &Association, after_end: f32) {
        let base = block.pairs.start as u32;
        self.rows.clear();
        self.rows.extend(block.rows.clone().map(|at| {
            let first = scene.rows[at].first - base;
            let shares_words = so_far.shared.tells_apart(scene.rows[at].pairs());
            HandRow { none: so_far.none[at], shares_words, row: at as u32, first, end: first + scene.rows[at].count }
        }));
        self.pairs.clear();
        self.pairs.extend_from_slice(&scene.pairs[block.pairs.clone()]);
        self.find_factors(block, so_far, after_end);
        self.numbers.clear();
        self.numbers.extend(base..block.pairs.end as u32);
        self.weights.clear();
        self.weights.extend_from_slice(&so_far.weights[block.pairs.clone()]);
        self.scores.resize(self.pairs.len(), 0.0);
        self.cells.clear();
        self.cells.extend(block.cells.start as u32..block.cells.end as u32);
    }

    fn find_factors(&mut self, block: &Block, so_far: &Association, after_end: f32) {
        let alone = 1.0 / so_far.crowding[block.template];
        let template = block.template as u32;
        self.factors.clear();
        self.factors.extend(block.pairs.clone().zip(&self.pairs).map(|(number, pair)| {
            let late = if pair.late { after_end } else { 1.0 };
            let waits = if pair.waits { WAITING } else { 1.0 };
            Factors {
                open: alone * late * waits,
                shared: so_far.shared.factor(number, template),
                beside: so_far.beside.factor(number, template),
            }
        }));
    }

    /// Gives the weights back.
    pub(crate) fn store(&self, result: &mut Association) {
        for row in &self.rows {
            result.none[row.row as usize] = row.none;
        }
        for (number, weight) in self.numbers.iter().zip(&self.weights) {
            result.weights[*number as usize] = *weight;
        }
        if !result.scores.is_empty() {
            for (number, score) in self.numbers.iter().zip(&self.scores) {
                result.scores[*number as usize] = *score;
            }
        }
    }

    /// Gives back what has no part any more.
    pub(crate) fn leave_out(&mut self, result: &mut Association, cells: &[Cell]) {
        let mut to = 0;
        for row in &mut self.rows {
            let from = row.pairs();
            row.first = to as u32;
            for at in from {
                let number = self.numbers[at] as usize;
                if self.weights[at] < LEAST {
                    result.weights[number] = self.weights[at];
                    if let Some(score) = result.scores.get_mut(number) {
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
        self.cells.retain(|cell| cells[*cell as usize].taken >= LEAST);
    }
}
