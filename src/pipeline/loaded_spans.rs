//! The spans of all traces: in the correlator as a whole, or, if there is no room for them, by time in a temporary file.
//!
//! In go files of traces, out comes where their spans are, and what was wrong with the files. Nothing is linked here.

use std::io;
use std::path::PathBuf;

use crate::correlate::index::Limits;
use crate::correlate::{Correlator, LearningLimits};
use crate::export::select::{AskedSpans, Condition};
use crate::facts::{ResourceFact, SpanFact};
use crate::input::why_no_span::why_no_span;
use crate::run::config::ReadConfig;
use crate::spans::by_time::{SpansByTime, Spooling};
use crate::spans::load::{self, SpanSink, TracesReport};

/// See the module.
pub(super) struct LoadedSpans {
    /// Knows all spans, or at least who made them.
    pub(super) correlator: Correlator,
    /// The spans, if they do not fit.
    pub(super) aside: Option<SpansAside>,
    /// What the files held.
    pub(super) report: TracesReport,
}

/// Spans that the correlator does not hold as a whole.
pub(crate) struct SpansAside {
    /// They are taken in a stretch of time after the other.
    pub(crate) by_time: SpansByTime,
    /// What conditions ask about them.
    pub(crate) asked: AskedSpans,
}

impl LoadedSpans {
    /// Reads the files. `may_spool`: spans may be in hand a stretch of time after the other.
    pub(super) fn new(
        config: &ReadConfig,
        only: &[Condition],
        paths: &[PathBuf],
        may_spool: bool,
    ) -> io::Result<LoadedSpans> {
        let limits = Limits { spans_max: config.traces.spans_max, ..Limits::default() };
        let learning = if may_spool { config.memory.learning } else { LearningLimits::default() };
        let correlator = || Correlator::new(limits).with_call_sites(config.linking.call_sites.clone()).within(learning);
        let bytes_max = if may_spool { config.memory.index_bytes } else { usize::MAX };
        let mut whole = AsAWhole { correlator: correlator(), bytes_max, is_full: false };
        let report = load::load(paths, config.trace_limits(), &mut whole, &why_no_span);
        if !whole.is_full {
            return Ok(LoadedSpans { correlator: whole.correlator, aside: None, report });
        }
        drop(whole);
        let mut by_time = ByTime {
            correlator: correlator(),
            asked: AskedSpans::new(only),
            spooling: Spooling::new(config.input.temporary_bytes_max)?,
        };
        let report = load::load(paths, config.trace_limits(), &mut by_time, &why_no_span);
        let ByTime { correlator, asked, spooling } = by_time;
        let aside = SpansAside { by_time: spooling.finish()?, asked };
        Ok(LoadedSpans { correlator, aside: Some(aside), report })
    }
}

/// Takes all spans as long as there is room.
struct AsAWhole {
    correlator: Correlator,
    bytes_max: usize,
    is_full: bool,
}

impl SpanSink for AsAWhole {
    fn expect(&mut self, bytes: u64) {
        self.correlator.expect_spans(bytes.min(self.bytes_max as u64));
    }

    fn add(&mut self, resource: &ResourceFact<'_>, span: &SpanFact<'_>) {
        self.correlator.add_span(resource, span);
    }

    fn request_ends(&mut self, _: usize, _: u64, _: &[u8]) {
        self.is_full = self.correlator.index().bytes() > self.bytes_max;
    }

    fn is_full(&self) -> bool {
        self.is_full
    }
}

/// Puts all spans aside, and takes down who made them, and what is asked about them.
struct ByTime {
    correlator: Correlator,
    asked: AskedSpans,
    spooling: Spooling,
}

impl SpanSink for ByTime {
    fn add(&mut self, resource: &ResourceFact<'_>, span: &SpanFact<'_>) {
        self.correlator.announce_span(resource, span);
        self.asked.add(span.trace_id, resource.service, span.name, span.failure.is_some());
        self.spooling.add(resource, span);
    }

    fn request_ends(&mut self, file: usize, number: u64, request: &[u8]) {
        self.spooling.request_ends(file, number, request);
    }

    fn is_full(&self) -> bool {
        self.spooling.is_full()
    }
}
