//! Requests of spans, cut into batches.
//!
//! In goes a request of any size in protobuf, out come batches below a limit, whose receipts name each span by an ordinal.
//! They share the request's bytes. Nothing is sent here.

use std::ops::Range;

use bytes::Bytes;

use crate::export::batch::{Batch, Group};
use crate::otlp::signal::Signal;
use crate::otlp::wire::read::{Fields, Value};
use crate::otlp::wire::spans::within;
use crate::record::Receipt;

/// Bytes of one request, whatever the file had: keeps requests far below every server's limit. A larger span is alone in
/// its own.
pub const REQUEST_BYTES: usize = 1 << 20;

/// Spans of one request in the ledger: ordinals are `number << SPAN_BITS` and the span's place in the request.
pub const SPAN_BITS: u32 = 32;

/// Numbers of the fields of `ResourceSpans` that a [`Group`] has apart, and of `ScopeSpans`: what is within, and the schema
/// URL.
const INNER: u32 = 2;
const SCHEMA_URL: u32 = 3;

/// A request as batches of bounded size. Each span has an ordinal of its own, so that the rest of a request, or of a
/// batch, that was acknowledged in part can still be sent.
pub fn batches(request: &Bytes, key: u32, number: u64) -> Vec<Batch> {
    let mut cutter =
        Cutter { key, next: number << SPAN_BITS, done: Vec::new(), batch: Batch::new(Signal::Traces), bytes: 0 };
    for resource_spans in within(request, 1) {
        let of_resource = empty_group(request, resource_spans);
        for scope_spans in within(resource_spans, INNER) {
            let scope = head(request, scope_spans);
            let empty = Group { scope, scope_schema_url: schema_url(request, scope_spans), ..of_resource.clone() };
            let mut items = Items::default();
            let base = offset(request, scope_spans);
            let (mut fields, mut start) = (Fields::of(scope_spans), 0);
            while let Some((field, value)) = fields.next() {
                let (from, to) = (base + start, base + fields.at());
                start = fields.at();
                let (INNER, Value::Bytes(span)) = (field, value) else { continue };
                let head = empty.resource.len() + empty.scope.len();
                if cutter.bytes + head + items.length + span.len() > REQUEST_BYTES {
                    cutter.group(&empty, request, &mut items);
                    cutter.cut();
                }
                items.push(from..to);
            }
            cutter.group(&empty, request, &mut items);
        }
    }
    cutter.cut();
    cutter.done
}

/// Of a `ResourceSpans` all but its spans.
pub fn empty_group(request: &Bytes, resource_spans: &[u8]) -> Group {
    let resource_schema_url = schema_url(request, resource_spans);
    Group { resource: head(request, resource_spans), resource_schema_url, ..Group::default() }
}

/// All fields of a message but those that a group has apart; also fields that are not known.
fn head(request: &Bytes, message: &[u8]) -> Bytes {
    let base = offset(request, message);
    let mut others = Items::default();
    let (mut fields, mut start) = (Fields::of(message), 0);
    while let Some((number, _)) = fields.next() {
        if !matches!(number, INNER | SCHEMA_URL) {
            others.push(base + start..base + fields.at());
        }
        start = fields.at();
    }
    others.bytes(request)
}

fn schema_url(request: &Bytes, message: &[u8]) -> Bytes {
    within(message, SCHEMA_URL).last().map_or_else(Bytes::new, |url| request.slice_ref(url))
}

/// Where a part of the request begins in it.
fn offset(request: &Bytes, part: &[u8]) -> usize {
    part.as_ptr().addr() - request.as_ptr().addr()
}

/// Fields of a request: a share of its bytes where they follow each other, as nearly always.
#[derive(Default)]
struct Items {
    parts: Vec<Range<usize>>,
    ends: Vec<u32>,
    length: usize,
}

