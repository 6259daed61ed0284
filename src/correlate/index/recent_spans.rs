//! The spans of a stream, as they came.
//!
//! In go spans that were read, out come those that touch a window of time, or are of a given trace, in the order in which
//! they came. Spans are numbered as they come, and the numbers go round; they lie in segments of some of them, which are
//! dropped whole once all of their spans have ended long ago. Adding and dropping cost by what is added and dropped; nothing
//! is sorted here, and nothing else is looked up: `span_index` shows a window as it shows finished traces.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashTable;

use super::span::{AHEAD_NS, IndexStats, Limits, Span};
use super::span_ids::SpanIds;
use super::tables::low_half_of;
use crate::correlate::text::hash::{NumberSet, mix};

/// Spans of one segment.
const SEGMENT_SPANS: usize = 1024;
/// Spans of one trace that are shown because a line names it: the last to come.
const TRACE_SPANS_MAX: usize = 4096;

/// What is kept of a span besides itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpanParts<'a> {
    pub(crate) span: Span,
    /// Words of its attributes.
    pub(crate) words: &'a [u32],
    /// Identity and time of each event that is a log line.
    pub(crate) events: &'a [(u64, i64)],
    /// Hashes of its keys.
    pub(crate) keys: &'a [u64],
    /// Its status message, if it failed.
    pub(crate) failure: Option<&'a Arc<str>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct RecentSpans {
    segments: VecDeque<Segment>,
    /// The number of the first span that is kept.
    first: u32,
    ids: SpanIds,
    seed: u64,
    /// Of each trace, by the low half of its id: the last span to come.
    traces: HashTable<u32>,
    limits: Limits,
    /// Spans that came again.
    duplicates: u64,
    /// Spans dropped at a limit.
    evicted: u64,
}

#[derive(Debug, Default)]
struct Segment {
    rows: Vec<Row>,
    words: Vec<u32>,
    events: Vec<(u64, i64)>,
    keys: Vec<u64>,
    /// In order of rows.
    failures: Vec<(u32, Arc<str>)>,
    /// From the first start to the last end.
    range: Option<(i64, i64)>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    span: Span,
    /// Where its words, events and keys end.
    ends: [u32; 3],
    /// The span of its trace that came before it; its own number where none did.
    before: u32,
    /// It came again later.
    is_old: bool,
}

impl RecentSpans {
    pub(crate) fn new(seed: u64, limits: Limits) -> RecentSpans {
        let (ids, traces) = (SpanIds::new(seed), HashTable::new());
        RecentSpans { segments: VecDeque::new(), first: 0, ids, seed, traces, limits, duplicates: 0, evicted: 0 }
    }

    /// Takes a span in.
    pub(crate) fn add(&mut self, parts: &SpanParts<'_>) {
        if self.len() >= self.limits.spans_max || self.is_at_end() && self.bytes() > self.limits.bytes_max {
            self.evict();
        }
        if self.is_at_end() {
            self.segments.push_back(Segment::default());
        }
        let number = self.first.wrapping_add(self.len() as u32);
        let segments = &self.segments;
        let span = |number: u32| &row(segments, self.first, number).span;
        let known = self.ids.slot_of(&parts.span, number, span);
        let old = std::mem::replace(known, number);
        let low = low_half_of(&parts.span.trace_id);
        let is_it = |other: &u32| low_half_of(&span(*other).trace_id) == low;
        let of = |number: &u32| mix(self.seed, low_half_of(&span(*number).trace_id));
        let last = self.traces.entry(mix(self.seed, low), is_it, of).or_insert(number).into_mut();
        let before = std::mem::replace(last, number);
        if old != number {
            self.duplicates += 1;
            let at = old.wrapping_sub(self.first) as usize;
            self.segments[at / SEGMENT_SPANS].rows[at % SEGMENT_SPANS].is_old = true;
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.add(parts, before);
        }
    }

    /// Drops what came first, as far as it ended before a time. A clock that is far ahead of `now` holds no others up.
    pub(crate) fn forget_before(&mut self, time: i64, now: i64) {
        let is_over = |row: &Row| row.span.end < time || row.span.end > now.saturating_add(AHEAD_NS);
        while self.segments.front().is_some_and(|segment| segment.ends_before(time) || segment.rows.iter().all(is_over))
        {
            self.drop_first();
        }
    }

    /// What was taken in.
    pub(crate) fn counts(&self) -> IndexStats {
        IndexStats { spans: self.len() as u64, duplicates: self.duplicates, evicted: self.evicted }
    }

