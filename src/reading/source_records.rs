//! The records of all sources, as often as they are wanted.
//!
//! In go the sources and what is held of them, out come records to whoever wants those of a source: from what is held, else
//! from its files. What becomes of them is not decided here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::held::{Followed, Held, Holder, Taken};
use super::source::{Reading, SourceReport, read_source};
use crate::calendar::CalendarSettings;
use crate::counts::around;
use crate::input::sources::Source;
use crate::record::Record;
use crate::record::sink::{RecordSink, SourceSink};

/// The records of all sources.
#[derive(Debug)]
pub(crate) struct SourceRecords<'a> {
    pub(crate) sources: &'a [Source],
    /// How each source's times are read.
    pub(crate) calendars: &'a [CalendarSettings],
    /// What was read of them before.
    pub(crate) held: &'a Held,
    pub(crate) reading: Reading<'a>,
}

impl SourceRecords<'_> {
    /// Gives all records of a source.
    pub(crate) fn give<S: SourceSink>(&self, index: usize, sink: &mut S) -> SourceReport {
        let is_stopped = || self.reading.stop.load(Ordering::Relaxed);
        if let Some(report) = self.held.give(index, &is_stopped, sink) {
            self.skip(index);
            return report;
        }
        let source = &self.sources[index];
        read_source(index as u32, source, &source.origin(), &self.calendars[index], &self.reading, sink)
    }

    /// Reads all sources, on this many threads, and holds `bytes_max` bytes of their records. `follow` makes, for each source,
    /// who is shown its files and their bytes as well; it comes back, whether they were read or not.
    pub(crate) fn hold<F: SourceSink + Send>(
        &self,
        workers: usize,
        bytes_max: usize,
        follow: impl Fn(&Source) -> F + Sync,
    ) -> (Held, Vec<F>) {
        let (next, taken) = (AtomicUsize::new(0), Taken::new(bytes_max));
        let order = self.order(workers);
        let read: Vec<Mutex<Option<Followed<F>>>> = self.sources.iter().map(|_| Mutex::default()).collect();
        thread::scope(|scope| {
            for _ in 0..workers.min(self.sources.len()) {
                scope.spawn(|| {
                    while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let follower = follow(&self.sources[*index]);
                        let held = self.hold_source(*index, &taken, follower);
                        *read[*index].lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
                    }
                });
            }
        });
        let read = read.into_iter().filter_map(|read| read.into_inner().unwrap_or_else(PoisonError::into_inner));
        let (sources, followers) = read.map(|Followed { source, follower }| (source, follower)).unzip();
        (Held::new(sources), followers)
    }

    fn hold_source<F: SourceSink>(&self, index: usize, taken: &Taken, follower: F) -> Followed<F> {
        let mut holder = Holder::new(taken, follower);
        if holder.may_fit(self.bytes(index)) {
            let report = self.give(index, &mut holder);
            holder.finish(report)
        } else {
            self.skip(index);
            holder.unread()
        }
    }

    /// From when to when the records are; `None` without any time.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        let mut times = Times(None);
        for index in 0..self.sources.len() {
            match self.held.times(index) {
                held @ Some(_) => times.0 = around(times.0, held),
                None => drop(self.give(index, &mut times)),
            }
        }
        times.0
    }

    /// With one worker the order of the sources; with more the largest first, so that they end together.
    pub(crate) fn order(&self, workers: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sources.len()).collect();
        if workers > 1 {
            order.sort_by_key(|index| std::cmp::Reverse(self.bytes(*index)));
        }
        order
    }

    /// The files of a source are not read for it.
    pub(crate) fn skip(&self, index: usize) {
        self.reading.bytes_read.fetch_add(self.bytes(index), Ordering::Relaxed);
    }

    /// Bytes of the files of a source.
    fn bytes(&self, index: usize) -> u64 {
        self.sources[index].files.iter().map(|file| file.size).sum()
    }
}

struct Times(Option<(i64, i64)>);

impl RecordSink for Times {
    fn record(&mut self, record: &Record<'_>) {
        self.0 = around(self.0, record.time.map(|time| (time, time)));
    }
}

impl SourceSink for Times {}
