//! Lines of small made-up nodes against their spans.

use super::correlator::Correlator;
use super::learn::LearningLimits;
use super::rules::process;
use super::stream::Memory;
use crate::correlate::index::Limits;
use crate::facts::{EventFact, Kind, ResourceFact, SpanFact};
use crate::record::{Envelope, Method, Origin, Position, Producer, Record, Stream, Unlinked};
use spanline_parsers::{CodeSite, Entry, Format, Text, TraceContext, Value};

const CRIO: ResourceFact<'static> = ResourceFact {
    message: &[],
    run: 0,
    service: "crio",
    host: "node-1",
    pid: 7,
    pod_uid: "",
    namespace: "",
    pod: "",
    container: "",
    container_id: "",
    instance: "",
};
const CALL: &str = "/runtime.v1.RuntimeService/ListContainers";

fn span<'a>(trace: u8, id: u8, parent: u8, name: &'a str, start: i64, end: i64) -> SpanFact<'a> {
    SpanFact {
        trace_id: [trace; 16],
        span_id: [id; 8],
        parent_id: [parent; 8],
        name,
        start,
        end,
        ..SpanFact::default()
    }
}

fn correlator(spans: &[(ResourceFact<'_>, SpanFact<'_>)]) -> Correlator {
    let mut correlator = Correlator::new(Limits::default());
    for (resource, span) in spans {
        correlator.add_span(resource, span);
    }
    correlator
}

struct Line {
    producer: Producer,
    time: i64,
    digits: u8,
    entry: Entry<'static>,
}

fn crio_line(time: i64, id: &'static str, message: &'static str) -> Line {
    let mut entry = Entry { format: Format::Logrus, body: Text::Borrowed(message.as_bytes()), ..Entry::default() };
    entry.push(&b"id"[..], Value::Text(Text::Borrowed(id.as_bytes())));
    entry.push(&b"name"[..], Value::Text(Text::Borrowed(CALL.as_bytes())));
    Line { producer: Producer::Crio, time, digits: 9, entry }
}

fn line_of(producer: Producer, time: i64, entry: Entry<'static>) -> Line {
    Line { producer, time, digits: 9, entry }
}

/// Both passes over the lines: (first byte of the trace id, of the span id, method) or the reason.
fn linked(mut correlator: Correlator, lines: &[Line]) -> Vec<Result<(u8, u8, Method), Unlinked>> {
    let mut each = |act: &mut dyn FnMut(&mut Correlator, &Record<'_>)| {
        for (number, line) in lines.iter().enumerate() {
            let service_name = match line.producer {
                Producer::Crio => "crio",
                Producer::ApiServer => "apiserver",
                _ => "other",
            };
            let origin = Origin { service_name: service_name.into(), producer: line.producer, ..Origin::default() };
            let record = Record {
                source: line.producer as u32,
                origin: &origin,
                position: Position { line: number as u64 + 1, offset: number as u64 * 100, ..Position::default() },
                envelope: Envelope::None,
                stream: Stream::Unknown,
                time: Some(line.time),
                time_digits: line.digits,
                envelope_time: None,
                entry: &line.entry,
                envelope_fields: &[],
                payload: &line.entry.body,
                piece: 0,
            };
            act(&mut correlator, &record);
        }
    };
    each(&mut |correlator, record| {
        correlator.observe(record);
    });
    let mut settled = false;
    let mut results = Vec::new();
    each(&mut |correlator, record| {
        if !settled {
            correlator.settle();
            settled = true;
        }
        results.push(correlator.link(record).map(|link| (link.trace_id[0], link.span_id[0], link.method)));
    });
    results
}

fn hook_event<'a>(time: i64, id: &'a str, message: &'a str) -> EventFact<'a> {
    EventFact { time, name: "log", message: Some(message), request_id: Some(id), ..EventFact::default() }
}

