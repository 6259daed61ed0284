//! Why a record has no link.

/// Why a record has no link: the one vocabulary of summary and explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unlinked {
    /// No traces were given, and the record carries no id.
    NoTraces,
    /// The record has no time.
    NoTime,
    /// Nothing tells who wrote it, so that no spans are its writer's.
    WriterNotKnown,
    /// Its writer has no recorded spans.
    NoSpansOfWriter,
    /// Its writer's recorded spans lie at other times.
    NoTimeOverlap,
    /// No recorded span of its writer was open at its time.
    NoSpanNear,
    /// Most likely it was written in no recorded span.
    NoSpan,
    /// Its place in the program lies in no request.
    OutsideRequests,
    /// It names a request no span of which was recorded.
    RequestNotRecorded,
    /// A span is likeliest, but below the threshold.
    BelowThreshold,
    /// Several spans fit alike.
    Ambiguous,
    /// Nothing but time speaks for a span.
    NoEvidence,
    /// Its writer has so many lines, or so many spans open at them, that this one was not looked at: the others' are.
    OverShare,
}

impl Unlinked {
    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Unlinked::NoTraces => "no_traces",
            Unlinked::NoTime => "no_time",
            Unlinked::WriterNotKnown => "writer_not_known",
            Unlinked::NoSpansOfWriter => "no_spans_of_writer",
            Unlinked::NoTimeOverlap => "no_time_overlap",
            Unlinked::NoSpanNear => "no_span_near",
            Unlinked::NoSpan => "no_span",
            Unlinked::OutsideRequests => "outside_requests",
            Unlinked::RequestNotRecorded => "request_not_recorded",
            Unlinked::BelowThreshold => "below_threshold",
            Unlinked::Ambiguous => "ambiguous",
            Unlinked::NoEvidence => "no_evidence",
            Unlinked::OverShare => "over_share",
        }
    }

    /// As a sentence.
    pub fn reason(self) -> &'static str {
        match self {
            Unlinked::NoTraces => "no spans given and no id in the record",
            Unlinked::NoTime => "record without a time",
            Unlinked::WriterNotKnown => {
                "nothing tells whose spans are its writer's: its file is not named after a pod or service of them"
            }
            Unlinked::NoSpansOfWriter => "its writer has no recorded spans",
            Unlinked::NoTimeOverlap => "no time overlap: all recorded spans of its writer lie before or after it",
            Unlinked::NoSpanNear => "no recorded span of its writer was open at its time",
            Unlinked::NoSpan => "most likely it was written in no recorded span",
            Unlinked::OutsideRequests => "lines from this place in the program are written in no request",
            Unlinked::RequestNotRecorded => "it names a request no span of which was recorded",
            Unlinked::BelowThreshold => "the likeliest span is below the confidence that is asked for",
            Unlinked::Ambiguous => "several spans fit alike",
            Unlinked::NoEvidence => "nothing but time speaks for a span",
            Unlinked::OverShare => "its writer has had its share of the memory for linking",
        }
    }
}
