//! `spanline explain`: why lines are linked as they are. Reads and learns like a backfill, then explains what was asked for.
//!
//! In go a line's place, a trace id or conditions, out comes text or JSON: of a line its candidates, the evidence for each
//! and the outcome; of a trace all its lines in order, each with its evidence. The correlator gathers the evidence,
//! [`story`] lays it out.

pub mod config;
mod story;
mod story_json;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Write};
use std::sync::Arc;

use super::progress::Progress;
use crate::correlate::Correlator;
use crate::correlate::explanation::Explanation;
use crate::export::formats::terminal::Style;
use crate::export::formats::text_fields::Fields;
use crate::export::select::Selection;
use crate::files::clash::Output;
use crate::input::discover;
use crate::notify::Notify;
use crate::pipeline::inputs::Inputs;
use crate::pipeline::learned::Learned;
use crate::pipeline::learning::Learning;
use crate::pipeline::span_lookups;
use crate::record::sink::{RecordSink, SourceSink};
use crate::record::{Link, Record};
use crate::run::RunError;
use crate::run::monitor::Monitor;
use config::{ExplainConfig, Wanted};
use story::LineStory;

/// Lines that are explained; a trace rarely has a thousand.
const LINES_MAX: usize = 100_000;
/// Bytes of them.
const LINE_BYTES_MAX: usize = 256 << 20;

/// Files named to choose from.
const NAMES_MAX: usize = 4;

/// Lines are read to be explained, and not sent.
const EXPLAINING: Learning<'_> = Learning { keeps_evidence: true, workers: 1, in_windows: false, acknowledged: None };

/// Explains; returns what could not be read or found.
pub fn run(
    config: &ExplainConfig,
    output: &mut impl Write,
    monitor: &Arc<Monitor>,
    notify: &Notify,
) -> Result<Vec<String>, RunError> {
    let (wanted, as_json) = (&config.wanted, config.as_json);
    let progress = Progress::start(config.read.quiet, monitor, notify);
    let above = &progress.notify_above(notify);
    let inputs = Inputs::find(&config.read, None, monitor.interrupted(), above);
    inputs.protect(&config.read, &[Output::stdout(), Output::stderr()])?;
    let (learned, mut outcome) = Learned::new(&config.read, &config.select, inputs, EXPLAINING, monitor, above)?;
    let run = learned.run(monitor);
    let Some(correlator) = &learned.correlator else {
        outcome.failures.push("no traces were found to link lines to".to_owned());
        return Ok(outcome.all_failures().cloned().collect());
    };
    let errors = match config.select.asks_for_errors() {
        true => run.traces_with_errors(&config.select, Some(correlator)),
        false => HashSet::new(),
    };
    let mut collector = Collector {
        correlator,
        wanted,
        selection: Selection::new(&config.select.only, span_lookups::of(Some(correlator)), &errors),
        min_confidence: config.read.linking.min_confidence,
        place: None,
        files: Vec::new(),
        fields: config.text.fields,
        as_json,
        stories: Vec::new(),
        bytes: 0,
        left_out: 0,
    };
    let named = Named::new(wanted, learned.sources.iter().flat_map(|source| &source.files).map(|file| &*file.shown));
    for (index, source) in learned.sources.iter().enumerate() {
        collector.files = source.files.iter().map(|file| file.shown.clone()).collect();
        if let Wanted::Line { line, .. } = wanted {
            let Some(first) = collector.files.iter().position(|file| named.matching.contains(file)) else { continue };
            collector.place = Some((first as u32, *line));
        }
        outcome.read.add(run.records.give(index, &mut collector));
    }
    let remarks = collector.selection.remarks(span_lookups::of(Some(correlator)));
    let Collector { stories, left_out, .. } = collector;
    progress.finish();
    let mut text = Vec::new();
    if !stories.is_empty() {
        remarks.iter().for_each(|remark| notify(remark));
    }
    let missing = named.missing(wanted, &stories, &remarks);
    let missing = missing.or_else(|| write(&mut text, config, correlator, stories));
    match output.write_all(&text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    outcome.failures.extend(missing);
    if left_out > 0 {
        outcome.failures.push(format!("{left_out} further lines are left out"));
    }
    Ok(outcome.all_failures().cloned().collect())
}

/// Writes what is wanted; returns why there is nothing to tell.
fn write(
    text: &mut Vec<u8>,
    config: &ExplainConfig,
    correlator: &Correlator,
    stories: Vec<LineStory>,
) -> Option<String> {
    let (min, style) = (config.read.linking.min_confidence, config.text.style);
    match (config.as_json, &config.wanted) {
        (true, Wanted::Line { .. }) => stories.last().iter().for_each(|line| story_json::write(text, line, min)),
        (true, _) => sorted(&stories).into_iter().for_each(|line| story_json::write(text, line, min)),
        (_, Wanted::Line { .. }) => stories.last().iter().for_each(|line| story::write_line(text, line, min, style)),
        (_, Wanted::Trace(id)) => return story::write_trace(text, id, correlator.index(), stories, min, style),
        (_, Wanted::Chosen) => write_chosen(text, correlator, stories, min, style),
    }
    None
}

/// The files that `--at` may mean.
struct Named {
    matching: BTreeSet<String>,
}

impl Named {
    fn new<'f>(wanted: &Wanted, files: impl Iterator<Item = &'f str> + Clone) -> Named {
        let Wanted::Line { file, .. } = wanted else { return Named { matching: BTreeSet::new() } };
        // Its whole name may be the end of another's.
        let is_whole = files.clone().any(|known| known == file);
        let is_meant = |known: &&str| if is_whole { *known == file } else { ends_alike(known, file) };
        Named { matching: files.filter(is_meant).map(str::to_owned).collect() }
    }

    /// Why there is nothing to tell.
    fn missing(&self, wanted: &Wanted, stories: &[LineStory], remarks: &[String]) -> Option<String> {
        match wanted {
            Wanted::Line { file, .. } if self.matching.is_empty() => Some(format!("no log file {file} was found")),
            Wanted::Line { file, .. } if self.matching.len() > 1 => {
                Some(format!("{file} may be any of {}: give more of its path", listed(&self.matching)))
            }
            Wanted::Line { file, line } if stories.is_empty() => Some(format!("{file} has no line {line}")),
            Wanted::Chosen if stories.is_empty() => Some(format!("no line meets --only: {}", remarks.join("; "))),
            _ => None,
        }
    }
}

