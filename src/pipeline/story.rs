//! Why a line is linked as it is, for people.
//!
//! In go lines with what the correlator told of them, out comes text: what the line is, the outcome, the candidates with
//! the evidence for and against each. Nothing is decided here.

use spanline_parsers::Severity;

use crate::correlate::explain::{Candidate, DISTANCE_TO_END, DISTANCE_TO_START, Explanation, Factor};
use crate::correlate::span_index::SpanIndex;
use crate::export::terminal::{Line, Paint, Style};
use crate::export::text::{Clock, Row, Tag};
use crate::export::text_fields::{FieldList, Fields};
use crate::export::trace_view::duration;
use crate::export::{json, spell, text};
use crate::record::{Link, Position, Record, Relation};

/// Pieces of evidence told beside each line of a trace.
const FACTORS_BESIDE: usize = 3;
/// A message is told up to here.
const MESSAGE_BYTES_MAX: usize = 2000;

/// A record, and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct LineStory {
    /// The file, as it is shown.
    pub(super) file: String,
    /// Where in it.
    pub(super) position: Position,
    /// ns since the epoch.
    pub(super) time: Option<i64>,
    /// Digits of the second that the time was written with.
    pub(super) time_digits: u8,
    /// How bad it is.
    pub(super) severity: Severity,
    /// What was recognised, envelope first.
    pub(super) format: String,
    /// Who wrote it.
    pub(super) source: String,
    /// What it says, its beginning.
    pub(super) message: Vec<u8>,
    /// What else it says.
    pub(super) fields: FieldList,
    /// What the correlator tells.
    pub(super) explanation: Explanation,
}

impl LineStory {
    /// Keeps what is told of a record.
    pub(super) fn new(record: &Record<'_>, file: &str, which: Fields, explanation: Explanation) -> LineStory {
        let message = &record.entry.body;
        LineStory {
            file: file.to_owned(),
            position: record.position,
            time: record.time,
            time_digits: record.time_digits,
            severity: record.entry.severity,
            format: format!("{}{}", json::envelope(record.envelope), record.entry.format.name()),
            source: text::source(record.origin).to_owned(),
            message: message[..message.len().min(MESSAGE_BYTES_MAX)].to_vec(),
            fields: FieldList::of(record, which),
            explanation,
        }
    }

    /// Its row; `before`: the line before, of the same trace.
    fn row(&self, out: &mut Vec<u8>, date: bool, before: Option<&LineStory>, style: Style) -> usize {
        let mut fields = Vec::new();
        let before = before.filter(|before| before.source == self.source);
        self.fields.write(&mut fields, before.map(|before| &before.fields), &[]);
        let row = Row {
            indent: 0,
            time: self.time,
            clock: Clock { date, digits: self.time_digits, columns: 6 },
            severity: self.severity,
            source: "",
            source_columns: 0,
            message: &self.message,
            fields: &fields,
            tag: Tag { site: self.fields.site(), ..Tag::default() },
        };
        row.write(out, style)
    }
}

/// Writes the story of one line.
pub(super) fn write_line(out: &mut Vec<u8>, story: &LineStory, min_confidence: f32, style: Style) {
    let mut line = Line::begin(out, style);
    line.put(format!("{}:{}", story.file, story.position.line), Paint::Bold);
    let lines = match story.position.lines {
        0 | 1 => String::new(),
        lines => format!("{lines} lines, "),
    };
    line.put(format!("  {lines}{}, by {}, times in UTC", story.format, story.source), Paint::Dim);
    line.end();
    story.row(out, true, None, style);
    out.push(b'\n');
    outcome(out, &story.explanation, min_confidence, style);
    out.push(b'\n');
    candidates(out, &story.explanation, style);
    kind(out, &story.explanation, style);
}

/// outcome = "linked" how where / "not linked" why
fn outcome(out: &mut Vec<u8>, explanation: &Explanation, min_confidence: f32, style: Style) {
    let mut line = Line::begin(out, style);
    if let Some(reason) = explanation.reason_at(min_confidence) {
        line.put("not linked", Paint::Yellow);
        line.put(format!("  {}: {}", reason.name(), reason.reason()), Paint::Plain);
        if let Some(confidence) = explanation.link.as_ref().and_then(|link| link.confidence) {
            line.put(format!(" ({confidence:.4}, needed are {min_confidence})"), Paint::Plain);
        }
    } else if let Some(link) = &explanation.link {
        line.put("linked", Paint::Green);
        line.put(format!("  {}", how(link)), Paint::Plain);
        line.end();
        line = Line::begin(out, style);
        let mut ids = b"  trace ".to_vec();
        spell::hex(&mut ids, &link.trace_id);
        ids.extend_from_slice(b"  span ");
        spell::hex(&mut ids, &link.span_id);
        line.put(&ids, Paint::Plain);
    }
    line.end();
}

