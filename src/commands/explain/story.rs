//! Why a line is linked as it is, for people.
//!
//! In go lines with their explanations, out comes text: what the line is, the outcome, the candidates with
//! the evidence for and against each. Nothing is decided here.

use spanline_parsers::Severity;

use crate::commands::remedy::remedy;
use crate::correlate::explanation::{Candidate, DISTANCE_TO_END, DISTANCE_TO_START, Explanation, Factor};
use crate::correlate::index::SpanIndex;
use crate::export::formats::terminal::{Line, Paint, Style};
use crate::export::formats::text::{Clock, Row, Tag};
use crate::export::formats::text_fields::{FieldList, Fields};
use crate::export::formats::trace_view::duration;
use crate::export::formats::{json, text};
use crate::export::spell;
use crate::record::{Link, Position, Record, Relation};

/// Pieces of evidence shown with each line of a trace.
const FACTORS_BESIDE: usize = 3;

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
    /// What it says.
    pub(super) message: Vec<u8>,
    /// What else it says.
    pub(super) fields: FieldList<'static>,
    /// The same as `convert` writes it; empty unless JSON is wanted.
    pub(super) attributes: Vec<u8>,
    /// Its explanation.
    pub(super) explanation: Explanation,
}

impl LineStory {
    /// Keeps what is shown of a record.
    pub(super) fn new(
        record: &Record<'_>,
        file: &str,
        (which, as_json): (Fields, bool),
        explanation: Explanation,
    ) -> LineStory {
        let message = &record.entry.body;
        let mut attributes = Vec::new();
        if as_json && which != Fields::None {
            json::attributes_object(&mut attributes, record);
        }
        LineStory {
            file: file.to_owned(),
            position: record.position,
            time: record.time,
            time_digits: record.time_digits,
            severity: record.entry.severity,
            format: format!("{}{}", json::envelope(record.envelope), record.entry.format.name()),
            source: text::source(record.origin).to_owned(),
            message: message.to_vec(),
            fields: FieldList::of(record, which),
            attributes,
            explanation,
        }
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        self.message.len() + self.fields.len() + self.attributes.len() + size_of::<LineStory>()
    }

    /// Its row; `before`: the line before, of the same trace.
    fn row(&self, out: &mut Vec<u8>, is_whole: bool, date: bool, before: Option<&LineStory>, style: Style) -> usize {
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
            is_whole,
        };
        row.write(out, style)
    }
}

/// Writes the story of one line.
pub(super) fn write_line(out: &mut Vec<u8>, story: &LineStory, min_confidence: f32, style: Style) {
    let mut line = Line::begin(out, style);
    line.flow(format!("{}:{}", story.file, story.position.line).as_bytes(), Paint::Bold, 2);
    let lines = match story.position.lines {
        0 | 1 => String::new(),
        lines => format!("{lines} lines, "),
    };
    let writer = if story.source.is_empty() { "a writer that is not known" } else { &story.source };
    let what = format!("{lines}{}, by {writer}, times in UTC", story.format);
    line.flow_apart(what.as_bytes(), Paint::Dim, 2);
    line.end();
    story.row(out, true, true, None, style);
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
        let why = format!("{}: {}{}", reason.name(), reason.reason(), remedy(reason));
        line.flow_apart(why.as_bytes(), Paint::Plain, 2);
        if let Some(confidence) = explanation.link.as_ref().and_then(|link| link.confidence) {
            line.flow(format!(" ({confidence:.4}, needed are {min_confidence})").as_bytes(), Paint::Plain, 2);
        }
    } else if let Some(link) = &explanation.link {
        line.put("linked", Paint::Green);
        line.flow_apart(how(link).as_bytes(), Paint::Plain, 2);
        line.next(2);
        ids(&mut line, &link.trace_id, &link.span_id, 2, Paint::Plain);
    }
    line.end();
}

