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
    /// It is not wanted.
    pub(super) is_left_out: bool,
    /// Its last line so far ended in CR LF; its content does not have that CR.
    pub(super) cr: bool,
}

/// Writers write a record of several lines in one go, and a runtime stamps each line as it reads it: a line that comes later
/// than this, in ns, is a record of its own.
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
    /// Where its file ends, once another one has begun; before that 0.
    pub(super) file_end: u64,
}

impl<'c> Logical<'c> {
    #[inline]
    pub(super) fn new(
        meta: Meta,
        content: Text<'c>,
        lines: u32,
        journal: Option<Box<journal::Entry<'c>>>,
    ) -> Logical<'c> {
        Logical { meta, content, lines, later: 0, journal, raw: None, file_end: 0 }
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
        // Where it goes on in the next file, places of that file say nothing: it reaches beyond the end of its own one, whoever
        // wrote last there, by what was joined.
        let is_same_file = last.file == self.meta.file;
        let joined_end = self.meta.end.max(self.file_end) + content.len() as u64 + 1;
        self.meta.end = if is_same_file { last.end } else { joined_end };
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
            file_end: self.file_end,
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

/// A record in the order of its first line, until it is emitted.
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
    /// Pieces emitted of the line that comes in parts, as it is longer than the limit.
    pub(super) pieces: u32,
    pub(super) open: Option<(u64, Open)>,
    /// Lines after the open record that wait for what follows them, oldest first.
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
    /// Puts an item after the others; its number.
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

    /// Bytes of what is not given yet.
    pub(super) fn bytes(&self) -> usize {
        self.items.iter().map(|item| size_of::<Item<'_>>() + item.logical.content.len()).sum()
    }

    pub(super) fn front(&self) -> Option<&Item<'c>> {
        self.items.front()
    }

