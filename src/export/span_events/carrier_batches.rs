//! Carriers to a destination: those that it has not acknowledged, in batches.
//!
//! In go events that wait and the traces that were given, out go the carriers that [`carriers`] makes of them. What one
//! holds is not decided here.

use std::io;

use bytes::Bytes;

use super::carrier_parents::Parent;
use super::carriers::{self, Carrier, Counts, TakeRequest};
use super::given_traces::GivenTraces;
use super::held_events::HeldEvents;
use super::span_batches::REQUEST_BYTES;
use super::span_stream::SpanStream;
use crate::export::batch::Batch;
use crate::export::sinks::BatchSink;
use crate::otlp::Signal;
use crate::record::Receipt;

/// Sends the carriers of all events that wait. Where there is nothing to send, the stream is not asked for, so that nothing
/// is remembered of it.
pub fn send(
    given: &dyn GivenTraces,
    held: &mut HeldEvents,
    sink: &dyn BatchSink,
    stream: &dyn Fn() -> SpanStream,
) -> io::Result<Counts> {
    let mut batcher = None;
    let counts = each_carrier(given, held, |carrier, parent| {
        batcher.get_or_insert_with(|| CarrierBatcher::new(sink, stream())).add(&carrier, parent);
        Ok(())
    })?;
    batcher.iter_mut().for_each(CarrierBatcher::flush);
    Ok(counts)
}

/// Hands over the carriers of all events that wait, with their parents.
pub fn each_carrier(
    given: &dyn GivenTraces,
    held: &mut HeldEvents,
    take: impl FnMut(Carrier, &Parent) -> io::Result<()>,
) -> io::Result<Counts> {
    let mut tree = given.tree()?;
    let mut each_request = |each: TakeRequest<'_>| -> io::Result<()> {
        (0..given.files()).try_for_each(|file| given.each_request(file, &mut |_, request| each(request)))
    };
    carriers::each(&mut *tree, &mut each_request, held, take)
}

/// Carriers gathered into batches.
struct CarrierBatcher<'a> {
    sink: &'a dyn BatchSink,
    stream: SpanStream,
    scope: Bytes,
    batch: Batch,
    bytes: usize,
    open: bool,
}

impl<'a> CarrierBatcher<'a> {
    fn new(sink: &'a dyn BatchSink, stream: SpanStream) -> CarrierBatcher<'a> {
        let batch = Batch::new(Signal::Traces);
        CarrierBatcher { sink, stream, scope: carriers::scope(), batch, bytes: 0, open: true }
    }

    fn add(&mut self, carrier: &Carrier, parent: &Parent) {
        let from = carrier.id >> 1;
        if (self.stream.is_acknowledged)(from) {
            return;
        }
        let group = carrier.group(parent, &self.scope);
        let bytes = group.items.len() + group.resource.len() + group.scope.len();
        if self.bytes + bytes > REQUEST_BYTES {
            self.flush();
        }
        self.bytes += bytes;
        self.batch.push(group, Receipt { source: self.stream.key, from, to: from + 1 });
    }

    fn flush(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Batch::new(Signal::Traces));
        self.bytes = 0;
        if self.open && !batch.groups.is_empty() {
            self.open = self.sink.send(batch);
        }
    }
}
