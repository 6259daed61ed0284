//! Labelled nodes of `testdata/labelled`, whole or sampled, and how well their lines are linked.

use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use spanline::commands::score::{Score, ScoreConfig, score};
use spanline::input::open;

/// A node with its traces and the truth, ready to be read.
pub(crate) struct Node {
    pub(crate) logs: PathBuf,
    pub(crate) traces: PathBuf,
    truth: PathBuf,
    /// The lines of traces that were dropped, none of which may be linked.
    unsampled: Option<PathBuf>,
    pub(crate) links: PathBuf,
}

/// What came out.
pub(crate) struct Result {
    pub(crate) score: Score,
    /// Lines whose trace was dropped, and those of them that were linked.
    pub(crate) unsampled: (u64, u64),
}

impl Node {
    /// A node of `testdata/labelled` with so many of a hundred traces kept, by a hash of their id; `folder` takes what has
    /// to be written.
    pub(crate) fn new(name: &str, percent: u64, folder: &Path) -> io::Result<Node> {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/labelled").join(name);
        let files = ["traces.otlp.jsonl.zst", "truth.jsonl.gz"];
        Node::of_files(from.join("logs"), files.map(|file| from.join(file)), percent, folder)
    }

    /// The same of logs, traces and truth that lie elsewhere.
    pub(crate) fn of_files(
        logs: PathBuf,
        [traces, truth]: [PathBuf; 2],
        percent: u64,
        folder: &Path,
    ) -> io::Result<Node> {
        fs::create_dir_all(folder)?;
        let mut node = Node { logs, traces, truth, unsampled: None, links: folder.join("links.jsonl") };
        if percent < 100 {
            let keeps = |id: &str| {
                let mut hash = twox_hash::XxHash64::with_seed(7);
                hash.write(id.as_bytes());
                hash.finish() % 100 < percent
            };
            let traces = folder.join("traces.jsonl");
            sample_traces(&node.traces, &traces, keeps)?;
            let (truth, unsampled) = (folder.join("truth.jsonl"), folder.join("unsampled.jsonl"));
            sample_truth(&node.truth, &truth, &unsampled, keeps)?;
            (node.traces, node.truth, node.unsampled) = (traces, truth, Some(unsampled));
        }
        Ok(node)
    }

    /// The command that links its lines.
    pub(crate) fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(binary);
        command.arg("backfill").arg(&self.logs).arg("--traces").arg(&self.traces);
        command.arg("--links").arg(&self.links).arg("--dry-run");
        command
    }

    /// Leaves lines out of the truth, by file and number of the physical line.
    pub(crate) fn leave_out<'a>(&mut self, lines: impl Iterator<Item = (&'a str, Range<u64>)>) -> io::Result<()> {
        let folder = self.logs.parent().unwrap_or(Path::new(""));
        let mut gone: HashSet<(String, u64)> = HashSet::new();
        for (file, lines) in lines {
            let file = Path::new(file).strip_prefix(folder).unwrap_or(Path::new(file)).display().to_string();
            gone.extend(lines.map(|line| (file.clone(), line)));
        }
        for truth in [Some(&mut self.truth), self.unsampled.as_mut()].into_iter().flatten() {
            let to = self.links.with_file_name(format!("late-{}", truth.file_name().unwrap_or_default().display()));
            let to = to.with_extension("");
            let mut out = BufWriter::new(File::create(&to)?);
            each_line(truth, |row| {
                let file = row["file"].as_str().unwrap_or_default().to_owned();
                let is_gone = gone.contains(&(file, row["line"].as_u64().unwrap_or_default()));
                if is_gone { Ok(()) } else { writeln!(out, "{row}") }
            })?;
            out.flush()?;
            *truth = to;
        }
        Ok(())
    }

    /// Compares what the command wrote with the truth.
    pub(crate) fn score(&self) -> Result {
        let against = |truth: &Path| {
            let (truth, links) = (truth.to_owned(), self.links.clone());
            score(&ScoreConfig { truth, links, json: false, by_kind: false, min_precision: None, min_recall: None })
                .expect("the truth and the links were written just now")
        };
        let unsampled = self.unsampled.as_deref().map(against).unwrap_or_default();
        Result { score: against(&self.truth), unsampled: (unsampled.total.lines, unsampled.total.false_links) }
    }
}

fn each_line(path: &Path, mut each: impl FnMut(Value) -> io::Result<()>) -> io::Result<()> {
    for line in BufReader::new(open::open(path)?).lines() {
        each(serde_json::from_str(&line?)?)?;
    }
    Ok(())
}

fn sample_traces(from: &Path, to: &Path, keeps: impl Fn(&str) -> bool) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(to)?);
    each_line(from, |mut request| {
        for group in request["resourceSpans"].as_array_mut().into_iter().flatten() {
            for scope in group["scopeSpans"].as_array_mut().into_iter().flatten() {
                if let Some(spans) = scope["spans"].as_array_mut() {
                    spans.retain(|span| span["traceId"].as_str().is_some_and(&keeps));
                }
            }
        }
        writeln!(out, "{request}")
    })?;
    out.flush()
}

fn sample_truth(from: &Path, truth: &Path, unsampled: &Path, keeps: impl Fn(&str) -> bool) -> io::Result<()> {
    let (mut truth, mut unsampled) = (BufWriter::new(File::create(truth)?), BufWriter::new(File::create(unsampled)?));
    each_line(from, |mut row| {
        if row["trace_id"].as_str().is_some_and(|id| !keeps(id)) {
            row["trace_id"] = Value::Null;
            row["span_id"] = Value::Null;
            writeln!(unsampled, "{row}")?;
        }
        writeln!(truth, "{row}")
    })?;
    truth.flush()?;
    unsampled.flush()
}
