//! Text on the terminal: each trace with its lines, then the lines of none; or all lines by time.
//!
//! In go lines that were held and the spans, out comes text; where that was asked for, with `FILE:LINE` (for `explain
//! --at`) and ids of spans. How a row looks is decided in [`trace_view`](crate::export::formats::trace_view).

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use crate::correlate::Correlator;
use crate::correlate::index::{Slot, SpanIndex};
use crate::export::config::{TextConfig, View};
use crate::export::formats::held_lines::{HeldLine, HeldLines};
use crate::export::formats::terminal::{Line, Paint, Style};
use crate::export::formats::text::SpanName;
use crate::export::formats::trace_view::{LineView, SpanView, TraceView, write_lines, write_trace, write_unlinked};
use crate::export::select::Selection;
use crate::input::discover;
use crate::input::sources::Source;
use crate::record::{Link, Relation};

type TraceId = [u8; 16];

/// What the text is made of.
pub(super) struct TextOutput<'a> {
    pub(super) lines: &'a HeldLines,
    pub(super) correlator: Option<&'a Correlator>,
    pub(super) selection: &'a Selection<'a>,
    pub(super) config: &'a TextConfig,
    /// All that were read, so that names of files are told apart.
    pub(super) sources: &'a [Source],
}

impl<'a> TextOutput<'a> {
    /// Writes everything.
    pub(super) fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let names = if self.config.places { self.short_names() } else { Vec::new() };
        let mut by_trace: HashMap<TraceId, Vec<&'a HeldLine>> = HashMap::new();
        let mut unlinked: Vec<&'a HeldLine> = Vec::new();
        for line in &self.lines.lines {
            match line.link.filter(|_| self.config.view == View::Trace) {
                Some(link) => by_trace.entry(link.trace_id).or_default().push(line),
                None => unlinked.push(line),
            }
        }
        let mut traces: Vec<(Option<i64>, TraceId, Vec<&'a HeldLine>)> = by_trace
            .into_iter()
            .map(|(id, lines)| (lines.iter().filter_map(|line| line.order).min(), id, lines))
            .collect();
        if self.config.view == View::Trace {
            let known: HashSet<TraceId> = traces.iter().map(|(_, id, _)| *id).collect();
            let without = self.traces_without_lines().filter(|(id, _)| !known.contains(id));
            traces.extend(without.map(|(id, start)| (Some(start), id, Vec::new())));
        }
        traces.sort_by_key(|(time, id, _)| (*time, *id));
        let mut text = Vec::new();
        if !traces.is_empty() || !unlinked.is_empty() {
            write_zone(&mut text, self.style());
        }
        for (trace_id, mut lines) in traces.into_iter().map(|(_, id, lines)| (id, lines)) {
            lines.sort_by_key(|line| line.order);
            let view = TraceView {
                trace_id,
                spans: self.index().map_or_else(Vec::new, |index| spans_of(index, &trace_id)),
                is_whole: lines.is_empty(),
                has_ids: self.config.places,
                lines: lines.into_iter().map(|line| self.view_of(line, &names)).collect(),
            };
            write_trace(&mut text, &view, self.style());
            output.write_all(&text)?;
            text.clear();
        }
        unlinked.sort_by_key(|line| line.order);
        if !unlinked.is_empty() {
            let lines: Vec<_> = unlinked.into_iter().map(|line| self.view_of(line, &names)).collect();
            match self.config.view {
                View::Trace => write_unlinked(&mut text, &lines, self.style()),
                View::Time => write_lines(&mut text, &lines, self.style()),
            }
        }
        output.write_all(&text)?;
        output.flush()
    }

    fn style(&self) -> Style {
        self.config.style
    }

    fn index(&self) -> Option<&'a SpanIndex> {
        self.correlator.map(Correlator::index)
    }

    /// Traces that are shown even if none of their lines is, with their starts: where all are wanted, or where conditions
    /// ask for traces and nothing else.
    fn traces_without_lines(&self) -> impl Iterator<Item = (TraceId, i64)> {
        let index = self.index().filter(|_| self.config.all_traces || !self.selection.is_everything());
        let mut last = None;
        let slots = index.map_or(&[][..], SpanIndex::in_order_of_traces);
        let spans = slots.iter().filter_map(move |slot| index.map(|index| index.span(*slot)));
        // The first of a trace is its earliest.
        let firsts = spans.filter(move |span| last.replace(span.trace_id) != Some(span.trace_id));
        firsts.map(|span| (span.trace_id, span.start)).filter(|(id, _)| self.selection.admits_trace(id))
    }

    fn view_of(&self, line: &'a HeldLine, names: &[String]) -> LineView<'a> {
        let name = names.get(line.file as usize);
        LineView {
            span_id: line.link.map_or([0; 8], |link| link.span_id),
            time: line.time,
            order: line.order,
            time_digits: line.time_digits,
            severity: line.severity,
            source: &self.lines.sources[line.source as usize],
            message: &line.message,
            fields: &line.fields,
            method: line.link.map(|link| link.method),
            relation: line.link.map_or(Relation::Within, |link| link.relation),
            confidence: line.link.and_then(|link| link.confidence),
            span: line.link.filter(|_| self.config.view == View::Time).map(|link| self.span_of(&link)),
            place: name.map(|name| format!("{name}:{}", line.line)),
        }
    }

    fn span_of(&self, link: &Link) -> SpanName<'a> {
        let span = self.index().and_then(|index| Some((index, index.by_ids(&link.trace_id, &link.span_id)?)));
        let name = span.map_or("", |(index, slot)| index.name(index.span(slot).name));
        SpanName { name, span_id: link.span_id, trace_id: link.trace_id }
    }

    /// Of each file of the lines the shortest end that no other file has.
    fn short_names(&self) -> Vec<String> {
        let all: Vec<&str> = self.sources.iter().flat_map(|source| &source.files).map(|file| &*file.shown).collect();
        let mut ends: HashMap<String, usize> = HashMap::new();
        for end in all.iter().flat_map(|name| ends_of(name)) {
            *ends.entry(end).or_default() += 1;
        }
        let short = |name: &String| ends_of(name).find(|end| ends.get(end) == Some(&1)).unwrap_or_else(|| name.clone());
        self.lines.files.iter().map(short).collect()
    }
}

/// The last part of a path, the last two, …
fn ends_of(path: &str) -> impl Iterator<Item = String> {
    let mut end = String::new();
    discover::parts_from_end(path).map(move |part| {
        end = if end.is_empty() { part.to_owned() } else { format!("{part}/{end}") };
        end.clone()
    })
}

/// All times are in one zone, which is named once.
fn write_zone(out: &mut Vec<u8>, style: Style) {
    let mut line = Line::begin(out, style);
    line.put("times in UTC", Paint::Dim);
    line.end();
    out.push(b'\n');
}

fn spans_of<'c>(index: &'c SpanIndex, trace_id: &TraceId) -> Vec<SpanView<'c>> {
    let view = |slot: &Slot| {
        let span = index.span(*slot);
        SpanView {
            span_id: span.span_id,
            parent_id: span.parent_id,
            service: &index.resource(span.resource).service,
            name: index.name(span.name),
            start: span.start,
            end: span.end,
            failure: index.failure(*slot),
        }
    };
    index.by_trace(trace_id, false).iter().map(view).collect()
}
