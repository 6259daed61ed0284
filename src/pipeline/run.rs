//! One run over the sources, each of which may be read several times.
//!
//! In go what was found and learned so far, out come records to whoever reads a source. What becomes of them is not decided
//! here.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::config::ReadConfig;
use super::learning::Learning;
use super::monitor::Monitor;
use super::recall::{Observer, Recall};
use super::source::{Reading, SourceReport, SourceSink, read_source};
use crate::calendar::CalendarSettings;
use crate::correlate::Correlator;
use crate::input::sources::Source;
use crate::record::Origin;
use crate::services::Services;

/// One run over the sources.
pub(crate) struct Run<'a> {
    pub(crate) config: &'a ReadConfig,
    /// Files of traces.
    pub(crate) traces: &'a [PathBuf],
    pub(crate) sources: &'a [Source],
    pub(crate) origins: Vec<Arc<Origin>>,
    pub(crate) calendars: &'a [CalendarSettings],
    pub(crate) recall: &'a Recall,
    pub(crate) monitor: &'a Arc<Monitor>,
    /// See [`Reading`].
    pub(crate) spare: Mutex<Vec<Vec<u8>>>,
    /// See [`Reading`].
    pub(crate) services: &'a Services,
}

impl Run<'_> {
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading {
            limits: self.config.input.limits,
            keep_ansi: self.config.input.keep_ansi,
            journal_fields: self.config.input.journal_fields,
            bytes_read: self.monitor.bytes_read(),
            stop: self.monitor.interrupted(),
            spare: &self.spare,
            services: self.services,
        }
    }

    pub(crate) fn read<S: SourceSink>(&self, index: usize, sink: &mut S) -> SourceReport {
        let (source, origin) = (&self.sources[index], &self.origins[index]);
        read_source(index as u32, source, origin, &self.calendars[index], &self.reading(), sink)
    }

    /// First pass: what belongs together.
    pub(crate) fn observe(&self, correlator: &mut Correlator, learning: Learning) -> Recall {
        if learning == Learning::WithEvidence {
            correlator.keep_evidence();
        }
        let mut recall = Recall::new(learning == Learning::WithLinks);
        correlator.settle_spans();
        for (index, source) in self.sources.iter().enumerate() {
            if correlator.source_begins(index as u32, &source.origin) {
                let report = self.read(index, &mut Observer { correlator, recall: &mut recall });
                recall.source_ends(index, report);
            } else {
                self.skip(index);
            }
        }
        correlator.settle();
        recall
    }

    /// A source is not read in this pass.
    pub(crate) fn skip(&self, index: usize) {
        let bytes = self.sources[index].files.iter().map(|file| file.size).sum();
        self.monitor.bytes_read().fetch_add(bytes, Ordering::Relaxed);
    }
}
