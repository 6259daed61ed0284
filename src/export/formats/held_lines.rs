//! Lines that are held until their traces can be shown on the terminal.
//!
//! In go records with their links, out come lines in the order read. What is held is bounded; what is beyond is counted.

use spanline_parsers::Severity;

use super::text;
use super::text_fields::{FieldList, Fields};
use crate::export::sinks::RecordOutput;
use crate::record::{Link, Origin, Record};

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
    /// What else it says, as it is shown after the message.
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
    /// At most this many bytes, with these fields.
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

impl RecordOutput for HeldLines {
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
