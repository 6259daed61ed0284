//! Every record arrives at a real OpenTelemetry Collector, once and whole, over gRPC and HTTP with each compression.
//!
//! The collector is the program that `SPANLINE_COLLECTOR` names (`.ci/collector` builds it): an OTLP receiver whose debug
//! exporter prints what came. Without it the test is skipped, and says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use spanline::metrics::Metrics;
use spanline::notify::Notify;
use spanline::otlp::{Endpoint, Signal};
use spanline::telemetry::push::{Push, PushConfig};

use crate::harness::sink::PATIENCE;

/// Lines written for the test; enough for several requests.
const LINES: usize = 6000;
/// Bodies that are not plain text: each must arrive too.
const ODD: [&[u8]; 5] = [b"", b"\xff\xfe not UTF-8", b"\x1b[31mred\x1b[0m", "žluťoučký 🐎".as_bytes(), b"{\"msg\":1}"];

/// A child process that does not outlive the test.
struct Collector {
    child: Child,
    log: PathBuf,
    grpc: u16,
    http: u16,
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Collector {
    fn start(program: &str, folder: &Path) -> Collector {
        let [grpc, http] = free_ports();
        let config = format!(
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{endpoint: '127.0.0.1:{grpc}'}}\n      \
             http: {{endpoint: '127.0.0.1:{http}'}}\n\
             exporters:\n  debug: {{verbosity: detailed, sampling_initial: 1000000, sampling_thereafter: 1}}\n\
             service:\n  telemetry:\n    metrics: {{level: none}}\n    logs: {{sampling: {{enabled: false}}}}\n  \
             pipelines:\n    logs: {{receivers: [otlp], exporters: [debug]}}\n    \
             metrics: {{receivers: [otlp], exporters: [debug]}}\n"
        );
        let path = folder.join("collector.yaml");
        fs::write(&path, config).unwrap();
        let log = folder.join("collector.log");
        let child = Command::new(program)
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("SPANLINE_COLLECTOR={program}: {error}"));
        let mut collector = Collector { child, log, grpc, http };
        let started = Instant::now();
        while [grpc, http].iter().any(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_err()) {
            let ended = collector.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "no collector ({ended:?}): {}", collector.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        collector
    }

    /// All that it printed so far.
    fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Bodies that came, and how often; waits until there are so many, then a moment more for any that are too many.
    fn bodies(&self, expected: usize) -> BTreeMap<String, usize> {
        let started = Instant::now();
        let count = |text: &str| text.lines().filter(|line| line.starts_with("Body: ")).count();
        while count(&self.said()) < expected && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(200));
        let mut bodies = BTreeMap::new();
        for body in self.said().lines().filter_map(|line| line.strip_prefix("Body: ")) {
            *bodies.entry(body.to_owned()).or_default() += 1;
        }
        bodies
    }
}

/// Two ports that nobody listens on now.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A container's log; returns its folder and how the collector prints each body.
fn logs(folder: &Path) -> (PathBuf, BTreeMap<String, usize>) {
    let root = folder.join("logs");
    let container = root.join("pods/shop_web-7d9f5c6b8-abcde_0d1e2f30-4152-6374-8596-a7b8c9dae1f2/app");
    fs::create_dir_all(&container).unwrap();
    let mut text = Vec::new();
    let mut expected = BTreeMap::new();
    for number in 0..LINES {
        let padding = "x".repeat(number % 700);
        let line = format!("2026-11-23T09:15:00.{number:09}Z stdout F line {number} {padding}\n");
        text.extend_from_slice(line.as_bytes());
        *expected.entry(format!("Str(line {number} {padding})")).or_default() += 1;
    }
    for odd in ODD {
        text.extend_from_slice(b"2026-11-23T09:16:00.5Z stderr F ");
        text.extend_from_slice(odd);
        text.push(b'\n');
    }
    fs::write(container.join("0.log"), text).unwrap();
    (root, expected)
}

fn backfill(logs: &Path, url: &str, compression: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanline"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command.arg("backfill").arg(logs).args(["--to", &format!("otlp={url}"), "--compression", compression]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{url} {compression}: {:?}\n{said}", output.status);
    said
}

/// The collector's program; without one, the test is skipped.
fn program() -> Option<String> {
    let program = std::env::var("SPANLINE_COLLECTOR").ok().filter(|program| !program.is_empty());
    if program.is_none() {
        // Past the capture of tests that pass: a skipped one is to be seen.
        let skipped = "skipped: SPANLINE_COLLECTOR names no OpenTelemetry Collector; .ci/collector builds one\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), skipped.as_bytes());
    }
    program
}

#[test]
fn a_real_collector_reads_the_agents_own_metrics() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(&program, folder.path());
    let metrics = Arc::new(Metrics::new(Instant::now()));
    metrics.input("pods").lines_read.add(4711);
    metrics.destination("otlp=http://c:4317").held.set(12);
    metrics.set_sources(Instant::now(), std::iter::empty());
    let push = |url: &str, name: &str| {
        let endpoint = Endpoint::from_url(url, Signal::Metrics, &|_| None).unwrap();
        let resource = vec![("service.name".to_owned(), name.to_owned())];
        let notify: Notify = Arc::new(|text: &str| panic!("{text}"));
        Push::start(PushConfig { traces: endpoint.clone(), endpoint, resource }, Arc::clone(&metrics), notify).unwrap()
    };
    let _pushes = [
        push(&format!("http://127.0.0.1:{}", collector.grpc), "by-grpc"),
        push(&format!("http://127.0.0.1:{}/v1/metrics", collector.http), "by-http"),
    ];
    let started = Instant::now();
    let printed = [
        "-> service.name: Str(by-grpc)",
        "-> service.name: Str(by-http)",
        "-> Name: spanline_lines_read\n",
        "-> DataType: Sum\n     -> IsMonotonic: true\n     -> AggregationTemporality: Cumulative\n",
        "-> input: Str(pods)\n",
        "Value: 4711\n",
        "-> destination: Str(otlp=http://c:4317)\n",
        "Value: 12\n",
    ];
    while let Some(missing) = printed.iter().find(|words| !collector.said().contains(**words)) {
        assert!(started.elapsed() < PATIENCE, "{missing:?} is not in:\n{}", collector.said());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_real_collector_receives_every_record_once() {
    let Some(program) = program() else { return };
    for protocol in ["grpc", "http"] {
        for compression in ["none", "gzip", "zstd"] {
            let folder = tempfile::tempdir().unwrap();
            let (logs, expected) = logs(folder.path());
            let collector = Collector::start(&program, folder.path());
            let url = match protocol {
                "grpc" => format!("http://127.0.0.1:{}", collector.grpc),
                _ => format!("http://127.0.0.1:{}/v1/logs", collector.http),
            };
            let said = backfill(&logs, &url, compression);
            let bodies = collector.bodies(LINES + ODD.len());
            let place = format!("{protocol} {compression}");
            assert_eq!(bodies.values().sum::<usize>(), LINES + ODD.len(), "{place}\n{said}");
            let mut wrong = String::new();
            for (body, count) in &expected {
                let came = bodies.get(body).copied().unwrap_or_default();
                if came != *count {
                    writeln!(wrong, "{came} times: {body}").unwrap();
                }
            }
            assert!(wrong.is_empty(), "{place}: of {} bodies, those came not once:\n{wrong}", expected.len());
            assert!(said.contains(&format!("{} items", LINES + ODD.len())), "{place}\n{said}");
        }
    }
}
