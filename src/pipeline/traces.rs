//! Trace files to the correlator, and the same traces out again with their lines on them.
//!
//! In go trace files, out come span facts; and after all lines are linked, the requests as they were with events added, to
//! a file or to Jaeger. Events are made and added by the exporter; this connects.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use prost::Message;

use super::carriers::{self, Sending};
use super::config::BackfillConfig;
use super::cut::{SPAN_BITS, batches};
use super::held_events::HeldEvents;
use super::once::Once;
use super::only::Only;
use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::marks::{Comparison, Mark, Marks, Running};
use crate::checkpoint::version_1::Keys;
use crate::correlate::Correlator;
use crate::correlate::facts::{ResourceFact, SpanFact};
use crate::correlate::span_index::SpanIndex;
use crate::export::config::Carriers;
use crate::input::content;
use crate::input::sources;
use crate::otlp::own::{self, StoredEvents};
use crate::spans::facts::FactCounts;
use crate::spans::file::{Counts, Limits, TraceFile};
use crate::spans::kind::TraceKind;
use crate::spans::recognise;
use crate::unpack::unpacked;

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

/// Reads all trace files.
pub fn load(paths: &[PathBuf], limits: Limits, correlator: &mut Correlator) -> TracesReport {
    let mut report = TracesReport::default();
    for path in paths {
        report.files += 1;
        correlator.expect_spans(std::fs::metadata(path).map_or(0, |file| file.len()));
        let mut last_second = None;
        let (range, seconds) = (&mut report.range, &mut report.seconds);
        let result = each_fact(path, limits, &mut |resource, span| {
            let (start, end) = (span.start, span.end);
            let second = start.div_euclid(1_000_000_000);
            if last_second.replace(second) != Some(second) {
                seconds.insert(second);
            }
            let (first, last) = range.unwrap_or((start, end));
            *range = Some((first.min(start), last.max(end)));
            correlator.add_span(resource, span);
        });
        match result {
            Ok((counts, problem)) => {
                report.spans += counts.spans;
                report.own += counts.own;
                report.invalid += counts.invalid;
                if counts.spans == 0 {
                    let why = why_no_span(path, &counts, problem.as_deref());
                    let told = if problem.is_some() { &mut report.unreadable } else { &mut report.without_spans };
                    told.push(format!("{} {why}", path.display()));
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

/// What a file is that no span could be taken from.
fn why_no_span(path: &Path, counts: &FactCounts, problem: Option<&str>) -> String {
    match counts {
        FactCounts { own: 1.., .. } => return "holds only spans that spanline itself made".to_owned(),
        FactCounts { invalid, .. } if *invalid > 0 => {
            return format!("holds no span: {invalid} without valid ids or times");
        }
        _ => {}
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(unpacked);
    let _ = read.and_then(|input| input.take(sources::SNIFF_BYTES as u64).read_to_end(&mut head));
    let is_json = || matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    let kind = TraceKind::of(&head);
    if kind != TraceKind::Unknown && kind != TraceKind::OtlpJson {
        return format!("is {kind}: {}", problem.unwrap_or("no span was found in it"));
    }
    let what = match recognise::Kind::of(&head) {
        Some(recognise::Kind::OtlpTraces) if kind == TraceKind::Unknown => {
            return "is JSON of a kind that is not known: its spans stand within something else".to_owned();
        }
        Some(recognise::Kind::OtlpTraces) => {
            return problem.map_or_else(|| "holds no span".to_owned(), |problem| format!("holds no span: {problem}"));
        }
        Some(kind) => return format!("is {}: no span was found in it", kind.description()),
        None if head.trim_ascii().is_empty() => "is empty",
        None => match content::magic(&head).or_else(|| content::own_output(&head)) {
            Some(what) if what.contains("archive within") => {
                "is an archive: unpack it, and give the folder of its traces"
            }
            Some(what) => return format!("is {what}, no traces"),
            None if sources::times(&head).any() => "is a plain log, no traces: give it as a path, without --traces",
            None if content::is_binary(&head) => "is binary, of a kind that is not known",
            None if is_json() => "is JSON of a kind that is not known, no traces",
            None => "is plain text, no traces",
        },
    };
    what.to_owned()
}

/// Calls for each span; returns how many there were, and a message if something in the file was wrong.
fn each_fact(
    path: &Path,
    limits: Limits,
    each: &mut dyn FnMut(&ResourceFact<'_>, &SpanFact<'_>),
) -> io::Result<(FactCounts, Option<String>)> {
    let mut file = TraceFile::open(path, limits)?;
    let mut sum = FactCounts::default();
    while let Some(counts) = file.next_facts(each)? {
        sum.spans += counts.spans;
        sum.own += counts.own;
        sum.invalid += counts.invalid;
    }
    Ok((sum, problem_of(file.counts())))
}

/// Calls for each request with its number; returns a message if something in the file was wrong.
pub(super) fn each_request(
    path: &Path,
    limits: Limits,
    mut each: impl FnMut(u64, ExportTraceServiceRequest) -> io::Result<()>,
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
            "{} requests are larger than the limit (raise --max-traces-request-bytes)",
            counts.over_limit
        ));
    }
    if counts.cut {
        parts.push("it goes on beyond the limit (raise --max-decompressed-bytes)".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The traces that were given, to be read again.
pub(super) struct Given<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) limits: Limits,
    /// Some of their spans are spanline's.
    pub(super) has_carriers: bool,
    /// All their spans.
    pub(super) index: &'a SpanIndex,
    /// What new carriers hang under.
    pub(super) gather: Carriers,
}

impl<'a> Given<'a> {
    pub(super) fn new(
        paths: &'a [PathBuf],
        config: &BackfillConfig,
        correlator: &'a Correlator,
        has_carriers: bool,
    ) -> Given<'a> {
        Given {
            paths,
            limits: config.read.trace_limits(),
            has_carriers,
            index: correlator.index(),
            gather: config.events.carriers,
        }
    }

    /// The events of carriers among them.
    fn stored_on_carriers(&self) -> io::Result<StoredEvents> {
        let mut stored = StoredEvents::default();
        for path in self.paths.iter().filter(|_| self.has_carriers) {
            each_request(path, self.limits, |_, request| {
                let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
                let own = scopes.filter(|scope| is_own_scope(scope));
                own.flat_map(|scope| &scope.spans).for_each(|span| stored.add(span, true));
                Ok(())
            })?;
        }
        Ok(stored)
    }
}

/// Are its spans carriers?
pub(super) fn is_own_scope(spans: &ScopeSpans) -> bool {
    spans.scope.as_ref().is_some_and(|scope| scope.name == own::SCOPE)
}

/// Writes `traces.jsonl`: the given traces, then the carriers of events that their spans had no room for; with `only`, the
/// traces that it admits, and those of the lines given.
pub(super) fn write_file(
    given: &Given<'_>,
    held: &mut HeldEvents,
    only: &Only<'_>,
    output: &mut impl Write,
) -> io::Result<carriers::Counts> {
    held.events.stored = given.stored_on_carriers()?;
    let mut once = Once::new(given.index);
    for path in given.paths {
        let mut written = Ok(());
        // A file that cannot be read was said when its spans were taken in; only writing fails here.
        let _ = each_request(path, given.limits, |_, mut request| {
            held.events.annotate(&mut request);
            if !once.keep_firsts(&mut request) || !only.keep_spans(&mut request, &held.traces) {
                return Ok(());
            }
            written = write_line(output, &request);
            if written.is_ok() { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
        });
        written?;
    }
    let counts =
        carriers::each(given, held, |carrier, parent| write_line(output, &carriers::request(carrier, parent)))?;
    output.flush()?;
    Ok(counts)
}

fn write_line(output: &mut impl Write, request: &ExportTraceServiceRequest) -> io::Result<()> {
    serde_json::to_writer(&mut *output, request)?;
    output.write_all(b"\n")
}

/// Sends the traces, then the carriers of events that their spans had no room for; with `only` as in [`write_file`].
/// `known` is what [`recognise`] says of each of the files.
///
/// What is acknowledged with `only` is not with another one, nor without: a span may lack lines that were left out.
pub(super) fn send(
    given: &Given<'_>,
    held: &mut HeldEvents,
    only: &Only<'_>,
    sending: &Sending<'_>,
    known: &[(u32, u64)],
) -> io::Result<carriers::Counts> {
    let mut open = true;
    let mut once = Once::new(given.index);
    held.events.stored = given.stored_on_carriers()?;
    for (path, (file, verified)) in given.paths.iter().zip(known.iter().copied()) {
        let stream = match only.number() {
            None => sending.acknowledged.stream(file, STREAM, Some(&Keys::one(key_of(path)?))),
            Some(number) => sending.acknowledged.stream(file, number, None),
        };
        let (key, known) = (stream.index, stream.settled.into_iter().nth(sending.target).flatten());
        each_request(path, given.limits, |number, mut request| {
            held.events.annotate(&mut request);
            let mut left_out = only.left_out(&request, &held.traces);
            once.mark_repeated(&request, &mut left_out);
            for batch in batches(&request, key, number) {
                let is_left_out = |span: u64| left_out.get((span & SPAN_MASK) as usize).copied().unwrap_or(false);
                let is_known =
                    |span: u64| span < verified && known.as_ref().is_some_and(|known| known.ranges.contains(span));
                let done = |span: u64| is_left_out(span) || is_known(span);
                let batch = batch.without(done);
                if open && !batch.is_empty() {
                    open = sending.sink.send(batch);
                }
            }
            Ok(())
        })?;
    }
    carriers::send(given, held, sending)
}

/// What an ordinal says of a span's place in its request.
const SPAN_MASK: u64 = (1 << SPAN_BITS) - 1;

/// Files of traces are looked for among all such files.
const SOURCE: &[u8] = b"spanline traces";
/// All their spans go by this key.
const STREAM: u128 = 1;

/// Which of the files that earlier runs sent each file is, and up to which span it is still the same. Requests take the
/// place of lines: all are read through once more for that, and only if anything is remembered.
pub(super) fn recognise(paths: &[PathBuf], limits: Limits, acknowledged: &Acknowledged) -> io::Result<Vec<(u32, u64)>> {
    paths.iter().map(|path| recognise_one(path, limits, acknowledged)).collect()
}

fn recognise_one(path: &Path, limits: Limits, acknowledged: &Acknowledged) -> io::Result<(u32, u64)> {
    let source = twox_hash::XxHash64::oneshot(0, SOURCE);
    if !acknowledged.remembers() {
        return Ok((acknowledged.meet(source, &[None])[0].0, 0));
    }
    let mut running = Running::default();
    let (mut ends, mut marks) = (Vec::new(), Marks::default());
    each_request(path, limits, |number, request| {
        running.write(&request.encode_to_vec());
        ends.push(Mark { at: (number + 1) << SPAN_BITS, ..running.mark() });
        Ok(())
    })?;
    ends.iter().for_each(|end| marks.push(*end));
    let compared = acknowledged.unmet(source).into_iter().map(|(number, known)| (number, compare(&ends, &known)));
    let most_alike = compared.max_by_key(|(_, comparison)| comparison.verified);
    let found = most_alike.filter(|(_, comparison)| comparison.verified > 0);
    let (file, mut verified) = acknowledged.meet(source, &[found])[0];
    acknowledged.mark(file, &marks);
    if found.is_none() {
        // What version 1 knew of it is taken for what it is now.
        verified = u64::MAX;
    }
    Ok((file, verified))
}

fn compare(ends: &[Mark], known: &Marks) -> Comparison {
    let is_there = |mark: &&Mark| ends.binary_search_by_key(&mark.at, |end| end.at).is_ok_and(|at| ends[at] == **mark);
    let same = known.list().iter().take_while(is_there);
    let verified = same.last().map_or(0, |mark| mark.at);
    Comparison { verified, differs: known.list().last().is_some_and(|last| last.at > verified) }
}

fn key_of(path: &Path) -> io::Result<u128> {
    let mut head = Vec::new();
    File::open(path)?.take(4096).read_to_end(&mut head)?;
    Ok(twox_hash::XxHash3_128::oneshot_with_seed(2, &head))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

    use super::*;
    use crate::checkpoint::acknowledged::Resending;
    use crate::checkpoint::ledger::State;
    use crate::export::Batch;
    use crate::export::span_event::Style;
    use crate::export::takers::BatchSink;

    /// Takes everything.
    #[derive(Default)]
    struct Taking(Mutex<Vec<Batch>>);

    impl BatchSink for Taking {
        fn send(&self, batch: Batch) -> bool {
            self.0.lock().unwrap().push(batch);
            true
        }
    }

    #[test]
    fn a_traces_file_that_was_rewritten_is_sent_from_there_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traces.jsonl");
        let request = |name: &str, number: usize| {
            let span = Span {
                name: format!("{name} {number} {}", "long ".repeat(100)),
                span_id: vec![7; 8],
                trace_id: vec![9; 16],
                ..Span::default()
            };
            let scope = ScopeSpans { spans: vec![span; 3], ..ScopeSpans::default() };
            let group = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
            let request = ExportTraceServiceRequest { resource_spans: vec![group] };
            serde_json::to_string(&request).unwrap() + "\n"
        };
        let mut state = State::default();
        let mut sent = |text: String| -> usize {
            std::fs::write(&path, text).unwrap();
            let acknowledged = Acknowledged::new(
                &["one".to_owned(), "two".to_owned()],
                Some(std::mem::take(&mut state)),
                Resending::default(),
            );
            let paths = [path.clone()];
            let known = recognise(&paths, Limits::default(), &acknowledged).unwrap();
            let taken = [0, 1].map(|target| {
                let (taking, mut held) = (Taking::default(), HeldEvents::new(0, 1 << 20, Style::default()));
                let index = SpanIndex::new(crate::correlate::span_index::Limits::default());
                let (limits, gather) = (Limits::default(), Carriers::Span);
                let given = Given { paths: &paths, limits, has_carriers: false, index: &index, gather };
                let sending = Sending { sink: &taking, acknowledged: &acknowledged, target };
                send(&given, &mut held, &Only::default(), &sending, &known).unwrap();
                let batches = taking.0.into_inner().unwrap();
                batches.iter().for_each(|batch| acknowledged.add(target, &batch.receipts, None));
                batches.iter().map(Batch::count).sum::<usize>()
            });
            state = acknowledged.state();
            assert_eq!((taken[0], state.files.len()), (taken[1], 1));
            taken[0]
        };
        let text =
            |old: usize| -> String { (0..40).map(|n| request(if n < old { "old" } else { "new" }, n)).collect() };
        assert_eq!(sent(text(40)), 120);
        assert_eq!(sent(text(40)), 0);
        assert_eq!(sent(text(40) + &request("more", 40)), 3);
        assert_eq!(sent(text(25)), 45);
        assert_eq!(sent(text(25)), 0);
    }
}
