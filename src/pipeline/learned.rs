//! A run until it has learned: what was found and read, and what belongs together.
//!
//! In goes a configuration, out come the sources, the traces' spans and what was learned from all lines. What becomes of
//! it, links and shipments or explanations, is not decided here.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::error::PipelineError;
use super::inputs::Inputs;
use super::known_files::{FollowedFiles, KnownFiles};
use super::learning::Learning;
use super::run::Run;
use crate::calendar::{CalendarSettings, fit};
use crate::correlate::Correlator;
use crate::correlate::index::Limits;
use crate::export::outputs::OutputError;
use crate::export::select::Condition;
use crate::input::sources::{self, Source};
use crate::input::why_no_span::why_no_span;
use crate::notify::Notify;
use crate::reading::held::Held;
use crate::reading::source::Reading;
use crate::reading::source_records::SourceRecords;
use crate::record::{Origin, Producer};
use crate::run::Outcome;
use crate::run::config::{ReadConfig, SelectConfig};
use crate::run::monitor::{Monitor, ToRead};
use crate::services::Services;
use crate::setting::Setting;
use crate::spans::config::TraceStore;
use crate::spans::fetch::{FetchError, fetch};
use crate::spans::load::{self, TracesReport};
use crate::spans::spool::Spool;

/// Lines may be written this long before their span's start is, by clocks and buffers.
const LINE_BEFORE_SPAN: i64 = 5_000_000_000;

/// A run whose lines and traces were read: what was found, and what belongs together.
pub(crate) struct Learned<'c> {
    config: &'c ReadConfig,
    /// Files of traces: those that were given, and those that stores' traces were fetched into.
    pub(crate) traces: Vec<PathBuf>,
    /// Lives until the end: traces are read again with their lines.
    _spools: Vec<Spool>,
    pub(crate) sources: Vec<Source>,
    calendars: Vec<CalendarSettings>,
    pub(crate) correlator: Option<Correlator>,
    held: Held,
    /// The files of each source, if they were to be held.
    files: Vec<KnownFiles>,
    services: Services,
}

impl<'c> Learned<'c> {
    /// Fetches and reads the traces, reads the sources where there are any or their lines tell which traces are wanted, and
    /// learns.
    pub(crate) fn new(
        config: &'c ReadConfig,
        select: &SelectConfig,
        inputs: Inputs,
        learning: Learning<'_>,
        monitor: &Arc<Monitor>,
        notify: &Notify,
    ) -> Result<(Learned<'c>, Outcome), PipelineError> {
        let Inputs { found, mut sources, traces } = inputs;
        if let Some((index, count)) = select.shard {
            sources.retain(|source| {
                twox_hash::XxHash64::oneshot(0, source.writer.as_bytes()) % u64::from(count) == u64::from(index)
            });
        }
        let mut outcome = Outcome::new(config, &found, sources.len());
        outcome.failures.extend(traces.failures);
        let bytes = sources.iter().flat_map(|source| &source.files).map(|file| file.size).sum();
        monitor.reading_begins(ToRead { bytes, passes: passes(config, select) });
        let (traces, _spools, mut without_spans) = (traces.paths, traces.spools, traces.without_spans);
        let (calendars, correlator, held, files, services) = Default::default();
        let mut learned = Learned { config, traces, _spools, sources, calendars, correlator, held, files, services };
        if !config.traces.stores.is_empty() {
            without_spans.splice(0..0, learned.fetch(select, learning, &mut outcome, monitor, notify)?);
        }
        learned.correlator = load_traces(config, &learned.traces, &mut outcome, notify);
        let TracesReport { without_spans: files, unreadable, .. } = &outcome.traces;
        without_spans.extend(files.iter().chain(unreadable).cloned());
        if !without_spans.is_empty() && !monitor.is_interrupted() {
            let without_spans = without_spans.join("; ");
            if !config.traces.allow_none {
                return Err(PipelineError::NoSpans(without_spans));
            }
            outcome.failures.extend(unreadable.iter().cloned());
            let (traces, allowed) = (Setting::Traces, Setting::AllowNoTraces);
            notify(&format!("{traces} {without_spans}; going on, as {allowed} says"));
        }
        learned.settle_sources(&outcome.traces.seconds, &**notify);
        let is_read_twice = learned.correlator.is_some() || looks_for_errors(select);
        if is_read_twice && config.traces.stores.is_empty() {
            learned.read_lines(learning, monitor);
        }
        if let Some(mut correlator) = learned.correlator.take() {
            learned.run(monitor).observe(&mut correlator, learning.keeps_evidence);
            learned.correlator = Some(correlator);
        }
        Ok((learned, outcome))
    }

