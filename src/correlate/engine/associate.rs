//! Lines ↔ spans, all at once: probabilistic data association.
//!
//! In goes a [`Scene`], out comes for every pair the probability that the line was written in that span, and for every
//! line that of no recorded span. Habits, shares without a span and weights are learned from each other in rounds; a span
//! takes a template as often as is usual for it, not more; lines of one request share their trace (`groups`).
//! <https://doi.org/10.1109/MCS.2009.934469> (Bar-Shalom, Daum, Huang: the probabilistic data association filter)

use std::ops::Range;

use super::at_hand::AtHand;
use super::beside::Beside;
use super::crowding::crowding;
use super::groups::Groups;
use super::habits::Habit;
use super::late::{AFTER_END, Late};
use super::request_keys::Agreement;
use super::scene::{Block, Scene};
use super::shared::{self, Shared};
use super::sharing::Sharing;
use super::usual::{STILL, Usual, place};
use crate::correlate::text::hash::NumberMap;

/// Rounds of learning.
const ROUNDS: usize = 13;
/// Rounds after which groups are found, and lines that come after the end are told.
const HALF: usize = ROUNDS / 2 + 1;
/// The share of a template's lines without a span, before anything is known.
const NONE_AT_FIRST: f32 = 0.05;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Association {
    /// Of each pair.
    pub(crate) weights: Vec<f32>,
    /// Of each line: no recorded span.
    pub(crate) none: Vec<f32>,
    /// Of each pair: how many times likelier than chance, by its evidence alone. Where it is kept.
    pub(crate) scores: Vec<f32>,
    /// Of each template: the share of lines without a span.
    pub(crate) none_share: Vec<f32>,
    /// Of each template: how many times more spans are open than by chance, when its lines are written.
    pub(crate) crowding: Vec<f32>,
    /// Of each template: spans of other traces beside its lines.
    pub(crate) seen: Vec<f32>,
    /// Of each kind, as the operation that has most of its template: see [`Habit::preference`].
    pub(crate) preference: Vec<f32>,
    /// Of each kind, where they are kept.
    pub(crate) habits: Vec<Option<Habit>>,
    /// Of each line: lines that name the same request.
    pub(crate) group_sizes: Vec<u32>,
    /// How well the values of keys agree on a trace.
    pub(crate) agreement: Agreement,
    /// Of each pair: what the words of other lines say.
    pub(crate) shared: Shared,
    /// … and what the lines next to it say.
    pub(crate) beside: Beside,
}

struct Rounds<'s> {
    scene: &'s Scene,
    /// Habits of the template at hand.
    usual: Usual,
    /// Of each kind: its lines are written after the span's end.
    after: Vec<bool>,
    /// Of each template, see [`Late::after_end`].
    after_end: Vec<f32>,
    result: Association,
    sharing: Sharing,
    /// The template at hand.
    hand: AtHand,
}

/// Runs all rounds. `groups`: what lines share, told the current weights when half the rounds are over. Until then a
/// template learns from its own lines only, and so do those without grouped lines afterwards: each runs through its rounds
/// at once, while its pairs are at hand, and ends early when it is still. `keeps_evidence`: for whoever asks why.
pub(crate) fn associate(scene: &Scene, mut groups: Groups<'_>, keeps_evidence: bool) -> Association {
    let mut rounds = Rounds::new(scene, keeps_evidence);
    for block in &scene.blocks {
        rounds.load(block);
        rounds.usual.begin(scene, block);
        rounds.run(block, 0..HALF - 1);
    }
    groups.find(scene, &rounds.result);
    rounds.result.shared = groups.shared_words(scene, &rounds.result);
    rounds.result.beside = groups.beside(scene, &rounds.result);
    groups.agree(scene, &mut rounds.result);
    let late = Late::new(scene, &rounds.result.weights);
    rounds.after = late.written_after(scene);
    rounds.after_end = late.after_end(scene);
    rounds.result.crowding = crowding(scene, &mut rounds.result);
    if keeps_evidence {
        rounds.result.habits = vec![None; scene.kinds.len()];
    }
    let mut together = Vec::new();
    for (block, is_grouped) in scene.blocks.iter().zip(groups.templates()) {
        rounds.load(block);
        rounds.go_on(block);
        if *is_grouped {
            together.push((block, std::mem::take(&mut rounds.usual)));
        } else {
            rounds.run(block, HALF..ROUNDS - 1);
            rounds.keep_habits(block);
        }
    }
    rounds.agree(&mut groups, &mut together);
    rounds.result.group_sizes = groups.sizes(scene);
    rounds.result.agreement = std::mem::take(&mut groups.agreement);
    rounds.result
}

