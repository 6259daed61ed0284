//! Threads and processes: a line names the one that wrote it, a span is of one, and which names go together is learned.
//!
//! In go lines and what is known of their spans so far, out comes for each pair (line, span) whether the span is of the
//! thread that the line's words name, and how much that says: counted per template, on lines that are sure of their trace,
//! against the traces that they are not of. A word names a thread where its lines are in spans of that one, in
//! whatever trace. What threads are called is not known here, nor where in a line they stand.

use super::by_trace::{self, HIT, MISS, NEUTRAL, TraceFactors};
use crate::correlate::learn::candidates::{CandidateRow, Candidates};
use crate::correlate::learn::lines::{Line, Lines};
use crate::correlate::learn::observed::Observed;
use crate::correlate::learn::operations::Operations;
use crate::correlate::learn::posteriors::Posteriors;
use crate::correlate::learn::tuning::{THREAD_AGREEMENT, THREAD_LINES, THREAD_OWN_SHARE, THREAD_SURE, THREAD_TRACES};
use crate::correlate::stored::stored;
use crate::correlate::text::hash::{NumberMap, mix};

/// The span is of the thread that is named; or of another.
const SAME: u8 = HIT;
const OTHER: u8 = MISS;

/// Names of threads that are kept along a stream.
const NAMES_MAX: usize = 1 << 14;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    /// Of each pair, empty where no service has several threads.
    outcomes: Vec<u8>,
    /// Of each row: the thread that it names.
    named: Vec<Option<u64>>,
    /// Of each template: how many times likelier each outcome makes a pair.
    pub(crate) factors: Vec<TraceFactors>,
    /// What was learned of names, by service and word: the key of the thread.
    pub(crate) names: ThreadNames,
}

/// Which thread each word names.
#[derive(Debug, Default)]
pub(crate) struct ThreadNames {
    rows: NumberMap<u64, Named>,
}

stored!(ThreadNames { rows });

/// A thread that a word names: what tells it from others, and the lines that say so, of all with the word.
#[derive(Debug, Clone, Copy)]
struct Named {
    thread: u64,
    agree: f32,
    lines: f32,
    /// The part of all lines of the service that is in its spans.
    by_chance: f32,
}

stored!(Named { thread, agree, lines, by_chance });

/// A line that is sure of its thread, with a word of it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    name: u64,
    thread: u32,
    trace: u32,
}

impl Threads {
    /// The key of the thread that each line names, by row. Empty where no service has several threads.
    pub(crate) fn named(&self) -> &[Option<u64>] {
        &self.named
    }

    /// How likely a pair is by the thread that its line names, against others.
    pub(crate) fn factor(&self, pair: usize, template: u32) -> f32 {
        self.outcomes.get(pair).map_or(1.0, |outcome| self.factors[template as usize][usize::from(*outcome)])
    }

    /// The same within a trace: 1 where the span is of the thread that the line names.
    pub(crate) fn of_span(&self, pair: usize, template: u32) -> f32 {
        match self.outcomes.get(pair) {
            Some(&OTHER) => {
                let of = &self.factors[template as usize];
                (of[usize::from(OTHER)] / of[usize::from(SAME)]).min(1.0)
            }
            _ => 1.0,
        }
    }

    /// Learns names from the lines that are sure by now, and counts outcomes.
    pub(crate) fn new(observed: &Observed<'_>, candidates: &Candidates, posteriors: &Posteriors) -> Threads {
        let Observed { operations, .. } = *observed;
        if !candidates.templates.service.iter().any(|service| operations.has_threads(*service)) {
            return Threads { factors: vec![NEUTRAL; candidates.templates.lines.len()], ..Threads::default() };
        }
        let sure = sure_threads(operations, candidates, posteriors);
        let names = ThreadNames::new(observed, candidates, &sure);
        let (outcomes, named) = outcomes(observed, candidates, &sure, &names);
        let factors = by_trace::factors(operations, candidates, posteriors, |pair| outcomes[pair]);
        Threads { outcomes, named, factors, names }
    }

    /// The same where names and the factors of templates are known.
    pub(crate) fn by(
        observed: &Observed<'_>,
        candidates: &Candidates,
        posteriors: &Posteriors,
        (factors, names): (Vec<TraceFactors>, &ThreadNames),
    ) -> Threads {
        if names.rows.is_empty() {
            return Threads { factors, ..Threads::default() };
        }
        let sure = sure_threads(observed.operations, candidates, posteriors);
        let (outcomes, named) = outcomes(observed, candidates, &sure, names);
        Threads { outcomes, named, factors, names: ThreadNames::default() }
    }
}

impl ThreadNames {
    /// `sure`: of each row, see [`sure_threads`].
    fn new(observed: &Observed<'_>, candidates: &Candidates, sure: &[Option<(u32, u32)>]) -> ThreadNames {
        let Observed { lines, operations, words_max, .. } = *observed;
        let mut seen = Vec::new();
        let mut of_service: NumberMap<u32, f32> = NumberMap::default();
        let mut of_thread: NumberMap<u32, f32> = NumberMap::default();
        for (row, sure) in candidates.rows.iter().zip(sure) {
            let Some((thread, trace)) = sure.filter(|_| seen.len() < words_max) else { continue };
            let service = candidates.templates.service[row.template as usize];
            *of_service.entry(service).or_default() += 1.0;
            *of_thread.entry(thread).or_default() += 1.0;
            each_name(lines, &lines.rows[row.line as usize], service, |name| seen.push(Seen { name, thread, trace }));
        }
        seen.sort_unstable_by_key(|seen| (seen.name, seen.thread, seen.trace));
        let mut names = ThreadNames::default();
        for of_name in seen.chunk_by(|a, b| a.name == b.name).filter(|of_name| of_name.len() as f32 >= THREAD_LINES) {
            let Some(most) = of_name.chunk_by(|a, b| a.thread == b.thread).max_by_key(|of_thread| of_thread.len())
            else {
                continue;
            };
            let traces = 1 + most.windows(2).filter(|two| two[0].trace != two[1].trace).count();
            let (agree, lines) = (most.len() as f32, of_name.len() as f32);
            if traces >= THREAD_TRACES && agree >= THREAD_AGREEMENT * lines {
                let thread = most[0].thread;
                let all = of_service.get(&operations.service_of_thread(thread)).copied().unwrap_or(agree);
                let by_chance = of_thread.get(&thread).copied().unwrap_or(agree) / all.max(agree);
                names
                    .rows
                    .insert(most[0].name, Named { thread: operations.thread_key(thread), agree, lines, by_chance });
            }
        }
        names
    }

