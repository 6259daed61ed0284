//! The outcome of a run, in numbers and messages.
//!
//! Values only: the stages of a run put in what they counted, the command says it. No record is read here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::budget::MemoryUse;
use super::config::ReadConfig;
use crate::correlate::Correlator;
use crate::counts::LinkCounts;
use crate::export::deliver::parcel::Summary;
use crate::export::span_events::carriers;
use crate::export::span_events::held_events::HeldEvents;
use crate::input::discover::Found;
use crate::input::discover::LeftOut;
use crate::input::sources::Source;
use crate::line_rules::custom_format::CustomFormats;
use crate::reading::source::SourceReport;
use crate::spans::load::TracesReport;

/// The outcome of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Sources found.
    pub sources: usize,
    /// Files left out, by reason.
    pub left_out: LeftOut,
    /// What could not be looked at, read or written.
    pub failures: Vec<String>,
    /// The traces.
    pub traces: TracesReport,
    /// Of the files that held them, those that a store's traces were fetched into.
    pub from_stores: u64,
    /// Spans that did not fit into the index.
    pub spans_evicted: u64,
    /// Spans that were read more than once.
    pub spans_repeated: u64,
    /// Requests that did not fit into what is kept to link lines by.
    pub requests_over_limit: u64,
    /// Lines that did not fit into what links are inferred from.
    pub lines_over_limit: u64,
    /// Lines that were not looked at since their writer had its share, by the newest file of its source; most first.
    pub lines_over_share: Vec<(String, u64)>,
    /// What parts of the memory were used.
    pub memory: MemoryUse,
    /// What was read.
    pub read: SourceReport,
    /// What was linked.
    pub links: LinkCounts,
    /// Windows of time that lines were linked in; 0 or 1 where all were linked at once.
    pub windows: u64,
    /// Span events put on the given spans.
    pub events: u64,
    /// Span events put on carriers.
    pub events_carried: u64,
    /// The child spans that carry them.
    pub carriers: u64,
    /// Span events that were stored already.
    pub events_known: u64,
    /// Span events for spans that none could be put under.
    pub events_without_parent: u64,
    /// Span events, and lines for the terminal, that were beyond the limit.
    pub events_left_out: u64,
    /// See `events_left_out`.
    pub lines_left_out: u64,
    /// Spans that were not shown with the lines of their traces.
    pub spans_left_out: u64,
    /// What each destination took.
    pub delivered: Vec<(String, Summary)>,
    /// What each destination refused in earlier runs and was not sent again, by reason.
    pub refused_before: Vec<(String, BTreeMap<String, u64>)>,
    /// Files that were not written since the run was stopped.
    pub unwritten: Vec<String>,
    /// Why nothing is selected, and how conditions were understood.
    pub selection_remarks: Vec<String>,
    /// It was interrupted.
    pub stopped: bool,
    pub(crate) dry_run: bool,
    pub(crate) zone_given: bool,
    pub(crate) verbose: bool,
    /// Formats of the user's own.
    pub(crate) formats: Arc<CustomFormats>,
}

impl Outcome {
    pub(crate) fn new(config: &ReadConfig, found: &Found, sources: usize) -> Outcome {
        let failures = found.errors.iter().map(|(path, error)| format!("{}: {error}", path.display())).collect();
        Outcome {
            sources,
            left_out: found.left_out.clone(),
            failures,
            zone_given: config.calendar.zone.is_some(),
            verbose: config.input.verbose,
            formats: config.input.rules.formats.clone(),
            ..Outcome::default()
        }
    }

    pub(crate) fn count_limits(&mut self, correlator: &Correlator, sources: &[Source]) {
        let counts = correlator.counts();
        self.spans_evicted = counts.index.evicted;
        self.spans_repeated = counts.index.duplicates;
        self.requests_over_limit = counts.requests_over_limit;
        self.lines_over_limit = counts.lines_over_limit;
        self.memory.spans = self.memory.spans.max(correlator.index().bytes());
        self.memory.learning = counts.learning_bytes;
        let name = |source: u32| sources.get(source as usize)?.files.last().map(|file| file.shown.clone());
        let lines = correlator.lines_over_share().into_iter();
        self.lines_over_share = lines.filter_map(|(source, lines)| Some((name(source)?, lines))).collect();
    }

    /// What became of the events of one destination: those put on the given spans, and those on carriers.
    pub(crate) fn count_events(&mut self, held: &HeldEvents, carried: &carriers::Counts) {
        let on_spans = held.counts();
        self.events += on_spans.added;
        self.events_carried += carried.events;
        self.carriers += carried.carriers;
        self.events_known += on_spans.known + carried.known;
        self.events_without_parent += carried.without_parent;
        self.events_left_out += on_spans.over_limit;
        if let Some(error) = held.events.failure() {
            self.failures.push(format!("the temporary file for span events: {error}; some were not made"));
        }
    }

    /// All messages of things that were not read or written.
    pub fn all_failures(&self) -> impl Iterator<Item = &String> {
        self.failures.iter().chain(&self.traces.failures).chain(&self.read.failures)
    }
}
