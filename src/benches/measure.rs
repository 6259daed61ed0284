//! What a child costs: CPU time and peak memory, from /proc.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Linux counts a process's CPU time in hundredths for everyone who reads it.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one run cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Run {
    pub(crate) wall: f64,
    pub(crate) user: f64,
    pub(crate) system: f64,
    pub(crate) peak_mib: f64,
}

impl Run {
    pub(crate) fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// Runs a command to its end. The CPU time is read once it has ended and before it is reaped, the peak memory while it
/// runs (it only grows).
pub(crate) fn run(command: &mut Command) -> Result<Run> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut run = Run::default();
    while !has_ended(&child, &mut run)? {
        run.peak_mib = peak_mib(&child).unwrap_or(run.peak_mib);
        std::thread::sleep(Duration::from_millis(5));
    }
    run.wall = start.elapsed().as_secs_f64();
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(run)
}

/// `/proc/PID/stat`: state is field 3, user and system time are fields 14 and 15; field 2 is in parentheses.
pub(crate) fn has_ended(child: &Child, run: &mut Run) -> Result<bool> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let (_, after_name) = stat.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let time = |index: usize| -> Result<f64> { Ok(fields[index].parse::<f64>()? / TICKS_PER_SECOND) };
    (run.user, run.system) = (time(11)?, time(12)?);
    Ok(fields[0] == "Z")
}

pub(crate) fn peak_mib(child: &Child) -> Option<f64> {
    status_mib(child, "VmHWM:")
}

/// The memory that it has now.
pub(crate) fn resident_mib(child: &Child) -> Option<f64> {
    status_mib(child, "VmRSS:")
}

fn status_mib(child: &Child, name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kib| kib / 1024.0)
}
