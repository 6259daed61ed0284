//! What learning knew of each line: the evidence behind its link.
//!
//! In go the tables that [`super::engine::Engine::settle`] would drop, out come the candidates of one line with what spoke for
//! each. Kept only when asked for before; nothing is learned or decided here.

use std::sync::OnceLock;

use super::association::Association;
use super::candidates::Candidates;
use super::clues::{DURATION, SIDE};
use super::habit::LogFactors;
use super::lines::{Line, Lines};
use super::matched_text;
use super::operations::Operations;
use super::pick_span::Choices;
use crate::correlate::explanation::{
    CANDIDATES_MAX, Candidate, DISTANCE_TO_END, DISTANCE_TO_START, Factor, KindOfLine,
};
use crate::correlate::hint::{Hint, Known};
use crate::correlate::index::{Slot, SpanIndex};
use crate::correlate::text::hash::NumberMap;
use crate::record::{Record, Unlinked};

/// See the module.
#[derive(Debug)]
pub(crate) struct Evidence {
    lines: Lines,
    operations: Operations,
    candidates: Candidates,
    association: Association,
    choices: Choices,
    /// (source, file, offset), line, row of the candidates or `u32::MAX`; in order.
    places: Vec<((u32, u32, u64), u32, u32)>,
    known: Vec<Known>,
    /// How many lines have a key with its value; made when first asked for.
    key_values: OnceLock<NumberMap<u64, u32>>,
}

/// What is told of a line.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Story {
    pub(crate) reason: Option<Unlinked>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) left_out: usize,
    pub(crate) no_span: Option<f32>,
    pub(crate) kind: Option<KindOfLine>,
}

impl Evidence {
    pub(crate) fn new(
        (lines, goes_on): (Lines, &[(u32, u32)]),
        operations: Operations,
        candidates: Candidates,
        association: Association,
        choices: Choices,
        known: Vec<Known>,
    ) -> Evidence {
        let mut rows = vec![u32::MAX; lines.rows.len()];
        for (row, number) in candidates.rows.iter().zip(0u32..) {
            rows[row.line as usize] = number;
        }
        // The evidence is that of the line that began the record.
        for (line, began) in goes_on {
            rows[*line as usize] = rows[*began as usize];
        }
        let place = |line: &Line| (line.source, line.file, line.offset);
        let mut places: Vec<_> =
            lines.rows.iter().zip(0u32..).zip(rows).map(|((line, number), row)| (place(line), number, row)).collect();
        places.sort_unstable();
        Evidence { lines, operations, candidates, association, choices, places, known, key_values: OnceLock::new() }
    }

    /// What is known of a record's line. `named`: the key that names its request or pod, as it stands in the line.
    pub(crate) fn story(&self, index: &SpanIndex, record: &Record<'_>, named: Option<String>) -> Option<Story> {
        let key = (record.source, record.position.file, record.position.offset);
        let (_, line, row) = self.places[self.places.binary_search_by_key(&key, |place| place.0).ok()?];
        if row == u32::MAX {
            return Some(self.story_of_rule(index, line, named));
        }
        let place = &self.candidates.rows[row as usize];
        let mut pairs: Vec<u32> = (place.first..place.first + place.count).collect();
        let probability = |pair: u32| self.probability(row, pair);
        pairs.sort_by(|a, b| probability(*b).total_cmp(&probability(*a)));
        let chosen = self.choices.rows[row as usize].map(|(pair, _)| pair);
        let told = pairs.iter().take(CANDIDATES_MAX);
        let of_request = self.association.group_sizes.get(row as usize).copied().unwrap_or(1).max(1);
        let key = self.key_of_request(index, record, of_request);
        let no_span = self.association.posteriors.none[row as usize];
        let template = place.template as usize;
        let reason = match () {
            () if pairs.is_empty() => Unlinked::NoSpanNear,
            () if no_span >= 0.5 => Unlinked::NoSpan,
            () if chosen.is_none() => Unlinked::Ambiguous,
            () => Unlinked::BelowThreshold,
        };
        Some(Story {
            reason: Some(reason),
            candidates: told
                .map(|pair| Candidate {
                    probability: probability(*pair),
                    evidence: self.factors(index, record, row, *pair, key.as_deref()),
                    is_chosen: chosen == Some(*pair),
                    ..Candidate::new(index, self.candidates.pairs[*pair as usize].slot, place.time)
                })
                .collect(),
            left_out: pairs.len().saturating_sub(CANDIDATES_MAX),
            no_span: Some(no_span),
            kind: Some(KindOfLine {
                lines: self.candidates.templates.lines[template],
                without_span: self.association.posteriors.none_share[template],
                of_request,
            }),
        })
    }

    fn story_of_rule(&self, index: &SpanIndex, line: u32, named: Option<String>) -> Story {
        let line_time = self.lines.rows[line as usize].time;
        let of_span = |slot: Slot, name| Story {
            candidates: vec![Candidate {
                probability: 1.0,
                evidence: vec![Factor { what: named.clone(), ..Factor::new(name, 5.0) }],
                ..Candidate::new(index, slot, line_time)
            }],
            ..Story::default()
        };
        match self.known.get(line as usize).copied().unwrap_or(Known::Nothing) {
            Known::Nothing => Story { reason: Some(Unlinked::NoSpanNear), ..Story::default() },
            Known::Span(slot) => of_span(slot, "an id names the request"),
            Known::Linked(slot, _) => of_span(slot, "the pod's only span that is open"),
            Known::Call(..) => Story { reason: Some(Unlinked::RequestNotRecorded), ..Story::default() },
            Known::NoSpan => {
                let reason = match self.lines.hint(&self.lines.rows[line as usize]) {
                    Hint::Request(_) => Unlinked::RequestNotRecorded,
                    Hint::Pod(..) => Unlinked::NoSpanNear,
                    _ => Unlinked::OutsideRequests,
                };
                Story { reason: Some(reason), ..Story::default() }
            }
        }
    }

