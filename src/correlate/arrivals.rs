//! What came along a stream and is not decided yet: spans, and the times of lines.
//!
//! In go spans and records as they come, out come the times of the lines that are due, and the spans that they may lie in.
//! What a line says is not looked at but for the trace that it names.

use super::index::{RecentSpans, SpanIndex};
use super::learn::Sample;
use crate::record::Record;

/// Spans so long before and after lines are looked at too, ns: lines tell of those next to them, and words and clocks of
/// spans that are not open.
const AROUND_NS: i64 = 1_000_000_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Arrivals {
    pub(crate) spans: RecentSpans,
    /// Of each line that is not due: its time, and the low half of the trace id that it names, 0 where it names none.
    lines: Vec<(i64, u64)>,
}

/// Lines that are due.
#[derive(Debug)]
pub(crate) struct Due {
    /// Of the first and the last.
    pub(crate) times: (i64, i64),
    /// The low halves of the trace ids that they name.
    traces: Vec<u64>,
}

impl Arrivals {
    /// For the spans of an index.
    pub(crate) fn new(index: &SpanIndex) -> Arrivals {
        let spans = RecentSpans::new(index.words.seed(), index.limits());
        Arrivals { spans, lines: Vec::new() }
    }

    /// A line has come.
    pub(crate) fn add_line(&mut self, record: &Record<'_>) {
        let trace = record.entry.trace.trace_id.and_then(|id| id.last_chunk().copied()).map_or(0, u64::from_be_bytes);
        if let Some(time) = record.time {
            self.lines.push((time, trace));
        }
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.spans.bytes() + self.lines.capacity() * size_of::<(i64, u64)>()
    }

    /// The lines up to `due`, which are no longer waited for; those before `from` are not looked at.
    pub(crate) fn due(&mut self, due: i64, from: i64) -> Option<Due> {
        let mut found: Option<Due> = None;
        self.lines.retain(|(time, trace)| {
            if (from..=due).contains(time) {
                let due = found.get_or_insert_with(|| Due { times: (*time, *time), traces: Vec::new() });
                due.times = (due.times.0.min(*time), due.times.1.max(*time));
                due.traces.extend((*trace != 0).then_some(*trace));
            }
            *time > due
        });
        found
    }

    /// Has the index show the spans that lines may lie in.
    pub(crate) fn show_around(&self, index: &mut SpanIndex, due: &Due) {
        let (from, to) = due.times;
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
