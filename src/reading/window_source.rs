//! One source that is read, shown and given on a window of time after the other.
//!
//! In go its files, out go its records: shown once where they are up to the end of the window, then given on in order, each
//! once. A record that is later than its window waits for the next one, and so does what stands behind it. Bounded by the
//! room that all sources share; which window comes next is not decided here.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI64, Ordering};

use super::source::{Reading, SourceReader};
use crate::input::sources::Source;
use crate::record::Record;
use crate::record::sink::{RecordSink, SourceSink};
use crate::waiting::{Item, Place, Waiting};

/// A source may begin so much before the first time that was seen in it.
const BEGINS_BEFORE_NS: i64 = 1_000_000_000;

/// Bytes that all sources may still hold.
#[derive(Debug)]
pub(crate) struct Room {
    left: AtomicI64,
    /// More that may be taken.
    overdraft: i64,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Room {
        Room { left: AtomicI64::new(i64::try_from(bytes).unwrap_or(i64::MAX)), overdraft: 0 }
    }

    pub(crate) fn is_left(&self) -> bool {
        self.left() > 0
    }

    /// Less than nothing where the last one that was read took more.
    pub(crate) fn left(&self) -> i64 {
        self.left.load(Ordering::Relaxed) + self.overdraft
    }

    /// The same without what may be taken beyond it.
    pub(crate) fn free(&self) -> i64 {
        self.left.load(Ordering::Relaxed)
    }

    /// At least so many bytes may be taken from now on.
    pub(crate) fn allow(&mut self, bytes: i64) {
        self.overdraft = (bytes - self.left.load(Ordering::Relaxed)).max(0);
    }

    /// Something held so many bytes, and holds so many now.
    fn change(&self, before: usize, now: usize) {
        self.left.fetch_add(before as i64 - now as i64, Ordering::Relaxed);
    }
}

/// See the module. Of very many sources few are open at a time: what one needs while it is read, it has from then on.
pub(crate) struct WindowSource<F> {
    open: Option<Box<Opened<F>>>,
    waiting: Waiting,
    /// Where it ended when its records were shown last.
    shown: Place,
    /// All up to here was read, or there is nothing before; `None` where nothing tells yet.
    reached: Option<i64>,
    has_begun: bool,
    has_ended: bool,
}

/// A source that is being read.
pub(crate) struct Opened<F> {
    pub(crate) reader: SourceReader,
    /// Is shown its files and their bytes as well.
    pub(crate) follower: F,
}

impl<F: SourceSink> WindowSource<F> {
    /// Before its first record. `begins`: when that is, where it is known.
    pub(crate) fn new(begins: Option<i64>) -> Self {
        WindowSource {
            open: None,
            waiting: Waiting::default(),
            shown: Place::default(),
            // Lines need not come in order, and one may stand before the first one that was looked at.
            reached: begins.map(|begins| begins.saturating_sub(BEGINS_BEFORE_NS)),
            has_begun: false,
            has_ended: false,
        }
    }

    /// Reads until it is further than a time, as far as there is room; `open` opens it where that was not done.
    pub(crate) fn read(
        &mut self,
        up_to: i64,
        source: &Source,
        reading: &Reading<'_>,
        room: &Room,
        open: impl FnOnce() -> Opened<F>,
    ) {
        self.has_begun = true;
        self.open.get_or_insert_with(|| Box::new(open()));
        self.with_reader(up_to, room, |reader, filling| reader.read(source, reading, filling));
    }

    /// No more of it is read.
    pub(crate) fn end(&mut self, source: &Source, room: &Room) {
        self.with_reader(i64::MAX, room, |reader, filling| reader.end(source, filling));
    }

    fn with_reader(&mut self, up_to: i64, room: &Room, read: impl FnOnce(&mut SourceReader, &mut Filling<'_, F>)) {
        let counted = self.waiting.bytes();
        let WindowSource { open, waiting, reached, has_ended, .. } = self;
        let Some(open) = open else { return };
        let Opened { reader, follower } = &mut **open;
        let mut filling = Filling { waiting, follower, reached, first: None, up_to, has_enough: false, room, counted };
        read(reader, &mut filling);
        filling.count();
        *has_ended = reader.has_ended();
    }

    /// Closes its file until it is read on.
    pub(crate) fn close_file(&mut self) {
        self.open.iter_mut().for_each(|open| open.reader.close_file());
    }

    /// All of it was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// All of it was read, and given on.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended && self.waiting.is_empty()
    }

    /// What it was read with, when it is over, or the run is.
    pub(crate) fn take(&mut self) -> Option<Box<Opened<F>>> {
        self.open.take()
    }

