//! Nanoseconds per payload and shape, over lines like those of a busy node.
//!
//! `cargo bench -p spanline-parsers --bench payload [-- FILE…]`; with FILEs (container logs) their lines are taken, each
//! shape apart and the mix as it comes, the envelope included.

use std::hint::black_box;
use std::time::Instant;

use spanline_parsers::detect::{Expect, payload};
use spanline_parsers::{Entry, cri, trace_context};

const LINES: [&str; 9] = [
    "2026-08-22 10:15:30.000  INFO 1 --- [nio-8080-exec-16] c.e.shop.CacheController : flush service payment database limit topic policy connection plan id=2ebff12c took=1619ms",
    "2026-08-22 10:15:30.969  INFO 1 --- [nio-8080-exec-11] [trace_id=f52eb68300339dc7f5720feadb43d56b span_id=ddc5a11a48434c3b] c.e.shop.ObjectController : handler user topic backend id=436de82d took=171ms",
    "I0822 10:15:30.002460    1610 reconciler_common.go:1045] \"Index checkout plan commit\" pod=\"default/flush-9afab3bcb-444fd\" podUID=\"c5d1caff-c461-4c70-a7fd-316f84dddeb7\" err=\"<nil>\"",
    "10.225.34.223 - - [22/Aug/2026:10:15:14 +0000] \"GET /api/v1/timeout/a46bec65a93e?user=78450 HTTP/1.1\" 200 6438 \"https://shop.example.com/schema\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\" rt=0.910",
    "{\"level\":\"info\",\"ts\":\"2026-08-22T10:15:30.003217003Z\",\"logger\":\"commit\",\"caller\":\"schema/follower.go:764\",\"msg\":\"shard service request refresh\",\"http.method\":\"GET\",\"http.status_code\":404,\"duration_ms\":155.769,\"user\":{\"id\":976021,\"tier\":\"free\"},\"trace_id\":\"3b73e357fd61e63a7f506c9b48d7922c\",\"span_id\":\"5ea8e8b6f94e4093\"}",
    "time=\"2026-08-22T10:15:30.005572700Z\" level=info msg=\"commit flush cart leader leader partition\" component=quota id=bfcad3aee0c46b65 duration=5.163ms addr=10.215.120.50:28440",
    "2026-08-22 10:15:30,002 ERROR [user] replica object queue user handler commit pool queue policy checkout flush backend pool shard service partition schema",
    "2026-11-23T12:03:00.630586Z DEBUG exec_sync_container{container_id=\"298582c65d5e68d30093f220c897381e1b08fdd75e88ddbc28671a271827b8f3\" uuid=bd4ef0c4-83a2-478e-9487-3cfb6981cf6d}:promise:stderr: conmonrs::container_io: 279: Nothing more to read",
    "one plain line of text, of a length that is usual for programs that just print what they do, without any id and without any key; it goes on for a while until about two hundred and thirty bytes are full, as these words now are at last",
];

fn main() {
    let files: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if files.is_empty() {
        for line in LINES {
            report(&[line.as_bytes()], 400_000);
        }
        let plain = LINES[8].as_bytes();
        let nanos = time(400_000, || _ = black_box(trace_context::from_text(black_box(plain))));
        println!("{:>8.1} ns  from_text of {} bytes without ids", nanos, plain.len());
        return;
    }
    for file in files {
        match std::fs::read(&file) {
            Ok(bytes) => of_file(&bytes),
            Err(error) => eprintln!("{file}: {error}"),
        }
    }
}

/// Each format by itself, then all lines with their envelope.
fn of_file(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
    let mut entry = Entry::default();
    let mut by_format: std::collections::BTreeMap<&str, Vec<&[u8]>> = std::collections::BTreeMap::new();
    for line in lines.iter().filter_map(|line| cri::line(line)).filter(|line| !line.partial) {
        payload(line.content, Expect::Auto, &mut entry);
        by_format.entry(entry.format.name()).or_default().push(line.content);
    }
    for lines in by_format.values() {
        report(&lines[..lines.len().min(2000)], 200);
    }
    let lines = &lines[..lines.len().min(5000)];
    let nanos = time(200, || {
        for line in lines {
            if let Some(line) = cri::line(line) {
                payload(black_box(line.content), Expect::Auto, &mut entry);
                black_box(&entry);
            }
        }
    });
    println!("{:>8.1} ns  cri::line + payload, {} lines as they come", nanos / lines.len() as f64, lines.len());
}

fn report(lines: &[&[u8]], rounds: usize) {
    let mut entry = Entry::default();
    let nanos = time(rounds, || {
        for line in lines {
            payload(black_box(line), Expect::Auto, &mut entry);
            black_box(&entry);
        }
    });
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let per_line = nanos / lines.len() as f64;
    println!(
        "{per_line:>8.1} ns  {}{} ({} bytes)",
        entry.format.name(),
        if entry.trace.trace_id.is_some() { " with ids" } else { "" },
        bytes / lines.len()
    );
}

/// The best of many short batches, in ns per round: a busy machine disturbs some of them, seldom all.
fn time(rounds: usize, mut work: impl FnMut()) -> f64 {
    let batch = rounds.div_ceil(200);
    (0..200)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..batch {
                work();
            }
            started.elapsed().as_secs_f64() * 1e9 / batch as f64
        })
        .fold(f64::INFINITY, f64::min)
}
