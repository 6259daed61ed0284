//! What comes out of what waits.

use crate::record::Record;

/// What comes out, in the order in which it went in.
#[derive(Debug)]
pub enum Item<'w> {
    /// A record.
    Record(Record<'w>),
    /// A file of the source begins: its place among them.
    FileBegins(u32),
    /// It ended, at its end or before.
    FileEnds {
        /// At its end.
        whole: bool,
    },
    /// Records up to this line of this file have come (`None`: all so far).
    GivenUpTo(Option<(u32, u64)>),
}
