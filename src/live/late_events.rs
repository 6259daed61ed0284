//! Lines of spans that passed before these lines had their link: they go on as events of small child spans.
//!
//! In go resources as spans come, and lines as events with their spans, out come requests with carriers
//! ([`crate::export::span_events::carriers`]).

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

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
/// Resources whose messages are kept.
const RESOURCES_MAX: usize = 1 << 12;

/// Takes a request (`ExportTraceServiceRequest`) with so many spans.
pub type GiveCarriers = Arc<dyn Fn(Bytes, u64) + Send + Sync>;

/// See the module.
pub(super) struct LateEvents {
    resources: HashMap<u32, Arc<Resource>>,
    last_run: u64,
    give: GiveCarriers,
    sent: Arc<Counter>,
    left_out: Arc<Counter>,
}

impl LateEvents {
    pub(super) fn new(give: GiveCarriers, metrics: &Metrics) -> LateEvents {
        let (resources, last_run) = Default::default();
        let (sent, left_out) = (metrics.spans.events("carrier"), metrics.limit_reached("late_events"));
        LateEvents { resources, last_run, give, sent, left_out }
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

    /// Sends the events of lines. `index`: with their spans.
    pub(super) fn send(&mut self, index: &SpanIndex, lines: Vec<SpanLine>) {
        if lines.is_empty() {
            return;
        }
        let (scope, mut batch, mut bytes) = (carriers::scope(), Batch::new(Signal::Traces), 0);
        let give = &self.give;
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
            if bytes > REQUEST_BYTES {
                send(give, &std::mem::replace(&mut batch, Batch::new(Signal::Traces)));
                bytes = 0;
            }
            Ok(())
        };
        // Nothing is read or written, so that nothing can fail.
        let counts = carriers::each_of(&mut Spans(index), &parent_of, lines, &mut take).unwrap_or_default();
        send(give, &batch);
        self.sent.add(counts.events);
        self.left_out.add(counts.without_parent);
    }
}

fn send(give: &GiveCarriers, batch: &Batch) {
    if !batch.groups.is_empty() {
        give(batch.message().concat().into(), batch.count() as u64);
    }
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
