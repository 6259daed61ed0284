//! Lines ↔ spans, all at once: probabilistic data association.
//!
//! In goes a [`Scene`], out comes for every pair the probability that the line was written in that span, and for every
//! line that of no recorded span. Habits, shares without a span and weights are learned from each other in rounds; a span
//! takes a template as often as is usual for it, not more; lines of one request share their trace (`groups`).
//! <https://doi.org/10.1109/MCS.2009.934469> (Bar-Shalom, Daum, Huang: the probabilistic data association filter)

use std::collections::HashMap;
use std::ops::Range;

use super::beside::Beside;
use super::crowding::crowding;
use super::ends::{self, Ends, LATE_SHARE, MISSING_LEAST};
use super::groups::Groups;
use super::habits::{Counts, Distances, Habit, Place};
use super::scene::{Block, Pair, Scene};
use super::shared::Shared;

/// Rounds of learning.
const ROUNDS: usize = 13;
/// Rounds after which groups are found, and lines that come after the end are told.
const HALF: usize = ROUNDS / 2 + 1;
/// Of the spans with lines of a template, this share has the usual number or fewer: less where many of its lines have no
/// recorded span, since they often run beside one that has.
const USUAL_SHARE: f32 = 0.4;
const USUAL_SHARE_LEAST: f32 = 0.15;
/// Lines of one template in one span that are told apart.
const CAPS: usize = 64;
/// Rounds of giving and taking within each.
const SHARINGS: usize = 8;
/// Where every span keeps so much of what it takes, sharing has ended.
const SHARED: f32 = 0.999;
/// A template or kind is still when no more than this share of its lines moved in a round.
const STILL: f32 = 0.001;
/// A span keeps so much of what it takes at least, where all requests are recorded: more than usual is possible. Where half
/// or more are not, the rest is likelier another's.
const KEPT_LEAST: f32 = 0.03;
const KEPT_LEAST_UNRECORDED: f32 = 1e-5;
/// The share of a template's lines without a span, before anything is known.
const NONE_AT_FIRST: f32 = 0.05;

/// How likely a line is in a span that only waits for something, against others.
const WAITING: f32 = 0.03;
/// Kinds of lines are not written after the end where such kinds are more than this share of a service's lines.
const SKEWED_SHARE: f32 = 0.1;
/// A kind is also written after the end when so many, such a share, certainly are, and so much more often than others …
const LATE_SURE: f32 = 0.9;
const LATER: f32 = 5.0;
const LATER_SHARE: f32 = 0.008;
/// See the module.
#[derive(Debug)]
pub(super) struct Association {
    /// Of each pair.
    pub(super) weights: Vec<f32>,
    /// Of each line: no recorded span.
    pub(super) none: Vec<f32>,
    /// Of each pair: how many times likelier than chance, by its evidence alone.
    pub(super) scores: Vec<f32>,
    /// Of each template: the share of lines without a span.
    pub(super) none_share: Vec<f32>,
    /// Of each template: how many times more spans are open than by chance, when its lines are written.
    pub(super) crowding: Vec<f32>,
    /// Of each kind.
    pub(super) habits: Vec<Habit>,
    /// Of each line: lines that name the same request.
    pub(super) group_sizes: Vec<u32>,
    /// Of each pair: what the words of other lines say.
    pub(super) shared: Shared,
    /// … and what the lines next to it say.
    pub(super) beside: Beside,
}

struct Rounds<'s> {
    scene: &'s Scene,
    habits: Vec<Habit>,
    late: Vec<f32>,
    counts: Vec<Counts>,
    /// … as seen from the start, when habits were last learned from them.
    learned: Vec<Distances>,
    result: Association,
    /// Of each kind: lines of it in all, how many a span may take.
    sums: Vec<f32>,
    caps: Vec<f32>,
    /// Of each cell: its kind, lines that it takes, and the part of them that it keeps.
    kinds: Vec<u32>,
    taken: Vec<f32>,
    parts: Vec<f32>,
    /// … in all rounds together: where the next begins.
    kept: Vec<f32>,
}

pub(super) fn place(pair: &Pair) -> Place {
    let [start, end, edge, clues] = [pair.start_bin, pair.end_bin, pair.edge_bin, pair.clues].map(usize::from);
    Place { start, end, edge, clues }
}

