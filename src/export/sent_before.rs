//! What a shipper asks about earlier runs.
//!
//! In go the records of one source after another, out come their streams, and what destinations have of them. What is
//! remembered, and how, is not known here.

use crate::record::{Position, Receipt, Record};

/// What earlier runs sent of the source that is being read.
pub trait SentBefore {
    /// A file of the source begins: its place among them.
    fn file_begins(&mut self, file: u32);

    /// Bytes of the file, before their records come.
    fn bytes_read(&mut self, bytes: &[u8]);

    /// The file ends; a message if it is not the one that it was when the run began.
    fn file_ends(&mut self, whole: bool) -> Option<&'static str>;

    /// The next record comes, of the writer of this number in the source. Called once for each.
    fn record(&mut self, writer: usize, record: &Record<'_>);

    /// The stream of the current record, which receipts refer to, and where the record before it in that stream ends.
    fn stream(&self) -> Option<(u32, u64)>;

    /// Whether the bytes of the current record are those that an earlier run read at its place.
    fn is_verified(&self, record: &Record<'_>) -> bool;

    /// The current record is dropped on purpose: whether receipts for those around it may reach over it.
    fn drops(&mut self) -> bool {
        false
    }

    /// What is to come back for the current record, where that is told by whoever takes it.
    fn outstanding(&self) -> Outstanding {
        Outstanding::OfDestinations
    }

    /// Whether a destination has what an earlier run read at the place of the current record.
    fn settled(&self, destination: usize, position: &Position) -> Option<Settled>;
}

/// What is to come back for a record once it was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outstanding {
    /// Destinations of logs have it told by themselves.
    OfDestinations,
    /// An earlier run has delivered it.
    Nothing,
    /// This.
    Receipt(Receipt),
}

/// A destination has a record, which is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// A receipt for the records around it must not reach over it.
    pub is_apart: bool,
    /// It was sent without traces, and this run has some.
    pub untraced: bool,
}
