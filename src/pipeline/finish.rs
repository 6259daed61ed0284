//! The end of a run: traces with their lines on the terminal or in files, the summary, the exit code.
//!
//! In go what was held and counted, out come text and a sum that says what was read, linked, sent, and what was not. No
//! record is read here.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use super::source::SourceReport;
use super::taps::HeldLine;
use super::*;
use crate::cli::View;
use crate::export::trace_view::{LineView, SpanView, TraceView, write_lines, write_trace, write_unlinked};
use crate::record::{Method, Relation};

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Sources found.
    pub sources: usize,
    /// Files left out, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// What could not be looked at, read or written.
    pub failures: Vec<String>,
    /// The traces.
    pub traces: TracesReport,
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
    /// Span events made for the given traces.
    pub events: u64,
    /// Child spans that carry them.
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
    /// Ctrl-C.
    pub stopped: bool,
    dry_run: bool,
    zone_given: bool,
}

impl Outcome {
    pub(super) fn new(config: &BackfillConfig, found: &Found, sources: usize) -> Outcome {
        let failures = found.errors.iter().map(|(path, error)| format!("{}: {error}", path.display())).collect();
        Outcome {
            sources,
            left_out: found.left_out.clone(),
            failures,
            traces: TracesReport::default(),
            spans_evicted: 0,
            requests_over_limit: 0,
            lines_over_limit: 0,
            read: SourceReport::default(),
            links: LinkCounts::default(),
            events: 0,
            carriers: 0,
            events_known: 0,
            events_homeless: 0,
            events_left_out: 0,
            lines_left_out: 0,
            delivered: Vec::new(),
            stopped: false,
            dry_run: config.dry_run,
            zone_given: config.zone_given,
        }
    }

    pub(super) fn count_events(&mut self, held: &HeldEvents) {
        let counts = held.counts();
        self.events += counts.added;
        self.events_known += counts.known;
        self.events_left_out += counts.over_limit;
    }

    pub(super) fn count_carriers(&mut self, counts: &carriers::Counts) {
        self.events += counts.events;
        self.carriers += counts.carriers;
        self.events_known += counts.known;
        self.events_homeless += counts.homeless;
        self.events_left_out += counts.over_limit;
    }

    /// All messages of things that were not read or written.
    pub fn all_failures(&self) -> impl Iterator<Item = &String> {
        self.failures.iter().chain(&self.traces.failures).chain(&self.read.failures)
    }