#[test]
fn equal_lines_of_a_request_follow_the_order_of_its_events() {
    let mut call = span(1, 1, 0, CALL, 1_000, 9_000_000);
    call.events = vec![hook_event(2_000, "u", "again [1 2]")];
    let mut inner = span(1, 2, 1, "github.com/cri-o/cri-o/server.(*Server).ListContainers", 3_000, 8_000_000);
    inner.events = vec![hook_event(60_000, "u", "again [3]")];
    // Children first.
    let spans = [(CRIO, inner), (CRIO, call)];
    let fine = [crio_line(1_500, "u", "again [FILTERED]"), crio_line(55_000, "u", "again [FILTERED]")];
    let expected = vec![Ok((1, 1, Method::Event)), Ok((1, 2, Method::Event))];
    assert_eq!(linked(correlator(&spans), &fine), expected);
    let mut rounded = fine;
    for line in &mut rounded {
        (line.time, line.digits) = (0, 0);
    }
    assert_eq!(linked(correlator(&spans), &rounded), expected);
}

#[test]
fn an_event_tells_the_trace_of_all_lines_of_its_request() {
    let mut call = span(1, 1, 0, CALL, 1_000, 9_000);
    call.events = vec![hook_event(2_000, "u", "first")];
    let spans = [(CRIO, call), (CRIO, span(1, 2, 1, "below", 4_000, 6_000)), (CRIO, span(3, 3, 0, CALL, 4_000, 6_000))];
    let lines =
        [crio_line(5_000, "u", "not an event"), crio_line(20_000, "u", "after the end"), crio_line(5_000, "v", "x")];
    let found = linked(correlator(&spans), &lines);
    assert_eq!(found[..2], [Ok((1, 2, Method::Request)), Ok((1, 1, Method::Request))]);
}

#[test]
fn lines_of_requests_without_a_span_stay_without() {
    let spans: Vec<_> = (0..20)
        .map(|n| (CRIO, span(n as u8 + 1, n as u8 + 1, 0, CALL, n * 1_000_000_000, n * 1_000_000_000 + 1_000_000)))
        .collect();
    let id = |n: i64| -> &'static str { Box::leak(n.to_string().into_boxed_str()) };
    // Four in five requests were not sampled; every sampled one begins 100 µs before its first line.
    let lines: Vec<Line> = (0..100)
        .flat_map(|n| {
            let start = n * 200_000_000;
            [crio_line(start + 100_000, id(n), "Request"), crio_line(start + 950_000, id(n), "Response")]
        })
        .collect();
    for (number, found) in linked(correlator(&spans), &lines).into_iter().enumerate() {
        let n = number / 2;
        match n % 5 {
            0 => assert_eq!(found, Ok((n as u8 / 5 + 1, n as u8 / 5 + 1, Method::Request))),
            _ => assert!(found.is_err(), "{n}: {found:?}"),
        }
    }
}

/// Twenty calls of a method, a second apart, and lines of each that begin 100 µs into it.
fn calls_and_lines(spans_of: impl Fn(i64, i64, i64) -> Vec<SpanFact<'static>>) -> (Correlator, Vec<Line>) {
    let id = |n: i64| -> &'static str { Box::leak(n.to_string().into_boxed_str()) };
    let start = |n: i64| n * 1_000_000_000;
    let spans = (0..20).flat_map(|n| spans_of(n, start(n), start(n) + 1_000_000)).map(|span| (CRIO, span));
    let lines = (0..20).flat_map(|n| {
        [crio_line(start(n) + 100_000, id(n), "Request: x"), crio_line(start(n) + 900_000, id(n), "Response: y")]
    });
    (correlator(&spans.collect::<Vec<_>>()), lines.collect())
}

#[test]
fn a_request_is_the_call_of_its_method_and_of_no_other() {
    const OTHER: &str = "/runtime.v1.RuntimeService/ListPodSandbox";
    let (correlator, lines) = calls_and_lines(|n, start, end| {
        let (n, other) = (n as u8 + 1, n as u8 + 100);
        vec![span(other, other, 0, OTHER, start, end), span(n, n, 0, CALL, start, end)]
    });
    for (number, found) in linked(correlator, &lines).into_iter().enumerate() {
        let n = number as u8 / 2 + 1;
        assert_eq!(found, Ok((n, n, Method::Request)), "{number}");
    }
}

