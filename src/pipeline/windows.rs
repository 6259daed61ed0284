//! Sources of any size, linked a window of time after the other within a given memory.
//!
//! In go sources and spans, out come records with their links, of each source in the order of its lines. All sources are read
//! side by side, as far as there is room; then the spans of that time are taken in, the lines shown to the correlator,
//! decided and given on. What was learned goes with it from window to window.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::run::{Observer, Run, recognise};
use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::followed_files::FollowedFiles;
use crate::correlate::{Correlator, Memory};
use crate::input::sources::Source;
use crate::reading::source::SourceReport;
use crate::reading::source_records::SourceRecords;
use crate::reading::window_source::{Room, WindowSource};
use crate::run::budget::Budget;
use crate::spans::by_time::SpansByTime;

/// Spans that begin so much later than a line are taken in with it: more than any clock or rounded time is off.
const SPANS_LATER_NS: i64 = 5_000_000_000;
/// Lines so close to the end of what was read wait for the next window: what comes after them tells of them too.
const LAG_NS: i64 = 10_000_000_000;
/// Files that are open at once; others are closed between two turns.
const OPEN_FILES_MAX: usize = 256;
/// Bytes of a file that are read in one go, at least and at most.
const PART_BYTES: (usize, usize) = (4 << 10, 256 << 10);
/// How far sources are read on at once, ns: at first.
const STEP_NS: i64 = 1_000_000_000;
/// What a step adds is kept between these parts of the room.
const STEP_PARTS: (i64, i64) = (32, 8);
/// This part of the room is read for each window, whatever waits from before: a window of a few lines teaches nothing.
const LEAST_PART: i64 = 4;

/// See the module.
pub(super) struct Windows<'r> {
    run: &'r Run<'r>,
    workers: usize,
    sources: Vec<Mutex<WindowSource<FollowedFiles<'r>>>>,
    budget: Budget,
    room: Room,
    /// How far sources are read on at once.
    step: i64,
    /// Of the last window: up to when lines were shown, and decided.
    shown: i64,
    due: i64,
    /// The earliest time of a line.
    first: i64,
    number: u64,
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
        let SourceRecords { sources, calendars, reading, .. } = &run.records;
        let part = budget.held_bytes / 32 / sources.len().max(1);
        let part = part.clamp(PART_BYTES.0, PART_BYTES.1);
        let source = |(index, source): (usize, &Source)| {
            let files = FollowedFiles::new(recognise(source, acknowledged, reading), Some(acknowledged));
            Mutex::new(WindowSource::new(
                index,
                &source.origin(),
                &calendars[index],
                reading,
                files,
                source.times.first,
                part,
            ))
        };
        let sources: Vec<_> = sources.iter().enumerate().map(source).collect();
        Windows {
            run,
            workers: workers.min(sources.len()).max(1),
            sources,
            room: Room::new(budget.held_bytes),
            budget,
            step: STEP_NS,
            shown: i64::MIN,
            due: i64::MIN,
            first: i64::MIN,
            number: 0,
        }
    }

    /// Reads the next window, and has its lines decided. `spans`: those that are not in the correlator as a whole.
    pub(super) fn next(&mut self, correlator: &mut Correlator, spans: Option<&mut SpansByTime>) -> io::Result<Window> {
        self.fill();
        if self.number == 0 {
            self.first =
                self.all().filter_map(|source| source.times()).map(|(first, _)| first).min().unwrap_or(i64::MIN);
        }
        let (before, due_before) = (self.shown, self.due);
        let mut up_to = self.reached().unwrap_or(i64::MAX);
        if let Some(spans) = &spans {
            let least = before.saturating_add(1);
            up_to = up_to.min(spans.up_to_spans(self.budget.spans, least)).max(least);
        }
        let is_last = up_to == i64::MAX && self.has_ended();
        let mut due = if up_to == i64::MAX { up_to } else { up_to.saturating_sub(self.lag(up_to)).max(due_before) };
        if self.room.left() < -i64::try_from(self.budget.held_bytes).unwrap_or(i64::MAX) {
            // Sources whose times go back are all that is read by now.
            (up_to, due) = (up_to.max(self.last_time()), up_to.max(self.last_time()));
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
        for (index, source) in self.sources.iter_mut().enumerate() {
            let source = source.get_mut().unwrap_or_else(PoisonError::into_inner);
            let teaches = correlator.source_begins(index as u32, &self.run.records.sources[index].origin());
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

    /// Hands each source to `take`, on as many threads as there are takers.
    pub(super) fn each<T: Send>(
        &self,
        takers: &mut [T],
        take: &(dyn Fn(&mut T, usize, &mut WindowSource<FollowedFiles<'r>>) + Sync),
    ) {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for taker in takers {
                let next = &next;
                scope.spawn(move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(source) = self.sources.get(index) else { break };
                        take(taker, index, &mut source.lock().unwrap_or_else(PoisonError::into_inner));
                    }
                });
            }
        });
    }

    /// How many there were.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Room that records gave back is there again.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// No more is read; what reading came to.
    pub(super) fn end(self) -> SourceReport {
        let mut all = SourceReport::default();
        for (source, of_files) in self.sources.into_iter().zip(self.run.records.sources) {
            let mut source = source.into_inner().unwrap_or_else(PoisonError::into_inner);
            source.end(of_files, &self.room);
            all.add(source.report().clone());
        }
        all
    }

    /// Reads all sources side by side until there is no more room or nothing to read.
    fn fill(&mut self) {
        let all = i64::try_from(self.budget.held_bytes).unwrap_or(i64::MAX);
        self.room.allow(all / LEAST_PART);
        while self.room.is_left() && !self.run.monitor.is_interrupted() {
            let Some(up_to) = self.up_to() else { return };
            let before = self.room.left();
            self.read_up_to(up_to);
            let added = before - self.room.left();
            if added < all / STEP_PARTS.0 {
                self.step = self.step.saturating_mul(2);
            } else if added > all / STEP_PARTS.1 {
                self.step = (self.step / 2).max(1);
            }
        }
    }

    /// Up to when sources are read next; `None` where all was read.
    fn up_to(&mut self) -> Option<i64> {
        let not_begun = self.all().any(|source| source.is_behind(i64::MIN));
        let up_to = match self.reached() {
            Some(reached) => reached.saturating_add(self.step),
            // What nothing is known of yet is looked at first.
            None if not_begun => i64::MIN,
            None => i64::MAX,
        };
        self.all().any(|source| source.is_behind(up_to)).then_some(up_to)
    }

    fn read_up_to(&self, up_to: i64) {
        let mut takers: Vec<()> = vec![(); self.workers];
        self.each(&mut takers, &|(), index, source| {
            if source.is_behind(up_to) {
                let records = &self.run.records;
                source.read(up_to, &records.sources[index], &records.reading, &self.room);
                if index >= OPEN_FILES_MAX {
                    source.close_file();
                }
            }
        });
    }

    fn all(&mut self) -> impl Iterator<Item = &mut WindowSource<FollowedFiles<'r>>> {
        self.sources.iter_mut().map(|source| source.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// Up to when all sources were read whose lines have times; `None` where there is none.
    fn reached(&mut self) -> Option<i64> {
        self.all().filter_map(|source| source.reached()).min()
    }

    fn has_ended(&mut self) -> bool {
        let is_interrupted = self.run.monitor.is_interrupted();
        self.all().all(|source| source.has_ended()) || is_interrupted
    }

    fn last_time(&mut self) -> i64 {
        self.all().filter_map(|source| source.times()).map(|(_, last)| last).max().unwrap_or(i64::MIN)
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
