//! What a rule makes of a record: data, and the links that rules give.
//!
//! In go spans that rules have found, out come links. Which span that is, each program's rule decides.

use super::crio_sites::Site;
use crate::correlate::index::{EventEntry, Slot, SpanIndex};
use crate::record::{Link, Method, Relation};

/// Stores of traces keep microseconds.
pub(crate) const STORE_NS: i64 = 1_000;

/// What explicit evidence says of a record when it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RuleOutcome<'r> {
    /// Its link.
    Linked(Link),
    /// It names a request: what that says is known once all records were read.
    Named(NamedRequest<'r>),
    /// Nothing.
    Nothing,
}

/// A line of CRI-O that names a request, without its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NamedRequest<'r> {
    /// Hash of the id.
    pub(crate) request: u64,
    /// Of a line with whole seconds that is like several events: its rank among its equals may tell which it is.
    pub(crate) identity: Option<u64>,
    pub(crate) within: Within<'r>,
}

/// What tells a line's span below the call of its request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Within<'r> {
    /// Its time, and the package that wrote it.
    Time(Option<&'r [u8]>),
    /// What it says.
    Site(Site),
}

/// The span that all of these events are of.
pub(crate) fn only_slot<'r>(mut rows: impl Iterator<Item = &'r EventEntry>) -> Option<Slot> {
    let first = rows.next()?;
    rows.all(|row| row.slot == first.slot).then_some(first.slot)
}

/// A link to a span, by a rule.
pub(crate) fn link(index: &SpanIndex, slot: Slot, method: Method, confidence: f32) -> Link {
    let span = index.span(slot);
    Link {
        trace_id: span.trace_id,
        span_id: span.span_id,
        method,
        confidence: Some(confidence),
        relation: Relation::Within,
        verified: true,
        has_event: method == Method::Event,
    }
}
