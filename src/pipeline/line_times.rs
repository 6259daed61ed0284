//! From when to when the lines are, for the traces that a store is asked for.

use super::run::Run;
use crate::counts::around;
use crate::record::Record;
use crate::record::sink::{RecordSink, SourceSink};
use crate::run::config::SelectConfig;

/// Lines may be written this long before their span's start is, by clocks and buffers.
const AFTER: i64 = 5_000_000_000;

/// From when to when the lines are; `None` without any time.
pub(super) fn window(run: &Run<'_>, select: &SelectConfig) -> Option<(i64, i64)> {
    let mut times = Times(None);
    for index in 0..run.sources.len() {
        match run.held.times(index) {
            held @ Some(_) => times.0 = around(times.0, held),
            None => drop(run.read(index, &mut times)),
        }
    }
    let (first, last) = times.0?;
    let first = select.since.map_or(first, |since| first.max(since));
    let last = select.until.map_or(last, |until| last.min(until));
    Some((first, last.saturating_add(AFTER)))
}

struct Times(Option<(i64, i64)>);

impl RecordSink for Times {
    fn record(&mut self, record: &Record<'_>) {
        self.0 = around(self.0, record.time.map(|time| (time, time)));
    }
}

impl SourceSink for Times {}
