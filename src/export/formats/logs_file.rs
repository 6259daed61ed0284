//! `logs.jsonl`: records as OTLP/JSON in a file.
//!
//! In go records with their links, out come rows of up to 512 records of one origin.

use std::io::{self, BufWriter, Write};

use super::otlp_json;
use crate::export::fields::RecordContext;
use crate::export::sinks::RecordOutput;
use crate::files::replace::Replacement;
use crate::record::{Link, Origin, Record};

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

impl RecordOutput for LogsFile {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, uid: &[u8; 16], file: &str) {
        self.records += 1;
        let goes_on = |(_, origin, count): &(otlp_json::Batch, Origin, usize)| {
            origin == record.origin && *count < ROW_RECORDS && self.text.len() < ROW_BYTES
        };
        if !self.open.as_ref().is_some_and(goes_on) {
            self.end_row();
            self.open = Some((otlp_json::Batch::open(&mut self.text, record.origin), record.origin.clone(), 0));
        }
        let context = RecordContext { file: Some(file.as_bytes()), observed: Some(self.observed), uid: Some(*uid) };
        if let Some((batch, _, count)) = &mut self.open {
            batch.push(&mut self.text, record, link, &context);
            *count += 1;
        }
    }
}
