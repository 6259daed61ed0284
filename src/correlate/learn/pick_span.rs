//! The trace is known: which of its spans?
//!
//! In go the pairs of lines that are sure of their trace, out comes one span for each: time says which spans can hold the
//! line, what its kind does elsewhere and what its text shares with a span say which of them does.

use super::bins::{BINS, FAR, bin_width};
use super::candidates::{Block, Candidates};
use super::clues::CLUES;
use super::factors::threads::Threads;
use super::histograms::smooth;
use super::operations::Operations;
use super::posteriors::Keeps;
use super::span_fit::{Hits, holds_word, inner, names_duration, regularity, time_within};
use super::span_habits::{Density, FamilyHabits, SpanHabit};
use super::span_tuning::{
    SPAN_CONVERGED, SPAN_DENSITY, SPAN_DENSITY_EXACT_NS, SPAN_DENSITY_NS, SPAN_DENSITY_ROUNDED, SPAN_DENSITY_ROUNDS,
    SPAN_MAY_HOLD, SPAN_OUTSIDE, SPAN_REGULARITY, SPAN_ROUNDS, SPAN_SILENT, SPAN_TRACE_SURE, SPAN_UNKNOWN,
    SPAN_WORD_MOST,
};
use crate::correlate::index::SpanIndex;

/// The pair chosen for a row, and the probability of its trace.
pub(crate) type Choice = Option<(u32, f32)>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Choices {
    /// One choice for each row.
    pub(crate) rows: Vec<Choice>,
    /// Of each pair of the row's trace: its part of the row. Where evidence is kept.
    pub(crate) weights: Vec<f32>,
    /// Of each family of templates, by the number of a block of it: what was learned of operations. Where habits are kept.
    pub(crate) habits: Vec<(u32, Vec<(u32, SpanHabit)>)>,
}

/// Chooses for each row, and learns how on the way.
pub(crate) fn choose(
    index: &SpanIndex,
    operations: &Operations,
    candidates: &Candidates,
    (weights, threads): (&[f32], &Threads),
    keeps: Keeps,
) -> Choices {
    let pairs = if keeps == Keeps::Evidence { candidates.pairs.len() } else { 0 };
    let mut choices =
        Choices { rows: vec![None; candidates.rows.len()], weights: vec![0.0; pairs], habits: Vec::new() };
    let mut found = OfTrace { taken: vec![0.0; index.len()], ..OfTrace::default() };
    each_family(candidates, &mut |blocks| {
        found.clear();
        blocks.iter().for_each(|block| found.find(candidates, block, weights));
        found.learn_clues(candidates);
        found.like(index, candidates, (operations, threads));
        found.share(index, candidates);
        found.take(index, candidates, &mut choices);
        if keeps == Keeps::Habits && !found.rows.is_empty() {
            choices.habits.push((blocks[0].template as u32, found.take_habits()));
        }
    });
    choices
}

/// Chooses for each row by what was learned before: `known`, of the family of a block.
pub(crate) fn choose_by<'m>(
    index: &SpanIndex,
    operations: &Operations,
    candidates: &Candidates,
    (weights, threads): (&[f32], &Threads),
    known: &dyn Fn(&Block) -> Option<&'m FamilyHabits>,
) -> Choices {
    let mut choices = Choices { rows: vec![None; candidates.rows.len()], weights: Vec::new(), habits: Vec::new() };
    let mut found = OfTrace::default();
    each_family(candidates, &mut |blocks| {
        found.clear();
        blocks.iter().for_each(|block| found.find(candidates, block, weights));
        found.recall(operations, known(blocks[0]));
        found.like(index, candidates, (operations, threads));
        found.weigh_by_habits(index, candidates);
        found.take(index, candidates, &mut choices);
    });
    choices
}

/// Blocks whose templates differ by a value only.
fn each_family(candidates: &Candidates, each: &mut dyn FnMut(&[&Block])) {
    let family = |block: &&Block| candidates.templates.family[block.template];
    let mut blocks: Vec<&Block> = candidates.blocks.iter().collect();
    blocks.sort_by_key(family);
    blocks.chunk_by(|a, b| family(a) == family(b)).for_each(each);
}

/// A pair of the right trace.
#[derive(Debug, Clone, Copy)]
struct SpanOfTrace {
    pair: u32,
    /// Among those of its family of templates.
    class: u32,
    /// How well the span holds the line, also with how close together lines stand there.
    like: f32,
    closeness: f32,
    /// Its part of the line.
    weight: f32,
}