/// Of each service: the share of its lines without a span.
pub(crate) fn without_span(scene: &Scene, result: &Association) -> NumberMap<u32, f32> {
    let gone = |(group, lines): (&u32, &u32)| (*group, (*lines as f32, *lines as f32));
    let mut sums: NumberMap<u32, (f32, f32)> = scene.without_pairs.iter().map(gone).collect();
    for (of, group) in scene.recalled.templates.iter().zip(&scene.template_group) {
        let sum = sums.entry(*group).or_default();
        *sum = (sum.0 + of.none, sum.1 + of.lines);
    }
    for (row, none) in scene.rows.iter().zip(&result.none) {
        let sum = sums.entry(scene.template_group[row.template as usize]).or_default();
        *sum = (sum.0 + none, sum.1 + 1.0);
    }
    sums.into_iter().map(|(group, (none, all))| (group, none / all)).collect()
}

impl<'s> Rounds<'s> {
    fn new(scene: &'s Scene, keeps_evidence: bool) -> Rounds<'s> {
        let result = Association {
            weights: vec![1.0; scene.pairs.len()],
            none: vec![0.0; scene.rows.len()],
            scores: vec![0.0; if keeps_evidence { scene.pairs.len() } else { 0 }],
            none_share: vec![NONE_AT_FIRST; scene.template_lines.len()],
            crowding: vec![1.0; scene.template_lines.len()],
            preference: vec![1.0; scene.kinds.len()],
            ..Association::default()
        };
        let (usual, hand) = Default::default();
        let after = vec![false; scene.kinds.len()];
        let after_end = vec![AFTER_END; scene.template_lines.len()];
        Rounds { scene, usual, after, after_end, result, sharing: Sharing::new(scene), hand }
    }

    /// Rounds of the template at hand by itself, until it is still; the last teaches nothing.
    fn run(&mut self, block: &Block, rounds: Range<usize>) {
        for round in rounds {
            if round == 0 && self.usual.is_known {
                let before = self.scene.recalled.of(block.template);
                self.result.none_share[block.template] = none_share(before.none, before.lines);
                self.hand.weights.fill(0.0);
            }
            self.weigh(block, round == 0 && !self.usual.is_known);
            if !self.learn(block) {
                break;
            }
            self.hand.leave_out(&mut self.result, &self.sharing.cells);
        }
        self.weigh(block, false);
        self.hand.store(&mut self.result);
        self.store_preference(block);
    }

    /// The rounds of templates whose lines name requests: they go on together.
    fn agree(&mut self, groups: &mut Groups<'_>, together: &mut [(&Block, Usual)]) {
        for round in HALF..ROUNDS {
            for (block, usual) in together.iter_mut() {
                std::mem::swap(usual, &mut self.usual);
                self.load(block);
                self.weigh(block, false);
                self.hand.store(&mut self.result);
                self.store_preference(block);
                std::mem::swap(usual, &mut self.usual);
            }
            groups.agree(self.scene, &mut self.result);
            if round + 1 == ROUNDS {
                break;
            }
            let mut moves = false;
            for (block, usual) in together.iter_mut() {
                std::mem::swap(usual, &mut self.usual);
                moves |= self.learn_all(block);
                std::mem::swap(usual, &mut self.usual);
            }
            if !moves {
                break;
            }
        }
        for (block, usual) in together {
            std::mem::swap(usual, &mut self.usual);
            self.keep_habits(block);
        }
    }

    fn load(&mut self, block: &Block) {
        self.hand.load(self.scene, block, &self.result, self.after_end[block.template]);
    }

    fn store_preference(&mut self, block: &Block) {
        for (preference, habit) in self.result.preference[block.kinds.clone()].iter_mut().zip(&self.usual.habits) {
            *preference = habit.preference;
        }
    }

    fn keep_habits(&mut self, block: &Block) {
        if let Some(kept) = self.result.habits.get_mut(block.kinds.clone()) {
            kept.iter_mut().zip(&self.usual.habits).for_each(|(kept, habit)| *kept = Some(habit.clone()));
        }
    }

    /// Each line's candidates against each other and against none, and what their spans take.
    fn weigh(&mut self, block: &Block, first: bool) {
        self.usual.prefer(first);
        let Rounds { usual, result, sharing: Sharing { sums, cells, .. }, hand, .. } = self;
        let AtHand { rows, pairs, factors, weights, scores, .. } = hand;
        sums[block.kinds.clone()].fill(0.0);
        cells[block.cells.clone()].iter_mut().for_each(|cell| cell.taken = 0.0);
        let (habits, base) = (&usual.habits, block.kinds.start);
        let none = result.none_share[block.template];
        for row in rows {
            let range = row.pairs();
            let (pairs, factors) = (&pairs[range.clone()], &factors[range.clone()]);
            let (weights, scores) = (&mut weights[range.clone()], &mut scores[range]);
            for (((pair, factors), score), weight) in pairs.iter().zip(factors).zip(scores.iter_mut()).zip(&*weights) {
                let score_of = habits[pair.kind as usize - base].weight(place(pair), 0.5 * weight).clamp(1e-20, 1e12);
                *score = score_of * factors.open;
            }
            if row.shares_words {
                shared::weigh(factors, none, scores);
            }
            let mut sum = 0.0;
            for (score, factors) in scores.iter_mut().zip(factors) {
                *score *= factors.beside;
                sum += *score;
            }
            // Habits are shares of all lines of the template, those without a span included.
            let all = none + sum;
            for ((pair, score), weight) in pairs.iter().zip(scores.iter()).zip(weights.iter_mut()) {
                *weight = score / all;
                sums[pair.kind as usize] += *weight;
                cells[pair.cell as usize].taken += *weight;
            }
            row.none = none / all;
        }
        self.sharing.share(self.scene, block, none, &mut self.hand);
    }

    /// Habits and shares from the weights; false where they are as they were.
    fn learn(&mut self, block: &Block) -> bool {
        let moved = self.usual.learn(self.scene, block, &self.hand.pairs, &self.hand.weights);
        self.count_none(block);
        moved > STILL * block.rows.len() as f32
    }

    /// The same of all pairs of a block that is not at hand.
    fn learn_all(&mut self, block: &Block) -> bool {
        let (pairs, weights) = (&self.scene.pairs[block.pairs.clone()], &self.result.weights[block.pairs.clone()]);
        let moved = self.usual.learn(self.scene, block, pairs, weights);
        let none = self.result.none[block.rows.clone()].iter().sum::<f32>();
        self.keep_none_share(block, none);
        moved > STILL * block.rows.len() as f32
    }

    /// The same where no habits are left of the rounds before.
    fn go_on(&mut self, block: &Block) {
        self.usual.go_on(self.scene, block, &self.hand, &self.after);
        self.count_none(block);
    }

    fn count_none(&mut self, block: &Block) {
        let none = self.hand.rows.iter().map(|row| row.none).sum::<f32>();
        self.keep_none_share(block, none);
    }

    fn keep_none_share(&mut self, block: &Block, none: f32) {
        let before = self.scene.recalled.of(block.template);
        let lines = block.rows.len() as f32 + before.lines;
        self.result.none_share[block.template] = none_share(none + before.none, lines);
    }
}

/// Of so many lines, so many of which have no span: few say little of the others.
fn none_share(none: f32, lines: f32) -> f32 {
    (0.2 + none) / (lines + 2.0)
}
