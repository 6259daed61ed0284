//! Expectation maximisation of lines ↔ spans, all at once: probabilistic data association.
//!
//! In go candidates and what was observed of lines, out come posteriors: for every pair that the line was written in that
//! span, for every line that no recorded span holds it. The E step weighs the pairs of each row against each other (here),
//! the M step learns habits and shares from the weights (`estimate`); a span takes a template as often as is typical of it
//! (`capacity`), and lines of one request share their trace (`request_groups`).
//! <https://doi.org/10.1109/MCS.2009.934469> (Bar-Shalom, Daum, Huang: the probabilistic data association filter)

use super::tuning::{
    AFTER_END_RATIO, EM_HALF, EM_ROUNDS, NONE_SHARE_AT_FIRST, PRUNED_WEIGHT, SHARED_WORDS_AGAINST_NONE,
};
use std::ops::Range;

use super::association::{Association, ContextFactors};
use super::candidates::{Block, Candidates};
use super::capacity::Capacity;
use super::earlier_lines::Told;
use super::estimate::TemplateEstimate;
use super::factors::adjacent_lines::AdjacentLines;
use super::factors::concurrency::Concurrency;
use super::factors::lateness::Lateness;
use super::factors::shared_words::SharedWords;
use super::factors::threads::Threads;
use super::habit::Habit;
use super::model::{Model, Recalled};
use super::observed::Observed;
use super::operations::Operations;
use super::posteriors::{Keeps, Posteriors};
use super::request_groups::RequestGroups;
use super::working_set::{PairFactors, WorkingSet};

/// Runs all rounds. Until half of them are over a template learns from its own lines only, and so do those without grouped
/// lines afterwards: each runs through its rounds at once, while its pairs are in the working set, and ends early when it has
/// converged.
pub(crate) fn associate(candidates: &Candidates, observed: &Observed<'_>, keeps: Keeps) -> Association {
    let mut rounds = Rounds::new(candidates, keeps);
    for block in &candidates.blocks {
        rounds.load(block);
        rounds.estimate.begin(candidates, block);
        rounds.run(block, 0..EM_HALF - 1);
    }
    rounds.context.threads = Threads::new(observed, candidates, &rounds.posteriors);
    rounds.begin_anew_with_threads();
    let mut groups = RequestGroups::new(observed, candidates, &rounds.posteriors.weights);
    let sizes = groups.sizes(candidates.rows.len());
    let is_grouped = |row: usize| sizes[row] > 1;
    let names = &rounds.context.threads.names;
    let shared_words = SharedWords::new(observed, candidates, &rounds.posteriors.weights, &is_grouped, (keeps, names));
    let adjacent_lines = AdjacentLines::new(observed, candidates, &rounds.posteriors, rounds.context.threads.named());
    groups.agree(observed.operations, candidates, &rounds.context.concurrency.ratios, &mut rounds.posteriors);
    let lateness = Lateness::new(candidates, &rounds.posteriors.weights);
    rounds.context = ContextFactors {
        shared_words,
        adjacent_lines,
        threads: std::mem::take(&mut rounds.context.threads),
        concurrency: Concurrency::new(candidates, &rounds.posteriors),
        written_after: lateness.written_after(candidates),
        after_end: lateness.after_end(candidates),
        lateness,
    };
    if keeps != Keeps::Posteriors {
        rounds.habits = vec![None; candidates.classes.len()];
    }
    let mut together = Vec::new();
    for (block, is_grouped) in candidates.blocks.iter().zip(groups.templates()) {
        rounds.load(block);
        rounds.go_on(block);
        if *is_grouped {
            together.push((block, std::mem::take(&mut rounds.estimate)));
        } else {
            rounds.run(block, EM_HALF..EM_ROUNDS - 1);
            rounds.keep_habits(block);
        }
    }
    rounds.agree(observed.operations, &mut groups, &mut together);
    rounds.associated(groups, Vec::new())
}

