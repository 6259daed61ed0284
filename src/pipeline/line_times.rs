//! From when to when the lines are, for the traces that a store is asked for.

use super::config::SelectConfig;
use super::run::Run;
use super::source::SourceSink;
use crate::assemble::RecordSink;
use crate::record::Record;

/// Lines may be written this long before their span's start is, by clocks and buffers.
const AFTER: i64 = 5_000_000_000;

/// From when to when the lines are; `None` without any time.
pub(super) fn window(run: &Run<'_>, select: &SelectConfig) -> Option<(i64, i64)> {
    let mut times = Times(None);
    for index in 0..run.sources.len() {
        match run.held.times(index) {
            Some((first, last)) => [first, last].into_iter().for_each(|time| times.add(time)),
            None => drop(run.read(index, &mut times)),
        }
    }
    let (first, last) = times.0?;
    let first = select.since.map_or(first, |since| first.max(since));
    let last = select.until.map_or(last, |until| last.min(until));
    Some((first, last.saturating_add(AFTER)))
}

struct Times(Option<(i64, i64)>);

impl Times {
    fn add(&mut self, time: i64) {
        let (first, last) = self.0.unwrap_or((time, time));
        self.0 = Some((first.min(time), last.max(time)));
    }
}

impl RecordSink for Times {
    fn record(&mut self, record: &Record<'_>) {
        record.time.into_iter().for_each(|time| self.add(time));
    }
}

impl SourceSink for Times {}
