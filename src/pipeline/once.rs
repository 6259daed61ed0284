//! Each span of the given traces once.
//!
//! In go requests of spans, out comes which of their spans came before: from two copies of a file, or two forms of a trace.
//! A span is told by its ids; one that the index does not hold is taken for new.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::correlate::span_index::SpanIndex;

/// See the module.
pub(super) struct Once<'i> {
    index: &'i SpanIndex,
    given: Vec<bool>,
}

impl Once<'_> {
    pub(super) fn new(index: &SpanIndex) -> Once<'_> {
        Once { index, given: vec![false; index.len()] }
    }

    /// Whether it comes for the first time, as far as it is known.
    fn is_first(&mut self, span: &Span) -> bool {
        let ids = span.trace_id.as_slice().try_into().ok().zip(span.span_id.as_slice().try_into().ok());
        let slot = ids.and_then(|(trace_id, span_id)| self.index.by_ids(&trace_id, &span_id));
        let given = slot.and_then(|slot| self.given.get_mut(slot as usize));
        given.is_none_or(|given| !std::mem::replace(given, true))
    }

    /// Drops those that came before; false if nothing is left.
    pub(super) fn keep_firsts(&mut self, request: &mut ExportTraceServiceRequest) -> bool {
        for resource in &mut request.resource_spans {
            resource.scope_spans.iter_mut().for_each(|scope| scope.spans.retain(|span| self.is_first(span)));
            resource.scope_spans.retain(|scope| !scope.spans.is_empty());
        }
        request.resource_spans.retain(|resource| !resource.scope_spans.is_empty());
        !request.resource_spans.is_empty()
    }

    /// Of each span of a request, in order, whether it came before or is left out already.
    pub(super) fn mark_repeated(&mut self, request: &ExportTraceServiceRequest, left_out: &mut Vec<bool>) {
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        for (at, span) in scopes.flat_map(|scope| &scope.spans).enumerate() {
            if !self.is_first(span) {
                left_out.resize(left_out.len().max(at + 1), false);
                left_out[at] = true;
            }
        }
    }
}
