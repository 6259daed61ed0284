//! One run over the sources, whose records may be wanted several times.
//!
//! In go what was found and read so far, out come records to whoever wants those of a source: from what is held, else from
//! its files. What becomes of them is not decided here.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::held::{Held, HeldSource, Holder, Taken};
use super::source_state::recognise;
use crate::calendar::CalendarSettings;
use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::source_files::SourceFiles;
use crate::correlate::Correlator;
use crate::input::sources::Source;
use crate::reading::source::{Reading, SourceReport, read_source};
use crate::record::Record;
use crate::record::sink::{RecordSink, SourceSink};
use crate::run::config::ReadConfig;
use crate::run::monitor::Monitor;
use crate::services::Services;

/// One run over the sources.
pub(crate) struct Run<'a> {
    pub(crate) config: &'a ReadConfig,
    /// Files of traces.
    pub(crate) traces: &'a [PathBuf],
    pub(crate) sources: &'a [Source],
    pub(crate) calendars: &'a [CalendarSettings],
    pub(crate) held: &'a Held,
    pub(crate) monitor: &'a Arc<Monitor>,
    /// See [`Reading`].
    pub(crate) spare: Mutex<Vec<Vec<u8>>>,
    /// See [`Reading`].
    pub(crate) services: &'a Services,
}

impl Run<'_> {
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading {
            limits: self.config.input.limits,
            keep_ansi: self.config.input.keep_ansi,
            journal_fields: self.config.input.journal_fields,
            bytes_read: self.monitor.bytes_read(),
            stop: self.monitor.interrupted(),
            spare: &self.spare,
            services: self.services,
        }
    }

    /// Gives all records of a source.
    pub(crate) fn read<S: SourceSink>(&self, index: usize, sink: &mut S) -> SourceReport {
        let is_stopped = || self.monitor.is_interrupted();
        if let Some(report) = self.held.give(index, &is_stopped, sink) {
            self.skip(index);
            return report;
        }
        let source = &self.sources[index];
        read_source(index as u32, source, &source.origin(), &self.calendars[index], &self.reading(), sink)
    }

    /// Reads all sources, on this many threads, as far as there is room for them. `acknowledged`: what earlier runs sent, where
    /// lines are to be sent.
    pub(super) fn hold(&self, workers: usize, acknowledged: Option<&Acknowledged>) -> Held {
        let (next, taken) = (AtomicUsize::new(0), Taken::default());
        let order = self.order(workers);
        let sources: Vec<Mutex<HeldSource>> = self.sources.iter().map(|_| Mutex::default()).collect();
        thread::scope(|scope| {
            for _ in 0..workers.min(self.sources.len()) {
                scope.spawn(|| {
                    while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let held = self.hold_source(*index, &taken, acknowledged);
                        *sources[*index].lock().unwrap_or_else(PoisonError::into_inner) = held;
                    }
                });
            }
        });
        let sources = sources.into_iter();
        Held::new(sources.map(|source| source.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
    }

    fn hold_source(&self, index: usize, taken: &Taken, acknowledged: Option<&Acknowledged>) -> HeldSource {
        let source = &self.sources[index];
        let known = acknowledged.map(|acknowledged| recognise(source, acknowledged, &self.reading()));
        let mut holder = Holder::new(known.map(SourceFiles::new).unwrap_or_default(), acknowledged, taken);
        if holder.may_fit(self.bytes(index)) {
            let report = self.read(index, &mut holder);
            HeldSource::new(holder, report)
        } else {
            self.skip(index);
            HeldSource::unread(holder)
        }
    }

    /// Learns what belongs together.
    pub(crate) fn observe(&self, correlator: &mut Correlator, keeps_evidence: bool) {
        if keeps_evidence {
            correlator.keep_evidence();
        }
        correlator.settle_spans();
        for (index, source) in self.sources.iter().enumerate() {
            // Where no span is near, nothing is learned.
            let is_away = self.held.times(index).is_some_and(|times| !correlator.has_spans_between(times));
            if correlator.source_begins(index as u32, &source.origin()) && (keeps_evidence || !is_away) {
                self.read(index, &mut Observer(correlator));
            } else {
                self.skip(index);
            }
        }
        correlator.settle();
    }

    /// With one worker the order of the sources; with more the largest first, so that they end together.
    pub(super) fn order(&self, workers: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sources.len()).collect();
        if workers > 1 {
            order.sort_by_key(|index| std::cmp::Reverse(self.bytes(*index)));
        }
        order
    }

    /// The files of a source are not read for it.
    pub(crate) fn skip(&self, index: usize) {
        self.monitor.bytes_read().fetch_add(self.bytes(index), Ordering::Relaxed);
    }

    /// Bytes of the files of a source.
    fn bytes(&self, index: usize) -> u64 {
        self.sources[index].files.iter().map(|file| file.size).sum()
    }
}

/// Shows each record to the correlator.
struct Observer<'c>(&'c mut Correlator);

impl RecordSink for Observer<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.0.observe(record);
    }
}

impl SourceSink for Observer<'_> {}
