//! Nanoseconds per line of JSON: `cargo bench -p spanline-parsers --bench json [FILE…]`.
//!
//! Without files, some typical lines of its own; else the first thousand lines of each file that are JSON, CRI envelopes aside.

#![allow(clippy::unwrap_used)] // A bench that cannot read its files has nothing to say.

use std::hint::black_box;
use std::time::{Duration, Instant};

use spanline_parsers::{Entry, cri, docker_json, journal_json, json, json_line};

const ZAP: &[u8] = br#"{"level":"info","ts":"2026-08-22T10:15:30.003217003Z","logger":"orders","caller":"queue/worker.go:764","msg":"request refreshed from the pool of carts and their tokens","http.method":"GET","http.status_code":404,"duration_ms":155.769,"user":{"id":976021,"tier":"free"},"trace_id":"3b73e357fd61e63a7f506c9b48d7922c","span_id":"5ea8e8b6f94e4093"}"#;
const KLOG: &[u8] = br#"{"ts":1718790679123.4567,"caller":"kubelet/kubelet.go:2451","msg":"SyncLoop UPDATE","v":2,"source":"api","pods":[{"name":"web-0","namespace":"shop"}]}"#;
const LOGRUS: &[u8] = br#"{"containerID":"75ef","file":"server/container_start.go:101","id":"2ebff12c-75a4-4e10-a62f-5c2d1f2f7ba1","level":"info","msg":"Started container","name":"/runtime.v1.RuntimeService/StartContainer","time":"2026-05-27T16:02:35.269681149Z"}"#;
const DOCKER: &[u8] = br#"{"log":"10:15:30.853 INFO  o.s.Orders#37 [pay][Pay for: b15d0a56-5f5b-4a17-b365-b1a6740afac9]\n","stream":"stdout","time":"2022-08-22T05:18:20.853785082Z"}"#;
const DOCKER_JSON: &[u8] = br#"{"log":"{\"http.req.id\":\"35f06401\",\"http.req.method\":\"GET\",\"http.req.path\":\"/\",\"message\":\"Request started\",\"session\":\"0a15d624-9e70-4096-b06a-53b6f4d98d4b\",\"severity\":\"info\",\"timestamp\":\"2022-08-22T05:18:16.353681375Z\"}\n","stream":"stdout","time":"2022-08-22T05:18:16.353794851Z"}"#;
const JOURNAL: &[u8] = br#"{"_GID":"0","__MONOTONIC_TIMESTAMP":"5056177418","PRIORITY":"6","__CURSOR":"s=661532801312481898ba26a00ce23171;i=1;b=0b07;m=12d5f250a;t=660f09a978eec;x=8dea18c0e2c4a51b","_HOSTNAME":"node-1","_COMM":"crio","_PID":"22141","_UID":"0","_TRANSPORT":"stdout","MESSAGE":"level=info msg=\"Started container\"","_BOOT_ID":"0b07","__REALTIME_TIMESTAMP":"1795436362305260"}"#;

fn main() {
    // The first arguments are cargo's.
    let files: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if files.is_empty() {
        for (name, line) in [("zap", ZAP), ("klog", KLOG), ("logrus", LOGRUS)] {
            both(name, &[line]);
        }
        measure("docker, text", &[DOCKER], |line| docker_json::line(line).is_some());
        measure("docker, JSON", &[DOCKER_JSON], |line| docker_json::line(line).is_some());
        measure("journal", &[JOURNAL], |line| journal_json::line(line).is_some());
    }
    for file in files {
        let text = std::fs::read(&file).unwrap();
        let lines: Vec<&[u8]> = text
            .split(|byte| *byte == b'\n')
            .map(|line| cri::line(line).map_or(line, |line| line.content))
            .filter(|line| json::value_end(line) == Some(line.len()))
            .take(1000)
            .collect();
        both(&file, &lines);
        if lines.first().is_some_and(|line| docker_json::line(line).is_some()) {
            measure(&format!("docker {file}"), &lines, |line| docker_json::line(line).is_some());
        }
    }
}

fn both<'a>(name: &str, lines: &[&'a [u8]]) {
    measure(&format!("scan {name}"), lines, scan);
    // As a reader does: the room of the fields is kept from line to line.
    let mut entry = Entry::default();
    measure(&format!("line {name}"), lines, |line: &'a [u8]| {
        entry.clear();
        json_line::line(line, &mut entry)
    });
}

fn scan(line: &[u8]) -> bool {
    let mut members = json::object(line).unwrap();
    for member in members.by_ref() {
        black_box(member);
    }
    members.end().is_some()
}

/// Runs over the lines for about half a second, and prints the best round's mean.
fn measure<'a>(name: &str, lines: &[&'a [u8]], mut read: impl FnMut(&'a [u8]) -> bool) {
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let rounds = (40_000 / bytes.max(1)).max(1);
    let mut best = Duration::MAX;
    let end = Instant::now() + Duration::from_millis(500);
    while Instant::now() < end {
        let start = Instant::now();
        for _ in 0..rounds {
            for line in lines {
                assert!(read(black_box(line)));
            }
        }
        best = best.min(start.elapsed());
    }
    let count = (rounds * lines.len()).max(1) as f64;
    let (per_line, length) = (best.as_nanos() as f64 / count, bytes as f64 / lines.len().max(1) as f64);
    println!("{name}: {per_line:.0} ns a line of {length:.0} bytes");
}