/// The same by what was learned before: pairs are weighed by the habits of the model, and nothing is learned. Spans take no
/// more than their capacity, lines of one request share their trace, and lines next to each other and words tell of others,
/// as far as these are among the candidates too.
pub(crate) fn associate_by(model: &Model, candidates: &Candidates, observed: &Observed<'_>) -> Association {
    let mut rounds = Rounds::new(candidates, Keeps::Posteriors);
    let known = model.recalled(candidates, observed.operations);
    rounds.recall(&known);
    rounds.weigh_all(&known);
    let mut groups = RequestGroups::new(observed, candidates, &rounds.posteriors.weights);
    let sizes = groups.sizes(candidates.rows.len());
    let is_grouped = |row: usize| sizes[row] > 1;
    let weights = &rounds.posteriors.weights;
    let factors = known.templates.iter().map(|known| known.threads).collect();
    let threads = Threads::by(observed, candidates, &rounds.posteriors, (factors, &model.threads));
    let factors = known.templates.iter().map(|known| known.shared_words).collect();
    let words = (factors, &model.rarities, &model.threads);
    let shared_words = SharedWords::by(observed, candidates, weights, &is_grouped, words);
    let factors = known.templates.iter().map(|known| known.adjacent_lines).collect();
    let adjacent_lines = AdjacentLines::by(observed, candidates, &rounds.posteriors, (factors, threads.named()));
    (rounds.context.shared_words, rounds.context.adjacent_lines) = (shared_words, adjacent_lines);
    rounds.context.threads = threads;
    rounds.weigh_all(&known);
    let Rounds { context, posteriors, .. } = &mut rounds;
    let told = groups.told(observed.operations, candidates, &context.concurrency.ratios, posteriors);
    groups.agree(observed.operations, candidates, &context.concurrency.ratios, posteriors);
    rounds.associated(groups, told)
}

/// The state of learning.
struct Rounds<'c> {
    candidates: &'c Candidates,
    posteriors: Posteriors,
    context: ContextFactors,
    capacity: Capacity,
    /// Of the current template: its pairs and the habits of its classes.
    working: WorkingSet,
    estimate: TemplateEstimate,
    /// Of each class, where they are kept.
    habits: Vec<Option<Habit>>,
}

