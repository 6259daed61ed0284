//! Batches that a destination has not taken over yet.
//!
//! In go batches, at any time; they go on to the destination's task as it has room. Nobody waits: while there is something
//! here, nothing more is read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{self, error::TrySendError};

use crate::export::batch::Batch;
use crate::export::deliver::parcel::Parcel;
use crate::export::sinks::BatchSink;
use crate::otlp::Compression;

/// Where a shipper puts batches.
#[derive(Debug, Clone, Default)]
pub(super) struct Packed {
    parcels: Arc<Mutex<VecDeque<Parcel>>>,
    compression: Compression,
}

impl BatchSink for Packed {
    fn send(&self, batch: Batch) -> bool {
        let parcel = Parcel::pack(batch, self.compression);
        self.parcels.lock().unwrap_or_else(PoisonError::into_inner).push_back(parcel);
        true
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    packed: Packed,
    sender: mpsc::Sender<Parcel>,
    /// The destination's task has ended.
    is_closed: bool,
}

impl Outbox {
    pub(super) fn new(sender: mpsc::Sender<Parcel>, compression: Compression) -> Outbox {
        Outbox { packed: Packed { parcels: Arc::default(), compression }, sender, is_closed: false }
    }

    /// For a shipper.
    pub(super) fn sink(&self) -> Packed {
        self.packed.clone()
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.packed.parcels.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Gives on what the destination has room for; whether that is everything.
    pub(super) fn give_on(&mut self) -> bool {
        let mut parcels = self.packed.parcels.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(parcel) = parcels.pop_front() {
            match self.sender.try_send(parcel) {
                Ok(()) => {}
                Err(TrySendError::Full(parcel)) => {
                    parcels.push_front(parcel);
                    return false;
                }
                // What it had not taken is read again by the next run.
                Err(TrySendError::Closed(_)) => self.is_closed = true,
            }
        }
        !self.is_closed
    }
}
