//! Lines on small child spans: for spans that are stored already and cannot be changed, and for those that have no room.
//!
//! In go events with their spans, and the traces as the store gave them; out go spans `logs: <name>` of 1 µs within their
//! parents, at most 128 events each, failed where they hold an error. What the store has of them is not sent again; what
//! is sent has the same ids whenever it is made of the same lines. Which line belongs to which span is not decided here.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event};
use prost::Message;
use twox_hash::XxHash3_128;

use super::cut::{REQUEST_BYTES, field_1};
use super::gather::{Gather, LENGTH};
use super::held_events::HeldEvents;
use super::traces::{Given, each_request, is_own_scope};
use crate::checkpoint::acknowledged::{Acknowledged, Known};
use crate::checkpoint::version_1::Keys;
use crate::export::takers::BatchSink;
use crate::export::{self, Batch, Group, encode};
use crate::otlp::own::{self, Ids, StoredEvents};
use crate::otlp::{Signal, annotate, protobuf};
use crate::record::Receipt;

/// Events of one carrier, as SDKs limit those of a span.
const EVENTS_MAX: usize = 128;
/// Bytes of one carrier's events: well below what servers take.
const CARRIER_BYTES_MAX: usize = 1 << 20;
const SERVICE: &str = "service.name";
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
}

