//! Lines on small child spans: for spans that are stored already and cannot be changed, and for those that have no room.
//!
//! In go events with their spans, and the traces as the store gave them; out go spans `logs: <name>` of 1 µs within their
//! parents, at most 128 events each. What the store has of them is not sent again; what is sent has the same ids whenever
//! it is made of the same lines. Which line belongs to which span is not decided here.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span::Event};
use prost::Message;
use twox_hash::XxHash3_128;

use super::acknowledged::{Acknowledged, Known};
use super::ship::BatchSink;
use super::traces::{HeldEvents, REQUEST_BYTES, each_request, field_1};
use crate::checkpoint::version_1::Keys;
use crate::correlate::span_index::SpanIndex;
use crate::export::{self, Batch, Group, encode};
use crate::otlp::{Signal, protobuf};
use crate::record::Receipt;
use crate::spans::facts::{OWN_EVENT_KEY, OWN_SCOPE};
use crate::spans::file::Limits;

/// Events of one carrier, as SDKs limit those of a span.
const EVENTS_MAX: usize = 128;
/// Bytes of one carrier's events: well below what servers take.
const CARRIER_BYTES_MAX: usize = 1 << 20;
/// Stores keep µs, and find a span without length wrong.
const LENGTH: u64 = 1000;
/// Ways up from a span that is too short.
const ABOVE_MAX: usize = 64;
/// Sampled; whether the parent is remote is known: it is not.
const FLAGS: u32 = 0x101;
/// All carriers are remembered as if they were of one file: their ids are made of what they hold.
const LEDGER_KEY: &[u8] = b"spanline carriers";

/// What became of the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) carriers: u64,
    pub(super) known: u64,
    pub(super) homeless: u64,
    pub(super) over_limit: u64,
}

/// Where they go.
pub(super) struct Sending<'a> {
    pub(super) index: &'a SpanIndex,
    pub(super) sink: &'a dyn BatchSink,
    pub(super) acknowledged: &'a Acknowledged,
    pub(super) target: usize,
}

type Ids = ([u8; 16], [u8; 8]);

/// A span that lines are put under.
pub(super) struct Parent {
    start: u64,
    end: u64,
    name: String,
    resource: Arc<ResourceSpans>,
}

impl Parent {
    /// Its resource, without spans.
    fn group(&self) -> ResourceSpans {
        ResourceSpans::clone(&self.resource)
    }
}

/// Sends the carriers of all events that wait.
pub(super) fn send(
    paths: &[PathBuf],
    limits: Limits,
    held: &mut HeldEvents,
    sending: &Sending<'_>,
) -> io::Result<Counts> {
    // Without any carrier the state has no entry for them.
    let mut out: Option<Out<'_>> = None;
    let counts = each(paths, limits, held, sending.index, |carrier, parent| {
        out.get_or_insert_with(|| Out::new(sending)).add(carrier, parent);
        Ok(())
    })?;
    out.iter_mut().for_each(Out::flush);
    Ok(counts)
}

/// A carrier by itself.
pub(super) fn request(carrier: Span, parent: &Parent) -> ExportTraceServiceRequest {
    let (name, version) = (export::SCOPE_NAME.to_owned(), export::SCOPE_VERSION.to_owned());
    let scope = Some(InstrumentationScope { name, version, ..InstrumentationScope::default() });
    let group = ResourceSpans {
        scope_spans: vec![ScopeSpans { scope, spans: vec![carrier], ..ScopeSpans::default() }],
        ..parent.group()
    };
    ExportTraceServiceRequest { resource_spans: vec![group] }
}