/// how = method ["," confidence] "," relation ["," "span not seen"]
fn how(link: &Link) -> String {
    let mut how = link.method.name().to_owned();
    if let Some(confidence) = link.confidence {
        how.push_str(&format!(", confidence {confidence:.4}"));
    }
    how.push_str(match link.relation {
        Relation::Within => ", written within the span",
        Relation::About => ", about what the span does, written elsewhere",
    });
    if !link.verified {
        how.push_str(", the span was not seen");
    }
    how
}

fn candidates(out: &mut Vec<u8>, explanation: &Explanation, style: Style) {
    let mut line = Line::begin(out, style);
    let count = explanation.candidates.len() + explanation.left_out;
    line.put(format!("candidates  {count}"), Paint::Bold);
    if let Some(no_span) = explanation.no_span {
        line.put(format!(", and no recorded span: {no_span:.4}"), Paint::Plain);
    }
    line.end();
    for candidate in &explanation.candidates {
        let mut line = Line::begin(out, style);
        line.put(if candidate.is_chosen { "* " } else { "  " }, Paint::Green);
        line.put(format!("{:.4}  ", candidate.probability), Paint::Plain);
        line.put(&candidate.service, Paint::Cyan);
        line.put(" ", Paint::Plain);
        line.put(&candidate.name, Paint::Bold);
        let took = duration(candidate.since_start.saturating_add(candidate.until_end));
        line.put(format!("  took {took}; the line {}", place(candidate)), Paint::Plain);
        line.end();
        let mut line = Line::begin(out, style);
        let mut ids = b"          trace ".to_vec();
        spell::hex(&mut ids, &candidate.trace_id);
        ids.extend_from_slice(b"  span ");
        spell::hex(&mut ids, &candidate.span_id);
        line.put(&ids, Paint::Dim);
        line.end();
        for factor in &candidate.evidence {
            let mut line = Line::begin(out, style);
            line.put(format!("          {:<16}", strength(factor.weight)), paint(factor.weight));
            line.put(told(factor, candidate), Paint::Plain);
            line.put(format!("  ({:+.2})", factor.weight), Paint::Dim);
            line.end();
        }
    }
    if explanation.left_out > 0 {
        let mut line = Line::begin(out, style);
        line.put(format!("  … {} less likely ones", explanation.left_out), Paint::Dim);
        line.end();
    }
}

/// How much a piece of evidence says, in words: its weight is the logarithm of how many times likelier it makes the span.
fn strength(weight: f32) -> &'static str {
    match weight {
        3.0.. => "strongly for",
        1.0.. => "for",
        0.0.. => "slightly for",
        -1.0.. => "slightly against",
        -3.0.. => "against",
        _ => "strongly against",
    }
}

fn paint(weight: f32) -> Paint {
    if weight >= 0.0 { Paint::Green } else { Paint::Yellow }
}

/// A piece of evidence, with what it is in this line and span.
fn told(factor: &Factor, candidate: &Candidate) -> String {
    let distance = |nanos: i64, edge: &str| match nanos {
        before if before < 0 => format!("{} beyond its {edge}", duration(before.saturating_neg())),
        within => format!("{} from its {edge}", duration(within)),
    };
    let what = match factor.name {
        DISTANCE_TO_START => Some(distance(candidate.since_start, "start")),
        DISTANCE_TO_END => Some(distance(candidate.until_end, "end")),
        _ => factor.what.clone(),
    };
    match what {
        Some(what) => format!("{}: {what}", factor.name),
        None => factor.name.to_owned(),
    }
}

/// Where the line stands in the span.
fn place(candidate: &Candidate) -> String {
    let start = match candidate.since_start {
        before if before < 0 => format!("{} before its start", duration(before.saturating_neg())),
        after => format!("{} after its start", duration(after)),
    };
    match candidate.until_end {
        after if after < 0 => format!("{start}, {} after its end", duration(after.saturating_neg())),
        before => format!("{start}, {} before its end", duration(before)),
    }
}

