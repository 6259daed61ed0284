//! Habits of one template: those of its kinds, while it runs through its rounds.
//!
//! In go the template's pairs with their weights, out come habits that hold them against chance. What a habit takes is much
//! more than what it is made of, so that only those at hand are kept.

use super::at_hand::AtHand;
use super::habits::{Counts, Distances, Habit, Place};
use super::scene::{Block, Pair, Scene};

/// A kind is still when no more than this share of its lines moved in a round.
pub(crate) const STILL: f32 = 0.001;

/// Habits of a kind of line are known from so many before.
const KNOWN_LINES: f32 = 30.0;

/// See the module. Kinds are numbered from the block's first.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    pub(crate) habits: Vec<Habit>,
    pub(crate) counts: Vec<Counts>,
    /// … as seen from the start, when habits were last learned from them.
    learned: Vec<Distances>,
    /// Enough lines came before to know the habits.
    pub(crate) is_known: bool,
}

#[inline]
pub(crate) fn place(pair: &Pair) -> Place {
    Place { start: pair.start_bin, end: pair.end_bin, edge: pair.edge_bin, clues: pair.clues }
}

impl Usual {
    /// Begins with all pairs of a block as they are.
    pub(crate) fn begin(&mut self, scene: &Scene, block: &Block) {
        self.clear(block);
        self.habits.clear();
        let (all, before) = (lines(scene, block), scene.recalled.of(block.template).lines);
        self.is_known = before >= KNOWN_LINES;
        if self.is_known {
            for (counts, kind) in self.counts.iter_mut().zip(block.kinds.clone()) {
                counts.take_in(&scene.recalled.pairs[kind], all as f32 / before);
                let mut habit = Habit::by_chance(&scene.chance[kind], all);
                habit.learn(counts);
                self.habits.push(habit);
            }
            return;
        }
        for pair in &scene.pairs[block.pairs.clone()] {
            self.counts[pair.kind as usize - block.kinds.start].add(place(pair), 1.0);
        }
        if before > 0.0 {
            let scale = all as f32 / block.rows.len() as f32;
            self.counts.iter_mut().for_each(|counts| counts.scale(scale));
        }
        for (kind, pairs) in block.kinds.clone().zip(&self.counts) {
            self.habits.push(Habit::new(&scene.chance[kind], pairs, all));
        }
    }

    /// Goes on with pairs that have weights. `after`: of each kind, see [`Habit::is_after`].
    pub(crate) fn go_on(&mut self, scene: &Scene, block: &Block, hand: &AtHand, after: &[bool]) {
        self.clear(block);
        self.count(scene, block, &hand.pairs, &hand.weights);
        self.habits.clear();
        for (kind, pairs) in block.kinds.clone().zip(&self.counts) {
            let mut habit = Habit::by_chance(&scene.chance[kind], lines(scene, block));
            habit.is_after = after[kind];
            habit.learn(pairs);
            self.habits.push(habit);
        }
        for (learned, counts) in self.learned.iter_mut().zip(&self.counts) {
            *learned = counts.start;
        }
    }

    fn clear(&mut self, block: &Block) {
        self.counts.clear();
        self.counts.resize(block.kinds.len(), Counts::default());
        self.learned.clear();
        self.learned.resize(block.kinds.len(), Counts::default().start);
    }

    /// The operation that has most of a template is preferred.
    pub(crate) fn prefer(&mut self, first: bool) {
        let sum = |counts: &Counts| if first { 1.0 } else { counts.sum };
        let most = self.counts.iter().map(sum).fold(0.0, f32::max);
        for (habit, counts) in self.habits.iter_mut().zip(&self.counts) {
            habit.preference = ((sum(counts) + 0.05) / (most + 0.05)).powi(2);
        }
    }

    fn count(&mut self, scene: &Scene, block: &Block, pairs: &[Pair], weights: &[f32]) {
        match scene.recalled.pairs.get(block.kinds.clone()) {
            Some(before) => self.counts.clone_from_slice(before),
            None => self.counts.fill(Counts::default()),
        }
        for (pair, weight) in pairs.iter().zip(weights) {
            self.counts[pair.kind as usize - block.kinds.start].add(place(pair), *weight);
        }
    }

    /// From the weights of the last round; how many lines moved.
    pub(crate) fn learn(&mut self, scene: &Scene, block: &Block, pairs: &[Pair], weights: &[f32]) -> f32 {
        self.count(scene, block, pairs, weights);
        let mut moved = 0.0;
        for ((habit, counts), learned) in self.habits.iter_mut().zip(&self.counts).zip(&mut self.learned) {
            let distance = counts.distance(learned);
            moved += distance;
            if distance > STILL * counts.sum.max(1.0) {
                habit.learn(counts);
                *learned = counts.start;
            }
        }
        moved
    }
}

fn lines(scene: &Scene, block: &Block) -> u32 {
    scene.template_lines[block.template]
}
