//! Links without a second reading, where nothing else is wanted of the records.
//!
//! In go the records of the first pass, out come the rows and counts that reading them again would give. A source that was
//! not read in the first pass, or is beyond the limit of what is remembered, is left to the second one.

use super::ship::Shipper;
use super::source::{SourceReport, SourceSink};
use crate::assemble::RecordSink;
use crate::correlate::Correlator;
use crate::correlate::remembered::Remembered;
use crate::record::Record;

/// Rows that are written at once.
const ROWS_AT_ONCE: usize = 1024;

/// What is kept of the first pass.
#[derive(Debug, Default)]
pub(crate) struct Recall {
    remembered: Option<Remembered>,
    /// Of each source that is remembered: what reading it came to.
    reports: Vec<Option<SourceReport>>,
}

impl Recall {
    /// Keeps records if nothing but their links is wanted: no text of theirs, and no evidence.
    pub(super) fn new(keeps_records: bool) -> Recall {
        Recall { remembered: keeps_records.then(Remembered::default), reports: Vec::new() }
    }

    /// A source has been read in the first pass.
    pub(super) fn source_ends(&mut self, source: usize, report: SourceReport) {
        if let Some(remembered) = &mut self.remembered
            && remembered.source_ends(source as u32)
        {
            self.reports.resize(source + 1, None);
            self.reports[source] = Some(report);
        }
    }

    /// Gives a source's records to the shipper, and what reading them came to; `None` if they are not remembered.
    pub(super) fn give(&self, source: usize, shipper: &mut Shipper<'_>) -> Option<SourceReport> {
        let report = self.reports.get(source)?.clone()?;
        let (remembered, correlator) = (self.remembered.as_ref()?, shipper.correlator?);
        for rows in remembered.rows_of(source as u32)?.chunks(ROWS_AT_ONCE) {
            for row in rows {
                if shipper.is_in_window(row.time()) {
                    let link = shipper.take(remembered.link(correlator, source as u32, row));
                    if let Some(links) = &mut shipper.links {
                        links.add(row.position(), link.as_ref());
                    }
                }
            }
            shipper.given_up_to(None);
        }
        Some(report)
    }
}

/// Takes the records of the first pass.
pub(super) struct Observer<'c> {
    pub(super) correlator: &'c mut Correlator,
    pub(super) recall: &'c mut Recall,
}

impl RecordSink for Observer<'_> {
    fn record(&mut self, record: &Record<'_>) {
        let standing = self.correlator.observe(record);
        if let Some(remembered) = &mut self.recall.remembered {
            remembered.add(self.correlator, record, standing);
        }
    }
}

impl SourceSink for Observer<'_> {}
