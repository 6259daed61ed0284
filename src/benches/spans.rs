//! Spans per CPU second: from JSON to protobuf, to facts, and with an event put on each.
//!
//! `cargo bench --bench spans -- [--spans N] [--runs N] [--only json|scan|splice]`
//!
//! Makes requests of a hundred spans as instrumented servers send them. CPU time is the process's own, from /proc.

use anyhow::{Context, Result, bail};
use spanline::export::span_events::annotate::SpanEvents;
use spanline::export::span_events::event_bytes::put_attribute;
use spanline::otlp::wire::spans::{self, ids_of};
use spanline::otlp::wire::write;
use spanline::spans::file::{Limits, TraceFile};
use spanline::spans::scan::{Room, for_each_fact};

const SPANS_OF_REQUEST: usize = 100;
const START: u64 = 1_795_425_291_000_000_000;

struct Arguments {
    spans: usize,
    runs: usize,
    only: Option<String>,
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    let json = json(arguments.spans);
    let requests = requests(&json)?;
    let bytes: usize = requests.iter().map(Vec::len).sum();
    println!("{} spans, {} bytes of JSON, {bytes} of protobuf", arguments.spans, json.len());
    let wanted = |part: &str| arguments.only.as_deref().is_none_or(|only| only == part);
    let mut both = 0.0;
    if wanted("json") {
        report("JSON to protobuf and facts", &arguments, || from_json(&json))?;
    }
    if wanted("scan") {
        both += report("scan", &arguments, || scan(&requests))?;
    }
    if wanted("splice") {
        both += report("splice, one event on each span", &arguments, || splice(&requests))?;
    }
    if arguments.only.is_none() {
        println!("scan and splice: {:.0} spans per CPU s", arguments.spans as f64 / both);
    }
    Ok(())
}

fn arguments() -> Result<Arguments> {
    let mut arguments = Arguments { spans: 200_000, runs: 5, only: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--spans" => arguments.spans = value()?.parse()?,
            "--runs" => arguments.runs = value()?.parse()?,
            "--only" => arguments.only = Some(value()?),
            // Cargo's own.
            "--bench" => {}
            other => bail!("unknown argument {other}"),
        }
    }
    Ok(arguments)
}

/// Runs a part several times: its CPU seconds, the middle ones.
fn report(name: &str, arguments: &Arguments, mut run: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut all = (0..arguments.runs).map(|_| run()).collect::<Result<Vec<_>>>()?;
    all.sort_by(f64::total_cmp);
    let middle = all[all.len() / 2];
    println!("{name}: {:.0} spans per CPU s", arguments.spans as f64 / middle);
    Ok(middle)
}

/// CPU seconds of this process: fields 14 and 15 of its stat, in hundredths.
fn cpu() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}

fn from_json(json: &str) -> Result<f64> {
    let mut file = TraceFile::from_reader(Box::new(std::io::Cursor::new(json.to_owned())), Limits::default())?;
    let start = cpu()?;
    let mut spans = 0;
    while let Some(counts) = file.next_facts(&mut |_, _| {})? {
        spans += counts.spans;
    }
    std::hint::black_box(spans);
    Ok(cpu()? - start)
}

fn scan(requests: &[Vec<u8>]) -> Result<f64> {
    let (start, mut room, mut seen) = (cpu()?, Room::default(), 0);
    for request in requests {
        for_each_fact(request, &mut room, &mut |_, span| seen += span.attributes.len());
    }
    std::hint::black_box(seen);
    Ok(cpu()? - start)
}

fn splice(requests: &[Vec<u8>]) -> Result<f64> {
    let mut events = SpanEvents::new(usize::MAX, u64::MAX);
    let event = event();
    for request in requests {
        spans::each(request, |at| {
            if let Some(ids) = ids_of(at.span) {
                events.push(ids, START, &event, 7);
            }
        });
    }
    let mut out = Vec::new();
    let start = cpu()?;
    for request in requests {
        out.clear();
        events.annotate(request, None, &mut out)?;
        std::hint::black_box(&out);
    }
    let taken = cpu()? - start;
    anyhow::ensure!(events.counts().added == events.counts().waiting, "an event is on no span");
    Ok(taken)
}

fn event() -> Vec<u8> {
    let mut event = vec![0x09];
    event.extend_from_slice(&START.to_le_bytes());
    write::bytes(&mut event, 0x12, b"INFO: SyncLoop ADD source=api pods=[default/web-0]");
    for (key, value) in [
        ("log.severity", "INFO"),
        ("spanline.link", "inferred 0.99"),
        ("log.file.name", "kubelet.log"),
        ("log.file.line", "123"),
        ("k8s.pod.name", "web-0"),
        ("code.file.path", "kubelet.go"),
    ] {
        put_attribute(&mut event, key, value);
    }
    event
}

fn requests(json: &str) -> Result<Vec<Vec<u8>>> {
    let mut file = TraceFile::from_reader(Box::new(std::io::Cursor::new(json.to_owned())), Limits::default())?;
    let mut requests = Vec::new();
    while let Some(request) = file.next_request()? {
        requests.push(request.to_vec());
    }
    Ok(requests)
}

/// Requests a line.
fn json(spans: usize) -> String {
    let mut text = String::new();
    for first in (0..spans).step_by(SPANS_OF_REQUEST) {
        text.push_str(
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"kubelet"}},{"key":"host.name","value":{"stringValue":"node-1"}}]},"scopeSpans":[{"scope":{"name":"otelgrpc","version":"0.65.0"},"spans":["#,
        );
        let numbers = first..(first + SPANS_OF_REQUEST).min(spans);
        let all: Vec<String> = numbers.map(span).collect();
        text.push_str(&all.join(","));
        text.push_str("]}]}]}\n");
    }
    text
}

fn span(number: usize) -> String {
    let (trace, start) = (number as u64 / 4 + 1, START + 1000 * number as u64);
    let end = start + 5_000_000;
    let message = |kind: &str, time: u64| {
        format!(
            r#"{{"timeUnixNano":"{time}","name":"message","attributes":[{{"key":"rpc.message.type","value":{{"stringValue":"{kind}"}}}},{{"key":"rpc.message.id","value":{{"intValue":"1"}}}}]}}"#
        )
    };
    let events = match number % 4 {
        0 => format!("{},{}", message("SENT", start + 10), message("RECEIVED", end)),
        _ => String::new(),
    };
    format!(
        r#"{{"traceId":"{:032x}","spanId":"{:016x}","parentSpanId":"{:016x}","flags":257,"name":"runtime.v1.RuntimeService/ListContainers","kind":3,"startTimeUnixNano":"{start}","endTimeUnixNano":"{end}","attributes":[{{"key":"rpc.method","value":{{"stringValue":"runtime.v1.RuntimeService/ListContainers"}}}},{{"key":"rpc.system.name","value":{{"stringValue":"grpc"}}}},{{"key":"server.address","value":{{"stringValue":"/run/containerd/containerd.sock"}}}},{{"key":"rpc.response.status_code","value":{{"intValue":"0"}}}}],"events":[{events}],"status":{{}}}}"#,
        u128::from(trace) << 64 | u128::from(trace),
        number as u64 + 1,
        number as u64 & !3
    )
}
