//! Requests of spans, cut into batches.
//!
//! In goes a request of any size, out come batches below a limit, whose receipts name each span by an ordinal. Nothing is
//! sent here.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::export::{Batch, Group};
use crate::otlp::{Signal, protobuf};
use crate::record::Receipt;

/// Bytes of one request, whatever the file had: keeps requests far below every server's limit. A larger span is alone in
/// its own.
pub(super) const REQUEST_BYTES: usize = 1 << 20;

/// A request as batches of bounded size. Each span has an ordinal of its own, so that the rest of a request, or of a
/// batch, that was acknowledged in part can still be sent.
pub(super) fn batches(request: &ExportTraceServiceRequest, key: u32, number: u64) -> Vec<Batch> {
    let mut cutter =
        Cutter { key, next: number << SPAN_BITS, done: Vec::new(), batch: Batch::new(Signal::Traces), bytes: 0 };
    for resource_spans in &request.resource_spans {
        let resource = field_1(resource_spans.resource.as_ref());
        for scope_spans in &resource_spans.scope_spans {
            let empty = Group {
                resource: resource.clone(),
                scope: field_1(scope_spans.scope.as_ref()),
                resource_schema_url: resource_spans.schema_url.clone().into(),
                scope_schema_url: scope_spans.schema_url.clone().into(),
                ..Group::default()
            };
            let mut items = Vec::new();
            let mut ends = Vec::new();
            for span in &scope_spans.spans {
                let span = span.encode_to_vec();
                let head = empty.resource.len() + empty.scope.len();
                if cutter.bytes + head + items.len() + span.len() > REQUEST_BYTES {
                    cutter.group(&empty, &mut items, &mut ends);
                    cutter.cut();
                }
                protobuf::bytes(&mut items, 0x12, &span);
                ends.push(items.len() as u32);
            }
            cutter.group(&empty, &mut items, &mut ends);
        }
    }
    cutter.cut();
    cutter.done
}

/// The field `resource` or `scope`, with its tag.
pub(super) fn field_1(message: Option<&impl Message>) -> Bytes {
    let mut field = Vec::new();
    if let Some(message) = message {
        protobuf::bytes(&mut field, 0x0a, &message.encode_to_vec());
    }
    field.into()
}

/// Spans of one request in the ledger: ordinals are `number << SPAN_BITS` and the span's place in the request.
pub(super) const SPAN_BITS: u32 = 32;

struct Cutter {
    key: u32,
    /// The next span's ordinal.
    next: u64,
    done: Vec<Batch>,
    batch: Batch,
    bytes: usize,
}

impl Cutter {
    fn group(&mut self, empty: &Group, items: &mut Vec<u8>, ends: &mut Vec<u32>) {
        if !ends.is_empty() {
            self.bytes += empty.resource.len() + empty.scope.len() + items.len();
            let (items, ends) = (std::mem::take(items).into(), std::mem::take(ends));
            let from = self.next;
            self.next += ends.len() as u64;
            let receipt = Receipt { source: self.key, from, to: self.next };
            self.batch.push(Group { items, ends, ..empty.clone() }, receipt);
        }
    }

    fn cut(&mut self) {
        if !self.batch.groups.is_empty() {
            self.done.push(std::mem::replace(&mut self.batch, Batch::new(Signal::Traces)));
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::KeyValue;
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    use super::*;

    #[test]
    fn a_batch_is_below_its_limit_and_a_larger_span_is_alone() {
        let span = |bytes: usize| Span { name: "x".repeat(bytes), ..Span::default() };
        let spans = [300_000, 500_000, 400_000, REQUEST_BYTES + 9, 10, 1_000_000, 10].map(span).to_vec();
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource = Resource {
            attributes: vec![KeyValue { key: "k".repeat(60_000), ..KeyValue::default() }],
            ..Resource::default()
        };
        let group = ResourceSpans { scope_spans, resource: Some(resource), ..ResourceSpans::default() };
        let batches = batches(&ExportTraceServiceRequest { resource_spans: vec![group] }, 0, 0);
        assert_eq!(batches.iter().map(Batch::count).collect::<Vec<_>>(), [2, 1, 1, 1, 1, 1]);
        let length = |batch: &Batch| batch.message().iter().map(|piece| piece.len()).sum::<usize>();
        let lengths: Vec<usize> = batches.iter().map(length).collect();
        assert_eq!(lengths.iter().filter(|length| **length > REQUEST_BYTES + 64).count(), 2, "{lengths:?}");
    }

    #[test]
    fn half_of_a_batch_does_not_acknowledge_the_other() {
        let scope_spans = vec![ScopeSpans { spans: vec![Span::default(); 2], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }; 3];
        let mut batches = batches(&ExportTraceServiceRequest { resource_spans }, 5, 1);
        let (front, back) = batches.remove(0).split();
        let places = |batch: &Batch| -> Vec<(u64, u64)> {
            let low = |ordinal: u64| ordinal - (1 << SPAN_BITS);
            batch.receipts.iter().map(|receipt| (low(receipt.from), low(receipt.to))).collect()
        };
        assert_eq!((places(&front), places(&back)), (vec![(0, 2), (2, 3)], vec![(3, 4), (4, 6)]));
        let rest = back.clone().without(|span| span == (1 << SPAN_BITS) + 4);
        assert_eq!((places(&rest), rest.count()), (vec![(3, 4), (5, 6)], 2));
        assert!(back.without(|_| true).is_empty());
    }
}
