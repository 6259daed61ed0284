//! The trace is known: which of its spans?
//!
//! In go the pairs of lines that are sure of their trace, out comes one span for each: time says which spans can hold the
//! line, what its kind does elsewhere and what its text shares with a span say which of them does.

use super::bins::{BINS, bin_width};
use super::candidates::{Block, CandidateRow, Candidates};
use super::clues::{CLUES, DURATION, OWN_WORD};
use super::histograms::smooth;
use super::tuning::{
    RUNTIME_DELAY_SLOPE, SPAN_CLOCK_NS, SPAN_CONVERGED, SPAN_DENSITY, SPAN_DENSITY_EXACT_NS, SPAN_DENSITY_NS,
    SPAN_DENSITY_ROUNDS, SPAN_INNER, SPAN_MAY_HOLD, SPAN_OUTSIDE, SPAN_REGULARITY, SPAN_ROUNDS, SPAN_TRACE_SURE,
    SPAN_WORD_MOST,
};
use crate::correlate::index::{Slot, SpanIndex};

/// The pair chosen for a row, and the probability of its trace.
pub(crate) type Choice = Option<(u32, f32)>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Choices {
    /// One choice for each row.
    pub(crate) rows: Vec<Choice>,
    /// Of each pair of the row's trace: its part of the row. Where it is kept.
    pub(crate) weights: Vec<f32>,
}

