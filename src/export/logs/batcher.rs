//! Records gathered into OTLP requests: one group for each writer of each file, up to a size.
//!
//! In go encoded records with the place they came from, out come [`Batch`]es with receipts. Nothing is compressed or sent
//! here, and what the records say is not known.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::export::batch::{Batch, Group};
use crate::otlp::Signal;
use crate::otlp::wire::write::Buffer;
use crate::record::Receipt;

/// Requests of this size pass loopback and networks faster than larger ones, and stay far below every server's limit.
pub const BATCH_BYTES: usize = 512 * 1024;

/// Room for a batch and the record that fills it.
const ROOM_BYTES: usize = BATCH_BYTES + BATCH_BYTES / 8;

/// Room for a writer that has little in a batch of many.
const SMALL_ROOM_BYTES: usize = 2 * 1024;

/// Bytes between two records of a key over which a receipt reaches: offsets within a group are kept in 32 bits.
const GAP_MAX: u64 = 1 << 31;

/// Buffers that are kept for further batches: about as many as are in flight at a time.
const KEPT_MAX: usize = 8;

/// Buffers whose batches are gone. Without them the allocator gives the pages of each batch back and gets them anew.
type Kept = Arc<Mutex<Vec<Buffer>>>;

/// Items of a batch, whose buffer is kept once the last share of them is gone.
struct SharedBuffer {
    items: Buffer,
    kept: Kept,
}

impl AsRef<[u8]> for SharedBuffer {
    fn as_ref(&self) -> &[u8] {
        self.items.written()
    }
}

impl Drop for SharedBuffer {
    fn drop(&mut self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            self.items.clear();
            kept.push(std::mem::take(&mut self.items));
        }
    }
}

/// Gathers records for one destination.
#[derive(Debug)]
pub struct LogBatcher {
    scope: Bytes,
    groups: Vec<OpenGroup>,
    bytes: usize,
    kept: Kept,
}

/// Where a record came from, for its receipt: which ledger key, and its offset in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the ledger's key.
    pub key: u32,
    /// Where the record of the same key before it ends, whatever became of that: nothing of the key lies between.
    pub after: u64,
    /// Offset of the record's first byte.
    pub offset: u64,
    /// Offset after its last one.
    pub end: u64,
}

#[derive(Debug)]
struct OpenGroup {
    resource: Bytes,
    items: Buffer,
    ends: Vec<u32>,
    ordinals: Vec<u32>,
    key: u32,
    from: u64,
    last: u64,
    end: u64,
    /// Nothing more is added: the next record of its key comes after one that was left out.
    is_closed: bool,
}

impl LogBatcher {
    /// An empty one; `scope` is the encoded field of `ScopeLogs`.
    pub fn new(scope: Bytes) -> LogBatcher {
        LogBatcher { scope, groups: Vec::new(), bytes: 0, kept: Kept::default() }
    }

    /// Adds a record: `encode` appends it, with its tag, to the group of its writer. Full batches are returned.
    #[inline]
    pub fn add(&mut self, place: Place, resource: &Bytes, encode: impl FnOnce(&mut Buffer)) -> Option<Batch> {
        let at = self.group(place, resource);
        let group = &mut self.groups[at];
        let before = group.items.len();
        encode(&mut group.items);
        let end = group.items.len();
        group.ends.push(end as u32);
        group.ordinals.push((place.offset - group.from) as u32);
        group.last = place.offset;
        group.end = group.end.max(place.end);
        self.bytes += end - before;
        if self.bytes >= BATCH_BYTES { self.take() } else { None }
    }

