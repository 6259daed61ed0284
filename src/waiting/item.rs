//! What comes out of what waits.

use crate::record::Record;
use crate::record::sink::SourceSink;

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

impl Item<'_> {
    /// Gives it to a sink, as it was given when the source was read.
    #[inline]
    pub fn give(self, sink: &mut impl SourceSink) {
        match self {
            Item::Record(record) => sink.record(&record),
            Item::FileBegins(file) => sink.file_begins(file),
            // What is to be said of the file was said when it was read.
            Item::FileEnds { whole } => drop(sink.file_ends(whole)),
            Item::GivenUpTo(open) => sink.given_up_to(open),
        }
    }
}
