//! What is asked about the spans of a run when its traces are read again, to be written or sent with their lines.
//!
//! In go the files, and the index or the spans trace by trace, out come answers in the words of [`export`](crate::export).
//! Nothing is decided here.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use crate::correlate::index::{self, Span, SpanIndex};
use crate::export::config::Carriers;
use crate::export::select::TraceId;
use crate::export::span_events::carriers::{LENGTH, Tree};
use crate::export::span_events::given_traces::GivenTraces;
use crate::otlp::own::Ids;
use crate::spans::by_trace::{SpansByTrace, Traces};
use crate::spans::file::Limits;
use crate::spans::load::each_request;

/// Spans of whole traces that are in hand at once, where not all are: at least.
const SPANS_AT_ONCE: usize = 1 << 14;

/// The traces that were given, to be read again.
pub(super) struct Given<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) limits: Limits,
    /// Some of their spans are spanline's.
    pub(super) has_carriers: bool,
    /// All their spans.
    pub(super) spans: GivenSpans<'a>,
    /// What new carriers are put under.
    pub(super) gather: Carriers,
}

/// The spans of all traces.
#[derive(Clone, Copy)]
pub(super) enum GivenSpans<'a> {
    /// All at once.
    Held(&'a SpanIndex),
    /// Trace by trace.
    ByTrace(&'a SpansByTrace),
}

impl GivenTraces for Given<'_> {
    fn files(&self) -> usize {
        self.paths.len()
    }

    fn each_request(&self, file: usize, each: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        each_request(&self.paths[file], self.limits, each).map(|_| ())
    }

    fn has_carriers(&self) -> bool {
        self.has_carriers
    }

    fn spans(&self) -> usize {
        match self.spans {
            GivenSpans::Held(index) => index.len(),
            GivenSpans::ByTrace(spans) => spans.repeated().len(),
        }
    }

    fn number(&self, ids: Ids) -> Option<usize> {
        match self.spans {
            GivenSpans::Held(index) => index.by_ids(&ids.0, &ids.1).map(|slot| slot as usize),
            GivenSpans::ByTrace(spans) => spans.repeated().binary_search(&ids).ok(),
        }
    }

    fn tree(&self) -> io::Result<Box<dyn Tree + '_>> {
        let index = match self.spans {
            GivenSpans::Held(index) => InHand::All(index),
            GivenSpans::ByTrace(spans) => InHand::Some(Box::new(SomeTraces::new(spans)?)),
        };
        Ok(Box::new(CarrierTree { index, how: self.gather, topmost: HashMap::new() }))
    }
}

/// Finds the span that a carrier is put under, the same one for all lines of a group.
struct CarrierTree<'i> {
    index: InHand<'i>,
    how: Carriers,
    /// By trace and a resource of the service; the trace as a whole has none.
    topmost: HashMap<(TraceId, Option<u32>), Option<Ids>>,
}

/// The spans that are in hand.
enum InHand<'i> {
    All(&'i SpanIndex),
    Some(Box<SomeTraces<'i>>),
}

/// Whole traces that follow each other.
struct SomeTraces<'i> {
    spans: &'i SpansByTrace,
    rest: Traces<'i>,
    index: SpanIndex,
    /// The last trace of those before them.
    before: Option<TraceId>,
    /// The last one of them.
    last: Option<TraceId>,
}

impl<'i> SomeTraces<'i> {
    fn new(spans: &'i SpansByTrace) -> io::Result<SomeTraces<'i>> {
        let index = SpanIndex::new(index::Limits::default());
        Ok(SomeTraces { spans, rest: spans.traces()?, index, before: None, last: None })
    }

    /// Has a trace in hand, if there is one of this id; true if others were before.
    fn show(&mut self, trace_id: &TraceId) -> io::Result<bool> {
        let mut is_new = false;
        if self.before.is_some_and(|before| *trace_id <= before) {
            *self = SomeTraces::new(self.spans)?;
        }
        while self.last.is_none_or(|last| *trace_id > last) {
            let mut index = SpanIndex::new(index::Limits::default());
            let last = self.rest.next(SPANS_AT_ONCE, &mut |resource, span, _| index.add(resource, span))?;
            // At the end the last ones stay in hand.
            if last.is_none() {
                break;
            }
            index.settle();
            (self.index, is_new) = (index, true);
            self.before = std::mem::replace(&mut self.last, last);
        }
        Ok(is_new)
    }
}

impl CarrierTree<'_> {
    /// The spans among which those of a trace are.
    fn index_of(&mut self, trace_id: &TraceId) -> io::Result<&SpanIndex> {
        if let InHand::Some(traces) = &mut self.index
            && traces.show(trace_id)?
        {
            self.topmost.clear();
        }
        Ok(match &self.index {
            InHand::All(index) => index,
            InHand::Some(traces) => &traces.index,
        })
    }

    fn span(&mut self, ids: Ids) -> io::Result<Option<(&SpanIndex, &Span)>> {
        let index = self.index_of(&ids.0)?;
        Ok(index.by_ids(&ids.0, &ids.1).map(|slot| (index, index.span(slot))))
    }
}

impl Tree for CarrierTree<'_> {
    fn under(&mut self, ids: Ids) -> io::Result<Option<Ids>> {
        let (how, length) = (self.how, LENGTH as i64);
        let ids_of = |span: &Span| (span.trace_id, span.span_id);
        let Some(resource) = self.span(ids)?.map(|(_, span)| span.resource) else { return Ok(None) };
        let resource = match how {
            Carriers::Span | Carriers::Trace => None,
            Carriers::Service => Some(resource),
        };
        let known = self.topmost.get(&(ids.0, resource)).copied().filter(|_| how != Carriers::Span);
        let index = self.index_of(&ids.0)?;
        let itself_or_above = || index.itself_or_above(&ids.0, &ids.1, length).map(ids_of);
        if how == Carriers::Span {
            return Ok(itself_or_above());
        }
        let service = resource.map(|resource| &*index.resource(resource).service);
        let topmost = known.unwrap_or_else(|| index.topmost(&ids.0, service, length).map(ids_of));
        let under = topmost.or_else(itself_or_above);
        self.topmost.insert((ids.0, resource), topmost);
        Ok(under)
    }

    fn service(&mut self, ids: Ids) -> io::Result<Option<&str>> {
        Ok(self.span(ids)?.map(|(index, span)| &*index.resource(span.resource).service))
    }

    fn name(&mut self, ids: Ids) -> io::Result<Option<&str>> {
        Ok(self.span(ids)?.map(|(index, span)| index.name(span.name)))
    }

    fn start(&mut self, ids: Ids) -> io::Result<Option<u64>> {
        Ok(self.span(ids)?.and_then(|(_, span)| u64::try_from(span.start).ok()))
    }
}
