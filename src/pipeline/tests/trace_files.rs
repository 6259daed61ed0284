//! Files of traces that change between runs: which of their spans are sent again.

use std::sync::Mutex;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::acknowledged::Resending;
use crate::checkpoint::ledger::State;
use crate::checkpoint::trace_files;
use crate::correlate::index::SpanIndex;
use crate::export::batch::Batch;
use crate::export::config::Carriers;
use crate::export::select::Selection;
use crate::export::sinks::BatchSink;
use crate::export::span_events::annotated_traces::{Sending, send};
use crate::export::span_events::event::Style;
use crate::export::span_events::given_traces::GivenTraces;
use crate::export::span_events::held_events::HeldEvents;
use crate::export::span_events::span_batches::SPAN_BITS;
use crate::export::span_events::span_stream::SpanStream;
use crate::pipeline::given_spans::{Given, GivenSpans};
use crate::pipeline::shipping::span_stream;
use crate::spans::file::Limits;

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
        let index = SpanIndex::new(crate::correlate::index::Limits::default());
        let (limits, gather) = (Limits::default(), Carriers::Span);
        let given = Given { paths: &paths, limits, has_carriers: false, spans: GivenSpans::Held(&index), gather };
        let known = trace_files::recognise(&acknowledged, SPAN_BITS, &mut |each| given.each_request(0, each)).unwrap();
        let taken = [0, 1].map(|target| {
            let (taking, mut held) = (Taking::default(), HeldEvents::new(0, 1 << 20, 1 << 20, Style::default()));
            let file = |_| {
                let stream = trace_files::stream(&acknowledged, &path, known.number, None)?;
                Ok(span_stream(stream, target, known.verified))
            };
            let carriers = || SpanStream { key: 0, is_acknowledged: Box::new(|_| false) };
            let sending = Sending { sink: &taking, file: &file, carriers: &carriers };
            send(&given, &mut held, &Selection::default(), &sending).unwrap();
            let batches = taking.0.into_inner().unwrap();
            batches.iter().for_each(|batch| acknowledged.add(target, &batch.receipts, None));
            batches.iter().map(Batch::count).sum::<usize>()
        });
        state = acknowledged.state();
        assert_eq!((taken[0], state.files.len()), (taken[1], 1));
        taken[0]
    };
    let text = |old: usize| -> String { (0..40).map(|n| request(if n < old { "old" } else { "new" }, n)).collect() };
    assert_eq!(sent(text(40)), 120);
    assert_eq!(sent(text(40)), 0);
    assert_eq!(sent(text(40) + &request("more", 40)), 3);
    assert_eq!(sent(text(25)), 45);
    assert_eq!(sent(text(25)), 0);
}