impl<'c> Rounds<'c> {
    fn new(candidates: &'c Candidates, keeps: Keeps) -> Rounds<'c> {
        let templates = candidates.templates.lines.len();
        let posteriors = Posteriors {
            weights: vec![1.0; candidates.pairs.len()],
            none: vec![0.0; candidates.rows.len()],
            scores: vec![0.0; if keeps == Keeps::Evidence { candidates.pairs.len() } else { 0 }],
            none_share: vec![NONE_SHARE_AT_FIRST; templates],
            preference: vec![1.0; candidates.classes.len()],
        };
        let context = ContextFactors {
            concurrency: Concurrency::unknown(templates),
            written_after: vec![false; candidates.classes.len()],
            after_end: vec![AFTER_END_RATIO; templates],
            ..ContextFactors::default()
        };
        let (working, estimate, habits) = Default::default();
        let capacity = Capacity::new(candidates);
        Rounds { candidates, posteriors, context, capacity, working, estimate, habits }
    }

    /// Templates whose lines name threads begin anew, now that it is known who runs beside whom.
    fn begin_anew_with_threads(&mut self) {
        for block in &self.candidates.blocks {
            let named = self.context.threads.named().get(block.rows.clone()).unwrap_or_default();
            if named.iter().any(Option::is_some) {
                self.posteriors.none_share[block.template] = NONE_SHARE_AT_FIRST;
                self.load(block);
                self.estimate.begin(self.candidates, block);
                self.run(block, 0..EM_HALF - 1);
            }
        }
    }

    /// Rounds of the template in the working set by itself, until it has converged; the last teaches nothing.
    fn run(&mut self, block: &Block, rounds: Range<usize>) {
        for round in rounds {
            if round == 0 && self.estimate.is_known {
                let before = self.candidates.prior.of(block.template);
                self.posteriors.none_share[block.template] = none_share(before.none, before.lines);
                self.working.weights.fill(0.0);
            }
            self.weigh(block, round == 0 && !self.estimate.is_known);
            if !self.learn(block) {
                break;
            }
            self.working.prune(&mut self.posteriors);
            let cells = &self.capacity.cells;
            self.working.cells.retain(|cell| cells[*cell as usize].taken >= PRUNED_WEIGHT);
        }
        self.weigh(block, false);
        self.working.store(&mut self.posteriors);
        self.store_preference(block);
    }

    /// The rounds of templates whose lines name requests: they go on together.
    fn agree(
        &mut self,
        operations: &Operations,
        groups: &mut RequestGroups,
        together: &mut [(&Block, TemplateEstimate)],
    ) {
        for round in EM_HALF..EM_ROUNDS {
            for (block, estimate) in together.iter_mut() {
                std::mem::swap(estimate, &mut self.estimate);
                self.load(block);
                self.weigh(block, false);
                self.working.store(&mut self.posteriors);
                self.store_preference(block);
                std::mem::swap(estimate, &mut self.estimate);
            }
            groups.agree(operations, self.candidates, &self.context.concurrency.ratios, &mut self.posteriors);
            if round + 1 == EM_ROUNDS {
                break;
            }
            let mut moves = false;
            for (block, estimate) in together.iter_mut() {
                std::mem::swap(estimate, &mut self.estimate);
                moves |= self.learn_all(block);
                std::mem::swap(estimate, &mut self.estimate);
            }
            if !moves {
                break;
            }
        }
        for (block, estimate) in together {
            std::mem::swap(estimate, &mut self.estimate);
            self.keep_habits(block);
            std::mem::swap(estimate, &mut self.estimate);
        }
    }

    fn load(&mut self, block: &Block) {
        self.working.load(self.candidates, block, &self.posteriors, &self.context);
    }

    fn store_preference(&mut self, block: &Block) {
        for (preference, habit) in
            self.posteriors.preference[block.classes.clone()].iter_mut().zip(&self.estimate.habits)
        {
            *preference = habit.preference;
        }
    }

    fn keep_habits(&mut self, block: &Block) {
        if let Some(kept) = self.habits.get_mut(block.classes.clone()) {
            kept.iter_mut().zip(&self.estimate.habits).for_each(|(kept, habit)| *kept = Some(habit.clone()));
        }
    }

    /// The E step: each row's pairs against each other and against no span, and what their spans take.
    fn weigh(&mut self, block: &Block, first: bool) {
        self.estimate.prefer(first);
        let Rounds { estimate, posteriors, capacity, working, .. } = self;
        let none = posteriors.none_share[block.template];
        weigh_rows(working, capacity, block, none, |class| &estimate.habits[class], 0.5);
        capacity.find_caps(self.candidates, block, none, working);
        capacity.share(block, none, working);
    }

    /// What is known of templates and classes that nothing is learned of.
    fn recall(&mut self, known: &Recalled<'_>) {
        for (template, known) in known.templates.iter().enumerate() {
            self.posteriors.none_share[template] = known.none_share;
            self.context.concurrency.ratios[template] = known.concurrency;
            self.context.after_end[template] = known.after_end;
        }
        for (class, known) in known.classes.iter().enumerate() {
            self.posteriors.preference[class] = known.habit.preference;
            self.capacity.caps[class] = known.capacity;
            self.context.written_after[class] = known.habit.is_after;
        }
    }

    /// One E step of all templates, by habits that did not learn from these lines alone.
    fn weigh_all(&mut self, known: &Recalled<'_>) {
        for block in &self.candidates.blocks {
            self.load(block);
            let Rounds { posteriors, capacity, working, .. } = self;
            let none = posteriors.none_share[block.template];
            let habit = |class: usize| &known.classes[block.classes.start + class].habit;
            weigh_rows(working, capacity, block, none, habit, 0.0);
            capacity.share(block, none, working);
            working.store(posteriors);
        }
    }

    fn associated(self, groups: RequestGroups, told: Vec<Told>) -> Association {
        let group_sizes = groups.sizes(self.candidates.rows.len());
        let Rounds { posteriors, context, habits, capacity, .. } = self;
        let capacity = capacity.caps;
        Association { posteriors, context, habits, capacity, group_sizes, agreement: groups.agreement, told }
    }

    /// The M step: habits and shares from the weights; false where the template has converged.
    fn learn(&mut self, block: &Block) -> bool {
        let moved = self.estimate.learn(self.candidates, block, &self.working.pairs, &self.working.weights);
        self.count_none(block);
        moved > self.estimate.converged * block.rows.len() as f32
    }

    /// The same of all pairs of a block that is not in the working set.
    fn learn_all(&mut self, block: &Block) -> bool {
        let (pairs, weights) =
            (&self.candidates.pairs[block.pairs.clone()], &self.posteriors.weights[block.pairs.clone()]);
        let moved = self.estimate.learn(self.candidates, block, pairs, weights);
        let none = self.posteriors.none[block.rows.clone()].iter().sum::<f32>();
        self.keep_none_share(block, none);
        moved > self.estimate.converged * block.rows.len() as f32
    }

    /// The same where no habits are left of the rounds before.
    fn go_on(&mut self, block: &Block) {
        self.estimate.go_on(self.candidates, block, &self.working, &self.context.written_after);
        self.count_none(block);
    }

    fn count_none(&mut self, block: &Block) {
        let none = self.working.rows.iter().map(|row| row.none).sum::<f32>();
        self.keep_none_share(block, none);
    }

    fn keep_none_share(&mut self, block: &Block, none: f32) {
        let before = self.candidates.prior.of(block.template);
        let lines = block.rows.len() as f32 + before.lines;
        self.posteriors.none_share[block.template] = none_share(none + before.none, lines);
    }
}

/// Each row's pairs against each other and against no span. `habit`: of each class of the block; `own`: the part of a pair's
/// weight that it has taught its habit itself.
fn weigh_rows<'h>(
    working: &mut WorkingSet,
    capacity: &mut Capacity,
    block: &Block,
    none: f32,
    habit: impl Fn(usize) -> &'h Habit,
    own: f32,
) {
    let Capacity { sums, cells, .. } = capacity;
    let WorkingSet { rows, pairs, factors, weights, scores, .. } = working;
    sums[block.classes.clone()].fill(0.0);
    cells[block.cells.clone()].iter_mut().for_each(|cell| cell.taken = 0.0);
    let base = block.classes.start;
    let mut most_of = [0.0f32; 1 + u8::MAX as usize];
    for row in rows {
        let range = row.pairs();
        let (pairs, factors) = (&pairs[range.clone()], &factors[range.clone()]);
        let (weights, scores) = (&mut weights[range.clone()], &mut scores[range]);
        for pair in pairs {
            let most = &mut most_of[usize::from(pair.trace)];
            *most = most.max(habit(pair.class as usize - base).preference);
        }
        for (((pair, factors), score), weight) in pairs.iter().zip(factors).zip(scores.iter_mut()).zip(&*weights) {
            let habit = habit(pair.class as usize - base);
            let preferred = habit.preferred(most_of[usize::from(pair.trace)]);
            *score = (habit.weight(pair.bins(), own * weight) * preferred).clamp(1e-20, 1e12) * factors.open;
        }
        pairs.iter().for_each(|pair| most_of[usize::from(pair.trace)] = 0.0);
        if row.shares_words {
            weigh_shared_words(factors, none, scores);
        }
        let mut sum = 0.0;
        for (score, factors) in scores.iter_mut().zip(factors) {
            *score *= factors.adjacent_lines * factors.outcomes;
            sum += *score;
        }
        // Habits are shares of all lines of the template, those without a span included.
        let all = none + sum;
        for ((pair, score), weight) in pairs.iter().zip(scores.iter()).zip(weights.iter_mut()) {
            *weight = score / all;
            sums[pair.class as usize] += *weight;
            cells[pair.cell as usize].taken += *weight;
        }
        row.none = none / all;
    }
}

/// Of some lines, and how many of them have no span: few say little of the others.
fn none_share(none: f32, lines: f32) -> f32 {
    (0.2 + none) / (lines + 2.0)
}

/// Weighs the scores of pairs of a line against each other, and less against no span: what an exit or a clean-up writes of a
/// container shares its id too. `none`: the share of the kind's lines without a span.
fn weigh_shared_words(factors: &[PairFactors], none: f32, scores: &mut [f32]) {
    let before: f32 = scores.iter().sum();
    for (score, factors) in scores.iter_mut().zip(factors) {
        *score *= factors.shared_words;
    }
    let after: f32 = scores.iter().sum();
    let scale = (before / after.max(1e-20)).powf(1.0 - SHARED_WORDS_AGAINST_NONE * (1.0 - none).powi(2));
    scores.iter_mut().for_each(|score| *score *= scale);
}
