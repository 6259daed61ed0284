//! What came along a stream and is not decided yet: spans, and the times of lines.
//!
//! In go spans and records as they come, out come the times of the lines that are due, and the spans that they may lie in.
//! What a line says is not looked at but for the trace that it names.

use super::due::Due;
use super::index::{RecentSpans, SpanIndex};
use super::learn::{DueLines, Sample};
use super::sources::Sources;
use super::text::hash::NumberMap;
use super::watermarks::Watermarks;
use crate::record::Record;

/// Spans so long before and after lines are looked at too, ns: lines tell of those next to them, and words and clocks of
/// spans that are not open.
const AROUND_NS: i64 = 1_000_000_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Arrivals {
    pub(crate) spans: RecentSpans,
    pub(crate) watermarks: Watermarks,
    /// Those that are not due.
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    time: i64,
    /// The low half of the trace id that it names, 0 where it names none.
    trace: u64,
    source: u32,
}

/// Lines that are due.
#[derive(Debug)]
pub(crate) struct Selected {
    pub(crate) lines: DueLines,
    /// The low halves of the trace ids that they name.
    traces: Vec<u64>,
}

impl Arrivals {
    /// For the spans of an index.
    pub(crate) fn new(index: &SpanIndex) -> Arrivals {
        let spans = RecentSpans::new(index.words.seed(), index.limits());
        Arrivals { spans, watermarks: Watermarks::default(), lines: Vec::new() }
    }

    /// A line has come.
    pub(crate) fn add_line(&mut self, record: &Record<'_>) {
        let trace = record.entry.trace.trace_id.and_then(|id| id.last_chunk().copied()).map_or(0, u64::from_be_bytes);
        if let Some(time) = record.time {
            self.lines.push(Line { time, trace, source: record.source });
        }
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.spans.bytes() + self.watermarks.bytes() + self.lines.capacity() * size_of::<Line>()
    }

    /// Of each source with lines that are not decided: up to when all of their spans have come, `due` at least.
    pub(crate) fn settled(&self, sources: &Sources, due: i64, now: i64) -> NumberMap<u32, i64> {
        let mut settled: NumberMap<u32, i64> = NumberMap::default();
        for line in &self.lines {
            settled.entry(line.source).or_insert_with(|| {
                let writers = sources.of_source(line.source).iter();
                let settled = writers.map(|writer| self.watermarks.settled(&writer.resources, now));
                settled.min().flatten().map_or(due, |settled| settled.max(due))
            });
        }
        settled
    }

    /// The lines that are due, which are no longer waited for; those before `from` (ns since the epoch) are not looked at.
    pub(crate) fn due(&mut self, due: &Due, from: i64) -> Option<Selected> {
        let mut selected = Selected { lines: DueLines::default(), traces: Vec::new() };
        self.lines.retain(|line| {
            let due = due.up_to(line.source);
            if (from..=due).contains(&line.time) {
                selected.lines.add(line.source, line.time, due);
                selected.traces.extend((line.trace != 0).then_some(line.trace));
            }
            line.time > due
        });
        selected.lines.times().map(|_| selected)
    }

    /// Has the index show the spans that lines may lie in.
    pub(crate) fn show_around(&self, index: &mut SpanIndex, due: &Selected) {
        let Some((from, to)) = due.lines.times() else { return };
        let window = (from.saturating_sub(AROUND_NS), to.saturating_add(AROUND_NS));
        index.show(&self.spans, &self.spans.select(window, &due.traces));
    }

    /// Has the index show the spans of the traces that services of a sample have part in, as far as its lines may lie in them.
    pub(crate) fn show_traces(&self, index: &mut SpanIndex, sample: &Sample) {
        let (from, to) = sample.times;
        let window = (from.saturating_sub(AROUND_NS), to.saturating_add(AROUND_NS));
        let is_of = |resource| sample.services.contains(&index.resource(resource).service_number);
        let selected = self.spans.select_traces(window, is_of);
        index.show(&self.spans, &selected);
    }
}
