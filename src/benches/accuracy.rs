//! How right links are, and what they cost: labelled nodes of `testdata/labelled`, with all of their traces and with fewer.
//!
//! `cargo bench --bench accuracy -- [NODE…] [--percent N]… [--stream SECONDS]`
//!
//! Prints for each node, share of traces kept and producer: lines that have a span, trace precision, trace recall, the
//! share of exact spans among the right traces; of the lines whose trace was dropped the share that was linked; lines per
//! CPU second of the whole run (reading, learning, linking). At the end, over all: links by confidence.
//! With `--stream` spans and lines come as they were made, and lines are decided every so many seconds.

#[path = "../tests/harness/labelled.rs"]
mod labelled;
mod measure;
#[path = "../tests/harness/replay.rs"]
mod replay;

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use spanline::correlate::Memory;

use crate::labelled::Node;

const NODES: [&str; 5] = ["crio", "containerd", "seed", "boutique", "trainticket"];

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let (mut nodes, mut percents, mut stream) = (Vec::new(), Vec::new(), None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--percent" => percents.push(words.next().context("--percent needs a number")?.parse::<u64>()?),
            "--stream" => stream = Some(words.next().context("--stream needs a number")?.parse::<i64>()?),
            _ => nodes.push(word),
        }
    }
    if nodes.is_empty() {
        nodes = NODES.map(str::to_owned).into();
    }
    if percents.is_empty() {
        percents = vec![100, 50, 20, 5];
    }
    let folder = tempfile::tempdir()?;
    let mut buckets: BTreeMap<u64, (u64, u64, f64)> = BTreeMap::new();
    println!(
        "{:<12} {:>4} {:<24} {:>8} {:>8} {:>8} {:>8}",
        "node", "%", "producer", "labelled", "trace P", "trace R", "exact"
    );
    for name in &nodes {
        for percent in &percents {
            let node = Node::new(name, *percent, &folder.path().join(format!("{name}-{percent}")))?;
            let (mut run, mut deciding) = (measure::Run::default(), 0.0);
            match stream {
                None => {
                    let mut command = node.command(env!("CARGO_BIN_EXE_spanline"));
                    run = measure::run(command.stderr(std::process::Stdio::null()))?;
                }
                Some(step) => {
                    let memory = Memory::default();
                    deciding = replay::replay(&node.logs, &node.traces, &node.links, step, memory)?.as_secs_f64();
                }
            }
            let result = node.score();
            for (producer, tally) in result.score.producers.iter().filter(|(_, tally)| tally.labelled > 0) {
                let share = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.4}"));
                println!(
                    "{name:<12} {percent:>4} {producer:<24} {:>8} {:>8} {:>8} {:>8}",
                    tally.labelled,
                    share(tally.trace_precision()),
                    share(tally.trace_recall()),
                    share(tally.exact()),
                );
            }
            let (dropped, linked) = result.unsampled;
            let lines = result.score.total.lines + result.score.left_out;
            print!("{name:<12} {percent:>4} {lines} lines, of {dropped} of dropped traces {linked} linked");
            match stream {
                None => println!("; {:.0} lines per CPU s, peak {:.0} MiB", lines as f64 / run.cpu(), run.peak_mib),
                Some(_) => println!("; {:.0} lines per s of learning and deciding", lines as f64 / deciding),
            }
            for bucket in &result.score.calibration {
                let sum = buckets.entry((bucket.from * 100.0).round() as u64).or_default();
                *sum = (sum.0 + bucket.links, sum.1 + bucket.right, sum.2 + bucket.stated);
            }
        }
    }
    println!("\n{:<12} {:>8} {:>8} {:>8}", "confidence", "links", "stated", "observed");
    for (from, (links, right, stated)) in buckets {
        let (links, right) = (links as f64, right as f64);
        println!("from 0.{from:02}    {links:>8} {:>8.4} {:>8.4}", stated / links, right / links);
    }
    Ok(())
}
