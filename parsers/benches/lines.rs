//! Nanoseconds of CPU per line, and lines per CPU second, for one typical line of each format.
//!
//! `cargo bench -p spanline-parsers` measures the lines below; `… -- FILE` a container log file instead, envelope and
//! payload by the shape of its first byte. Best of several runs, since other work shares the machine.

use std::hint::black_box;
use std::time::Instant;

use spanline_parsers::continuation::Open;
use spanline_parsers::{Entry, cri, klog, logfmt, logrus};

const CRI: &str = "2026-08-22T10:15:30.002460669Z stderr F hello";
const CRI_ZONE: &str = "2026-08-22T10:15:30.002460669+00:00 stderr F hello";
const KLOG: &str = "I0822 10:15:30.002460    1610 reconciler_common.go:1045] \"Index checkout plan commit\" \
    pod=\"default/flush-9afab3bcb-444fd\" podUID=\"c5d1caff-c461-4c70-a7fd-316f84dddeb7\" err=\"<nil>\"";
const KLOG_FREE: &str = "I0822 10:15:30.002460    1610 reconciler.go:1045] operationExecutor.MountVolume started";
const KLOG_ESCAPED: &str = "E0822 10:15:30.002460    1610 pod_workers.go:1300] \"Error syncing pod, skipping\" \
    err=\"failed to \\\"StartContainer\\\" for \\\"app\\\": back-off 5m0s\" pod=\"default/app\" event={\"ID\":\"7e\",\"n\":[1,2]}";
const LOGRUS: &str = "time=\"2026-08-22T10:15:30.001091412Z\" level=warning msg=\"queue retry query follower handler flush\" \
    component=connection id=c3859191a5a56a76 duration=92.761ms addr=10.43.252.238:49478";
const LOGFMT: &str =
    "ts=2026-08-22T10:15:30.001Z caller=main.go:12 level=info component=\"rule manager\" msg=\"it is on\" n=3";
const SPRING: &str = "2026-08-22 10:15:30.000  INFO 1 --- [nio-8080-exec-16] c.e.shop.CacheController : flush service";

fn main() {
    if let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) {
        return file(&path);
    }
    measure("cri::line, nine digits, Z", CRI, |line| cri::line(line).is_some());
    measure("cri::line, nine digits, +00:00", CRI_ZONE, |line| cri::line(line).is_some());
    parse("klog::text, structured", KLOG, klog::text);
    parse("klog::text, free text", KLOG_FREE, klog::text);
    parse("klog::text, escapes and JSON", KLOG_ESCAPED, klog::text);
    parse("logrus::text", LOGRUS, logrus::text);
    parse("logfmt::line", LOGFMT, logfmt::line);
    for (name, text) in [("klog", KLOG), ("logrus", LOGRUS), ("spring", SPRING)] {
        measure(&format!("continuation, {name} after {name}"), text, |line| {
            let mut open = Open::start(line);
            !black_box(&mut open).takes(line, line)
        });
    }
    measure("klog::find_header in other text", SPRING, |line| klog::find_header(line).is_none());
}

type Parser = for<'a> fn(&'a [u8], &mut Entry<'a>) -> bool;

fn parse(name: &str, text: &str, parser: Parser) {
    let mut entry = Entry::default();
    measure_with(name, text, |line| {
        entry.clear();
        parser(line, &mut entry)
    });
}

fn measure(name: &str, text: &str, mut read: impl FnMut(&[u8]) -> bool) {
    let best = best(20, 100_000, || assert!(black_box(read(black_box(text.as_bytes()))), "{name} is not read"));
    report(name, best);
}

/// As [`measure`], for readers that keep what they borrowed.
fn measure_with<'t>(name: &str, text: &'t str, mut read: impl FnMut(&'t [u8]) -> bool) {
    let best = best(20, 100_000, || assert!(black_box(read(black_box(text.as_bytes()))), "{name} is not read"));
    report(name, best);
}

fn file(path: &str) {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return eprintln!("read {path}: {error}"),
    };
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut read = 0usize;
    let nanos = best(10, 1, || {
        read = 0;
        let mut entry = Entry::default();
        let (mut open, mut first) = (Open::default(), &b""[..]);
        for line in &lines {
            let content = cri::line(line).map_or(*line, |line| line.content);
            if !open.takes(first, content) {
                (open, first) = (Open::start(content), content);
            }
            entry.clear();
            read += usize::from(match content.first() {
                Some(b'I' | b'W' | b'E' | b'F') => klog::text(content, &mut entry),
                Some(b't' | b'l') => logrus::text(content, &mut entry) || logfmt::line(content, &mut entry),
                _ => false,
            });
        }
    });
    println!("{read} of {} lines are klog, logrus or logfmt", lines.len());
    report("whole lines of the file", nanos / lines.len().max(1) as f64);
}

/// Nanoseconds per turn in the best of several runs.
fn best(runs: usize, turns: usize, mut work: impl FnMut()) -> f64 {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            (0..turns).for_each(|_| work());
            start.elapsed().as_nanos() as f64 / turns as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn report(name: &str, nanos: f64) {
    println!("{name:45} {nanos:8.1} ns/line {:12.0} lines per CPU second", 1e9 / nanos);
}
