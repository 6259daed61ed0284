//! Lines ↔ spans, all at once: probabilistic data association.
//!
//! In goes a [`Scene`], out comes for every pair the probability that the line was written in that span, and for every
//! line that of no recorded span. Habits, shares without a span and weights are learned from each other in rounds; a span
//! takes a template as often as is usual for it, not more; lines of one request share their trace (`groups`).
//! <https://doi.org/10.1109/MCS.2009.934469> (Bar-Shalom, Daum, Huang: the probabilistic data association filter)

use std::collections::HashMap;

use super::groups::Groups;
use super::habits::{Counts, Habit, Place};
use super::scene::{Pair, Scene};
use super::shared::Shared;

/// Rounds of learning.
const ROUNDS: usize = 13;
/// Of the spans with lines of a template, this share has the usual number or fewer: less where many of its lines have no
/// recorded span, since they often run beside one that has.
const USUAL_SHARE: f32 = 0.4;
const USUAL_SHARE_LEAST: f32 = 0.15;
/// Lines of one template in one span that are told apart.
const CAPS: usize = 64;
/// Rounds of giving and taking within each.
const SHARINGS: usize = 8;
/// Where every span keeps so much of what it takes, sharing has ended.
const SHARED: f32 = 0.9999;
/// A span keeps so much of what it takes at least, where all requests are recorded: more than usual is possible. Where half
/// or more are not, the rest is likelier another's.
const KEPT_LEAST: f32 = 0.03;
const KEPT_LEAST_UNRECORDED: f32 = 1e-5;
/// The share of a template's lines without a span, before anything is known.
const NONE_AT_FIRST: f32 = 0.05;

/// How likely a line is in a span that only waits for something, against others.
const WAITING: f32 = 0.03;
/// Round after which lines that come after the end are told.
const LATE_ROUND: usize = 6;
/// A kind of line is written after the end when so many, and such a share, certainly are.
const LATE_MIN: f32 = 1.5;
const LATE_SHARE: f32 = 0.03;
/// … unless such kinds are more than this share of a service's lines.
const SKEWED_SHARE: f32 = 0.1;
/// A kind is also written after the end when so many, such a share, certainly are, and so much more often than others …
const LATE_SURE: f32 = 0.9;
const LATER: f32 = 5.0;
const LATER_SHARE: f32 = 0.008;
/// … and this share is stamped after the end of the trace.
const ENDED_SHARE: f32 = 0.9;

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
    /// Of each kind.
    pub(super) habits: Vec<Habit>,
    /// Of each line: lines that name the same request.
    pub(super) group_sizes: Vec<u32>,
    /// Of each pair: what the words of other lines say.
    pub(super) shared: Shared,
}

/// How the lines of a template stand to the ends of their traces' spans.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    all: f32,
    /// Certainly written after.
    late: f32,
    /// Stamped after.
    ended: f32,
}

impl Ends {
    fn is_late(&self) -> bool {
        self.late >= LATE_MIN && self.late >= LATE_SHARE * self.all
    }

    fn is_last(&self) -> bool {
        self.ended >= ENDED_SHARE * self.all
    }

    fn add(&mut self, other: &Ends) {
        self.all += other.all;
        self.late += other.late;
        self.ended += other.ended;
    }
}

struct Rounds<'s> {
    scene: &'s Scene,
    habits: Vec<Habit>,
    late: Vec<f32>,
    counts: Vec<Counts>,
    result: Association,
    /// Of each cell: lines that it takes, how many it may take, and the part of them that it keeps.
    taken: Vec<f32>,
    cell_caps: Vec<f32>,
    parts: Vec<f32>,
    /// Of each cell: the part that it kept in the round before, where the next begins.
    kept: Vec<f32>,
    /// … and keeps at least.
    least: Vec<f32>,
    caps: Vec<f32>,
}

pub(super) fn place(pair: &Pair) -> Place {
    let [start, end, edge, clues] = [pair.start_bin, pair.end_bin, pair.edge_bin, pair.clues].map(usize::from);
    Place { start, end, edge, clues }
}

