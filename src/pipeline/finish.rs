//! The end of a run: what it came to, traces with their lines on the terminal, the exit code.
//!
//! In go what was held and counted, out come text and the exit code; the sum in words is [`summary`]'s. No record is read
//! here.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use super::source::SourceReport;
use super::taps::{HeldLine, HeldLines};
use super::*;
use crate::cli::View;
use crate::export::terminal::Style;
use crate::export::trace_view::{LineView, SpanView, TraceView, write_lines, write_trace, write_unlinked};
use crate::input::discover::LeftOut;
use crate::record::Relation;

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
    /// Of the files that held them, those that a store's traces were brought into.
    pub from_stores: u64,
    /// Spans that did not fit into the index.
    pub spans_evicted: u64,
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
    pub events_homeless: u64,
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
    /// Ctrl-C.
    pub stopped: bool,
    pub(super) dry_run: bool,
    pub(super) zone_given: bool,
}

impl Outcome {
    pub(super) fn new(config: &BackfillConfig, found: &Found, sources: usize) -> Outcome {
        let failures = found.errors.iter().map(|(path, error)| format!("{}: {error}", path.display())).collect();
        Outcome {
            sources,
            left_out: found.left_out.clone(),
            failures,
            traces: TracesReport::default(),
            from_stores: 0,
            spans_evicted: 0,
            requests_over_limit: 0,
            lines_over_limit: 0,
            read: SourceReport::default(),
            links: LinkCounts::default(),
            events: 0,
            events_carried: 0,
            carriers: 0,
            events_known: 0,
            events_homeless: 0,
            events_left_out: 0,
            lines_left_out: 0,
            delivered: Vec::new(),
            refused_before: Vec::new(),
            unwritten: Vec::new(),
            stopped: false,
            dry_run: config.dry_run,
            zone_given: config.zone_given,
        }
    }

    pub(super) fn count_limits(&mut self, correlator: &Correlator) {
        let counts = correlator.counts();
        self.spans_evicted = counts.index.evicted;
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
        self.events_homeless += carried.homeless;
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

/// Shows the lines: trace by trace, then those without one; or all by time.
pub(super) fn show(
    held: &HeldLines,
    correlator: Option<&Correlator>,
    view: View,
    style: Style,
    output: &mut impl Write,
) -> io::Result<()> {
    let mut text = Vec::new();
    let mut by_trace: HashMap<[u8; 16], Vec<&HeldLine>> = HashMap::new();
    let mut unlinked: Vec<&HeldLine> = Vec::new();
    for line in &held.lines {
        match line.link.filter(|_| view == View::Trace) {
            Some(link) => by_trace.entry(link.trace_id).or_default().push(line),
            None => unlinked.push(line),
        }
    }
    let mut traces: Vec<_> = by_trace.into_iter().collect();
    traces.sort_by_key(|(id, lines)| (lines.iter().filter_map(|line| line.time).min(), *id));
    for (trace_id, mut lines) in traces {
        lines.sort_by_key(|line| line.time);
        let view = TraceView {
            trace_id,
            spans: correlator.map_or_else(Vec::new, |correlator| spans_of(correlator, &trace_id)),
            lines: lines.into_iter().map(|line| view_of(held, line)).collect(),
        };
        write_trace(&mut text, &view, style);
        output.write_all(&text)?;
        text.clear();
    }
    unlinked.sort_by_key(|line| line.time);
    if !unlinked.is_empty() {
        let lines: Vec<_> = unlinked.into_iter().map(|line| view_of(held, line)).collect();
        match view {
            View::Trace => write_unlinked(&mut text, &lines, style),
            View::Time => write_lines(&mut text, &lines, style),
        }
    }
    output.write_all(&text)?;
    output.flush()
}

fn view_of<'h>(held: &'h HeldLines, line: &'h HeldLine) -> LineView<'h> {
    LineView {
        span_id: line.link.map_or([0; 8], |link| link.span_id),
        time: line.time,
        time_digits: line.time_digits,
        severity: line.severity,
        source: &held.sources[line.source as usize],
        message: &line.message,
        fields: &line.fields,
        method: line.link.map(|link| link.method),
        relation: line.link.map_or(Relation::Within, |link| link.relation),
        confidence: line.link.and_then(|link| link.confidence),
    }
}

fn spans_of<'c>(correlator: &'c Correlator, trace_id: &[u8; 16]) -> Vec<SpanView<'c>> {
    let index = correlator.index();
    let view = |slot: &crate::correlate::span_index::Slot| {
        let span = index.span(*slot);
        SpanView {
            span_id: span.span_id,
            parent_id: span.parent_id,
            service: &index.resource(span.resource).service,
            name: index.name(span.name),
            start: span.start,
            end: span.end,
            failed: false,
        }
    };
    index.by_trace(trace_id, false).iter().map(view).collect()
}
