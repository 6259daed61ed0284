//! What the shipper asks about earlier runs, answered by what is remembered of them.
//!
//! Nothing is decided here.

use crate::checkpoint::source_streams::SourceStreams;
use crate::export::sent_before::{SentBefore, Settled};
use crate::record::{Position, Record};

impl SentBefore for SourceStreams<'_> {
    fn file_begins(&mut self, file: u32) {
        SourceStreams::file_begins(self, file);
    }

    #[inline]
    fn bytes_read(&mut self, bytes: &[u8]) {
        SourceStreams::bytes_read(self, bytes);
    }

    fn file_ends(&mut self, whole: bool) -> Option<&'static str> {
        SourceStreams::file_ends(self, whole)
    }

    #[inline]
    fn record(&mut self, writer: usize, record: &Record<'_>) {
        SourceStreams::record(self, writer, record);
    }

    #[inline]
    fn stream(&self) -> Option<(u32, u64)> {
        SourceStreams::stream(self).map(|(stream, after)| (stream.index, after))
    }

    #[inline]
    fn is_verified(&self, record: &Record<'_>) -> bool {
        SourceStreams::is_verified(self, record)
    }

    fn settled(&self, destination: usize, position: &Position) -> Option<Settled> {
        let (known, traced) = (SourceStreams::settled(self, destination, position)?, self.traced());
        let Position { offset, .. } = *position;
        Some(Settled { is_apart: known.is_apart(offset, traced), untraced: traced && known.untraced.contains(offset) })
    }
}
