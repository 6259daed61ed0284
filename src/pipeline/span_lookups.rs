//! What other stages ask about the spans of a run while records are linked and chosen, answered by the index.
//!
//! In goes the index, out come answers in the words of [`export`](crate::export), which does not know it. Nothing is decided
//! here. What is asked when the traces are read again is answered by [`given_spans`](super::given_spans).

use std::collections::{BTreeSet, HashSet};

use crate::correlate::Correlator;
use crate::correlate::index::SpanIndex;
use crate::export::linker::Linker;
use crate::export::select::{SpanLookup, TraceId};
use crate::record::{Link, Record, Unlinked};

impl Linker for Correlator {
    fn link(&self, record: &Record<'_>) -> Result<Link, Unlinked> {
        Correlator::link(self, record)
    }
}

impl SpanLookup for SpanIndex {
    fn failed_traces(&self) -> HashSet<TraceId> {
        self.failed().map(|slot| self.span(slot).trace_id).collect()
    }

    fn traces_with_span(&self, names: &[&str]) -> HashSet<TraceId> {
        let numbers: HashSet<u32> = names.iter().filter_map(|name| self.name_number(name)).collect();
        let spans = self.in_order_of_traces().iter().map(|slot| self.span(*slot));
        spans.filter(|span| numbers.contains(&span.name)).map(|span| span.trace_id).collect()
    }

    fn span_names(&self) -> BTreeSet<&str> {
        (0..self.len()).map(|slot| self.name(self.span(slot as u32).name)).collect()
    }

    fn services(&self) -> Vec<&str> {
        self.resources().iter().map(|resource| resource.service.as_str()).collect()
    }
}

/// The spans that conditions are asked about.
pub(crate) fn of(correlator: Option<&Correlator>) -> Option<&dyn SpanLookup> {
    correlator.map(|correlator| correlator.index() as &dyn SpanLookup)
}
