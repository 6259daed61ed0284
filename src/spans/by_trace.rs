//! Spans of any number, trace by trace.
//!
//! In go the spans that lie by time in a temporary file, out come those of one trace after the other, and which came more
//! than once. They lie in another temporary file, in order of their ids. Of a span there is what its place in its trace needs,
//! its name, its service and why it failed.

use std::cmp::Ordering;
use std::io;

use super::by_time::SpansByTime;
use crate::facts::{ResourceFact, SpanFact};
use crate::files::external_sort::{InOrder, Sorted, Sorter};
use crate::otlp::own::Ids;

/// Bytes of the ids, with which a row begins:
/// `trace span parent start end number has-failed length-of-service length-of-name service name failure`.
const IDS_BYTES: usize = 24;

/// See the module.
#[derive(Debug)]
pub struct SpansByTrace {
    rows: Sorted,
    repeated: Vec<Ids>,
    repetitions: u64,
}

impl SpansByTrace {
    /// Takes all spans; of what is put in order about so many bytes are held.
    pub fn new(spans: &SpansByTime, memory_max: usize) -> io::Result<SpansByTrace> {
        let mut rows = Sorter::new(memory_max, by_ids);
        let (mut result, mut number) = (Ok(()), 0);
        spans.each(&mut |resource, span| {
            if result.is_ok() {
                result = put(&mut rows, resource, span, number);
                number += 1;
            }
        })?;
        result?;
        let mut spans = SpansByTrace { rows: rows.finish()?, repeated: Vec::new(), repetitions: 0 };
        (spans.repeated, spans.repetitions) = repeated(&spans.rows)?;
        Ok(spans)
    }

    /// The ids that several spans have, in order.
    pub fn repeated(&self) -> &[Ids] {
        &self.repeated
    }

    /// Spans whose ids another one had before.
    pub fn repetitions(&self) -> u64 {
        self.repetitions
    }

    /// From the first trace on.
    pub fn traces(&self) -> io::Result<Traces<'_>> {
        let mut rows = self.rows.read()?;
        let next = rows.next()?.map(<[u8]>::to_vec);
        Ok(Traces { rows, next })
    }
}

fn by_ids(one: &[u8], other: &[u8]) -> Ordering {
    one[..IDS_BYTES].cmp(&other[..IDS_BYTES])
}

fn put(rows: &mut Sorter, resource: &ResourceFact<'_>, span: &SpanFact<'_>, number: u64) -> io::Result<()> {
    let (start, end) = (span.start.to_le_bytes(), span.end.to_le_bytes());
    let [service, name] = [resource.service, span.name].map(|text| (text.len() as u32).to_le_bytes());
    rows.push(&[
        &span.trace_id,
        &span.span_id,
        &span.parent_id,
        &start,
        &end,
        &number.to_le_bytes(),
        &[u8::from(span.failure.is_some())],
        &service,
        &name,
        resource.service.as_bytes(),
        span.name.as_bytes(),
        span.failure.unwrap_or_default().as_bytes(),
    ])
}

fn ids_of(row: &[u8]) -> Option<Ids> {
    let (trace_id, rest) = row.split_first_chunk()?;
    Some((*trace_id, *rest.first_chunk()?))
}

fn repeated(rows: &Sorted) -> io::Result<(Vec<Ids>, u64)> {
    let (mut repeated, mut repetitions, mut last) = (Vec::new(), 0, None);
    let mut rows = rows.read()?;
    while let Some(ids) = rows.next()?.and_then(ids_of) {
        if last.replace(ids) == Some(ids) {
            repetitions += 1;
            if repeated.last() != Some(&ids) {
                repeated.push(ids);
            }
        }
    }
    Ok((repeated, repetitions))
}

/// Goes through all traces, in order of their ids.
#[derive(Debug)]
pub struct Traces<'s> {
    rows: InOrder<'s>,
    /// The first row that was not handed over.
    next: Option<Vec<u8>>,
}

/// Takes a span, and its number among all in the order in which they were given.
pub type NumberedSpans<'a> = &'a mut dyn FnMut(&ResourceFact<'_>, &SpanFact<'_>, u64);

impl Traces<'_> {
    /// The trace that comes next.
    pub fn next_id(&self) -> Option<[u8; 16]> {
        self.next.as_ref()?.first_chunk().copied()
    }

    /// Hands over the spans of the next traces, as many as it takes for so many spans, in order of their ids; returns the id
    /// of the last of these traces, or `None` at the end.
    pub fn next(&mut self, spans_least: usize, sink: NumberedSpans<'_>) -> io::Result<Option<[u8; 16]>> {
        let (mut last, mut count) = (None, 0);
        while let Some(row) = &mut self.next {
            let trace_id = row.first_chunk().copied();
            if count >= spans_least && trace_id != last {
                break;
            }
            last = trace_id;
            count += 1;
            hand_over(row, sink).ok_or(io::ErrorKind::UnexpectedEof)?;
            match self.rows.next()? {
                Some(next) => {
                    row.clear();
                    row.extend_from_slice(next);
                }
                None => self.next = None,
            }
        }
        Ok(last)
    }
}

