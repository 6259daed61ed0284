//! The pairs of one template while it runs through its rounds.
//!
//! In go the rows of a block with their weights, out come the same with new ones. Pairs that have no part of their line any
//! more are left out on the way: after the first rounds that is most of them. Nothing is weighed here.

use super::associate::Association;
use super::scene::{Block, Pair, Scene};
use super::sharing::Cell;

/// A pair with less of its line is left out, what remains of it stays as it is.
const LEAST: f32 = 1e-6;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct AtHand {
    pub(super) rows: Vec<HandRow>,
    /// Of each pair: itself, its place in the scene, its weight and its score.
    pub(super) pairs: Vec<Pair>,
    pub(super) numbers: Vec<u32>,
    pub(super) weights: Vec<f32>,
    pub(super) scores: Vec<f32>,
    /// Cells with pairs.
    pub(super) cells: Vec<u32>,
}

/// A line with its pairs.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandRow {
    /// Of no recorded span.
    pub(super) none: f32,
    row: u32,
    first: u32,
    end: u32,
}

impl HandRow {
    /// The places of its pairs.
    #[inline]
    pub(super) fn pairs(&self) -> std::ops::Range<usize> {
        self.first as usize..self.end as usize
    }
}

impl AtHand {
    /// Takes all of a block.
    pub(super) fn load(&mut self, scene: &Scene, block: &Block, so_far: &Association) {
        let base = block.pairs.start as u32;
        self.rows.clear();
        self.rows.extend(block.rows.clone().map(|at| {
            let first = scene.rows[at].first - base;
            HandRow { none: so_far.none[at], row: at as u32, first, end: first + scene.rows[at].count }
        }));
        self.pairs.clear();
        self.pairs.extend_from_slice(&scene.pairs[block.pairs.clone()]);
        self.numbers.clear();
        self.numbers.extend(base..block.pairs.end as u32);
        self.weights.clear();
        self.weights.extend_from_slice(&so_far.weights[block.pairs.clone()]);
        self.scores.clear();
        self.scores.extend_from_slice(&so_far.scores[block.pairs.clone()]);
        self.cells.clear();
        self.cells.extend(block.cells.start as u32..block.cells.end as u32);
    }

    /// Gives the weights back.
    pub(super) fn store(&self, result: &mut Association) {
        for row in &self.rows {
            result.none[row.row as usize] = row.none;
        }
        for (number, (weight, score)) in self.numbers.iter().zip(self.weights.iter().zip(&self.scores)) {
            result.weights[*number as usize] = *weight;
            result.scores[*number as usize] = *score;
        }
    }

    /// Gives back what has no part any more.
    pub(super) fn leave_out(&mut self, result: &mut Association, cells: &[Cell]) {
        let mut to = 0;
        for row in &mut self.rows {
            let from = row.pairs();
            row.first = to as u32;
            for at in from {
                let number = self.numbers[at] as usize;
                if self.weights[at] < LEAST {
                    (result.weights[number], result.scores[number]) = (self.weights[at], self.scores[at]);
                    continue;
                }
                (self.pairs[to], self.numbers[to]) = (self.pairs[at], self.numbers[at]);
                (self.weights[to], self.scores[to]) = (self.weights[at], self.scores[at]);
                to += 1;
            }
            row.end = to as u32;
        }
        self.pairs.truncate(to);
        self.numbers.truncate(to);
        self.weights.truncate(to);
        self.scores.truncate(to);
        self.cells.retain(|cell| cells[*cell as usize].taken >= LEAST);
    }
}
