//! A backfill: finds, learns, links and ships, then drains.
//!
//! In goes a [`BackfillConfig`], out comes what was read, linked and delivered. Order of things: find sources, read the
//! traces; if there are any, read all lines, hold their records and learn what belongs together; link and ship; then the
//! traces with their lines on them, then the outcome.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::error::PipelineError;
use super::inputs::{self, Inputs};
use super::learned::Learned;
use super::learning::Learning;
use super::run::Run;
use super::ship::{LogOutput, Shipper};
use super::source_state::{SourceState, recognise};
use super::span_lookups::{self, Given};
use super::traces_with_errors;
use crate::checkpoint::acknowledged::{Acknowledged, KnownStream, Resending};
use crate::checkpoint::ledger::FILES_MAX;
use crate::checkpoint::saver::{Saver, save_at_intervals};
use crate::checkpoint::source_files::SourceFiles;
use crate::checkpoint::store::Store;
use crate::checkpoint::trace_files::{self, KnownTraces};
use crate::correlate::Correlator;
use crate::counts::LinkCounts;
use crate::export::deliver::connecting;
use crate::export::deliver::deliveries::{self, BatchSender, Deliveries};
use crate::export::destination::{Target, targets};
use crate::export::formats::held_lines::HeldLines;
use crate::export::logs::batcher::LogBatcher;
use crate::export::logs::encode;
use crate::export::outputs::{Outputs, OutputsConfig};
use crate::export::select::{Selection, Window};
use crate::export::span_events::annotated_traces::{self, Sending};
use crate::export::span_events::carrier_batches;
use crate::export::span_events::given_traces::GivenTraces;
use crate::export::span_events::held_events::HeldEvents;
use crate::export::span_events::span_batches::SPAN_BITS;
use crate::export::span_events::span_stream::SpanStream;
use crate::input::sources::Source;
use crate::notify::Notify;
use crate::reading::source::SourceReport;
use crate::run::Outcome;
use crate::run::config::BackfillConfig;
use crate::run::monitor::Monitor;

/// What a backfill came to, and what is left to show.
pub struct Finished<'c> {
    /// What it came to.
    pub outcome: Outcome,
    /// Lines for the terminal.
    pub lines: Option<HeldLines>,
    /// Which of them, and which traces, are shown.
    pub selection: Arc<Selection<'c>>,
    /// The spans.
    pub correlator: Option<Correlator>,
    /// All that were read.
    pub sources: Vec<Source>,
}

/// Runs a backfill. The monitor ends it early and shows its status; `notify` shows messages at once.
pub fn backfill<'c>(
    config: &'c BackfillConfig,
    monitor: &Arc<Monitor>,
    notify: &Notify,
) -> Result<Finished<'c>, PipelineError> {
    // First of all: nothing is opened for writing that is read.
    let inputs = Inputs::find(&config.read, config.state.as_deref(), monitor.interrupted(), notify);
    inputs.protect(&config.read, &inputs::outputs(config))?;
    // A state folder that another run uses is reported before the lines are read.
    let store = config.state.as_deref().filter(|_| !config.dry_run).map(Store::open).transpose()?;
    if let Some(note) = store.as_ref().and_then(Store::unlocked) {
        notify(note);
    }
    let targets = targets(&config.destinations);
    if config.read.traces.are_given() && !config.dry_run {
        // All is read once before anything is sent.
        connecting::try_each(targets.iter().map(|(_, target, _)| target.clone()).collect(), notify.clone());
    }
    let acknowledged = acknowledged(config, &targets, store.as_ref(), notify)?;
    let learning = Learning { keeps_evidence: false, workers: config.workers, acknowledged: Some(&acknowledged) };
    let (learned, mut outcome) = Learned::new(&config.read, &config.select, inputs, learning, monitor, notify)?;
    outcome.dry_run = config.dry_run;
    acknowledged.set_traced(outcome.traces.spans > 0);
    let correlator = learned.correlator.as_ref();
    let saver = store.map(|store| Arc::new(Saver::new(store, acknowledged.clone())));
    let remembered = Remembered { acknowledged, saver };
    let (lines, selection) =
        learned.run(monitor).ship(config, targets, correlator, remembered, &mut outcome, notify)?;
    Ok(Finished { outcome, lines, selection, correlator: learned.correlator, sources: learned.sources })
}

/// What is remembered of this run and those before, and who writes it down.
struct Remembered {
    acknowledged: Arc<Acknowledged>,
    saver: Option<Arc<Saver>>,
}