#[test]
fn the_span_that_crio_makes_itself_goes_before_the_one_of_its_grpc_library() {
    let bare = CALL.trim_start_matches('/');
    for has_own in [true, false] {
        let (correlator, lines) = calls_and_lines(|n, start, end| {
            let (trace, server) = (n as u8 + 1, n as u8 + 100);
            let mut spans =
                vec![SpanFact { kind: Kind::Server, ..span(trace, server, 0, bare, start - 1000, end + 1000) }];
            if has_own {
                spans.push(span(trace, trace, server, CALL, start, end));
            }
            spans
        });
        for (number, found) in linked(correlator, &lines).into_iter().enumerate() {
            let n = number as u8 / 2;
            assert_eq!(
                found,
                Ok((n + 1, if has_own { n + 1 } else { n + 100 }, Method::Request)),
                "{number} {has_own}"
            );
        }
    }
    // The other side's span is no call of this program.
    let (correlator, lines) = calls_and_lines(|n, start, end| {
        vec![SpanFact { kind: Kind::Client, ..span(n as u8 + 1, n as u8 + 1, 0, bare, start, end) }]
    });
    assert!(linked(correlator, &lines).iter().all(Result::is_err));
}

#[test]
fn an_id_of_another_program_or_without_a_method_names_no_request() {
    for change in [0, 1, 2] {
        let (correlator, mut lines) =
            calls_and_lines(|n, start, end| vec![span(n as u8 + 1, n as u8 + 1, 0, CALL, start, end)]);
        for line in &mut lines {
            match change {
                0 => line.producer = Producer::ApiServer,
                1 => line.entry.format = Format::Json,
                _ => line.entry.fields.retain(|field| &*field.key != b"name"),
            }
        }
        let found = linked(correlator, &lines);
        let is_request = |found: &Result<(u8, u8, Method), Unlinked>| matches!(found, Ok((.., Method::Request)));
        assert!(!found.iter().any(is_request), "{change}: {found:?}");
    }
}

#[test]
fn a_line_of_containerd_is_the_event_of_its_time_and_message() {
    let resource = ResourceFact { service: "containerd", ..CRIO };
    let mut server = span(1, 1, 0, "runtime.v1.RuntimeService/StopContainer", 0, 10_000_000);
    let event = |time| EventFact { time, name: "Kill container", leveled: true, ..EventFact::default() };
    server.events = vec![event(5_000_123), event(7_000_000)];
    let line = |time| {
        let entry = Entry { format: Format::Logrus, body: Text::Borrowed(b"Kill container"), ..Entry::default() };
        line_of(Producer::Containerd, time, entry)
    };
    // The second is kept in microseconds by the store.
    let found = linked(correlator(&[(resource, server)]), &[line(5_000_123), line(7_000_456), line(6_000_000)]);
    assert_eq!(found[..2], [Ok((1, 1, Method::Event)), Ok((1, 1, Method::Event))]);
    assert!(!matches!(found[2], Ok((_, _, Method::Event))), "{:?}", found[2]);
}

#[test]
fn written_ids_are_checked_against_the_spans() {
    let other = ResourceFact { service: "other", ..CRIO };
    let spans = [
        (CRIO, span(1, 1, 0, "caller", 0, 100)),
        (other, span(1, 2, 1, "server", 10, 90)),
        (other, span(1, 3, 2, "inner", 20, 50)),
    ];
    let line = |trace: u8, span: Option<u8>, remote_parent, low64| {
        let mut trace_id = [trace; 16];
        if low64 {
            trace_id[..8].fill(0);
        }
        let trace = TraceContext {
            trace_id: Some(trace_id),
            span_id: span.map(|id| [id; 8]),
            flags: None,
            remote_parent,
            low64,
        };
        line_of(Producer::Other, 30, Entry { trace, ..Entry::default() })
    };
    let lines = [
        line(1, Some(2), false, false),
        line(1, Some(1), true, false),
        line(1, None, false, false),
        line(1, Some(2), false, true),
        line(8, Some(8), false, false),
    ];
    let found: Vec<_> = linked(correlator(&spans), &lines).into_iter().map(|link| link.unwrap()).collect();
    let written = |trace, span| (trace, span, Method::Written);
    assert_eq!(found, [written(1, 2), written(1, 2), written(1, 3), written(1, 2), written(8, 8)]);
}

