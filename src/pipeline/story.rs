//! Why a line is linked as it is, for people.
//!
//! In go lines with what the correlator told of them, out comes text: what the line is, the outcome, the candidates with
//! the evidence for and against each. Nothing is decided here.

use spanline_parsers::Severity;

use crate::correlate::explain::{Candidate, Explanation, Factor};
use crate::correlate::span_index::SpanIndex;
use crate::export::fields::Sighting;
use crate::export::terminal::{Line, Paint, Style};
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
    pub(super) fields: Vec<u8>,
    /// What the correlator tells.
    pub(super) explanation: Explanation,
}

impl LineStory {
    /// Keeps what is told of a record.
    pub(super) fn new(record: &Record<'_>, file: &str, explanation: Explanation) -> LineStory {
        let message = &record.entry.body;
        let mut fields = Vec::new();
        text::fields(&mut fields, record, &Sighting::default());
        fields.truncate(MESSAGE_BYTES_MAX);
        LineStory {
            file: file.to_owned(),
            position: record.position,
            time: record.time,
            time_digits: record.time_digits,
            severity: record.entry.severity,
            format: format!("{}{}", json::envelope(record.envelope), record.entry.format.name()),
            source: text::source(record.origin).to_owned(),
            message: message[..message.len().min(MESSAGE_BYTES_MAX)].to_vec(),
            fields,
            explanation,
        }
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
    line.put(format!("  {lines}{}, by {}", story.format, story.source), Paint::Dim);
    line.end();
    let mut line = Line::begin(out, style);
    line.put("  ", Paint::Plain);
    text::time(&mut line, story.time, story.time_digits, true);
    text::level(&mut line, story.severity);
    let column = line.used();
    let mut further = text::message(&mut line, story.severity, &story.message, None);
    text::put_fields(&mut line, &story.fields);
    line.end();
    text::further_lines(out, &mut further, column, style);
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
        line.put(format!("  {}: {}", reason.name(), reason.text()), Paint::Plain);
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
        line.put(format!("  {}", place(candidate)), Paint::Plain);
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
            line.put(format!("          {:>+7.2}  {}", factor.weight, factor.name), Paint::Plain);
            line.end();
        }
    }
    if explanation.left_out > 0 {
        let mut line = Line::begin(out, style);
        line.put(format!("  … {} less likely ones", explanation.left_out), Paint::Dim);
        line.end();
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
    stories.sort_by_key(|story| (story.time.unwrap_or(i64::MAX), story.position.line));
    for story in &stories {
        line_of_trace(out, story, index, min_confidence, style);
    }
    None
}

fn line_of_trace(out: &mut Vec<u8>, story: &LineStory, index: &SpanIndex, min_confidence: f32, style: Style) {
    let Some(link) = &story.explanation.link else { return };
    let mut line = Line::begin(out, style);
    text::time(&mut line, story.time, story.time_digits, false);
    text::level(&mut line, story.severity);
    let column = line.used();
    let mut further = text::message(&mut line, story.severity, &story.message, None);
    text::put_fields(&mut line, &story.fields);
    line.end();
    text::further_lines(out, &mut further, column, style);
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
    for factor in factors.iter().take(FACTORS_BESIDE) {
        line.put(format!("  {:+.2} {}", factor.weight, factor.name), Paint::Dim);
    }
    line.end();
}
