//! What the live agent costs, and how soon lines arrive.
//!
//! `cargo bench --bench follow -- [steady|idle|noisy] [--seconds N] [--files N] [--rate LINES_PER_SECOND] [--rotate]`
//!
//! - `steady` (default): lines to 100 files at 10,000 a second; with `--rotate` a file is rotated each second, and of each the
//!   last five are kept. CPU per line of the agent and of a backfill of the files that there are, memory over time, time from
//!   a line's writing to its arrival.
//! - `idle`: 20,000 files that nobody writes to, with 1,024 descriptors: CPU and memory once they are found.
//! - `noisy`: one file as fast as it can be written beside 99 with a line a second: how soon these arrive.
//!
//! The agent is a process of its own, whose CPU time and memory are read from /proc; the endpoint acknowledges everything.

#[allow(dead_code, reason = "shared with the other benches")]
mod measure;
#[allow(dead_code, reason = "shared with the other benches")]
mod sink;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::measure::Run;

/// Stands before the time of writing, in µs since the epoch.
const MARK: &[u8] = b"written_at_";
const MARK_DIGITS: usize = 16;
/// A turn of the writer.
const TURN: Duration = Duration::from_millis(10);
/// What is written is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rotated files that are kept of each.
const KEPT: usize = 5;
/// How often memory is looked at.
const TENTHS: u64 = 10;

struct Arguments {
    mode: String,
    seconds: u64,
    files: usize,
    rate: u64,
    rotates: bool,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let arguments = arguments(&words)?;
    match arguments.mode.as_str() {
        "steady" => steady(&arguments),
        "idle" => idle(&arguments),
        "noisy" => noisy(&arguments),
        other => bail!("{other}: steady, idle or noisy"),
    }
}

fn arguments(words: &[String]) -> Result<Arguments> {
    let mut arguments = Arguments { mode: "steady".into(), seconds: 20, files: 0, rate: 10_000, rotates: false };
    let mut words = words.iter().filter(|word| *word != "--bench");
    while let Some(word) = words.next() {
        let mut number =
            || words.next().with_context(|| format!("{word} needs a number"))?.parse().map_err(anyhow::Error::from);
        match word.as_str() {
            "--seconds" => arguments.seconds = number()?,
            "--files" => arguments.files = number()? as usize,
            "--rate" => arguments.rate = number()?,
            "--rotate" => arguments.rotates = true,
            mode => arguments.mode = mode.to_owned(),
        }
    }
    if arguments.files == 0 {
        arguments.files = if arguments.mode == "idle" { 20_000 } else { 100 };
    }
    Ok(arguments)
}

/// What arrived.
#[derive(Default)]
struct Arrived {
    marked: AtomicU64,
    /// From the writing of a marked line to its arrival, in µs.
    micros: Mutex<Vec<u32>>,
}

impl Arrived {
    fn listen() -> Result<(Arc<Arrived>, u16)> {
        let arrived = Arc::new(Arrived::default());
        let shared = Arc::clone(&arrived);
        let port = sink::listen(Arc::new(move |message, _| shared.take(message)))?;
        Ok((arrived, port))
    }

    fn take(&self, message: &[u8]) {
        let now = micros();
        let mut found = Vec::new();
        for at in memchr::memmem::find_iter(message, MARK) {
            let digits = message.get(at + MARK.len()..at + MARK.len() + MARK_DIGITS);
            let written = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
            found.extend(written.map(|written| now.saturating_sub(written) as u32));
        }
        self.marked.fetch_add(found.len() as u64, Ordering::Relaxed);
        self.micros.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    }

