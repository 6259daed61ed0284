//! How right links are, and what they cost: labelled nodes of `testdata/labelled`, with all of their traces and with fewer.
//!
//! `cargo bench --bench accuracy -- [NODE…] [--percent N]… [--stream SECONDS [--wait SECONDS] [--fixed 1]
//! [--after SECONDS] [--keep FOLDER]]`
//!
//! A node is a name in `testdata/labelled` or the folder of an unpacked capture. Prints for each node, share of traces kept
//! and producer: lines that have a span, trace precision, trace recall, the share of exact spans among the right traces; of
//! the lines whose trace was dropped the share that was linked; lines per CPU second of the whole run (reading, learning,
//! linking). At the end, over all: links by confidence.
//! With `--stream` spans come as their requests did (`traces.received.txt` beside the traces; else each 5 seconds) and lines as
//! they were made; lines are decided every so many seconds once their spans have come or they have waited (10 seconds; with
//! `--fixed 1` all of them wait), and those of the first seconds (60) are left out, when little was learned; next to it stands what the same
//! lines reach when all are decided at once; the links of both are written to a folder where one is given. CPU time is told
//! by part: taking in spans and lines, learning and deciding, giving out links.

#[path = "../tests/harness/labelled.rs"]
mod labelled;
#[allow(dead_code, reason = "shared with the other benches")]
mod measure;
#[path = "../tests/harness/replay.rs"]
mod replay;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

use spanline::correlate::Memory;
use spanline::record::Link;

use crate::labelled::Node;
use crate::replay::{Pace, Part, Replay};

const NODES: [&str; 6] = ["crio", "containerd", "seed", "boutique", "trainticket", "frameworks"];

/// How a stream is played: seconds.
struct Stream {
    step: f64,
    wait: f64,
    is_fixed: bool,
    after: f64,
    /// Where links are kept.
    keep: Option<PathBuf>,
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let (mut nodes, mut percents, mut stream, mut wait, mut after, mut keep, mut is_fixed) =
        (Vec::new(), Vec::new(), None, 10.0, 60.0, None, false);
    while let Some(word) = words.next() {
        let mut number =
            || -> Result<f64> { Ok(words.next().with_context(|| format!("{word} needs a number"))?.parse::<f64>()?) };
        match word.as_str() {
            "--percent" => percents.push(number()? as u64),
            "--stream" => stream = Some(number()?),
            "--wait" => wait = number()?,
            "--fixed" => is_fixed = number()? > 0.0,
            "--after" => after = number()?,
            "--keep" => keep = words.next().map(PathBuf::from),
            _ => nodes.push(word),
        }
    }
    if nodes.is_empty() {
        nodes = NODES.map(str::to_owned).into();
    }
    let folder = tempfile::tempdir()?;
    let node = |name: &str, percent: u64| {
        let folder = folder.path().join(format!("{}-{percent}", name.replace('/', "_")));
        match NODES.contains(&name) {
            true => Node::new(name, percent, &folder),
            false => {
                let files = ["traces.bare.otlp.jsonl", "truth.jsonl"].map(|file| Path::new(name).join(file));
                Node::of_files(Path::new(name).join("logs"), files, percent, &folder)
            }
        }
    };
    match stream {
        Some(step) => {
            percents.extend(percents.is_empty().then_some(100));
            play_all(&nodes, &percents, &node, &Stream { step, wait, is_fixed, after, keep })
        }
        None => {
            percents.extend(percents.is_empty().then_some([100, 50, 20, 5]).into_iter().flatten());
            run_all(&nodes, &percents, &node)
        }
    }
}

