//! The trace is known: which of its spans?
//!
//! In go the pairs of lines that are sure of their trace, out comes one span for each: time says which spans can hold the
//! line, what its kind does elsewhere and what its text shares with a span say which of them does.

use super::associate::Association;
use super::bins::{BINS, bin_width};
use super::habits::smooth;
use super::scene::{Block, CLUES, DURATION, OWN_WORD, Row, Scene};
use crate::correlate::index::{Slot, SpanIndex};

/// Rounds of learning.
const ROUNDS: usize = 25;
/// Distances are learned anew in every so many of them.
const CLOSENESS_EVERY: usize = 4;
/// Nothing moves any more when the kinds of this share of lines change in a round.
const STILL: f32 = 0.0005;
/// Lines that are less sure of their trace teach nothing, and get no span.
pub(crate) const SURE: f32 = 0.5;
/// Clocks.
const NEAR_NS: i64 = 3_000;
/// A span that certainly did not hold a line counts so much.
const OUTSIDE: f32 = 0.01;
/// From this share of its possible times on that lie in a span, a line may as well be in it: clocks tell who was certainly
/// not there, not who was.
const MAY_HOLD: f32 = 1.0 / 30.0;
/// How much likelier a line is in a span than in the one above it, other things being equal.
const INNER: f32 = 1.3;
/// A word of a span's attributes says so much at most: lines tell what they are about to do for a thing as well as what is
/// done for it further down.
const WORD_MOST: f32 = 2.0;
/// How much regularity counts.
const REGULARITY: f32 = 0.7;
/// How much it counts that lines of the kind stand close together, as seen from the span's start or end.
const CLOSENESS: f32 = 0.4;
/// Distances closer than this are the same, where the clock is exact and where it is the runtime's.
const SAME_EXACT_NS: f32 = 5_000.0;
const SAME_NS: f32 = 50_000.0;
/// Runtime's stamps: how steeply their delay is spread around what is usual.
const DELAY_SLOPE: f32 = 2.5;

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
pub(crate) fn choose(index: &SpanIndex, scene: &Scene, result: &Association, keeps_evidence: bool) -> Choices {
    let pairs = if keeps_evidence { scene.pairs.len() } else { 0 };
    let mut choices = Choices { rows: vec![None; scene.rows.len()], weights: vec![0.0; pairs] };
    let mut found = Candidates { taken: vec![0.0; index.len()], ..Candidates::default() };
    let depths = Depths::new(index);
    let family = |block: &&Block| scene.template_family[block.template];
    let mut blocks: Vec<&Block> = scene.blocks.iter().collect();
    blocks.sort_by_key(family);
    for blocks in blocks.chunk_by(|a, b| family(a) == family(b)) {
        found.clear();
        for block in blocks {
            found.find(scene, block, result);
        }
        found.like(index, scene, &depths);
        found.share(index, scene);
        found.take(index, scene, &mut choices);
    }
    choices
}

/// A pair of the right trace.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    pair: u32,
    /// Among those of its family of templates.
    kind: u32,
    /// How well the span holds the line, also with how close together lines stand there.
    like: f32,
    closeness: f32,
    /// Its part of the line.
    weight: f32,
}

/// The pairs of lines that are sure of their trace, of templates that differ by a value only.
#[derive(Debug, Default)]
struct Candidates {
    /// (row, probability of its trace, end of its candidates)
    rows: Vec<(u32, f32, u32)>,
    list: Vec<Candidate>,
    /// Of each kind: its operation, and what chance gives of clues.
    kinds: Vec<(u32, [f32; CLUES])>,
    /// Of each trace of a row.
    sums: Vec<f32>,
    /// Of each span: its part of lines; all zero between uses.
    taken: Vec<f32>,
}

