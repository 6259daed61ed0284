//! Records to their destinations a window of time after the other.
//!
//! In go windows whose lines are decided, out go the records of each source in order. Destinations are the same as of
//! [`shipping`](super::shipping), with what they have gathered from window to window.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Mutex, PoisonError};

use super::run::Run;
use super::shipping::{Shipping, shipped};
use super::windows::Windows;
use crate::checkpoint::acknowledged::{Acknowledged, Resending};
use crate::checkpoint::followed_files::FollowedFiles;
use crate::checkpoint::source_streams::SourceStreams;
use crate::correlate::Correlator;
use crate::export::linker::Linker;
use crate::export::outputs::RecordOutputs;
use crate::export::select::{ErrorsOfTraces, Selection, TraceId, Window};
use crate::export::shipped_source::ShippedSource;
use crate::export::shipper::{LinkedBy, Shipper};
use crate::record::sink::SourceSink;
use crate::record::{Link, Record, Unlinked};
use crate::run::Outcome;
use crate::run::config::BackfillConfig;
use crate::spans::by_time::SpansByTime;

/// Links of records that were decided before what stands in front of them: by file, offset and piece.
type EarlyLinks = HashMap<(u32, u64, u32), Result<Link, Unlinked>>;

/// What identifies a record among those of its source.
fn key(record: &Record<'_>) -> (u32, u64, u32) {
    (record.position.file, record.position.offset, record.piece)
}

/// Links that are decided: in this window, or in one before.
struct DecidedLinks<'d> {
    correlator: &'d Correlator,
    early: EarlyLinks,
}

impl Linker for DecidedLinks<'_> {
    fn link(&self, record: &Record<'_>) -> Result<Link, Unlinked> {
        let early = if self.early.is_empty() { None } else { self.early.get(&key(record)) };
        early.copied().unwrap_or_else(|| self.correlator.link(record))
    }
}

/// What a shipper knows of a source between two windows.
struct ShippedBefore<'a> {
    streams: SourceStreams<'a>,
    source: ShippedSource,
    window: Window,
    /// Links that were decided in windows before.
    early: EarlyLinks,
}

impl<'a> ShippedBefore<'a> {
    /// To the shipper, or back from it.
    fn swap(&mut self, shipper: &mut Shipper<'_, SourceStreams<'a>>) {
        std::mem::swap(&mut self.streams, &mut shipper.before);
        std::mem::swap(&mut self.source, &mut shipper.source);
        std::mem::swap(&mut self.window, &mut shipper.window);
    }
}

impl Shipping<'_> {
    /// Reads all sources within the memory of the run, and ships their records. `spans`: those that the correlator does not
    /// hold as a whole.
    pub(super) fn ship_in_windows<'o>(
        &'o self,
        correlator: &mut Correlator,
        mut spans: Option<&mut SpansByTime>,
        outputs: RecordOutputs<'o>,
        workers: usize,
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        let mut windows = Windows::new(self.run, workers, self.config.read.memory, self.acknowledged);
        if self.config.select.asks_for_errors() {
            windows = windows.twice();
        }
        let mut outputs = Some(outputs);
        let mut shippers: Vec<Shipper<'_, SourceStreams<'_>>> =
            (0..workers).map(|_| self.shipper(None, outputs.take().unwrap_or_default())).collect();
        let before: Vec<Mutex<Option<Box<ShippedBefore<'_>>>>> =
            self.run.records.sources.iter().map(|_| Mutex::default()).collect();
        let mut result = Ok(());
        while !self.run.monitor.is_interrupted() {
            let window = match windows.next(correlator, spans.as_deref_mut()) {
                Ok(window) => window,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            };
            let correlator = &*correlator;
            windows.sources.each(&mut shippers, &|shipper, index, source| {
                let Some(follower) = source.follower() else { return };
                let mut kept = before[index].lock().unwrap_or_else(PoisonError::into_inner);
                let before = kept.get_or_insert_with(|| Box::new(self.before(index, follower)));
                before.swap(shipper);
                shipper.before.files_were_read(follower.read());
                let linker = DecidedLinks { correlator, early: std::mem::take(&mut before.early) };
                let is_stopped = || self.run.monitor.is_interrupted();
                let sink = &mut LinkedBy { shipper, linker: &linker };
                source.give(index, window.due, &is_stopped, windows.sources.room(), sink);
                sink.given_up_to(None);
                before.swap(sink.shipper);
                // Those that were decided and stand behind one that was not.
                source.each_up_to(index, window.due, |record| {
                    before.early.insert(key(record), linker.link(record));
                });
                if source.is_over() {
                    windows.sources.close(source);
                    *kept = None;
                }
            });
            if window.is_last {
                break;
            }
        }
        for mut shipper in shippers {
            shipper.flush();
            outcome.links.add(&shipper.counts);
        }
        outcome.windows = windows.number();
        outcome.memory = windows.memory_used();
        outcome.read = windows.sources.end();
        result
    }

    /// Which traces have a line from ERROR on: all lines are linked as they are when they are shipped, and go nowhere.
    pub(super) fn errors_in_windows(
        run: &Run<'_>,
        config: &BackfillConfig,
        correlator: &mut Correlator,
        mut spans: Option<&mut SpansByTime>,
    ) -> io::Result<HashSet<TraceId>> {
        let (selection, nobody) = (Selection::default(), Acknowledged::new(&[], None, Resending::default()));
        let shipping = Shipping { run, config, selection: &selection, acknowledged: &nobody, destinations: Vec::new() };
        let (mut errors, mut unsaid) = (ErrorsOfTraces::default(), Outcome::default());
        let outputs: RecordOutputs<'_> = (None, vec![&mut errors]);
        shipping.ship_in_windows(correlator, spans.as_deref_mut(), outputs, 1, &mut unsaid)?;
        if let Some(spans) = spans {
            spans.restart();
        }
        Ok(errors.traces)
    }

    /// Before the first record of a source.
    fn before<'s>(&'s self, index: usize, files: &FollowedFiles<'_>) -> ShippedBefore<'s> {
        let of_files = &self.run.records.sources[index];
        let mut streams = SourceStreams::new(self.acknowledged);
        streams.source_begins(&of_files.writer, files.for_records());
        let window = Window::new(self.config.select.since, self.config.select.until);
        ShippedBefore { streams, source: shipped(of_files), window, early: EarlyLinks::new() }
    }
}
