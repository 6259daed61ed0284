//! The story of one line: what was considered, what spoke for it, and why it came out as it did.
//!
//! In goes a record after [`super::Correlator::settle`], out comes an [`Explanation`]. Nothing is decided here: the outcome
//! is that of [`super::Correlator::link`]. What learning knew of a line is kept only where
//! [`super::Correlator::keep_evidence`] was called before; else only the outcome and the rule are told.

use super::hints::named_by;
use super::index::{Slot, SpanIndex};
use crate::record::{Link, Method, Record, Unlinked};

/// Candidates told, likeliest first.
pub const CANDIDATES_MAX: usize = 16;

/// The name of a piece of evidence: how far the line stands from its span's start.
pub const DISTANCE_TO_START: &str = "distance to its start";
/// … and from its end.
pub const DISTANCE_TO_END: &str = "distance to its end";

/// See the module.
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
        let is_below = |link: &Link| link.confidence.is_some_and(|confidence| confidence < min_confidence);
        self.reason.or_else(|| self.link.as_ref().filter(|link| is_below(link)).map(|_| Unlinked::BelowThreshold))
    }

    /// The outcome alone. A link's span is its only candidate.
    pub(crate) fn of_outcome(index: &SpanIndex, outcome: Result<Link, Unlinked>, record: &Record<'_>) -> Explanation {
        let (link, reason) = match outcome {
            Ok(link) => (Some(link), None),
            Err(reason) => (None, Some(reason)),
        };
        let slot = link.and_then(|link| index.by_ids(&link.trace_id, &link.span_id));
        let candidates = slot.zip(link).map(|(slot, link)| {
            let probability = link.confidence.unwrap_or(1.0);
            let what = match link.method {
                Method::Written => None,
                _ => named_by(record),
            };
            let evidence = vec![Factor { what, ..Factor::new(rule(link.method), log_odds(probability)) }];
            let time = record.time.unwrap_or(0);
            Candidate { is_chosen: true, probability, evidence, ..Candidate::new(index, slot, time) }
        });
        Explanation {
            link,
            reason,
            candidates: candidates.into_iter().collect(),
            left_out: 0,
            no_span: None,
            kind: None,
        }
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

/// What a rule goes by.
fn rule(method: Method) -> &'static str {
    match method {
        Method::Written => "ids in the record",
        Method::Event => "the same line is an event of the span",
        Method::Request => "an id names the request",
        Method::Entity => "shared keys and time",
        Method::Inferred => "learned habits",
    }
}

fn log_odds(probability: f32) -> f32 {
    let probability = probability.clamp(1e-4, 1.0 - 1e-4);
    (probability / (1.0 - probability)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_below_the_threshold_says_so() {
        let link = Link {
            trace_id: [1; 16],
            span_id: [1; 8],
            method: Method::Inferred,
            confidence: Some(0.8),
            relation: crate::record::Relation::Within,
            verified: true,
            has_event: false,
        };
        let index = SpanIndex::new(crate::correlate::index::Limits::default());
        let (entry, origin) = Default::default();
        let record = Record {
            source: 0,
            origin: &origin,
            position: Default::default(),
            envelope: Default::default(),
            stream: Default::default(),
            time: None,
            time_digits: 0,
            envelope_time: None,
            entry: &entry,
            envelope_fields: &[],
            payload: b"",
            piece: 0,
        };
        let explanation = Explanation::of_outcome(&index, Ok(link), &record);
        assert_eq!(explanation.reason_at(0.9), Some(Unlinked::BelowThreshold));
        assert_eq!(explanation.reason_at(0.7), None);
        let unlinked = Explanation::of_outcome(&index, Err(Unlinked::NoTime), &record);
        assert_eq!(unlinked.reason_at(0.0), Some(Unlinked::NoTime));
    }
}
