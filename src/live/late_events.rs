//! Lines of spans that passed before these lines had their link: they go on as events of small child spans.
//!
//! In go resources as spans come, and lines as events with their spans, out come requests with carriers
//! ([`crate::export::span_events::carriers`]).

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::acknowledged_events::EventReceipts;
use super::hold::WhenTaken;
use crate::correlate::index::{Slot, SpanIndex};
use crate::export::batch::{Batch, Group};
use crate::export::span_events::carrier_parents::{Parent, Resource};
use crate::export::span_events::carriers::{self, LENGTH, SpanLine, Tree};
use crate::facts::ResourceFact;
use crate::metrics::{Counter, Metrics};
use crate::otlp::Signal;
use crate::otlp::own::Ids;
use crate::otlp::wire::write;
use crate::record::Receipt;

/// Events of one request, about.
const REQUEST_BYTES: usize = 1 << 20;
/// The same where lines go nowhere else: the smallest queue takes several.
const LONE_REQUEST_BYTES: usize = 1 << 18;
/// Resources whose messages are kept.
const RESOURCES_MAX: usize = 1 << 12;

/// A request with carriers.
pub struct CarrierRequest {
    /// `ExportTraceServiceRequest`
    pub request: Bytes,
    /// Spans in it.
    pub spans: u64,
    /// To be called once it was taken, where its lines go nowhere else.
    pub taken: Option<WhenTaken>,
}

/// Takes a request; one whose lines go nowhere else comes back where there is no room.
pub type GiveCarriers = Arc<dyn Fn(CarrierRequest) -> Result<(), CarrierRequest> + Send + Sync>;

/// See the module.
pub(super) struct LateEvents {
    resources: HashMap<u32, Arc<Resource>>,
    last_run: u64,
    give: GiveCarriers,
    /// Requests that there was no room for.
    waiting: VecDeque<CarrierRequest>,
    sent: Arc<Counter>,
    left_out: Arc<Counter>,
}

impl LateEvents {
    pub(super) fn new(give: GiveCarriers, metrics: &Metrics) -> LateEvents {
        let (resources, last_run, waiting) = Default::default();
        let (sent, left_out) = (metrics.spans.events("carrier"), metrics.limit_reached("late_events"));
        LateEvents { resources, last_run, give, waiting, sent, left_out }
    }

    /// Spans of a resource come, which has this number in the index.
    pub(super) fn add_resource(&mut self, resource: &ResourceFact<'_>, number: impl FnOnce() -> u32) {
        if resource.run == std::mem::replace(&mut self.last_run, resource.run) || self.resources.len() >= RESOURCES_MAX
        {
            return;
        }
        self.resources.entry(number()).or_insert_with(|| {
            let mut field = Vec::with_capacity(resource.message.len() + 4);
            write::bytes(&mut field, 0x0a, resource.message);
            let group = Group { resource: field.into(), ..Group::default() };
            Arc::new(Resource { group, message: resource.message.to_vec() })
        });
    }

    /// Gives on what there was no room for; whether that is everything.
    pub(super) fn give_on(&mut self) -> bool {
        while let Some(request) = self.waiting.pop_front() {
            if let Err(request) = (self.give)(request) {
                self.waiting.push_front(request);
                return false;
            }
        }
        true
    }

    /// Whether there is something that there was no room for.
    pub(super) fn is_full(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends the events of lines. `index`: with their spans; `receipts`: of the lines, where they are settled thereby.
    pub(super) fn send(&mut self, index: &SpanIndex, lines: Vec<SpanLine>, receipts: Option<&Arc<EventReceipts>>) {
        if lines.is_empty() {
            return;
        }
        let (scope, mut batch, mut bytes) = (carriers::scope(), Batch::new(Signal::Traces), 0);
        let bytes_max = if receipts.is_some() { LONE_REQUEST_BYTES } else { REQUEST_BYTES };
        let mut requests = Vec::new();
        let mut end = |batch: &Batch| requests.extend(request_of(batch, receipts));
        let resources = &self.resources;
        let parent_of = |ids: &Ids| {
            let span = index.span(index.by_ids(&ids.0, &ids.1)?);
            let resource = resources.get(&span.resource)?.clone();
            let nanos = |time: i64| u64::try_from(time).unwrap_or_default();
            Some(Parent {
                start: nanos(span.start),
                end: nanos(span.end),
                name: index.name(span.name).to_owned(),
                resource,
            })
        };
        let mut take = |carrier: carriers::Carrier, parent: &Parent| {
            let group = carrier.group(parent, &scope);
            bytes += group.items.len() + group.resource.len();
            batch.push(group, Receipt::default());
            if bytes > bytes_max {
                end(&std::mem::replace(&mut batch, Batch::new(Signal::Traces)));
                bytes = 0;
            }
            Ok(())
        };
        // Nothing is read or written, so that nothing can fail.
        let counts = carriers::each_of(&mut Spans(index), &parent_of, lines, &mut take).unwrap_or_default();
        end(&batch);
        self.sent.add(counts.events);
        self.left_out.add(counts.without_parent);
        self.waiting.extend(requests);
        self.give_on();
    }
}

fn request_of(batch: &Batch, receipts: Option<&Arc<EventReceipts>>) -> Option<CarrierRequest> {
    (!batch.groups.is_empty()).then(|| CarrierRequest {
        request: batch.message().concat().into(),
        spans: batch.count() as u64,
        taken: receipts.map(EventReceipts::when_taken),
    })
}

/// The spans that are shown.
struct Spans<'i>(&'i SpanIndex);

impl Spans<'_> {
    fn slot(&self, ids: Ids) -> Option<Slot> {
        self.0.by_ids(&ids.0, &ids.1)
    }
}

impl Tree for Spans<'_> {
    fn under(&mut self, ids: Ids) -> io::Result<Option<Ids>> {
        let span = self.0.itself_or_above(&ids.0, &ids.1, LENGTH as i64);
        Ok(span.map(|span| (span.trace_id, span.span_id)))
    }

    fn name(&mut self, ids: Ids) -> io::Result<Option<&str>> {
        Ok(self.slot(ids).map(|slot| self.0.name(self.0.span(slot).name)))
    }

    fn service(&mut self, ids: Ids) -> io::Result<Option<&str>> {
        Ok(self.slot(ids).map(|slot| &*self.0.resource(self.0.span(slot).resource).service))
    }

    fn start(&mut self, ids: Ids) -> io::Result<Option<u64>> {
        Ok(self.slot(ids).and_then(|slot| u64::try_from(self.0.span(slot).start).ok()))
    }
}
