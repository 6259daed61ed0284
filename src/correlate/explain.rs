//! The outcome of one line in words: which rule decided, and by what.
//!
//! In go a record and its outcome, out comes an [`Explanation`] that learning may add to. Nothing is decided here: the
//! outcome is that of [`super::Correlator::link`].

use super::explanation::{Candidate, Explanation, Factor};
use super::index::SpanIndex;
use super::rules::named::named_by;
use crate::record::{Link, Method, Record, Unlinked};

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
    Explanation { link, reason, candidates: candidates.into_iter().collect(), left_out: 0, no_span: None, kind: None }
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
        let explanation = of_outcome(&index, Ok(link), &record);
        assert_eq!(explanation.reason_at(0.9), Some(Unlinked::BelowThreshold));
        assert_eq!(explanation.reason_at(0.7), None);
        let unlinked = of_outcome(&index, Err(Unlinked::NoTime), &record);
        assert_eq!(unlinked.reason_at(0.0), Some(Unlinked::NoTime));
    }
}
