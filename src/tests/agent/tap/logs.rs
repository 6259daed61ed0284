//! Logs that another agent sends through the tap: records get the span that they were written in, and nothing else is changed.

use std::io::Read;
use std::time::{Duration, Instant};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use spanline::otlp::{Compression, Signal, compress};

use super::block_on;
use crate::agent::links::{agent_to, requests_until, trace_of};
use crate::harness::agent::Agent;
use crate::harness::capture::{Capture, Captured};
use crate::harness::otlp_client::{Sent, grpc, http};
use crate::harness::written::Written;

/// Records of one request to the tap.
const BATCH: usize = 50;

fn text(value: &str) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn request(attributes: &[(&str, &str)], log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let attributes = attributes.iter().map(|(key, value)| pair(key, text(value))).collect();
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_logs: vec![ScopeLogs { log_records, schema_url: "scope".into(), ..ScopeLogs::default() }],
            schema_url: "resource".into(),
        }],
    }
}

/// Lines of a container's file as records, with their times and texts.
fn records(lines: &str) -> Vec<LogRecord> {
    let record = |line: &str| {
        let (time, rest) = line.split_once(' ').unwrap();
        let time = chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_nanos_opt().unwrap();
        let body = rest.strip_prefix("stdout F ").unwrap();
        LogRecord {
            time_unix_nano: time as u64,
            observed_time_unix_nano: time as u64 + 1_000_000,
            body: Some(text(body)),
            attributes: vec![pair("log.iostream", text("stdout"))],
            ..LogRecord::default()
        }
    };
    lines.lines().map(record).collect()
}

const POD: [(&str, &str); 2] = [("k8s.namespace.name", "default"), ("k8s.pod.name", "web")];

fn sent(body: impl Into<Bytes>) -> Sent {
    Sent::new(Signal::Logs, body)
}

fn unpacked(captured: &Captured) -> Vec<u8> {
    let mut plain = Vec::new();
    match captured.headers.get("grpc-encoding").or(captured.headers.get("content-encoding")) {
        Some(_) => drop(flate2::read::GzDecoder::new(&captured.body[..]).read_to_end(&mut plain).unwrap()),
        None => plain.extend_from_slice(&captured.body),
    }
    plain
}

/// Requests of logs that have arrived.
fn arrived(capture: &Capture) -> Vec<Captured> {
    let is_of_logs =
        |captured: &Captured| captured.path == Signal::Logs.grpc_path() || captured.path.ends_with("/v1/logs");
    capture.captured().into_iter().filter(is_of_logs).collect()
}

/// Records that have arrived, in no order.
fn arrived_records(capture: &Capture) -> Vec<LogRecord> {
    let requests = arrived(capture).into_iter().map(|captured| unpacked(&captured));
    let groups = requests.flat_map(|body| ExportLogsServiceRequest::decode(&body[..]).unwrap().resource_logs);
    groups.flat_map(|group| group.scope_logs).flat_map(|scope| scope.log_records).collect()
}

/// Checks that records that are linked have the trace and span that they were written in, and takes these out again. Returns how
/// many there are.
fn take_links(records: &mut [LogRecord], body_of: impl Fn(&LogRecord) -> String, lines: &Written) -> usize {
    let mut right = 0;
    for record in records {
        let at = lines.bodies().iter().position(|body| *body == body_of(record)).unwrap() as u32;
        if record.trace_id.is_empty() {
            continue;
        }
        assert_eq!(record.trace_id, trace_of(at / 3), "{at}");
        assert_eq!(record.span_id, u64::from(at / 3 + 1).to_be_bytes());
        let keys: Vec<String> = record.attributes.iter().map(|pair| pair.key.clone()).collect();
        let added = keys.iter().filter(|key| key.starts_with("spanline.link.")).count();
        assert_eq!(added, 3, "{keys:?}");
        record.attributes.truncate(keys.len() - 3);
        (record.trace_id, record.span_id) = (Vec::new(), Vec::new());
        right += 1;
    }
    right
}

