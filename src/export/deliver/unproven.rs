//! Records that a destination refused alone, before it was seen to take any other.
//!
//! In go refusals, and later the requests that were taken; out come refusals that are proven (the record is dropped) or
//! contradicted (it is left for another run). The bytes of the records are not kept.

use super::job::Job;
use crate::record::Receipt;

/// Records whose refusal waits for a proof; what is refused beyond is left.
const UNPROVEN_MAX: usize = 4096;

/// A record that was refused for good, without its bytes.
pub(super) struct Refused {
    pub(super) receipts: Vec<Receipt>,
    pub(super) records: u64,
    pub(super) reason: String,
    /// Its size, if it was refused for that; if one of this size is taken, it was refused for something else.
    size: usize,
    /// The number of the last launch when it, or the batch that it was a part of, first failed.
    launches_at_first: u64,
}

impl Refused {
    /// A job that was refused with this size, if it was for that.
    pub(super) fn new(job: Job, size: Option<usize>, reason: String) -> Refused {
        let launches_at_first = job.failed_before();
        let (records, receipts) = (job.count(), job.parcel.batch.receipts);
        Refused { receipts, records, reason, size: size.unwrap_or(usize::MAX), launches_at_first }
    }

    /// A request that was sent after it had failed was taken: it is to blame itself.
    pub(super) fn is_proven(&self, taken: u64) -> bool {
        taken > self.launches_at_first
    }

    /// A record as large was taken: its size was not the reason.
    pub(super) fn is_contradicted(&self, largest_taken: usize) -> bool {
        self.size <= largest_taken
    }
}

/// Those that wait for a proof.
#[derive(Default)]
pub(super) struct Unproven(Vec<Refused>);

impl Unproven {
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= UNPROVEN_MAX
    }

    pub(super) fn push(&mut self, refused: Refused) {
        self.0.push(refused);
    }

    /// Takes out those that are proven by what was taken.
    pub(super) fn proven(&mut self, taken: u64) -> Vec<Refused> {
        self.0.extract_if(.., |refused| refused.is_proven(taken)).collect()
    }

    /// Takes out all.
    pub(super) fn all(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.0)
    }
}
