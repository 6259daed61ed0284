//! The given traces out again with their lines on them.
//!
//! In go requests of spans and events by span, out go the requests as they were with the events put in, to a file or to a
//! destination, then the carriers of events that their spans had no room for. What an event says and which spans take part
//! is decided elsewhere.

use std::io::{self, Write};

use bytes::Bytes;

use super::carrier_batches::{self, each_carrier};
use super::carriers::{Counts, scope};
use super::given_traces::{GivenTraces, stored_on_carriers};
use super::held_events::HeldEvents;
use super::seen_spans::SeenSpans;
use super::span_batches::{SPAN_BITS, batches};
use super::span_stream::SpanStream;
use crate::export::batch::Batch;
use crate::export::formats::spans_json;
use crate::export::select::Selection;
use crate::export::sinks::BatchSink;
use crate::otlp::signal::Signal;
use crate::record::Receipt;

/// What an ordinal says of a span's place in its request.
const SPAN_MASK: u64 = (1 << SPAN_BITS) - 1;

/// Where traces are sent.
pub struct Sending<'a> {
    /// The destination.
    pub sink: &'a dyn BatchSink,
    /// The stream of a file of traces, by its place among them.
    pub file: &'a dyn Fn(usize) -> io::Result<SpanStream>,
    /// The stream of carriers; asked for only if there are any.
    pub carriers: &'a dyn Fn() -> SpanStream,
}

/// Writes `traces.jsonl`: the given traces, then the carriers of events that their spans had no room for; the traces that
/// are selected, and those of the lines given.
pub fn write_file(
    given: &dyn GivenTraces,
    held: &mut HeldEvents,
    selection: &Selection<'_>,
    output: &mut impl Write,
) -> io::Result<Counts> {
    held.events.stored = stored_on_carriers(given)?;
    let number = |ids| given.number(ids);
    let (mut annotated, mut line, mut seen) = (Vec::new(), Vec::new(), SeenSpans::new(given.spans(), &number));
    let HeldEvents { events, traces, .. } = held;
    let mut keeps = |span: &[u8]| seen.is_first(span) && selection.keeps(span, traces);
    for file in 0..given.files() {
        let mut written = Ok(());
        // A file that cannot be read was said when its spans were taken in; only writing fails here, and
        // events that lie in a temporary file.
        let _ = given.each_request(file, &mut |_, request| {
            annotated.clear();
            written = events.annotate(request, Some(&mut keeps), &mut annotated).and_then(|left| {
                line.clear();
                if left > 0 {
                    spans_json::write_line(&mut line, &annotated);
                }
                output.write_all(&line)
            });
            if written.is_ok() { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
        });
        written?;
    }
    let scope = scope();
    let counts = each_carrier(given, held, |carrier, parent| {
        let mut batch = Batch::new(Signal::Traces);
        batch.push(carrier.group(parent, &scope), Receipt { source: 0, from: 0, to: 1 });
        line.clear();
        spans_json::write_line(&mut line, &batch.message().concat());
        output.write_all(&line)
    })?;
    output.flush()?;
    Ok(counts)
}

/// Sends the traces, then the carriers of events that their spans had no room for; which of them as in [`write_file`].
pub fn send(
    given: &dyn GivenTraces,
    held: &mut HeldEvents,
    selection: &Selection<'_>,
    sending: &Sending<'_>,
) -> io::Result<Counts> {
    let mut open = true;
    let number = |ids| given.number(ids);
    let mut seen = SeenSpans::new(given.spans(), &number);
    held.events.stored = stored_on_carriers(given)?;
    for file in 0..given.files() {
        let stream = (sending.file)(file)?;
        given.each_request(file, &mut |number, request| {
            let mut annotated = Vec::new();
            held.events.annotate(request, None, &mut annotated)?;
            let mut left_out = selection.left_out(request, &held.traces);
            seen.mark_repeated(request, &mut left_out);
            for batch in batches(&Bytes::from(annotated), stream.key, number) {
                let is_left_out = |span: u64| left_out.get((span & SPAN_MASK) as usize).copied().unwrap_or(false);
                let batch = batch.without(|span| is_left_out(span) || (stream.is_acknowledged)(span));
                if open && !batch.is_empty() {
                    open = sending.sink.send(batch);
                }
            }
            Ok(())
        })?;
    }
    carrier_batches::send(given, held, sending.sink, sending.carriers)
}
