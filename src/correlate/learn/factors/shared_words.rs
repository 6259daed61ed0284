//! Words that lines of one trace share: the id of a container, a user, an order.
//!
//! In go lines and what is known of their traces so far, out comes for each pair (line, span) whether other lines of the
//! span's trace hold a word of the line, and how much that says: counted per template, on lines that are sure of their
//! trace against the other traces that were open. Lines that rules have settled count like those. Nothing is kept as text.

use crate::correlate::learn::tuning::{
    SHARED_WORDS_POOLED_LINES, SHARED_WORDS_RARITIES, SHARED_WORDS_RATIO_LEAST, SHARED_WORDS_RATIO_MOST,
    SHARED_WORDS_SURE,
};
use std::ops::Range;

use super::threads::ThreadNames;
use crate::correlate::index::lower_bound;
use crate::correlate::learn::candidates::{CandidateRow, Candidates};
use crate::correlate::learn::lines::Lines;
use crate::correlate::learn::observed::Observed;
use crate::correlate::learn::posteriors::Keeps;
use crate::correlate::text::hash::NumberMap;

/// Counters of a word that is kept.
const COUNTERS_PER_WORD: usize = 8;
/// Outcomes: nobody else holds a word of the line; this trace does, one or more of so rare; or others only.
const OUTCOMES: usize = 1 + 2 * (SHARED_WORDS_RARITIES.len() + 1);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SharedWords {
    /// Of each pair, empty until it was counted.
    outcomes: Vec<u8>,
    /// Of each template: how many times likelier each outcome makes a pair than one of another trace.
    pub(crate) factors: Vec<WordFactors>,
    /// Of words that are not of the rarest: how rare they are.
    pub(crate) rarities: NumberMap<u32, u8>,
}

/// Of each outcome.
pub(crate) type WordFactors = [f32; OUTCOMES];

impl SharedWords {
    /// How many times likelier a pair is than others of its row by the words that its line shares with others.
    pub(crate) fn factor(&self, pair: usize, template: u32) -> f32 {
        match self.outcomes.get(pair) {
            None | Some(0) => 1.0,
            Some(outcome) => self.factors[template as usize][usize::from(*outcome)],
        }
    }

    /// Words that the line of these pairs shares tell them apart.
    pub(crate) fn tells_apart(&self, pairs: Range<usize>) -> bool {
        self.outcomes.get(pairs).is_some_and(|outcomes| outcomes.iter().any(|outcome| *outcome != 0))
    }

    /// Counts outcomes of the lines that are sure by now. `is_grouped`: rows whose keys already tell their request.
    pub(crate) fn new(
        observed: &Observed<'_>,
        candidates: &Candidates,
        weights: &[f32],
        is_grouped: &dyn Fn(usize) -> bool,
        (keeps, names): (Keeps, &ThreadNames),
    ) -> SharedWords {
        let (outcomes, tally, held) = count(observed, candidates, weights, is_grouped, (&NumberMap::default(), names));
        let rarities = if keeps == Keeps::Habits { held.rarities() } else { NumberMap::default() };
        SharedWords { outcomes, factors: tally.factors(), rarities }
    }

    /// The same where the factors of templates are known, and how rare words are.
    pub(crate) fn by(
        observed: &Observed<'_>,
        candidates: &Candidates,
        weights: &[f32],
        is_grouped: &dyn Fn(usize) -> bool,
        (factors, rarities, names): (Vec<WordFactors>, &NumberMap<u32, u8>, &ThreadNames),
    ) -> SharedWords {
        let (outcomes, ..) = count(observed, candidates, weights, is_grouped, (rarities, names));
        SharedWords { outcomes, factors, rarities: NumberMap::default() }
    }
}