/// Where they go.
pub(super) struct Sending<'a> {
    pub(super) sink: &'a dyn BatchSink,
    pub(super) acknowledged: &'a Acknowledged,
    pub(super) target: usize,
}

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
pub(super) fn send(given: &Given<'_>, held: &mut HeldEvents, sending: &Sending<'_>) -> io::Result<Counts> {
    // Where there is nothing to send, nothing is remembered of it.
    let mut out = None;
    let counts = each(given, held, |carrier, parent| {
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

/// An event that waits, and where it goes. The bytes stand before what follows from them, since the order of two lines of
/// one time must not depend on which file was read first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line<'e> {
    under: Ids,
    time: u64,
    bytes: &'e [u8],
    /// The span that the line belongs to.
    of: Ids,
    text: u64,
}

/// Hands over the carriers of all events that wait, with their parents.
pub(super) fn each(
    given: &Given<'_>,
    held: &mut HeldEvents,
    mut take: impl FnMut(Span, &Parent) -> io::Result<()>,
) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut gather = Gather::new(given.index, given.gather);
    let mut waiting: Vec<Line<'_>> = Vec::new();
    for annotate::Waiting { ids, text, bytes } in held.events.waiting() {
        let Some(under) = gather.under(ids) else {
            counts.homeless += 1;
            continue;
        };
        let time = Event::decode(bytes).map_or(0, |event| event.time_unix_nano);
        waiting.push(Line { under, time, bytes, of: ids, text });
    }
    if waiting.is_empty() {
        return Ok(counts);
    }
    waiting.sort_unstable();
    let (parents, mut stored) = read(given, &waiting)?;
    for lines in waiting.chunk_by(|one, other| one.under == other.under) {
        let ids = lines[0].under;
        let Some(parent) = parents.get(&ids) else {
            counts.homeless += lines.len() as u64;
            continue;
        };
        let mut events = Vec::new();
        for line in lines {
            let Ok(mut event) = Event::decode(line.bytes) else { continue };
            if event.time_unix_nano == 0 {
                event.time_unix_nano = gather.start(line.of).unwrap_or(parent.start);
            }
            if stored.take(line.of, &event, line.text) {
                counts.known += 1;
                continue;
            }
            own::leave_to_resource(&mut event, parent.resource.resource.as_ref());
            if line.of != ids {
                name_span(&mut event, line.of, &gather, parent);
            }
            events.push(event);
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

/// Which span the line belongs to, since it is not the one above the carrier.
fn name_span(event: &mut Event, of: Ids, gather: &Gather<'_>, parent: &Parent) {
    let mut add = |key: &str, value: &str| event.attributes.push(text_attribute(key, value));
    add(own::SPAN_ID, &format!("{:016x}", u64::from_be_bytes(of.1)));
    add(own::SPAN_NAME, gather.name(of).unwrap_or_default());
    let service = gather.service(of).unwrap_or_default();
    let resource = parent.resource.resource.iter().flat_map(|resource| &resource.attributes);
    if !resource.filter(|one| one.key == SERVICE).any(|one| *one == text_attribute(SERVICE, service)) {
        add(SERVICE, service);
    }
}

fn text_attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
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

/// Of the traces that were given: the spans wanted, and spanline's events.
fn read(given: &Given<'_>, waiting: &[Line<'_>]) -> io::Result<(HashMap<Ids, Parent>, StoredEvents)> {
    let mut parents = HashMap::new();
    let mut stored = StoredEvents::default();
    let wanted = |ids: &Ids| waiting.binary_search_by(|line| line.under.cmp(ids)).is_ok();
    for path in given.paths {
        each_request(path, given.limits, |_, request| {
            for group in &request.resource_spans {
                let resource = Arc::new(ResourceSpans {
                    resource: group.resource.clone(),
                    schema_url: group.schema_url.clone(),
                    scope_spans: Vec::new(),
                });
                for scope in &group.scope_spans {
                    let is_own = is_own_scope(scope);
                    for span in &scope.spans {
                        stored.add(span, is_own);
                        let Some(ids) = own::ids_of(span).filter(|ids| !is_own && wanted(ids)) else { continue };
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
            Ok(())
        })?;
    }
    Ok((parents, stored))
}

fn carrier((trace_id, parent_id): Ids, parent: &Parent, events: Vec<Event>) -> Span {
    let mut named_by = [&trace_id[..], &parent_id[..]].concat();
    for event in &events {
        // With the id of the span that the line belongs to where it is another one: it is among the attributes.
        let line = own::line_identity((trace_id, parent_id), event).unwrap_or_default();
        named_by.extend_from_slice(&line.to_le_bytes());
        named_by.extend_from_slice(own::text(event, own::SPAN_ID).unwrap_or_default().as_bytes());
    }
    let hash = XxHash3_128::oneshot_with_seed(2, &named_by) as u64;
    let first = events.iter().map(|event| event.time_unix_nano).min().unwrap_or(parent.start);
    // One µs more than its length: stores cut start and duration to µs, each by itself.
    let last_start = parent.end.saturating_sub(2 * LENGTH).max(parent.start);
    let start = first.clamp(parent.start, last_start);
    let failed = events.iter().find(|event| is_failure(event));
    let status = failed.map(|event| Status { code: StatusCode::Error.into(), message: event.name.clone() });
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
        status,
        ..Span::default()
    }
}

/// A line from ERROR on.
fn is_failure(event: &Event) -> bool {
    own::text(event, "log.severity").is_some_and(|severity| severity == "ERROR" || severity == "FATAL")
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

    use opentelemetry_proto::tonic::resource::v1::Resource;

    use super::*;
    use crate::checkpoint::acknowledged::Resending;
    use crate::correlate::Correlator;
    use crate::export::config::Carriers;
    use crate::export::span_event::Style;
    use crate::spans::facts;
    use crate::spans::file::Limits;

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
        let line = Value::IntValue((own::text_hash(message) >> 1) as i64);
        let line =
            KeyValue { key: own::LINE.into(), value: Some(AnyValue { value: Some(line) }), ..KeyValue::default() };
        let attributes = vec![text_attribute(own::LINK, "inferred 0.99"), text_attribute(own::FILE, "app.log"), line];
        Event { time_unix_nano: time, name: message.into(), attributes, ..Event::default() }
    }

    /// The event as earlier versions made it.
    fn older(mut event: Event) -> Event {
        event.attributes =
            vec![text_attribute(own::LINK_METHOD, "inferred"), text_attribute(own::MESSAGE, &event.name)];
        event
    }

    /// One run over what the store has.
    fn run(store: &[ExportTraceServiceRequest], lines: &[(u8, Event)], server: &Server) -> Counts {
        gathered(store, lines, server, Carriers::Span)
    }

    fn gathered(
        store: &[ExportTraceServiceRequest],
        lines: &[(u8, Event)],
        server: &Server,
        gather: Carriers,
    ) -> Counts {
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
        let mut held = HeldEvents::new(0, 1 << 30, Style::default());
        for (id, event) in lines {
            held.events.push((TRACE, [*id; 8]), event, own::text_hash(&event.name));
        }
        let acknowledged = Acknowledged::new(&["server".to_owned()], None, Resending::default());
        let (index, paths) = (correlator.index(), [path]);
        let given = Given { paths: &paths, limits: Limits::default(), has_carriers: true, index, gather };
        send(&given, &mut held, &Sending { sink: server, acknowledged: &acknowledged, target: 0 }).unwrap()
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
        assert_eq!(counts, Counts { events: 305, carriers: 3, known: 0, homeless: 1 });
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
        assert_eq!(counts, Counts { events: 0, carriers: 0, known: 305, homeless: 1 });
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

    #[test]
    fn what_an_earlier_version_stored_is_not_sent_again() {
        let first = Server::default();
        run(&[stored()], &lines(), &first);
        let mut store = [vec![stored()], first.0.borrow().clone()].concat();
        for scope in
            store.iter_mut().flat_map(|request| &mut request.resource_spans).flat_map(|group| &mut group.scope_spans)
        {
            for event in scope.spans.iter_mut().flat_map(|span| &mut span.events) {
                *event = older(std::mem::take(event));
            }
        }
        let again = Server::default();
        let counts = run(&store, &lines(), &again);
        assert_eq!((counts.events, counts.known), (0, 305));
    }

    /// Spans 1 > 2 > 3 > 4 and 1 > 5, of services a, b, b, a and b; the fifth began first, the second lasts longest.
    fn two_services() -> ExportTraceServiceRequest {
        let group = |service: &str, spans: Vec<Span>| {
            let attributes = vec![text_attribute(SERVICE, service), text_attribute(own::POD, service)];
            ResourceSpans {
                resource: Some(Resource { attributes, ..Resource::default() }),
                scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
                ..ResourceSpans::default()
            }
        };
        let of_a = group("a", vec![span(1, 0, 900_000), span(4, 3, 50_000)]);
        let mut early = span(5, 1, 70_000);
        early.start_time_unix_nano -= 10_000;
        let of_b = group("b", vec![span(2, 1, 800_000), span(3, 2, 700), early]);
        ExportTraceServiceRequest { resource_spans: vec![of_b, of_a] }
    }

    fn a_line_on_each_span() -> Vec<(u8, Event)> {
        let line = |id: u8| {
            let mut event = event(START + 20_000 * u64::from(id), &format!("line {id}"));
            event.attributes.push(text_attribute(own::POD, if id == 1 || id == 4 { "a" } else { "b" }));
            (id, event)
        };
        (1..=5).map(line).collect()
    }

    #[test]
    fn carriers_are_gathered_under_a_service_or_a_trace_and_their_events_name_their_spans() {
        for (gather, expected) in [
            // The third is too short.
            (Carriers::Span, vec![(1, "1"), (2, "2,3>3"), (4, "4"), (5, "5")]),
            (Carriers::Service, vec![(1, "1,4>4"), (2, "2,3>3,5>5")]),
            (Carriers::Trace, vec![(1, "1,2>2:b,3>3:b,4>4,5>5:b")]),
        ] {
            let server = Server::default();
            let counts = gathered(&[two_services()], &a_line_on_each_span(), &server, gather);
            assert_eq!((counts.events, counts.carriers), (5, expected.len() as u64));
            let requests = server.0.borrow();
            let mut carriers: Vec<(u8, String)> = Vec::new();
            for carrier in spans(&requests) {
                let shown = carrier.events.iter().map(|event| {
                    let mut shown = event.name["line ".len()..].to_owned();
                    if let Some(id) = own::text(event, own::SPAN_ID) {
                        shown += &format!(">{}", u8::from_str_radix(&id[..2], 16).unwrap());
                        assert_eq!(own::text(event, "span.name").unwrap(), format!("span {}", &id[1..2]));
                    }
                    let service = own::text(event, SERVICE).map(|service| format!(":{service}"));
                    // The pod is told where the carrier's resource tells another.
                    assert_eq!(own::text(event, own::POD), service.as_ref().map(|service| &service[1..]));
                    shown + &service.unwrap_or_default()
                });
                carriers.push((carrier.parent_span_id[0], shown.collect::<Vec<_>>().join(",")));
                assert_eq!(carrier.end_time_unix_nano - carrier.start_time_unix_nano, LENGTH);
            }
            carriers.sort();
            let expected: Vec<_> = expected.iter().map(|(id, shown)| (*id, (*shown).to_owned())).collect();
            assert_eq!(carriers, expected);
            // However they are gathered next time, nothing is added.
            let store = [vec![two_services()], requests.clone()].concat();
            for next in [Carriers::Span, Carriers::Service, Carriers::Trace] {
                let counts = gathered(&store, &a_line_on_each_span(), &Server::default(), next);
                assert_eq!((counts.events, counts.known), (0, 5), "{gather:?} {next:?}");
            }
        }
    }

    #[test]
    fn a_carrier_with_an_error_has_failed() {
        for (severity, failed) in [("INFO", false), ("WARN", false), ("ERROR", true), ("FATAL", true)] {
            let mut bad = event(START + 2000, "ERROR: no such image");
            bad.attributes.push(text_attribute("log.severity", severity));
            let server = Server::default();
            run(&[stored()], &[(1, event(START, "a line")), (1, bad)], &server);
            let requests = server.0.borrow();
            let status = spans(&requests)[0].status.as_ref().map(|status| (status.code, status.message.as_str()));
            assert_eq!(status, failed.then_some((2, "ERROR: no such image")));
        }
    }
}