fn kind(out: &mut Vec<u8>, explanation: &Explanation, style: Style) {
    let Some(kind) = explanation.kind else { return };
    out.push(b'\n');
    let mut line = Line::begin(out, style);
    line.put("lines of its kind", Paint::Bold);
    let share = 100.0 * kind.without_span;
    line.put(format!("  {}, {share:.1} % of them in no recorded span", kind.lines), Paint::Plain);
    if kind.of_request > 1 {
        line.put(format!("; {} name the same request", kind.of_request), Paint::Plain);
    }
    line.end();
}

/// Writes all lines of a trace in order, each with its evidence; gives back why there is nothing.
pub(super) fn write_trace(
    out: &mut Vec<u8>,
    id: &[u8; 16],
    index: &SpanIndex,
    mut stories: Vec<LineStory>,
    min_confidence: f32,
    style: Style,
) -> Option<String> {
    let mut name = Vec::new();
    spell::hex(&mut name, id);
    let name = String::from_utf8_lossy(&name).into_owned();
    let spans = index.by_trace(id, false);
    if spans.is_empty() && stories.is_empty() {
        return Some(format!("trace {name} is not among the traces given, and no line names it"));
    }
    let mut line = Line::begin(out, style);
    line.put(format!("trace {name}"), Paint::Bold);
    line.put(format!("  {} spans, {} lines", spans.len(), stories.len()), Paint::Dim);
    line.end();
    if stories.is_empty() {
        return Some(format!("no line is linked to trace {name}"));
    }
    let mut line = Line::begin(out, style);
    line.put("times in UTC", Paint::Dim);
    line.end();
    stories.sort_by_key(|story| (story.time.unwrap_or(i64::MAX), story.position.line));
    let mut before = None;
    for story in &stories {
        line_of_trace(out, story, before.replace(story), index, min_confidence, style);
    }
    None
}

/// Writes lines without a link, each with the reason.
pub(super) fn write_unlinked(out: &mut Vec<u8>, stories: Vec<&LineStory>, min_confidence: f32, style: Style) {
    if stories.is_empty() {
        return;
    }
    let mut line = Line::begin(out, style);
    line.put("no trace", Paint::Bold);
    line.put(format!("  {} lines, times in UTC", stories.len()), Paint::Dim);
    line.end();
    let mut before = None;
    for story in stories {
        let column = story.row(out, true, before.replace(story), style);
        let mut line = Line::begin(out, style);
        line.pad_to(column);
        line.put(format!("{}:{}", story.file, story.position.line), Paint::Dim);
        if let Some(reason) = story.explanation.reason_at(min_confidence) {
            line.put(format!("  {}: {}", reason.name(), reason.reason()), Paint::Dim);
        }
        line.end();
    }
}

fn line_of_trace(
    out: &mut Vec<u8>,
    story: &LineStory,
    before: Option<&LineStory>,
    index: &SpanIndex,
    min_confidence: f32,
    style: Style,
) {
    let Some(link) = &story.explanation.link else { return };
    let column = story.row(out, false, before, style);
    let mut line = Line::begin(out, style);
    line.pad_to(column);
    let span = index.by_ids(&link.trace_id, &link.span_id).map(|slot| index.span(slot));
    match span {
        Some(span) => {
            line.put(&index.resource(span.resource).service, Paint::Cyan);
            line.put(format!(" {}", index.name(span.name)), Paint::Plain);
        }
        None => line.put("span not seen", Paint::Dim),
    }
    let below = if story.explanation.reason_at(min_confidence).is_some() { ", too little" } else { "" };
    line.put(format!("  {}{below}", how(link)), Paint::Plain);
    line.end();
    let mut line = Line::begin(out, style);
    line.pad_to(column);
    line.put(format!("{}:{}", story.file, story.position.line), Paint::Dim);
    let chosen = story.explanation.candidates.iter().find(|candidate| candidate.is_chosen);
    let mut factors: Vec<&Factor> = chosen.into_iter().flat_map(|candidate| &candidate.evidence).collect();
    factors.sort_by(|one, two| two.weight.abs().total_cmp(&one.weight.abs()));
    for (factor, candidate) in factors.iter().take(FACTORS_BESIDE).zip(std::iter::repeat(chosen)) {
        let told = candidate.map_or_else(|| factor.name.to_owned(), |candidate| told(factor, candidate));
        line.put(format!("  {} {told}", strength(factor.weight)), Paint::Dim);
    }
    line.end();
}