    /// Reads the lines first, and fetches the traces of their time from all stores; returns the stores that have none.
    fn fetch(
        &mut self,
        select: &SelectConfig,
        learning: Learning<'_>,
        outcome: &mut Outcome,
        monitor: &Arc<Monitor>,
        notify: &Notify,
    ) -> Result<Vec<String>, PipelineError> {
        self.calendars = calendars(self.config, &self.sources, &BTreeSet::new(), &|_| {});
        self.read_lines(learning, monitor);
        let window = self.run(monitor).records.times().map(|times| asked_for(times, select));
        let has_lines = self.sources.iter().flat_map(|source| &source.files).any(|file| file.size > 0);
        let (spools, without_spans) = from_stores(self.config, window, has_lines, outcome, notify)?;
        outcome.from_stores = spools.len() as u64;
        self.traces.extend(spools.iter().map(|spool| spool.path().to_owned()));
        self._spools.extend(spools);
        Ok(without_spans)
    }

    /// Reads all lines once, and holds their records.
    fn read_lines(&mut self, learning: Learning<'_>, monitor: &Arc<Monitor>) {
        let records = self.run(monitor).records;
        let follow = |source: &Source| FollowedFiles::new(source, learning.acknowledged, &records.reading);
        let (held, followed) = records.hold(learning.workers, follow);
        let files = followed.into_iter().map(FollowedFiles::end).collect();
        (self.held, self.files) = (held, files);
    }

    /// Settles the zone and year of each source, and who wrote it, by what the spans tell. What was read before that, and
    /// would be read otherwise now, is not held any more.
    fn settle_sources(&mut self, seconds: &BTreeSet<i64>, tell: &dyn Fn(&str)) {
        let calendars = calendars(self.config, &self.sources, seconds, tell);
        let before = std::mem::replace(&mut self.calendars, calendars);
        let origin = |(index, source): (usize, &Source)| self.held.is_held(index).then(|| source.origin());
        let origins: Vec<Option<Arc<Origin>>> = self.sources.iter().enumerate().map(origin).collect();
        if let Some(correlator) = &self.correlator {
            self.services = name_writers(correlator, &mut self.sources);
        }
        for (index, (origin, source)) in origins.iter().zip(&self.sources).enumerate() {
            let (Some(origin), Some(waiting)) = (origin.as_deref(), self.held.waiting_mut(index)) else { continue };
            let settled = source.origin();
            if before[index] != self.calendars[index] || !is_only_renamed(origin, &settled) {
                self.held.release(index);
                continue;
            }
            for of_records in waiting.origins_mut() {
                if of_records == origin {
                    of_records.clone_from(&settled);
                } else if of_records.pod != origin.pod {
                    self.services.put_over(of_records);
                }
            }
        }
    }

    pub(crate) fn run<'a>(&'a self, monitor: &'a Arc<Monitor>) -> Run<'a> {
        Run {
            config: self.config,
            traces: &self.traces,
            records: SourceRecords {
                sources: &self.sources,
                calendars: &self.calendars,
                held: &self.held,
                reading: Reading {
                    limits: self.config.input.limits,
                    keep_ansi: self.config.input.keep_ansi,
                    journal_fields: self.config.input.journal_fields,
                    bytes_read: monitor.bytes_read(),
                    stop: monitor.interrupted(),
                    spare: Mutex::default(),
                    services: &self.services,
                },
            },
            files: &self.files,
            monitor,
        }
    }
}

