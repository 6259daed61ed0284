//! What the shipper asks about earlier runs, answered by positions.
//!
//! Nothing is decided here.

use crate::checkpoint::positions::record_streams::RecordStreams;
use crate::export::sent_before::{SentBefore, Settled};
use crate::export::shipper::Shipper;
use crate::record::{Position, Record};

/// A lane's shipper.
pub(super) type LaneShipper<'s> = Shipper<'s, RecordStreams>;

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

    /// Whoever follows the file knows it by its bytes.
    fn is_verified(&self, _: &Record<'_>) -> bool {
        true
    }

    #[inline]
    fn settled(&self, _: usize, _: &Position) -> Option<Settled> {
        self.is_settled().then_some(Settled { is_apart: false, untraced: false })
    }
}