#[test]
fn bare_hex_counts_only_if_it_is_known() {
    let spans = [(CRIO, span(0xab, 0xcd, 0, "op", 0, 100))];
    let line =
        |text: &'static [u8]| line_of(Producer::Other, 30, Entry { body: Text::Borrowed(text), ..Entry::default() });
    let known = line(b"served abababababababababababababababab in 3ms");
    let unknown = line(b"served 12121212121212121212121212121212 in 3ms");
    let part = line(b"served abababababababababababababababababab in 3ms");
    let found = linked(correlator(&spans), &[known, unknown, part]);
    assert_eq!(found[0], Ok((0xab, 0, Method::Written)));
    assert_eq!(found[1..], [Err(Unlinked::NoSpansOfWriter); 2]);
}

#[test]
fn an_audit_id_names_the_request_of_the_api_server() {
    let resource = ResourceFact { service: "apiserver", ..CRIO };
    let mut server = span(1, 1, 0, "GET", 0, 100_000);
    server.kind = Kind::Server;
    server.attributes = vec![(b"audit-id", b"a-1")];
    let mut list = span(1, 2, 1, "List", 10_000, 90_000);
    list.attributes = vec![(b"audit-id", b"a-1")];
    let line = |time, message: &'static [u8], id: &'static [u8]| {
        let mut entry = Entry { format: Format::Klog, body: Text::Borrowed(message), ..Entry::default() };
        entry.push(&b"audit-ID"[..], Value::Text(Text::Borrowed(id)));
        line_of(Producer::ApiServer, time, entry)
    };
    let lines = [line(150_000, b"HTTP", b"a-1"), line(50_000, b"Starting watch", b"a-1"), line(50_000, b"HTTP", b"")];
    let found = linked(correlator(&[(resource, list), (resource, server)]), &lines);
    assert_eq!(found, [Ok((1, 1, Method::Request)), Ok((1, 2, Method::Request)), Err(Unlinked::OutsideRequests)]);
}

#[test]
fn a_trace_block_is_the_twin_of_its_span() {
    let audited = |id: u8, name: &'static str, kind, took: i64| {
        let mut span = span(1, id, 0, name, 1_000_000_000, 1_000_000_000 + took);
        span.kind = kind;
        span.attributes = vec![(b"audit-id", b"e507a3fb")];
        span
    };
    let resource = ResourceFact { service: "apiserver", ..CRIO };
    let sync = span(2, 4, 0, "Sync", 5_000_000_000, 5_700_000_400);
    let spans = [
        (resource, audited(1, "GET /api/v1/pods", Kind::Server, 1_060_000_000)),
        (resource, audited(2, "List", Kind::Internal, 1_049_863_769)),
        (resource, audited(3, "List", Kind::Internal, 40_000_000)),
        (resource, sync),
    ];
    let line = |time: i64, text: &'static str| {
        let entry = Entry { format: Format::Klog, body: Text::Borrowed(text.as_bytes()), ..Entry::default() };
        line_of(Producer::ApiServer, time, entry)
    };
    let lines = [
        line(
            2_050_000_000,
            "Trace[1]: \"List\" audit-id:e507a3fb,verb:LIST (23-Nov-2026 12:20:05.874) (total time: 1049ms):\n\
             Trace[1]: [1.049863418s] [1.049863418s] END",
        ),
        line(2_050_000_000, "Trace[2]: \"Get\" audit-id:e507a3fb (23-Nov-2026 12:20:05.874) (total time: 777ms):"),
        line(2_050_000_000, "Trace[3]: \"List\" audit-id:0000 (23-Nov-2026 12:20:05.874) (total time: 1049ms):"),
        line(2_050_000_000, "Trace[4]: \"List\" audit-id:,x:y (23-Nov-2026 12:20:05.874) (total time: 1049ms):"),
    ];
    let mut found = linked(correlator(&spans), &lines);
    assert_eq!(found.split_off(2), [Err(Unlinked::OutsideRequests); 2]);
    assert_eq!(found, [Ok((1, 2, Method::Request)), Ok((1, 1, Method::Request))]);
    let index = correlator(&spans);
    let origin = Origin { service_name: "apiserver".into(), producer: Producer::ApiServer, ..Origin::default() };
    assert!(!process::resources_of(&origin, index.index.resources()).is_empty());
    // Without an id of a request the name, the end and the time it took are enough, where only one span has them.
    const SYNC: &str = "Trace[5]: \"Sync\" (23-Nov-2026 12:20:05.000) (total time: 700ms):";
    const WHOLE: &str = "Trace[5]: \"Sync\" (23-Nov-2026 12:20:05.000) (total time: 700ms):\n\
         Trace[5]: [700.000391ms] [700.000391ms] END";
    let found = linked(index, &[line(5_700_100_000, WHOLE), line(6_700_100_000, WHOLE), line(5_700_100_000, SYNC)]);
    assert_eq!(found, [Ok((2, 4, Method::Request)), Err(Unlinked::OutsideRequests), Err(Unlinked::OutsideRequests)]);
}

