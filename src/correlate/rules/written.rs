//! Ids that the record itself carries.
//!
//! In goes what was read from the line, out comes the link it states, checked against the spans that were seen. Ids of
//! spans nobody saw are kept as written, and said to be unverified. Bare hex tokens count only if such an id is known:
//! then chance is out of the question.

use spanline_parsers::trace_context::{HexId, hex_tokens};

use crate::correlate::index::{Slot, SpanIndex, innermost_of};
use crate::record::{Link, Method, Record, Relation};

/// A server writes a header's id before its own span begins or after it ended.
const AROUND_NS: i64 = 5_000_000;
/// Tokens of a line that are looked up.
const TOKENS_MAX: usize = 16;
/// Spans of a trace among which a child is looked for.
const CHILDREN_MAX: usize = 4096;

/// The link that a record states, if it carries an id.
pub(crate) fn link(index: &SpanIndex, resources: &[u32], record: &Record<'_>) -> Option<Link> {
    let context = &record.entry.trace;
    let Some(written) = context.trace_id else {
        return match context.span_id {
            Some(span_id) => by_span_only(index, &span_id),
            None => by_token(index, resources, record),
        };
    };
    let trace = index.by_trace(&written, context.low64);
    let trace_id = trace.first().map_or(written, |slot| index.span(*slot).trace_id);
    let span_id = context.span_id.unwrap_or_default();
    let found = match context.span_id {
        Some(span_id) if context.remote_parent => child_of(index, resources, trace, &trace_id, &span_id, record.time),
        Some(span_id) => index.by_ids(&trace_id, &span_id),
        None => record.time.and_then(|time| innermost_of(index, trace, resources, time)),
    };
    if let Some(slot) = found {
        return Some(seen(index, slot));
    }
    // The trace is known, but which of its spans is the line's is not.
    if !trace.is_empty() && (context.span_id.is_none() || context.remote_parent) {
        return Some(written_link(trace_id, [0; 8], true));
    }
    Some(written_link(trace_id, span_id, false))
}

/// The span of this process whose parent the line names.
fn child_of(
    index: &SpanIndex,
    resources: &[u32],
    trace: &[Slot],
    trace_id: &[u8; 16],
    parent_id: &[u8; 8],
    time: Option<i64>,
) -> Option<Slot> {
    let is_own = |slot: &Slot| resources.contains(&index.span(*slot).resource);
    let of_parent = |slot: &Slot| index.span(*slot).parent_id == *parent_id && is_own(slot);
    let begun = time.map_or(trace.len(), |time| {
        trace.partition_point(|slot| index.span(*slot).start <= time.saturating_add(AROUND_NS))
    });
    let distance = |slot: &Slot| {
        let span = index.span(*slot);
        time.map_or(0, |time| span.start.saturating_sub(time).max(time.saturating_sub(span.end)).max(0))
    };
    let recent = &trace[begun.saturating_sub(CHILDREN_MAX)..begun];
    let child = recent.iter().rev().copied().filter(of_parent).min_by_key(distance);
    // Zipkin's way: client and server share the id.
    child.or_else(|| index.by_ids(trace_id, parent_id).filter(is_own))
}

fn by_span_only(index: &SpanIndex, span_id: &[u8; 8]) -> Option<Link> {
    match index.by_span_id(span_id) {
        [only] => Some(seen(index, *only)),
        _ => None,
    }
}

fn by_token(index: &SpanIndex, resources: &[u32], record: &Record<'_>) -> Option<Link> {
    let mut trace: Option<&[Slot]> = None;
    let mut span = None;
    for token in hex_tokens(record.payload).take(TOKENS_MAX) {
        match token.id {
            HexId::Trace(id) if trace.is_none() => trace = Some(index.by_trace(&id, false)).filter(|t| !t.is_empty()),
            HexId::Span(id) if span.is_none() => {
                let slots = index.by_span_id(&id);
                span = slots.first().copied().filter(|_| slots.len() == 1);
            }
            _ => {}
        }
    }
    match (trace, span) {
        (None, None) => None,
        (Some(trace), Some(span)) if index.span(trace[0]).trace_id == index.span(span).trace_id => {
            Some(seen(index, span))
        }
        (Some(trace), _) => Some(match record.time.and_then(|time| innermost_of(index, trace, resources, time)) {
            Some(slot) => seen(index, slot),
            None => written_link(index.span(trace[0]).trace_id, [0; 8], true),
        }),
        (None, Some(span)) => Some(seen(index, span)),
    }
}

fn seen(index: &SpanIndex, slot: Slot) -> Link {
    let span = index.span(slot);
    written_link(span.trace_id, span.span_id, true)
}

fn written_link(trace_id: [u8; 16], span_id: [u8; 8], verified: bool) -> Link {
    Link {
        trace_id,
        span_id,
        method: Method::Written,
        confidence: verified.then_some(1.0),
        relation: Relation::Within,
        verified,
        has_event: false,
    }
}