impl Items {
    fn push(&mut self, field: Range<usize>) {
        self.length += field.len();
        self.ends.push(self.length as u32);
        match self.parts.last_mut() {
            Some(part) if part.end == field.start => part.end = field.end,
            _ => self.parts.push(field),
        }
    }

    fn bytes(&self, request: &Bytes) -> Bytes {
        match &self.parts[..] {
            [] => Bytes::new(),
            [one] => request.slice(one.clone()),
            parts => parts.iter().map(|part| &request[part.clone()]).collect::<Vec<_>>().concat().into(),
        }
    }
}

struct Cutter {
    key: u32,
    /// The next span's ordinal.
    next: u64,
    done: Vec<Batch>,
    batch: Batch,
    bytes: usize,
}

impl Cutter {
    fn group(&mut self, empty: &Group, request: &Bytes, items: &mut Items) {
        let items = std::mem::take(items);
        if !items.ends.is_empty() {
            self.bytes += empty.resource.len() + empty.scope.len() + items.length;
            let from = self.next;
            self.next += items.ends.len() as u64;
            let receipt = Receipt { source: self.key, from, to: self.next };
            let group = Group { items: items.bytes(request), ends: items.ends, ..empty.clone() };
            self.batch.push(group, receipt);
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
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;

    fn cut(resource_spans: Vec<ResourceSpans>, key: u32, number: u64) -> Vec<Batch> {
        batches(&ExportTraceServiceRequest { resource_spans }.encode_to_vec().into(), key, number)
    }

    #[test]
    fn nothing_of_a_request_is_lost_in_its_batch() {
        let scope = InstrumentationScope { name: "s".into(), ..InstrumentationScope::default() };
        let spans = vec![Span { name: "a".into(), ..Span::default() }, Span { name: "b".into(), ..Span::default() }];
        let scope_spans = vec![
            ScopeSpans { scope: Some(scope), spans: spans.clone(), schema_url: "u".into() },
            ScopeSpans { spans, ..ScopeSpans::default() },
        ];
        let resource = Some(Resource { dropped_attributes_count: 3, ..Resource::default() });
        let groups: Vec<_> = scope_spans
            .into_iter()
            .map(|one| ResourceSpans { resource: resource.clone(), scope_spans: vec![one], schema_url: "v".into() })
            .collect();
        let message = |batches: Vec<Batch>| batches.iter().flat_map(Batch::message).flatten().collect::<Vec<u8>>();
        let request = ExportTraceServiceRequest { resource_spans: groups.clone() };
        assert_eq!(message(cut(groups, 0, 0)), request.encode_to_vec());
        // A field that nobody knows, in each message; the spans on both sides of it.
        let unknown = b"\xf8\x07\x01";
        let span = [&b"\x12\x06\x2a\x01a"[..], unknown].concat();
        let scope = [&span, &unknown[..], &span].concat();
        let group = [&b"\x12"[..], &[scope.len() as u8], &scope, unknown].concat();
        let request = [&b"\x0a"[..], &[group.len() as u8], &group].concat();
        let sent = message(batches(&request.into(), 0, 0));
        let group = [unknown, &b"\x12"[..], &[scope.len() as u8], unknown, &span, &span].concat();
        assert_eq!(sent, [&b"\x0a"[..], &[group.len() as u8], &group].concat());
    }

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
        let batches = cut(vec![group], 0, 0);
        assert_eq!(batches.iter().map(Batch::count).collect::<Vec<_>>(), [2, 1, 1, 1, 1, 1]);
        let length = |batch: &Batch| batch.message().iter().map(|piece| piece.len()).sum::<usize>();
        let lengths: Vec<usize> = batches.iter().map(length).collect();
        assert_eq!(lengths.iter().filter(|length| **length > REQUEST_BYTES + 64).count(), 2, "{lengths:?}");
    }

    #[test]
    fn half_of_a_batch_does_not_acknowledge_the_other() {
        let scope_spans = vec![ScopeSpans { spans: vec![Span::default(); 2], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }; 3];
        let mut batches = cut(resource_spans, 5, 1);
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