fn hand_over(row: &[u8], sink: NumberedSpans<'_>) -> Option<()> {
    let (trace_id, rest) = row.split_first_chunk()?;
    let (span_id, rest) = rest.split_first_chunk()?;
    let (parent_id, rest) = rest.split_first_chunk()?;
    let (start, rest) = rest.split_first_chunk()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let ([has_failed], rest) = rest.split_first_chunk()?;
    let (service, rest) = rest.split_first_chunk()?;
    let (name, rest) = rest.split_first_chunk()?;
    let (service, rest) = rest.split_at_checked(u32::from_le_bytes(*service) as usize)?;
    let (name, failure) = rest.split_at_checked(u32::from_le_bytes(*name) as usize)?;
    let failure = std::str::from_utf8(failure).ok()?;
    let resource = ResourceFact { service: std::str::from_utf8(service).ok()?, ..ResourceFact::default() };
    let span = SpanFact {
        trace_id: *trace_id,
        span_id: *span_id,
        parent_id: *parent_id,
        start: i64::from_le_bytes(*start),
        end: i64::from_le_bytes(*end),
        name: std::str::from_utf8(name).ok()?,
        failure: (*has_failed > 0).then_some(failure),
        ..SpanFact::default()
    };
    sink(&resource, &span, u64::from_le_bytes(*number));
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
    use proptest::prelude::*;
    use prost::Message;

    use super::super::by_time::Spooling;
    use super::super::load::SpanSink;
    use super::super::scan::{self, Room};
    use super::*;

    /// A request of spans of one service: of each the numbers of its trace, itself and its parent, and its start.
    fn request(service: u8, spans: &[(u8, u8, u8, u64)]) -> Vec<u8> {
        let spans = spans.iter().map(|(trace, id, parent, start)| Span {
            trace_id: vec![*trace; 16],
            span_id: vec![*id; 8],
            parent_span_id: vec![*parent; 8],
            name: format!("span {start}"),
            status: (start % 3 == 0).then(|| Status { code: 2, message: format!("failed {start}") }),
            start_time_unix_nano: *start,
            end_time_unix_nano: start + 7,
            ..Span::default()
        });
        let name = Some(AnyValue { value: Some(Value::StringValue(format!("service {service}"))) });
        let attributes = vec![KeyValue { key: "service.name".to_owned(), value: name, ..KeyValue::default() }];
        let resource = Some(Resource { attributes, ..Resource::default() });
        let scope_spans = vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    proptest! {
        #[test]
        fn traces_come_as_a_whole_and_in_order(
            requests in proptest::collection::vec(
                (1u8..3, proptest::collection::vec((1u8..6, 1u8..9, 0u8..9, 1u64..50), 1..8)),
                1..12,
            ),
            memory_max in prop_oneof![Just(0usize), Just(300), Just(usize::MAX)],
            spans_least in 1usize..20,
        ) {
            let mut spooling = Spooling::new(1 << 20).unwrap();
            let mut expected: Vec<(u8, u8, u8, u64, u8, u64)> = Vec::new();
            for (service, spans) in &requests {
                let bytes = request(*service, spans);
                scan::for_each_fact(&bytes, &mut Room::default(), &mut |resource, span| spooling.add(resource, span));
                spooling.request_ends(0, 0, &bytes);
                for (trace, id, parent, start) in spans {
                    expected.push((*trace, *id, *parent, *start, *service, expected.len() as u64));
                }
            }
            expected.sort_by_key(|span| (span.0, span.1));
            let mut counts: BTreeMap<Ids, u64> = BTreeMap::new();
            expected.iter().for_each(|span| *counts.entry(([span.0; 16], [span.1; 8])).or_default() += 1);
            let spans = SpansByTrace::new(&spooling.finish().unwrap(), memory_max).unwrap();
            let repeated: Vec<Ids> = counts.iter().filter(|(_, count)| **count > 1).map(|(ids, _)| *ids).collect();
            prop_assert_eq!(spans.repeated(), repeated);
            prop_assert_eq!(spans.repetitions(), (expected.len() - counts.len()) as u64);
            let (mut traces, mut got, mut last) = (spans.traces().unwrap(), Vec::new(), None);
            loop {
                let before = got.len();
                let mut take = |resource: &ResourceFact<'_>, span: &SpanFact<'_>, number: u64| {
                    assert_eq!((span.end - span.start, span.name), (7, &*format!("span {}", span.start)));
                    let failure = format!("failed {}", span.start);
                    assert_eq!(span.failure, (span.start % 3 == 0).then_some(&*failure));
                    let service = resource.service.strip_prefix("service ").unwrap().parse().unwrap();
                    got.push((span.trace_id[0], span.span_id[0], span.parent_id[0], span.start as u64, service, number));
                };
                let next = traces.next_id();
                let Some(trace_id) = traces.next(spans_least, &mut take).unwrap() else { break };
                prop_assert_eq!(next, got.get(before).map(|span| [span.0; 16]));
                prop_assert!(got[before..].iter().all(|span| Some(span.0) > last && span.0 <= trace_id[0]));
                prop_assert!(got.len() - before >= spans_least || got.len() == expected.len());
                last = Some(trace_id[0]);
            }
            prop_assert_eq!(got, expected);
        }
    }
}
