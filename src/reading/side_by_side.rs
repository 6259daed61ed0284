//! Sources that are read side by side in the order of time, as far as there is room for their records.
//!
//! In go sources, out come [`WindowSource`]s that have all been read up to a time, and some of them a little further. Few
//! files are open at once. Up to when records are shown and given on is not decided here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::source::{SourceReader, SourceReport};
use super::source_records::SourceRecords;
use super::window_source::{Opened, Room, WindowSource};
use crate::counts::around;
use crate::input::sources::Source;
use crate::record::sink::SourceSink;

/// Files that are open at once; others are closed between two turns.
const OPEN_FILES_MAX: usize = 256;
/// Bytes of a file that are read in one go, at least and at most.
const PART_BYTES: (usize, usize) = (4 << 10, 256 << 10);
/// Records of so many parts of all files fill the room.
const PARTS: usize = 32;
/// How far sources are read on at once, ns: at first.
const STEP_NS: i64 = 1_000_000_000;
/// What a step adds is kept between these parts of the room.
const STEP_PARTS: (i64, i64) = (32, 8);
/// This part of the room is filled each time, whatever waits from before.
const LEAST_PART: i64 = 4;

/// See the module.
pub(crate) struct SideBySide<'r, F> {
    records: &'r SourceRecords<'r>,
    workers: usize,
    /// Makes, for each source, who is shown its files and their bytes as well.
    follow: Box<dyn Fn(&Source) -> F + Sync + 'r>,
    /// Bytes of a file that are read in one go.
    part_bytes: usize,
    sources: Vec<Mutex<WindowSource<F>>>,
    /// What reading those came to that are over.
    report: Mutex<SourceReport>,
    held_bytes: i64,
    room: Room,
    /// How far sources are read on at once.
    step: i64,
}

impl<'r, F: SourceSink + Send> SideBySide<'r, F> {
    /// Before the first record; at most about `held_bytes` of records are held.
    pub(crate) fn new(
        records: &'r SourceRecords<'r>,
        workers: usize,
        held_bytes: usize,
        follow: Box<dyn Fn(&Source) -> F + Sync + 'r>,
    ) -> Self {
        let source = |source: &Source| Mutex::new(WindowSource::new(source.times.first));
        let sources: Vec<_> = records.sources.iter().map(source).collect();
        let part_bytes = (held_bytes / PARTS / sources.len().max(1)).clamp(PART_BYTES.0, PART_BYTES.1);
        SideBySide {
            records,
            workers: workers.min(sources.len()).max(1),
            follow,
            part_bytes,
            sources,
            report: Mutex::default(),
            held_bytes: i64::try_from(held_bytes).unwrap_or(i64::MAX),
            room: Room::new(held_bytes),
            step: STEP_NS,
        }
    }

    /// Hands each source to `take`, on as many threads as there are takers; a single taker needs none.
    pub(crate) fn each<T: Send>(&self, takers: &mut [T], take: &(dyn Fn(&mut T, usize, &mut WindowSource<F>) + Sync)) {
        let next = AtomicUsize::new(0);
        let take_on = |taker: &mut T| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(source) = self.sources.get(index) else { break };
                take(taker, index, &mut source.lock().unwrap_or_else(PoisonError::into_inner));
            }
        };
        // The allocator keeps what a thread gives back for threads like it: with each further thread more lies idle.
        if let [only] = takers {
            return take_on(only);
        }
        thread::scope(|scope| {
            for taker in takers {
                scope.spawn(|| take_on(taker));
            }
        });
    }

    /// Far more is held than there is room for.
    pub(crate) fn is_overfull(&self) -> bool {
        self.room.left() < -self.held_bytes
    }

    /// Bytes of records that are held.
    pub(crate) fn held_bytes(&self) -> usize {
        usize::try_from(self.held_bytes - self.room.free()).unwrap_or_default()
    }

    /// Room that records gave back is there again.
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// A source is over, or the run is: gives back what it needed.
    pub(crate) fn close(&self, source: &mut WindowSource<F>) {
        if let Some(open) = source.take() {
            self.report.lock().unwrap_or_else(PoisonError::into_inner).add(open.reader.report().clone());
        }
    }

    /// No more is read; what reading came to.
    pub(crate) fn end(self) -> SourceReport {
        for (source, of_files) in self.sources.iter().zip(self.records.sources) {
            let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
            source.end(of_files, &self.room);
            self.close(&mut source);
        }
        self.report.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads all sources side by side until there is no more room or nothing to read.
    pub(crate) fn fill(&mut self) {
        let all = self.held_bytes;
        self.room.allow(all / LEAST_PART);
        while self.room.is_left() && !self.is_stopped() {
            let Some(up_to) = self.up_to() else { return };
            let before = self.room.left();
            self.read_up_to(up_to);
            let added = before - self.room.left();
            if added < all / STEP_PARTS.0 {
                self.step = self.step.saturating_mul(2);
            } else if added > all / STEP_PARTS.1 {
                self.step = (self.step / 2).max(1);
            }
        }
    }

    /// Up to when sources are read next; `None` where all was read.
    fn up_to(&mut self) -> Option<i64> {
        let not_begun = self.all().any(|source| source.is_behind(i64::MIN));
        let up_to = match self.reached() {
            Some(reached) => reached.saturating_add(self.step),
            // What nothing is known of yet is looked at first.
            None if not_begun => i64::MIN,
            None => i64::MAX,
        };
        self.all().any(|source| source.is_behind(up_to)).then_some(up_to)
    }

    fn read_up_to(&self, up_to: i64) {
        let mut takers: Vec<()> = vec![(); self.workers];
        self.each(&mut takers, &|(), index, source| {
            if source.is_behind(up_to) {
                let SourceRecords { sources, reading, .. } = self.records;
                source.read(up_to, &sources[index], reading, &self.room, || self.open(index));
                if index >= OPEN_FILES_MAX {
                    source.close_file();
                }
            }
        });
    }

    /// A source before its first record.
    fn open(&self, index: usize) -> Opened<F> {
        let SourceRecords { sources, calendars, reading, .. } = self.records;
        let source = &sources[index];
        let follower = (self.follow)(source);
        let reader = SourceReader::new(index as u32, (source, &source.origin()), &calendars[index], reading);
        Opened { reader: reader.in_parts(self.part_bytes), follower }
    }

    pub(crate) fn all(&mut self) -> impl Iterator<Item = &mut WindowSource<F>> {
        self.sources.iter_mut().map(|source| source.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// Up to when all sources were read whose lines have times; `None` where there is none.
    pub(crate) fn reached(&mut self) -> Option<i64> {
        self.all().filter_map(|source| source.reached()).min()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        let is_interrupted = self.is_stopped();
        self.all().all(|source| source.has_ended()) || is_interrupted
    }

    /// The earliest time of a record that waits, and the latest.
    pub(crate) fn times(&mut self) -> Option<(i64, i64)> {
        self.all().fold(None, |all, source| around(all, source.times()))
    }

    fn is_stopped(&self) -> bool {
        self.records.reading.stop.load(Ordering::Relaxed)
    }
}
