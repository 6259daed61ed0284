//! A lane's shipper, which asks positions about earlier runs.
//!
//! Nothing is decided here.

use super::outbox::Outbox;
use crate::checkpoint::positions::record_streams::RecordStreams;
use crate::counts::LinkCounts;
use crate::export::logs::batcher::LogBatcher;
use crate::export::logs::encode;
use crate::export::select::{Selection, Window};
use crate::export::sent_before::{Outstanding, SentBefore, Settled};
use crate::export::shipped_source::ShippedSource;
use crate::export::shipper::{LogOutput, Shipper};
use crate::line_rules::LineRules;
use crate::record::{Position, Record};

/// A lane's shipper.
pub(super) type LaneShipper<'s> = Shipper<'s, RecordStreams>;

/// One that sends everything to one destination.
pub(super) fn shipper<'s>(
    outbox: &Outbox,
    (selection, rules): (&'s Selection<'s>, &'s LineRules),
    min_confidence: f32,
    before: RecordStreams,
) -> Shipper<'s, RecordStreams> {
    let output = LogOutput {
        destination: 0,
        sink: Box::new(outbox.sink()),
        batcher: LogBatcher::new(encode::scope_field().into()),
        closed: false,
    };
    Shipper {
        linker: None,
        min_confidence,
        window: Window::new(None, None),
        selection,
        rules,
        logs: vec![output],
        outputs: Vec::new(),
        links: None,
        before,
        observed: 0,
        counts: LinkCounts::default(),
        source: ShippedSource::default(),
    }
}

impl SentBefore for RecordStreams {
    fn file_begins(&mut self, _: u32) {}

    fn bytes_read(&mut self, _: &[u8]) {}

    fn file_ends(&mut self, _: bool) -> Option<&'static str> {
        None
    }

    #[inline]
    fn record(&mut self, writer: usize, record: &Record<'_>) {
        RecordStreams::record(self, writer, record);
    }

    #[inline]
    fn stream(&self) -> Option<(u32, u64)> {
        RecordStreams::stream(self)
    }

    /// What is dropped is settled.
    fn drops(&mut self) -> bool {
        self.settle();
        true
    }

    fn outstanding(&self) -> Outstanding {
        self.receipt().map_or(Outstanding::Nothing, Outstanding::Receipt)
    }

    /// Whoever follows the file knows it by its bytes.
    fn is_verified(&self, _: &Record<'_>) -> bool {
        true
    }

    #[inline]
    fn settled(&self, _: usize, _: &Position) -> Option<Settled> {
        self.is_settled().then_some(Settled { is_apart: false, untraced: false })
    }
}
