//! A run until it has learned: what was found and read, and what belongs together.
//!
//! In goes a configuration, out come the sources, the traces' spans and what was learned from all lines. What becomes of
//! it, links and shipments or explanations, is not decided here.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::inputs::Inputs;
use super::learning::Learning;
use super::loaded_spans::{LoadedSpans, SpansAside};
use super::run::{Run, recognise};
use crate::calendar::CalendarSettings;
use crate::checkpoint::followed_files::{FollowedFiles, KnownFiles};
use crate::correlate::Correlator;
use crate::export::select::Condition;
use crate::input::sources::{self, Source};
use crate::notify::Notify;
use crate::reading::held::Held;
use crate::reading::source::Reading;
use crate::reading::source_records::SourceRecords;
use crate::record::Origin;
use crate::run::Outcome;
use crate::run::RunError;
use crate::run::config::{ReadConfig, SelectConfig};
use crate::run::monitor::{Monitor, ToRead};
use crate::services::Services;
use crate::setting::Setting;
use crate::spans::fetch::{FromStores, LineTimes, fetch};
use crate::spans::load::TracesReport;
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
    /// Lines and spans are linked a window of time after the other: nothing was learned yet.
    pub(super) in_windows: bool,
    /// Spans that the correlator does not hold as a whole.
    pub(super) aside: Option<SpansAside>,
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
    ) -> Result<(Learned<'c>, Outcome), RunError> {
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
        let (calendars, correlator, in_windows, aside, held, files, services) = Default::default();
        let mut learned = Learned {
            config,
            traces,
            _spools,
            sources,
            calendars,
            correlator,
            in_windows,
            aside,
            held,
            files,
            services,
        };
        if !config.traces.stores.is_empty() {
            without_spans.splice(0..0, learned.fetch(select, learning, &mut outcome, monitor, notify)?);
        }
        learned.load_spans(&select.only, learning.in_windows, &mut outcome, notify)?;
        let TracesReport { without_spans: files, unreadable, .. } = &outcome.traces;
        without_spans.extend(files.iter().chain(unreadable).cloned());
        if !without_spans.is_empty() && !monitor.is_interrupted() {
            let without_spans = without_spans.join("; ");
            if !config.traces.allow_none {
                return Err(RunError::NoSpans(without_spans));
            }
            outcome.failures.extend(unreadable.iter().cloned());
            let (traces, allowed) = (Setting::Traces, Setting::AllowNoTraces);
            notify(&format!("{traces} {without_spans}; going on, as {allowed} says"));
        }
        learned.settle_sources(&outcome.traces.seconds, &**notify);
        learned.in_windows = learned.aside.is_some()
            || learning.in_windows && learned.correlator.is_some() && bytes > config.memory.log_bytes;
        if learned.in_windows {
            // Conditions ask about spans before the first line is read.
            learned.correlator.iter_mut().for_each(Correlator::settle_spans);
            (learned.held, learned.files) = Default::default();
            return Ok((learned, outcome));
        }
        let is_read_twice = learned.correlator.is_some() || select.asks_for_errors();
        if is_read_twice && config.traces.stores.is_empty() {
            learned.read_lines(learning, monitor);
        }
        if let Some(mut correlator) = learned.correlator.take() {
            learned.run(monitor).observe(&mut correlator, learning.keeps_evidence);
            learned.correlator = Some(correlator);
        }
        Ok((learned, outcome))
    }

    fn load_spans(
        &mut self,
        only: &[Condition],
        in_windows: bool,
        outcome: &mut Outcome,
        notify: &Notify,
    ) -> Result<(), RunError> {
        if self.traces.is_empty() {
            return Ok(());
        }
        let loaded = LoadedSpans::new(self.config, only, &self.traces, in_windows)?;
        outcome.traces = loaded.report;
        outcome.traces.failures.iter().for_each(|failure| notify(failure));
        (self.correlator, self.aside) = (Some(loaded.correlator), loaded.aside);
        Ok(())
    }

    /// Reads the lines first, and fetches the traces of their time from all stores; returns the stores that have none.
    fn fetch(
        &mut self,
        select: &SelectConfig,
        learning: Learning<'_>,
        outcome: &mut Outcome,
        monitor: &Arc<Monitor>,
        notify: &Notify,
    ) -> Result<Vec<String>, RunError> {
        self.calendars = sources::calendars(&self.config.calendar, &self.sources, &BTreeSet::new(), &|_| {});
        self.read_lines(learning, monitor);
        let has_lines = || self.sources.iter().flat_map(|source| &source.files).any(|file| file.size > 0);
        let lines = match self.run(monitor).records.times() {
            Some(times) => taking_part(times, select),
            None if has_lines() => LineTimes::Unknown,
            None => LineTimes::NoLines,
        };
        let FromStores { spools, without_spans, missing } = fetch(&self.config.traces, lines, &**notify)?;
        outcome.failures.extend(missing);
        outcome.from_stores = spools.len() as u64;
        self.traces.extend(spools.iter().map(|spool| spool.path().to_owned()));
        self._spools.extend(spools);
        Ok(without_spans)
    }

    /// Reads all lines once, and holds their records.
    fn read_lines(&mut self, learning: Learning<'_>, monitor: &Arc<Monitor>) {
        let records = self.run(monitor).records;
        let acknowledged = learning.acknowledged;
        let known =
            |source: &Source| acknowledged.map(|acknowledged| recognise(source, acknowledged, &records.reading));
        let follow = |source: &Source| FollowedFiles::new(known(source).unwrap_or_default(), acknowledged);
        let (held, followed) = records.hold(learning.workers, self.config.memory.whole_bytes, follow);
        let files = followed.into_iter().map(FollowedFiles::end).collect();
        (self.held, self.files) = (held, files);
    }

    /// Settles the zone and year of each source, and who wrote it, by what the spans tell. What was read before that, and
    /// would be read otherwise now, is not held any more.
    fn settle_sources(&mut self, seconds: &BTreeSet<i64>, tell: &dyn Fn(&str)) {
        let calendars = sources::calendars(&self.config.calendar, &self.sources, seconds, tell);
        let before = std::mem::replace(&mut self.calendars, calendars);
        let origin = |(index, source): (usize, &Source)| self.held.is_held(index).then(|| source.origin());
        let origins: Vec<Option<Arc<Origin>>> = self.sources.iter().enumerate().map(origin).collect();
        if let Some(correlator) = &self.correlator {
            self.services = Services::new(correlator.services());
            let pod_named = |name: &str| correlator.pod_named(name);
            sources::settle_writers(&mut self.sources, &self.services, &pod_named);
        }
        for (index, (origin, source)) in origins.iter().zip(&self.sources).enumerate() {
            let Some(origin) = origin else { continue };
            if before[index] == self.calendars[index] {
                self.held.rename(index, origin, &source.origin(), &self.services);
            } else {
                self.held.release(index);
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
                reading: Reading::new(&self.config.input, &self.services, monitor.bytes_read(), monitor.interrupted()),
            },
            files: &self.files,
            monitor,
        }
    }
}

/// The times of lines that take part, with what clocks and buffers may add.
fn taking_part((first, last): (i64, i64), select: &SelectConfig) -> LineTimes {
    let first = select.since.map_or(first, |since| first.max(since));
    let last = select.until.map_or(last, |until| last.min(until));
    LineTimes::Between(first, last.saturating_add(LINE_BEFORE_SPAN))
}

/// How often the records of the sources are wanted: to be read, to learn, to find lines with errors, and to ship.
fn passes(config: &ReadConfig, select: &SelectConfig) -> u64 {
    let (learns, looks) = (config.traces.are_given(), select.asks_for_errors());
    1 + u64::from(learns || looks) + u64::from(learns) + u64::from(looks)
}
