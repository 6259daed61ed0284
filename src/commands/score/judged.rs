//! Counts of right, wrong and missing links.
//!
//! A line is labelled if a recorded span was active, linked if its record has a link that says the span encloses it. A
//! link is right (trace, span), wrong (another trace than the true one), or false (no recorded span was active). Ids that
//! were written in a line whose span was not seen are no claim about a recorded span: without a true span they are
//! counted for themselves.

use super::rows::{LinkRow, TrueSpan};

/// Counts of one kind of lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records.
    pub lines: u64,
    /// Those with a true span.
    pub labelled: u64,
    /// Those with a link.
    pub linked: u64,
    /// Links to the right trace.
    pub right_trace: u64,
    /// Links to the right span.
    pub right_span: u64,
    /// Links to another trace than the true one.
    pub wrong: u64,
    /// Links of lines that have no true span.
    pub false_links: u64,
    /// Labelled lines without a link.
    pub missed: u64,
    /// Written ids whose span was not seen, on lines without a true span.
    pub unverified: u64,
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Tally {
    /// Right traces of the links.
    pub fn trace_precision(&self) -> Option<f64> {
        share(self.right_trace, self.linked)
    }

    /// Right traces of the labelled lines.
    pub fn trace_recall(&self) -> Option<f64> {
        share(self.right_trace, self.labelled)
    }

    /// Right spans of the links.
    pub fn span_precision(&self) -> Option<f64> {
        share(self.right_span, self.linked)
    }

    /// Right spans of the labelled lines.
    pub fn span_recall(&self) -> Option<f64> {
        share(self.right_span, self.labelled)
    }

    /// Right spans of the links to the right trace.
    pub fn exact(&self) -> Option<f64> {
        share(self.right_span, self.right_trace)
    }

    pub(super) fn add(&mut self, judged: Judged) {
        let Judged { labelled, verdict } = judged;
        self.lines += 1;
        self.labelled += u64::from(labelled);
        let mut linked = |to: &mut u64| {
            self.linked += 1;
            *to += 1;
        };
        match verdict {
            Verdict::NotLinked if labelled => self.missed += 1,
            Verdict::NotLinked => {}
            Verdict::Unverified => self.unverified += 1,
            Verdict::False => linked(&mut self.false_links),
            Verdict::Wrong => linked(&mut self.wrong),
            Verdict::Inexact => linked(&mut self.right_trace),
            Verdict::Right => {
                linked(&mut self.right_trace);
                self.right_span += 1;
            }
        }
    }
}

/// What is to be said of a record's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judged {
    /// It has a true span.
    pub(super) labelled: bool,
    pub(super) verdict: Verdict,
}

/// How a link stands to the true span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no link.
    NotLinked,
    /// There is neither a true span nor a link to one, but ids whose span was not seen.
    Unverified,
    /// There is a link, and no true span.
    False,
    /// Another trace.
    Wrong,
    /// The right trace, and not the right span.
    Inexact,
    /// The right span.
    Right,
}

impl Judged {
    pub(super) fn of(truth: &TrueSpan, link: Option<&LinkRow>) -> Judged {
        let verdict = match (truth.ids, link.and_then(LinkRow::within)) {
            (_, None) => Verdict::NotLinked,
            (None, Some(_)) if link.is_some_and(|link| link.verified == Some(false)) => Verdict::Unverified,
            (None, Some(_)) => Verdict::False,
            (Some((trace_id, _)), Some((linked_trace, _))) if trace_id != linked_trace => Verdict::Wrong,
            (Some((_, span_id)), Some((_, Some(linked_span)))) if span_id == Some(linked_span) => Verdict::Right,
            (Some(_), Some(_)) => Verdict::Inexact,
        };
        Judged { labelled: truth.ids.is_some(), verdict }
    }
}