/// The pairs of lines that are sure of their trace, of templates that differ by a value only.
#[derive(Debug, Default)]
struct OfTrace {
    /// (row, probability of its trace, end of its candidates)
    rows: Vec<(u32, f32, u32)>,
    list: Vec<SpanOfTrace>,
    /// Of each kind: its operation, and what chance gives of clues.
    classes: Vec<(u32, [f32; CLUES])>,
    /// Of each kind: what is learned of it.
    habits: Vec<SpanHabit>,
    /// Of each trace of a row.
    sums: Vec<f32>,
    /// Of each span: its part of lines; all zero between uses.
    taken: Vec<f32>,
}

impl OfTrace {
    /// The candidates of each row, in order.
    fn of_rows<'c>(
        rows: &'c [(u32, f32, u32)],
        list: &'c mut [SpanOfTrace],
    ) -> impl Iterator<Item = (u32, f32, &'c mut [SpanOfTrace])> {
        let mut rest = list;
        let mut start = 0;
        rows.iter().map(move |(row, probability, end)| {
            let (own, others) = std::mem::take(&mut rest).split_at_mut((end - start) as usize);
            (rest, start) = (others, *end);
            (*row, *probability, own)
        })
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.list.clear();
        self.classes.clear();
        self.habits.clear();
    }

    /// The right trace of each row, and its pairs.
    fn find(&mut self, candidates: &Candidates, block: &Block, weights: &[f32]) {
        let before = self.classes.len();
        let classes: Vec<u32> = block.classes.clone().map(|class| self.class(candidates, class, before)).collect();
        for at in block.rows.clone() {
            let row = &candidates.rows[at];
            let pairs = &candidates.pairs[row.pairs()];
            self.sums.clear();
            for (pair, weight) in pairs.iter().zip(&weights[row.pairs()]) {
                let trace = usize::from(pair.trace);
                if trace >= self.sums.len() {
                    self.sums.resize(trace + 1, 0.0);
                }
                self.sums[trace] += weight;
            }
            let best = self.sums.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((trace, probability)) = best.filter(|(_, sum)| *sum >= SPAN_TRACE_SURE) else { continue };
            let own = (row.first..).zip(pairs).filter(|(_, pair)| usize::from(pair.trace) == trace);
            self.list.extend(own.map(|(number, pair)| SpanOfTrace {
                pair: number,
                class: classes[pair.class as usize - block.classes.start],
                like: 0.0,
                closeness: 0.0,
                weight: 0.0,
            }));
            self.rows.push((at as u32, probability, self.list.len() as u32));
        }
    }

    /// The number of a kind among those of the family: all of one operation are the same. `before`: those of other templates.
    fn class(&mut self, candidates: &Candidates, class: usize, before: usize) -> u32 {
        let (_, operation) = candidates.classes[class];
        let clues = &candidates.clutter[class].clues;
        match self.classes[..before].iter().position(|known| known.0 == operation) {
            Some(at) => {
                self.classes[at].1.iter_mut().zip(clues).for_each(|(sum, clues)| *sum += clues);
                at as u32
            }
            None => {
                self.classes.push((operation, *clues));
                self.classes.len() as u32 - 1
            }
        }
    }

    /// What the text names, as often as it does.
    fn learn_clues(&mut self, candidates: &Candidates) {
        let durations = self.hits(candidates, names_duration);
        let words = self.hits(candidates, holds_word);
        let habit = |(durations, words): (&Hits, &Hits)| SpanHabit {
            factor: 1.0,
            durations: [false, true].map(|is_hit| durations.weight(is_hit)),
            words: [false, true].map(|is_hit| words.weight(is_hit).clamp(1.0 / SPAN_WORD_MOST, SPAN_WORD_MOST)),
            density: Density::default(),
        };
        self.habits.extend(durations.iter().zip(&words).map(habit));
    }

    /// What was learned before.
    fn recall(&mut self, operations: &Operations, known: Option<&FamilyHabits>) {
        let unknown =
            SpanHabit { factor: SPAN_UNKNOWN, durations: [1.0; 2], words: [1.0; 2], density: Density::default() };
        let habit = |operation: u32| known.and_then(|known| known.of(operations.key(operation)));
        let all = self.classes.iter().map(|class| habit(class.0).unwrap_or(&unknown).clone());
        self.habits.extend(all);
    }

    /// What was learned, by operation.
    fn take_habits(&mut self) -> Vec<(u32, SpanHabit)> {
        self.classes.iter().map(|class| class.0).zip(self.habits.drain(..)).collect()
    }

    fn like(&mut self, index: &SpanIndex, candidates: &Candidates, (operations, threads): (&Operations, &Threads)) {
        let mut times = Vec::new();
        for (row, _, own) in OfTrace::of_rows(&self.rows, &mut self.list) {
            let row = &candidates.rows[row as usize];
            let span = |candidate: &SpanOfTrace| index.span(candidates.pairs[candidate.pair as usize].slot);
            times.clear();
            times.extend(own.iter().map(|candidate| (span(candidate).start, span(candidate).end)));
            for candidate in own {
                let pair = &candidates.pairs[candidate.pair as usize];
                let span = index.span(pair.slot);
                let time = (time_within(row, span.start, span.end) / SPAN_MAY_HOLD).clamp(SPAN_OUTSIDE, 1.0);
                let habit = &self.habits[candidate.class as usize];
                let duration = habit.durations[usize::from(names_duration(pair.clues))];
                let word = habit.words[usize::from(holds_word(pair.clues))];
                let holds = if operations.holds_nothing(pair.slot) { SPAN_SILENT } else { 1.0 };
                let thread = threads.of_span(candidate.pair as usize, row.template);
                candidate.like = holds * time * duration * word * thread * inner(&times, (span.start, span.end));
                candidate.closeness = candidate.like;
            }
        }
    }

    /// Of each kind: how often spans have a clue.
    fn hits(&self, candidates: &Candidates, has: fn(u8) -> bool) -> Vec<Hits> {
        let by_chance = |clutter: &[f32; CLUES]| {
            let hits: f32 = (0u8..).zip(clutter).filter(|(clues, _)| has(*clues)).map(|(_, share)| share).sum();
            (hits + 0.5) / (clutter.iter().sum::<f32>() + 10.0)
        };
        let none_yet = |clutter| Hits { hits: 0.0, pairs: 0.0, by_chance: by_chance(clutter) };
        let mut classes: Vec<Hits> = self.classes.iter().map(|(_, clutter)| none_yet(clutter)).collect();
        for candidate in &self.list {
            let class = &mut classes[candidate.class as usize];
            class.hits += f32::from(u8::from(has(candidates.pairs[candidate.pair as usize].clues)));
            class.pairs += 1.0;
        }
        classes
    }

    /// The part of each candidate. Learned per (template, operation): which share of the lines that could be in a span of
    /// the operation is in it, which share of the operation's spans has such a line, and how far from its start or end it
    /// stands. An operation every span of which has the template is likelier than one that has it here and there.
    fn share(&mut self, index: &SpanIndex, candidates: &Candidates) {
        let all = self.classes.len();
        let could = self.lines_that_could(all);
        let [mut counts, mut with_line] = [0.0; 2].map(|zero| vec![zero; all]);
        let mut round = 0;
        while round < SPAN_ROUNDS {
            if round > 0 {
                self.learn_densities(candidates);
                self.weigh_closeness(index, candidates, 0.5);
            }
            let stage = round..(round + SPAN_DENSITY_ROUNDS).min(SPAN_ROUNDS);
            let still = stage.clone().find(|_| {
                let before = std::mem::replace(&mut counts, vec![0.0; all]);
                self.weigh(candidates, &mut counts, &mut with_line);
                for (class, habit) in self.habits.iter_mut().enumerate() {
                    let spans = candidates.all_spans_of[self.classes[class].0 as usize] as f32;
                    let covered = ((std::mem::take(&mut with_line[class]) + 0.05) / (spans + 0.1)).clamp(1e-4, 1.0);
                    habit.factor =
                        (counts[class] + 0.01) / (could[class] + 0.1) * regularity(covered).powf(SPAN_REGULARITY);
                }
                let moved: f32 = counts.iter().zip(&before).map(|(now, before)| (now - before).abs()).sum();
                moved <= SPAN_CONVERGED * self.rows.len() as f32
            });
            if still == Some(round) {
                return;
            }
            round = stage.end;
        }
    }

    /// Candidates of each row against each other; how many lines of each kind that makes, and how many spans with one.
    fn weigh(&mut self, candidates: &Candidates, counts: &mut [f32], with_line: &mut [f32]) {
        let OfTrace { rows, list, taken, habits, .. } = self;
        for (_, _, own) in OfTrace::of_rows(rows, list) {
            let mut all = 0.0;
            for candidate in own.iter_mut() {
                candidate.weight = habits[candidate.class as usize].factor * candidate.closeness;
                all += candidate.weight;
            }
            let scale = 1.0 / f32::max(all, 1e-30);
            for candidate in own {
                candidate.weight *= scale;
                counts[candidate.class as usize] += candidate.weight;
                taken[candidates.pairs[candidate.pair as usize].slot as usize] += candidate.weight;
            }
        }
        for candidate in list.iter() {
            // Each span once.
            let taken = std::mem::take(&mut taken[candidates.pairs[candidate.pair as usize].slot as usize]);
            with_line[candidate.class as usize] += taken.min(1.0);
        }
    }

    /// Of each kind: lines that might be in a span of it.
    fn lines_that_could(&mut self, classes: usize) -> Vec<f32> {
        let mut could = vec![0.0f32; classes];
        let mut seen = Vec::new();
        for (_, _, own) in OfTrace::of_rows(&self.rows, &mut self.list) {
            seen.clear();
            for candidate in own {
                if !seen.contains(&candidate.class) {
                    seen.push(candidate.class);
                    could[candidate.class as usize] += 1.0;
                }
            }
        }
        could
    }

    /// Where lines of each kind stand, by their weights.
    fn learn_densities(&mut self, candidates: &Candidates) {
        self.habits.iter_mut().for_each(|habit| habit.density = Density::default());
        for candidate in &self.list {
            let pair = &candidates.pairs[candidate.pair as usize];
            let Density { starts, ends, edges, sum } = &mut self.habits[candidate.class as usize].density;
            starts[usize::from(pair.start_bin)] += candidate.weight;
            ends[usize::from(pair.end_bin)] += candidate.weight;
            if pair.edge_bin != FAR {
                edges[usize::from(pair.edge_bin)] += candidate.weight;
            }
            *sum += candidate.weight;
        }
        for Density { starts, ends, edges, .. } in self.habits.iter_mut().map(|habit| &mut habit.density) {
            (*starts, *ends, *edges) = (smooth(starts), smooth(ends), smooth(edges));
        }
    }

    /// Likes, and how close together lines of the kind stand where this one does: their number per time, counted from the
    /// start or the end of the span, without `own` of the line itself; at least as if they stood anywhere.
    fn weigh_closeness(&mut self, index: &SpanIndex, candidates: &Candidates, own: f32) {
        for (row, _, candidates_of_row) in OfTrace::of_rows(&self.rows, &mut self.list) {
            let row = &candidates.rows[row as usize];
            let same = if row.low == row.time {
                SPAN_DENSITY_EXACT_NS
            } else if row.is_rounded {
                (SPAN_DENSITY_ROUNDED * (row.time - row.low) as f32).max(SPAN_DENSITY_EXACT_NS)
            } else {
                SPAN_DENSITY_NS
            };
            for candidate in candidates_of_row {
                let pair = &candidates.pairs[candidate.pair as usize];
                let density = &self.habits[candidate.class as usize].density;
                let weight = own * candidate.weight;
                let span = index.span(pair.slot);
                let length = ((span.end - span.start).max(0) as f32).max(SPAN_DENSITY_NS.max(same));
                let per_time = |bins: &[f32; BINS], bin: u8| {
                    (bins[usize::from(bin)] - weight).max(0.0) / (density.sum - weight + 0.5) / bin_width(bin).max(same)
                };
                let mut sides = per_time(&density.starts, pair.start_bin).max(per_time(&density.ends, pair.end_bin));
                if pair.edge_bin != FAR {
                    sides = sides.max(per_time(&density.edges, pair.edge_bin));
                }
                candidate.closeness = candidate.like * (sides.max(0.2 / length) * 1e6).powf(SPAN_DENSITY);
            }
        }
    }

    /// Weighs candidates by habits that did not learn from them.
    fn weigh_by_habits(&mut self, index: &SpanIndex, candidates: &Candidates) {
        // Without densities time tells nothing more.
        if self.habits.iter().any(|habit| habit.density.sum > 0.0) {
            self.weigh_closeness(index, candidates, 0.0);
        }
        for candidate in &mut self.list {
            candidate.weight = self.habits[candidate.class as usize].factor * candidate.closeness;
        }
    }

    /// The best of each row.
    fn take(&mut self, index: &SpanIndex, candidates: &Candidates, choices: &mut Choices) {
        let start = |candidate: &SpanOfTrace| index.span(candidates.pairs[candidate.pair as usize].slot).start;
        for (row, probability, own) in OfTrace::of_rows(&self.rows, &mut self.list) {
            let best = own.iter().max_by(|a, b| a.weight.total_cmp(&b.weight).then_with(|| start(a).cmp(&start(b))));
            choices.rows[row as usize] = best.map(|best| (best.pair, probability));
            if !choices.weights.is_empty() {
                own.iter().for_each(|own| choices.weights[own.pair as usize] = own.weight);
            }
        }
    }
}