/// Runs all rounds. `groups`: what lines share, told the current weights when half the rounds are over. Until then a
/// template learns from its own lines only, and so do those without grouped lines afterwards: each runs through its rounds
/// at once, while its pairs are at hand, and ends early when it is still.
pub(super) fn associate(scene: &mut Scene, mut groups: Groups<'_>) -> Association {
    // Habits hold what is needed of them.
    let clutter = [&mut scene.clutter_start, &mut scene.clutter_end, &mut scene.clutter_edge].map(std::mem::take);
    let scene = &*scene;
    let mut rounds = Rounds::new(scene, clutter);
    for block in &scene.blocks {
        rounds.run(block, 0..HALF - 1);
    }
    groups.find(scene, &rounds.result);
    rounds.result.shared = groups.shared_words(scene, &rounds.result);
    rounds.result.beside = groups.beside(scene, &rounds.result);
    groups.agree(scene, &mut rounds.result, &rounds.habits);
    for block in &scene.blocks {
        rounds.count(block);
    }
    rounds.find_late();
    rounds.result.crowding = crowding(scene, &rounds.result, &rounds.habits);
    let grouped = groups.templates(scene);
    for (block, is_grouped) in scene.blocks.iter().zip(&grouped) {
        rounds.learn(block);
        if !is_grouped {
            rounds.run(block, HALF..ROUNDS - 1);
        }
    }
    rounds.agree(&mut groups, &grouped);
    rounds.result.group_sizes = groups.sizes(scene);
    rounds.result.habits = rounds.habits;
    rounds.result
}

/// Of each service: the share of its lines without a span.
pub(super) fn without_span(scene: &Scene, result: &Association) -> HashMap<u32, f32> {
    let mut sums: HashMap<u32, (f32, f32)> = HashMap::new();
    for (row, none) in scene.rows.iter().zip(&result.none) {
        let sum = sums.entry(scene.template_group[row.template as usize]).or_default();
        *sum = (sum.0 + none, sum.1 + 1.0);
    }
    sums.into_iter().map(|(group, (none, all))| (group, none / all)).collect()
}

