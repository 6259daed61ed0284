//! What is sent to a destination, and what it made of that.
//!
//! Values only: a [`Parcel`] is a batch ready to send, an [`Event`] tells what became of one, a [`Summary`] of all.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::export::batch::Batch;
use crate::otlp::{Compression, compress};
use crate::record::Receipt;

/// A batch and the bytes that are sent for it.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// What it holds.
    pub batch: Batch,
    /// How `body` is compressed.
    pub compression: Compression,
    /// The request as it is sent.
    pub body: Vec<Bytes>,
}

impl Parcel {
    /// Makes a batch ready to send. Compresses: call it on a worker.
    pub fn pack(batch: Batch, compression: Compression) -> Parcel {
        let body = compress(&batch.message(), compression);
        Parcel { batch, compression, body }
    }

    /// Bytes that it takes in memory.
    pub fn held_bytes(&self) -> usize {
        self.batch.len() + if self.compression == Compression::None { 0 } else { self.body_len() }
    }

    /// Bytes on the wire, without the protocol's own.
    pub fn body_len(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }
}

/// What became of batches, or something to tell the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The destination has them.
    Delivered {
        /// What is acknowledged.
        receipts: Vec<Receipt>,
        /// Records that it took.
        records: u64,
        /// Records among them that it refused for good by a partial success; not counted in `records`.
        rejected: u64,
        /// Why it refused those, in words that are alike for alike causes; empty if there are none.
        reason: String,
        /// Bytes of the request as sent.
        bytes: u64,
    },
    /// Given up on purpose and counted: the destination, which takes others, will never take these.
    Dropped {
        /// What is acknowledged nevertheless.
        receipts: Vec<Receipt>,
        /// Records lost.
        records: u64,
        /// Why, in words that are alike for alike causes.
        reason: String,
    },
    /// Not delivered; they are still to be sent by another run.
    Left {
        /// What is not acknowledged.
        receipts: Vec<Receipt>,
        /// Records not delivered.
        records: u64,
        /// Why, in words that are alike for alike causes.
        reason: String,
    },
    /// A line for the user: what happened, what it costs, what to change.
    Note(String),
}

/// Everything that a destination was given, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records that it took.
    pub records: u64,
    /// Requests that it took.
    pub requests: u64,
    /// Their bytes before compression.
    pub bytes_raw: u64,
    /// Their bytes as sent.
    pub bytes_sent: u64,
    /// Tries that failed, for any reason.
    pub failures: u64,
    /// Records refused by partial successes.
    pub rejected: u64,
    /// Records given up on purpose, by reason.
    pub dropped_by_reason: BTreeMap<String, u64>,
    /// Records not delivered, by reason; they are still to be sent by another run.
    pub left_by_reason: BTreeMap<String, u64>,
}

impl Summary {
    /// Records given up on purpose.
    pub fn dropped(&self) -> u64 {
        self.dropped_by_reason.values().sum()
    }

    /// Records not delivered that are still to be sent.
    pub fn left(&self) -> u64 {
        self.left_by_reason.values().sum()
    }

    /// Whether every record was taken.
    pub fn is_complete(&self) -> bool {
        self.rejected == 0 && self.left_by_reason.is_empty() && self.dropped_by_reason.is_empty()
    }
}
