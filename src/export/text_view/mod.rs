//! Text on the terminal: each trace with its lines, then the lines of none; or all lines by time.
//!
//! In go lines that were held and the spans trace by trace, out comes text; where that was asked for, with `FILE:LINE` (for
//! `explain --at`) and ids of spans. However many lines there are, those of one trace are in hand at a time. How a row looks
//! is decided in [`trace_view`](super::formats::trace_view).

mod held_line;
pub mod held_lines;
mod trace_lines;

use std::io::{self, Write};

use self::held_line::{By, HeldLine, ORDER_BYTES, order_bytes};
use self::held_lines::HeldLines;
use self::trace_lines::{LinesByTrace, TraceLines};
use super::config::{TextConfig, View};
use super::formats::line_list::{Columns, LineList, LineView, write_heading_of_unlinked};
use super::formats::terminal::{Line, Paint, Style};
use super::formats::text::SpanName;
use super::formats::trace_view::{LeftOut, SpanView, TraceView, write_trace};
use super::select::{Selection, TraceId};
use crate::files::external_sort::{Sorted, Sorter};
use crate::otlp::own::Ids;
use crate::record::Relation;

/// Spans of whole traces, in order of the traces' ids.
pub trait TracesOfSpans {
    /// The trace that comes next.
    fn next_id(&self) -> Option<TraceId>;
    /// Its spans, by start, each once; about `bytes_max` bytes of them are held. Goes on to the trace after it.
    fn take(&mut self, bytes_max: usize) -> io::Result<SpansOfTrace<'_>>;
    /// Goes on to the trace after the next.
    fn skip(&mut self) -> io::Result<()>;
}

/// The spans of a trace.
#[derive(Debug, Default)]
pub struct SpansOfTrace<'s> {
    /// By start.
    pub spans: Vec<SpanView<'s>>,
    /// Further ones, which were not held.
    pub left_out: u64,
}

/// What the text is made of.
pub struct TextView<'a> {
    /// What is shown.
    pub config: &'a TextConfig,
    /// Which traces are shown even without lines, where conditions ask for traces and nothing else.
    pub selection: &'a Selection<'a>,
    /// The spans, if there are any.
    pub spans: Option<Box<dyn TracesOfSpans + 'a>>,
    /// `FILE:LINE` of a source, a file's number in it, and a line's number in that.
    pub place: &'a dyn Fn(u32, u32, u64) -> String,
}

/// What became of the text.
#[derive(Debug, Default)]
pub struct Shown {
    /// Lines that were not shown, for want of room or since the temporary file failed.
    pub lines_left_out: u64,
    /// Spans of traces with more than there was room for.
    pub spans_left_out: u64,
    /// Why not all could be kept or read again.
    pub failure: Option<io::Error>,
    /// Lines that were to be written, and why they could not be.
    pub unwritten: Option<(u64, io::Error)>,
}

