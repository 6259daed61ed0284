//! The estimate of one template: the habits of its classes, while it runs through its rounds (the M step).
//!
//! In go the template's pairs with their weights, out come habits: likelihood ratios against clutter. A habit takes much more
//! room than what it is made of, so that only those of one template are kept.

use super::candidates::{Block, CandidatePair, Candidates};
use super::habit::Habit;
use super::histograms::{Distances, Histograms};
use super::tuning::{EM_CONVERGED, EM_CONVERGED_KNOWN, KNOWN_CLASS_LEAST, PRIOR_LINES};
use super::working_set::WorkingSet;

/// See the module. Kinds are numbered from the block's first.
#[derive(Debug, Default)]
pub(crate) struct TemplateEstimate {
    pub(crate) habits: Vec<Habit>,
    pub(crate) counts: Vec<Histograms>,
    /// The counts by the distance to the start, as they were when habits were last learned from them.
    learned: Vec<Distances>,
    /// Enough lines came before to know the habits.
    pub(crate) is_known: bool,
    /// It has converged when no more than this share of its lines moved in a round.
    pub(crate) converged: f32,
}

impl TemplateEstimate {
    /// Begins with all pairs of a block as they are.
    pub(crate) fn begin(&mut self, candidates: &Candidates, block: &Block) {
        self.clear(candidates, block);
        self.habits.clear();
        let (all, before) = (lines(candidates, block), candidates.prior.of(block.template).lines);
        if self.is_known {
            for (counts, class) in self.counts.iter_mut().zip(block.classes.clone()) {
                counts.take_in(&candidates.prior.pairs[class], all as f32 / before);
            }
            let least = self.least_sum();
            for (counts, class) in self.counts.iter().zip(block.classes.clone()) {
                self.habits.push(match counts.sum > least {
                    true => learned(candidates, class, counts, all),
                    false => Habit::blank(all),
                });
            }
            return;
        }
        for pair in &candidates.pairs[block.pairs.clone()] {
            self.counts[pair.class as usize - block.classes.start].add(pair.bins(), 1.0);
        }
        if before > 0.0 {
            let scale = all as f32 / block.rows.len() as f32;
            self.counts.iter_mut().for_each(|counts| counts.scale(scale));
        }
        for (class, pairs) in block.classes.clone().zip(&self.counts) {
            self.habits.push(Habit::new(&candidates.clutter[class], pairs, all));
        }
    }

    /// Goes on with pairs that have weights. `after`: of each kind, see [`Habit::is_after`].
    pub(crate) fn go_on(&mut self, candidates: &Candidates, block: &Block, working: &WorkingSet, after: &[bool]) {
        self.clear(candidates, block);
        self.count(candidates, block, &working.pairs, &working.weights);
        self.habits.clear();
        let (all, least) = (lines(candidates, block), self.least_sum());
        for (class, pairs) in block.classes.clone().zip(&self.counts) {
            let mut habit = match pairs.sum > least {
                true => learned(candidates, class, pairs, all),
                false => Habit::blank(all),
            };
            habit.is_after = after[class];
            self.habits.push(habit);
        }
        for (learned, counts) in self.learned.iter_mut().zip(&self.counts) {
            *learned = counts.start;
        }
    }

    /// Where habits are known: a class with no more of the template than this has next to none of it, and is no habit worth
    /// finding.
    fn least_sum(&self) -> f32 {
        let most = self.counts.iter().map(|counts| counts.sum).fold(0.0, f32::max);
        if self.is_known { KNOWN_CLASS_LEAST * most } else { f32::MIN }
    }

    fn clear(&mut self, candidates: &Candidates, block: &Block) {
        self.is_known = candidates.prior.of(block.template).lines >= PRIOR_LINES;
        self.converged = if self.is_known { EM_CONVERGED_KNOWN } else { EM_CONVERGED };
        self.counts.clear();
        self.counts.resize(block.classes.len(), Histograms::default());
        self.learned.clear();
        self.learned.resize(block.classes.len(), Histograms::default().start);
    }

    /// The operation that has most of a template is preferred.
    pub(crate) fn prefer(&mut self, first: bool) {
        let sum = |counts: &Histograms| if first { 1.0 } else { counts.sum };
        let most = self.counts.iter().map(sum).fold(0.0, f32::max);
        for (habit, counts) in self.habits.iter_mut().zip(&self.counts) {
            habit.prefer(sum(counts), most, first);
        }
    }

    fn count(&mut self, candidates: &Candidates, block: &Block, pairs: &[CandidatePair], weights: &[f32]) {
        match candidates.prior.pairs.get(block.classes.clone()) {
            Some(before) => self.counts.clone_from_slice(before),
            None => self.counts.fill(Histograms::default()),
        }
        for (pair, weight) in pairs.iter().zip(weights) {
            self.counts[pair.class as usize - block.classes.start].add(pair.bins(), *weight);
        }
    }

    /// From the weights of the last round; how many lines moved.
    pub(crate) fn learn(
        &mut self,
        candidates: &Candidates,
        block: &Block,
        pairs: &[CandidatePair],
        weights: &[f32],
    ) -> f32 {
        self.count(candidates, block, pairs, weights);
        let mut moved = 0.0;
        for ((habit, counts), learned) in self.habits.iter_mut().zip(&self.counts).zip(&mut self.learned) {
            let distance = counts.distance(learned);
            moved += distance;
            if distance > self.converged * counts.sum.max(1.0) {
                habit.learn(counts);
                *learned = counts.start;
            }
        }
        moved
    }
}

/// The habit of a class from its pairs.
fn learned(candidates: &Candidates, class: usize, pairs: &Histograms, lines: u32) -> Habit {
    let mut habit = Habit::from_clutter(&candidates.clutter[class], lines);
    habit.learn(pairs);
    habit
}

fn lines(candidates: &Candidates, block: &Block) -> u32 {
    candidates.templates.lines[block.template]
}
