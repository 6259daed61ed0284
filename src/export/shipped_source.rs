//! A source as it is shipped: the names of its files, and the writers of its records.
//!
//! In go records one after the other, out comes the writer of each. What becomes of them is the shipper's.

use super::logs::encode;
use super::logs::writers::Writer;
use crate::line_rules::filter::{Filter, WriterRules};
use crate::record::Record;

/// The source that is being read: its files, and the writers of its records.
#[derive(Debug, Default)]
pub struct ShippedSource {
    name: String,
    /// Names of its files.
    pub(super) files: Vec<String>,
    /// The one that is being read.
    pub(super) file: u32,
    pub(super) file_attributes: Vec<u8>,
    pub(super) writers: Vec<Writer>,
    /// The writer of the current record.
    pub(super) current: usize,
    /// The path that the source is shown under, to rules.
    shown: String,
    /// Rules about which records of a writer are kept, by its place.
    rules: Vec<WriterRules>,
}

impl ShippedSource {
    /// A source of this name in the state, with the names of its files.
    pub fn new(name: &str, files: Vec<String>) -> ShippedSource {
        let shown = files.last().cloned().unwrap_or_default();
        ShippedSource { name: name.to_owned(), files, shown, ..ShippedSource::default() }
    }

    /// It is shown under this path, whatever its files are called.
    pub fn shown_as(self, shown: &str) -> ShippedSource {
        ShippedSource { shown: shown.to_owned(), ..self }
    }

    /// Another file of it is found.
    pub fn add_file(&mut self, shown: String) {
        self.files.push(shown);
    }

    /// No record of the file at this place comes any more.
    pub fn forget_file(&mut self, file: u32) {
        if let Some(name) = self.files.get_mut(file as usize) {
            *name = String::new();
        }
    }

    pub(super) fn file_begins(&mut self, file: u32) {
        self.file = file;
        self.file_attributes = encode::file_attributes(&self.files[file as usize]);
    }

    /// The next record comes: finds its writer.
    #[inline]
    pub(super) fn record(&mut self, record: &Record<'_>) {
        let is = |writer: &Writer| writer.is(record.origin, record.stream);
        if !self.writers.get(self.current).is_some_and(is) {
            self.current = self.writers.iter().position(is).unwrap_or_else(|| {
                self.writers.push(Writer::new(&self.name, record.origin, record.stream));
                self.writers.len() - 1
            });
        }
    }

    /// The rules about which records of the current one's writer are kept.
    pub(super) fn rules(&mut self, filter: &Filter, record: &Record<'_>) -> &WriterRules {
        if self.rules.len() <= self.current {
            self.rules.resize(self.current, WriterRules::default());
            self.rules.push(filter.of(record.origin, &self.shown));
        }
        &self.rules[self.current]
    }
}