impl Run<'_> {
    /// Links all records, and ships them to every destination. Returns what is left to show.
    fn ship<'c>(
        &self,
        config: &'c BackfillConfig,
        targets: Vec<(usize, Target, bool)>,
        correlator: Option<&Correlator>,
        Remembered { acknowledged, saver }: Remembered,
        outcome: &mut Outcome,
        notify: &Notify,
    ) -> Result<(Option<HeldLines>, Arc<Selection<'c>>), PipelineError> {
        let mut outputs = Outputs::open(&OutputsConfig {
            links: config.links.as_deref(),
            destinations: if config.dry_run { &[] } else { &config.destinations },
            events: (!self.traces.is_empty()).then_some(config.events),
            held_bytes_max: config.events.held_bytes_max,
            fields: config.text.fields,
            observed: config.read.calendar.now_nanos,
        })?;
        let spans = span_lookups::of(correlator);
        let lines_with_errors = || traces_with_errors::find(self, &config.select, correlator);
        let selection = Arc::new(Selection::new(&config.select.only, spans, lines_with_errors));
        saver.iter().for_each(|saver| self.monitor.save_with(saver.clone()));
        let (deliveries, senders) = self.deliver(config, &targets, &acknowledged, saver.clone(), notify)?;
        let is_logs: Vec<bool> = targets.iter().map(|(_, _, is_logs)| *is_logs).collect();
        let workers = if outputs.wants_order() { 1 } else { config.workers.min(self.sources.len()).max(1) };
        self.work(config, workers, correlator, &mut outputs, &selection, &senders, &is_logs, &acknowledged, outcome);
        if !self.monitor.is_interrupted() {
            let places = targets.iter().map(|(place, ..)| *place);
            let to: Vec<(usize, &BatchSender)> = places.zip(&senders).collect();
            self.send_traces(config, &mut outputs.events, &selection, &to, &acknowledged, correlator, outcome);
        }
        drop(senders);
        let summaries = deliveries.finish()?;
        if let Some(Err(error)) = saver.map(|saver| saver.save()) {
            outcome.failures.push(format!("{error}; the next run sends again what this one sent"));
        }
        outcome.stopped = self.monitor.is_interrupted();
        let names = targets.iter().map(|(_, target, _)| target.endpoint.name());
        outcome.refused_before = names.zip(acknowledged.refused_before()).collect();
        outcome.delivered = targets.into_iter().map(|(_, target, _)| target.endpoint.name()).zip(summaries).collect();
        if let Some(correlator) = correlator {
            outcome.count_limits(correlator, self.sources);
        }
        let given = correlator.map(|correlator| self.given(config, correlator, outcome));
        let (stopped, spans) = (outcome.stopped, outcome.traces.spans);
        let written = outputs.finish(stopped, spans, &mut |events, output| {
            if let Some(given) = &given {
                let carried = annotated_traces::write_file(given, events, &selection, output)?;
                outcome.count_events(events, &carried);
            }
            Ok(())
        });
        outcome.failures.extend(written.failures);
        outcome.unwritten.extend(written.stopped);
        Ok((written.lines, selection))
    }

    /// Starts the destinations' tasks.
    fn deliver(
        &self,
        config: &BackfillConfig,
        targets: &[(usize, Target, bool)],
        acknowledged: &Arc<Acknowledged>,
        saver: Option<Arc<Saver>>,
        notify: &Notify,
    ) -> Result<(Deliveries, Vec<BatchSender>), PipelineError> {
        let endpoints = targets.iter().map(|(_, target, _)| target.clone()).collect();
        let (acknowledged, monitor, heard) = (acknowledged.clone(), self.monitor.clone(), notify.clone());
        let hooks = deliveries::Hooks {
            retry_for: config.retry_for,
            settle: Box::new(move |target, receipts, refused| acknowledged.add(target, receipts, Some(refused))),
            is_interrupted: Box::new(move || monitor.is_interrupted()),
            background: saver.map(|saver| -> deliveries::Background { Box::pin(save_at_intervals(saver, heard)) }),
            notify: notify.clone(),
        };
        let (deliveries, senders) = Deliveries::start(endpoints, hooks).map_err(PipelineError::Destination)?;
        deliveries.statuses.iter().for_each(|(name, status)| self.monitor.watch(name.clone(), status.clone()));
        Ok((deliveries, senders))
    }

    /// The traces, to be read again.
    fn given<'a>(&'a self, config: &BackfillConfig, correlator: &'a Correlator, outcome: &Outcome) -> Given<'a> {
        Given {
            paths: self.traces,
            limits: config.read.trace_limits(),
            has_carriers: outcome.traces.own > 0,
            index: correlator.index(),
            gather: config.events.carriers,
        }
    }

    /// Reads all sources on this many threads.
    #[allow(clippy::too_many_arguments)] // the wiring of one run, used once
    fn work(
        &self,
        config: &BackfillConfig,
        workers: usize,
        correlator: Option<&Correlator>,
        outputs: &mut Outputs,
        selection: &Selection<'_>,
        senders: &[BatchSender],
        is_logs: &[bool],
        acknowledged: &Acknowledged,
        outcome: &mut Outcome,
    ) {
        let order = self.order(workers);
        let next = AtomicUsize::new(0);
        let total = Mutex::new((SourceReport::default(), LinkCounts::default()));
        let mut record_outputs = Some(outputs.record_outputs());
        thread::scope(|scope| {
            for _ in 0..workers {
                let (links, outputs) = record_outputs.take().unwrap_or_default();
                let (order, next, total) = (&order, &next, &total);
                let logs = |(index, sender): (usize, &'_ BatchSender)| LogOutput {
                    destination: index,
                    sink: Box::new(sender.clone()),
                    batcher: LogBatcher::new(encode::scope_field().into()),
                    closed: config.dry_run,
                };
                let logs = senders.iter().enumerate().filter(|(index, _)| is_logs[*index]).map(logs).collect();
                let mut shipper = Shipper {
                    correlator,
                    min_confidence: self.config.linking.min_confidence,
                    window: Window::new(config.select.since, config.select.until),
                    selection,
                    logs,
                    outputs,
                    links,
                    acknowledged,
                    observed: self.config.calendar.now_nanos as u64,
                    counts: LinkCounts::default(),
                    source: SourceState::default(),
                };
                scope.spawn(move || {
                    while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let source = &self.sources[*index];
                        let recognised = || SourceFiles::new(recognise(source, acknowledged, &self.reading()));
                        shipper.source_begins(source, self.held.files(*index).unwrap_or_else(recognised));
                        let report = self.read(*index, &mut shipper);
                        total.lock().unwrap_or_else(PoisonError::into_inner).0.add(report);
                    }
                    shipper.flush();
                    total.lock().unwrap_or_else(PoisonError::into_inner).1.add(&shipper.counts);
                });
            }
        });
        let (report, counts) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome.read = report;
        outcome.links = counts;
    }

    /// The given traces with their lines on them, to the destinations that want them. `to`: the place of each destination in
    /// the configuration, and its sender.
    #[allow(clippy::too_many_arguments)] // the wiring of one run, used once
    fn send_traces(
        &self,
        config: &BackfillConfig,
        held: &mut [HeldEvents],
        selection: &Selection<'_>,
        to: &[(usize, &BatchSender)],
        acknowledged: &Acknowledged,
        correlator: Option<&Correlator>,
        outcome: &mut Outcome,
    ) {
        let Some(correlator) = correlator else { return };
        let given = self.given(config, correlator, outcome);
        let mut known = None;
        for (index, (place, sender)) in to.iter().enumerate() {
            let Some(events) = held.iter_mut().find(|events| events.destination == *place) else { continue };
            let carriers = || span_stream(trace_files::carriers(acknowledged), index, u64::MAX);
            let sent = if config.events.on_carriers {
                carrier_batches::send(&given, events, *sender, &carriers)
            } else {
                let files = known.get_or_insert_with(|| recognise_traces(&given, acknowledged));
                files.as_ref().map_err(|error| io::Error::other(error.to_string())).and_then(|files| {
                    let file = |at: usize| {
                        let KnownTraces { number, verified } = files[at];
                        let stream = trace_files::stream(acknowledged, &given.paths[at], number, selection.number())?;
                        Ok(span_stream(stream, index, verified))
                    };
                    let sending = Sending { sink: *sender, file: &file, carriers: &carriers };
                    annotated_traces::send(&given, events, selection, &sending)
                })
            };
            match sent {
                Ok(counts) => outcome.count_events(events, &counts),
                Err(error) => outcome.failures.push(format!("traces could not be read again: {error}")),
            }
        }
    }
}

/// What is remembered of earlier runs, for these targets.
fn acknowledged(
    config: &BackfillConfig,
    targets: &[(usize, Target, bool)],
    store: Option<&Store>,
    notify: &Notify,
) -> Result<Arc<Acknowledged>, PipelineError> {
    let (mut before, message) = store.map(Store::load).transpose()?.unzip();
    message.flatten().iter().for_each(|message| notify(message));
    let forgotten = before.as_mut().map_or(0, |state| state.begin_run(FILES_MAX));
    if forgotten > 0 {
        notify(&format!(
            "the state holds more than {FILES_MAX} files: the {forgotten} that were not read for longest are forgotten, and sent again if they come back"
        ));
    }
    let names: Vec<String> = targets.iter().map(|(_, target, _)| target.remembered_as.clone()).collect();
    let resending = Resending { traced: false, resend: config.resend };
    Ok(Arc::new(Acknowledged::new(&names, before, resending)))
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