/// ids = "trace" SP trace-id SP SP "span" SP span-id
fn ids(line: &mut Line<'_>, trace_id: &[u8; 16], span_id: &[u8; 8], margin: usize, paint: Paint) {
    let mut text = b"trace ".to_vec();
    spell::hex(&mut text, trace_id);
    line.flow(&text, paint, margin);
    text.clear();
    text.extend_from_slice(b"span ");
    spell::hex(&mut text, span_id);
    line.flow_apart(&text, paint, margin);
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

/// Columns before the evidence of a candidate.
const OF_CANDIDATE: usize = 10;
/// Columns of the words for how strong a piece of evidence is, with the blank after the longest.
const STRENGTH_COLUMNS: usize = 17;

fn candidates(out: &mut Vec<u8>, explanation: &Explanation, style: Style) {
    let mut line = Line::begin(out, style);
    let count = explanation.candidates.len() + explanation.left_out;
    line.put(format!("candidates  {count}"), Paint::Bold);
    if let Some(no_span) = explanation.no_span {
        line.flow(format!(", and no recorded span: {no_span:.4}").as_bytes(), Paint::Plain, 2);
        // A link's confidence is another number than the probability of its span.
        line.next(2);
        let note = "the number before each is its share in this choice; the confidence of the link is how often links chosen \
                    by such a share are right";
        line.flow(note.as_bytes(), Paint::Dim, 2);
    }
    line.end();
    for candidate in &explanation.candidates {
        one_candidate(out, candidate, style);
    }
    if explanation.left_out > 0 {
        let mut line = Line::begin(out, style);
        line.put(format!("  … {} less likely ones", explanation.left_out), Paint::Dim);
        line.end();
    }
}

fn one_candidate(out: &mut Vec<u8>, candidate: &Candidate, style: Style) {
    // On a narrow terminal all begins further left.
    let margin = if style.width.is_some_and(|width| width < 60) { 2 } else { OF_CANDIDATE };
    let mut line = Line::begin(out, style);
    line.put(if candidate.is_chosen { "* " } else { "  " }, Paint::Green);
    line.put(format!("{:.4}  ", candidate.probability), Paint::Plain);
    line.flow(candidate.service.as_bytes(), Paint::Cyan, margin);
    line.flow(format!(" {}", candidate.name).as_bytes(), Paint::Bold, margin);
    let took = duration(candidate.since_start.saturating_add(candidate.until_end));
    line.flow_apart(format!("took {took}; the line {}", place(candidate)).as_bytes(), Paint::Plain, margin);
    line.next(margin);
    ids(&mut line, &candidate.trace_id, &candidate.span_id, margin, Paint::Dim);
    for factor in &candidate.evidence {
        line.next(margin);
        line.put(strength(factor.weight), paint(factor.weight));
        line.pad_to(margin + STRENGTH_COLUMNS);
        line.flow(described(factor, candidate).as_bytes(), Paint::Plain, margin + 2);
        line.flow_apart(format!("({:+.2})", factor.weight).as_bytes(), Paint::Dim, margin + 2);
    }
    line.end();
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
fn described(factor: &Factor, candidate: &Candidate) -> String {
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
    let without = format!("{}, {share:.1} % of them in no recorded span", kind.lines);
    line.flow_apart(without.as_bytes(), Paint::Plain, 2);
    if kind.of_request > 1 {
        line.flow(format!("; {} name the same request", kind.of_request).as_bytes(), Paint::Plain, 2);
    }
    line.end();
}

/// Writes all lines of a trace in order, each with its evidence; returns why there is nothing.
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
    line.flow(format!("trace {name}").as_bytes(), Paint::Bold, 2);
    line.flow_apart(format!("{} spans, {} lines", spans.len(), stories.len()).as_bytes(), Paint::Dim, 2);
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
        let column = story.row(out, false, true, before.replace(story), style);
        let mut line = Line::begin(out, style);
        line.pad_to(column);
        if let Some(reason) = story.explanation.reason_at(min_confidence) {
            let why = format!("{}: {}{}", reason.name(), reason.reason(), remedy(reason));
            line.flow(why.as_bytes(), Paint::Dim, column);
        }
        line.flow_apart(format!("{}:{}", story.file, story.position.line).as_bytes(), Paint::Dim, column);
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
    let column = story.row(out, false, false, before, style);
    let mut line = Line::begin(out, style);
    line.pad_to(column);
    let span = index.by_ids(&link.trace_id, &link.span_id).map(|slot| index.span(slot));
    match span {
        Some(span) => {
            line.flow(index.resource(span.resource).service.as_bytes(), Paint::Cyan, column);
            line.flow(format!(" {}", index.name(span.name)).as_bytes(), Paint::Plain, column);
        }
        None => line.put("span not seen", Paint::Dim),
    }
    let below = if story.explanation.reason_at(min_confidence).is_some() { ", too little" } else { "" };
    line.flow_apart(format!("{}{below}", how(link)).as_bytes(), Paint::Plain, column);
    line.next(column);
    let chosen = story.explanation.candidates.iter().find(|candidate| candidate.is_chosen);
    let mut factors: Vec<&Factor> = chosen.into_iter().flat_map(|candidate| &candidate.evidence).collect();
    factors.sort_by(|one, two| two.weight.abs().total_cmp(&one.weight.abs()));
    for (factor, candidate) in factors.iter().take(FACTORS_BESIDE).zip(std::iter::repeat(chosen)) {
        let described = candidate.map_or_else(|| factor.name.to_owned(), |candidate| described(factor, candidate));
        line.flow_apart(format!("{} {described}", strength(factor.weight)).as_bytes(), Paint::Dim, column);
    }
    line.flow_apart(format!("{}:{}", story.file, story.position.line).as_bytes(), Paint::Dim, column);
    line.end();
}
