//! Records and traces to their destinations: the workers of a run, each with its shipper.
//!
//! In go a run, its links and its destinations, out come what was read and linked. Destinations are started and drained by
//! [`backfill`](super::backfill).

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::given_spans::Given;
use super::run::Run;
use super::unchanged::{passes_over, reading};
use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::known::KnownStream;
use crate::checkpoint::source_streams::SourceStreams;
use crate::checkpoint::trace_files::{self, KnownTraces};
use crate::counts::LinkCounts;
use crate::export::deliver::deliveries::BatchSender;
use crate::export::destination::Target;
use crate::export::linker::Linker;
use crate::export::logs::batcher::LogBatcher;
use crate::export::logs::encode;
use crate::export::outputs::{Outputs, RecordOutputs};
use crate::export::select::{Selection, Window};
use crate::export::shipped_source::ShippedSource;
use crate::export::shipper::{LogOutput, Shipper};
use crate::export::span_events::annotated_traces::{self, Sending};
use crate::export::span_events::carrier_batches;
use crate::export::span_events::carriers::Counts;
use crate::export::span_events::given_traces::GivenTraces;
use crate::export::span_events::held_events::HeldEvents;
use crate::export::span_events::span_batches::SPAN_BITS;
use crate::export::span_events::span_stream::SpanStream;
use crate::input::sources::Source;
use crate::reading::source::SourceReport;
use crate::run::Outcome;
use crate::run::config::BackfillConfig;

/// What ships the records and traces of a run; all workers share it.
pub(super) struct Shipping<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) config: &'a BackfillConfig,
    pub(super) selection: &'a Selection<'a>,
    pub(super) acknowledged: &'a Acknowledged,
    /// Destinations over the network, in the order in which they are remembered.
    pub(super) destinations: Vec<(&'a Target, BatchSender)>,
}

impl Shipping<'_> {
    /// Reads all sources, and ships their records with their links.
    pub(super) fn ship_records(
        &self,
        linker: Option<&dyn Linker>,
        outputs: &mut Outputs,
    ) -> (SourceReport, LinkCounts) {
        let records = &self.run.records;
        let workers = if outputs.wants_order() { 1 } else { self.config.workers.min(records.sources.len()).max(1) };
        let (order, next) = (records.order(workers), AtomicUsize::new(0));
        let total = Mutex::new((SourceReport::default(), LinkCounts::default()));
        let mut record_outputs = Some(outputs.record_outputs());
        thread::scope(|scope| {
            for _ in 0..workers {
                let mut shipper = self.shipper(linker, record_outputs.take().unwrap_or_default());
                let (order, next, total) = (&order, &next, &total);
                scope.spawn(move || {
                    while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Some(report) = self.ship_source(*index, &mut shipper) {
                            total.lock().unwrap_or_else(PoisonError::into_inner).0.add(report);
                        }
                    }
                    shipper.flush();
                    total.lock().unwrap_or_else(PoisonError::into_inner).1.add(&shipper.counts);
                });
            }
        });
        total.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shipper of one worker.
    pub(super) fn shipper<'o>(
        &'o self,
        linker: Option<&'o dyn Linker>,
        (links, outputs): RecordOutputs<'o>,
    ) -> Shipper<'o, SourceStreams<'o>> {
        let of_logs = self.destinations.iter().enumerate().filter(|(_, (target, _))| target.takes_logs);
        let log_output = |(destination, (_, sender)): (usize, &(&Target, BatchSender))| LogOutput {
            destination,
            sink: Box::new(sender.clone()),
            batcher: LogBatcher::new(encode::scope_field().into()),
            closed: self.config.dry_run,
        };
        Shipper {
            linker,
            min_confidence: self.config.read.linking.min_confidence,
            window: Window::new(self.config.select.since, self.config.select.until),
            selection: self.selection,
            rules: &self.config.read.input.rules,
            logs: of_logs.map(log_output).collect(),
            outputs,
            links,
            before: SourceStreams::new(self.acknowledged),
            observed: self.config.read.calendar.now_nanos as u64,
            counts: LinkCounts::default(),
            source: ShippedSource::default(),
        }
    }

    /// Links and ships the records of a source; `None` if all of them were acknowledged before, and it was not read.
    fn ship_source(&self, index: usize, shipper: &mut Shipper<'_, SourceStreams<'_>>) -> Option<SourceReport> {
        let records = &self.run.records;
        let source = &records.sources[index];
        let files = self.run.known_files(index, self.acknowledged);
        let reading = reading(source, records.reading.limits, &self.config.read.input.rules);
        if passes_over(shipper, &files, reading) {
            records.skip(index);
            return None;
        }
        shipper.before.source_begins(&source.writer, files);
        shipper.source_begins(shipped(source));
        let report = records.give(index, shipper);
        shipper.before.source_ends(reading, report.counts.records);
        Some(report)
    }

    /// The given traces with their lines on them, to the destinations that want them.
    pub(super) fn ship_traces(&self, given: &Given<'_>, held: &mut [HeldEvents], outcome: &mut Outcome) {
        let mut known = None;
        for (index, (target, sender)) in self.destinations.iter().enumerate() {
            let Some(events) = held.iter_mut().find(|events| events.destination == target.place) else { continue };
            let sent = if self.config.events.on_carriers {
                let carriers = || self.carriers(index);
                carrier_batches::send(given, events, sender, &carriers)
            } else {
                let files = known.get_or_insert_with(|| recognise_traces(given, self.acknowledged));
                let files = files.as_ref().map_err(|error| io::Error::other(error.to_string()));
                files.and_then(|files| self.ship_annotated(index, sender, files, given, events))
            };
            match sent {
                Ok(counts) => outcome.count_events(events, &counts),
                Err(error) => outcome.failures.push(format!("traces could not be read again: {error}")),
            }
        }
    }

    /// The given traces to one destination; `files`: what earlier runs knew of them.
    fn ship_annotated(
        &self,
        destination: usize,
        sender: &BatchSender,
        files: &[KnownTraces],
        given: &Given<'_>,
        events: &mut HeldEvents,
    ) -> io::Result<Counts> {
        let selected = self.selection.number();
        let file = |at: usize| {
            let KnownTraces { number, verified } = files[at];
            let stream = trace_files::stream(self.acknowledged, &given.paths[at], number, selected)?;
            Ok(span_stream(stream, destination, verified))
        };
        let carriers = || self.carriers(destination);
        annotated_traces::send(
            given,
            events,
            self.selection,
            &Sending { sink: sender, file: &file, carriers: &carriers },
        )
    }

    fn carriers(&self, destination: usize) -> SpanStream {
        span_stream(trace_files::carriers(self.acknowledged), destination, u64::MAX)
    }
}

/// A source, to those who ship its records.
pub(super) fn shipped(source: &Source) -> ShippedSource {
    ShippedSource::new(&source.writer, source.files.iter().map(|file| file.shown.clone()).collect())
}

fn recognise_traces(given: &Given<'_>, acknowledged: &Acknowledged) -> io::Result<Vec<KnownTraces>> {
    let file = |at| trace_files::recognise(acknowledged, SPAN_BITS, &mut |each| given.each_request(at, each));
    (0..given.files()).map(file).collect()
}

/// A stream to a target, whose spans are what they were up to this ordinal.
pub(super) fn span_stream(stream: KnownStream, target: usize, verified: u64) -> SpanStream {
    let known = stream.settled.into_iter().nth(target).flatten();
    let is_known = move |span: u64| span < verified && known.as_ref().is_some_and(|known| known.ranges.contains(span));
    SpanStream { key: stream.index, is_acknowledged: Box::new(is_known) }
}
