//! Trace files as a whole: the spans of all of them, or their requests once more.
//!
//! In go files, out come span facts with what was wrong with each file, or requests in protobuf, numbered. What is done with
//! them is not decided here.

use std::io;
use std::path::{Path, PathBuf};

use super::file::{Counts, Limits, TraceFile};
use super::scan::FactCounts;
use crate::counts::around;
use crate::facts::{ResourceFact, SpanFact};
use crate::setting::Setting;

/// What the trace files held.
#[derive(Debug, Clone, Default)]
pub struct TracesReport {
    /// Files read.
    pub files: u64,
    /// Spans taken in.
    pub spans: u64,
    /// spanline's own spans, left out.
    pub own: u64,
    /// Spans without valid ids or times.
    pub invalid: u64,
    /// One message for each file with something wrong.
    pub failures: Vec<String>,
    /// Those of which no span could be taken, each with what it is instead.
    pub without_spans: Vec<String>,
    /// One message for each file that can't be read at all.
    pub unreadable: Vec<String>,
    /// Times between which the spans lie, ns since the epoch.
    pub range: Option<(i64, i64)>,
    /// Start times of spans, in whole seconds, for the fit of a zone.
    pub seconds: std::collections::BTreeSet<i64>,
}

/// Takes what trace files hold.
pub trait SpanSink {
    /// A file of this many bytes begins.
    fn expect(&mut self, _bytes: u64) {}
    /// A span.
    fn add(&mut self, resource: &ResourceFact<'_>, span: &SpanFact<'_>);
    /// The request of the last spans ends: its number in the file, and its bytes.
    fn request_ends(&mut self, _file: usize, _number: u64, _request: &[u8]) {}
    /// It takes no more, so that reading goes no further.
    fn is_full(&self) -> bool {
        false
    }
}

/// Reads all trace files. `why_no_span` says what a file is that no span could be taken from, and what was wrong
/// with it.
pub fn load(
    paths: &[PathBuf],
    limits: Limits,
    sink: &mut dyn SpanSink,
    why_no_span: &dyn Fn(&Path, &FactCounts, Option<&str>) -> String,
) -> TracesReport {
    let mut report = TracesReport::default();
    for (number, path) in paths.iter().enumerate() {
        if sink.is_full() {
            break;
        }
        report.files += 1;
        sink.expect(std::fs::metadata(path).map_or(0, |file| file.len()));
        match each_span(path, number, limits, &mut report, sink) {
            Ok((counts, problem)) => {
                report.spans += counts.spans;
                report.own += counts.own;
                report.invalid += counts.invalid;
                if counts.spans == 0 {
                    let why = why_no_span(path, &counts, problem.as_deref());
                    let list = if problem.is_some() { &mut report.unreadable } else { &mut report.without_spans };
                    list.push(format!("{} {why}", path.display()));
                } else {
                    report.failures.extend(problem.map(|problem| format!("{}: {problem}", path.display())));
                }
            }
            Err(error) => {
                report.unreadable.push(format!("{}: {error}", path.display()));
            }
        }
    }
    report
}

/// Hands over each span of a file; returns how many there were, and a message if something in the file was wrong.
fn each_span(
    path: &Path,
    file_number: usize,
    limits: Limits,
    report: &mut TracesReport,
    sink: &mut dyn SpanSink,
) -> io::Result<(FactCounts, Option<String>)> {
    let mut file = TraceFile::open(path, limits)?;
    let (mut sum, mut number, mut last_second) = (FactCounts::default(), 0, None);
    let mut add = |resource: &ResourceFact<'_>, span: &SpanFact<'_>, sink: &mut dyn SpanSink| {
        let second = span.start.div_euclid(1_000_000_000);
        if last_second.replace(second) != Some(second) {
            report.seconds.insert(second);
        }
        report.range = around(report.range, Some((span.start, span.end)));
        sink.add(resource, span);
    };
    while !sink.is_full()
        && let Some(counts) = file.next_facts(&mut |resource, span| add(resource, span, sink))?
    {
        sum.spans += counts.spans;
        sum.own += counts.own;
        sum.invalid += counts.invalid;
        sink.request_ends(file_number, number, file.request());
        number += 1;
    }
    Ok((sum, problem_of(file.counts())))
}

/// Calls for each request with its number; returns a message if something in the file was wrong.
pub fn each_request(
    path: &Path,
    limits: Limits,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<Option<String>> {
    let mut file = TraceFile::open(path, limits)?;
    let mut number = 0;
    while let Some(request) = file.next_request()? {
        each(number, request)?;
        number += 1;
    }
    Ok(problem_of(file.counts()))
}

fn problem_of(counts: &Counts) -> Option<String> {
    let mut parts = Vec::new();
    if let Some((place, problem)) = &counts.first_problem {
        parts.push(format!("{} of its requests cannot be read, the first at {place}: {problem}", counts.broken.max(1)));
    }
    if counts.over_limit > 0 {
        parts.push(format!(
            "{} requests are larger than the limit (raise {})",
            counts.over_limit,
            Setting::TraceRequestBytesMax
        ));
    }
    if counts.cut {
        parts.push(format!("it goes on beyond the limit (raise {})", Setting::DecompressedBytesMax));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}