    /// Whether a span with these ids is kept.
    pub(crate) fn has(&self, trace_id: &[u8; 16], span_id: &[u8; 8]) -> bool {
        self.ids.find(trace_id, span_id, |number| &self.row(number).span).is_some()
    }

    /// Spans that are kept.
    pub(crate) fn len(&self) -> usize {
        match self.segments.back() {
            Some(last) => (self.segments.len() - 1) * SEGMENT_SPANS + last.rows.len(),
            None => 0,
        }
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        // Two tables of five bytes for a span, at a load of 7/16 to 7/8.
        self.segments.iter().map(Segment::bytes).sum::<usize>() + self.len() * 18
    }

    /// The numbers of the spans that touch a window of time or are of one of these traces (by the low halves of their ids), in
    /// the order in which they came.
    pub(crate) fn select(&self, (from, to): (i64, i64), traces: &[u64]) -> Vec<u32> {
        let mut selected = Vec::new();
        let mut number = self.first;
        for segment in &self.segments {
            if segment.range.is_some_and(|range| range.0 <= to && range.1 >= from) {
                let touches = |row: &Row| row.span.start <= to && row.span.end >= from && !row.is_old;
                selected.extend(
                    segment.rows.iter().zip(0..).filter(|(row, _)| touches(row)).map(|(_, at)| number.wrapping_add(at)),
                );
            }
            number = number.wrapping_add(segment.rows.len() as u32);
        }
        if !traces.is_empty() {
            traces.iter().for_each(|trace| self.select_trace(*trace, &mut selected));
            selected.sort_unstable_by_key(|number| number.wrapping_sub(self.first));
            selected.dedup();
        }
        selected
    }

    /// The same of those traces only in which a span of one of some resources touches the window.
    pub(crate) fn select_traces(&self, window: (i64, i64), is_of: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut selected = self.select(window, &[]);
        let low = |number: &u32| {
            let span = &self.row(*number).span;
            (low_half_of(&span.trace_id), span.resource)
        };
        let of = selected.iter().map(low).filter(|(_, resource)| is_of(*resource));
        let traces: NumberSet<u64> = of.map(|(trace, _)| trace).collect();
        selected.retain(|number| traces.contains(&low(number).0));
        selected
    }

    fn select_trace(&self, low: u64, selected: &mut Vec<u32>) {
        let is_it = |other: &u32| low_half_of(&self.row(*other).span.trace_id) == low;
        let Some(last) = self.traces.find(mix(self.seed, low), is_it) else { return };
        let mut number = *last;
        for _ in 0..TRACE_SPANS_MAX {
            let row = self.row(number);
            selected.extend((!row.is_old).then_some(number));
            let is_kept = (row.before.wrapping_sub(self.first) as usize) < self.len();
            if row.before == number || !is_kept {
                return;
            }
            number = row.before;
        }
    }

    /// What is kept of a span.
    pub(crate) fn parts(&self, number: u32) -> SpanParts<'_> {
        let at = number.wrapping_sub(self.first) as usize;
        self.segments[at / SEGMENT_SPANS].parts(at % SEGMENT_SPANS)
    }

    /// All spans, to be given other numbers of names.
    pub(crate) fn spans_mut(&mut self) -> impl Iterator<Item = &mut Span> {
        self.segments.iter_mut().flat_map(|segment| &mut segment.rows).map(|row| &mut row.span)
    }

    fn row(&self, number: u32) -> &Row {
        row(&self.segments, self.first, number)
    }

    fn is_at_end(&self) -> bool {
        self.segments.back().is_none_or(|last| last.rows.len() == SEGMENT_SPANS)
    }

    /// Makes room by a quarter.
    fn evict(&mut self) {
        let room = self.len() - self.len() / 4;
        while self.len() >= room.max(1) {
            let before = self.len();
            self.drop_first();
            self.evicted += (before - self.len()) as u64;
        }
    }

    fn drop_first(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        for (row, at) in segment.rows.iter().zip(0..) {
            let number = self.first.wrapping_add(at);
            self.ids.remove(&row.span, number);
            let hash = mix(self.seed, low_half_of(&row.span.trace_id));
            if let Ok(last) = self.traces.find_entry(hash, |last| *last == number) {
                last.remove();
            }
        }
        self.first = self.first.wrapping_add(segment.rows.len() as u32);
    }
}

fn row(segments: &VecDeque<Segment>, first: u32, number: u32) -> &Row {
    let at = number.wrapping_sub(first) as usize;
    &segments[at / SEGMENT_SPANS].rows[at % SEGMENT_SPANS]
}

