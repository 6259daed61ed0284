//! The spans of a run for text, trace by trace.
//!
//! In go the index or the spans trace by trace, out they come in the words of [`export`](crate::export), which knows neither.
//! Nothing is decided here.

use std::cmp::Reverse;
use std::io;
use std::ops::Range;

use crate::correlate::index::{SpanIndex, kept_failure};
use crate::export::formats::trace_view::SpanView;
use crate::export::select::TraceId;
use crate::export::text_view::{SpansOfTrace, TracesOfSpans};
use crate::facts::{ResourceFact, SpanFact};
use crate::spans::by_trace::{SpansByTrace, Traces};

/// All of them are in the index.
pub(super) struct HeldTraces<'i> {
    index: &'i SpanIndex,
    /// Where each trace begins among the slots in order of traces; the first to come is the last.
    starts: Vec<u32>,
}

impl<'i> HeldTraces<'i> {
    pub(super) fn new(index: &'i SpanIndex) -> HeldTraces<'i> {
        let slots = index.in_order_of_traces();
        let trace_id = |at: usize| index.span(slots[at]).trace_id;
        let is_first = |at: &usize| *at == 0 || trace_id(*at - 1) != trace_id(*at);
        let mut starts: Vec<u32> = (0..slots.len()).filter(is_first).map(|at| at as u32).collect();
        starts.sort_unstable_by_key(|at| Reverse(trace_id(*at as usize)));
        HeldTraces { index, starts }
    }
}

impl TracesOfSpans for HeldTraces<'_> {
    fn next_id(&self) -> Option<TraceId> {
        let slot = self.index.in_order_of_traces()[*self.starts.last()? as usize];
        Some(self.index.span(slot).trace_id)
    }

    fn take(&mut self, bytes_max: usize) -> io::Result<SpansOfTrace<'_>> {
        let (trace_id, index) = (self.next_id(), self.index);
        let Some(start) = self.starts.pop() else { return Ok(SpansOfTrace::default()) };
        let slots = index.in_order_of_traces()[start as usize..].iter();
        let of_trace =
            slots.map(|slot| (*slot, index.span(*slot))).take_while(|(_, span)| Some(span.trace_id) == trace_id);
        let mut all = of_trace.map(|(slot, span)| SpanView {
            span_id: span.span_id,
            parent_id: span.parent_id,
            service: &index.resource(span.resource).service,
            name: index.name(span.name),
            start: span.start,
            end: span.end,
            failure: index.failure(slot),
        });
        let spans = all.by_ref().take(bytes_max / size_of::<SpanView<'_>>()).collect();
        Ok(SpansOfTrace { spans, left_out: all.count() as u64 })
    }

    fn skip(&mut self) -> io::Result<()> {
        self.starts.pop();
        Ok(())
    }
}

/// They lie trace by trace in a temporary file.
pub(super) struct TracesInFile<'s> {
    traces: Traces<'s>,
    /// Of the current trace.
    spans: Vec<SpanInHand>,
    texts: String,
}

struct SpanInHand {
    span_id: [u8; 8],
    parent_id: [u8; 8],
    start: i64,
    end: i64,
    number: u64,
    service: Range<usize>,
    name: Range<usize>,
    failure: Option<Range<usize>>,
}

impl<'s> TracesInFile<'s> {
    pub(super) fn new(spans: &'s SpansByTrace) -> io::Result<TracesInFile<'s>> {
        Ok(TracesInFile { traces: spans.traces()?, spans: Vec::new(), texts: String::new() })
    }
}

impl TracesOfSpans for TracesInFile<'_> {
    fn next_id(&self) -> Option<TraceId> {
        self.traces.next_id()
    }

    fn take(&mut self, bytes_max: usize) -> io::Result<SpansOfTrace<'_>> {
        let TracesInFile { traces, spans, texts } = self;
        spans.clear();
        texts.clear();
        let mut left_out = 0;
        traces.next(1, &mut |resource, span, number| {
            let mut text = |text: &str| {
                texts.push_str(text);
                texts.len() - text.len()..texts.len()
            };
            // Of equal ids the last one counts, in the place of the first, as in the index.
            let again = spans.pop_if(|last| last.span_id == span.span_id);
            let held = SpanInHand {
                span_id: span.span_id,
                parent_id: span.parent_id,
                start: span.start,
                end: span.end,
                number: again.map_or(number, |again| again.number),
                service: text(resource.service),
                name: text(span.name),
                failure: span.failure.map(|failure| text(&kept_failure(failure))),
            };
            if texts.len() + spans.len() * size_of::<SpanInHand>() <= bytes_max {
                spans.push(held);
            } else {
                texts.truncate(held.service.start);
                left_out += 1;
            }
        })?;
        spans.sort_unstable_by_key(|span| (span.start, Reverse(span.end), span.number));
        let texts = &*texts;
        let view = |span: &SpanInHand| SpanView {
            span_id: span.span_id,
            parent_id: span.parent_id,
            service: &texts[span.service.clone()],
            name: &texts[span.name.clone()],
            start: span.start,
            end: span.end,
            failure: span.failure.clone().map(|failure| &texts[failure]),
        };
        Ok(SpansOfTrace { spans: spans.iter().map(view).collect(), left_out })
    }

    fn skip(&mut self) -> io::Result<()> {
        self.traces.next(1, &mut |_: &ResourceFact<'_>, _: &SpanFact<'_>, _| {}).map(|_| ())
    }
}