    /// A word of lines of a service names a thread.
    pub(crate) fn is_name(&self, service: u32, word: u32) -> bool {
        !self.rows.is_empty() && self.rows.contains_key(&mix(u64::from(service), u64::from(word)))
    }

    /// Takes in what was learned now.
    pub(crate) fn take_in(&mut self, now: ThreadNames) {
        if self.rows.len() + now.rows.len() > NAMES_MAX {
            self.rows.clear();
        }
        self.rows.extend(now.rows);
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() * size_of::<(u64, Named)>()
    }

    /// The key of the thread that a line names. `own`: the thread of a line that was learned from.
    fn thread_of(&self, lines: &Lines, line: &Line, service: u32, own: Option<u64>) -> Option<u64> {
        let mut best: Option<(f32, u64)> = None;
        each_name(lines, line, service, |name| {
            let Some(named) = self.rows.get(&name) else { return };
            let (mut agree, mut lines) = (named.agree, named.lines);
            if let Some(own) = own {
                agree -= if own == named.thread { 1.0 } else { 0.0 };
                lines -= 1.0;
            }
            let share = agree / (lines + 1.0);
            let gain = share * (share / named.by_chance).max(1e-6).ln();
            if lines >= THREAD_LINES - 1.0 && gain > 0.0 && best.is_none_or(|best| gain > best.0) {
                best = Some((gain, named.thread));
            }
        });
        best.map(|best| best.1)
    }
}

/// Words and pairs of a line that may name a thread, each once.
fn each_name(lines: &Lines, line: &Line, service: u32, mut give: impl FnMut(u64)) {
    let words = lines.words(line);
    let of_words = words.iter().enumerate().filter(|(at, word)| !words[..*at].contains(word));
    of_words.for_each(|(_, word)| give(mix(u64::from(service), u64::from(*word))));
    let pairs = lines.key_values(line);
    let of_pairs = pairs.iter().enumerate().filter(|(at, pair)| !pairs[..*at].contains(pair));
    of_pairs.for_each(|(_, pair)| give(mix(!u64::from(service), *pair)));
}

/// Of each row: the thread that surely wrote its line, and its trace, where the service has several threads.
fn sure_threads(operations: &Operations, candidates: &Candidates, posteriors: &Posteriors) -> Vec<Option<(u32, u32)>> {
    let services = &candidates.templates.service;
    let has_threads = |row: &&CandidateRow| operations.has_threads(services[row.template as usize]);
    let sure = |row| Some(row).filter(has_threads).and_then(|row| sure_thread(operations, candidates, posteriors, row));
    candidates.rows.iter().map(sure).collect()
}

/// The thread that surely wrote a line, and its trace.
fn sure_thread(
    operations: &Operations,
    candidates: &Candidates,
    posteriors: &Posteriors,
    row: &CandidateRow,
) -> Option<(u32, u32)> {
    let trace = candidates.sure_trace(operations, &posteriors.weights, row, THREAD_SURE)?;
    let pairs = || candidates.pairs[row.pairs()].iter().zip(&posteriors.weights[row.pairs()]);
    let of_trace = || pairs().filter(|(pair, _)| operations.trace(pair.slot) == trace);
    let (likeliest, _) = of_trace().max_by(|a, b| a.1.total_cmp(b.1))?;
    let thread = operations.thread(likeliest.slot);
    let all: f32 = of_trace().map(|(_, weight)| weight).sum();
    let own: f32 =
        of_trace().filter(|(pair, _)| operations.thread(pair.slot) == thread).map(|(_, weight)| weight).sum();
    (own > THREAD_OWN_SHARE * all).then_some((thread, trace))
}

/// Of each pair its outcome, and of each row the thread that it names. `sure`: of each row, see [`sure_threads`].
fn outcomes(
    observed: &Observed<'_>,
    candidates: &Candidates,
    sure: &[Option<(u32, u32)>],
    names: &ThreadNames,
) -> (Vec<u8>, Vec<Option<u64>>) {
    let Observed { lines, operations, .. } = *observed;
    let mut outcomes = vec![0u8; candidates.pairs.len()];
    let mut all_named = vec![None; candidates.rows.len()];
    for ((row, sure), of_row) in candidates.rows.iter().zip(sure).zip(&mut all_named) {
        let service = candidates.templates.service[row.template as usize];
        if !operations.has_threads(service) {
            continue;
        }
        let own = sure.map(|(thread, _)| operations.thread_key(thread));
        let Some(named) = names.thread_of(lines, &lines.rows[row.line as usize], service, own) else { continue };
        *of_row = Some(named);
        for at in row.pairs() {
            let pair = &candidates.pairs[at];
            let is_same = operations.thread_key(operations.thread(pair.slot)) == named;
            outcomes[at] = if is_same { SAME } else { OTHER };
        }
    }
    (outcomes, all_named)
}