impl Candidates {
    /// The candidates of each row, in order.
    fn of_rows<'c>(
        rows: &'c [(u32, f32, u32)],
        list: &'c mut [Candidate],
    ) -> impl Iterator<Item = (u32, f32, &'c mut [Candidate])> {
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
        self.kinds.clear();
    }

    /// The right trace of each row, and its pairs.
    fn find(&mut self, scene: &Scene, block: &Block, result: &Association) {
        let before = self.kinds.len();
        let kinds: Vec<u32> = block.kinds.clone().map(|kind| self.kind(scene, kind, before)).collect();
        for at in block.rows.clone() {
            let row = &scene.rows[at];
            let pairs = &scene.pairs[row.pairs()];
            self.sums.clear();
            for (pair, weight) in pairs.iter().zip(&result.weights[row.pairs()]) {
                let trace = usize::from(pair.trace);
                if trace >= self.sums.len() {
                    self.sums.resize(trace + 1, 0.0);
                }
                self.sums[trace] += weight;
            }
            let best = self.sums.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((trace, probability)) = best.filter(|(_, sum)| *sum >= SURE) else { continue };
            let own = (row.first..).zip(pairs).filter(|(_, pair)| usize::from(pair.trace) == trace);
            self.list.extend(own.map(|(number, pair)| Candidate {
                pair: number,
                kind: kinds[pair.kind as usize - block.kinds.start],
                like: 0.0,
                closeness: 0.0,
                weight: 0.0,
            }));
            self.rows.push((at as u32, probability, self.list.len() as u32));
        }
    }

    /// The number of a kind among those of the family: all of one operation are the same. `before`: those of other templates.
    fn kind(&mut self, scene: &Scene, kind: usize, before: usize) -> u32 {
        let (_, operation) = scene.kinds[kind];
        let clues = &scene.chance[kind].clues;
        match self.kinds[..before].iter().position(|known| known.0 == operation) {
            Some(at) => {
                self.kinds[at].1.iter_mut().zip(clues).for_each(|(sum, clues)| *sum += clues);
                at as u32
            }
            None => {
                self.kinds.push((operation, *clues));
                self.kinds.len() as u32 - 1
            }
        }
    }

    fn like(&mut self, index: &SpanIndex, scene: &Scene, depths: &Depths) {
        let durations = self.hits(scene, names_duration);
        let words = self.hits(scene, holds_word);
        for (row, _, own) in Candidates::of_rows(&self.rows, &mut self.list) {
            let row = &scene.rows[row as usize];
            for candidate in own {
                let pair = &scene.pairs[candidate.pair as usize];
                let span = index.span(pair.slot);
                let time = (time_within(row, span.start, span.end) / MAY_HOLD).clamp(OUTSIDE, 1.0);
                let kind = candidate.kind as usize;
                let duration = durations[kind].weight(names_duration(pair.clues));
                let word = words[kind].weight(holds_word(pair.clues)).clamp(1.0 / WORD_MOST, WORD_MOST);
                candidate.like = time * duration * word * depths.factor(pair.slot);
                candidate.closeness = candidate.like;
            }
        }
    }

    /// Of each kind: how often spans have a clue.
    fn hits(&self, scene: &Scene, has: fn(u8) -> bool) -> Vec<Hits> {
        let by_chance = |clutter: &[f32; CLUES]| {
            let hits: f32 = (0u8..).zip(clutter).filter(|(clues, _)| has(*clues)).map(|(_, share)| share).sum();
            (hits + 0.5) / (clutter.iter().sum::<f32>() + 10.0)
        };
        let none_yet = |clutter| Hits { hits: 0.0, pairs: 0.0, by_chance: by_chance(clutter) };
        let mut kinds: Vec<Hits> = self.kinds.iter().map(|(_, clutter)| none_yet(clutter)).collect();
        for candidate in &self.list {
            let kind = &mut kinds[candidate.kind as usize];
            kind.hits += f32::from(u8::from(has(scene.pairs[candidate.pair as usize].clues)));
            kind.pairs += 1.0;
        }
        kinds
    }

    /// The part of each candidate. Learned per (template, operation): which share of the lines that could be in a span of
    /// the operation is in it, which share of the operation's spans has such a line, and how far from its start or end it
    /// stands. An operation every span of which has the template is its home, one that has it here and there is beside it.
    fn share(&mut self, index: &SpanIndex, scene: &Scene) {
        let all = self.kinds.len();
        let could = self.lines_that_could(all);
        let mut factors = vec![1.0; all];
        let [mut counts, mut with_line] = [0.0; 2].map(|zero| vec![zero; all]);
        let mut round = 0;
        while round < ROUNDS {
            if round > 0 {
                self.weigh_closeness(index, scene, all);
            }
            let stage = round..(round + CLOSENESS_EVERY).min(ROUNDS);
            let still = stage.clone().find(|_| {
                let before = std::mem::replace(&mut counts, vec![0.0; all]);
                self.weigh(scene, &factors, &mut counts, &mut with_line);
                for (kind, factor) in factors.iter_mut().enumerate() {
                    let spans = scene.all_spans_of[self.kinds[kind].0 as usize] as f32;
                    let covered = ((std::mem::take(&mut with_line[kind]) + 0.05) / (spans + 0.1)).clamp(1e-4, 1.0);
                    *factor = (counts[kind] + 0.01) / (could[kind] + 0.1) * regularity(covered).powf(REGULARITY);
                }
                let moved: f32 = counts.iter().zip(&before).map(|(now, before)| (now - before).abs()).sum();
                moved <= STILL * self.rows.len() as f32
            });
            if still == Some(round) {
                return;
            }
            round = stage.end;
        }
    }

    /// Candidates of each row against each other; how many lines of each kind that makes, and how many spans with one.
    fn weigh(&mut self, scene: &Scene, factors: &[f32], counts: &mut [f32], with_line: &mut [f32]) {
        let Candidates { rows, list, taken, .. } = self;
        for (_, _, own) in Candidates::of_rows(rows, list) {
            let mut all = 0.0;
            for candidate in own.iter_mut() {
                candidate.weight = factors[candidate.kind as usize] * candidate.closeness;
                all += candidate.weight;
            }
            let scale = 1.0 / f32::max(all, 1e-30);
            for candidate in own {
                candidate.weight *= scale;
                counts[candidate.kind as usize] += candidate.weight;
                taken[scene.pairs[candidate.pair as usize].slot as usize] += candidate.weight;
            }
        }
        for candidate in list.iter() {
            // Each span once.
            let taken = std::mem::take(&mut taken[scene.pairs[candidate.pair as usize].slot as usize]);
            with_line[candidate.kind as usize] += taken.min(1.0);
        }
    }

    /// Of each kind: lines that might be in a span of it.
    fn lines_that_could(&mut self, kinds: usize) -> Vec<f32> {
        let mut could = vec![0.0f32; kinds];
        let mut seen = Vec::new();
        for (_, _, own) in Candidates::of_rows(&self.rows, &mut self.list) {
            seen.clear();
            for candidate in own {
                if !seen.contains(&candidate.kind) {
                    seen.push(candidate.kind);
                    could[candidate.kind as usize] += 1.0;
                }
            }
        }
        could
    }

    /// Likes, and how close together lines of the kind stand where this one does: their number per time, counted from the
    /// start or the end of the span, without the line itself; at least as if they stood anywhere.
    fn weigh_closeness(&mut self, index: &SpanIndex, scene: &Scene, kinds: usize) {
        let mut starts = vec![[0.0f32; BINS]; kinds];
        let mut ends = starts.clone();
        let mut sums = vec![0.0f32; kinds];
        for candidate in &self.list {
            let (pair, kind) = (&scene.pairs[candidate.pair as usize], candidate.kind as usize);
            starts[kind][usize::from(pair.start_bin)] += candidate.weight;
            ends[kind][usize::from(pair.end_bin)] += candidate.weight;
            sums[kind] += candidate.weight;
        }
        for bins in starts.iter_mut().chain(&mut ends) {
            *bins = smooth(bins);
        }
        for (row, _, own) in Candidates::of_rows(&self.rows, &mut self.list) {
            let row = &scene.rows[row as usize];
            let same = if row.low == row.time { SAME_EXACT_NS } else { SAME_NS };
            for candidate in own {
                let (pair, kind) = (&scene.pairs[candidate.pair as usize], candidate.kind as usize);
                let weight = 0.5 * candidate.weight;
                let span = index.span(pair.slot);
                let length = ((span.end - span.start).max(0) as f32).max(SAME_NS);
                let per_time = |bins: &[f32; BINS], bin: u8| {
                    (bins[usize::from(bin)] - weight).max(0.0) / (sums[kind] - weight + 0.5) / bin_width(bin).max(same)
                };
                let sides = per_time(&starts[kind], pair.start_bin).max(per_time(&ends[kind], pair.end_bin));
                candidate.closeness = candidate.like * (sides.max(0.2 / length) * 1e6).powf(CLOSENESS);
            }
        }
    }

    /// The best of each row.
    fn take(&mut self, index: &SpanIndex, scene: &Scene, choices: &mut Choices) {
        let start = |candidate: &Candidate| index.span(scene.pairs[candidate.pair as usize].slot).start;
        for (row, probability, own) in Candidates::of_rows(&self.rows, &mut self.list) {
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
        Depths { of, factors: (0..=u8::MAX).map(|depth| INNER.powf(f32::from(depth))).collect() }
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
fn time_within(row: &Row, start: i64, end: i64) -> f32 {
    let late = |time: i64| (row.time.saturating_sub(time)).max(0) as f32;
    // How much later than written the stamp may be, for the span to hold the line.
    let least = late(end.saturating_add(NEAR_NS));
    let most = late(start.saturating_sub(NEAR_NS)).min(late(row.low));
    if start.saturating_sub(NEAR_NS) > row.time || least > late(row.low) {
        return 0.0;
    }
    if row.low == row.time {
        return 1.0;
    }
    let usual = row.delay as f32;
    let share = |delay: f32| {
        let part = (delay / usual).powf(DELAY_SLOPE);
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
        let row = Row { line: 0, template: 0, time: 1_000_000, low: 0, slack: 0, delay: 200_000, first: 0, count: 0 };
        let before = time_within(&row, 0, 900_000);
        let after = time_within(&row, 900_000, 2_000_000);
        assert!(before > 0.5 && after < 0.3 && after > 0.0, "{before} {after}");
        assert_eq!(time_within(&row, 1_100_000, 2_000_000), 0.0);
        assert!(time_within(&row, -5_000_000, 2_000_000) > 0.99);
        let exact = Row { low: 1_000_000, ..row };
        assert_eq!(time_within(&exact, 999_000, 1_000_500), 1.0);
        assert_eq!(time_within(&exact, 0, 900_000), 0.0);
    }

    #[test]
    fn what_always_happens_costs_nothing_to_tell() {
        assert!(regularity(1.0) > 0.999 && regularity(0.5) < 0.3 && regularity(0.05) < 0.03);
    }
}
