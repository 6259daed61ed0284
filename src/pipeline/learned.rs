//! A run up to the end of its first pass: what was found, and what belongs together.
//!
//! In goes a configuration, out come the sources, the traces' spans and what was learned from all lines. What becomes of
//! it, links and shipments or explanations, is not decided here.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::config::{ReadConfig, SelectConfig};
use super::error::PipelineError;
use super::inputs::Inputs;
use super::learning::Learning;
use super::line_times;
use super::monitor::{Monitor, ToRead};
use super::no_span::why_no_span;
use super::outcome::Outcome;
use super::recall::Recall;
use super::run::Run;
use crate::calendar::{CalendarSettings, fit};
use crate::correlate::Correlator;
use crate::correlate::index::Limits;
use crate::export::outputs::OutputError;
use crate::export::select::Condition;
use crate::input::sources::{self, Source};
use crate::notify::Say;
use crate::record::Producer;
use crate::services::Services;
use crate::spans::config::TraceStore;
use crate::spans::fetch::{FetchError, fetch};
use crate::spans::load::{self, TracesReport};
use crate::spans::spool::Spool;

/// A run after its first pass: what was found, and what belongs together.
pub(crate) struct Learned<'c> {
    config: &'c ReadConfig,
    /// Files of traces: those that were given, and those that stores' traces were fetched into.
    pub(crate) traces: Vec<PathBuf>,
    /// Lives until the end: traces are read again with their lines.
    _spools: Vec<Spool>,
    pub(crate) sources: Vec<Source>,
    calendars: Vec<CalendarSettings>,
    pub(crate) correlator: Option<Correlator>,
    recall: Recall,
    services: Services,
}

impl<'c> Learned<'c> {
    /// Fetches and reads the traces, and reads the sources once.
    pub(crate) fn new(
        config: &'c ReadConfig,
        select: &SelectConfig,
        inputs: Inputs,
        learning: Learning,
        monitor: &Arc<Monitor>,
        say: &Say,
    ) -> Result<(Learned<'c>, Outcome), PipelineError> {
        let Inputs { found, mut sources, traces } = inputs;
        let mut paths = traces.paths;
        if let Some((index, count)) = select.shard {
            sources.retain(|source| {
                twox_hash::XxHash64::oneshot(0, source.writer.as_bytes()) % u64::from(count) == u64::from(index)
            });
        }
        let mut outcome = Outcome::new(config, &found, sources.len());
        outcome.failures.extend(traces.failures);
        let (mut spools, mut without_spans) =
            from_stores(config, select, &sources, &mut outcome, monitor.interrupted(), say)?;
        without_spans.extend(traces.without_spans);
        outcome.from_stores = spools.len() as u64;
        paths.extend(spools.iter().map(|spool| spool.path().to_owned()));
        spools.extend(traces.spools);
        let bytes = sources.iter().flat_map(|source| &source.files).map(|file| file.size).sum();
        monitor.reading_begins(ToRead { bytes, passes: passes(!paths.is_empty(), select) });
        let mut correlator = load_traces(config, &paths, &mut outcome, say);
        let TracesReport { without_spans: files, unreadable, .. } = &outcome.traces;
        without_spans.extend(files.iter().chain(unreadable).cloned());
        if !without_spans.is_empty() && !monitor.is_interrupted() {
            let without_spans = without_spans.join("; ");
            if !config.traces.allow_none {
                return Err(PipelineError::NoSpans(without_spans));
            }
            outcome.failures.extend(unreadable.iter().cloned());
            say(&format!("--traces {without_spans}; going on, as --allow-no-traces says"));
        }
        let samples: Vec<_> = sources.iter().map(Source::sample).collect();
        let calendars = fit::calendars(&config.calendar, &samples, &outcome.traces.seconds, &**say);
        drop(samples);
        let recall = Recall::default();
        let services = correlator.as_ref().map(|correlator| name_writers(correlator, &mut sources)).unwrap_or_default();
        let mut learned =
            Learned { config, traces: paths, _spools: spools, sources, calendars, correlator: None, recall, services };
        if let Some(correlator) = &mut correlator {
            learned.recall = learned.run(monitor).observe(correlator, learning);
        }
        learned.correlator = correlator;
        Ok((learned, outcome))
    }

