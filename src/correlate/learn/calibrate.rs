//! From what learning believes to how often that is right.
//!
//! In go a probability and what it was learned from, out comes one that holds on captures whose truth is known: habits of
//! kinds with few lines are believed too much, and in services all of whose lines have a span too little. The numbers are
//! shares of links that were right there; no program, template or span is told apart.

/// Lines that a habit must be learned from to be believed by half.
const HALF_BELIEVED: f32 = 8.0;
/// How far odds of a well-known kind are believed, where lines without a span occur.
const BELIEVED: f32 = 1.06;
/// … of a kind with few lines, at least.
const BELIEVED_LEAST: f32 = 0.5;
/// … and where they do not.
const ALL_RECORDED: f32 = 1.4;
/// Shares of a service's lines without a span between which both are mixed.
const NONE_OCCUR: (f32, f32) = (0.02, 0.1);
/// Lines of a request speak for each other, known lines for what stands amid them: a kind with few lines then counts as
/// one with so many.
const REQUEST_LINES: u32 = 3;
const KNOWN_OTHERWISE: f32 = 200.0;
/// Odds in all are believed so far.
const ALL: f32 = 0.9;
/// Added to their logarithm where the text names the span by its duration or by a rare word …
const NAMES_SPAN: f32 = 2.0;
/// … per known line beside it, which may be of another goroutine that runs at the same time …
const SIDE: f32 = -0.6;
/// … by the share of the kind's lines without a span, since learning counts that already …
const KIND_WITHOUT: f32 = 0.5;
/// … and, where more than this of the service's lines have none, for an operation that seldom has lines of the kind.
const MOSTLY_WITHOUT: f32 = 0.6;
const SELDOM: f32 = -5.0;

/// What a probability was learned from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Learned {
    /// Lines of the kind.
    pub(crate) lines: u32,
    /// Share of the service's lines without a span.
    pub(crate) without_span: f32,
    /// … and of the kind's.
    pub(crate) kind_without_span: f32,
    /// Lines that name the same request.
    pub(crate) of_request: u32,
    /// How much of the kind the span's operation has, against the one with most.
    pub(crate) preference: f32,
    /// The text holds the span's duration, or a rare word of its trace's spans.
    pub(crate) names_span: bool,
    /// Known lines just before and after that are of the trace.
    pub(crate) sides: u8,
}

/// The probability that a link is right.
pub(crate) fn calibrated(probability: f32, learned: Learned) -> f32 {
    let mut lines = learned.lines as f32;
    if learned.of_request >= REQUEST_LINES || learned.sides >= 2 {
        lines = lines.max(KNOWN_OTHERWISE);
    }
    let known = lines / (lines + HALF_BELIEVED);
    let occur = ((learned.without_span - NONE_OCCUR.0) / (NONE_OCCUR.1 - NONE_OCCUR.0)).clamp(0.0, 1.0);
    let all_recorded = 1.0 + (ALL_RECORDED - 1.0) * known;
    let some_not = (BELIEVED * known).max(BELIEVED_LEAST);
    let probability = probability.clamp(1e-4, 1.0 - 1e-4);
    let believed = ALL * (all_recorded + (some_not - all_recorded) * occur);
    let mut odds = (probability / (1.0 - probability)).ln() * believed;
    odds += if learned.names_span { NAMES_SPAN } else { 0.0 } + SIDE * f32::from(learned.sides.min(2));
    let seldom = SELDOM * (1.0 - learned.preference).max(0.0) * (learned.without_span - MOSTLY_WITHOUT).max(0.0);
    odds += KIND_WITHOUT * learned.kind_without_span + seldom;
    1.0 / (1.0 + (-odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEARNED: Learned = Learned {
        lines: 1000,
        without_span: 0.5,
        kind_without_span: 0.0,
        of_request: 1,
        preference: 1.0,
        names_span: false,
        sides: 0,
    };

    #[test]
    fn kinds_with_few_lines_are_believed_less() {
        let at =
            |lines, without_span, of_request| calibrated(0.98, Learned { lines, without_span, of_request, ..LEARNED });
        assert!(at(5, 0.5, 1) < 0.9 && at(1000, 0.5, 1) > 0.95 && at(1000, 0.5, 1) < 0.98);
        assert!(at(5, 0.5, 4) > at(5, 0.5, 1));
        assert!(at(1000, 0.0, 1) > 0.98);
        for probability in [0.0, 1.0, f32::NAN] {
            let learned = Learned { lines: 0, of_request: 0, sides: 2, ..LEARNED };
            let found = calibrated(probability, learned);
            assert!(probability.is_nan() || (0.0..=1.0).contains(&found));
        }
    }

    #[test]
    fn what_names_the_span_counts_and_operations_with_few_of_the_kind_cost() {
        let usual = calibrated(0.95, LEARNED);
        assert!(calibrated(0.95, Learned { names_span: true, ..LEARNED }) > 0.98);
        let seldom = Learned { preference: 0.2, ..LEARNED };
        assert_eq!(calibrated(0.95, seldom), usual);
        let few = Learned { without_span: 0.9, ..LEARNED };
        assert!(calibrated(0.95, Learned { without_span: 0.9, ..seldom }) < calibrated(0.95, few) - 0.05);
        assert!(calibrated(0.95, Learned { sides: 1, ..LEARNED }) < usual);
    }
}
