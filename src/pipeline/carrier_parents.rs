//! Which span the carrier of a line hangs under.
//!
//! In go the spans and the one that a line belongs to, out comes that span, the topmost one of its service in the trace,
//! or that of the whole trace; one that is too short for a carrier is skipped. Nothing is sent here.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::correlate::index::{Span, SpanIndex};
use crate::export::config::Carriers;
use crate::export::span_events::carriers::{LENGTH, Tree};
use crate::otlp::own::Ids;

/// Ways up from a span: a longer chain is a broken trace.
const ABOVE_MAX: usize = 64;

/// Finds the span to hang a carrier under, the same one for all lines of a group.
pub(super) struct Gather<'i> {
    index: &'i SpanIndex,
    how: Carriers,
    /// By trace and service; the trace as a whole has no service.
    topmost: HashMap<([u8; 16], Option<&'i str>), Option<Ids>>,
}

impl<'i> Gather<'i> {
    pub(super) fn new(index: &'i SpanIndex, how: Carriers) -> Gather<'i> {
        Gather { index, how, topmost: HashMap::new() }
    }

    fn itself_or_above(&self, (trace_id, mut span_id): Ids) -> Option<Ids> {
        for _ in 0..ABOVE_MAX {
            let span = self.index.span(self.index.by_ids(&trace_id, &span_id)?);
            if has_room(span) {
                return Some((trace_id, span_id));
            }
            span_id = span.parent_id;
        }
        None
    }
}

impl Tree for Gather<'_> {
    fn under(&mut self, ids: Ids) -> Option<Ids> {
        let index = self.index;
        let service = match self.how {
            Carriers::Span => return self.itself_or_above(ids),
            Carriers::Service => Some(service(index, ids)?),
            Carriers::Trace => None,
        };
        let topmost = self.topmost.entry((ids.0, service)).or_insert_with(|| topmost(index, &ids.0, service));
        topmost.or_else(|| self.itself_or_above(ids))
    }

    fn service(&self, ids: Ids) -> Option<&str> {
        service(self.index, ids)
    }

    fn name(&self, (trace_id, span_id): Ids) -> Option<&str> {
        Some(self.index.name(self.index.span(self.index.by_ids(&trace_id, &span_id)?).name))
    }

    fn start(&self, (trace_id, span_id): Ids) -> Option<u64> {
        u64::try_from(self.index.span(self.index.by_ids(&trace_id, &span_id)?).start).ok()
    }
}

fn service(index: &SpanIndex, (trace_id, span_id): Ids) -> Option<&str> {
    let span = index.span(index.by_ids(&trace_id, &span_id)?);
    Some(&index.resource(span.resource).service)
}

fn has_room(span: &Span) -> bool {
    span.end - span.start >= LENGTH as i64
}

/// Of the spans of a service with room for a carrier, or of all: the one nearest to the root, the longest of several.
fn topmost(index: &SpanIndex, trace_id: &[u8; 16], service: Option<&str>) -> Option<Ids> {
    let spans = index.by_trace(trace_id, false).iter().map(|slot| index.span(*slot));
    let of_service = spans.filter(|span| service.is_none_or(|name| index.resource(span.resource).service == name));
    let key = |span: &&Span| (depth(index, span), Reverse(span.end - span.start), span.start, span.span_id);
    of_service.filter(|span| has_room(span)).min_by_key(key).map(|span| (span.trace_id, span.span_id))
}

/// Spans above it, as far as they are known.
fn depth(index: &SpanIndex, span: &Span) -> usize {
    let mut parent_id = span.parent_id;
    let mut depth = 0;
    while let Some(slot) = index.by_ids(&span.trace_id, &parent_id).filter(|_| depth < ABOVE_MAX) {
        parent_id = index.span(slot).parent_id;
        depth += 1;
    }
    depth
}
