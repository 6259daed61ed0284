//! One run over the sources, once their files are known.
//!
//! In go the configuration and what was read so far, out come the records, for the correlator, for a selection and for
//! whoever else wants them, and the traces to be read again. What becomes of them is not decided here.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::given_spans::{Given, GivenSpans};
use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::followed_files::KnownFiles;
use crate::checkpoint::marks::Mark;
use crate::checkpoint::recognise;
use crate::checkpoint::source_files::SourceFiles;
use crate::correlate::Correlator;
use crate::export::linker::Linker;
use crate::export::select::{TraceId, TracesWithErrors, Window};
use crate::input::sniff::Content;
use crate::input::sources::Source;
use crate::reading::source::Reading;
use crate::reading::source_records::SourceRecords;
use crate::record::Record;
use crate::record::sink::{RecordSink, SourceSink};
use crate::run::Outcome;
use crate::run::config::{BackfillConfig, ReadConfig, SelectConfig};
use crate::run::monitor::Monitor;
use crate::spans::by_time::SpansByTime;
use crate::spans::by_trace::SpansByTrace;

/// One run over the sources.
pub(crate) struct Run<'a> {
    pub(crate) config: &'a ReadConfig,
    /// Files of traces.
    pub(crate) traces: &'a [PathBuf],
    pub(crate) records: SourceRecords<'a>,
    /// The files of each source, if they were to be held.
    pub(crate) files: &'a [KnownFiles],
    pub(crate) monitor: &'a Arc<Monitor>,
}

impl Run<'_> {
    /// What is known of a source's files, for whoever takes its records next.
    pub(super) fn known_files(&self, index: usize, acknowledged: &Acknowledged) -> SourceFiles {
        match self.files.get(index) {
            Some(files) => files.for_records(self.records.held.is_held(index)),
            None => recognise(&self.records.sources[index], acknowledged, &self.records.reading),
        }
    }

    /// The traces, to be read again. `by_trace`: their spans, if the correlator does not hold them as a whole.
    pub(super) fn given<'a>(
        &'a self,
        config: &BackfillConfig,
        correlator: &'a Correlator,
        by_trace: Option<&'a SpansByTrace>,
        outcome: &Outcome,
    ) -> Given<'a> {
        Given {
            paths: self.traces,
            limits: config.read.trace_limits(),
            has_carriers: outcome.traces.own > 0,
            spans: by_trace.map_or(GivenSpans::Held(correlator.index()), GivenSpans::ByTrace),
            gather: config.events.carriers,
        }
    }

    /// Spans that the correlator does not hold as a whole, trace by trace.
    pub(super) fn by_trace(&self, spans: &SpansByTime, outcome: &mut Outcome) -> io::Result<SpansByTrace> {
        let by_trace = SpansByTrace::new(spans, self.config.memory.events_bytes)?;
        outcome.spans_repeated = by_trace.repetitions();
        Ok(by_trace)
    }

    /// Learns what belongs together.
    pub(crate) fn observe(&self, correlator: &mut Correlator, keeps_evidence: bool) {
        if keeps_evidence {
            correlator.keep_evidence();
        }
        correlator.settle_spans();
        for (index, source) in self.records.sources.iter().enumerate() {
            // Where no span is near, nothing is learned.
            let is_away = self.records.held.times(index).is_some_and(|times| !correlator.has_spans_between(times));
            if correlator.source_begins(index as u32, &source.origin()) && (keeps_evidence || !is_away) {
                self.records.give(index, &mut Observer(correlator));
            } else {
                self.records.skip(index);
            }
        }
        correlator.settle();
    }

    /// Which traces have a line from ERROR on.
    pub(crate) fn traces_with_errors(&self, select: &SelectConfig, linker: Option<&dyn Linker>) -> HashSet<TraceId> {
        let min_confidence = self.config.linking.min_confidence;
        let window = Window::new(select.since, select.until);
        let mut errors = TracesWithErrors { linker, min_confidence, window, traces: HashSet::new() };
        for index in 0..self.records.sources.len() {
            errors.window.source_begins();
            self.records.give(index, &mut errors);
        }
        errors.traces
    }
}

/// Finds out which of the files that earlier runs sent the files of a source are.
pub(super) fn recognise(source: &Source, acknowledged: &Acknowledged, reading: &Reading<'_>) -> SourceFiles {
    let mut buffer = reading.take_buffer();
    let stop = || reading.stop.load(Ordering::Relaxed);
    let known = recognise::recognise(&source.writer, &FilesOf(source), acknowledged, &mut buffer, &stop);
    reading.keep_buffer(buffer);
    SourceFiles::new(known)
}

/// The files of a source, for being recognised.
struct FilesOf<'s>(&'s Source);

impl recognise::Files for FilesOf<'_> {
    fn count(&self) -> usize {
        self.0.files.len()
    }

    fn open(&self, at: usize) -> io::Result<Box<dyn io::Read + Send>> {
        self.0.files[at].open(None)
    }

    fn end(&self, at: usize) -> Option<Mark> {
        self.0.files[at].content.map(|Content { end, hash }| Mark { at: end, hash })
    }
}

/// Shows each record to the correlator.
pub(super) struct Observer<'c>(pub(super) &'c mut Correlator);

impl RecordSink for Observer<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.0.observe(record);
    }
}

impl SourceSink for Observer<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::marks::{Marks, Running};

    #[test]
    fn the_end_of_a_short_file_is_the_same_whether_it_was_looked_at_or_read() {
        for text in ["one\n", "one\nhal", "\n", "x", "one\ntwo\nthree\n"] {
            let (mut running, mut marks) = (Running::default(), Marks::default());
            running.feed(text.as_bytes(), &mut marks);
            running.finish(&mut marks);
            let Content { end, hash } = Content::of(text.as_bytes());
            assert_eq!(marks.end(), Some(Mark { at: end, hash }), "{text:?}");
        }
    }
}
