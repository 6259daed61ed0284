//! What learning knew of each line, for whoever asks why.
//!
//! In go the tables that [`super::Engine::settle`] would drop, out come the candidates of one line with what spoke for
//! each. Kept only when asked for before; nothing is learned or decided here.

use std::sync::OnceLock;

use super::super::explain::{CANDIDATES_MAX, Candidate, Factor, KindOfLine};
use super::super::hints::named_by;
use super::associate::Association;
use super::choose::Choices;
use super::lines::{Line, Lines};
use super::operations::Operations;
use super::scene::{DURATION, SIDE, Scene};
use super::shared_text;
use super::usual::place;
use super::{Hint, Known};
use crate::correlate::index::{Slot, SpanIndex};
use crate::correlate::text::hash::NumberMap;
use crate::record::{Record, Unlinked};

/// See the module.
#[derive(Debug)]
pub(crate) struct Evidence {
    lines: Lines,
    operations: Operations,
    scene: Scene,
    result: Association,
    choices: Choices,
    /// (source, file, offset), line, row of the scene or `u32::MAX`; in order.
    places: Vec<((u32, u32, u64), u32, u32)>,
    known: Vec<Known>,
    /// How many lines have a key with its value; made when first asked for.
    pairs: OnceLock<NumberMap<u64, u32>>,
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
        lines: Lines,
        operations: Operations,
        scene: Scene,
        result: Association,
        choices: Choices,
        known: Vec<Known>,
    ) -> Evidence {
        let mut rows = vec![u32::MAX; lines.rows.len()];
        for (row, number) in scene.rows.iter().zip(0u32..) {
            rows[row.line as usize] = number;
        }
        let place = |line: &Line| (line.source, line.file, line.offset);
        let mut places: Vec<_> =
            lines.rows.iter().zip(0u32..).zip(rows).map(|((line, number), row)| (place(line), number, row)).collect();
        places.sort_unstable();
        Evidence { lines, operations, scene, result, choices, places, known, pairs: OnceLock::new() }
    }

    /// What is known of a record's line.
    pub(crate) fn story(&self, index: &SpanIndex, record: &Record<'_>) -> Option<Story> {
        let key = (record.source, record.position.file, record.position.offset);
        let (_, line, row) = self.places[self.places.binary_search_by_key(&key, |place| place.0).ok()?];
        if row == u32::MAX {
            return Some(self.story_of_rule(index, record, line));
        }
        let place = &self.scene.rows[row as usize];
        let mut pairs: Vec<u32> = (place.first..place.first + place.count).collect();
        let probability = |pair: u32| self.probability(row, pair);
        pairs.sort_by(|a, b| probability(*b).total_cmp(&probability(*a)));
        let chosen = self.choices.rows[row as usize].map(|(pair, _)| pair);
        let told = pairs.iter().take(CANDIDATES_MAX);
        let of_request = self.result.group_sizes.get(row as usize).copied().unwrap_or(1).max(1);
        let key = self.key_of_request(index, record, of_request);
        let no_span = self.result.none[row as usize];
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
                    ..Candidate::new(index, self.scene.pairs[*pair as usize].slot, place.time)
                })
                .collect(),
            left_out: pairs.len().saturating_sub(CANDIDATES_MAX),
            no_span: Some(no_span),
            kind: Some(KindOfLine {
                lines: self.scene.template_lines[template],
                without_span: self.result.none_share[template],
                of_request,
            }),
        })
    }

    fn story_of_rule(&self, index: &SpanIndex, record: &Record<'_>, line: u32) -> Story {
        let line_time = self.lines.rows[line as usize].time;
        let what = named_by(record);
        let of_span = |slot: Slot, name| Story {
            candidates: vec![Candidate {
                probability: 1.0,
                evidence: vec![Factor { what: what.clone(), ..Factor::new(name, 5.0) }],
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
        let trace = |pair: u32| self.operations.trace(self.scene.pairs[pair as usize].slot);
        let row_of = &self.scene.rows[row as usize];
        self.scene.sums_by_trace(&self.operations, &self.result.weights, row_of, 0.0, &mut sums);
        let of_trace = sums.iter().find(|(number, _)| *number == trace(pair)).map_or(0.0, |(_, sum)| *sum);
        match self.choices.rows[row as usize] {
            Some((chosen, _)) if trace(chosen) == trace(pair) => of_trace * self.choices.weights[pair as usize],
            _ => self.result.weights[pair as usize],
        }
    }

    /// The key of a line that so many lines share.
    fn key_of_request(&self, index: &SpanIndex, record: &Record<'_>, of_request: u32) -> Option<String> {
        if of_request < 2 {
            return None;
        }
        let counts = self.pairs.get_or_init(|| {
            let mut counts: NumberMap<u64, u32> = NumberMap::default();
            let pairs = self.lines.rows.iter().flat_map(|line| self.lines.pairs(line));
            pairs.for_each(|pair| *counts.entry(*pair).or_default() += 1);
            counts
        });
        let count = |pair: &u64| counts.get(pair).copied().unwrap_or(0);
        let shared = shared_text::pairs(index.words.seed(), record).into_iter().filter(|(pair, _)| count(pair) > 1);
        // Lines that learning leaves out have the key as well.
        shared.min_by_key(|(pair, _)| count(pair).abs_diff(of_request)).map(|(_, text)| text)
    }

    fn factors(&self, index: &SpanIndex, record: &Record<'_>, row: u32, pair: u32, key: Option<&str>) -> Vec<Factor> {
        let own = &self.scene.pairs[pair as usize];
        let habit = self.result.habits.get(own.kind as usize).and_then(Option::as_ref);
        let weight = self.result.weights[pair as usize];
        let mut factors = habit.map_or_else(Vec::new, |habit| habit.factors(place(own), 0.5 * weight));
        if let Some(factor) = factors.iter_mut().find(|factor| factor.tells_of_text) {
            let span = index.span(own.slot);
            let mut told = Vec::new();
            if own.clues & DURATION != 0 {
                told.extend(shared_text::durations(record, span.end - span.start));
            }
            if own.clues % SIDE >= 2 {
                told.extend(shared_text::words_of(index, record, own.slot));
            }
            factor.what = (!told.is_empty()).then(|| told.join(", "));
        }
        let none = self.result.none[row as usize];
        let share = self.result.none_share[self.scene.rows[row as usize].template as usize];
        let shared = self.result.shared.factor(pair as usize, self.scene.rows[row as usize].template);
        factors.push(Factor::new("words that other lines of its trace hold", shared.ln()));
        let crowding = self.result.crowding[self.scene.rows[row as usize].template as usize];
        factors.push(Factor::new("how much else runs when such lines are written", -crowding.ln()));
        let beside = self.result.beside.factor(pair as usize, self.scene.rows[row as usize].template);
        factors.push(Factor::new("lines next to it are of another trace or of none", beside.ln()));
        // What is left between the evidence of the line alone and the outcome: other lines, and what spans take.
        let alone = self.result.scores[pair as usize] / share.max(1e-6);
        let others = (weight.max(1e-9) / none.max(1e-9)).ln() - alone.max(1e-12).ln();
        let what = key.map(|key| format!("lines with {key}"));
        let name = "other lines of the request, and what the span takes already";
        factors.push(Factor { what, ..Factor::new(name, others) });
        factors.retain(|factor| factor.weight.abs() >= 0.05);
        factors
    }
}