#[test]
fn a_line_of_conmon_rs_lies_below_the_span_with_its_uuid() {
    let resource = ResourceFact { service: "conmonrs", ..CRIO };
    let stack = |trace: u8, uuid: &'static str| {
        let mut root = span(trace, trace, 0, "create_container", 0, 1_000_000);
        root.attributes = vec![(b"uuid", uuid.as_bytes())];
        let mut out = span(trace, trace + 1, trace, "stdout", 10_000, 900_000);
        let name = "Nothing more to read";
        let target = Some("conmonrs::io");
        out.events = vec![EventFact { time: 50_000, name, leveled: true, target, line: 279, ..EventFact::default() }];
        [(resource, root), (resource, out)]
    };
    let line = |uuid: &'static [u8], place| {
        let mut entry =
            Entry { format: Format::ConmonRs, body: Text::Borrowed(b"Nothing more to read"), ..Entry::default() };
        entry.code = Some(CodeSite { file: b"conmonrs::io", line: place });
        entry.push(&b"spans"[..], Value::Text(Text::Borrowed(uuid)));
        line_of(Producer::ConmonRs, 50_000, entry)
    };
    let spans: Vec<_> = stack(1, "u1").into_iter().chain(stack(5, "u5")).collect();
    let lines = [
        line(b"create_container{uuid=u5}:stdout", 279),
        line(b"create_container{uuid=u1}:stdout", 279),
        line(b"create_container{uuid=u5}:stdout", 1),
    ];
    let expected = [Ok((5, 6, Method::Event)), Ok((1, 2, Method::Event)), Ok((5, 6, Method::Request))];
    assert_eq!(linked(correlator(&spans), &lines), expected);
}

#[test]
fn the_oldest_spans_go_when_the_index_is_full() {
    let mut correlator = Correlator::new(Limits { spans_max: 100, ..Limits::default() });
    for n in 0..250u8 {
        correlator.add_span(&CRIO, &span(n + 1, n + 1, 0, "op", i64::from(n), i64::from(n) + 5));
    }
    correlator.add_span(&CRIO, &span(250, 250, 0, "again", 249, 260));
    correlator.settle();
    let (index, counts) = (correlator.index(), correlator.counts().index);
    assert!(index.len() <= 100 && counts.evicted > 0 && counts.duplicates == 1, "{counts:?}");
    assert_eq!(counts.evicted + index.len() as u64, 250);
    assert_eq!(index.by_ids(&[1; 16], &[1; 8]), None);
    let last = index.by_ids(&[250; 16], &[250; 8]).unwrap();
    assert_eq!(index.name(index.span(last).name), "again");
    let mut open = Vec::new();
    index.open_at(index.span(last).resource, 258, 0, 10, &mut open);
    assert_eq!(open, [last]);
    assert_eq!(index.by_trace(&[250; 16], false), [last]);
}

