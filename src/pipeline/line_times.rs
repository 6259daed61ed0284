//! From when to when the lines lie, for the traces that a store is asked for.
//!
//! In go the sources, out comes their range of time: all lines are read once for it.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::config::{ReadConfig, SelectConfig};
use super::source::{Reading, SourceSink, read_source};
use crate::assemble::RecordSink;
use crate::calendar::fit;
use crate::input::sources::Source;
use crate::notify::Say;
use crate::record::Record;

/// Lines may be written this long before their span's start is, by clocks and buffers.
const AFTER: i64 = 5_000_000_000;

/// From when to when the lines lie; `None` without any time.
pub(super) fn window(
    config: &ReadConfig,
    select: &SelectConfig,
    sources: &[Source],
    stop: &AtomicBool,
    say: &Say,
) -> Option<(i64, i64)> {
    let samples: Vec<_> = sources.iter().map(Source::sample).collect();
    let calendars = fit::calendars(&config.calendar, &samples, &BTreeSet::new(), &**say);
    let bytes_read = Arc::default();
    let spare = Mutex::default();
    let reading = Reading {
        limits: config.input.limits,
        keep_ansi: false,
        journal_fields: false,
        bytes_read: &bytes_read,
        stop,
        spare: &spare,
        services: &Default::default(),
    };
    let mut times = Times(None);
    for (index, source) in sources.iter().enumerate() {
        let origin = Arc::new(source.origin.clone());
        read_source(index as u32, source, &origin, &calendars[index], &reading, &mut times);
    }
    let (first, last) = times.0?;
    let first = select.since.map_or(first, |since| first.max(since));
    let last = select.until.map_or(last, |until| last.min(until));
    Some((first, last.saturating_add(AFTER)))
}

struct Times(Option<(i64, i64)>);

impl RecordSink for Times {
    fn record(&mut self, record: &Record<'_>) {
        if let Some(time) = record.time {
            let (first, last) = self.0.unwrap_or((time, time));
            self.0 = Some((first.min(time), last.max(time)));
        }
    }
}

impl SourceSink for Times {}
