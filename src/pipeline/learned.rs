//! A run up to the end of its first pass: what was found, and what belongs together.
//!
//! In goes a configuration, out come the sources, the traces' spans and what was learned from all lines. What becomes of
//! it, links and shipments or explanations, is not decided here.

use std::sync::{Arc, Mutex};

use super::deliveries::Say;
use super::monitor::Monitor;
use super::recall::Recall;
use super::{Outcome, PipelineError, Run, progress, store, trace_limits, traces, zones};
use crate::calendar::CalendarSettings;
use crate::commands::survey::{self, Source};
use crate::config::BackfillConfig;
use crate::correlate::{Correlator, span_index};
use crate::input::discover;

/// A run after its first pass: what was found, and what belongs together.
pub(super) struct Learned {
    /// With the files that stores' traces were brought into.
    config: BackfillConfig,
    /// Lives until the end: traces are read again with their lines.
    _spools: Vec<store::Spool>,
    pub(super) sources: Vec<Source>,
    calendars: Vec<CalendarSettings>,
    pub(super) correlator: Option<Correlator>,
    recall: Recall,
    pub(super) progress: progress::Progress,
}

impl Learned {
    /// Finds the sources, brings and reads the traces, and reads the sources once. `keep_evidence`: for explanations.
    pub(super) fn new(
        config: &BackfillConfig,
        keep_evidence: bool,
        monitor: &Arc<Monitor>,
        say: &Say,
    ) -> Result<(Learned, Outcome), PipelineError> {
        let mut config = config.clone();
        let mut skip = config.traces.clone();
        skip.extend(config.links.clone());
        let mut found = discover::find(&config.paths, &skip);
        let mut sources = survey::sources(&mut found);
        if let Some((index, count)) = config.shard {
            sources.retain(|source| {
                twox_hash::XxHash64::oneshot(0, source.writer.as_bytes()) % u64::from(count) == u64::from(index)
            });
        }
        let mut outcome = Outcome::new(&config, &found, sources.len());
        let mut spools = Vec::new();
        if !config.stores.is_empty()
            && let Some(window) = store::window(&config, &sources, monitor.interrupted(), say)
        {
            for from in &config.stores {
                spools.extend(store::bring(&config, from, window, &mut outcome, say)?);
            }
        }
        outcome.from_stores = spools.len() as u64;
        config.traces.extend(spools.iter().map(|spool| spool.path().to_owned()));
        let progress = progress::Progress::start(&sources, !config.traces.is_empty(), monitor, say);
        let mut correlator = load_traces(&config, &mut outcome, say);
        let calendars = zones::calendars(&config, &sources, &outcome.traces, say);
        let recall = Recall::default();
        let mut learned = Learned { config, _spools: spools, sources, calendars, correlator: None, recall, progress };
        if let Some(correlator) = &mut correlator {
            learned.recall = learned.run(monitor).observe(correlator, keep_evidence);
        }
        learned.correlator = correlator;
        Ok((learned, outcome))
    }

    pub(super) fn run<'a>(&'a self, monitor: &'a Arc<Monitor>) -> Run<'a> {
        Run {
            config: &self.config,
            sources: &self.sources,
            origins: self.sources.iter().map(|source| Arc::new(source.origin.clone())).collect(),
            calendars: &self.calendars,
            bytes_read: self.progress.bytes_read().clone(),
            recall: &self.recall,
            monitor,
            spare: Mutex::default(),
        }
    }
}

fn load_traces(config: &BackfillConfig, outcome: &mut Outcome, say: &Say) -> Option<Correlator> {
    if config.traces.is_empty() {
        return None;
    }
    let limits = span_index::Limits { spans_max: config.spans_max, ..span_index::Limits::default() };
    let mut correlator = Correlator::new(limits).with_call_sites(config.call_sites.clone());
    outcome.traces = traces::load(&config.traces, trace_limits(config), &mut correlator);
    outcome.traces.failures.iter().for_each(|failure| say(failure));
    Some(correlator)
}
