//! A backfill: finds, learns, links and ships, then drains.
//!
//! In goes a [`BackfillConfig`], out comes what was read, linked and delivered. Order of things: find sources, read the
//! traces; if there are any, read all lines, hold their records and learn what belongs together; link and ship; then the
//! traces with their lines on them, then the outcome.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use super::inputs::Inputs;
use super::learned::Learned;
use super::learning::{self, Learning};
use super::loaded_spans::SpansAside;
use super::run::Run;
use super::shipping::Shipping;
use super::shown_spans::{HeldTraces, TracesInFile};
use super::span_lookups;
use crate::checkpoint::acknowledged::{Acknowledged, Resending};
use crate::checkpoint::ledger::FILES_MAX;
use crate::checkpoint::saver::{Saver, save_at_intervals};
use crate::checkpoint::store::Store;
use crate::correlate::Correlator;
use crate::export::deliver::connecting;
use crate::export::deliver::deliveries::{self, BatchSender, Deliveries};
use crate::export::destination::{Target, targets};
use crate::export::linker::Linker;
use crate::export::outputs::{Outputs, OutputsConfig};
use crate::export::select::{Selection, SpanLookup, TraceId};
use crate::export::span_events::annotated_traces;
use crate::export::text_view::TracesOfSpans;
use crate::export::text_view::held_lines::HeldLines;
use crate::input::sources::Source;
use crate::notify::Notify;
use crate::run::Outcome;
use crate::run::RunError;
use crate::run::config::BackfillConfig;
use crate::run::monitor::Monitor;
use crate::spans::by_trace::SpansByTrace;

/// What a backfill came to, and what is left to show.
pub struct Finished<'c> {
    /// What it came to.
    pub outcome: Outcome,
    /// Lines for the terminal.
    pub lines: Option<HeldLines>,
    /// Which of them, and which traces, are shown.
    pub selection: Arc<Selection<'c>>,
    links: Links,
    /// The spans, if lines are shown and the correlator does not hold them as a whole.
    by_trace: Option<SpansByTrace>,
    /// All that were read.
    pub sources: Vec<Source>,
}

impl Finished<'_> {
    /// The spans that lines are shown with.
    pub fn traces_of_spans(&self) -> io::Result<Option<Box<dyn TracesOfSpans + '_>>> {
        Ok(match (&self.by_trace, &self.links.correlator) {
            (Some(by_trace), _) => Some(Box::new(TracesInFile::new(by_trace)?)),
            (None, Some(correlator)) => Some(Box::new(HeldTraces::new(correlator.index()))),
            (None, None) => None,
        })
    }

    /// What conditions ask about the spans.
    pub fn spans(&self) -> Option<&dyn SpanLookup> {
        self.links.spans()
    }
}

/// Runs a backfill. The monitor ends it early and shows its status; `notify` shows messages at once.
pub fn backfill<'c>(
    config: &'c BackfillConfig,
    monitor: &Arc<Monitor>,
    notify: &Notify,
) -> Result<Finished<'c>, RunError> {
    // First of all: nothing is opened for writing that is read.
    let inputs = Inputs::find(&config.read, config.state.as_deref(), monitor.interrupted(), notify);
    inputs.protect(&config.read, &config.outputs())?;
    // A state folder that another run uses is reported before the lines are read.
    let store = config.state.as_deref().filter(|_| !config.dry_run).map(Store::open).transpose()?;
    if let Some(note) = store.as_ref().and_then(Store::unlocked) {
        notify(note);
    }
    let targets = targets(&config.destinations);
    if config.read.traces.are_given() && !config.dry_run {
        // All is read once before anything is sent.
        connecting::try_each(targets.clone(), notify.clone());
    }
    let acknowledged = acknowledged(config, &targets, store.as_ref(), notify)?;
    let (workers, in_windows) = (config.workers, learning::may_be_in_windows(config));
    let learning = Learning { keeps_evidence: false, workers, in_windows, acknowledged: Some(&acknowledged) };
    let (mut learned, mut outcome) = Learned::new(&config.read, &config.select, inputs, learning, monitor, notify)?;
    outcome.dry_run = config.dry_run;
    acknowledged.set_traced(outcome.traces.spans > 0);
    let links =
        Links { correlator: learned.correlator.take(), in_windows: learned.in_windows, aside: learned.aside.take() };
    let saver = store.map(|store| Arc::new(Saver::new(store, acknowledged.clone())));
    let remembered = Remembered { acknowledged, saver };
    let (shown, links) = learned.run(monitor).ship(config, &targets, links, remembered, &mut outcome, notify)?;
    let Shown { lines, selection, by_trace } = shown;
    Ok(Finished { outcome, lines, selection, links, by_trace, sources: learned.sources })
}

/// Where the links of records come from.
struct Links {
    correlator: Option<Correlator>,
    /// It has not seen the lines yet.
    in_windows: bool,
    /// Spans that it does not hold.
    aside: Option<SpansAside>,
}

impl Links {
    /// What conditions ask about the spans.
    fn spans(&self) -> Option<&dyn SpanLookup> {
        match &self.aside {
            Some(aside) => Some(&aside.asked),
            None => span_lookups::of(self.correlator.as_ref()),
        }
    }

    fn linker(&self) -> Option<&dyn Linker> {
        self.correlator.as_ref().map(|correlator| correlator as &dyn Linker)
    }

