//! Lines that stand below one another: in the tree of a trace, or in a list.
//!
//! In go plain data of lines, out come their rows, with columns as wide as all of them need. Where a line stands is not
//! decided here.

use spanline_parsers::Severity;

use super::terminal::{Line, Paint, Style, shown_columns};
use super::text::{Clock, Row, SpanName, Tag};
use super::text_fields::FieldList;
use crate::export::spell;
use crate::notify::counted;
use crate::record::{Method, Relation};

/// Columns of a line's source at most; they are as many as the widest source needs.
const SOURCE_COLUMNS_MAX: usize = 26;
/// … and no more than this part of the terminal.
const SOURCE_SHARE: usize = 4;
const MILLI: i64 = 1_000_000;

/// A line that belongs to a trace, or to none.
#[derive(Debug, Clone)]
pub struct LineView<'a> {
    /// Its span, all zero where only the trace is known.
    pub span_id: [u8; 8],
    /// ns since the epoch.
    pub time: Option<i64>,
    /// Where it stands among the others: its time, or without one that of the line before it.
    pub order: Option<i64>,
    /// Digits of the second that the time was written with.
    pub time_digits: u8,
    /// How bad it is.
    pub severity: Severity,
    /// Who wrote it, as [`text::source`](super::text::source) says it.
    pub source: &'a str,
    /// What it says.
    pub message: &'a [u8],
    /// What else it says.
    pub fields: FieldList<'a>,
    /// Its trace, where that has no heading of its own, with the name of its span.
    pub span: Option<SpanName<'a>>,
    /// `FILE:LINE`, where that is to be shown.
    pub place: Option<String>,
    /// How its link was found; `None` for a line without one.
    pub method: Option<Method>,
    /// How it stands to its span.
    pub relation: Relation,
    /// How sure the link is.
    pub confidence: Option<f32>,
}

/// Heads the lines that belong to no trace.
pub fn write_heading_of_unlinked(out: &mut Vec<u8>, lines: u64, style: Style) {
    let mut heading = Line::begin(out, style);
    heading.put("no trace", Paint::Bold);
    heading.put(format!("  {}", counted(lines, "line")), Paint::Dim);
    heading.end();
}

/// Columns of lines that stand below one another.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns {
    /// Of the widest source.
    source: usize,
    /// Two lines fall into the same millisecond.
    are_close: bool,
    /// The time of the last line that has one with more than three digits.
    last: Option<i64>,
}

impl Columns {
    /// Those of all lines, whatever their order.
    pub(super) fn of(lines: &[LineView<'_>]) -> Columns {
        let mut columns = Columns::default();
        let mut in_order: Vec<&LineView<'_>> = lines.iter().collect();
        in_order.sort_unstable_by_key(|line| line.time);
        in_order.into_iter().for_each(|line| columns.see(line));
        columns
    }

    /// Another line comes, in order of time.
    pub fn see(&mut self, line: &LineView<'_>) {
        self.source = self.source.max(shown_columns(line.source.as_bytes()));
        // Microseconds matter where two lines fall into the same millisecond.
        if let Some(time) = line.time.filter(|_| line.time_digits > 3) {
            let is_close = |last: i64| last.div_euclid(MILLI) == time.div_euclid(MILLI) && last != time;
            self.are_close |= self.last.replace(time).is_some_and(is_close);
        }
    }
}

/// Writes lines that stand below one another.
#[derive(Debug)]
pub struct LineList<'a> {
    style: Style,
    /// With the date in each.
    date: bool,
    /// Digits of the second.
    digits: u8,
    /// The trace's id, in hex.
    trace_id: Vec<u8>,
    /// The span's name.
    pub(super) span: &'a str,
    /// Columns of the source.
    source_columns: usize,
}

impl LineList<'_> {
    /// For lines of no trace, or of many.
    pub fn new(columns: Columns, style: Style) -> Self {
        let most = style.width.map_or(SOURCE_COLUMNS_MAX, |width| SOURCE_COLUMNS_MAX.min(width / SOURCE_SHARE));
        LineList {
            style,
            date: true,
            digits: if columns.are_close { 6 } else { 3 },
            trace_id: Vec::new(),
            span: "",
            source_columns: columns.source.min(most),
        }
    }

    /// For lines below the heading of their trace.
    pub(super) fn of_trace(trace_id: &[u8; 16], columns: Columns, style: Style) -> Self {
        let mut list = LineList { date: false, ..LineList::new(columns, style) };
        spell::hex(&mut list.trace_id, trace_id);
        list
    }

    /// A line under its span, or alone. `before`: the line that stands above it.
    pub fn write(&self, out: &mut Vec<u8>, one: &LineView<'_>, before: Option<&LineView<'_>>, depth: usize) {
        let mut fields = Vec::new();
        let mut span_id = Vec::new();
        spell::hex(&mut span_id, &one.span_id);
        let heading = [&self.trace_id[..], &span_id, self.span.as_bytes()];
        let before = before.filter(|before| before.source == one.source);
        one.fields.write(&mut fields, before.map(|before| &before.fields), &heading);
        let row = Row {
            indent: depth,
            time: one.time,
            clock: Clock { date: self.date, digits: one.time_digits, columns: self.digits },
            severity: one.severity,
            source: one.source,
            source_columns: self.source_columns,
            message: one.message,
            fields: &fields,
            tag: Tag {
                site: one.fields.site(),
                link: one.method.map(|method| (method, one.relation, one.confidence)),
                span: one.span,
                place: one.place.as_deref(),
            },
            is_whole: false,
        };
        row.write(out, self.style);
    }
}
