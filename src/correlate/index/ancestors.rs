//! Spans that last long enough: the nearest one above a span, or the topmost one of a service or trace.
//!
//! In go the spans and the one to begin at, out comes a span. What needs the length is not known here.

use std::cmp::Reverse;

use super::span::Span;
use super::span_index::SpanIndex;

/// Ways up from a span: a longer chain is a broken trace.
const ABOVE_MAX: usize = 64;

impl SpanIndex {
    /// The span itself, or the nearest above it, that lasts at least this long, in ns.
    pub fn itself_or_above(&self, trace_id: &[u8; 16], span_id: &[u8; 8], length: i64) -> Option<&Span> {
        let mut span_id = *span_id;
        for _ in 0..ABOVE_MAX {
            let span = self.span(self.by_ids(trace_id, &span_id)?);
            if lasts(span, length) {
                return Some(span);
            }
            span_id = span.parent_id;
        }
        None
    }

    /// Of the spans of a service in a trace, or of all its spans, that last at least this long, in ns: the one nearest to
    /// the root, the longest of several.
    pub fn topmost(&self, trace_id: &[u8; 16], service: Option<&str>, length: i64) -> Option<&Span> {
        let spans = self.by_trace(trace_id, false).iter().map(|slot| self.span(*slot));
        let of_service = spans.filter(|span| service.is_none_or(|name| self.resource(span.resource).service == name));
        let key = |span: &&Span| (self.depth(span), Reverse(span.end - span.start), span.start, span.span_id);
        of_service.filter(|span| lasts(span, length)).min_by_key(key)
    }

    /// Spans above it, as far as they are known.
    fn depth(&self, span: &Span) -> usize {
        let mut parent_id = span.parent_id;
        let mut depth = 0;
        while let Some(slot) = self.by_ids(&span.trace_id, &parent_id).filter(|_| depth < ABOVE_MAX) {
            parent_id = self.span(slot).parent_id;
            depth += 1;
        }
        depth
    }
}

fn lasts(span: &Span, length: i64) -> bool {
    span.end - span.start >= length
}
