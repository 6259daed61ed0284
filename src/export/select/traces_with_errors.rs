//! Which traces have a line from ERROR on: one of two sets that `errors` selects; the other is that of traces with a failed
//! span ([`SpanLookup::failed_traces`](super::SpanLookup::failed_traces)).

use std::collections::HashSet;

use spanline_parsers::Severity;

use super::span_lookup::TraceId;
use super::window::Window;
use crate::export::linker::{self, Linker};
use crate::export::sinks::RecordOutput;
use crate::record::sink::{RecordSink, SourceSink};
use crate::record::{Link, Record};

/// Takes all records, source by source: the lines of a trace before the first error belong to it as well.
pub struct TracesWithErrors<'a> {
    /// Finds links where traces were given.
    pub linker: Option<&'a dyn Linker>,
    /// Links below are not made.
    pub min_confidence: f32,
    /// Which records take part by their time.
    pub window: Window,
    /// The traces so far.
    pub traces: HashSet<TraceId>,
}

impl RecordSink for TracesWithErrors<'_> {
    fn record(&mut self, record: &Record<'_>) {
        if !self.window.takes(record.time) || record.entry.severity < Severity::ERROR {
            return;
        }
        let link = linker::link(self.linker, record).ok().filter(|link| link.is_made_at(self.min_confidence));
        self.traces.extend(link.map(|link| link.trace_id));
    }
}

impl SourceSink for TracesWithErrors<'_> {}

/// The same, where records come with their links as to any other output.
#[derive(Debug, Default)]
pub struct ErrorsOfTraces {
    /// The traces so far.
    pub traces: HashSet<TraceId>,
}

impl RecordOutput for ErrorsOfTraces {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, _: &[u8; 16], _: &str) {
        self.traces.extend(link.filter(|_| record.entry.severity >= Severity::ERROR).map(|link| link.trace_id));
    }
}
