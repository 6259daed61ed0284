//! Each span of the given traces once.
//!
//! In go requests of spans, out comes which of their spans came before: from two copies of a file, or two forms of a trace.
//! A span is told by its ids; one without a number is taken for new.

use crate::otlp::own::Ids;
use crate::otlp::wire::spans::{self, ids_of};

/// Spans that were met, by the number that each has.
pub(super) struct SeenSpans<'n> {
    number: &'n dyn Fn(Ids) -> Option<usize>,
    seen: Vec<bool>,
}

impl SeenSpans<'_> {
    /// For `count` spans; `number` gives the number of each.
    pub(super) fn new(count: usize, number: &dyn Fn(Ids) -> Option<usize>) -> SeenSpans<'_> {
        SeenSpans { number, seen: vec![false; count] }
    }

    /// Whether it comes for the first time, as far as it is known.
    pub(super) fn is_first(&mut self, span: &[u8]) -> bool {
        let number = ids_of(span).and_then(self.number);
        let seen = number.and_then(|number| self.seen.get_mut(number));
        seen.is_none_or(|seen| !std::mem::replace(seen, true))
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