const SECOND: i64 = 1_000_000_000;
const KUBELET: ResourceFact<'static> = ResourceFact { service: "kubelet", ..CRIO };

/// A span of a pod in each second.
fn pod_span(second: u8) -> SpanFact<'static> {
    let start = i64::from(second) * SECOND;
    let attributes = vec![(&b"k8s.pod.uid"[..], &b"u1"[..])];
    SpanFact { attributes, ..span(second + 1, second + 1, 0, "syncPod", start, start + SECOND / 2) }
}

/// A line of the pod in each second.
fn pod_line(second: u8, act: impl FnOnce(&Record<'_>)) {
    let mut entry = Entry { format: Format::Klog, body: Text::Borrowed(b"SyncPod enter"), ..Entry::default() };
    entry.code = Some(CodeSite { file: b"kubelet.go", line: 1 });
    entry.push(&b"podUID"[..], Value::Text(Text::Borrowed(b"u1")));
    let origin = Origin { service_name: "kubelet".into(), producer: Producer::Kubelet, ..Origin::default() };
    act(&Record {
        source: 0,
        origin: &origin,
        position: Position { line: u64::from(second) + 1, offset: u64::from(second) * 100, ..Position::default() },
        envelope: Envelope::None,
        stream: Stream::Unknown,
        time: Some(i64::from(second) * SECOND + SECOND / 4),
        time_digits: 6,
        envelope_time: None,
        entry: &entry,
        envelope_fields: &[],
        payload: &entry.body,
        piece: 0,
    });
}

fn link_of_pod_line(correlator: &Correlator, second: u8) -> Option<u8> {
    let mut found = None;
    pod_line(second, |record| found = correlator.link(record).ok().map(|link| link.trace_id[0]));
    found
}

#[test]
fn links_of_a_stream_are_gone_once_nothing_is_due() {
    let memory = Memory { nanos: 0, ..Memory::default() };
    let mut correlator = Correlator::new(Limits::default());
    correlator.follow();
    correlator.add_span(&KUBELET, &pod_span(1));
    pod_line(1, |record| {
        correlator.observe(record);
    });
    correlator.advance(3 * SECOND, memory);
    assert_eq!(link_of_pod_line(&correlator, 1), Some(2));
    correlator.advance(4 * SECOND, memory);
    assert_eq!(link_of_pod_line(&correlator, 1), None);
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let limits = LearningLimits { lines_bytes: 1, requests_bytes: 0, ..LearningLimits::default() };
    let mut correlator = Correlator::new(Limits::default()).within(limits);
    (0..2).for_each(|second| correlator.add_span(&KUBELET, &pod_span(second)));
    correlator.settle_spans();
    (0..2).for_each(|second| pod_line(second, |record| correlator.observe(record)));
    correlator.settle();
    assert_eq!((correlator.counts().lines_over_limit, correlator.counts().requests_over_limit), (1, 0));
    assert!(correlator.counts().learning_bytes > 0);
}

#[test]
fn hashes_are_the_same_run_after_run_where_spans_come_later_too() {
    let seed = |announces: bool| {
        let mut correlator = Correlator::new(Limits::default());
        if announces {
            correlator.announce_span(&KUBELET, &pod_span(1));
        } else {
            correlator.add_span(&KUBELET, &pod_span(1));
        }
        correlator.renew_spans();
        correlator.add_span(&KUBELET, &pod_span(2));
        correlator.index().words.seed()
    };
    assert_eq!([seed(true), seed(true)], [seed(false); 2]);
}

#[test]
fn a_long_step_decides_lines_that_are_older_than_the_memory() {
    let mut correlator = Correlator::new(Limits::default());
    correlator.follow();
    correlator.advance(SECOND, Memory::default());
    correlator.add_span(&KUBELET, &pod_span(2));
    pod_line(2, |record| correlator.observe(record));
    correlator.advance(500 * SECOND, Memory::default());
    assert_eq!(link_of_pod_line(&correlator, 2), Some(3));
}

#[test]
fn a_long_window_knows_the_requests_of_all_its_lines() {
    let event =
        SpanFact { events: vec![hook_event(SECOND, "id-1", "first")], ..span(1, 1, 9, "hook", SECOND, SECOND + 9) };
    let call = span(1, 9, 0, CALL, SECOND - 10, 2 * SECOND);
    let mut correlator = correlator(&[]);
    correlator.renew_spans();
    [call, event].iter().for_each(|span| correlator.add_span(&CRIO, span));
    correlator.spans_are_in();
    let line = crio_line(SECOND + 500, "id-1", "second");
    let origin = Origin { service_name: "crio".into(), producer: Producer::Crio, ..Origin::default() };
    let record = Record {
        source: 0,
        origin: &origin,
        position: Position::default(),
        envelope: Envelope::None,
        stream: Stream::Unknown,
        time: Some(line.time),
        time_digits: 9,
        envelope_time: None,
        entry: &line.entry,
        envelope_fields: &[],
        payload: &line.entry.body,
        piece: 0,
    };
    correlator.observe(&record);
    correlator.decide_up_to(500 * SECOND, Memory::default());
    assert_eq!(correlator.link(&record).map(|link| (link.trace_id[0], link.method)), Ok((1, Method::Request)));
}

#[test]
fn links_of_a_stream_stay_while_spans_go() {
    let mut correlator = Correlator::new(Limits { spans_max: 8, ..Limits::default() });
    correlator.follow();
    (0..8).for_each(|second| correlator.add_span(&KUBELET, &pod_span(second)));
    (0..8).for_each(|second| {
        pod_line(second, |record| {
            correlator.observe(record);
        })
    });
    correlator.advance(9 * SECOND, Memory::default());
    let links = |correlator: &Correlator| -> Vec<_> { (0..8).map(|line| link_of_pod_line(correlator, line)).collect() };
    assert_eq!(links(&correlator), (1..=8).map(Some).collect::<Vec<_>>());
    correlator.add_span(&KUBELET, &pod_span(8));
    assert_eq!((correlator.counts().index.spans, correlator.counts().index.evicted), (1, 8));
    assert_eq!(links(&correlator), (1..=8).map(Some).collect::<Vec<_>>());
}

#[test]
fn equal_lines_with_whole_seconds_follow_the_order_of_their_files() {
    let text = "Request: &ListContainersRequest{}";
    let of = |id: u8, time: i64| {
        let events = vec![hook_event(time, "id-1", text)];
        SpanFact { events, ..span(1, id, 9, "hook", time - 10, time + 10) }
    };
    let call = span(1, 9, 0, CALL, SECOND, 2 * SECOND);
    let spans = [(CRIO, call), (CRIO, of(1, SECOND + 100)), (CRIO, of(2, SECOND + 500))];
    let mut correlator = correlator(&spans);
    let line = crio_line(SECOND, "id-1", text);
    let origin = Origin { service_name: "crio".into(), producer: Producer::Crio, ..Origin::default() };
    let record = |file, offset| Record {
        source: 0,
        origin: &origin,
        position: Position { file, offset, ..Position::default() },
        envelope: Envelope::None,
        stream: Stream::Unknown,
        time: Some(line.time),
        time_digits: 0,
        envelope_time: None,
        entry: &line.entry,
        envelope_fields: &[],
        payload: &line.entry.body,
        piece: 0,
    };
    // The older file ends where the younger has not come to.
    let places = [(0, 9000), (1, 0)];
    places.iter().for_each(|(file, offset)| {
        correlator.observe(&record(*file, *offset));
    });
    correlator.settle();
    let found = places.map(|(file, offset)| correlator.link(&record(file, offset)).map(|link| link.span_id[0]));
    assert_eq!(found, [Ok(1), Ok(2)]);
}