/// From when to when stores are asked for traces, for lines of these times.
fn asked_for((first, last): (i64, i64), select: &SelectConfig) -> (i64, i64) {
    let first = select.since.map_or(first, |since| first.max(since));
    let last = select.until.map_or(last, |until| last.min(until));
    (first, last.saturating_add(LINE_BEFORE_SPAN))
}

/// How each source's calendar begins. `seconds`: at which spans began.
fn calendars(
    config: &ReadConfig,
    sources: &[Source],
    seconds: &BTreeSet<i64>,
    tell: &dyn Fn(&str),
) -> Vec<CalendarSettings> {
    let samples: Vec<_> = sources.iter().map(Source::sample).collect();
    fit::calendars(&config.calendar, &samples, seconds, tell)
}

/// Whether two origins differ at most by the service of their spans.
fn is_only_renamed(one: &Origin, other: &Origin) -> bool {
    let renamed = Origin { service_of_spans: one.service_of_spans.clone(), ..other.clone() };
    *one == renamed
}

/// Settles who wrote each source by what the spans tell of pods: a file that is called like one of them is that pod's, and
/// a pod's lines go by the service of its spans, unless the user said another one.
fn name_writers(correlator: &Correlator, sources: &mut [Source]) -> Services {
    let services = Services::new(correlator.services());
    for source in sources {
        let mut origin = Arc::unwrap_or_clone(source.origin());
        if origin.is_guessed
            && let Some(pod) = correlator.pod_named(&sources::stem(source))
        {
            (origin.pod, origin.producer, origin.is_guessed) = (Some(pod), Producer::Pod, false);
        }
        if !source.service_is_said() {
            services.put_over(&mut origin);
        }
        source.settled_origin = Some(Arc::new(origin));
    }
    services
}

/// Traces of all stores, and the stores that gave none. `window`: from when to when the lines are.
fn from_stores(
    config: &ReadConfig,
    window: Option<(i64, i64)>,
    has_lines: bool,
    outcome: &mut Outcome,
    notify: &Notify,
) -> Result<(Vec<Spool>, Vec<String>), PipelineError> {
    let (mut spools, mut without_spans) = (Vec::new(), Vec::new());
    for from in &config.traces.stores {
        match window {
            Some(window) => {
                let spool = from_store(config, from, window, outcome, notify)?;
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
    notify: &Notify,
) -> Result<Option<Spool>, PipelineError> {
    let fetched = fetch(&config.traces, store, window).map_err(|error| match error {
        FetchError::Store(reason) => PipelineError::Traces { name: store.name.clone(), reason },
        FetchError::Output { path, source } => OutputError { path, source }.into(),
        FetchError::Io(error) => PipelineError::Io(error),
    })?;
    outcome.failures.extend(fetched.missing.iter().map(|missing| format!("{}: {missing}", store.name)));
    if fetched.spool.is_none() {
        let between = [fetched.from, window.1].map(crate::notify::spelled_time);
        notify(&format!("{}: no traces between {} and {}", store.name, between[0], between[1]));
    }
    Ok(fetched.spool)
}

/// How often the records of the sources are wanted: to be read, to learn, to find lines with errors, and to ship.
fn passes(config: &ReadConfig, select: &SelectConfig) -> u64 {
    let (learns, looks) = (config.traces.are_given(), looks_for_errors(select));
    1 + u64::from(learns || looks) + u64::from(learns) + u64::from(looks)
}

/// Lines are chosen by what other lines of their traces say.
fn looks_for_errors(select: &SelectConfig) -> bool {
    select.only.iter().any(|condition| matches!(condition, Condition::Errors))
}

fn load_traces(config: &ReadConfig, paths: &[PathBuf], outcome: &mut Outcome, notify: &Notify) -> Option<Correlator> {
    if paths.is_empty() {
        return None;
    }
    let limits = Limits { spans_max: config.traces.spans_max, ..Limits::default() };
    let mut correlator = Correlator::new(limits).with_call_sites(config.linking.call_sites.clone());
    outcome.traces = load::load(paths, config.trace_limits(), &mut correlator, &why_no_span);
    outcome.traces.failures.iter().for_each(|failure| notify(failure));
    Some(correlator)
}
