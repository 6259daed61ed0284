//! A backfill: finds, learns, links and ships, then drains.
//!
//! In goes a [`BackfillConfig`], out comes what was read, linked and delivered. Order of things: find sources, read the
//! traces, read all lines once to learn what belongs together (only if there are traces), read them again to link and
//! ship, then the traces with their lines on them, then the outcome.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::config::BackfillConfig;
use super::deliveries::{Deliveries, Way};
use super::error::PipelineError;
use super::given::Given;
use super::inputs::{self, Inputs};
use super::learned::Learned;
use super::learning::Learning;
use super::link_counts::LinkCounts;
use super::monitor::Monitor;
use super::only::Only;
use super::outcome::Outcome;
use super::outputs::Outputs;
use super::recognise::recognise;
use super::run::Run;
use super::ship::{LogOutput, Shipper, SourceState};
use super::source::SourceReport;
use super::traces;
use super::{carriers, failing, reach};
use crate::checkpoint::acknowledged::{Acknowledged, Resending};
use crate::checkpoint::ledger::FILES_MAX;
use crate::checkpoint::saver::Saver;
use crate::checkpoint::store::Store;
use crate::correlate::Correlator;
use crate::export::destination::{Target, targets};
use crate::export::encode;
use crate::export::logs::LogBatcher;
use crate::export::select::Window;
use crate::notify::Say;

/// Runs a backfill. The monitor ends it early and knows how it stands; `say` tells the user something at once.
pub fn backfill(config: &BackfillConfig, monitor: &Arc<Monitor>, say: &Say) -> Result<Outcome, PipelineError> {
    // First of all: nothing is opened for writing that is read.
    let inputs = Inputs::find(&config.read, config.state.as_deref(), monitor.interrupted(), say);
    inputs.protect(&config.read, &inputs::outputs(config))?;
    // A folder that another run has is said before the lines are read.
    let store = config.state.as_deref().filter(|_| !config.dry_run).map(Store::open).transpose()?;
    if let Some(note) = store.as_ref().and_then(Store::unlocked) {
        say(note);
    }
    let targets = targets(&config.destinations);
    if config.read.traces.are_given() && !config.dry_run {
        // All is read once before anything is sent.
        reach::look(targets.iter().map(|(_, target, _)| target.clone()).collect(), say.clone());
    }
    let only_links = config.dry_run && config.select.only.is_empty() && targets.is_empty();
    let learning = if only_links { Learning::WithLinks } else { Learning::Plain };
    let (learned, mut outcome) = Learned::new(&config.read, &config.select, inputs, learning, monitor, say)?;
    outcome.dry_run = config.dry_run;
    let say = &learned.progress.beside(say);
    let correlator = learned.correlator.as_ref();
    let result = learned.run(monitor).ship(config, targets, correlator, store.as_ref(), &mut outcome, say);
    learned.progress.finish();
    result?;
    Ok(outcome)
}

