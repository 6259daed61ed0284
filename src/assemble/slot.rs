//! What is open in one stream: parts of a line, and the record that the next line may belong to.

use std::borrow::Cow;

use spanline_parsers::Text;
use spanline_parsers::continuation::Open;
use spanline_parsers::journal;

use crate::record::{Envelope, Stream};

/// Where a line stands and what its envelope said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    pub(super) file: u32,
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) envelope: Envelope,
    pub(super) stream: Stream,
    pub(super) time: Option<(i64, u8)>,
    pub(super) origin: u32,
}

/// A line, or lines, joined so far.
#[derive(Debug)]
pub(super) struct Logical<'c> {
    pub(super) meta: Meta,
    pub(super) content: Text<'c>,
    pub(super) lines: u32,
    pub(super) journal: Option<Box<journal::Entry<'c>>>,
}

impl Logical<'_> {
    pub(super) fn append(&mut self, content: &[u8], between: &[u8], lines: u32) {
        let joined = self.content.to_mut();
        joined.extend_from_slice(between);
        joined.extend_from_slice(content);
        self.lines += lines;
    }

    pub(super) fn into_owned(self) -> Logical<'static> {
        Logical {
            meta: self.meta,
            content: Cow::Owned(self.content.into_owned()),
            lines: self.lines,
            journal: self.journal.map(|entry| Box::new(entry.into_owned())),
        }
    }
}

/// One stream of a source.
#[derive(Debug)]
pub(super) struct Slot<'c> {
    pub(super) key: u64,
    pub(super) partial: Option<Logical<'c>>,
    pub(super) open: Option<(Logical<'c>, Open)>,
}

impl Slot<'_> {
    pub(super) fn oldest(&self) -> Option<(u32, u64)> {
        let place = |logical: &Logical<'_>| (logical.meta.file, logical.meta.line);
        self.open.as_ref().map(|(logical, _)| place(logical)).or(self.partial.as_ref().map(place))
    }

    pub(super) fn into_owned(self) -> Slot<'static> {
        Slot {
            key: self.key,
            partial: self.partial.map(Logical::into_owned),
            open: self.open.map(|(logical, state)| (logical.into_owned(), state)),
        }
    }
}
