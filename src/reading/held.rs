//! What was read of the sources, held until it is linked and sent: each file is opened and parsed once.
//!
//! In go records of sources, out they come again, as often as they are wanted. Bounded: a source that there is no room for is
//! read again by whoever wants its records.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::source::SourceReport;
use crate::record::sink::{RecordSink, SourceSink};
use crate::record::{Origin, Record};
use crate::services::Services;
use crate::waiting::Waiting;

/// Records take at least this share of the bytes of their file, in percent: a source for which too little room is left is
/// not read to be held.
const BYTES_HELD_PERCENT: u64 = 80;

/// What was read of all sources, by their places; `None`: there was no room for it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    sources: Vec<Option<HeldSource>>,
}

/// What was read of one source.
#[derive(Debug)]
pub(super) struct HeldSource {
    waiting: Waiting,
    report: SourceReport,
}

/// A source that was to be held, and who followed its files.
pub(super) struct Followed<F> {
    pub(super) source: Option<HeldSource>,
    pub(super) follower: F,
}

impl Held {
    /// Of these sources, by their places.
    pub(super) fn new(sources: Vec<Option<HeldSource>>) -> Held {
        Held { sources }
    }

    /// Bytes that the records of all sources take.
    pub(crate) fn bytes(&self) -> usize {
        self.sources.iter().flatten().map(|source| source.waiting.bytes()).sum()
    }

    /// From when to when the records of a source are; `None` if they are not held, or have no times.
    pub(crate) fn times(&self, index: usize) -> Option<(i64, i64)> {
        self.sources.get(index)?.as_ref()?.waiting.times()
    }

    /// Whether the records of a source are held.
    pub(crate) fn is_held(&self, index: usize) -> bool {
        self.sources.get(index).is_some_and(Option::is_some)
    }

    /// Does not hold a source any more: it is read again.
    pub(crate) fn release(&mut self, index: usize) {
        if let Some(source) = self.sources.get_mut(index) {
            *source = None;
        }
    }

    /// A source was read under one origin, and who wrote it is settled now. If it would be read otherwise, it is not held any
    /// more; else its records go by the service of the spans.
    pub(crate) fn rename(&mut self, index: usize, origin: &Origin, settled: &Origin, services: &Services) {
        if !origin.is_same_but_for_spans(settled) {
            return self.release(index);
        }
        let Some(Some(held)) = self.sources.get_mut(index) else { return };
        for of_records in held.waiting.origins_mut() {
            if of_records == origin {
                of_records.clone_from(settled);
            } else if of_records.pod != origin.pod {
                services.put_over(of_records);
            }
        }
    }

    /// Gives the records of a source to a sink, and what reading them came to; `None` if they are not held.
    pub(super) fn give<S: SourceSink>(
        &self,
        index: usize,
        is_stopped: &dyn Fn() -> bool,
        sink: &mut S,
    ) -> Option<SourceReport> {
        let held = self.sources.get(index)?.as_ref()?;
        held.waiting.each(index as u32, |item| {
            item.give(sink);
            if is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        sink.given_up_to(None);
        Some(held.report.clone())
    }
}

/// Bytes held of all sources so far.
#[derive(Debug)]
pub(super) struct Taken {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Taken {
    /// Nothing so far.
    pub(super) fn new(bytes_max: usize) -> Taken {
        Taken { bytes: AtomicUsize::new(0), bytes_max }
    }
}

/// Takes the records of one source.
pub(super) struct Holder<'h, F> {
    waiting: Waiting,
    /// Is shown its files and their bytes as well.
    follower: F,
    /// Bytes held of all sources.
    taken: &'h Taken,
    /// Bytes of this one among them.
    counted: usize,
    fits: bool,
}

impl<'h, F> Holder<'h, F> {
    pub(super) fn new(taken: &'h Taken, follower: F) -> Holder<'h, F> {
        Holder { waiting: Waiting::default(), follower, taken, counted: 0, fits: true }
    }

    /// Whether there may be room for files of this many bytes.
    pub(super) fn may_fit(&self, bytes: u64) -> bool {
        let room = self.taken.bytes_max.saturating_sub(self.taken.bytes.load(Ordering::Relaxed)) as u64;
        bytes.saturating_mul(BYTES_HELD_PERCENT) / 100 <= room
    }

    /// Counts what it takes by now.
    fn count(&mut self) {
        let bytes = self.waiting.bytes();
        let before = self.taken.bytes.fetch_add(bytes.wrapping_sub(self.counted), Ordering::Relaxed);
        self.fits &= before.wrapping_add(bytes).wrapping_sub(self.counted) <= self.taken.bytes_max;
        self.counted = bytes;
        if !self.fits {
            self.taken.bytes.fetch_sub(self.counted, Ordering::Relaxed);
            (self.waiting, self.counted) = (Waiting::default(), 0);
        }
    }

    /// The source was read: what is held of it, if there was room.
    pub(super) fn finish(mut self, report: SourceReport) -> Followed<F> {
        self.waiting.finish();
        self.count();
        let source = self.fits.then_some(HeldSource { waiting: self.waiting, report });
        Followed { source, follower: self.follower }
    }

    /// The source was not read.
    pub(super) fn unread(self) -> Followed<F> {
        Followed { source: None, follower: self.follower }
    }
}

impl<F> RecordSink for Holder<'_, F> {
    fn record(&mut self, record: &Record<'_>) {
        self.fits = self.fits && self.waiting.push(record);
    }
}

impl<F: SourceSink> SourceSink for Holder<'_, F> {
    fn wants_more(&self) -> bool {
        self.fits
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
        if self.fits {
            self.waiting.given_up_to(open);
            self.count();
        }
    }
}
