//! Each span of the given traces once.
//!
//! In go requests of spans, out comes which of their spans came before: from two copies of a file, or two forms of a trace.
//! A span is told by its ids; one that the index does not hold is taken for new.

use crate::correlate::index::SpanIndex;
use crate::otlp::wire::spans::{self, ids_of};

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
    pub(super) fn is_first(&mut self, span: &[u8]) -> bool {
        let slot = ids_of(span).and_then(|(trace_id, span_id)| self.index.by_ids(&trace_id, &span_id));
        let given = slot.and_then(|slot| self.given.get_mut(slot as usize));
        given.is_none_or(|given| !std::mem::replace(given, true))
    }

    /// Of each span of a request, in order, whether it came before or is left out already.
    pub(super) fn mark_repeated(&mut self, request: &[u8], left_out: &mut Vec<bool>) {
        let mut at = 0;
        spans::each(request, |span| {
            if !self.is_first(span.span) {
                left_out.resize(left_out.len().max(at + 1), false);
                left_out[at] = true;
            }
            at += 1;
        });
    }
}
