//! The end of a run: what it came to, traces with their lines on the terminal, the exit code.
//!
//! In go what was held and counted, out come the exit code and counts; text is [`show`]'s, the sum in words [`summary`]'s. No
//! record is read here.

use std::collections::BTreeMap;

use super::config::ReadConfig;
use super::link_counts::LinkCounts;
use super::source::SourceReport;
use crate::correlate::Correlator;
use crate::export::Summary;
use crate::export::carriers;
use crate::export::held_events::HeldEvents;
use crate::input::discover::Found;
use crate::input::discover::LeftOut;
use crate::spans::load::TracesReport;

/// What a run came to.
#[derive(Debug, Clone)]
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
    /// What was read.
    pub read: SourceReport,
    /// What was linked.
    pub links: LinkCounts,
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
    /// What each destination took.
    pub delivered: Vec<(String, Summary)>,
    /// What each destination refused in earlier runs and was not sent again, by reason.
    pub refused_before: Vec<(String, BTreeMap<String, u64>)>,
    /// Files that were not written since the run was stopped.
    pub unwritten: Vec<String>,
    /// Why `--only` leaves nothing, and how it was understood.
    pub only_remarks: Vec<String>,
    /// Ctrl-C.
    pub stopped: bool,
    pub(crate) dry_run: bool,
    pub(crate) zone_given: bool,
    pub(crate) verbose: bool,
}

impl Outcome {
    pub(super) fn new(config: &ReadConfig, found: &Found, sources: usize) -> Outcome {
        let failures = found.errors.iter().map(|(path, error)| format!("{}: {error}", path.display())).collect();
        Outcome {
            sources,
            left_out: found.left_out.clone(),
            failures,
            traces: TracesReport::default(),
            from_stores: 0,
            spans_evicted: 0,
            spans_repeated: 0,
            requests_over_limit: 0,
            lines_over_limit: 0,
            read: SourceReport::default(),
            links: LinkCounts::default(),
            events: 0,
            events_carried: 0,
            carriers: 0,
            events_known: 0,
            events_without_parent: 0,
            events_left_out: 0,
            lines_left_out: 0,
            delivered: Vec::new(),
            refused_before: Vec::new(),
            unwritten: Vec::new(),
            only_remarks: Vec::new(),
            stopped: false,
            dry_run: false,
            zone_given: config.calendar.zone.is_some(),
            verbose: config.input.verbose,
        }
    }

    pub(super) fn count_limits(&mut self, correlator: &Correlator) {
        let counts = correlator.counts();
        self.spans_evicted = counts.index.evicted;
        self.spans_repeated = counts.index.duplicates;
        self.requests_over_limit = counts.requests_over_limit;
        self.lines_over_limit = counts.lines_over_limit;
    }

    /// What became of the events of one destination: those put on the given spans, and those on carriers.
    pub(super) fn count_events(&mut self, held: &HeldEvents, carried: &carriers::Counts) {
        let on_spans = held.counts();
        self.events += on_spans.added;
        self.events_carried += carried.events;
        self.carriers += carried.carriers;
        self.events_known += on_spans.known + carried.known;
        self.events_without_parent += carried.without_parent;
        self.events_left_out += on_spans.over_limit;
    }

    /// All messages of things that were not read or written.
    pub fn all_failures(&self) -> impl Iterator<Item = &String> {
        self.failures.iter().chain(&self.traces.failures).chain(&self.read.failures)
    }
}

/// 0: all was read and delivered; 1: something was not; 130: stopped by Ctrl-C.
pub fn exit_code(outcome: &Outcome) -> u8 {
    let undelivered = outcome.delivered.iter().any(|(_, summary)| !summary.is_complete());
    let refused = outcome.refused_before.iter().any(|(_, reasons)| !reasons.is_empty());
    let unread = outcome.all_failures().next().is_some();
    let not_shown = outcome.lines_left_out + outcome.events_left_out > 0;
    match () {
        () if outcome.stopped => 130,
        () if undelivered || refused || unread || not_shown => 1,
        () => 0,
    }
}