    fn wait_for(&self, lines: u64) -> Result<()> {
        let start = Instant::now();
        while self.marked.load(Ordering::Relaxed) < lines {
            if start.elapsed() > PATIENCE {
                bail!("{} of {lines} lines arrived", self.marked.load(Ordering::Relaxed));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The median, the 99th percentile and the longest, in ms.
    fn latencies(&self) -> String {
        let mut micros = std::mem::take(&mut *self.micros.lock().unwrap_or_else(PoisonError::into_inner));
        micros.sort_unstable();
        let at = |share: f64| micros.get(((micros.len() as f64 * share) as usize).min(micros.len().saturating_sub(1)));
        let shown = |share| at(share).map_or(0.0, |micros| f64::from(*micros) / 1000.0);
        format!("p50 {:.0} ms, p99 {:.0} ms, longest {:.0} ms", shown(0.5), shown(0.99), shown(1.0))
    }
}

fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

/// The agent, killed when this is dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    fn start(folder: &Path, port: u16, start: &str) -> Result<Agent> {
        let root = folder.display();
        let config = format!(
            "state: {root}/state\ninputs: {{pods: {{path: {root}/pods, start: {start}}}}}\n\
             logs: {{to: ['otlp=http://127.0.0.1:{port}']}}\ntelemetry: {{listen: null}}\n"
        );
        fs::write(folder.join("agent.yaml"), config)?;
        let mut command = Command::new("sh");
        let run = format!("ulimit -n 1024; exec {} agent --config {root}/agent.yaml", env!("CARGO_BIN_EXE_spanline"));
        command.args(["-c", &run]).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Agent(command.spawn()?))
    }

    /// What it has cost so far.
    fn cost(&self) -> Result<Run> {
        let mut run = Run::default();
        if measure::has_ended(&self.0, &mut run)? {
            bail!("the agent has ended");
        }
        run.peak_mib = measure::peak_mib(&self.0).unwrap_or_default();
        Ok(run)
    }
}

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("pods/default_pod-{number}_{number:08x}/app/0.log"))
}

fn appending(path: &Path) -> Result<File> {
    fs::create_dir_all(path.parent().context("no folder")?)?;
    Ok(OpenOptions::new().create(true).append(true).open(path)?)
}

fn line(number: u64) -> String {
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    format!(
        "{now} stdout F request for /api/v1/items/{number} was served to 10.0.3.17 in 12 ms with status 200, {}{:016}\n",
        String::from_utf8_lossy(MARK),
        micros()
    )
}

fn steady(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (arrived, port) = Arrived::listen()?;
    let mut files: Vec<File> = Vec::new();
    for number in 0..arguments.files {
        files.push(appending(&path(folder.path(), number))?);
    }
    let agent = Agent::start(folder.path(), port, "beginning")?;
    std::thread::sleep(Duration::from_secs(2));
    let before = agent.cost()?;
    let (start, mut written, mut rotated) = (Instant::now(), 0, 0);
    let mut kept: Vec<VecDeque<(PathBuf, u64)>> = vec![VecDeque::new(); files.len()];
    let (mut in_file, mut gone, mut memory) = (vec![0; files.len()], 0, Vec::new());
    while start.elapsed() < Duration::from_secs(arguments.seconds) {
        let due = (start.elapsed().as_secs_f64() * arguments.rate as f64) as u64;
        while written < due {
            let at = written as usize % files.len();
            files[at].write_all(line(written).as_bytes())?;
            in_file[at] += 1;
            written += 1;
        }
        if start.elapsed().as_secs() * TENTHS >= arguments.seconds * (memory.len() as u64 + 1) {
            memory.push(format!("{:.1}", measure::resident_mib(&agent.0).unwrap_or_default()));
        }
        if arguments.rotates && start.elapsed().as_secs() > rotated {
            rotated = start.elapsed().as_secs();
            let at = rotated as usize % files.len();
            let path = path(folder.path(), at);
            let name = path.with_file_name(format!("0.log.20261130-{rotated:06}"));
            fs::rename(&path, &name)?;
            files[at] = appending(&path)?;
            kept[at].push_back((name, std::mem::take(&mut in_file[at])));
            if kept[at].len() > KEPT
                && let Some((oldest, lines)) = kept[at].pop_front()
            {
                fs::remove_file(oldest)?;
                gone += lines;
            }
        }
        std::thread::sleep(TURN);
    }
    arrived.wait_for(written)?;
    let after = agent.cost()?;
    let cpu = after.cpu() - before.cpu();
    println!(
        "{written} lines to {} files in {} s, all arrived: {}",
        arguments.files,
        arguments.seconds,
        arrived.latencies()
    );
    println!(
        "agent: {:.2} µs of CPU a line ({:.2} s: {:.1} % of a core), at most {:.1} MiB",
        cpu * 1e6 / written as f64,
        cpu,
        cpu * 100.0 / arguments.seconds as f64,
        after.peak_mib
    );
    println!("memory after each tenth of the time, MiB: {}", memory.join(" "));
    drop(agent);
    let mut backfill = Command::new(env!("CARGO_BIN_EXE_spanline"));
    let (_, port) = Arrived::listen()?;
    backfill.arg("backfill").arg(folder.path().join("pods")).arg("--to").arg(format!("otlp=http://127.0.0.1:{port}"));
    let cost = measure::run(backfill.arg("--quiet"))?;
    println!(
        "backfill of the files that there are: {:.2} µs of CPU a line",
        cost.cpu() * 1e6 / (written - gone) as f64
    );
    Ok(())
}

