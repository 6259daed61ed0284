//! The given traces out again with their lines on them.
//!
//! In go trace files and events by span, out go the requests as they were with the events put in, to a file or to Jaeger.
//! Events are made and put in by the exporter; this connects.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::carriers::{self, Sending};
use super::given::Given;
use super::once::Once;
use super::only::Only;
use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::marks::{Comparison, Mark, Marks, Running};
use crate::checkpoint::version_1::Keys;
use crate::correlate::Correlator;
use crate::export::batch::Batch;
use crate::export::carriers::{Counts, scope};
use crate::export::held_events::HeldEvents;
use crate::export::span_batches::{SPAN_BITS, batches};
use crate::export::spans_json;
use crate::facts::{ResourceFact, SpanFact};
use crate::otlp::signal::Signal;
use crate::record::Receipt;
use crate::spans::file::Limits;
use crate::spans::load::{SpanSink, each_request};

impl SpanSink for Correlator {
    fn expect(&mut self, bytes: u64) {
        self.expect_spans(bytes);
    }

    fn add(&mut self, resource: &ResourceFact<'_>, span: &SpanFact<'_>) {
        self.add_span(resource, span);
    }
}

/// Writes `traces.jsonl`: the given traces, then the carriers of events that their spans had no room for; with `only`, the
/// traces that it admits, and those of the lines given.
pub(super) fn write_file(
    given: &Given<'_>,
    held: &mut HeldEvents,
    only: &Only<'_>,
    output: &mut impl Write,
) -> io::Result<Counts> {
    held.events.stored = given.stored_on_carriers()?;
    let (mut annotated, mut line, mut once) = (Vec::new(), Vec::new(), Once::new(given.index));
    let HeldEvents { events, traces, .. } = held;
    let mut keeps = |span: &[u8]| once.is_first(span) && only.keeps(span, traces);
    for path in given.paths {
        let mut written = Ok(());
        // A file that cannot be read was said when its spans were taken in; only writing fails here.
        let _ = each_request(path, given.limits, |_, request| {
            annotated.clear();
            if events.annotate(request, Some(&mut keeps), &mut annotated) == 0 {
                return Ok(());
            }
            line.clear();
            spans_json::write_line(&mut line, &annotated);
            written = output.write_all(&line);
            if written.is_ok() { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
        });
        written?;
    }
    let scope = scope();
    let counts = carriers::each(given, held, |carrier, parent| {
        let mut batch = Batch::new(Signal::Traces);
        batch.push(carrier.group(parent, &scope), Receipt { source: 0, from: 0, to: 1 });
        line.clear();
        spans_json::write_line(&mut line, &batch.message().concat());
        output.write_all(&line)
    })?;
    output.flush()?;
    Ok(counts)
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
) -> io::Result<Counts> {
    let mut open = true;
    let mut once = Once::new(given.index);
    held.events.stored = given.stored_on_carriers()?;
    for (path, (file, verified)) in given.paths.iter().zip(known.iter().copied()) {
        let stream = match only.number() {
            None => sending.acknowledged.stream(file, STREAM, Some(&Keys::one(key_of(path)?))),
            Some(number) => sending.acknowledged.stream(file, number, None),
        };
        let (key, known) = (stream.index, stream.settled.into_iter().nth(sending.target).flatten());
        each_request(path, given.limits, |number, request| {
            let mut annotated = Vec::new();
            held.events.annotate(request, None, &mut annotated);
            let mut left_out = only.left_out(request, &held.traces);
            once.mark_repeated(request, &mut left_out);
            for batch in batches(&Bytes::from(annotated), key, number) {
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
        running.write(request);
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

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    use super::*;
    use crate::checkpoint::acknowledged::Resending;
    use crate::checkpoint::ledger::State;
    use crate::correlate::index::SpanIndex;
    use crate::export::config::Carriers;
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
                let index = SpanIndex::new(crate::correlate::index::Limits::default());
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
