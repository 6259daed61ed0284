//! Threads and processes: a line names the one that wrote it, a span is of one, and which names go together is learned.
//!
//! In go lines and what is known of their spans so far, out comes for each pair (line, span) whether the span is of the
//! thread that the line's words name, and how much that says: counted per template, on lines that are sure of their trace
//! or of none, against the traces that they are not of. A word names a thread where its lines are in spans of that one, in
//! whatever trace. What threads are called is not known here, nor where in a line they stand.

use super::by_trace::{self, HIT, MISS, NEUTRAL, TraceFactors};
use crate::correlate::learn::candidates::{CandidateRow, Candidates};
use crate::correlate::learn::lines::{Line, Lines};
use crate::correlate::learn::observed::Observed;
use crate::correlate::learn::operations::Operations;
use crate::correlate::learn::posteriors::Posteriors;
use crate::correlate::learn::tuning::{LANE_AGREEMENT, LANE_LINES, LANE_OWN_SHARE, LANE_SURE, LANE_TRACES};
use crate::correlate::text::hash::{NumberMap, mix};

/// The span is of the thread that is named; or of another.
const SAME: u8 = HIT;
const OTHER: u8 = MISS;

/// Names of threads that are kept along a stream.
const NAMES_MAX: usize = 1 << 14;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// Of each pair, empty where no service has several threads.
    outcomes: Vec<u8>,
    /// Of each row: the thread that it names.
    named: Vec<Option<u64>>,
    /// Of each template: how many times likelier each outcome makes a pair.
    pub(crate) factors: Vec<TraceFactors>,
    /// What was learned of names, by service and word: the key of the thread.
    pub(crate) names: LaneNames,
}

/// Which thread each word names.
#[derive(Debug, Default)]
pub(crate) struct LaneNames {
    rows: NumberMap<u64, Named>,
}

/// A thread that a word names: what tells it from others, and the lines that say so, of all with the word.
#[derive(Debug, Clone, Copy)]
struct Named {
    lane: u64,
    agree: f32,
    lines: f32,
    /// The part of all lines of the service that is in its spans.
    by_chance: f32,
}

/// A line that is sure of its thread, with a word of it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    name: u64,
    lane: u32,
    trace: u32,
}

impl Lanes {
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
    pub(crate) fn new(observed: &Observed<'_>, candidates: &Candidates, posteriors: &Posteriors) -> Lanes {
        let Observed { operations, .. } = *observed;
        if !candidates.templates.service.iter().any(|service| operations.has_lanes(*service)) {
            return Lanes { factors: vec![NEUTRAL; candidates.templates.lines.len()], ..Lanes::default() };
        }
        let names = LaneNames::new(observed, candidates, posteriors);
        let (outcomes, named) = outcomes(observed, candidates, posteriors, &names);
        let factors = by_trace::factors(operations, candidates, posteriors, |pair| outcomes[pair]);
        Lanes { outcomes, named, factors, names }
    }

    /// The same where names and the factors of templates are known.
    pub(crate) fn by(
        observed: &Observed<'_>,
        candidates: &Candidates,
        posteriors: &Posteriors,
        (factors, names): (Vec<TraceFactors>, &LaneNames),
    ) -> Lanes {
        if names.rows.is_empty() {
            return Lanes { factors, ..Lanes::default() };
        }
        let (outcomes, named) = outcomes(observed, candidates, posteriors, names);
        Lanes { outcomes, named, factors, names: LaneNames::default() }
    }
}

