//! Lines that are held until their traces can be shown on the terminal.
//!
//! In go records with their links, out come rows to be put in order: few in memory, the others in a temporary file. What is
//! held is bounded; what is beyond is counted.

use std::io;

use super::held_line::{By, HeldLine, LinkOfLine, in_order};
use crate::export::formats::text;
use crate::export::formats::text_fields::{FieldList, Fields};
use crate::export::sinks::RecordOutput;
use crate::files::external_sort::Sorter;
use crate::record::{Link, Origin, Record};

/// How much is held, and of what.
#[derive(Debug, Clone, Copy)]
pub struct HeldLinesConfig {
    /// Which fields of a record.
    pub fields: Fields,
    /// Bytes held in memory, of linked lines and of others, and of the text of traces.
    pub memory_max: usize,
    /// Bytes of lines in all; what the memory does not hold lies in a temporary file.
    pub bytes_max: u64,
}

/// See the module.
#[derive(Debug)]
pub struct HeldLines {
    pub(super) config: HeldLinesConfig,
    /// Lines with a link, by trace.
    pub(super) linked: Sorter,
    /// Those without one, by time.
    pub(super) others: Sorter,
    /// Lines that are held.
    pub(super) held: u64,
    /// Lines that there was no room for.
    pub(super) left_out: u64,
    bytes: u64,
    /// Why no more can be held.
    pub(super) failure: Option<io::Error>,
    /// By their places.
    sources: Vec<SourceSoFar>,
    /// Who wrote the last one, and what that is called.
    writer: Option<(Origin, String)>,
}

/// What came of a source so far.
#[derive(Debug, Clone, Copy, Default)]
struct SourceSoFar {
    lines: u64,
    /// Of the last one.
    file: u32,
    order: Option<i64>,
}

impl HeldLines {
    /// Nothing so far.
    pub fn new(config: HeldLinesConfig) -> HeldLines {
        let sorter = || Sorter::new(config.memory_max, in_order);
        let (linked, others) = (sorter(), sorter());
        let (held, left_out, bytes, failure, sources, writer) = Default::default();
        HeldLines { config, linked, others, held, left_out, bytes, failure, sources, writer }
    }

    /// What came of a source before this record, which is counted.
    fn count(&mut self, record: &Record<'_>) -> SourceSoFar {
        let at = record.source as usize;
        if at >= self.sources.len() {
            self.sources.resize(at + 1, SourceSoFar::default());
        }
        let so_far = &mut self.sources[at];
        let file = record.position.file;
        let before = so_far.order.filter(|_| so_far.file == file);
        let this = SourceSoFar { file, order: record.time.or(before), ..*so_far };
        *so_far = SourceSoFar { lines: this.lines + 1, ..this };
        this
    }
}

impl RecordOutput for HeldLines {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, _: &[u8; 16], _: &str) {
        let SourceSoFar { lines: number, file, order } = self.count(record);
        let fields = FieldList::of(record, self.config.fields);
        let cost = (record.entry.body.len() + fields.len() + size_of::<HeldLine<'_>>()) as u64;
        if self.failure.is_some() || self.bytes + cost > self.config.bytes_max {
            self.left_out += 1;
            return;
        }
        let writer = match self.writer.take() {
            Some(known) if known.0 == *record.origin => known,
            _ => (record.origin.clone(), text::source(record.origin)),
        };
        let (_, writer) = self.writer.insert(writer);
        let line = HeldLine {
            order,
            source: record.source,
            number,
            has_time: record.time.is_some(),
            time_digits: record.time_digits,
            severity: record.entry.severity,
            link: link.map(LinkOfLine::of),
            file,
            line: record.position.line,
            writer,
            span_name: "",
            message: &record.entry.body,
            fields,
        };
        let pushed = match link {
            Some(_) => line.push(&mut self.linked, By::Trace),
            None => line.push(&mut self.others, By::Time),
        };
        match pushed {
            Ok(()) => (self.bytes, self.held) = (self.bytes + cost, self.held + 1),
            Err(error) => (self.failure, self.left_out) = (Some(error), self.left_out + 1),
        }
    }
}

impl LinkOfLine {
    fn of(link: &Link) -> LinkOfLine {
        let Link { trace_id, span_id, method, relation, confidence, .. } = *link;
        LinkOfLine { ids: (trace_id, span_id), method, relation, confidence }
    }
}