/// Counts outcomes; `rarities`: of words, as far as they were known before; `names`: words that name threads, which many
/// requests share one after the other.
fn count(
    observed: &Observed<'_>,
    candidates: &Candidates,
    weights: &[f32],
    is_grouped: &dyn Fn(usize) -> bool,
    (rarities, names): (&NumberMap<u32, u8>, &ThreadNames),
) -> (Vec<u8>, Tally, Held) {
    let Observed { lines, operations, settled, words_max, .. } = *observed;
    let sure_trace = |row: &CandidateRow| candidates.sure_trace(operations, weights, row, SHARED_WORDS_SURE);
    let sure: Vec<Option<u32>> = candidates.rows.iter().map(sure_trace).collect();
    let held = Held::new(lines, candidates, &sure, settled, words_max);
    let mut tally = Tally::new(candidates.templates.lines.len());
    let mut outcomes = vec![0u8; candidates.pairs.len()];
    let mut words = Vec::new();
    let mut of_traces: Vec<Option<u8>> = Vec::new();
    for (number, row) in candidates.rows.iter().enumerate().filter(|(number, _)| !is_grouped(*number)) {
        let service = candidates.templates.service[row.template as usize];
        let own = lines.words(&lines.rows[row.line as usize]).iter().copied();
        held.words_of(own.filter(|word| !names.is_name(service, *word)), sure[number], rarities, &mut words);
        if words.is_empty() {
            continue;
        }
        of_traces.clear();
        of_traces.resize(usize::from(u8::MAX) + 1, None);
        for at in row.pairs() {
            let pair = &candidates.pairs[at];
            let trace = operations.trace(pair.slot);
            let outcome = &mut of_traces[usize::from(pair.trace)];
            outcomes[at] = match *outcome {
                Some(outcome) if pair.trace < u8::MAX => outcome,
                _ => {
                    let found = held.outcome(&words, trace, sure[number]);
                    if let Some(own) = sure[number] {
                        tally.count(row.template, found, own == trace);
                    }
                    found
                }
            };
            *outcome = Some(outcomes[at]);
        }
    }
    (outcomes, tally, held)
}

/// Words by the traces whose lines hold them.
struct Held {
    /// (word << 32 | trace, lines), in order
    rows: Vec<(u64, u32)>,
}

/// A word that other lines hold: its rows, and how rare it is.
struct Word {
    from: usize,
    to: usize,
    rarity: u8,
}

impl Held {
    fn new(
        lines: &Lines,
        candidates: &Candidates,
        sure: &[Option<u32>],
        settled: &[(u32, u32)],
        words_max: usize,
    ) -> Held {
        let counters = Counters::new(lines, COUNTERS_PER_WORD * words_max);
        let mut all: Vec<u64> = Vec::new();
        let inferred = candidates.rows.iter().zip(sure).filter_map(|(row, trace)| Some((row.line, (*trace)?)));
        for (line, trace) in settled.iter().copied().chain(inferred) {
            let words = lines.words(&lines.rows[line as usize]);
            let distinct = words.iter().enumerate().filter(|(at, word)| !words[..*at].contains(word));
            let shared = distinct.map(|(_, word)| *word).filter(|word| counters.is_shared(*word));
            let room = words_max.saturating_sub(all.len());
            all.extend(shared.take(room).map(|word| u64::from(word) << 32 | u64::from(trace)));
        }
        all.sort_unstable();
        let rows = all.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32)).collect();
        Held { rows }
    }

    /// How rare words are that are not of the rarest.
    fn rarities(&self) -> NumberMap<u32, u8> {
        let of_word = |run: &[(u64, u32)]| ((run[0].0 >> 32) as u32, rarity(run.len()));
        let all = self.rows.chunk_by(|a, b| a.0 >> 32 == b.0 >> 32).map(of_word);
        all.filter(|(_, rarity)| *rarity > 1).collect()
    }

    /// Words of a line that others hold, rarest first.
    /// `rarities`: of words, as far as they were known before.
    fn words_of(
        &self,
        words: impl Iterator<Item = u32>,
        own: Option<u32>,
        rarities: &NumberMap<u32, u8>,
        into: &mut Vec<Word>,
    ) {
        into.clear();
        for word in words {
            let from = lower_bound(&self.rows, u64::from(word) << 32, |row| row.0);
            let is_same = |row: &(u64, u32)| row.0 >> 32 == u64::from(word);
            // Most words have few rows.
            let mut reach = 4;
            while self.rows.get(from + reach).is_some_and(is_same) {
                reach *= 4;
            }
            let near = &self.rows[from..self.rows.len().min(from + reach)];
            let length = near.partition_point(is_same);
            let to = from + length;
            let is_alone = own.is_some_and(|own| self.lines_of(from, to, own) == 1);
            let others = length - usize::from(is_alone);
            if others > 0 {
                let known = if rarities.is_empty() { 0 } else { rarities.get(&word).copied().unwrap_or_default() };
                let rarity = rarity(others).max(known);
                into.push(Word { from, to, rarity });
            }
        }
        into.sort_by_key(|word| word.rarity);
    }

    fn lines_of(&self, from: usize, to: usize, trace: u32) -> u32 {
        let rows = &self.rows[from..to];
        rows.binary_search_by_key(&trace, |row| row.0 as u32).map_or(0, |at| rows[at].1)
    }

    /// What the words of a line say of a trace. `own`: the trace that counts the line itself.
    fn outcome(&self, words: &[Word], trace: u32, own: Option<u32>) -> u8 {
        let least = 1 + u32::from(own == Some(trace));
        let hit = words.iter().find(|word| self.lines_of(word.from, word.to, trace) >= least);
        let missed = SHARED_WORDS_RARITIES.len() as u8 + 1;
        hit.map_or_else(|| 1 + missed + words.first().map_or(0, |word| word.rarity), |word| 1 + word.rarity)
    }
}

