//! Records gathered to OTLP requests: one group for each writer of each file, up to a size.
//!
//! In go encoded records with the place they came from, out come [`Batch`]es with receipts. Nothing is compressed or sent
//! here, and what the records say is not known.

use bytes::Bytes;

use crate::export::batch::{Batch, Group};
use crate::otlp::Signal;
use crate::otlp::protobuf::Buffer;
use crate::record::Receipt;

/// Requests of this size pass loopback and networks faster than larger ones, and stay far below every server's limit.
pub const BATCH_BYTES: usize = 512 * 1024;

/// Gathers records for one destination.
#[derive(Debug)]
pub struct LogBatcher {
    scope: Bytes,
    groups: Vec<OpenGroup>,
    bytes: usize,
    /// The record in hand.
    record: Buffer,
}

/// Where a record came from, for its receipt: which ledger key, and its offset in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the ledger's key.
    pub key: u32,
    /// Offset of the record's first byte.
    pub offset: u64,
}

#[derive(Debug)]
struct OpenGroup {
    resource: Bytes,
    items: Vec<u8>,
    ends: Vec<u32>,
    ordinals: Vec<u32>,
    key: u32,
    from: u64,
    last: u64,
}

impl LogBatcher {
    /// An empty one; `scope` is the encoded field of `ScopeLogs`.
    pub fn new(scope: Bytes) -> LogBatcher {
        LogBatcher { scope, groups: Vec::new(), bytes: 0, record: Buffer::default() }
    }

    /// Adds a record: `encode` writes it, with its tag, and it goes to the group of its writer. Full batches are returned.
    #[inline]
    pub fn add(&mut self, place: Place, resource: &Bytes, encode: impl FnOnce(&mut Buffer)) -> Option<Batch> {
        self.record.clear();
        encode(&mut self.record);
        let at = self.group(place, resource);
        let (record, group) = (self.record.written(), &mut self.groups[at]);
        group.items.extend_from_slice(record);
        group.ends.push(group.items.len() as u32);
        group.ordinals.push((place.offset - group.from) as u32);
        group.last = place.offset;
        self.bytes += record.len();
        if self.bytes >= BATCH_BYTES { self.take() } else { None }
    }

    /// The group that goes on with this place: the last one, nearly always. Offsets of a group only grow.
    #[inline]
    fn group(&mut self, place: Place, resource: &Bytes) -> usize {
        let goes_on = |group: &OpenGroup| {
            group.key == place.key && group.last <= place.offset && place.offset - group.from < u64::from(u32::MAX)
        };
        match self.groups.iter().rposition(goes_on) {
            Some(at) => at,
            None => {
                let room = if self.groups.is_empty() { BATCH_BYTES + BATCH_BYTES / 8 } else { 0 };
                self.groups.push(OpenGroup {
                    resource: resource.clone(),
                    items: Vec::with_capacity(room),
                    ends: Vec::new(),
                    ordinals: Vec::new(),
                    key: place.key,
                    from: place.offset,
                    last: place.offset,
                });
                self.groups.len() - 1
            }
        }
    }

    /// What is gathered so far.
    pub fn take(&mut self) -> Option<Batch> {
        if self.groups.is_empty() {
            return None;
        }
        self.bytes = 0;
        let mut batch = Batch { signal: Signal::Logs, groups: Vec::new(), receipts: Vec::new() };
        for group in self.groups.drain(..) {
            batch.receipts.push(Receipt { source: group.key, from: group.from, to: group.last + 1 });
            batch.groups.push(Group {
                resource: group.resource,
                scope: self.scope.clone(),
                items: group.items.into(),
                ends: group.ends,
                ordinals: Some(group.ordinals),
                ..Group::default()
            });
        }
        Some(batch)
    }
}