    /// Up to when all of it was read: [`i64::MAX`] if that is all there is, `None` if nothing tells.
    pub(crate) fn reached(&self) -> Option<i64> {
        if self.has_ended() { Some(i64::MAX) } else { self.reached }
    }

    /// Whether it is to be read on before a time is reached.
    pub(crate) fn is_behind(&self, up_to: i64) -> bool {
        !self.has_ended && self.reached.map_or(!self.has_begun || up_to == i64::MAX, |reached| reached <= up_to)
    }

    /// The earliest time of a record that waits, and the latest.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        self.waiting.times()
    }

    /// Who is shown its files and their bytes, while it is read.
    pub(crate) fn follower(&self) -> Option<&F> {
        self.open.as_ref().map(|open| &open.follower)
    }

    /// Shows the records up to a time that were not shown: those that have come since, and those after `before`.
    pub(crate) fn show(&mut self, index: usize, (before, up_to): (i64, i64), sink: &mut impl RecordSink) {
        let shown = std::mem::replace(&mut self.shown, self.waiting.end());
        let mut show = |is_new: bool, item: Item<'_>| {
            if let Item::Record(record) = item
                && record.time.is_some_and(|time| time <= up_to && (is_new || time > before))
            {
                sink.record(&record);
            }
            ControlFlow::Continue(())
        };
        self.waiting.each_between(Place::default(), shown, index as u32, |item| show(false, item));
        self.waiting.each_from(shown, index as u32, |item| show(true, item));
    }

    /// What has come since needs not be shown.
    pub(crate) fn skip(&mut self) {
        self.shown = self.waiting.end();
    }

    /// Gives the records on that stand before the first one later than `due`, with what happened to their files.
    pub(crate) fn give(
        &mut self,
        index: usize,
        due: i64,
        is_stopped: &dyn Fn() -> bool,
        room: &Room,
        sink: &mut impl SourceSink,
    ) {
        let before = self.waiting.bytes();
        let place = self.waiting.each_from(Place::default(), index as u32, |item| {
            if let Item::Record(record) = &item
                && (record.time.is_some_and(|time| time > due) || is_stopped())
            {
                return ControlFlow::Break(());
            }
            item.give(sink);
            ControlFlow::Continue(())
        });
        self.waiting.drop_before(place);
        room.change(before, self.waiting.bytes());
    }

    /// Shows the records up to a time that still wait.
    pub(crate) fn each_up_to(&self, index: usize, due: i64, mut take: impl FnMut(&Record<'_>)) {
        self.waiting.each(index as u32, |item| {
            if let Item::Record(record) = item
                && record.time.is_some_and(|time| time <= due)
            {
                take(&record);
            }
            ControlFlow::Continue(())
        });
    }
}

/// Takes the records of a source while it is read.
struct Filling<'f, F> {
    waiting: &'f mut Waiting,
    follower: &'f mut F,
    reached: &'f mut Option<i64>,
    /// The earliest time since it was known last how far the source is.
    first: Option<i64>,
    up_to: i64,
    /// It has come further than wanted, or its lines do not tell, or there is no more room.
    has_enough: bool,
    room: &'f Room,
    /// Bytes that were counted.
    counted: usize,
}

impl<F> Filling<'_, F> {
    fn count(&mut self) {
        let bytes = self.waiting.bytes();
        self.room.change(std::mem::replace(&mut self.counted, bytes), bytes);
    }
}

impl<F: SourceSink> RecordSink for Filling<'_, F> {
    fn record(&mut self, record: &Record<'_>) {
        if let Some(time) = record.time {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
        }
        self.waiting.push(record);
    }
}

impl<F: SourceSink> SourceSink for Filling<'_, F> {
    fn wants_more(&self) -> bool {
        !self.has_enough
    }

    fn file_begins(&mut self, file: u32) {
        self.waiting.file_begins(file);
        self.follower.file_begins(file);
    }

    fn bytes_read(&mut self, bytes: &[u8]) {
        self.follower.bytes_read(bytes);
    }

    fn file_ends(&mut self, whole: bool) -> Option<&'static str> {
        self.waiting.file_ends(whole);
        self.follower.file_ends(whole)
    }

    fn given_up_to(&mut self, open: Option<(u32, u64)>) {
        self.waiting.given_up_to(open);
        // One line of a clock that is ahead tells nothing: the earliest of many does.
        *self.reached = (*self.reached).max(self.first.take());
        self.count();
        self.has_enough = self.reached.is_none_or(|reached| reached > self.up_to) || !self.room.is_left();
    }
}
