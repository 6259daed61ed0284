//! What conditions ask about the spans of a run.
//!
//! Whoever holds the spans answers; no span is kept here.

use std::collections::{BTreeSet, HashSet};

/// The id of a trace.
pub type TraceId = [u8; 16];

/// What conditions ask about the spans of a run.
pub trait SpanLookup {
    /// Traces with a failed span.
    fn failed_traces(&self) -> HashSet<TraceId>;
    /// Traces with a span of one of these names.
    fn traces_with_span(&self, names: &[&str]) -> HashSet<TraceId>;
    /// All names of spans.
    fn span_names(&self) -> BTreeSet<&str>;
    /// The services of all spans, with repetitions.
    fn services(&self) -> Vec<&str>;
}
