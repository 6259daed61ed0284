//! Lines per CPU second from files to an endpoint that acknowledges them, beside the physical limit.
//!
//! `cargo bench --bench ship -- [--logs DIR] [--lines N] [--runs N] [--only client|limit|spanline]`
//!
//! Writes a workload (or takes `--logs DIR`), starts a sink as a process of its own, and measures as children: the
//! client alone with encoded messages, the limit program (reads, finds newlines, sends as many OTLP bytes, parses
//! nothing), and `spanline backfill` without compression and with zstd. A rate counts only if all records arrived.

mod client;
mod generate;
#[allow(dead_code, reason = "shared with the other benches")]
mod measure;
mod sink;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::measure::Run;
use crate::sink::{Sink, Tally};

/// OTLP bytes of a record of the workload, until `spanline` has told the real number.
const RECORD_BYTES: u64 = 385;

struct Arguments {
    logs: Option<PathBuf>,
    lines: u64,
    runs: usize,
    only: Option<String>,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("role-sink") => return sink::serve(),
        Some("role-client") => return client::send_encoded(&words[1..]),
        Some("role-plain") => return client::send_plainly(&words[1..]),
        Some("role-limit") => return client::send_lines(&words[1..]),
        _ => {}
    }
    let arguments = arguments(&words)?;
    let wanted = |part: &str| arguments.only.as_deref().is_none_or(|only| only == part);
    if wanted("client") {
        measure_client(arguments.runs)?;
    }
    if !wanted("limit") && !wanted("spanline") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let logs = match &arguments.logs {
        Some(logs) => logs.clone(),
        None => {
            generate::write(folder.path(), arguments.lines)?;
            folder.path().to_owned()
        }
    };
    let (lines, records) = generate::count(&logs)?;
    println!("workload: {lines} CRI lines, {records} records");
    let mut record_bytes = RECORD_BYTES;
    let mut rates = Vec::new();
    if wanted("spanline") {
        for compression in ["none", "zstd"] {
            match measure_spanline(&logs, compression, arguments.runs, lines, records) {
                Ok((rate, bytes)) => {
                    rates.push((compression, rate));
                    record_bytes = bytes;
                }
                Err(error) => println!("spanline, {compression}: {error:#}"),
            }
        }
    }
    if wanted("limit") {
        let limit = measure_limit(&logs, record_bytes, arguments.runs, lines, records)?;
        for (compression, rate) in rates {
            println!("spanline, {compression}: {:.0} % of the limit program", 100.0 * rate / limit);
        }
    }
    Ok(())
}

fn arguments(words: &[String]) -> Result<Arguments> {
    let mut arguments = Arguments { logs: None, lines: 1_500_000, runs: 5, only: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--logs" => arguments.logs = Some(value()?.into()),
            "--lines" => arguments.lines = value()?.parse()?,
            "--runs" => arguments.runs = value()?.parse()?,
            "--only" => arguments.only = Some(value()?.clone()),
            // Cargo's own.
            "--bench" => {}
            other => bail!("unknown argument {other}"),
        }
    }
    Ok(arguments)
}

fn own(role: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role);
    Ok(command)
}

/// Runs a child several times against a fresh sink each; tells what it cost and what arrived.
fn runs(times: usize, mut command: impl FnMut(u16) -> Result<Command>) -> Result<(Vec<Run>, Tally)> {
    let mut all = Vec::new();
    let mut tally = Tally::default();
    for _ in 0..times {
        let sink = Sink::start()?;
        all.push(measure::run(&mut command(sink.port)?)?);
        tally = sink.stop()?;
    }
    Ok((all, tally))
}

fn measure_client(times: usize) -> Result<()> {
    const BYTES: u64 = 2_000_000_000;
    for (role, name) in [("role-client", "client"), ("role-plain", "h2 as it comes")] {
        let (runs, tally) = runs(times, |port| {
            let mut command = own(role)?;
            command.args([port.to_string(), BYTES.to_string()]);
            Ok(command)
        })?;
        let per_gb = |of: fn(&Run) -> f64| median(runs.iter().map(of)) * 1e9 / tally.bytes as f64;
        println!(
            "{name}: {:.3} CPU s per GB ({:.3} user, {:.3} system), {:.2} s wall per GB, peak {:.0} MiB, {} records",
            per_gb(Run::cpu),
            per_gb(|run| run.user),
            per_gb(|run| run.system),
            per_gb(|run| run.wall),
            median(runs.iter().map(|run| run.peak_mib)),
            tally.records,
        );
    }
    Ok(())
}

fn measure_limit(logs: &Path, record_bytes: u64, times: usize, lines: u64, records: u64) -> Result<f64> {
    let (runs, tally) = runs(times, |port| {
        let mut command = own("role-limit")?;
        command.args([port.to_string(), record_bytes.to_string()]).arg(logs);
        Ok(command)
    })?;
    // It joins nothing, so it sends a record for each line.
    if tally.records != lines {
        bail!("the limit program: {} of {lines} records arrived ({records} after joining)", tally.records);
    }
    Ok(report("limit program", &runs, &tally, lines))
}

fn measure_spanline(logs: &Path, compression: &str, times: usize, lines: u64, records: u64) -> Result<(f64, u64)> {
    let (runs, tally) = runs(times, |port| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanline"));
        command.arg("backfill").arg(logs).args(["--to", &format!("otlp=http://127.0.0.1:{port}")]);
        command.args(["--compression", compression]);
        Ok(command)
    })?;
    if tally.records != records {
        bail!("{} of {records} records arrived", tally.records);
    }
    let rate = report(&format!("spanline, {compression}"), &runs, &tally, lines);
    Ok((rate, tally.bytes / tally.records.max(1)))
}

fn report(name: &str, runs: &[Run], tally: &Tally, lines: u64) -> f64 {
    let rate = median(runs.iter().map(|run| lines as f64 / run.cpu()));
    println!(
        "{name}: {rate:.0} CRI lines per CPU s, {:.2} CPU s ({:.2} user, {:.2} system), {:.2} s wall, peak {:.0} MiB; {} \
         records, {} bytes, {} on the wire",
        median(runs.iter().map(Run::cpu)),
        median(runs.iter().map(|run| run.user)),
        median(runs.iter().map(|run| run.system)),
        median(runs.iter().map(|run| run.wall)),
        median(runs.iter().map(|run| run.peak_mib)),
        tally.records,
        tally.bytes,
        tally.wire_bytes,
    );
    rate
}

/// The middle one.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