fn idle(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (arrived, port) = Arrived::listen()?;
    for number in 0..arguments.files {
        appending(&path(folder.path(), number))?.write_all(line(0).as_bytes())?;
    }
    let agent = Agent::start(folder.path(), port, "beginning")?;
    arrived.wait_for(arguments.files as u64)?;
    let found = agent.cost()?;
    println!("{} files found and read: {:.2} s of CPU, {:.1} MiB", arguments.files, found.cpu(), found.peak_mib);
    // What follows a start is over by then.
    std::thread::sleep(Duration::from_secs(60));
    let before = agent.cost()?;
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let after = agent.cost()?;
    let cpu = after.cpu() - before.cpu();
    println!(
        "idle for {} s: {cpu:.2} s of CPU ({:.3} % of a core), at most {:.1} MiB",
        arguments.seconds,
        cpu * 100.0 / arguments.seconds as f64,
        after.peak_mib
    );
    drop(arrived.latencies());
    let late = path(folder.path(), arguments.files / 2);
    appending(&late)?.write_all(line(1).as_bytes())?;
    arrived.wait_for(arguments.files as u64 + 1)?;
    println!("a line after that: {}", arrived.latencies());
    Ok(())
}

fn noisy(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (arrived, port) = Arrived::listen()?;
    let slow: Vec<PathBuf> = (1..100).map(|number| path(folder.path(), number)).collect();
    let mut files: Vec<File> = Vec::new();
    for path in &slow {
        files.push(appending(path)?);
    }
    let agent = Agent::start(folder.path(), port, "beginning")?;
    std::thread::sleep(Duration::from_secs(2));
    let before = agent.cost()?;
    let bulk = {
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
        format!("{now} stdout F {}\n", "noise ".repeat(30)).repeat(512)
    };
    let mut noise = appending(&path(folder.path(), 0))?;
    let (start, mut bytes, mut lines) = (Instant::now(), 0_u64, 0_u64);
    while start.elapsed() < Duration::from_secs(arguments.seconds) {
        // 200 MB/s, as far as the host gives it.
        while (bytes as f64) < start.elapsed().as_secs_f64() * 200e6 && start.elapsed().as_secs() < arguments.seconds {
            noise.write_all(bulk.as_bytes())?;
            bytes += bulk.len() as u64;
            if bytes % (64 << 20) < bulk.len() as u64 {
                let path = path(folder.path(), 0);
                fs::rename(&path, path.with_file_name(format!("0.log.20261130-{:06}", bytes >> 26)))?;
                noise = appending(&path)?;
            }
            if lines < start.elapsed().as_secs() * 99 {
                break;
            }
        }
        while lines < start.elapsed().as_secs() * 99 {
            files[lines as usize % 99].write_all(line(lines).as_bytes())?;
            lines += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    arrived.wait_for(lines)?;
    let after = agent.cost()?;
    println!(
        "one file at {:.0} MB/s; {lines} lines of 99 others: {}; agent: {:.2} s of CPU, at most {:.1} MiB",
        bytes as f64 / 1e6 / arguments.seconds as f64,
        arrived.latencies(),
        after.cpu() - before.cpu(),
        after.peak_mib
    );
    Ok(())
}