/// Each node as a stream and at once.
fn play_all(
    nodes: &[String],
    percents: &[u64],
    node: &dyn Fn(&str, u64) -> std::io::Result<Node>,
    stream: &Stream,
) -> Result<()> {
    println!("{:<24} {:>4} {:<12} {:>8}    stream: trace P, R, exact    at once", "node", "%", "producer", "labelled");
    for name in nodes {
        for percent in percents {
            let mut node = node(name, *percent)?;
            let replay = Replay::load(&node.logs, &node.traces)?;
            let pace =
                Pace { wait: (stream.wait * 1e9) as i64, is_fixed: stream.is_fixed, ..Pace::seconds(stream.step) };
            let (mut stream_costs, mut whole_costs) = (Costs::default(), Costs::default());
            let (streamed, waited) =
                replay.stream(pace, Memory::default(), &mut |part, act| stream_costs.add(part, act));
            let at_once = replay.whole(&mut |part, act| whole_costs.add(part, act));
            let lasts = replay.lasts() as f64 / 1e9;
            if lasts > stream.after {
                node.leave_out(replay.lines_before(replay.begins() + (stream.after * 1e9) as i64))?;
            }
            let short = name.rsplit('/').next().unwrap_or_default();
            let score = |links: &[Option<Link>], how: &str| {
                replay.write(links, &node.links)?;
                if let Some(folder) = &stream.keep {
                    std::fs::copy(&node.links, folder.join(format!("{short}-{percent}-{how}.links")))?;
                }
                anyhow::Ok(node.score())
            };
            println!("{short:<24} {percent:>4} waited s: {}", told_waits(&replay, stream.after, (&streamed, &waited)));
            let (streamed, at_once) = (score(&streamed, "stream")?, score(&at_once, "once")?);
            for (producer, tally) in streamed.score.producers.iter().filter(|(_, tally)| tally.labelled > 0) {
                let share = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.4}"));
                print!("{short:<24} {percent:>4} {producer:<12} {:>8}", tally.labelled);
                for tally in [tally, &at_once.score.producers[producer]] {
                    let shares = [tally.trace_precision(), tally.trace_recall(), tally.exact()].map(share);
                    print!("    {}", shares.join(" "));
                }
                println!();
            }
            let (dropped, linked) = streamed.unsampled;
            println!(
                "{short:<24} {percent:>4} of {dropped} lines of dropped traces {linked} linked; lasts {lasts:.0} s"
            );
            if lasts <= stream.after {
                println!("{short:<24} {percent:>4} too short to be judged after {} s: all lines counted", stream.after);
            }
            for (how, costs) in [("stream", stream_costs), ("at once", whole_costs)] {
                println!("{short:<24} {percent:>4} {how}: {}", costs.told(replay.len()));
            }
        }
    }
    Ok(())
}

/// How long lines with a link were waited with, after the first seconds.
fn told_waits(replay: &Replay, after: f64, (links, waited): (&[Option<Link>], &[i64])) -> String {
    let from = replay.lines_before(replay.begins() + (after * 1e9) as i64).count();
    let linked = links.iter().zip(waited).skip(from).filter(|(link, _)| link.is_some());
    let mut waits: Vec<f64> = linked.map(|(_, waited)| *waited as f64 / 1e9).collect();
    waits.sort_by(f64::total_cmp);
    let quantile = |share: f64| waits.get((waits.len() as f64 * share) as usize).copied().unwrap_or_default();
    format!("p50 {:.1}, p90 {:.1}, p99 {:.1}", quantile(0.5), quantile(0.9), quantile(0.99))
}

/// CPU time of each part, in seconds.
#[derive(Debug, Default)]
struct Costs(HashMap<Part, f64>);

impl Costs {
    /// Runs a part, and adds what it takes of this thread's CPU time.
    fn add(&mut self, part: Part, act: &mut dyn FnMut()) {
        let now = || {
            let time = clock_gettime(ClockId::ThreadCPUTime);
            time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
        };
        let before = now();
        act();
        *self.0.entry(part).or_default() += now() - before;
    }

    fn told(&self, lines: usize) -> String {
        let lines = lines as f64;
        let of = |part| self.0.get(&part).copied().unwrap_or_default();
        let each = |part| of(part) / lines * 1e6;
        format!(
            "{:.0} lines per CPU s of learning and deciding, {:.0} of all (µs a line: {:.2} spans, {:.2} lines, \
             {:.2} deciding, {:.2} links)",
            lines / of(Part::Deciding),
            lines / self.0.values().sum::<f64>(),
            each(Part::Spans),
            each(Part::Lines),
            each(Part::Deciding),
            each(Part::Links),
        )
    }
}

/// Each node by the program as it is.
fn run_all(nodes: &[String], percents: &[u64], node: &dyn Fn(&str, u64) -> std::io::Result<Node>) -> Result<()> {
    let mut buckets: BTreeMap<u64, (u64, u64, f64)> = BTreeMap::new();
    println!(
        "{:<12} {:>4} {:<24} {:>8} {:>8} {:>8} {:>8}",
        "node", "%", "producer", "labelled", "trace P", "trace R", "exact"
    );
    for name in nodes {
        for percent in percents {
            let node = node(name, *percent)?;
            let mut command = node.command(env!("CARGO_BIN_EXE_spanline"));
            let run = measure::run(command.stderr(std::process::Stdio::null()))?;
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
            println!("; {:.0} lines per CPU s, peak {:.0} MiB", lines as f64 / run.cpu(), run.peak_mib);
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