    pub(crate) fn run<'a>(&'a self, monitor: &'a Arc<Monitor>) -> Run<'a> {
        Run {
            config: self.config,
            traces: &self.traces,
            sources: &self.sources,
            origins: self.sources.iter().map(|source| Arc::new(source.origin.clone())).collect(),
            calendars: &self.calendars,
            recall: &self.recall,
            monitor,
            spare: Mutex::default(),
            services: &self.services,
        }
    }
}

/// Settles who wrote each source by what the spans tell of pods: a file that is called like one of them is that pod's, and
/// a pod's lines go by the service of its spans, unless the user said another one.
fn name_writers(correlator: &Correlator, sources: &mut [Source]) -> Services {
    let services = Services::new(correlator.services());
    for source in sources {
        if source.origin.is_guessed
            && let Some(pod) = correlator.pod_named(&sources::stem(source))
        {
            let origin = &mut source.origin;
            (origin.pod, origin.producer, origin.is_guessed) = (Some(pod), Producer::Pod, false);
        }
        if !source.service_is_said {
            services.put_over(&mut source.origin);
        }
    }
    services
}

/// Traces of all stores, and the stores that gave none.
fn from_stores(
    config: &ReadConfig,
    select: &SelectConfig,
    sources: &[Source],
    outcome: &mut Outcome,
    stop: &AtomicBool,
    say: &Say,
) -> Result<(Vec<Spool>, Vec<String>), PipelineError> {
    let (mut spools, mut without_spans) = (Vec::new(), Vec::new());
    if config.traces.stores.is_empty() {
        return Ok((spools, without_spans));
    }
    let window = line_times::window(config, select, sources, stop, say);
    let has_lines = sources.iter().flat_map(|source| &source.files).any(|file| file.size > 0);
    for from in &config.traces.stores {
        match window {
            Some(window) => {
                let spool = from_store(config, from, window, outcome, say)?;
                if spool.is_none() {
                    without_spans.push(format!("{} has no traces of the time of the logs", from.name));
                }
                spools.extend(spool);
            }
            // With no line there is nothing to ask for, and nothing to send.
            None if has_lines => without_spans.push(format!("{} was not asked: no line has a time", from.name)),
            None => {}
        }
    }
    Ok((spools, without_spans))
}

/// Traces of one store; `None` where there are none.
fn from_store(
    config: &ReadConfig,
    store: &TraceStore,
    window: (i64, i64),
    outcome: &mut Outcome,
    say: &Say,
) -> Result<Option<Spool>, PipelineError> {
    let fetched = fetch(&config.traces, store, window).map_err(|error| match error {
        FetchError::Store(reason) => PipelineError::Traces { name: store.name.clone(), reason },
        FetchError::Output { path, source } => OutputError { path, source }.into(),
        FetchError::Io(error) => PipelineError::Io(error),
    })?;
    outcome.failures.extend(fetched.missing.iter().map(|missing| format!("{}: {missing}", store.name)));
    if fetched.spool.is_none() {
        let between = [fetched.from, window.1].map(crate::notify::spelled_time);
        say(&format!("{}: no traces between {} and {}", store.name, between[0], between[1]));
    }
    Ok(fetched.spool)
}

/// How often the sources are read: to learn, to find lines with errors, and to ship.
fn passes(learns: bool, select: &SelectConfig) -> u64 {
    let looks_for_errors = select.only.iter().any(|condition| matches!(condition, Condition::Errors));
    1 + u64::from(learns) + u64::from(looks_for_errors)
}

fn load_traces(config: &ReadConfig, paths: &[PathBuf], outcome: &mut Outcome, say: &Say) -> Option<Correlator> {
    if paths.is_empty() {
        return None;
    }
    let limits = Limits { spans_max: config.traces.spans_max, ..Limits::default() };
    let mut correlator = Correlator::new(limits).with_call_sites(config.linking.call_sites.clone());
    outcome.traces = load::load(paths, config.trace_limits(), &mut correlator, &why_no_span);
    outcome.traces.failures.iter().for_each(|failure| say(failure));
    Some(correlator)
}