    /// Which traces have a line from ERROR on, where that is asked for.
    fn traces_with_errors(&mut self, run: &Run<'_>, config: &BackfillConfig) -> io::Result<HashSet<TraceId>> {
        if !config.select.asks_for_errors() {
            return Ok(HashSet::new());
        }
        let Some(correlator) = self.correlator.as_mut().filter(|_| self.in_windows) else {
            return Ok(run.traces_with_errors(&config.select, self.linker()));
        };
        let spans = self.aside.as_mut().map(|aside| &mut aside.by_time);
        let errors = Shipping::errors_in_windows(run, config, correlator, spans)?;
        self.correlator = self.correlator.take().map(Correlator::before_lines);
        Ok(errors)
    }
}

/// What is left to show.
struct Shown<'c> {
    lines: Option<HeldLines>,
    selection: Arc<Selection<'c>>,
    by_trace: Option<SpansByTrace>,
}

/// What is remembered of this run and those before, and who writes it down.
struct Remembered {
    acknowledged: Arc<Acknowledged>,
    saver: Option<Arc<Saver>>,
}

impl Run<'_> {
    /// Links all records, and ships them to every destination. Returns what is left to show, and the spans.
    fn ship<'c>(
        &self,
        config: &'c BackfillConfig,
        targets: &[Target],
        mut links: Links,
        Remembered { acknowledged, saver }: Remembered,
        outcome: &mut Outcome,
        notify: &Notify,
    ) -> Result<(Shown<'c>, Links), RunError> {
        let mut outputs = Outputs::open(&OutputsConfig {
            links: config.links.as_deref(),
            destinations: if config.dry_run { &[] } else { &config.destinations },
            events: (!self.traces.is_empty()).then_some(config.events),
            is_selective: !config.select.only.is_empty(),
            lines: config.held_lines(),
            observed: config.read.calendar.now_nanos,
        })?;
        let errors = links.traces_with_errors(self, config)?;
        let selection = Arc::new(Selection::new(&config.select.only, links.spans(), &errors));
        saver.iter().for_each(|saver| self.monitor.save_with(saver.clone()));
        let (deliveries, senders) = self.deliver(config, targets, &acknowledged, saver.clone(), notify)?;
        let destinations = targets.iter().zip(senders).collect();
        let (acknowledged, selected) = (&*acknowledged, &*selection);
        let shipping = Shipping { run: self, config, selection: selected, acknowledged, destinations };
        match links.correlator.as_mut().filter(|_| links.in_windows) {
            Some(correlator) => {
                let spans = links.aside.as_mut().map(|aside| &mut aside.by_time);
                let workers = if outputs.wants_order() { 1 } else { config.workers.max(1) };
                shipping.ship_in_windows(correlator, spans, outputs.record_outputs(), workers, outcome)?;
            }
            None => {
                (outcome.read, outcome.links) = shipping.ship_records(links.linker(), &mut outputs);
                outcome.memory.records = self.records.held.bytes();
            }
        }
        let correlated = links.correlator.as_ref();
        if let Some(correlator) = correlated {
            outcome.count_limits(correlator, self.records.sources);
        }
        let wants_spans = !outputs.events.is_empty() && !self.monitor.is_interrupted();
        let aside = links.aside.as_ref().filter(|_| wants_spans || outputs.lines.is_some());
        let by_trace = aside.map(|aside| self.by_trace(&aside.by_time, outcome)).transpose()?;
        let given = correlated.map(|correlator| self.given(config, correlator, by_trace.as_ref(), outcome));
        if let Some(given) = given.as_ref().filter(|_| wants_spans) {
            shipping.ship_traces(given, &mut outputs.events, outcome);
        }
        // Deliveries end once there are no senders.
        drop(shipping);
        let summaries = deliveries.finish()?;
        if let Some(Err(error)) = saver.map(|saver| saver.save()) {
            outcome.failures.push(format!("{error}; the next run sends again what this one sent"));
        }
        outcome.stopped = self.monitor.is_interrupted();
        let names = || targets.iter().map(|target| target.endpoint.name());
        outcome.refused_before = names().zip(acknowledged.refused_before()).collect();
        outcome.delivered = names().zip(summaries).collect();
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
        Ok((Shown { lines: written.lines, selection, by_trace }, links))
    }

    /// Starts the destinations' tasks.
    fn deliver(
        &self,
        config: &BackfillConfig,
        targets: &[Target],
        acknowledged: &Arc<Acknowledged>,
        saver: Option<Arc<Saver>>,
        notify: &Notify,
    ) -> Result<(Deliveries, Vec<BatchSender>), RunError> {
        let (acknowledged, monitor, heard) = (acknowledged.clone(), self.monitor.clone(), notify.clone());
        let hooks = deliveries::Hooks {
            retry_for: config.retry_for,
            settle: Box::new(move |target, receipts, refused| acknowledged.add(target, receipts, Some(refused))),
            is_interrupted: Box::new(move || monitor.is_interrupted()),
            background: saver.map(|saver| -> deliveries::Background { Box::pin(save_at_intervals(saver, heard)) }),
            notify: notify.clone(),
        };
        let (deliveries, senders) = Deliveries::start(targets.to_vec(), hooks).map_err(RunError::Destination)?;
        deliveries.statuses.iter().for_each(|(name, status)| self.monitor.watch(name.clone(), status.clone()));
        Ok((deliveries, senders))
    }
}

/// What is remembered of earlier runs, for these targets.
fn acknowledged(
    config: &BackfillConfig,
    targets: &[Target],
    store: Option<&Store>,
    notify: &Notify,
) -> Result<Arc<Acknowledged>, RunError> {
    let (before, messages) = store.map(|store| store.load(FILES_MAX)).transpose()?.unzip();
    messages.iter().flatten().for_each(|message| notify(message));
    let names: Vec<String> = targets.iter().map(|target| target.remembered_as.clone()).collect();
    let resending = Resending { traced: false, resend: config.resend };
    Ok(Arc::new(Acknowledged::new(&names, before, resending)))
}