fn body_text(record: &LogRecord) -> String {
    match record.body.as_ref().and_then(|body| body.value.clone()) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::KvlistValue(list)) => match list.values[0].value.clone().unwrap().value {
            Some(any_value::Value::StringValue(text)) => text,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Spans of two hundred requests have passed; their lines.
fn spans_have_passed(agent: &Agent, address: std::net::SocketAddr) -> (Written, Vec<LogRecord>) {
    let mut lines = Written::new("web");
    let (spans, text) = requests_until(Duration::ZERO, 0..200, "web", &mut lines);
    assert_eq!(block_on(grpc(address, &Sent::new(Signal::Traces, spans))).code, 0);
    agent.running().until(|| agent.metric("spanline_spans_received_total") == 200);
    (lines, records(&text))
}

#[test]
fn records_get_the_span_they_were_written_in_and_nothing_else_is_changed() {
    let capture = Capture::start();
    let (agent, address) = agent_to(&format!("'otlp=http://{}'", capture.address), "2s");
    let (lines, given) = spans_have_passed(&agent, address);
    let asked = Instant::now();
    // Those that name their trace wait for nothing, and are the same bytes; the others of their
    // writer are linked all the same.
    let with_ids: Vec<LogRecord> = given[..BATCH]
        .iter()
        .map(|record| LogRecord { trace_id: vec![7; 16], span_id: vec![8; 8], flags: 1, ..record.clone() })
        .collect();
    let with_ids = request(&POD, with_ids).encode_to_vec();
    assert_eq!(block_on(grpc(address, &sent(with_ids.clone()))).code, 0);
    for batch in given.chunks(BATCH) {
        let body = compress(&[request(&POD, batch.to_vec()).encode_to_vec().into()], Compression::Gzip).concat();
        let told = block_on(grpc(address, &Sent { encoding: "gzip", ..sent(body) }));
        assert_eq!(told.code, 0);
    }
    assert!(asked.elapsed() < Duration::from_secs(2), "clients wait for nothing");
    agent.running().until(|| arrived(&capture).iter().any(|captured| captured.body == with_ids));
    agent.running().until(|| arrived_records(&capture).len() == given.len() + BATCH);
    let mut found = arrived_records(&capture);
    found.retain(|record| record.trace_id != [7; 16]);
    let right = take_links(&mut found, body_text, &lines);
    assert!(right >= 570, "{right} of 600");
    found.sort_by_key(|record| record.time_unix_nano);
    assert_eq!(found, given);
    for captured in arrived(&capture).iter().filter(|captured| captured.body != with_ids) {
        assert_eq!(captured.headers["grpc-encoding"], "gzip");
        let read = ExportLogsServiceRequest::decode(&unpacked(captured)[..]).unwrap();
        let group = &read.resource_logs[0];
        assert_eq!((&*group.schema_url, &*group.scope_logs[0].schema_url), ("resource", "scope"));
    }
    assert_eq!(agent.metric("spanline_log_records_linked_total"), right as u64);
    assert_eq!(agent.metric("spanline_log_records_received_total"), 650);
    // In the trace they are seen too: their spans have passed.
    agent.running().until(|| agent.metric("spanline_span_events_total{how=\"carrier\"}") == right as u64);
}

#[test]
fn json_goes_on_as_it_came_unless_a_record_gets_a_link_and_maps_have_messages() {
    let capture = Capture::start();
    let (agent, address) = agent_to(&format!("'otlp=http://{}/x'", capture.address), "2s");
    let (lines, mut given) = spans_have_passed(&agent, address);
    // The message is in a map, who wrote it in the path, and only when it was seen is told.
    for record in &mut given {
        let message = pair("message", text(&body_text(record)));
        let number = pair("n", AnyValue { value: Some(any_value::Value::IntValue(5)) });
        let list = KeyValueList { values: vec![message, number] };
        record.body = Some(AnyValue { value: Some(any_value::Value::KvlistValue(list)) });
        record.attributes.push(pair(
            "log.file.path",
            text("/var/log/pods/default_web_38a11b01-f6a2-4ac4-ac90-302af838bb1a/app/0.log"),
        ));
        record.observed_time_unix_nano = std::mem::take(&mut record.time_unix_nano);
    }
    let post = |json: String| {
        let told = block_on(http(address, &Sent { content_type: "application/json", ..sent(json) }));
        assert_eq!(told.code, 200);
    };
    // Spaces, and a member nobody knows, stay where nothing is linked.
    let plain =
        "{ \"resourceLogs\": [{\"scopeLogs\":[{\"logRecords\":[{\"body\":{\"stringValue\":\"x\"},\"new\":1}]}]}]}";
    post(plain.to_owned());
    for batch in given.chunks(BATCH) {
        post(serde_json::to_string(&request(&[], batch.to_vec())).unwrap());
    }
    let count = given.len() / BATCH + 1;
    agent.running().until(|| arrived(&capture).len() == count);
    let mut found = Vec::new();
    for captured in arrived(&capture) {
        if captured.headers["content-type"] == "application/json" {
            assert_eq!(captured.body, plain);
            continue;
        }
        let read = ExportLogsServiceRequest::decode(&captured.body[..]).unwrap();
        found.extend(
            read.resource_logs.into_iter().flat_map(|group| group.scope_logs).flat_map(|scope| scope.log_records),
        );
    }
    let right = take_links(&mut found, body_text, &lines);
    assert!(right >= 570, "{right} of 600");
    found.sort_by_key(|record| record.observed_time_unix_nano);
    assert_eq!(found, given);
}

#[test]
fn what_waits_goes_on_as_it_came_when_the_agent_stops() {
    let capture = Capture::start();
    let (mut agent, address) = agent_to(&format!("'otlp=http://{}'", capture.address), "5m");
    let (_, given) = spans_have_passed(&agent, address);
    let bodies: Vec<Vec<u8>> = given.chunks(BATCH).map(|batch| request(&POD, batch.to_vec()).encode_to_vec()).collect();
    for body in &bodies {
        assert_eq!(block_on(grpc(address, &sent(body.clone()))).code, 0);
    }
    agent.running().until(|| agent.metric("spanline_waiting_records") > 0 || !arrived(&capture).is_empty());
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert_eq!(arrived_records(&capture).len(), given.len());
}

#[test]
fn where_logs_are_to_pass_they_are_not_looked_at() {
    let capture = Capture::start();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut agent = Agent::new(crate::harness::sink::Script::default());
    agent.has_tap(format!(
        "{{grpc: '{address}', http: null, forward: ['otlp=http://{}'], logs: pass}}",
        capture.address
    ));
    agent.start();
    agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
    let (_, given) = spans_have_passed(&agent, address);
    let body = request(&POD, given).encode_to_vec();
    assert_eq!(block_on(grpc(address, &sent(body.clone()))).code, 0);
    agent.running().until(|| arrived(&capture).len() == 1);
    assert_eq!(arrived(&capture)[0].body, body);
    assert_eq!(agent.metric("spanline_log_records_received_total"), 0);
}

#[test]
fn more_than_may_be_held_passes_as_it_came_and_is_counted() {
    let capture = Capture::start();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut agent = Agent::new(crate::harness::sink::Script::default());
    agent.has_tap(format!(
        "{{grpc: '{address}', http: null, forward: ['otlp=http://{}'], queue: 1MiB}}\nlink: {{wait: 5m}}",
        capture.address
    ));
    agent.start();
    agent.running().until(|| std::net::TcpStream::connect(address).is_ok());
    let (_, given) = spans_have_passed(&agent, address);
    let body = request(&POD, given).encode_to_vec();
    for _ in 0..20 {
        assert_eq!(block_on(grpc(address, &sent(body.clone()))).code, 0);
    }
    agent.running().until(|| agent.metric("spanline_limits_reached_total{limit=\"tap_logs\"}") > 5);
    assert!(arrived(&capture).iter().all(|captured| captured.body == body));
    let end = agent.stop();
    assert_eq!(end.code, Some(0), "{}", end.err);
    assert_eq!(arrived_records(&capture).len(), 20 * 600);
}