/// Hands over the carriers of all events that wait, with their parents.
pub(super) fn each(
    paths: &[PathBuf],
    limits: Limits,
    held: &mut HeldEvents,
    index: &SpanIndex,
    mut take: impl FnMut(Span, &Parent) -> io::Result<()>,
) -> io::Result<Counts> {
    let mut counts = Counts { over_limit: held.counts().over_limit, ..Counts::default() };
    let mut waiting: Vec<(Ids, u64, &[u8])> = Vec::new();
    for (trace_id, span_id, bytes) in held.events.waiting() {
        let Some(parent) = long_enough(index, (trace_id, span_id)) else {
            counts.homeless += 1;
            continue;
        };
        waiting.push((parent, Event::decode(bytes).map_or(0, |event| event.time_unix_nano), bytes));
    }
    // Bytes too: the order of two lines of one time must not depend on which file was read first.
    waiting.sort_unstable();
    if waiting.is_empty() {
        return Ok(counts);
    }
    let (parents, mut stored) = read(paths, limits, &waiting)?;
    for lines in waiting.chunk_by(|one, other| one.0 == other.0) {
        let ids = lines[0].0;
        let Some(parent) = parents.get(&ids) else {
            counts.homeless += lines.len() as u64;
            continue;
        };
        let mut events = Vec::new();
        for mut event in lines.iter().filter_map(|line| Event::decode(line.2).ok()) {
            if event.time_unix_nano == 0 {
                event.time_unix_nano = parent.start;
            }
            match stored.get_mut(&identity(&ids.0, &event)) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    counts.known += 1;
                }
                _ => events.push(event),
            }
        }
        while !events.is_empty() {
            let rest = events.split_off(fitting(&events));
            counts.events += events.len() as u64;
            counts.carriers += 1;
            take(carrier(ids, parent, std::mem::replace(&mut events, rest)), parent)?;
        }
    }
    Ok(counts)
}

/// The span itself, or the nearest one above that a carrier fits into.
fn long_enough(index: &SpanIndex, (trace_id, mut span_id): Ids) -> Option<Ids> {
    for _ in 0..ABOVE_MAX {
        let span = index.span(index.by_ids(&trace_id, &span_id)?);
        if span.end - span.start >= LENGTH as i64 {
            return Some((trace_id, span_id));
        }
        span_id = span.parent_id;
    }
    None
}

/// How many of the events one carrier takes.
fn fitting(events: &[Event]) -> usize {
    let mut bytes = 0;
    let more = events.iter().take(EVENTS_MAX).take_while(|event| {
        bytes += event.encoded_len();
        bytes <= CARRIER_BYTES_MAX
    });
    more.count().max(1)
}

/// Of the traces that were given: the spans wanted, and how often each of spanline's events is there.
fn read(
    paths: &[PathBuf],
    limits: Limits,
    waiting: &[(Ids, u64, &[u8])],
) -> io::Result<(HashMap<Ids, Parent>, HashMap<u128, u32>)> {
    let mut parents = HashMap::new();
    let mut stored: HashMap<u128, u32> = HashMap::new();
    let wanted = |ids: &Ids| waiting.binary_search_by(|line| line.0.cmp(ids)).is_ok();
    for path in paths {
        each_request(path, limits, |_, request| {
            for group in &request.resource_spans {
                let resource = Arc::new(ResourceSpans {
                    resource: group.resource.clone(),
                    schema_url: group.schema_url.clone(),
                    scope_spans: Vec::new(),
                });
                for scope in &group.scope_spans {
                    let own = scope.scope.as_ref().is_some_and(|scope| scope.name == OWN_SCOPE);
                    for span in &scope.spans {
                        let Some(ids) = ids_of(span) else { continue };
                        for event in span.events.iter().filter(|event| own || is_own(event)) {
                            *stored.entry(identity(&ids.0, event)).or_default() += 1;
                        }
                        if !own && wanted(&ids) {
                            let parent = Parent {
                                start: span.start_time_unix_nano,
                                end: span.end_time_unix_nano,
                                name: span.name.clone(),
                                resource: resource.clone(),
                            };
                            parents.insert(ids, parent);
                        }
                    }
                }
            }
            Ok(())
        })?;
    }
    Ok((parents, stored))
}

fn ids_of(span: &Span) -> Option<Ids> {
    Some((span.trace_id.as_slice().try_into().ok()?, span.span_id.as_slice().try_into().ok()?))
}

fn is_own(event: &Event) -> bool {
    event.attributes.iter().any(|attribute| attribute.key == OWN_EVENT_KEY)
}

/// What makes a line the same line in one trace: its time in µs, as stores keep it, and its text.
fn identity(trace_id: &[u8; 16], event: &Event) -> u128 {
    let mut bytes = trace_id.to_vec();
    bytes.extend_from_slice(&(event.time_unix_nano / 1000).to_le_bytes());
    let message = event.attributes.iter().find(|attribute| attribute.key == "log.message");
    if let Some(Value::StringValue(text)) = message.and_then(|a| a.value.as_ref()).and_then(|v| v.value.as_ref()) {
        bytes.extend_from_slice(text.as_bytes());
    }
    XxHash3_128::oneshot(&bytes)
}