/// How rare a word is that so many traces hold.
fn rarity(traces: usize) -> u8 {
    SHARED_WORDS_RARITIES.iter().take_while(|most| traces > **most).count() as u8
}

/// How many lines hold a word, roughly: words that share a counter are one.
struct Counters(Vec<u8>);

impl Counters {
    fn new(lines: &Lines, counters_max: usize) -> Counters {
        let words: usize = lines.rows.iter().map(|line| lines.words(line).len()).sum();
        let mut counters = Counters(vec![0; (2 * words).min(counters_max).next_power_of_two()]);
        for line in &lines.rows {
            let words = lines.words(line);
            for (_, word) in words.iter().enumerate().filter(|(at, word)| !words[..*at].contains(word)) {
                let at = counters.at(*word);
                counters.0[at] = counters.0[at].saturating_add(1);
            }
        }
        counters
    }

    fn at(&self, word: u32) -> usize {
        word as usize & (self.0.len() - 1)
    }

    fn is_shared(&self, word: u32) -> bool {
        self.0[self.at(word)] > 1
    }
}

/// Outcomes of the right trace and of others, per template.
struct Tally {
    right: Vec<[f32; OUTCOMES]>,
    others: Vec<[f32; OUTCOMES]>,
}

impl Tally {
    fn new(templates: usize) -> Tally {
        let [right, others] = std::array::from_fn(|_| vec![[0.0; OUTCOMES]; templates]);
        Tally { right, others }
    }

    fn count(&mut self, template: u32, outcome: u8, is_right: bool) {
        let of = if is_right { &mut self.right } else { &mut self.others };
        of[template as usize][usize::from(outcome)] += 1.0;
    }

    /// Per template: how much more often each outcome is that of the right trace.
    fn factors(&self) -> Vec<[f32; OUTCOMES]> {
        let (all_right, all_others) = (sums(&self.right), sums(&self.others));
        let of_template = |(right, others): (&[f32; OUTCOMES], &[f32; OUTCOMES])| {
            let (right, others) = (shares(right, &all_right), shares(others, &all_others));
            let mut factors = [1.0; OUTCOMES];
            for at in 1..OUTCOMES {
                factors[at] = (right[at] / others[at]).clamp(SHARED_WORDS_RATIO_LEAST, SHARED_WORDS_RATIO_MOST);
            }
            factors
        };
        self.right.iter().zip(&self.others).map(of_template).collect()
    }
}

fn sums(all: &[[f32; OUTCOMES]]) -> [f32; OUTCOMES] {
    let mut sums = [0.5; OUTCOMES];
    for counts in all {
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    sums
}

/// Shares of outcomes, with a little of what all templates have.
fn shares(counts: &[f32; OUTCOMES], all: &[f32; OUTCOMES]) -> [f32; OUTCOMES] {
    let (sum, sum_of_all): (f32, f32) = (counts.iter().sum(), all.iter().sum());
    let mut shares = *counts;
    for (share, all) in shares.iter_mut().zip(all) {
        *share = (*share + SHARED_WORDS_POOLED_LINES * all / sum_of_all) / (sum + SHARED_WORDS_POOLED_LINES);
    }
    shares
}
