//! What takes records, and what takes batches of them.

use super::batch::Batch;
use crate::record::{Link, Record};

/// Where encoded logs go: a bounded way to the task that sends them.
pub trait BatchSink {
    /// Waits for room, then gives the batch on; `false` once nobody takes any more.
    fn send(&self, batch: Batch) -> bool;
}

/// Takes records with their links beside the destinations of logs: text, files, span events.
pub trait Tap {
    /// One record; `file` is the name its file is shown under.
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, uid: &[u8; 16], file: &str);
}
