//! Where records and batches of them go.

use super::batch::Batch;
use crate::record::{Link, Receipt, Record};

/// Sends encoded batches to the task of a destination, through a bounded channel.
pub trait BatchSink {
    /// Waits for room, then sends the batch; `false` once the task has ended.
    fn send(&self, batch: Batch) -> bool;
}

/// Takes records with their links: text, files, span events; all but destinations of OTLP logs.
pub trait RecordOutput {
    /// Takes a record; `file` is the name its file is shown under.
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, uid: &[u8; 16], file: &str);

    /// Whether the record that was given last goes out somewhere, so that its receipt comes back once it was delivered there.
    fn keeps(&mut self, _receipt: Receipt) -> bool {
        false
    }
}