fn sorted(stories: &[LineStory]) -> Vec<&LineStory> {
    let mut sorted: Vec<&LineStory> = stories.iter().collect();
    sorted.sort_by_key(|story| (story.time, story.position.line));
    sorted
}

/// Lines by trace, then those without a link.
fn write_chosen(text: &mut Vec<u8>, correlator: &Correlator, stories: Vec<LineStory>, min: f32, style: Style) {
    let mut by_trace: BTreeMap<[u8; 16], Vec<LineStory>> = BTreeMap::new();
    let mut unlinked = Vec::new();
    for story in stories {
        match story.explanation.link.filter(|_| story.explanation.reason_at(min).is_none()) {
            Some(link) => by_trace.entry(link.trace_id).or_default().push(story),
            None => unlinked.push(story),
        }
    }
    let mut traces: Vec<_> = by_trace.into_iter().collect();
    traces.sort_by_key(|(_, stories)| stories.iter().filter_map(|story| story.time).min());
    for (id, stories) in traces {
        story::write_trace(text, &id, correlator.index(), stories, min, style);
        text.push(b'\n');
    }
    story::write_unlinked(text, sorted(&unlinked), min, style);
}

/// The first few names, and how many more there are.
fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = names.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// Whether the parts of the shorter path are the last ones of the longer.
fn ends_alike(one: &str, two: &str) -> bool {
    discover::parts_from_end(one).zip(discover::parts_from_end(two)).all(|(one, two)| one == two)
}

/// Collects the explanations of the records that are wanted.
struct Collector<'a> {
    correlator: &'a Correlator,
    wanted: &'a Wanted,
    selection: Selection<'a>,
    min_confidence: f32,
    /// File of the source, and line.
    place: Option<(u32, u64)>,
    files: Vec<String>,
    fields: Fields,
    as_json: bool,
    stories: Vec<LineStory>,
    /// What they take.
    bytes: usize,
    left_out: u64,
}

impl Collector<'_> {
    fn collect(&mut self, record: &Record<'_>, explanation: Explanation) {
        let file = self.files.get(record.position.file as usize).map_or("", String::as_str);
        let story = LineStory::new(record, file, (self.fields, self.as_json), explanation);
        self.bytes += story.bytes();
        self.stories.push(story);
    }

    fn is_wanted(&self, record: &Record<'_>, link: Option<&Link>) -> bool {
        let is_made = |link: &&Link| link.confidence.is_none_or(|confidence| confidence >= self.min_confidence);
        match self.wanted {
            Wanted::Line { .. } => {
                let position = record.position;
                let Some((file, line)) = self.place else { return false };
                let holds = (position.line..position.line + u64::from(position.lines.max(1))).contains(&line);
                // Records of two streams may lie in one another: the last to begin before the line is meant.
                let is_later = self.stories.last().is_none_or(|known| known.position.line <= position.line);
                position.file == file && holds && is_later
            }
            Wanted::Trace(id) => {
                link.is_some_and(|link| link.trace_id == *id)
                    && (self.selection.is_everything() || self.selection.admits(record, link))
            }
            Wanted::Chosen => self.selection.admits(record, link.filter(is_made)),
        }
    }
}

impl RecordSink for Collector<'_> {
    fn record(&mut self, record: &Record<'_>) {
        let link = match self.wanted {
            Wanted::Line { .. } => None,
            _ => self.correlator.link(record).ok(),
        };
        if !self.is_wanted(record, link.as_ref()) {
            return;
        }
        if self.stories.len() >= LINES_MAX || self.bytes >= LINE_BYTES_MAX {
            self.left_out += 1;
            return;
        }
        self.collect(record, self.correlator.explain(record));
    }
}

impl SourceSink for Collector<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_files_a_few_are_named() {
        let names = |count: usize| (0..count).map(|at| format!("{at}/0.log")).collect();
        assert_eq!(listed(&names(2)), "0/0.log, 1/0.log");
        assert_eq!(listed(&names(9)), "0/0.log, 1/0.log, 2/0.log, 3/0.log and 5 more");
    }

    #[test]
    fn a_file_is_named_by_its_end() {
        for (one, two, alike) in [
            ("logs/kubelet.log", "kubelet.log", true),
            ("logs/kubelet.log", "/var/logs/kubelet.log", true),
            ("./logs/kubelet.log", "logs/kubelet.log", true),
            ("logs/pods/a/0.log", "pods/b/0.log", false),
            ("logs/old-kubelet.log", "kubelet.log", false),
        ] {
            assert_eq!(ends_alike(one, two), alike, "{one} {two}");
        }
        let named = |file: &str, known: &[&str]| {
            let wanted = Wanted::Line { file: file.to_owned(), line: 1 };
            Named::new(&wanted, known.iter().copied()).matching.len()
        };
        assert_eq!(named("kubelet.log", &["a/kubelet.log", "b/kubelet.log"]), 2);
        assert_eq!(named("kubelet.log", &["kubelet.log", "b/kubelet.log"]), 1, "its whole name");
    }
}