    /// The summary for the user.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let counts = &self.read.counts;
        let mut say = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        say(format!(
            "read      {} in {}, {} lines, {}, {} records",
            counted(self.read.files_read, "file"),
            counted(self.sources as u64, "source"),
            counts.lines,
            size(counts.bytes),
            counts.records
        ));
        let name = |(envelope, format, count): (_, spanline_parsers::Format, u64)| {
            format!("{}{} {count}", crate::export::json::envelope(envelope), format.name())
        };
        let formats: Vec<String> = counts.by_format().into_iter().map(name).collect();
        say(format!("formats   {}", formats.join(", ")));
        for (count, what) in [
            (counts.cut, "lines longer than the limit, cut into pieces (--max-line-bytes)"),
            (counts.nul_lines, "lines of NUL bytes, left out"),
            (counts.damaged, "damaged entries of a journal, passed over"),
            (self.lines_left_out, "lines not shown: more than --max-held-bytes"),
            (self.events_left_out, "span events not made: more than --max-held-bytes"),
            (self.spans_evicted, "spans not kept: more than --max-spans"),
            (self.requests_over_limit, "requests not kept to link lines by: beyond the limit"),
            (self.lines_over_limit, "lines not kept to infer links from: beyond the limit"),
            (self.traces.invalid, "spans without valid ids or times, left out"),
        ] {
            if count > 0 {
                say(format!("          {count} {what}"));
            }
        }
        for (reason, count) in &self.left_out {
            say(format!("left out  {}: {reason}", counted(*count, "file")));
        }
        if self.traces.files > 0 {
            say(format!("traces    {} in {}", counted(self.traces.spans, "span"), counted(self.traces.files, "file")));
        }
        self.say_links(&mut say);
        self.say_delivered(&mut say);
        text
    }

    fn say_links(&self, say: &mut impl FnMut(String)) {
        let linked: u64 = self.links.linked.sum();
        let unlinked: u64 = self.links.unlinked.sum();
        let name = |(method, verified): (Method, bool)| {
            format!("{}{}", method.name(), if verified { "" } else { " (span not seen)" })
        };
        let by_method: Vec<_> =
            self.links.linked.iter().map(|(method, count)| format!("{} {count}", name(method))).collect();
        let detail = if by_method.is_empty() { String::new() } else { format!(": {}", by_method.join(", ")) };
        say(format!("linked    {linked} of {}{detail}", linked + unlinked));
        for (reason, count) in self.links.unlinked.iter() {
            say(format!("unlinked  {count}: {}", reason.reason()));
        }
        for (count, what) in [
            (self.links.below_confidence, "links below --min-confidence, not made (counted above as unlinked)"),
            (self.links.outside_window, "records outside --since and --until, left out"),
            (self.links.acknowledged_before, "records acknowledged in an earlier run, not sent again"),
        ] {
            if count > 0 {
                say(format!("          {count} {what}"));
            }
        }
        if let Some(why) = self.why_little_is_linked() {
            say(format!("          {why}"));
        }
    }

    /// With traces given and little linked, what the reason may be.
    fn why_little_is_linked(&self) -> Option<String> {
        let (first, last) = self.traces.range?;
        let verified: u64 = self.links.linked.iter().filter(|((_, seen), _)| *seen).map(|(_, count)| count).sum();
        if verified * 50 > self.read.counts.records || self.read.counts.records == 0 {
            return None;
        }
        let (from, to) = self.links.times?;
        let between = |first: i64, last: i64| format!("{} to {}", spelled_time(first), spelled_time(last));
        if to < first || from > last {
            let apart = (first - to).max(from - last) / 1_000_000_000;
            let zone = if self.zone_given { "" } else { "; if their clock had another zone, give --zone" };
            return Some(format!(
                "why so few: the lines lie beside the spans by {} (lines {}, spans {}){zone}",
                spelled_span(apart),
                between(from, to),
                between(first, last)
            ));
        }
        Some(format!(
            "why so few: nothing ties these lines to the spans (no id, event, request, pod or habit; spans {})",
            between(first, last)
        ))
    }

    fn say_delivered(&self, say: &mut impl FnMut(String)) {
        if self.carriers > 0 {
            let carriers = counted(self.carriers, "small span");
            say(format!("events    {} on {carriers} under the spans they belong to", self.events));
        } else if self.events > 0 {
            say(format!("events    {} put on the spans given", self.events));
        }
        for (count, what) in [
            (self.events_known, "stored already, not sent again"),
            (self.events_homeless, "not sent: their spans are shorter than 1 µs, and so are those above"),
        ] {
            if count > 0 {
                say(format!("          {count} {what}"));
            }
        }
        for (name, summary) in &self.delivered {
            say(format!(
                "sent      {name}: {} in {}, {} ({} before compression)",
                counted(summary.records, "item"),
                counted(summary.requests, "request"),
                size(summary.bytes_sent),
                size(summary.bytes_raw)
            ));
            if summary.rejected > 0 {
                say(format!("          {} rejected by it", summary.rejected));
            }
            for (reason, count) in &summary.dropped_by_reason {
                say(format!("          {count} not taken by it: {reason}"));
            }
            for (reason, count) in &summary.left_by_reason {
                say(format!("          {count} left for another run: {reason}"));
            }
        }
        if self.dry_run {
            say("sent      nothing: --dry-run".to_owned());
        }
        for failure in self.all_failures() {
            say(format!("failed    {failure}"));
        }
    }
}

/// 0: all was read and delivered; 1: something was not; 130: stopped by Ctrl-C.
pub fn exit_code(outcome: &Outcome) -> u8 {
    let undelivered = outcome.delivered.iter().any(|(_, summary)| !summary.is_complete());
    let unread = outcome.all_failures().next().is_some();
    match () {
        () if outcome.stopped => 130,
        () if undelivered || unread => 1,
        () => 0,
    }
}

impl Outputs {
    /// Writes what was held.
    pub(super) fn finish(
        mut self,
        config: &BackfillConfig,
        correlator: Option<&Correlator>,
        outcome: &mut Outcome,
    ) -> Result<(), PipelineError> {
        if let Some(correlator) = correlator {
            let counts = correlator.counts();
            outcome.spans_evicted = counts.index.evicted;
            outcome.requests_over_limit = counts.requests_over_limit;
            outcome.lines_over_limit = counts.lines_over_limit;
        }
        if let (Some(links), Some(path)) = (self.links, &config.links) {
            links.finish().map_err(|source| PipelineError::Output { path: path.clone(), source })?;
        }
        let mut folders: Vec<(usize, &PathBuf)> = Vec::new();
        for (place, destination) in config.destinations.iter().enumerate() {
            if let Destination::Files(folder) = destination {
                folders.push((place, folder));
            }
        }
        for (file, (place, folder)) in self.logs_files.into_iter().zip(folders) {
            let failed = |source| PipelineError::Output { path: folder.clone(), source };
            file.finish().map_err(failed)?;
            if let Some(events) = self.events.iter_mut().find(|events| events.destination == place) {
                let output = File::create(folder.join("traces.jsonl")).map_err(failed)?;
                traces::write_file(&config.traces, trace_limits(config), events, output).map_err(failed)?;
                outcome.count_events(events);
            }
        }
        if let Some(lines) = self.lines {
            outcome.lines_left_out = lines.left_out;
            let style = Style { colour: config.colour, width: config.width };
            match show(&lines, correlator, config.view, style, &mut io::stdout().lock()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Shows the lines: trace by trace, then those without one; or all by time.
fn show(
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

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

pub(super) fn spelled_time(nanos: i64) -> String {
    chrono::DateTime::from_timestamp_nanos(nanos).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn spelled_span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{} days", seconds / 86_400),
    }
}