    /// That of its trace, and of the span within it.
    fn probability(&self, row: u32, pair: u32) -> f32 {
        let mut sums = Vec::new();
        let trace = |pair: u32| self.operations.trace(self.candidates.pairs[pair as usize].slot);
        let row_of = &self.candidates.rows[row as usize];
        self.candidates.sums_by_trace(&self.operations, &self.association.posteriors.weights, row_of, 0.0, &mut sums);
        let of_trace = sums.iter().find(|(number, _)| *number == trace(pair)).map_or(0.0, |(_, sum)| *sum);
        match self.choices.rows[row as usize] {
            Some((chosen, _)) if trace(chosen) == trace(pair) => of_trace * self.choices.weights[pair as usize],
            _ => self.association.posteriors.weights[pair as usize],
        }
    }

    /// The key of a line that this many lines share.
    fn key_of_request(&self, index: &SpanIndex, record: &Record<'_>, of_request: u32) -> Option<String> {
        if of_request < 2 {
            return None;
        }
        let counts = self.key_values.get_or_init(|| {
            let mut counts: NumberMap<u64, u32> = NumberMap::default();
            let pairs = self.lines.rows.iter().flat_map(|line| self.lines.key_values(line));
            pairs.for_each(|pair| *counts.entry(*pair).or_default() += 1);
            counts
        });
        let count = |pair: &u64| counts.get(pair).copied().unwrap_or(0);
        let shared =
            matched_text::key_values(index.words.seed(), record).into_iter().filter(|(pair, _)| count(pair) > 1);
        // Lines that learning leaves out have the key as well.
        shared.min_by_key(|(pair, _)| count(pair).abs_diff(of_request)).map(|(_, text)| text)
    }

    fn factors(&self, index: &SpanIndex, record: &Record<'_>, row: u32, pair: u32, key: Option<&str>) -> Vec<Factor> {
        let own = &self.candidates.pairs[pair as usize];
        let habit = self.association.habits.get(own.class as usize).and_then(Option::as_ref);
        let weight = self.association.posteriors.weights[pair as usize];
        let logs = habit.map(|habit| habit.log_factors(own.bins(), 0.5 * weight));
        let mut factors = logs.map_or_else(Vec::new, |logs| factors_of_habit(logs, own.clues));
        if let Some(factor) = factors.iter_mut().find(|factor| factor.tells_of_text) {
            let span = index.span(own.slot);
            let mut told = Vec::new();
            if own.clues & DURATION != 0 {
                told.extend(matched_text::durations(record, span.end - span.start));
            }
            if own.clues % SIDE >= 2 {
                told.extend(matched_text::words_of(index, record, own.slot));
            }
            factor.what = (!told.is_empty()).then(|| told.join(", "));
        }
        let none = self.association.posteriors.none[row as usize];
        let share = self.association.posteriors.none_share[self.candidates.rows[row as usize].template as usize];
        let shared =
            self.association.context.shared_words.factor(pair as usize, self.candidates.rows[row as usize].template);
        factors.push(Factor::new("words that other lines of its trace hold", shared.ln()));
        let crowding =
            self.association.context.concurrency.ratios[self.candidates.rows[row as usize].template as usize];
        factors.push(Factor::new("how much else runs when such lines are written", -crowding.ln()));
        let beside =
            self.association.context.adjacent_lines.factor(pair as usize, self.candidates.rows[row as usize].template);
        factors.push(Factor::new("lines next to it are of another trace or of none", beside.ln()));
        let thread =
            self.association.context.threads.factor(pair as usize, self.candidates.rows[row as usize].template);
        factors.push(Factor::new("the thread or process that it names", thread.ln()));
        // What is left between the evidence of the line alone and the outcome: other lines, and what spans take.
        let alone = self.association.posteriors.scores[pair as usize] / share.max(1e-6);
        let others = (weight.max(1e-9) / none.max(1e-9)).ln() - alone.max(1e-12).ln();
        let what = key.map(|key| format!("lines with {key}"));
        let name = "other lines of the request, and what the span takes already";
        factors.push(Factor { what, ..Factor::new(name, others) });
        factors.retain(|factor| factor.weight.abs() >= 0.05);
        factors
    }
}

/// The parts of a habit in words.
fn factors_of_habit(logs: LogFactors, clues: u8) -> Vec<Factor> {
    let clue = match (clues % 2, clues / 2 % 4, clues / 8) {
        (0, 0, 0) => "no word or duration shared",
        (1, 0, 0) => "its duration stands in the text",
        (0, 1, 0) => "a common word of its attributes stands in the text",
        (0, 2, 0) => "a rare word of its trace stands in the text",
        (0, _, 0) => "a rare word of its attributes stands in the text",
        (1, _, 0) => "its duration and a word of its trace stand in the text",
        (0, 0, _) => "lines next to it are of the trace",
        (1, 0, _) => "its duration stands in the text, lines next to it are of the trace",
        (0, _, _) => "a word of its trace stands in the text, lines next to it are of the trace",
        _ => "duration and word stand in the text, lines next to it are of the trace",
    };
    vec![
        Factor::new(DISTANCE_TO_START, logs.start),
        Factor::new(DISTANCE_TO_END, logs.end),
        Factor::new("distance to the spans below it", logs.edge),
        Factor { tells_of_text: true, ..Factor::new(clue, logs.clues) },
        Factor::new("operation that has most lines of the kind", logs.preference),
    ]
}
