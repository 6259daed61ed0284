//! Which traces have a line from ERROR on: one of two sets that `errors` selects; the other is that of traces with a failed
//! span ([`super::span_lookups`]).

use std::collections::HashSet;

use spanline_parsers::Severity;

use super::run::Run;
use crate::correlate::Correlator;
use crate::export::select::Window;
use crate::record::sink::{RecordSink, SourceSink};
use crate::record::{Link, Record};
use crate::run::config::SelectConfig;

type TraceId = [u8; 16];

/// Goes through all records: the lines of a trace before the first error belong to it as well.
pub(crate) fn find(run: &Run<'_>, select: &SelectConfig, correlator: Option<&Correlator>) -> HashSet<TraceId> {
    let mut errors = Errors {
        correlator,
        min_confidence: run.config.linking.min_confidence,
        window: Window::new(select.since, select.until),
        traces: HashSet::new(),
    };
    for index in 0..run.sources.len() {
        errors.window.source_begins();
        run.read(index, &mut errors);
    }
    errors.traces
}

struct Errors<'c> {
    correlator: Option<&'c Correlator>,
    min_confidence: f32,
    window: Window,
    traces: HashSet<TraceId>,
}

impl RecordSink for Errors<'_> {
    fn record(&mut self, record: &Record<'_>) {
        if !self.window.takes(record.time) || record.entry.severity < Severity::ERROR {
            return;
        }
        let link = match self.correlator {
            Some(correlator) => correlator.link(record).ok(),
            None => record.written_link(),
        };
        let is_made = |link: &Link| link.confidence.is_none_or(|confidence| confidence >= self.min_confidence);
        self.traces.extend(link.filter(is_made).map(|link| link.trace_id));
    }
}

impl SourceSink for Errors<'_> {}