impl TextView<'_> {
    /// Writes everything.
    pub fn write(mut self, mut lines: HeldLines, output: &mut impl Write) -> Shown {
        let mut shown = Shown { lines_left_out: lines.left_out, failure: lines.failure.take(), ..Shown::default() };
        let held = lines.held;
        let mut output = Output { to: output, has_begun: false, failure: None };
        if let Err(error) = self.write_lines(lines, &mut output, &mut shown) {
            shown.failure.get_or_insert(error);
        }
        shown.unwritten = output.failure.map(|error| (held, error));
        shown
    }

    fn write_lines(
        &mut self,
        lines: HeldLines,
        output: &mut Output<'_, impl Write>,
        shown: &mut Shown,
    ) -> io::Result<()> {
        let HeldLines { config, linked, mut others, .. } = lines;
        let linked = linked.finish()?;
        let mut of_traces = Sorter::new(config.memory_max, in_order_of_traces);
        match self.config.view {
            View::Trace => {
                let room = Room { memory_max: config.memory_max, text_bytes_max: config.bytes_max };
                self.write_traces(&linked, room, &mut of_traces, shown)?;
            }
            View::Time => self.name_spans(&linked, config.memory_max, &mut others)?,
        }
        drop(linked);
        let mut text = Vec::new();
        let (of_traces, others) = (of_traces.finish()?, others.finish()?);
        let mut traces = of_traces.read()?;
        while let Some(row) = traces.next()? {
            output.begin(self.style());
            output.put(&row[TRACE_KEY_BYTES..]);
        }
        self.write_others(&others, output, &mut text)?;
        output.flush();
        Ok(())
    }

    fn style(&self) -> Style {
        self.config.style
    }

    /// Writes all traces that are shown, to be put in order of their first times.
    fn write_traces(&mut self, linked: &Sorted, room: Room, texts: &mut Sorter, shown: &mut Shown) -> io::Result<()> {
        let mut lines = LinesByTrace::new(linked, room.memory_max)?;
        let (mut of_trace, mut text_bytes) = (TraceLines::default(), 0);
        let mut no_spans = NoSpans;
        let spans: &mut dyn TracesOfSpans = match &mut self.spans {
            Some(spans) => &mut **spans,
            None => &mut no_spans,
        };
        while let Some(trace_id) = lines.next_id().into_iter().chain(spans.next_id()).min() {
            let (has_lines, has_spans) = (lines.next_id() == Some(trace_id), spans.next_id() == Some(trace_id));
            let asks = self.config.all_traces || !self.selection.is_everything();
            let is_admitted = has_spans && asks && self.selection.admits_trace(&trace_id);
            if !has_lines && !is_admitted {
                spans.skip()?;
                continue;
            }
            of_trace.clear();
            if has_lines {
                lines.take(&mut of_trace)?;
            }
            let spans = if has_spans { spans.take(room.memory_max)? } else { SpansOfTrace::default() };
            if text_bytes >= room.text_bytes_max {
                shown.lines_left_out += of_trace.count();
                continue;
            }
            shown.lines_left_out += of_trace.left_out;
            shown.spans_left_out += spans.left_out;
            let held: Vec<HeldLine<'_>> = of_trace.iter().collect::<io::Result<_>>()?;
            let first = match has_lines {
                true => held.iter().filter_map(|line| line.order).min(),
                false => spans.spans.iter().map(|span| span.start).min(),
            };
            let view = TraceView {
                trace_id,
                is_whole: held.is_empty(),
                has_ids: self.config.places,
                left_out: LeftOut { lines: of_trace.left_out, spans: spans.left_out },
                spans: spans.spans,
                lines: held.iter().map(|line| view_of(line, self.config, self.place)).collect(),
            };
            let mut text = TextOfTrace { texts: &mut *texts, order: order_bytes(first), trace_id, bytes: 0 };
            write_trace(&mut text, &view, self.config.style)?;
            text_bytes += text.bytes;
        }
        Ok(())
    }

    /// Puts lines that have a link among the others, with the names of their spans.
    fn name_spans(&mut self, linked: &Sorted, memory_max: usize, others: &mut Sorter) -> io::Result<()> {
        let mut lines = LinesByTrace::new(linked, memory_max)?;
        while let Some(trace_id) = lines.next_id() {
            let of_trace = match &mut self.spans {
                Some(spans) => spans_of(&mut **spans, trace_id, memory_max)?,
                None => SpansOfTrace::default(),
            };
            lines.each(&mut |row| {
                let mut line = HeldLine::of(row)?;
                let span_id = line.link.map_or([0; 8], |link| link.ids.1);
                let at = of_trace.spans.binary_search_by_key(&span_id, |span| span.span_id);
                line.span_name = at.map_or("", |at| of_trace.spans[at].name);
                line.push(others, By::Time)
            })?;
        }
        Ok(())
    }

    /// Writes the lines that stand in no trace's tree.
    fn write_others(&self, others: &Sorted, output: &mut Output<'_, impl Write>, text: &mut Vec<u8>) -> io::Result<()> {
        let (mut columns, mut count) = (Columns::default(), 0);
        let mut rows = others.read()?;
        while let Some(row) = rows.next()? {
            columns.see(&self.view_of(&HeldLine::of(row)?));
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        output.begin(self.style());
        if self.config.view == View::Trace {
            write_heading_of_unlinked(text, count, self.style());
        }
        let list = LineList::new(columns, self.style());
        let (mut rows, mut before) = (others.read()?, Vec::new());
        while let Some(row) = rows.next()? {
            let above = if before.is_empty() { None } else { Some(HeldLine::of(&before)?) };
            let above = above.as_ref().map(|line| self.view_of(line));
            list.write(text, &self.view_of(&HeldLine::of(row)?), above.as_ref(), 0);
            before.clear();
            before.extend_from_slice(row);
            if text.len() >= WRITTEN_BYTES {
                output.put(text);
                text.clear();
            }
        }
        if self.config.view == View::Trace {
            text.push(b'\n');
        }
        output.put(text);
        Ok(())
    }

    fn view_of<'l>(&self, line: &'l HeldLine<'_>) -> LineView<'l> {
        view_of(line, self.config, self.place)
    }
}