impl LaneNames {
    fn new(observed: &Observed<'_>, candidates: &Candidates, posteriors: &Posteriors) -> LaneNames {
        let Observed { lines, operations, words_max, .. } = *observed;
        let mut seen = Vec::new();
        let mut of_service: NumberMap<u32, f32> = NumberMap::default();
        let mut of_lane: NumberMap<u32, f32> = NumberMap::default();
        for row in &candidates.rows {
            let service = candidates.templates.service[row.template as usize];
            if seen.len() >= words_max || !operations.has_lanes(service) {
                continue;
            }
            let Some((lane, trace)) = sure_lane(operations, candidates, posteriors, row) else { continue };
            *of_service.entry(service).or_default() += 1.0;
            *of_lane.entry(lane).or_default() += 1.0;
            each_name(lines, &lines.rows[row.line as usize], service, |name| seen.push(Seen { name, lane, trace }));
        }
        seen.sort_unstable_by_key(|seen| (seen.name, seen.lane, seen.trace));
        let mut names = LaneNames::default();
        for of_name in seen.chunk_by(|a, b| a.name == b.name).filter(|of_name| of_name.len() as f32 >= LANE_LINES) {
            let Some(most) = of_name.chunk_by(|a, b| a.lane == b.lane).max_by_key(|of_lane| of_lane.len()) else {
                continue;
            };
            let traces = 1 + most.windows(2).filter(|two| two[0].trace != two[1].trace).count();
            let (agree, lines) = (most.len() as f32, of_name.len() as f32);
            if traces >= LANE_TRACES && agree >= LANE_AGREEMENT * lines {
                let lane = most[0].lane;
                let all = of_service.get(&operations.service_of_lane(lane)).copied().unwrap_or(agree);
                let by_chance = of_lane.get(&lane).copied().unwrap_or(agree) / all.max(agree);
                names.rows.insert(most[0].name, Named { lane: operations.lane_key(lane), agree, lines, by_chance });
            }
        }
        names
    }

    /// A word of lines of a service names a thread.
    pub(crate) fn is_name(&self, service: u32, word: u32) -> bool {
        !self.rows.is_empty() && self.rows.contains_key(&mix(u64::from(service), u64::from(word)))
    }

    /// Takes in what was learned now.
    pub(crate) fn take_in(&mut self, now: LaneNames) {
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
    fn lane_of(&self, lines: &Lines, line: &Line, service: u32, own: Option<u64>) -> Option<u64> {
        let mut best: Option<(f32, u64)> = None;
        each_name(lines, line, service, |name| {
            let Some(named) = self.rows.get(&name) else { return };
            let (mut agree, mut lines) = (named.agree, named.lines);
            if let Some(own) = own {
                agree -= if own == named.lane { 1.0 } else { 0.0 };
                lines -= 1.0;
            }
            let share = agree / (lines + 1.0);
            let gain = share * (share / named.by_chance).max(1e-6).ln();
            if lines >= LANE_LINES - 1.0 && gain > 0.0 && best.is_none_or(|best| gain > best.0) {
                best = Some((gain, named.lane));
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

/// The thread that surely wrote a line, and its trace.
fn sure_lane(
    operations: &Operations,
    candidates: &Candidates,
    posteriors: &Posteriors,
    row: &CandidateRow,
) -> Option<(u32, u32)> {
    let trace = candidates.sure_trace(operations, &posteriors.weights, row, LANE_SURE)?;
    let pairs = || candidates.pairs[row.pairs()].iter().zip(&posteriors.weights[row.pairs()]);
    let of_trace = || pairs().filter(|(pair, _)| operations.trace(pair.slot) == trace);
    let (likeliest, _) = of_trace().max_by(|a, b| a.1.total_cmp(b.1))?;
    let lane = operations.lane(likeliest.slot);
    let all: f32 = of_trace().map(|(_, weight)| weight).sum();
    let own: f32 = of_trace().filter(|(pair, _)| operations.lane(pair.slot) == lane).map(|(_, weight)| weight).sum();
    (own > LANE_OWN_SHARE * all).then_some((lane, trace))
}

fn outcomes(
    observed: &Observed<'_>,
    candidates: &Candidates,
    posteriors: &Posteriors,
    names: &LaneNames,
) -> (Vec<u8>, Vec<Option<u64>>) {
    let Observed { lines, operations, .. } = *observed;
    let mut outcomes = vec![0u8; candidates.pairs.len()];
    let mut all_named = vec![None; candidates.rows.len()];
    for (row, of_row) in candidates.rows.iter().zip(&mut all_named) {
        let service = candidates.templates.service[row.template as usize];
        if !operations.has_lanes(service) {
            continue;
        }
        let sure = sure_lane(operations, candidates, posteriors, row);
        let own = sure.map(|(lane, _)| operations.lane_key(lane));
        let Some(named) = names.lane_of(lines, &lines.rows[row.line as usize], service, own) else { continue };
        *of_row = Some(named);
        for at in row.pairs() {
            let pair = &candidates.pairs[at];
            let is_same = operations.lane_key(operations.lane(pair.slot)) == named;
            outcomes[at] = if is_same { SAME } else { OTHER };
        }
    }
    (outcomes, all_named)
}