fn carrier((trace_id, parent_id): Ids, parent: &Parent, events: Vec<Event>) -> Span {
    let mut named_by = [&trace_id[..], &parent_id[..]].concat();
    for event in &events {
        named_by.extend_from_slice(&identity(&trace_id, event).to_le_bytes());
    }
    let hash = XxHash3_128::oneshot_with_seed(2, &named_by) as u64;
    let first = events.iter().map(|event| event.time_unix_nano).min().unwrap_or(parent.start);
    // One µs more than its length: stores cut start and duration to µs, each by itself.
    let last_start = parent.end.saturating_sub(2 * LENGTH).max(parent.start);
    let start = first.clamp(parent.start, last_start);
    let mark = KeyValue {
        key: "log.carrier".to_owned(),
        value: Some(AnyValue { value: Some(Value::BoolValue(true)) }),
        ..KeyValue::default()
    };
    Span {
        trace_id: trace_id.to_vec(),
        span_id: hash.max(1).to_be_bytes().to_vec(),
        parent_span_id: parent_id.to_vec(),
        flags: FLAGS,
        name: format!("logs: {}", parent.name),
        kind: 1,
        start_time_unix_nano: start,
        end_time_unix_nano: start + LENGTH,
        attributes: vec![mark],
        events,
        ..Span::default()
    }
}

/// Carriers gathered into batches.
struct Out<'a> {
    sink: &'a dyn BatchSink,
    key: u32,
    known: Option<Known>,
    scope: Bytes,
    batch: Batch,
    bytes: usize,
    open: bool,
}

