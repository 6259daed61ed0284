//! The summary of a run.
//!
//! In goes an [`Outcome`], out come the lines of the summary: what was read, linked, sent, and what was not, each with its
//! count and what to change. Nothing is counted here.

use crate::commands::remedy::remedy;
use crate::commands::rules::{listed, parsed};
use crate::export::deliver::parcel::Summary;
use crate::notify::{counted, spelled_time};
use crate::record::{Method, Unlinked};
use crate::run::Outcome;
use crate::run::budget::MemoryUse;

/// Files left out that are named for each reason.
const NAMES_MAX: usize = 3;
/// Sources of which is said by name what was left out.
const WRITERS_SHOWN: usize = 5;

const NOT_SHOWN: &str = "not shown: more than --max-temporary-bytes, or in one trace than a share of --memory";

impl Outcome {
    /// The summary for the user.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        let counts = &self.read.counts;
        let mut add = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        if self.stopped {
            add("interrupted: what was not read, written or delivered is left for another run".to_owned());
        }
        let cut = match self.read.files_cut {
            0 => String::new(),
            cut => format!(" ({cut} not to the end)"),
        };
        add(format!(
            "read      {}{cut} in {}, {}, {}, {}",
            counted(self.read.files_read + self.read.files_cut, "file"),
            counted(self.sources as u64, "source"),
            counted(counts.lines, "line"),
            size(counts.bytes),
            counted(counts.records, "record")
        ));
        self.add_unchanged(&mut add);
        let name = |(envelope, format, count): (_, spanline_parsers::Format, u64)| {
            format!("{}{} {count}", crate::export::formats::json::envelope(envelope), format.name())
        };
        let formats: Vec<String> = counts.by_format().into_iter().map(name).collect();
        if !formats.is_empty() {
            add(format!("formats   {}", formats.join(", ")));
        }
        for (count, name, what) in [
            (counts.cut, "line", "longer than the limit, cut into pieces (--max-line-bytes)"),
            (counts.nul_lines, "line", "of NUL bytes, left out"),
            (counts.nul_prefix_bytes, "NUL byte", "before records, left out"),
            (counts.damaged, "entry", "of a journal damaged, passed over"),
            (counts.writers_over_limit, "writer", "of a journal not told apart by its unit: too many"),
            (self.lines_left_out, "line", NOT_SHOWN),
            (self.spans_left_out, "span", NOT_SHOWN),
            (self.events_left_out, "span event", "not made: more than --max-temporary-bytes"),
            (self.spans_evicted, "span", "not kept: more than --max-spans"),
            (self.requests_over_limit, "request", "not kept to link lines by: more than a share of --memory"),
            (self.lines_over_limit, "line", "not kept to infer links from: more than a share of --memory"),
            (self.traces.invalid, "span", "without valid ids or times, left out"),
        ] {
            if count > 0 {
                add(format!("          {} {what}", counted(count, name)));
            }
        }
        self.add_parsed(&mut add);
        self.add_shares(&mut add);
        self.add_bytes(&mut add);
        for (reason, names) in &self.left_out {
            add(format!(
                "left out  {}: {reason} ({})",
                counted(names.len() as u64, "file"),
                first_few(names, self.verbose)
            ));
        }
        self.add_traces(&mut add);
        self.add_links(&mut add);
        self.add_delivered(&mut add);
        text
    }

    /// Bytes that were left out, or lost.
    fn add_bytes(&self, add: &mut impl FnMut(String)) {
        if self.read.counts.nul_bytes > 0 {
            let bytes = size(self.read.counts.nul_bytes);
            add(format!("          {bytes} of NUL bytes in lines longer than the limit, left out"));
        }
        if self.read.bytes_lost > 0 {
            let lost = size(self.read.bytes_lost);
            add(format!("lost      {lost} of files that were emptied, replaced or removed while the run went on"));
        }
    }

    fn add_unchanged(&self, add: &mut impl FnMut(String)) {
        if self.links.files_unchanged > 0 {
            let files = counted(self.links.files_unchanged, "file");
            add(format!("unchanged {files}, all of whose records were acknowledged in an earlier run: not read again"));
        }
    }

    /// What became of records in formats of the user's own.
    fn add_parsed(&self, add: &mut impl FnMut(String)) {
        parsed(&self.formats, &self.read.counts.custom).for_each(|line| add(format!("          {line}")));
    }

    /// Whose lines were left out since they had their share.
    fn add_shares(&self, add: &mut impl FnMut(String)) {
        for (file, lines) in self.lines_over_share.iter().take(WRITERS_SHOWN) {
            let lines = counted(*lines, "line");
            add(format!(
                "          {lines} of {file} not looked at for spans: its share of the memory is used up (raise --memory)"
            ));
        }
        let more = self.lines_over_share.len().saturating_sub(WRITERS_SHOWN);
        if more > 0 {
            add(format!("          lines of {} more likewise", counted(more as u64, "source")));
        }
    }

    fn add_traces(&self, add: &mut impl FnMut(String)) {
        if self.traces.files > 0 {
            let files = self.traces.files - self.from_stores.min(self.traces.files);
            let places = [(files, "file", "in"), (self.from_stores, "Jaeger", "from")];
            let places = places.into_iter().filter(|(count, ..)| *count > 0);
            let places: Vec<_> = places.map(|(count, name, at)| format!("{at} {}", counted(count, name))).collect();
            add(format!("traces    {} {}", counted(self.traces.spans, "span"), places.join(" and ")));
        }
        if self.spans_repeated > 0 {
            let spans = counted(self.spans_repeated, "span");
            add(format!("          {spans} read more than once, written and sent once"));
        }
    }

    /// What was not read, shown or delivered, and nothing else.
    pub(super) fn failures(&self) -> String {
        let mut text = String::new();
        let mut add = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        for (count, what, why) in [
            (self.lines_left_out, "line", NOT_SHOWN),
            (self.spans_left_out, "span", NOT_SHOWN),
            (self.events_left_out, "span event", "beyond --max-temporary-bytes, left out"),
        ] {
            if count > 0 {
                add(format!("failed    {} {why}", counted(count, what)));
            }
        }
        for (name, summary) in self.delivered.iter().filter(|(_, summary)| !summary.is_complete()) {
            add(format!(
                "sent      {name}: {} in {}",
                counted(summary.records, "item"),
                counted(summary.requests, "request")
            ));
            add_undelivered(summary, &mut add);
        }
        self.add_refused(&mut add);
        self.all_failures().for_each(|failure| add(format!("failed    {failure}")));
        text
    }

    /// What destinations refused in earlier runs.
    fn add_refused(&self, add: &mut impl FnMut(String)) {
        for (name, reasons) in &self.refused_before {
            for (reason, count) in reasons {
                add(format!(
                    "refused   {name}: {} in earlier runs, not sent again (--resend tries anew): {reason}",
                    counted(*count, "record")
                ));
            }
        }
    }

    fn add_links(&self, add: &mut impl FnMut(String)) {
        let linked: u64 = self.links.linked.sum();
        let unlinked: u64 = self.links.unlinked.sum();
        let name = |(method, verified): (Method, bool)| {
            format!("{}{}", method.name(), if verified { "" } else { " (span not seen)" })
        };
        let by_method: Vec<_> =
            self.links.linked.iter().map(|(method, count)| format!("{} {count}", name(method))).collect();
        let detail = if by_method.is_empty() { String::new() } else { format!(": {}", by_method.join(", ")) };
        add(format!("linked    {linked} of {}{detail}", linked + unlinked));
        if self.traces.files > 0 {
            let MemoryUse { spans, records, learning } = self.memory;
            let [spans, records, learning] = [spans, records, learning].map(|bytes| size(bytes as u64));
            add(format!("memory    at most {spans} for spans, {records} for records, {learning} to learn from lines"));
        }
        if self.windows > 1 {
            add(format!("          in {} of time, for which --memory has room", counted(self.windows, "window")));
        }
        for (reason, count) in self.links.unlinked.iter() {
            // Traces that hold no span were reported before.
            let remedy = if self.traces.files > 0 && reason == Unlinked::NoTraces { "" } else { remedy(reason) };
            add(format!("unlinked  {count} {}: {}{}", reason.name(), reason.reason(), remedy));
        }
        for (count, name, what) in [
            (self.links.outside_window, "record", "outside --since and --until, left out"),
            (self.links.by_record_before, "record", "without a time, taken or left out as the one before"),
            (self.links.filtered, "record", "left out by --only"),
            (self.links.acknowledged_before, "record", "acknowledged in an earlier run, not sent again"),
        ] {
            if count > 0 {
                add(format!("          {} {what}", counted(count, name)));
            }
        }
        if let (Some((first, last)), None) = (self.links.all_times, self.links.times) {
            let (first, last) = (spelled_time(first), spelled_time(last));
            add(format!("          no record lies between them: the records are from {first} to {last}"));
        }
        listed("dropped  ", &self.links.dropped).into_iter().for_each(|line| add(format!("{line} (rules)")));
        listed("redacted ", &self.links.redacted).into_iter().for_each(&mut *add);
        self.selection_remarks.iter().for_each(|remark| add(format!("          {remark}")));
        if self.links.untraced_before > 0 {
            add(format!(
                "          {} of them sent by a run without traces, and so without a link: --resend sends these again \
                 (a receiver that drops what it has by log.record.uid keeps the older ones)",
                self.links.untraced_before
            ));
        }
        if let Some(why) = self.why_little_is_linked() {
            add(format!("          {why}"));
        }
    }

    /// With traces given and little linked, what the reason may be.
    fn why_little_is_linked(&self) -> Option<String> {
        let (first, last) = self.traces.range?;
        let verified: u64 = self.links.linked.iter().filter(|((_, seen), _)| *seen).map(|(_, count)| count).sum();
        if verified * 50 > self.read.counts.records || self.read.counts.records == 0 {
            return None;
        }
        if self.spans_evicted > 0 {
            let evicted = counted(self.spans_evicted, "span");
            return Some(format!("why so few: {evicted} did not fit (raise --max-spans); lines may belong to these"));
        }
        let (from, to) = self.links.times?;
        let between = |first: i64, last: i64| format!("{} to {}", spelled_time(first), spelled_time(last));
        if to < first || from > last {
            let apart = (first - to).max(from - last) / 1_000_000_000;
            let zone = if self.zone_given { "" } else { "; if their clock had another zone, give --zone" };
            return Some(format!(
                "why so few: the lines are {} away from the spans (lines {}, spans {}){zone}",
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

    fn add_delivered(&self, add: &mut impl FnMut(String)) {
        let carriers = counted(self.carriers, "small span");
        match (self.events, self.events_carried) {
            (0, 0) => {}
            (0, carried) => add(format!("events    {carried} on {carriers} under the spans they belong to")),
            (events, 0) => add(format!("events    {events} made for the spans given")),
            (events, carried) => {
                add(format!("events    {events} made for the spans given"));
                add(format!("          {carried} more on {carriers} under them: beyond what stores take on one span"));
            }
        }
        for (count, what) in [
            (self.events_known, "stored already, not sent again"),
            (self.events_without_parent, "not sent: their spans are shorter than 1 µs, and so are those above"),
        ] {
            if count > 0 {
                add(format!("          {count} {what}"));
            }
        }
        for (name, summary) in &self.delivered {
            add(format!(
                "sent      {name}: {} in {}, {} ({} before compression)",
                counted(summary.records, "item"),
                counted(summary.requests, "request"),
                size(summary.bytes_sent),
                size(summary.bytes_raw)
            ));
            add_undelivered(summary, add);
        }
        self.add_refused(add);
        if self.dry_run {
            add("sent      nothing: --dry-run".to_owned());
        }
        if !self.unwritten.is_empty() {
            let names = self.unwritten.join(", ");
            add(format!("stopped   not written, and as it was before, if it was there: {names}"));
        }
        for failure in self.all_failures() {
            add(format!("failed    {failure}"));
        }
    }
}

/// The first few names, and how many more there are.
fn first_few(names: &[String], are_told: bool) -> String {
    let shown = names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more if are_told => format!("{shown} and {more} more, named above"),
        more => format!("{shown} and {more} more: -v names all"),
    }
}

/// What a destination did not take.
fn add_undelivered(summary: &Summary, add: &mut impl FnMut(String)) {
    if summary.rejected > 0 {
        add(format!("          {} rejected by it", summary.rejected));
    }
    for (reason, count) in &summary.dropped_by_reason {
        add(format!("          {count} not taken by it: {reason}"));
    }
    for (reason, count) in &summary.left_by_reason {
        add(format!("          {count} left for another run: {reason}"));
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

fn spelled_span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{} days", seconds / 86_400),
    }
}