impl Run<'_> {
    /// Second pass: link, and ship to every destination.
    fn ship(
        &self,
        config: &BackfillConfig,
        targets: Vec<(usize, Target, bool)>,
        correlator: Option<&Correlator>,
        store: Option<&Store>,
        outcome: &mut Outcome,
        say: &Say,
    ) -> Result<(), PipelineError> {
        let mut outputs = Outputs::open(
            config,
            self.traces,
            Only::new(&config.select.only, correlator, || failing::traces(self, &config.select, correlator)),
        )?;
        let (mut before, message) = store.map(Store::load).transpose()?.unzip();
        message.flatten().iter().for_each(|message| say(message));
        let forgotten = before.as_mut().map_or(0, |state| state.begin_run(FILES_MAX));
        if forgotten > 0 {
            say(&format!(
                "the state holds more than {FILES_MAX} files: the {forgotten} that were not read for longest are forgotten, and sent again if they come back"
            ));
        }
        let names: Vec<String> = targets.iter().map(|(_, target, _)| target.remembered_as.clone()).collect();
        let resending = Resending { traced: outcome.traces.spans > 0, resend: config.resend };
        let acknowledged = Arc::new(Acknowledged::new(&names, before, resending));
        let endpoints = targets.iter().map(|(_, target, _)| target.clone()).collect();
        let saver = store.map(|store| Arc::new(Saver::new(store.clone(), acknowledged.clone())));
        saver.iter().for_each(|saver| self.monitor.save_with(saver.clone()));
        let (deliveries, ways) = Deliveries::start(
            endpoints,
            config.retry_for,
            acknowledged.clone(),
            saver.clone(),
            self.monitor.clone(),
            say.clone(),
        )
        .map_err(PipelineError::Destination)?;
        let is_logs: Vec<bool> = targets.iter().map(|(_, _, is_logs)| *is_logs).collect();
        let workers = if outputs.wants_order() { 1 } else { config.workers.min(self.sources.len()).max(1) };
        self.work(config, workers, correlator, &mut outputs, &ways, &is_logs, &acknowledged, outcome);
        if !self.monitor.is_interrupted() {
            let places = targets.iter().map(|(place, ..)| *place);
            let to: Vec<(usize, &Way)> = places.zip(&ways).collect();
            self.send_traces(config, &mut outputs, &to, &acknowledged, correlator, outcome);
        }
        drop(ways);
        let summaries = deliveries.finish()?;
        if let Some(Err(error)) = saver.map(|saver| saver.save()) {
            outcome.failures.push(format!("{error}; the next run sends again what this one sent"));
        }
        outcome.stopped = self.monitor.is_interrupted();
        let names = targets.iter().map(|(_, target, _)| target.endpoint.name());
        outcome.refused_before = names.zip(acknowledged.refused_before()).collect();
        outcome.delivered = targets.into_iter().map(|(_, target, _)| target.endpoint.name()).zip(summaries).collect();
        if let Some(correlator) = correlator {
            outcome.count_limits(correlator);
        }
        let only = outputs.only.clone();
        // Text goes to the same terminal.
        self.progress.finish();
        outputs.finish(config, self.sources, correlator, outcome.stopped, outcome);
        outcome.only_remarks = only.remarks(correlator);
        Ok(())
    }

    /// Reads all sources on so many threads.
    #[allow(clippy::too_many_arguments)] // the wiring of one run, used once
    fn work(
        &self,
        config: &BackfillConfig,
        workers: usize,
        correlator: Option<&Correlator>,
        outputs: &mut Outputs<'_>,
        ways: &[Way],
        is_logs: &[bool],
        acknowledged: &Acknowledged,
        outcome: &mut Outcome,
    ) {
        let order = self.order(workers);
        let next = AtomicUsize::new(0);
        let total = Mutex::new((SourceReport::default(), LinkCounts::default()));
        let only = outputs.only.clone();
        let mut takers = Some(outputs.takers());
        thread::scope(|scope| {
            for _ in 0..workers {
                let (links, taps) = takers.take().unwrap_or_default();
                let (order, next, total, only) = (&order, &next, &total, &*only);
                let logs = |(index, way): (usize, &'_ Way)| LogOutput {
                    destination: index,
                    sink: Box::new(way.clone()),
                    batcher: LogBatcher::new(encode::scope_field().into()),
                    closed: config.dry_run,
                };
                let logs = ways.iter().enumerate().filter(|(index, _)| is_logs[*index]).map(logs).collect();
                let mut shipper = Shipper {
                    correlator,
                    min_confidence: self.config.linking.min_confidence,
                    window: Window::new(config.select.since, config.select.until),
                    only,
                    logs,
                    taps,
                    links,
                    acknowledged,
                    observed: self.config.calendar.now_nanos as u64,
                    counts: LinkCounts::default(),
                    source: SourceState::default(),
                };
                scope.spawn(move || {
                    while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let source = &self.sources[*index];
                        shipper.source_begins(source, recognise(source, acknowledged, &self.reading()));
                        let report = self.recalled(*index, &mut shipper);
                        let report = report.unwrap_or_else(|| self.read(*index, &mut shipper));
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

    /// Takes a source from what the first pass left of it, if it did.
    fn recalled(&self, index: usize, shipper: &mut Shipper<'_>) -> Option<SourceReport> {
        if self.monitor.is_interrupted() {
            return None;
        }
        let report = self.recall.give(index, shipper)?;
        self.skip(index);
        Some(report)
    }

    /// With one worker the order of the sources; with more the largest first, so that they end together.
    fn order(&self, workers: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sources.len()).collect();
        if workers > 1 {
            let size = |index: &usize| self.sources[*index].files.iter().map(|file| file.size).sum::<u64>();
            order.sort_by_key(|index| std::cmp::Reverse(size(index)));
        }
        order
    }

    /// The given traces with their lines on them, to the destinations that want them. `to`: the place of each destination in the
    /// configuration, and the way to it.
    fn send_traces(
        &self,
        config: &BackfillConfig,
        outputs: &mut Outputs<'_>,
        to: &[(usize, &Way)],
        acknowledged: &Acknowledged,
        correlator: Option<&Correlator>,
        outcome: &mut Outcome,
    ) {
        let mut known = None;
        for (index, (place, way)) in to.iter().enumerate() {
            let Some(events) = outputs.events.iter_mut().find(|events| events.destination == *place) else {
                continue;
            };
            let Some(correlator) = correlator else { continue };
            let given = Given::new(self.traces, config, correlator, outcome.traces.own > 0);
            let sending = carriers::Sending { sink: *way, acknowledged, target: index };
            let sent = if config.events.on_carriers {
                carriers::send(&given, events, &sending)
            } else {
                let files = known.get_or_insert_with(|| traces::recognise(given.paths, given.limits, acknowledged));
                let files = files.as_ref().map_err(|error| io::Error::other(error.to_string()));
                files.and_then(|files| traces::send(&given, events, &outputs.only, &sending, files))
            };
            match sent {
                Ok(counts) => outcome.count_events(events, &counts),
                Err(error) => outcome.failures.push(format!("traces could not be read again: {error}")),
            }
        }
    }
}