impl<'a> Out<'a> {
    fn new(sending: &Sending<'a>) -> Out<'a> {
        let key = XxHash3_128::oneshot(LEDGER_KEY);
        let file = sending.acknowledged.only_file(key as u64);
        let stream = sending.acknowledged.stream(file, key, Some(&Keys::one(key)));
        Out {
            sink: sending.sink,
            key: stream.index,
            known: stream.settled.into_iter().nth(sending.target).flatten(),
            scope: encode::scope_field().into(),
            batch: Batch::new(Signal::Traces),
            bytes: 0,
            open: true,
        }
    }

    fn add(&mut self, span: Span, parent: &Parent) {
        let id: [u8; 8] = span.span_id.as_slice().try_into().unwrap_or_default();
        let from = u64::from_be_bytes(id) >> 1;
        if self.known.as_ref().is_some_and(|known| known.ranges.contains(from)) {
            return;
        }
        let mut items = Vec::new();
        protobuf::bytes(&mut items, 0x12, &span.encode_to_vec());
        let resource = field_1(parent.resource.resource.as_ref());
        let bytes = items.len() + resource.len() + self.scope.len();
        if self.bytes + bytes > REQUEST_BYTES {
            self.flush();
        }
        self.bytes += bytes;
        let group = Group {
            resource,
            resource_schema_url: parent.resource.schema_url.clone().into(),
            scope: self.scope.clone(),
            ends: vec![items.len() as u32],
            items: items.into(),
            ..Group::default()
        };
        self.batch.push(group, Receipt { source: self.key, from, to: from + 1 });
    }

    fn flush(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Batch::new(Signal::Traces));
        self.bytes = 0;
        if self.open && !batch.groups.is_empty() {
            self.open = self.sink.send(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::cli::EventName;
    use crate::correlate::Correlator;
    use crate::pipeline::acknowledged::Resending;
    use crate::spans::facts;

    const TRACE: [u8; 16] = [7; 16];
    const START: u64 = 1_700_000_000_000_000_500;

    /// What was sent, as a server reads it.
    #[derive(Default)]
    struct Server(RefCell<Vec<ExportTraceServiceRequest>>);

    impl BatchSink for Server {
        fn send(&self, batch: Batch) -> bool {
            let bytes: Vec<u8> = batch.message().into_iter().flatten().collect();
            self.0.borrow_mut().push(ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap());
            true
        }
    }

    fn span(id: u8, parent: u8, length: u64) -> Span {
        Span {
            trace_id: TRACE.to_vec(),
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
            name: format!("span {id}"),
            start_time_unix_nano: START,
            end_time_unix_nano: START + length,
            ..Span::default()
        }
    }

    fn stored() -> ExportTraceServiceRequest {
        let spans = vec![span(1, 0, 900_000), span(2, 1, 400), span(3, 9, 10)];
        let scope = ScopeSpans { spans, ..ScopeSpans::default() };
        let group = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![group] }
    }

    fn event(time: u64, message: &str) -> Event {
        let value = Some(AnyValue { value: Some(Value::StringValue(message.into())) });
        let attributes = ["log.message", OWN_EVENT_KEY].map(|key| KeyValue {
            key: key.into(),
            value: value.clone(),
            ..KeyValue::default()
        });
        Event { time_unix_nano: time, name: message.into(), attributes: attributes.into(), ..Event::default() }
    }

    /// One run over what the store has.
    fn run(store: &[ExportTraceServiceRequest], lines: &[(u8, Event)], server: &Server) -> Counts {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traces");
        let mut bytes = Vec::new();
        let mut correlator = Correlator::new(crate::correlate::span_index::Limits::default());
        for request in store {
            let encoded = request.encode_to_vec();
            bytes.extend_from_slice(&(encoded.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&encoded);
            facts::for_each_fact(request, |resource, span| correlator.add_span(resource, span));
        }
        std::fs::write(&path, bytes).unwrap();
        correlator.settle();
        let mut held = HeldEvents::new(0, 1 << 30, EventName::Message);
        for (id, event) in lines {
            held.events.push(TRACE, [*id; 8], event);
        }
        let acknowledged = Acknowledged::new(&["server".to_owned()], None, Resending::default());
        let sending = Sending { index: correlator.index(), sink: server, acknowledged: &acknowledged, target: 0 };
        send(&[path], Limits::default(), &mut held, &sending).unwrap()
    }

    fn spans(requests: &[ExportTraceServiceRequest]) -> Vec<&Span> {
        let groups = requests.iter().flat_map(|request| &request.resource_spans);
        groups.flat_map(|group| &group.scope_spans).flat_map(|scope| &scope.spans).collect()
    }

    fn lines() -> Vec<(u8, Event)> {
        let mut lines: Vec<_> =
            (0..300).map(|number| (1, event(START + 1000 * number, &format!("line {}", number % 290)))).collect();
        // Twice the same, on a span that is too short for a carrier; before and after the span; one without a home.
        lines.extend([(2, event(START + 10, "same")), (2, event(START + 10, "same"))]);
        lines.extend([
            (1, event(START - 5000, "early")),
            (1, event(START + 9_000_000, "late")),
            (1, event(0, "no time")),
        ]);
        lines.push((3, event(START, "nowhere")));
        lines
    }

    #[test]
    fn carriers_lie_within_their_parents_and_hold_every_line_once() {
        let server = Server::default();
        let counts = run(&[stored()], &lines(), &server);
        assert_eq!(counts, Counts { events: 305, carriers: 3, known: 0, homeless: 1, over_limit: 0 });
        let requests = server.0.borrow();
        let carriers = spans(&requests);
        assert_eq!(carriers.iter().map(|span| span.events.len()).collect::<Vec<_>>(), [128, 128, 49]);
        for carrier in carriers {
            assert_eq!((carrier.name.as_str(), carrier.kind, carrier.flags), ("logs: span 1", 1, 0x101));
            assert_eq!(carrier.parent_span_id, [1; 8]);
            assert_eq!(carrier.end_time_unix_nano - carrier.start_time_unix_nano, 1000);
            assert!(carrier.start_time_unix_nano >= START && carrier.end_time_unix_nano <= START + 900_000);
            assert!(carrier.events.iter().all(|event| event.time_unix_nano > 0));
        }
    }

    #[test]
    fn what_is_stored_is_not_sent_again_and_the_rest_comes_under_the_same_ids() {
        let first = Server::default();
        run(&[stored()], &lines(), &first);
        let sent = first.0.borrow().clone();
        let again = Server::default();
        let mut store = vec![stored()];
        store.extend(sent.clone());
        // A store that keeps µs gives other times back.
        for event in store.iter_mut().flat_map(|request| &mut request.resource_spans) {
            let spans = event.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans);
            spans
                .flat_map(|span| &mut span.events)
                .for_each(|event| event.time_unix_nano -= event.time_unix_nano % 1000);
        }
        let counts = run(&store, &lines(), &again);
        assert_eq!(counts, Counts { events: 0, carriers: 0, known: 305, homeless: 1, over_limit: 0 });
        assert!(again.0.borrow().is_empty());
        // Of three carriers the second was lost: it is made again as it was, whatever order the lines come in.
        let mut part = sent.clone();
        part[0].resource_spans.remove(1);
        let second = Server::default();
        let mut lines = lines();
        lines.reverse();
        run(&[vec![stored()], part].concat(), &lines, &second);
        assert_eq!(spans(&second.0.borrow()), spans(&sent)[1..2]);
    }
}