/// Runs all rounds. `groups`: what lines share, told the current weights when half the rounds are over.
pub(super) fn associate(scene: &Scene, mut groups: Groups<'_>) -> Association {
    let mut rounds = Rounds::new(scene);
    for round in 0..ROUNDS {
        rounds.prefer(round == 0);
        rounds.weigh();
        rounds.share();
        if round == ROUNDS / 2 {
            groups.find(scene, &rounds.result);
            rounds.result.shared = groups.shared_words(scene, &rounds.result);
        }
        if round >= ROUNDS / 2 {
            groups.agree(scene, &mut rounds.result, &rounds.habits);
        }
        if round + 1 < ROUNDS {
            rounds.learn(round);
        }
    }
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
    fn new(scene: &'s Scene) -> Rounds<'s> {
        let mut counts = vec![Counts::default(); scene.kinds.len()];
        for pair in &scene.pairs {
            counts[pair.kind as usize].add(place(pair), 1.0);
        }
        let chance: Vec<Counts> = (0..scene.kinds.len())
            .map(|kind| Counts {
                start: scene.clutter_start[kind],
                end: scene.clutter_end[kind],
                edge: scene.clutter_edge[kind],
                clues: scene.clutter_clues[kind],
                sum: 0.0,
            })
            .collect();
        let lines_of = |kind: usize| scene.template_lines[scene.kinds[kind].0 as usize];
        let habits =
            (0..scene.kinds.len()).map(|kind| Habit::new(&chance[kind], &counts[kind], lines_of(kind))).collect();
        let result = Association {
            weights: vec![1.0; scene.pairs.len()],
            none: vec![0.0; scene.rows.len()],
            scores: vec![0.0; scene.pairs.len()],
            none_share: vec![NONE_AT_FIRST; scene.template_lines.len()],
            habits: Vec::new(),
            group_sizes: Vec::new(),
            shared: Shared::default(),
        };
        let [taken, cell_caps, parts, kept, least] = [0.0, 1.0, 1.0, 1.0, 1.0].map(|value| vec![value; scene.cells]);
        let caps = vec![1.0; scene.kinds.len()];
        let late = vec![0.0; scene.kinds.len()];
        Rounds { scene, habits, late, counts, result, taken, cell_caps, parts, kept, least, caps }
    }

    /// The operation that has most of a template is preferred.
    fn prefer(&mut self, first: bool) {
        let mut most = vec![0.0f32; self.scene.template_lines.len()];
        let sum = |counts: &Counts| if first { 1.0 } else { counts.sum };
        for ((template, _), counts) in self.scene.kinds.iter().zip(&self.counts) {
            let most = &mut most[*template as usize];
            *most = most.max(sum(counts));
        }
        for ((habit, (template, _)), counts) in self.habits.iter_mut().zip(&self.scene.kinds).zip(&self.counts) {
            habit.preference = ((sum(counts) + 0.05) / (most[*template as usize] + 0.05)).powi(2);
        }
    }

    /// Each line's candidates against each other and against none.
    fn weigh(&mut self) {
        for (pair, (score, weight)) in
            self.scene.pairs.iter().zip(self.result.scores.iter_mut().zip(&self.result.weights))
        {
            *score = self.habits[pair.kind as usize].weight(place(pair), 0.5 * weight).clamp(1e-20, 1e12);
            if pair.waits {
                *score *= WAITING;
            }
        }
        for (at, row) in self.scene.rows.iter().enumerate() {
            let range = row.pairs();
            let none = self.result.none_share[row.template as usize];
            self.result.shared.weigh(row, none, &mut self.result.scores[range.clone()]);
            let sum: f32 = self.result.scores[range.clone()].iter().sum();
            // Habits are shares of all lines of the template, those without a span included.
            let all = sum + none;
            for pair in range {
                self.result.weights[pair] = self.result.scores[pair] / all;
            }
            self.result.none[at] = none / all;
        }
    }

    /// A span takes a template as often as is usual for it.
    fn share(&mut self) {
        self.find_caps();
        let Rounds { scene, result, taken, caps, cell_caps, parts, kept, least, .. } = self;
        let least_of = |none: &f32| KEPT_LEAST * (KEPT_LEAST_UNRECORDED / KEPT_LEAST).powf((2.0 * none).min(1.0));
        let of_template: Vec<f32> = result.none_share.iter().map(least_of).collect();
        for pair in &scene.pairs {
            let (cell, kind) = (pair.cell as usize, pair.kind as usize);
            cell_caps[cell] = caps[kind];
            least[cell] = of_template[scene.kinds[kind].0 as usize];
        }
        // What was given away in the round before is given away first, and got back where too much was.
        parts.copy_from_slice(kept);
        for _ in 0..=SHARINGS {
            taken.fill(0.0);
            for (none, row) in result.none.iter_mut().zip(&scene.rows) {
                let pairs = &scene.pairs[row.pairs()];
                let weights = &mut result.weights[row.pairs()];
                let mut all = *none;
                let mut gives = false;
                for (pair, weight) in pairs.iter().zip(weights.iter_mut()) {
                    let part = parts[pair.cell as usize];
                    gives |= part != 1.0;
                    *weight *= part;
                    all += *weight;
                }
                // A line that gave nothing is as it was.
                if gives {
                    let scale = 1.0 / all.max(1e-12);
                    weights.iter_mut().for_each(|weight| *weight *= scale);
                    *none *= scale;
                }
                for (pair, weight) in pairs.iter().zip(weights.iter()) {
                    taken[pair.cell as usize] += weight;
                }
            }
            let mut moved = 0.0f32;
            for (cell, part) in parts.iter_mut().enumerate() {
                let next = (kept[cell] * cell_caps[cell] / taken[cell].max(1e-9)).clamp(least[cell], 1.0);
                *part = next / kept[cell];
                kept[cell] = next;
                moved = moved.max((*part - 1.0).abs());
            }
            if moved < 1.0 - SHARED {
                break;
            }
        }
    }

    /// How many lines of a template a span of an operation has, usually: most spans have so many or more. Not the mean,
    /// since unrecorded requests that come in the same burst would raise it.
    fn find_caps(&mut self) {
        self.taken.fill(0.0);
        for (pair, weight) in self.scene.pairs.iter().zip(&self.result.weights) {
            self.taken[pair.cell as usize] += weight;
        }
        let mut spans = vec![[0u32; CAPS]; self.scene.kinds.len()];
        for pair in &self.scene.pairs {
            let taken = std::mem::take(&mut self.taken[pair.cell as usize]);
            if taken > 0.5 {
                spans[pair.kind as usize][(taken.round() as usize).min(CAPS) - 1] += 1;
            }
        }
        let mut sums = vec![0.0f32; self.scene.kinds.len()];
        for (pair, weight) in self.scene.pairs.iter().zip(&self.result.weights) {
            sums[pair.kind as usize] += weight;
        }
        let all_spans_of = |kind: usize| self.scene.spans_of[self.scene.kinds[kind].1 as usize];
        for (kind, (cap, spans)) in self.caps.iter_mut().zip(&spans).enumerate() {
            let (sum, all_spans) = (sums[kind], all_spans_of(kind));
            let all: u32 = spans.iter().sum();
            let mut below = 0;
            let none = self.result.none_share[self.scene.kinds[kind].0 as usize];
            let share = USUAL_SHARE + (USUAL_SHARE_LEAST - USUAL_SHARE) * (2.0 * none).min(1.0);
            let usual = spans.iter().position(|count| {
                below += count;
                below as f32 > share * all as f32
            });
            *cap = (usual.unwrap_or(0) as f32 + 1.0).min((sum / all_spans.max(1) as f32).round().max(1.0));
        }
    }

    /// Habits and shares from the weights.
    fn learn(&mut self, round: usize) {
        self.count();
        if round == LATE_ROUND {
            self.find_late();
        }
        for (habit, counts) in self.habits.iter_mut().zip(&self.counts) {
            habit.learn(counts);
        }
        let mut none = vec![0.2f32; self.scene.template_lines.len()];
        for (row, share) in self.scene.rows.iter().zip(&self.result.none) {
            none[row.template as usize] += share;
        }
        for (share, (none, lines)) in self.result.none_share.iter_mut().zip(none.iter().zip(&self.scene.template_lines))
        {
            *share = none / (*lines as f32 + 2.0);
        }
    }

    /// Templates whose lines come after the end of the spans they seem to belong to: all are stamped after the end of the
    /// whole trace, and some are certainly later, which the lines of other templates never are. The same message counts
    /// as one in all services.
    fn find_late(&mut self) {
        let templates = self.ends_of_templates();
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
            habit.is_after = is_late || is_later && message.is_last() && ends.is_last();
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

    fn count(&mut self) {
        self.counts.iter_mut().for_each(|counts| *counts = Counts::default());
        self.late.fill(0.0);
        for (pair, weight) in self.scene.pairs.iter().zip(&self.result.weights) {
            self.counts[pair.kind as usize].add(place(pair), *weight);
            if pair.late {
                self.late[pair.kind as usize] += weight;
            }
        }
    }
}
