//! Sources of any size, linked a window of time after the other within a given memory.
//!
//! In go sources and spans, out come records with their links, of each source in the order of its lines. All sources are read
//! side by side, as far as there is room; then the spans of that time are taken in, the lines shown to the correlator,
//! decided and given on. What was learned goes with it from window to window.

use std::io;
use std::sync::atomic::Ordering;

use super::run::{Observer, Run, recognise};
use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::followed_files::FollowedFiles;
use crate::correlate::{Correlator, Memory};
use crate::input::sources::Source;
use crate::reading::side_by_side::SideBySide;
use crate::reading::source_records::SourceRecords;
use crate::run::budget::{Budget, MemoryUse};
use crate::spans::by_time::SpansByTime;

/// Spans that begin so much later than a line are taken in with it: more than any clock or rounded time is off.
const SPANS_LATER_NS: i64 = 5_000_000_000;
/// Lines so close to the end of what was read wait for the next window: what comes after them tells of them too.
const LAG_NS: i64 = 10_000_000_000;
/// See the module.
pub(super) struct Windows<'r> {
    pub(super) sources: SideBySide<'r, FollowedFiles<'r>>,
    records: &'r SourceRecords<'r>,
    budget: Budget,
    /// Of the last window: up to when lines were shown, and decided.
    shown: i64,
    due: i64,
    /// The earliest time of a line.
    first: i64,
    number: u64,
    /// What records and spans took at most.
    most: MemoryUse,
    /// Readings of a run with traces that its progress counts, less those that there are here, for each of these.
    readings_spared: u64,
}

/// A window whose lines are decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Up to when.
    pub(super) due: i64,
    /// No other one follows.
    pub(super) is_last: bool,
}

impl<'r> Windows<'r> {
    /// Before the first window. `acknowledged`: what earlier runs sent, where lines are to be sent.
    pub(super) fn new(run: &'r Run<'r>, workers: usize, budget: Budget, acknowledged: &'r Acknowledged) -> Windows<'r> {
        let records = &run.records;
        let follow = move |source: &Source| {
            FollowedFiles::new(recognise(source, acknowledged, &records.reading), Some(acknowledged))
        };
        let sources = SideBySide::new(records, workers, budget.held_bytes, Box::new(follow));
        Windows {
            sources,
            records,
            budget,
            shown: i64::MIN,
            due: i64::MIN,
            first: i64::MIN,
            number: 0,
            most: MemoryUse::default(),
            readings_spared: 2,
        }
    }

    /// Reads the next window, and has its lines decided. `spans`: those that are not in the correlator as a whole.
    pub(super) fn next(&mut self, correlator: &mut Correlator, spans: Option<&mut SpansByTime>) -> io::Result<Window> {
        let progress = self.records.reading.bytes_read;
        let read_before = progress.load(Ordering::Relaxed);
        self.sources.fill();
        progress.fetch_add(self.readings_spared * (progress.load(Ordering::Relaxed) - read_before), Ordering::Relaxed);
        let times = self.sources.times();
        if self.number == 0 {
            self.first = times.map_or(i64::MIN, |(first, _)| first);
        }
        let (before, due_before) = (self.shown, self.due);
        let mut up_to = self.sources.reached().unwrap_or(i64::MAX);
        if let Some(spans) = &spans {
            let least = before.saturating_add(1);
            up_to = up_to.min(spans.up_to_spans(self.budget.spans, least)).max(least);
        }
        let is_last = up_to == i64::MAX && self.sources.has_ended();
        let mut due = if up_to == i64::MAX { up_to } else { up_to.saturating_sub(self.lag(up_to)).max(due_before) };
        if self.sources.is_overfull() {
            // Sources whose times go back are all that is read by now.
            let last = times.map_or(i64::MIN, |(_, last)| last);
            (up_to, due) = (up_to.max(last), up_to.max(last));
        }
        let memory = self.memory(up_to);
        if let Some(spans) = spans {
            correlator.renew_spans();
            let from = if self.number == 0 { i64::MIN } else { memory.spans_from(due_before) };
            spans.each_between(from, up_to.saturating_add(SPANS_LATER_NS), &mut |resource, span| {
                correlator.add_span(resource, span);
            })?;
        }
        correlator.spans_are_in();
        self.most.spans = self.most.spans.max(correlator.index().bytes());
        self.most.records = self.most.records.max(self.sources.held_bytes());
        for (index, source) in self.sources.all().enumerate() {
            let teaches = correlator.source_begins(index as u32, &self.records.sources[index].origin());
            // Where no span is near, nothing is learned.
            if teaches && source.times().is_some_and(|times| correlator.has_spans_between(times)) {
                source.show(index, (before, up_to), &mut Observer(correlator));
            } else {
                source.skip();
            }
        }
        if is_last && self.number == 0 {
            correlator.settle();
        } else {
            correlator.decide_up_to(due, memory);
        }
        (self.shown, self.due) = (up_to, due);
        self.number += 1;
        Ok(Window { due, is_last })
    }

    /// All are gone through twice: what belongs together is learned each time.
    pub(super) fn twice(self) -> Windows<'r> {
        Windows { readings_spared: 1, ..self }
    }

    /// What records and spans took at most.
    pub(super) fn memory_used(&self) -> MemoryUse {
        self.most
    }

    /// How many there were.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Shorter than the window by far.
    fn lag(&self, up_to: i64) -> i64 {
        LAG_NS.min(up_to.saturating_sub(self.due.max(self.first)).max(0) / 8)
    }

    /// Lines before the window are looked at for as long as they are few against it.
    fn memory(&self, up_to: i64) -> Memory {
        let usual = Memory::default();
        let window = up_to.saturating_sub(self.due.max(self.first)).max(0);
        Memory { nanos: usual.nanos.min(window / 4), half_life: usual.half_life.max(window) }
    }
}
