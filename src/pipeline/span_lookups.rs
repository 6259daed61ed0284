//! What other stages ask about the spans of a run, answered by the index and the files that hold them.
//!
//! In go the index and files, out come answers in the words of [`spans`](crate::spans) and [`export`](crate::export), which
//! do not know the index. Nothing is decided here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::PathBuf;

use crate::correlate::Correlator;
use crate::correlate::index::{Span, SpanIndex};
use crate::export::config::Carriers;
use crate::export::linker::Linker;
use crate::export::select::{SpanLookup, TraceId};
use crate::export::span_events::carriers::{LENGTH, Tree};
use crate::export::span_events::given_traces::GivenTraces;
use crate::otlp::own::Ids;
use crate::record::{Link, Record, Unlinked};
use crate::spans::file::Limits;
use crate::spans::load::each_request;

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

/// The traces that were given, to be read again.
pub(super) struct Given<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) limits: Limits,
    /// Some of their spans are spanline's.
    pub(super) has_carriers: bool,
    /// All their spans.
    pub(super) index: &'a SpanIndex,
    /// What new carriers are put under.
    pub(super) gather: Carriers,
}

impl GivenTraces for Given<'_> {
    fn files(&self) -> usize {
        self.paths.len()
    }

    fn each_request(&self, file: usize, each: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        each_request(&self.paths[file], self.limits, each).map(|_| ())
    }

    fn has_carriers(&self) -> bool {
        self.has_carriers
    }

    fn spans(&self) -> usize {
        self.index.len()
    }

    fn number(&self, (trace_id, span_id): Ids) -> Option<usize> {
        self.index.by_ids(&trace_id, &span_id).map(|slot| slot as usize)
    }

    fn tree(&self) -> Box<dyn Tree + '_> {
        Box::new(CarrierTree { index: self.index, how: self.gather, topmost: HashMap::new() })
    }
}

/// Finds the span that a carrier is put under, the same one for all lines of a group.
struct CarrierTree<'i> {
    index: &'i SpanIndex,
    how: Carriers,
    /// By trace and service; the trace as a whole has no service.
    topmost: HashMap<([u8; 16], Option<&'i str>), Option<Ids>>,
}

impl<'i> CarrierTree<'i> {
    fn span(&self, (trace_id, span_id): Ids) -> Option<&'i Span> {
        Some(self.index.span(self.index.by_ids(&trace_id, &span_id)?))
    }

    fn service_of(&self, ids: Ids) -> Option<&'i str> {
        Some(&self.index.resource(self.span(ids)?.resource).service)
    }
}

impl Tree for CarrierTree<'_> {
    fn under(&mut self, ids: Ids) -> Option<Ids> {
        let (index, length) = (self.index, LENGTH as i64);
        let ids_of = |span: &Span| (span.trace_id, span.span_id);
        let itself_or_above = || index.itself_or_above(&ids.0, &ids.1, length).map(ids_of);
        let service = match self.how {
            Carriers::Span => return itself_or_above(),
            Carriers::Service => Some(self.service_of(ids)?),
            Carriers::Trace => None,
        };
        let topmost = || index.topmost(&ids.0, service, length).map(ids_of);
        self.topmost.entry((ids.0, service)).or_insert_with(topmost).or_else(itself_or_above)
    }

    fn service(&self, ids: Ids) -> Option<&str> {
        self.service_of(ids)
    }

    fn name(&self, ids: Ids) -> Option<&str> {
        Some(self.index.name(self.span(ids)?.name))
    }

    fn start(&self, ids: Ids) -> Option<u64> {
        u64::try_from(self.span(ids)?.start).ok()
    }
}