/// Bytes of text that are written at once, rather more.
const WRITTEN_BYTES: usize = 64 << 10;

/// Room for one trace in hand, and for the text of all.
#[derive(Debug, Clone, Copy)]
struct Room {
    memory_max: usize,
    text_bytes_max: u64,
}

/// Where traces are by their first times: `order trace-id`, then text.
const TRACE_KEY_BYTES: usize = ORDER_BYTES + 16;

fn in_order_of_traces(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
    one[..TRACE_KEY_BYTES].cmp(&other[..TRACE_KEY_BYTES])
}

/// The text of a trace, part by part.
struct TextOfTrace<'t> {
    texts: &'t mut Sorter,
    order: [u8; ORDER_BYTES],
    trace_id: TraceId,
    bytes: u64,
}

impl Write for TextOfTrace<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.texts.push(&[&self.order, &self.trace_id, text])?;
        self.bytes += text.len() as u64;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the text goes, until that fails.
struct Output<'o, W> {
    to: &'o mut W,
    has_begun: bool,
    failure: Option<io::Error>,
}

impl<W: Write> Output<'_, W> {
    /// Something is shown.
    fn begin(&mut self, style: Style) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let mut text = Vec::new();
            write_zone(&mut text, style);
            self.put(&text);
        }
    }

    fn put(&mut self, text: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.to.write_all(text).err();
        }
    }

    fn flush(&mut self) {
        if self.failure.is_none() {
            self.failure = self.to.flush().err();
        }
    }
}

/// All times are in one zone, which is named once.
fn write_zone(out: &mut Vec<u8>, style: Style) {
    let mut line = Line::begin(out, style);
    line.put("times in UTC", Paint::Dim);
    line.end();
    out.push(b'\n');
}

fn view_of<'l>(line: &'l HeldLine<'_>, config: &TextConfig, place: &dyn Fn(u32, u32, u64) -> String) -> LineView<'l> {
    let ids = line.link.map(|link| link.ids);
    LineView {
        span_id: ids.map_or([0; 8], |ids| ids.1),
        time: line.order.filter(|_| line.has_time),
        order: line.order,
        time_digits: line.time_digits,
        severity: line.severity,
        source: line.writer,
        message: line.message,
        fields: line.fields.clone(),
        method: line.link.map(|link| link.method),
        relation: line.link.map_or(Relation::Within, |link| link.relation),
        confidence: line.link.and_then(|link| link.confidence),
        span: ids.filter(|_| config.view == View::Time).map(|ids| span_of(ids, line.span_name)),
        place: config.places.then(|| place(line.source, line.file, line.line)),
    }
}

/// The spans of a trace, by their ids, if it is still to come.
fn spans_of(spans: &mut dyn TracesOfSpans, trace_id: TraceId, bytes_max: usize) -> io::Result<SpansOfTrace<'_>> {
    while spans.next_id().is_some_and(|next| next < trace_id) {
        spans.skip()?;
    }
    if spans.next_id() != Some(trace_id) {
        return Ok(SpansOfTrace::default());
    }
    let mut of_trace = spans.take(bytes_max)?;
    of_trace.spans.sort_unstable_by_key(|span| span.span_id);
    Ok(of_trace)
}

fn span_of((trace_id, span_id): Ids, name: &str) -> SpanName<'_> {
    SpanName { name, span_id, trace_id }
}

/// There are none.
struct NoSpans;

impl TracesOfSpans for NoSpans {
    fn next_id(&self) -> Option<TraceId> {
        None
    }

    fn take(&mut self, _: usize) -> io::Result<SpansOfTrace<'_>> {
        Ok(SpansOfTrace::default())
    }

    fn skip(&mut self) -> io::Result<()> {
        Ok(())
    }
}