    /// The group that goes on with this place: the last one, nearly always. Offsets of a group only grow.
    #[inline]
    fn group(&mut self, place: Place, resource: &Bytes) -> usize {
        let goes_on = |group: &OpenGroup| {
            let is_same = group.resource.as_ptr() == resource.as_ptr() || group.resource == *resource;
            is_same && group.last <= place.offset && place.offset - group.from < u64::from(u32::MAX)
        };
        let of_key = self.groups.iter().enumerate().rev().filter(|(_, group)| group.key == place.key);
        // All groups of a key before a closed one are closed too.
        match of_key.take_while(|(_, group)| !group.is_closed).find(|(_, group)| goes_on(group)).map(|(at, _)| at) {
            Some(at) => at,
            None => {
                // Records that are left out make many groups, whose resources count then.
                self.bytes += resource.len();
                // Most batches have one group or two: a container's streams.
                let items = if self.groups.len() < 2 { self.room() } else { Buffer::with_room(SMALL_ROOM_BYTES) };
                // Receipts that touch become one range: what others wrote between two batches is no gap.
                let gap = place.offset.saturating_sub(place.after);
                let from = if gap < GAP_MAX { place.offset - gap } else { place.offset };
                self.groups.push(OpenGroup {
                    resource: resource.clone(),
                    items,
                    ends: Vec::new(),
                    ordinals: Vec::new(),
                    key: place.key,
                    from,
                    last: place.offset,
                    end: place.end,
                    is_closed: false,
                });
                self.groups.len() - 1
            }
        }
    }

    /// A record of this key is left out: the receipt of those before must not reach over it.
    pub fn leave_out(&mut self, key: u32) {
        let of_key = self.groups.iter_mut().rev().filter(|group| group.key == key);
        of_key.take_while(|group| !group.is_closed).for_each(|group| group.is_closed = true);
    }

    fn room(&self) -> Buffer {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| Buffer::with_room(ROOM_BYTES))
    }

    /// What is gathered so far.
    pub fn take(&mut self) -> Option<Batch> {
        if self.groups.is_empty() {
            return None;
        }
        self.bytes = 0;
        let mut batch = Batch { signal: Signal::Logs, groups: Vec::new(), receipts: Vec::new() };
        for group in self.groups.drain(..) {
            // A record that is large by itself made its buffer larger: that one is not kept.
            let items = if group.items.room_len() == ROOM_BYTES {
                Bytes::from_owner(SharedBuffer { items: group.items, kept: Arc::clone(&self.kept) })
            } else {
                group.items.into_written().into()
            };
            batch.receipts.push(Receipt { source: group.key, from: group.from, to: group.end });
            batch.groups.push(Group {
                resource: group.resource,
                scope: self.scope.clone(),
                items,
                ends: group.ends,
                ordinals: Some(group.ordinals),
                ..Group::default()
            });
        }
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Place {
        Place { key: 7, after: offset, offset, end: offset + 10 }
    }

    #[test]
    fn records_stay_under_their_own_resource() {
        let mut batcher = LogBatcher::new(Bytes::new());
        let hosts = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        for (offset, host) in [(0, 0), (10, 1), (20, 0)] {
            assert!(batcher.add(place(offset), &hosts[host], |items| items.put(b"x")).is_none());
        }
        let groups = batcher.take().unwrap().groups;
        let shown: Vec<_> = groups.iter().map(|group| (&group.resource[..], group.ends.len())).collect();
        assert_eq!(shown, [(&b"one"[..], 2), (&b"two"[..], 1)]);
    }

    #[test]
    fn receipts_of_batches_touch_over_what_others_wrote_between() {
        let mut batcher = LogBatcher::new(Bytes::new());
        let mut receipts = Vec::new();
        for (after, offset) in [(0, 5), (15, 40), (50, 90)] {
            assert!(batcher.add(Place { after, ..place(offset) }, &Bytes::new(), |items| items.put(b"x")).is_none());
            assert!(batcher.add(Place { after: offset + 10, ..place(offset + 12) }, &Bytes::new(), |_| ()).is_none());
            let (front, back) = batcher.take().unwrap().split();
            receipts.extend([front.receipts, back.receipts].concat());
        }
        let ranges: Vec<_> = receipts.iter().map(|receipt| (receipt.from, receipt.to)).collect();
        assert_eq!(ranges, [(0, 17), (17, 27), (15, 52), (52, 62), (50, 102), (102, 112)]);
    }

    #[test]
    fn no_receipt_reaches_over_a_record_that_is_left_out() {
        let mut batcher = LogBatcher::new(Bytes::new());
        for offset in [0, 10, 30] {
            if offset == 30 {
                batcher.leave_out(7);
            }
            assert!(batcher.add(place(offset), &Bytes::new(), |items| items.put(b"x")).is_none());
        }
        let receipts = batcher.take().unwrap().receipts;
        assert_eq!(receipts.iter().map(|receipt| (receipt.from, receipt.to)).collect::<Vec<_>>(), [(0, 20), (30, 40)]);
    }
}
