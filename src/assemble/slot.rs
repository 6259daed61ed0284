//! What is open in one stream: parts of a line, and the record that the next line may belong to.

use std::borrow::Cow;
use std::collections::VecDeque;

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
    /// Behind its last line so far.
    pub(super) end: u64,
    pub(super) envelope: Envelope,
    pub(super) stream: Stream,
    pub(super) time: Option<(i64, u8)>,
    pub(super) origin: u32,
    /// A record by itself, whatever stands before it.
    pub(super) is_whole: bool,
    /// Its last line so far ended in CR LF; its content does not have that CR.
    pub(super) cr: bool,
}

/// Writers give a record of several lines out in one go, and a runtime stamps each line as it reads it: what comes later
/// than this, in ns, was written by itself.
const APART_MAX: i64 = 1_000_000_000;
/// The same in a journal, where each line is an entry: journald takes what was written in one go at once.
const APART_MAX_IN_JOURNAL: i64 = 50_000_000;

/// A line, or lines, joined so far.
#[derive(Debug)]
pub(super) struct Logical<'c> {
    pub(super) meta: Meta,
    pub(super) content: Text<'c>,
    pub(super) lines: u32,
    /// How much later than its first line the last one so far came, in ns.
    pub(super) later: i64,
    pub(super) journal: Option<Box<journal::Entry<'c>>>,
    /// The content with its terminal sequences, where it had some and they are kept.
    pub(super) raw: Option<Box<[u8]>>,
}

impl<'c> Logical<'c> {
    #[inline]
    pub(super) fn new(
        meta: Meta,
        content: Text<'c>,
        lines: u32,
        journal: Option<Box<journal::Entry<'c>>>,
    ) -> Logical<'c> {
        Logical { meta, content, lines, later: 0, journal, raw: None }
    }
}

impl Logical<'_> {
    /// `between`: what stands between two lines of a record, nothing between two parts of a line.
    pub(super) fn append(&mut self, content: &[u8], raw: Option<&[u8]>, between: &[u8], lines: u32, last: &Meta) {
        // Whether the CR of a line belongs to the text is known once the record's last line is: see `without_cr`.
        let between = if self.meta.cr && between == b"\n" { b"\r\n" } else { between };
        if raw.is_some() || self.raw.is_some() {
            let before = self.raw.as_deref().unwrap_or(&self.content);
            self.raw = Some([before, between, raw.unwrap_or(content)].concat().into());
        }
        self.meta.cr = last.cr;
        let joined = self.content.to_mut();
        joined.extend_from_slice(between);
        joined.extend_from_slice(content);
        self.lines += lines;
        // Where it goes on in the next file, places of that file say nothing: it is longer by what was joined.
        self.meta.end = if last.file == self.meta.file { last.end } else { self.meta.end + content.len() as u64 + 1 };
        if let (Some((first, _)), Some((last, _))) = (self.meta.time, last.time) {
            self.later = last.saturating_sub(first);
        }
    }

    /// Whether a line may go on the record by when it came. Without times its text alone decides.
    pub(super) fn is_followed_by(&self, line: &Meta) -> bool {
        // Whole seconds do not tell more.
        let is_fine = line.time.is_none_or(|(_, digits)| digits > 0);
        let is_journal = line.envelope == Envelope::Journal && is_fine;
        let apart_max = if is_journal { APART_MAX_IN_JOURNAL } else { APART_MAX };
        match (self.meta.time, line.time) {
            _ if line.is_whole => false,
            (Some((first, _)), Some((now, _))) => {
                now.abs_diff(first.saturating_add(self.later)) <= apart_max.unsigned_abs()
            }
            _ => true,
        }
    }

    pub(super) fn into_owned(self) -> Logical<'static> {
        Logical {
            meta: self.meta,
            content: Cow::Owned(self.content.into_owned()),
            lines: self.lines,
            later: self.later,
            journal: self.journal.map(|entry| Box::new(entry.into_owned())),
            raw: self.raw,
        }
    }
}

/// Text without the CRs before its LFs.
pub(super) fn without_cr(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match line {
            [line @ .., b'\r', b'\n'] => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            line => out.extend_from_slice(line),
        }
    }
    out
}

/// A record in the order of its first line, until it is given out.
#[derive(Debug)]
pub(super) struct Item<'c> {
    pub(super) logical: Logical<'c>,
    /// Number of the piece of a line longer than the limit, else 0.
    pub(super) piece: u32,
    pub(super) state: State,
}

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// More of it may come.
    Open,
    /// It is complete.
    Done,
    /// It was joined to another one.
    Gone,
}

/// One stream of a source. Items are named by their number in the [`Queue`].
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: u64,
    pub(super) partial: Option<u64>,
    /// Pieces given out of the line that comes in parts, as it is longer than the limit.
    pub(super) pieces: u32,
    pub(super) open: Option<(u64, Open)>,
    /// Lines behind the open record that wait for what follows them, oldest first.
    pub(super) held: Vec<u64>,
}

impl Slot {
    pub(super) fn oldest(&self) -> Option<u64> {
        match (self.open.map(|(item, _)| item), self.partial) {
            (Some(open), Some(partial)) => Some(open.min(partial)),
            (open, partial) => open.or(partial),
        }
    }
}

/// Items in the order of their first lines.
#[derive(Debug, Default)]
pub(super) struct Queue<'c> {
    items: VecDeque<Item<'c>>,
    /// Number of the first item.
    base: u64,
}

impl<'c> Queue<'c> {
    /// Puts an item behind the others; its number.
    #[inline]
    pub(super) fn push(&mut self, logical: Logical<'c>, piece: u32, state: State) -> u64 {
        self.items.push_back(Item { logical, piece, state });
        self.base + self.items.len() as u64 - 1
    }

    #[inline]
    pub(super) fn get(&mut self, number: u64) -> Option<&mut Item<'c>> {
        self.items.get_mut(usize::try_from(number.checked_sub(self.base)?).ok()?)
    }

    /// The first item, if nothing waits for more of it.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Item<'c>> {
        if self.items.front()?.state == State::Open {
            return None;
        }
        self.base += 1;
        self.items.pop_front()
    }

    pub(super) fn front(&self) -> Option<&Item<'c>> {
        self.items.front()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Takes all items out that are not open; those that are get new numbers, told to `renumbered` as (old, new).
    pub(super) fn pass_open(&mut self, mut renumbered: impl FnMut(u64, u64)) -> Vec<Item<'c>> {
        let (mut complete, mut open) = (Vec::new(), VecDeque::new());
        let items = std::mem::take(&mut self.items);
        let base = self.base + items.len() as u64;
        for (number, item) in (self.base..).zip(items) {
            if item.state == State::Open {
                renumbered(number, base + open.len() as u64);
                open.push_back(item);
            } else {
                complete.push(item);
            }
        }
        (self.items, self.base) = (open, base);
        complete
    }

    pub(super) fn into_owned(self) -> Queue<'static> {
        let own = |item: Item<'c>| Item { logical: item.logical.into_owned(), piece: item.piece, state: item.state };
        Queue { items: self.items.into_iter().map(own).collect(), base: self.base }
    }
}