impl<'s> Rounds<'s> {
    fn new(scene: &'s Scene, [starts, ends, edges]: [Vec<Distances>; 3]) -> Rounds<'s> {
        let mut counts = vec![Counts::default(); scene.kinds.len()];
        for pair in &scene.pairs {
            counts[pair.kind as usize].add(place(pair), 1.0);
        }
        let chance = |kind: usize| Counts {
            start: starts[kind],
            end: ends[kind],
            edge: edges[kind],
            clues: scene.clutter_clues[kind],
            sum: 0.0,
        };
        let lines_of = |kind: usize| scene.template_lines[scene.kinds[kind].0 as usize];
        let habit = |kind: usize| Habit::new(&chance(kind), &counts[kind], lines_of(kind));
        let habits = (0..scene.kinds.len()).map(habit).collect();
        let result = Association {
            weights: vec![1.0; scene.pairs.len()],
            none: vec![0.0; scene.rows.len()],
            scores: vec![0.0; scene.pairs.len()],
            none_share: vec![NONE_AT_FIRST; scene.template_lines.len()],
            crowding: vec![1.0; scene.template_lines.len()],
            habits: Vec::new(),
            group_sizes: Vec::new(),
            shared: Shared::default(),
            beside: Beside::default(),
        };
        let [taken, parts, kept] = [0.0, 1.0, 1.0].map(|value| vec![value; scene.cells]);
        let [sums, caps, late] = [0.0, 1.0, 0.0].map(|value| vec![value; scene.kinds.len()]);
        let mut kinds = vec![0; scene.cells];
        for pair in &scene.pairs {
            kinds[pair.cell as usize] = pair.kind;
        }
        let learned = vec![Counts::default().start; scene.kinds.len()];
        Rounds { scene, habits, late, counts, learned, result, sums, caps, kinds, taken, parts, kept }
    }

    /// Rounds of one template by itself, until it is still; the last teaches nothing.
    fn run(&mut self, block: &Block, rounds: Range<usize>) {
        for round in rounds {
            self.weigh(block, round == 0);
            if !self.learn(block) {
                break;
            }
        }
        self.weigh(block, false);
    }

    /// The rounds of templates whose lines name requests: they go on together.
    fn agree(&mut self, groups: &mut Groups<'_>, grouped: &[bool]) {
        let scene = self.scene;
        let blocks = || scene.blocks.iter().zip(grouped).filter(|(_, is_grouped)| **is_grouped).map(|(block, _)| block);
        for round in HALF..ROUNDS {
            blocks().for_each(|block| self.weigh(block, false));
            groups.agree(scene, &mut self.result, &self.habits);
            if round + 1 == ROUNDS || blocks().filter(|block| self.learn(block)).count() == 0 {
                break;
            }
        }
    }

    /// The operation that has most of a template is preferred.
    fn prefer(&mut self, block: &Block, first: bool) {
        let counts = &self.counts[block.kinds.clone()];
        let sum = |counts: &Counts| if first { 1.0 } else { counts.sum };
        let most = counts.iter().map(sum).fold(0.0, f32::max);
        for (habit, counts) in self.habits[block.kinds.clone()].iter_mut().zip(counts) {
            habit.preference = ((sum(counts) + 0.05) / (most + 0.05)).powi(2);
        }
    }

    /// Each line's candidates against each other and against none, and what their spans take.
    fn weigh(&mut self, block: &Block, first: bool) {
        self.prefer(block, first);
        let alone = 1.0 / self.result.crowding[block.template];
        let Rounds { scene, habits, result, sums, taken, .. } = self;
        sums[block.kinds.clone()].fill(0.0);
        taken[block.cells.clone()].fill(0.0);
        let none = result.none_share[block.template];
        for at in block.rows.clone() {
            let row = &scene.rows[at];
            let range = row.pairs();
            let pairs = &scene.pairs[range.clone()];
            let (weights, scores) = (&mut result.weights[range.clone()], &mut result.scores[range]);
            for ((pair, score), weight) in pairs.iter().zip(scores.iter_mut()).zip(weights.iter()) {
                *score = habits[pair.kind as usize].weight(place(pair), 0.5 * weight).clamp(1e-20, 1e12);
                *score *= alone;
                if pair.waits {
                    *score *= WAITING;
                }
            }
            result.shared.weigh(row, none, scores);
            result.beside.weigh(row, scores);
            // Habits are shares of all lines of the template, those without a span included.
            let all = none + scores.iter().sum::<f32>();
            for ((pair, score), weight) in pairs.iter().zip(scores.iter()).zip(weights.iter_mut()) {
                *weight = score / all;
                sums[pair.kind as usize] += *weight;
                taken[pair.cell as usize] += *weight;
            }
            result.none[at] = none / all;
        }
        self.share(block);
    }

    /// A span takes a template as often as is usual for it.
    fn share(&mut self, block: &Block) {
        self.find_caps(block);
        let Rounds { scene, result, taken, caps, kinds, parts, kept, .. } = self;
        let unrecorded = (2.0 * result.none_share[block.template]).min(1.0);
        let least = KEPT_LEAST * (KEPT_LEAST_UNRECORDED / KEPT_LEAST).powf(unrecorded);
        // What was given away in the round before is given away first, and got back where too much was.
        parts[block.cells.clone()].copy_from_slice(&kept[block.cells.clone()]);
        for _ in 0..=SHARINGS {
            for at in block.rows.clone() {
                let range = scene.rows[at].pairs();
                let pairs = &scene.pairs[range.clone()];
                // A line that gives nothing is as it was.
                if pairs.iter().all(|pair| parts[pair.cell as usize] == 1.0) {
                    continue;
                }
                let weights = &mut result.weights[range];
                let none = &mut result.none[at];
                let mut all = *none;
                for (pair, weight) in pairs.iter().zip(weights.iter_mut()) {
                    taken[pair.cell as usize] -= *weight;
                    *weight *= parts[pair.cell as usize];
                    all += *weight;
                }
                let scale = 1.0 / all.max(1e-12);
                *none *= scale;
                for (pair, weight) in pairs.iter().zip(weights.iter_mut()) {
                    *weight *= scale;
                    taken[pair.cell as usize] += *weight;
                }
            }
            let mut moved = 0.0f32;
            for cell in block.cells.clone() {
                let next = (kept[cell] * caps[kinds[cell] as usize] / taken[cell].max(1e-9)).clamp(least, 1.0);
                parts[cell] = next / kept[cell];
                kept[cell] = next;
                moved = moved.max((parts[cell] - 1.0).abs());
            }
            if moved < 1.0 - SHARED {
                break;
            }
        }
    }

    /// How many lines of a template a span of an operation has, usually: most spans have so many or more. Not the mean,
    /// since unrecorded requests that come in the same burst would raise it.
    fn find_caps(&mut self, block: &Block) {
        let unrecorded = (2.0 * self.result.none_share[block.template]).min(1.0);
        let share = USUAL_SHARE + (USUAL_SHARE_LEAST - USUAL_SHARE) * unrecorded;
        let mut spans = vec![[0u32; CAPS]; block.kinds.len()];
        for cell in block.cells.clone() {
            let taken = self.taken[cell];
            if taken > 0.5 {
                let kind = self.kinds[cell] as usize - block.kinds.start;
                spans[kind][(taken.round() as usize).min(CAPS) - 1] += 1;
            }
        }
        for (kind, spans) in block.kinds.clone().zip(&spans) {
            let all_spans = self.scene.spans_of[self.scene.kinds[kind].1 as usize];
            let all: u32 = spans.iter().sum();
            let mut below = 0;
            let usual = spans.iter().position(|count| {
                below += count;
                below as f32 > share * all as f32
            });
            let mean = (self.sums[kind] / all_spans.max(1) as f32).round().max(1.0);
            self.caps[kind] = (usual.unwrap_or(0) as f32 + 1.0).min(mean);
        }
    }

    /// Habits and shares from the weights; false where they are as they were.
    fn learn(&mut self, block: &Block) -> bool {
        self.count(block);
        let mut moved = 0.0;
        for kind in block.kinds.clone() {
            let distance = self.counts[kind].distance(&self.learned[kind]);
            moved += distance;
            if distance > STILL * self.counts[kind].sum.max(1.0) {
                self.habits[kind].learn(&self.counts[kind]);
                self.learned[kind] = self.counts[kind].start;
            }
        }
        let none = 0.2 + self.result.none[block.rows.clone()].iter().sum::<f32>();
        self.result.none_share[block.template] = none / (block.rows.len() as f32 + 2.0);
        moved > STILL * block.rows.len() as f32
    }

    /// Templates whose lines come after the end of the spans they seem to belong to: all are stamped after the end of the
    /// whole trace, and some are certainly later, which the lines of other templates never are. The same message counts
    /// as one in all services.
    fn find_late(&mut self) {
        let templates = self.ends_of_templates();
        let missing = ends::missing(&templates, &self.scene.template_group, &self.scene.template_message);
        // Where much of a service's lines come late, its clocks differ, and being late says nothing.
        let mut of_service: HashMap<u32, (f32, f32, f32)> = HashMap::new();
        let mut of_message: HashMap<u64, Ends> = HashMap::new();
        for (template, ends) in templates.iter().enumerate() {
            let service = of_service.entry(self.scene.template_group[template]).or_default();
            service.0 += if ends.is_late() { ends.all } else { 0.0 };
            service.1 += ends.all;
            service.2 += if ends.is_last() { 0.0 } else { ends.late };
            of_message.entry(self.scene.template_message[template]).or_default().add(ends);
        }
        for (kind, habit) in self.habits.iter_mut().enumerate() {
            let template = self.scene.kinds[kind].0 as usize;
            let ends = &templates[template];
            let (late, all, usual) = of_service.get(&self.scene.template_group[template]).copied().unwrap_or_default();
            let own = self.late[kind] >= 0.3 * LATE_SHARE * self.counts[kind].sum;
            let is_late = own && ends.is_late() && late <= SKEWED_SHARE * all;
            let message = of_message.get(&self.scene.template_message[template]).copied().unwrap_or_default();
            let is_later = message.late >= LATE_SURE.max((LATER_SHARE + LATER * usual / all.max(1.0)) * message.all);
            habit.is_after = is_late
                || is_later && message.is_mostly_last() && ends.is_last()
                || ends.is_last() && missing[template] >= MISSING_LEAST;
        }
    }

    fn ends_of_templates(&self) -> Vec<Ends> {
        let mut templates = vec![Ends::default(); self.scene.template_lines.len()];
        for (pair, weight) in self.scene.pairs.iter().zip(&self.result.weights) {
            let ends = &mut templates[self.scene.kinds[pair.kind as usize].0 as usize];
            ends.all += weight;
            ends.late += if pair.late { *weight } else { 0.0 };
            ends.ended += if pair.ended { *weight } else { 0.0 };
        }
        templates
    }

    fn count(&mut self, block: &Block) {
        self.counts[block.kinds.clone()].fill(Counts::default());
        self.late[block.kinds.clone()].fill(0.0);
        for (pair, weight) in
            self.scene.pairs[block.pairs.clone()].iter().zip(&self.result.weights[block.pairs.clone()])
        {
            self.counts[pair.kind as usize].add(place(pair), *weight);
            if pair.late {
                self.late[pair.kind as usize] += weight;
            }
        }
    }
}