impl Segment {
    fn add(&mut self, parts: &SpanParts<'_>, before: u32) {
        self.words.extend_from_slice(parts.words);
        self.events.extend_from_slice(parts.events);
        self.keys.extend_from_slice(parts.keys);
        if let Some(failure) = parts.failure {
            self.failures.push((self.rows.len() as u32, failure.clone()));
        }
        let (span, ends) = (parts.span, [self.words.len(), self.events.len(), self.keys.len()].map(|end| end as u32));
        let range = self.range.get_or_insert((span.start, span.end));
        *range = (range.0.min(span.start), range.1.max(span.end));
        self.rows.push(Row { span, ends, before, is_old: false });
    }

    fn ends_before(&self, time: i64) -> bool {
        self.range.is_none_or(|range| range.1 < time)
    }

    fn parts(&self, at: usize) -> SpanParts<'_> {
        let row = &self.rows[at];
        let starts = if at == 0 { [0; 3] } else { self.rows[at - 1].ends };
        let range = |part: usize| starts[part] as usize..row.ends[part] as usize;
        let failure = self.failures.binary_search_by_key(&(at as u32), |row| row.0).ok();
        SpanParts {
            span: row.span,
            words: &self.words[range(0)],
            events: &self.events[range(1)],
            keys: &self.keys[range(2)],
            failure: failure.map(|at| &self.failures[at].1),
        }
    }

    fn bytes(&self) -> usize {
        let failures: usize = self.failures.iter().map(|(_, message)| message.len() + 40).sum();
        self.rows.capacity() * size_of::<Row>()
            + self.words.capacity() * size_of::<u32>()
            + self.events.capacity() * size_of::<(u64, i64)>()
            + self.keys.capacity() * size_of::<u64>()
            + failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Kind;

    fn span(trace: u32, id: u64, start: i64, end: i64) -> Span {
        let trace_id = u128::from(trace).to_be_bytes();
        let (span_id, parent_id, name, scope, resource) = (id.to_be_bytes(), [0; 8], 0, 0, 0);
        Span { trace_id, span_id, parent_id, start, end, name, scope, resource, kind: Kind::Internal, thread: 0 }
    }

    fn add(recent: &mut RecentSpans, span: Span) {
        let words = [span.span_id[7].into()];
        recent.add(&SpanParts { span, words: &words, events: &[], keys: &[], failure: None });
    }

    #[test]
    fn a_window_shows_what_touches_it_and_whole_traces_that_are_named() {
        let mut recent = RecentSpans::new(7, Limits::default());
        // Numbers go round.
        recent.first = u32::MAX - 1_500;
        for at in 0..5_000u32 {
            let start = i64::from(at) * 10;
            add(&mut recent, span(at / 4, u64::from(at), start, start + if at % 1_000 == 0 { 30_000 } else { 5 }));
        }
        let starts = |window, traces: &[u64]| -> Vec<i64> {
            recent.select(window, traces).iter().map(|number| recent.parts(*number).span.start).collect()
        };
        assert_eq!(starts((25_000, 25_010), &[]), [0, 10_000, 20_000, 25_000, 25_010]);
        assert_eq!(starts((25_000, 25_000), &[3]), [0, 120, 130, 140, 150, 10_000, 20_000, 25_000]);
        for number in recent.select((0, i64::MAX), &[]) {
            let parts = recent.parts(number);
            assert_eq!(parts.words, [u32::from(parts.span.span_id[7])]);
        }
    }

    #[test]
    fn what_comes_again_counts_as_it_came_last_and_what_is_over_goes() {
        let mut recent = RecentSpans::new(7, Limits::default());
        for at in 0..3_000u32 {
            add(&mut recent, span(1, u64::from(at), at.into(), i64::from(at) + 1));
        }
        add(&mut recent, span(1, 5, 7_000, 8_000));
        assert_eq!((recent.duplicates, recent.select((5, 5), &[]).len()), (1, 1));
        recent.forget_before(2_500, 2_500);
        assert_eq!((recent.len(), recent.first), (3_001 - 2_048, 2_048));
        assert_eq!(recent.select((0, 0), &[1]).len(), 3_001 - 2_048);
        recent.forget_before(9_000, 9_000);
        assert_eq!((recent.len(), recent.ids.len(), recent.traces.len()), (0, 0, 0));
    }

    #[test]
    fn the_oldest_go_at_the_limit() {
        let mut recent = RecentSpans::new(7, Limits { spans_max: 4_096, ..Limits::default() });
        for at in 0..10_000u32 {
            add(&mut recent, span(at, u64::from(at), at.into(), i64::from(at) + 1));
            assert!(recent.len() <= 4_096);
        }
        assert_eq!(recent.evicted + recent.len() as u64, 10_000);
        assert_eq!(recent.ids.len(), recent.len());
    }
}
