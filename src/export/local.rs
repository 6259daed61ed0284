//! Takers of records beside the destinations of logs: OTLP/JSON files, lines held for the terminal.
//!
//! In go records with their links, out come rows of `logs.jsonl`, or lines kept until their traces can be shown. What is
//! held is bounded; what is beyond is counted.

use std::io::{self, BufWriter, Write};

use crate::export::fields::Sighting;
use crate::export::held_events::HeldEvents;
use crate::export::takers::Tap;
use crate::export::text_fields::{FieldList, Fields};
use crate::export::{otlp_json, text};
use crate::files::replace::Replacement;
use crate::record::{Link, Origin, Record};
use spanline_parsers::Severity;

/// Records of one origin in one row.
const ROW_RECORDS: usize = 512;
/// A row is ended beyond this size.
const ROW_BYTES: usize = 1 << 20;

/// Writes `logs.jsonl`.
pub struct LogsFile {
    /// `None` once it has failed: what was written of it makes room for others.
    output: Option<BufWriter<Replacement>>,
    text: Vec<u8>,
    open: Option<(otlp_json::Batch, Origin, usize)>,
    observed: i64,
    records: u64,
    failed: Option<io::Error>,
}

impl LogsFile {
    /// Into this file.
    pub fn new(output: Replacement, observed: i64) -> LogsFile {
        let output = Some(BufWriter::new(output));
        LogsFile { output, text: Vec::new(), open: None, observed, records: 0, failed: None }
    }

    fn end_row(&mut self) {
        let Some((batch, ..)) = self.open.take() else { return };
        batch.close(&mut self.text);
        if let Some(Err(error)) = self.output.as_mut().map(|output| output.write_all(&self.text)) {
            (self.failed, self.output) = (Some(error), None);
        }
        self.text.clear();
    }

    /// Records that were given.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Gives the output back with all rows written; an error of any write comes here.
    pub fn finish(mut self) -> io::Result<BufWriter<Replacement>> {
        self.end_row();
        match (self.output, self.failed) {
            (Some(mut output), None) => output.flush().map(|()| output),
            (_, error) => Err(error.unwrap_or_else(|| io::ErrorKind::Other.into())),
        }
    }
}

impl Tap for HeldEvents {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, _: &[u8; 16], file: &str) {
        HeldEvents::record(self, record, link, file);
    }
}

impl Tap for LogsFile {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, uid: &[u8; 16], file: &str) {
        self.records += 1;
        let goes_on = |(_, origin, count): &(otlp_json::Batch, Origin, usize)| {
            origin == record.origin && *count < ROW_RECORDS && self.text.len() < ROW_BYTES
        };
        if !self.open.as_ref().is_some_and(goes_on) {
            self.end_row();
            self.open = Some((otlp_json::Batch::open(&mut self.text, record.origin), record.origin.clone(), 0));
        }
        let sighting = Sighting { file: Some(file.as_bytes()), observed: Some(self.observed), uid: Some(*uid) };
        if let Some((batch, _, count)) = &mut self.open {
            batch.push(&mut self.text, record, link, &sighting);
            *count += 1;
        }
    }
}

/// A line kept for the terminal.
#[derive(Debug)]
pub struct HeldLine {
    /// Its link.
    pub link: Option<Link>,
    /// ns since the epoch.
    pub time: Option<i64>,
    /// Where it stands among others: its time, or without one that of the line before it in its file.
    pub order: Option<i64>,
    /// Digits of the second that the time was written with.
    pub time_digits: u8,
    /// How bad it is.
    pub severity: Severity,
    /// Index into [`HeldLines::sources`].
    pub source: u32,
    /// What it says.
    pub message: Box<[u8]>,
    /// What else it says, as it is shown behind the message.
    pub fields: FieldList,
    /// Index into [`HeldLines::files`].
    pub file: u32,
    /// Number of its first line in it.
    pub line: u64,
}

/// Lines kept until all is read.
#[derive(Debug)]
pub struct HeldLines {
    /// The lines, in the order read.
    pub lines: Vec<HeldLine>,
    /// Names of their sources.
    pub sources: Vec<String>,
    /// Names of their files.
    pub files: Vec<String>,
    /// Lines that were not kept.
    pub left_out: u64,
    which: Fields,
    last_origin: Option<Origin>,
    bytes: u64,
    bytes_max: u64,
}

impl HeldLines {
    /// At most so many bytes, with these fields.
    pub fn new(bytes_max: u64, which: Fields) -> HeldLines {
        HeldLines {
            lines: Vec::new(),
            sources: Vec::new(),
            files: Vec::new(),
            left_out: 0,
            which,
            last_origin: None,
            bytes: 0,
            bytes_max,
        }
    }
}

impl Tap for HeldLines {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, _: &[u8; 16], file: &str) {
        let fields = FieldList::of(record, self.which);
        let cost = (record.entry.body.len() + fields.len() + size_of::<HeldLine>()) as u64;
        if self.bytes + cost > self.bytes_max {
            self.left_out += 1;
            return;
        }
        self.bytes += cost;
        if self.last_origin.as_ref() != Some(record.origin) {
            self.last_origin = Some(record.origin.clone());
            self.sources.push(text::source(record.origin));
        }
        if self.files.last().is_none_or(|last| last != file) {
            self.files.push(file.to_owned());
        }
        let file = self.files.len() as u32 - 1;
        let before = self.lines.last().filter(|line| line.file == file).and_then(|line| line.order);
        self.lines.push(HeldLine {
            link: link.copied(),
            time: record.time,
            order: record.time.or(before),
            time_digits: record.time_digits,
            severity: record.entry.severity,
            source: self.sources.len() as u32 - 1,
            message: record.entry.body.to_vec().into(),
            fields,
            file,
            line: record.position.line,
        });
    }
}