    /// A file ends here, and what is open of it goes on in the next one, if at all.
    pub(super) fn file_ends(&mut self, file: u32, end: u64) {
        let of_file = self.items.iter_mut().filter(|item| item.logical.meta.file == file);
        of_file.for_each(|item| item.logical.file_end = end);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A line of a file, of this many bytes before its line feed.
    fn meta(line: u64, offset: u64, length: u64) -> Meta {
        Meta {
            file: 0,
            line,
            offset,
            end: offset + length + 1,
            envelope: Envelope::Cri,
            stream: Stream::Stdout,
            time: None,
            origin: 0,
            is_whole: false,
            is_left_out: false,
            cr: false,
        }
    }

    fn at(nanos: i64) -> Meta {
        Meta { time: Some((nanos, 9)), ..meta(1, 0, 1) }
    }

    fn logical(meta: Meta, content: &'static [u8]) -> Logical<'static> {
        Logical::new(meta, content.into(), 1, None)
    }

    #[test]
    fn a_record_ends_where_its_last_line_does_and_counts_the_lines_of_all() {
        let mut open = logical(meta(1, 100, 5), b"first");
        open.append(b"second", None, b"\n", 1, &meta(2, 200, 6));
        assert_eq!((open.lines, open.meta.offset, open.meta.end), (2, 100, 207));
        open.append(b"third", None, b"\n", 3, &meta(3, 207, 9));
        assert_eq!((&*open.content, open.lines, open.meta.end), (&b"first\nsecond\nthird"[..], 5, 217));
        // A part that is no line of its own.
        open.append(b"!", None, b"", 0, &meta(5, 217, 1));
        assert_eq!((&*open.content, open.lines, open.meta.end), (&b"first\nsecond\nthird!"[..], 5, 219));
        assert_eq!((open.meta.line, open.meta.offset), (1, 100));
    }

    #[test]
    fn what_goes_on_in_the_next_file_makes_a_record_longer_by_its_text() {
        let mut open = logical(meta(9, 1000, 5), b"first");
        open.append(b"second", None, b"\n", 1, &Meta { file: 1, ..meta(1, 0, 40) });
        assert_eq!((open.lines, open.meta.end), (2, 1006 + 7));
        open.append(b"x", None, b"\n", 1, &Meta { file: 1, ..meta(2, 41, 40) });
        assert_eq!((open.lines, open.meta.end), (3, 1006 + 7 + 2));
        // Behind it in its file are lines of another stream.
        let mut open = logical(meta(9, 1000, 5), b"first");
        open.file_end = 2000;
        open.append(b"second", None, b"\n", 1, &Meta { file: 1, ..meta(1, 0, 40) });
        open.append(b"x", None, b"\n", 1, &Meta { file: 1, ..meta(2, 41, 40) });
        assert_eq!((open.lines, open.meta.end), (3, 2000 + 7 + 2));
    }

    #[test]
    fn the_cr_of_a_line_stands_between_it_and_the_next_and_nowhere_else() {
        let with_cr = |line, cr| Meta { cr, ..meta(line, line * 10, 1) };
        let mut open = logical(with_cr(1, true), b"a");
        open.append(b"b", None, b"\n", 1, &with_cr(2, false));
        open.append(b"c", None, b"\n", 1, &with_cr(3, true));
        // Between two parts of a line there is nothing.
        open.append(b"d", None, b"", 0, &with_cr(3, true));
        open.append(b"e", None, b"\n", 1, &with_cr(4, false));
        assert_eq!((&*open.content, open.meta.cr), (&b"a\r\nb\ncd\r\ne"[..], false));
        assert_eq!(without_cr(&open.content), b"a\nb\ncd\ne");
        assert_eq!(without_cr(b"a\r\rb\r"), b"a\r\rb\r");
    }

    #[test]
    fn terminal_sequences_are_kept_of_all_lines_once_one_has_some() {
        let mut open = logical(meta(1, 0, 1), b"a");
        open.append(b"b", None, b"\n", 1, &meta(2, 2, 1));
        assert!(open.raw.is_none());
        open.append(b"c", Some(b"\x1b[1mc"), b"\n", 1, &meta(3, 4, 1));
        open.append(b"d", None, b"\n", 1, &meta(4, 6, 1));
        assert_eq!(open.raw.as_deref(), Some(&b"a\nb\n\x1b[1mc\nd"[..]));
        assert_eq!(&*open.content, b"a\nb\nc\nd");
    }

    #[test]
    fn a_line_follows_that_came_within_a_second_of_the_last_one() {
        const SECOND: i64 = 1_000_000_000;
        let mut open = logical(at(0), b"a");
        for (nanos, follows) in [(0, true), (SECOND, true), (SECOND + 1, false), (-SECOND, true), (-SECOND - 1, false)]
        {
            assert_eq!(open.is_followed_by(&at(nanos)), follows, "{nanos}");
        }
        // Each line may come that much later than the one before it; out of order, the record's first one counts.
        open.append(b"b", None, b"\n", 1, &at(SECOND));
        open.append(b"c", None, b"\n", 1, &at(2 * SECOND));
        assert!(open.is_followed_by(&at(3 * SECOND)) && !open.is_followed_by(&at(3 * SECOND + 1)));
        assert!(open.is_followed_by(&at(SECOND)) && !open.is_followed_by(&at(SECOND - 1)));
        // Whose time is not known follows, and leaves the times as they were.
        let unknown = meta(1, 0, 1);
        assert!(open.is_followed_by(&unknown) && logical(unknown, b"a").is_followed_by(&at(i64::MAX)));
        open.append(b"d", None, b"\n", 1, &unknown);
        assert!(open.is_followed_by(&at(3 * SECOND)));
    }

    #[test]
    fn entries_of_a_journal_follow_sooner_or_not_at_all() {
        const MILLI: i64 = 1_000_000;
        let entry = |nanos, digits| Meta { envelope: Envelope::Journal, time: Some((nanos, digits)), ..meta(1, 0, 1) };
        let open = logical(entry(0, 6), b"a");
        assert!(open.is_followed_by(&entry(50 * MILLI, 6)) && !open.is_followed_by(&entry(50 * MILLI + 1, 6)));
        // Whole seconds do not tell more, and a line of a container has its own limit.
        assert!(open.is_followed_by(&entry(1000 * MILLI, 0)) && open.is_followed_by(&at(1000 * MILLI)));
        // What did not come through a pipe is whole.
        assert!(!open.is_followed_by(&Meta { is_whole: true, ..entry(0, 6) }));
        assert!(!open.is_followed_by(&Meta { is_whole: true, time: None, ..entry(0, 6) }));
    }

    #[test]
    fn the_oldest_of_a_stream_is_its_record_or_its_unfinished_line() {
        let open = |number| Some((number, Open::default()));
        for (open, partial, oldest) in [
            (None, None, None),
            (open(3), None, Some(3)),
            (None, Some(4), Some(4)),
            (open(3), Some(4), Some(3)),
            (open(5), Some(4), Some(4)),
        ] {
            let slot = Slot { key: 0, partial, pieces: 0, open, held: Vec::new() };
            assert_eq!(slot.oldest(), oldest);
        }
    }

    #[test]
    fn what_is_owned_is_what_was_borrowed() {
        let text = b"a line".to_vec();
        let mut queue = Queue::default();
        let borrowed =
            Logical { later: 7, raw: Some(b"raw".to_vec().into()), ..Logical::new(at(5), (&text[..]).into(), 4, None) };
        let first = queue.push(borrowed, 3, State::Done);
        let second = queue.push(logical(at(6), b"b"), 0, State::Open);
        let mut owned = queue.into_owned();
        drop(text);
        assert_eq!(owned.get(second).unwrap().state, State::Open);
        let item = owned.get(first).unwrap();
        assert_eq!((item.piece, item.state), (3, State::Done));
        let logical = &item.logical;
        assert_eq!((&*logical.content, logical.lines, logical.later), (&b"a line"[..], 4, 7));
        assert_eq!(logical.raw.as_deref(), Some(&b"raw"[..]));
        assert_eq!((logical.meta.time, logical.meta.end), (at(5).time, at(5).end));
    }

    /// What may be done with a queue.
    #[derive(Debug, Clone)]
    enum Action {
        Push(bool),
        Finish(prop::sample::Index),
        Pop,
        Pass,
        Own,
    }

    fn any_action() -> impl Strategy<Value = Action> {
        prop_oneof![
            4 => any::<bool>().prop_map(Action::Push),
            4 => any::<prop::sample::Index>().prop_map(Action::Finish),
            3 => Just(Action::Pop),
            1 => Just(Action::Pass),
            1 => Just(Action::Own),
        ]
    }

    proptest! {
        /// The model: items by name in their order, with the number that each has by now, and whether it is open.
        #[test]
        fn a_queue_gives_items_out_in_their_order_and_knows_them_by_their_numbers(
            actions in prop::collection::vec(any_action(), 0..60),
        ) {
            let mut queue = Queue::default();
            let mut model: Vec<(u64, u64, bool)> = Vec::new();
            let mut names = 0;
            for action in actions {
                match action {
                    Action::Push(is_open) => {
                        let state = if is_open { State::Open } else { State::Done };
                        let number = queue.push(logical(meta(names, 0, 1), b""), 0, state);
                        model.push((names, number, is_open));
                        names += 1;
                    }
                    Action::Finish(index) if !model.is_empty() => {
                        let at = index.index(model.len());
                        let (name, number, is_open) = &mut model[at];
                        let item = queue.get(*number).unwrap();
                        prop_assert_eq!(item.logical.meta.line, *name);
                        (item.state, *is_open) = (State::Done, false);
                    }
                    Action::Finish(_) => {}
                    Action::Pop => {
                        let expected = (!model.is_empty() && !model[0].2).then(|| model.remove(0));
                        let popped = queue.pop();
                        prop_assert_eq!(popped.map(|item| item.logical.meta.line), expected.map(|item| item.0));
                        // Its number names nothing from now on.
                        prop_assert!(expected.is_none_or(|item| queue.get(item.1).is_none()));
                    }
                    Action::Pass => {
                        let mut renumbered = Vec::new();
                        let complete = queue.pass_open(|old, new| renumbered.push((old, new)));
                        let lines: Vec<u64> = complete.iter().map(|item| item.logical.meta.line).collect();
                        let (open, done): (Vec<_>, Vec<_>) = model.into_iter().partition(|item| item.2);
                        prop_assert_eq!(lines, done.iter().map(|item| item.0).collect::<Vec<_>>());
                        prop_assert!(done.iter().all(|item| queue.get(item.1).is_none()));
                        let new_of = |old: u64| renumbered.iter().find(|(from, _)| *from == old).unwrap().1;
                        model = open.into_iter().map(|(name, number, is_open)| (name, new_of(number), is_open)).collect();
                        prop_assert_eq!(renumbered.len(), model.len());
                    }
                    Action::Own => queue = queue.into_owned(),
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.front().map(|item| item.logical.meta.line), model.first().map(|item| item.0));
                for (name, number, is_open) in &model {
                    let item = queue.get(*number).unwrap();
                    prop_assert_eq!((item.logical.meta.line, item.state == State::Open), (*name, *is_open));
                }
            }
        }
    }
}
