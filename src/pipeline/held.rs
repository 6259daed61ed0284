//! What was read of the sources, held until it is linked and sent: each file is opened and parsed once.
//!
//! In go records of sources, out they come again, as often as they are wanted. Bounded: a source that there is no room for is
//! read again by whoever wants its records.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::source_files::SourceFiles;
use crate::reading::source::SourceReport;
use crate::record::Record;
use crate::record::sink::{RecordSink, SourceSink};
use crate::waiting::{Item, Waiting};

/// Bytes held in all.
const HELD_BYTES_MAX: usize = 128 << 20;
/// Records take at least this share of the bytes of their file, in percent: a source for which too little room is left is
/// not read to be held.
const BYTES_HELD_PERCENT: u64 = 80;

/// What was read of all sources, by their places.
#[derive(Debug, Default)]
pub(crate) struct Held {
    sources: Vec<HeldSource>,
}

/// What was read of one source.
#[derive(Debug, Default)]
pub(super) struct HeldSource {
    /// Its files, as they were known before.
    files: SourceFiles,
    records: Option<Records>,
}

#[derive(Debug)]
struct Records {
    waiting: Waiting,
    report: SourceReport,
    /// Its files, as they were found when they were read.
    files: SourceFiles,
}

impl Held {
    /// Of these sources, by their places.
    pub(super) fn new(sources: Vec<HeldSource>) -> Held {
        Held { sources }
    }

    /// A source's files, for whoever takes its records next; `None` if nothing was read.
    pub(crate) fn files(&self, index: usize) -> Option<SourceFiles> {
        let source = self.sources.get(index)?;
        Some(source.records.as_ref().map_or(&source.files, |records| &records.files).clone())
    }

    /// From when to when the records of a source are; `None` if they are not held, or have no times.
    pub(crate) fn times(&self, index: usize) -> Option<(i64, i64)> {
        self.sources.get(index)?.records.as_ref()?.waiting.times()
    }

    /// Whether the records of a source are held.
    pub(crate) fn is_held(&self, index: usize) -> bool {
        self.sources.get(index).is_some_and(|source| source.records.is_some())
    }

    /// The records of a source that is held.
    pub(crate) fn waiting_mut(&mut self, index: usize) -> Option<&mut Waiting> {
        Some(&mut self.sources.get_mut(index)?.records.as_mut()?.waiting)
    }

    /// Does not hold a source any more: it is read again.
    pub(crate) fn release(&mut self, index: usize) {
        if let Some(source) = self.sources.get_mut(index) {
            source.records = None;
        }
    }

    /// Gives the records of a source to a sink, and what reading them came to; `None` if they are not held.
    pub(super) fn give<S: SourceSink>(
        &self,
        index: usize,
        is_stopped: &dyn Fn() -> bool,
        sink: &mut S,
    ) -> Option<SourceReport> {
        let records = self.sources.get(index)?.records.as_ref()?;
        records.waiting.each(index as u32, |item| {
            match item {
                Item::Record(record) => sink.record(&record),
                Item::FileBegins(file) => sink.file_begins(file),
                Item::FileEnds { whole } => drop(sink.file_ends(whole)),
                Item::GivenUpTo(open) => sink.given_up_to(open),
            }
            if is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        sink.given_up_to(None);
        Some(records.report.clone())
    }
}

/// Bytes held of all sources so far.
#[derive(Debug, Default)]
pub(super) struct Taken(AtomicUsize);

impl HeldSource {
    /// A source whose records were given to this holder, as far as there was room for them.
    pub(super) fn new(holder: Holder<'_>, report: SourceReport) -> HeldSource {
        let files = holder.known.clone();
        HeldSource { files, records: holder.finish().map(|(waiting, files)| Records { waiting, report, files }) }
    }

    /// One that was not read.
    pub(super) fn unread(holder: Holder<'_>) -> HeldSource {
        HeldSource { files: holder.known, records: None }
    }
}

/// Takes the records of one source.
pub(super) struct Holder<'h> {
    waiting: Waiting,
    /// Its files, as they were known before, and as they are read.
    known: SourceFiles,
    files: SourceFiles,
    acknowledged: Option<&'h Acknowledged>,
    /// Bytes held of all sources.
    taken: &'h Taken,
    /// Bytes of this one among them.
    counted: usize,
    fits: bool,
}

impl<'h> Holder<'h> {
    /// For a source whose files are known so; `acknowledged`: what earlier runs sent, where lines are to be sent.
    pub(super) fn new(known: SourceFiles, acknowledged: Option<&'h Acknowledged>, taken: &'h Taken) -> Holder<'h> {
        let files = known.clone();
        Holder { waiting: Waiting::default(), known, files, acknowledged, taken, counted: 0, fits: true }
    }

    /// Whether there may be room for files of this many bytes.
    pub(super) fn may_fit(&self, bytes: u64) -> bool {
        let room = HELD_BYTES_MAX.saturating_sub(self.taken.0.load(Ordering::Relaxed)) as u64;
        bytes.saturating_mul(BYTES_HELD_PERCENT) / 100 <= room
    }

    /// Counts what it takes by now.
    fn count(&mut self) {
        let bytes = self.waiting.bytes();
        let before = self.taken.0.fetch_add(bytes.wrapping_sub(self.counted), Ordering::Relaxed);
        self.fits &= before.wrapping_add(bytes).wrapping_sub(self.counted) <= HELD_BYTES_MAX;
        self.counted = bytes;
        if !self.fits {
            self.taken.0.fetch_sub(self.counted, Ordering::Relaxed);
            (self.waiting, self.counted) = (Waiting::default(), 0);
        }
    }

    fn finish(mut self) -> Option<(Waiting, SourceFiles)> {
        self.waiting.finish();
        self.count();
        self.files.are_read();
        self.fits.then_some((self.waiting, self.files))
    }
}

impl RecordSink for Holder<'_> {
    fn record(&mut self, record: &Record<'_>) {
        self.fits = self.fits && self.waiting.push(record);
    }
}

impl SourceSink for Holder<'_> {
    fn wants_more(&self) -> bool {
        self.fits
    }

    fn file_begins(&mut self, file: u32) {
        self.waiting.file_begins(file);
        if self.acknowledged.is_some() {
            self.files.file_begins(file);
        }
    }

    fn bytes_read(&mut self, bytes: &[u8]) {
        if let Some(acknowledged) = self.acknowledged {
            self.files.bytes_read(bytes, acknowledged);
        }
    }

    fn file_ends(&mut self, whole: bool) -> Option<&'static str> {
        self.waiting.file_ends(whole);
        self.files.file_ends(whole, self.acknowledged?)
    }

    fn given_up_to(&mut self, open: Option<(u32, u64)>) {
        if self.fits {
            self.waiting.given_up_to(open);
            self.count();
        }
    }
}