/// Chooses for each row. `keeps_evidence`: for whoever asks why.
pub(crate) fn choose(index: &SpanIndex, candidates: &Candidates, weights: &[f32], keeps_evidence: bool) -> Choices {
    let pairs = if keeps_evidence { candidates.pairs.len() } else { 0 };
    let mut choices = Choices { rows: vec![None; candidates.rows.len()], weights: vec![0.0; pairs] };
    let mut found = OfTrace { taken: vec![0.0; index.len()], ..OfTrace::default() };
    let depths = Depths::new(index);
    let family = |block: &&Block| candidates.templates.family[block.template];
    let mut blocks: Vec<&Block> = candidates.blocks.iter().collect();
    blocks.sort_by_key(family);
    for blocks in blocks.chunk_by(|a, b| family(a) == family(b)) {
        found.clear();
        for block in blocks {
            found.find(candidates, block, weights);
        }
        found.like(index, candidates, &depths);
        found.share(index, candidates);
        found.take(index, candidates, &mut choices);
    }
    choices
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

    fn like(&mut self, index: &SpanIndex, candidates: &Candidates, depths: &Depths) {
        let durations = self.hits(candidates, names_duration);
        let words = self.hits(candidates, holds_word);
        for (row, _, own) in OfTrace::of_rows(&self.rows, &mut self.list) {
            let row = &candidates.rows[row as usize];
            for candidate in own {
                let pair = &candidates.pairs[candidate.pair as usize];
                let span = index.span(pair.slot);
                let time = (time_within(row, span.start, span.end) / SPAN_MAY_HOLD).clamp(SPAN_OUTSIDE, 1.0);
                let class = candidate.class as usize;
                let duration = durations[class].weight(names_duration(pair.clues));
                let word = words[class].weight(holds_word(pair.clues)).clamp(1.0 / SPAN_WORD_MOST, SPAN_WORD_MOST);
                candidate.like = time * duration * word * depths.factor(pair.slot);
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
        let mut factors = vec![1.0; all];
        let [mut counts, mut with_line] = [0.0; 2].map(|zero| vec![zero; all]);
        let mut round = 0;
        while round < SPAN_ROUNDS {
            if round > 0 {
                self.weigh_closeness(index, candidates, all);
            }
            let stage = round..(round + SPAN_DENSITY_ROUNDS).min(SPAN_ROUNDS);
            let still = stage.clone().find(|_| {
                let before = std::mem::replace(&mut counts, vec![0.0; all]);
                self.weigh(candidates, &factors, &mut counts, &mut with_line);
                for (class, factor) in factors.iter_mut().enumerate() {
                    let spans = candidates.all_spans_of[self.classes[class].0 as usize] as f32;
                    let covered = ((std::mem::take(&mut with_line[class]) + 0.05) / (spans + 0.1)).clamp(1e-4, 1.0);
                    *factor = (counts[class] + 0.01) / (could[class] + 0.1) * regularity(covered).powf(SPAN_REGULARITY);
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
    fn weigh(&mut self, candidates: &Candidates, factors: &[f32], counts: &mut [f32], with_line: &mut [f32]) {
        let OfTrace { rows, list, taken, .. } = self;
        for (_, _, own) in OfTrace::of_rows(rows, list) {
            let mut all = 0.0;
            for candidate in own.iter_mut() {
                candidate.weight = factors[candidate.class as usize] * candidate.closeness;
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

    /// Likes, and how close together lines of the kind stand where this one does: their number per time, counted from the
    /// start or the end of the span, without the line itself; at least as if they stood anywhere.
    fn weigh_closeness(&mut self, index: &SpanIndex, candidates: &Candidates, classes: usize) {
        let mut starts = vec![[0.0f32; BINS]; classes];
        let mut ends = starts.clone();
        let mut sums = vec![0.0f32; classes];
        for candidate in &self.list {
            let (pair, class) = (&candidates.pairs[candidate.pair as usize], candidate.class as usize);
            starts[class][usize::from(pair.start_bin)] += candidate.weight;
            ends[class][usize::from(pair.end_bin)] += candidate.weight;
            sums[class] += candidate.weight;
        }
        for bins in starts.iter_mut().chain(&mut ends) {
            *bins = smooth(bins);
        }
        for (row, _, own) in OfTrace::of_rows(&self.rows, &mut self.list) {
            let row = &candidates.rows[row as usize];
            let same = if row.low == row.time { SPAN_DENSITY_EXACT_NS } else { SPAN_DENSITY_NS };
            for candidate in own {
                let (pair, class) = (&candidates.pairs[candidate.pair as usize], candidate.class as usize);
                let weight = 0.5 * candidate.weight;
                let span = index.span(pair.slot);
                let length = ((span.end - span.start).max(0) as f32).max(SPAN_DENSITY_NS);
                let per_time = |bins: &[f32; BINS], bin: u8| {
                    (bins[usize::from(bin)] - weight).max(0.0) / (sums[class] - weight + 0.5) / bin_width(bin).max(same)
                };
                let sides = per_time(&starts[class], pair.start_bin).max(per_time(&ends[class], pair.end_bin));
                candidate.closeness = candidate.like * (sides.max(0.2 / length) * 1e6).powf(SPAN_DENSITY);
            }
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

/// How deep spans lie in their traces, and what that counts.
struct Depths {
    of: Vec<u8>,
    factors: Vec<f32>,
}

impl Depths {
    fn new(index: &SpanIndex) -> Depths {
        let depth = |slot| index.ancestors(slot).count().min(usize::from(u8::MAX)) as u8;
        let of = (0..index.len() as Slot).map(depth).collect();
        Depths { of, factors: (0..=u8::MAX).map(|depth| SPAN_INNER.powf(f32::from(depth))).collect() }
    }

    fn factor(&self, slot: Slot) -> f32 {
        self.factors[usize::from(self.of[slot as usize])]
    }
}

/// The span's duration stands in the text.
fn names_duration(clues: u8) -> bool {
    clues & DURATION != 0
}

/// A rare word of the attributes of the span, or of one above it, stands in the text.
fn holds_word(clues: u8) -> bool {
    clues & OWN_WORD == OWN_WORD
}

/// How often a clue is there, among spans of a kind in the right trace.
#[derive(Debug, Clone, Copy)]
struct Hits {
    hits: f32,
    pairs: f32,
    by_chance: f32,
}

impl Hits {
    fn weight(&self, is_hit: bool) -> f32 {
        let hit = (self.hits + self.by_chance) / (self.pairs + 1.0);
        if is_hit { (hit / self.by_chance).max(1.0) } else { ((1.0 - hit) / (1.0 - self.by_chance)).min(1.0) }
    }
}

/// The probability that a moment lies in a span: the line was written some time before it was stamped.
fn time_within(row: &CandidateRow, start: i64, end: i64) -> f32 {
    let late = |time: i64| (row.time.saturating_sub(time)).max(0) as f32;
    // How much later than written the stamp may be, for the span to hold the line.
    let least = late(end.saturating_add(SPAN_CLOCK_NS));
    let most = late(start.saturating_sub(SPAN_CLOCK_NS)).min(late(row.low));
    if start.saturating_sub(SPAN_CLOCK_NS) > row.time || least > late(row.low) {
        return 0.0;
    }
    if row.low == row.time {
        return 1.0;
    }
    let typical = row.delay as f32;
    let share = |delay: f32| {
        let part = (delay / typical).powf(RUNTIME_DELAY_SLOPE);
        part / (1.0 + part)
    };
    ((share(most) - share(least)) / share(late(row.low)).max(1e-6)).clamp(0.0, 1.0)
}

/// What a line costs to tell, when spans have one with this probability: 1 if always, little if seldom.
fn regularity(share: f32) -> f32 {
    let rest = 1.0 - share;
    let entropy = -share * share.ln() - if rest > 0.0 { rest * rest.ln() } else { 0.0 };
    (-entropy / share).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_late_and_its_line_was_earlier() {
        let row = CandidateRow {
            line: 0,
            template: 0,
            time: 1_000_000,
            low: 0,
            slack: 0,
            delay: 200_000,
            first: 0,
            count: 0,
        };
        let before = time_within(&row, 0, 900_000);
        let after = time_within(&row, 900_000, 2_000_000);
        assert!(before > 0.5 && after < 0.3 && after > 0.0, "{before} {after}");
        assert_eq!(time_within(&row, 1_100_000, 2_000_000), 0.0);
        assert!(time_within(&row, -5_000_000, 2_000_000) > 0.99);
        let exact = CandidateRow { low: 1_000_000, ..row };
        assert_eq!(time_within(&exact, 999_000, 1_000_500), 1.0);
        assert_eq!(time_within(&exact, 0, 900_000), 0.0);
    }

    #[test]
    fn what_always_happens_costs_nothing_to_tell() {
        assert!(regularity(1.0) > 0.999 && regularity(0.5) < 0.3 && regularity(0.05) < 0.03);
    }
}
