//! What is told of one line's link: data only.
//!
//! Rules and learning fill it ([`super::Correlator::explain`]), the views print it. Weights are natural logarithms, times
//! nanoseconds.

use super::index::{Slot, SpanIndex};
use crate::record::{Link, Unlinked};

/// Candidates told, likeliest first.
pub const CANDIDATES_MAX: usize = 16;

/// The name of a piece of evidence: how far the line stands from its span's start.
pub const DISTANCE_TO_START: &str = "distance to its start";
/// … and from its end.
pub const DISTANCE_TO_END: &str = "distance to its end";

/// Why a line was linked as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The link, below any threshold too.
    pub link: Option<Link>,
    /// Why there is none.
    pub reason: Option<Unlinked>,
    /// Spans that were considered, likeliest first.
    pub candidates: Vec<Candidate>,
    /// Candidates beyond [`CANDIDATES_MAX`].
    pub left_out: usize,
    /// The probability that no recorded span holds the line, where learning decided.
    pub no_span: Option<f32>,
    /// Lines of the same kind, and which share of them has no recorded span, where learning decided.
    pub kind: Option<KindOfLine>,
}

/// What is known of lines like this one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KindOfLine {
    /// Lines of the kind.
    pub lines: u32,
    /// Share of them without a recorded span.
    pub without_span: f32,
    /// Lines that name the same request, this one included.
    pub of_request: u32,
}

/// A span that was considered.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Trace id.
    pub trace_id: [u8; 16],
    /// Span id.
    pub span_id: [u8; 8],
    /// Span name.
    pub name: String,
    /// Service of the span.
    pub service: String,
    /// From the span's start to the line, ns.
    pub since_start: i64,
    /// From the line to the span's end, ns; negative after the end.
    pub until_end: i64,
    /// What speaks for it and against it.
    pub evidence: Vec<Factor>,
    /// The probability that the line was written in it, as learned: a link's confidence is how often that holds.
    pub probability: f32,
    /// It is the span of the link.
    pub is_chosen: bool,
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// What it is.
    pub name: &'static str,
    /// Which key, word or duration of the line that is.
    pub what: Option<String>,
    /// It is about what the texts of line and span share.
    pub(crate) tells_of_text: bool,
    /// Natural logarithm of how many times likelier it makes the span: positive for, negative against.
    pub weight: f32,
}

impl Factor {
    pub(crate) fn new(name: &'static str, weight: f32) -> Factor {
        Factor { name, what: None, tells_of_text: false, weight }
    }
}

impl Explanation {
    /// Why no link is made where links need this confidence.
    pub fn reason_at(&self, min_confidence: f32) -> Option<Unlinked> {
        let is_below = |link: &&Link| !link.is_made_at(min_confidence);
        self.reason.or_else(|| self.link.as_ref().filter(is_below).map(|_| Unlinked::BelowThreshold))
    }
}

impl Candidate {
    /// A span at a line's time, not judged yet.
    pub(crate) fn new(index: &SpanIndex, slot: Slot, time: i64) -> Candidate {
        let span = index.span(slot);
        Candidate {
            trace_id: span.trace_id,
            span_id: span.span_id,
            name: index.name(span.name).to_owned(),
            service: index.resource(span.resource).service.clone(),
            since_start: time.saturating_sub(span.start),
            until_end: span.end.saturating_sub(time),
            evidence: Vec::new(),
            probability: 0.0,
            is_chosen: false,
        }
    }
}
