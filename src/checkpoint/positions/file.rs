//! How far one followed file is delivered.
//!
//! In go the places that were read up to and what of its records is open, outstanding or settled; out comes the place from
//! which it is to be read on after a restart. A place is known by the bytes before it, so only places that were read up to are
//! resumed from.

use super::outstanding::Outstanding;
use crate::checkpoint::ledger::Key;
use crate::checkpoint::ranges::Ranges;
use crate::checkpoint::small_map::SmallMap;
use crate::files::followed::{FollowedFile, Place};

/// Places that are kept between what is settled and what is read: of more, every second one goes.
const PLACES_MAX: usize = 64;

/// Records of one writer in the file.
#[derive(Debug, Default)]
pub struct Stream {
    /// By which receipts name it, once there are any.
    pub(super) number: Option<u32>,
    pub(super) outstanding: Outstanding,
    /// Settled, behind the place to resume from.
    pub(super) settled: Ranges,
    /// Where the last record that was handed out ends.
    pub(super) end: u64,
}

/// A followed file.
#[derive(Debug)]
pub struct PositionedFile {
    /// What the follower told last; its place is what was read up to.
    pub(super) read: FollowedFile,
    /// The place to resume from, and later ones that were read up to.
    places: Vec<Place>,
    /// Where the oldest record begins that is not complete.
    pub(super) open: Option<u64>,
    pub(super) streams: SmallMap<Key, Stream>,
    /// Its source, once it is read.
    pub(super) source: u32,
    /// The file of its source before it, which must be delivered first.
    pub(super) after: Option<u32>,
    /// Nothing more of it is read.
    pub(super) has_ended: bool,
    /// It is not on the disk any more.
    pub(super) is_gone: bool,
    /// It is finished, as far as is known to who writes that down.
    was_finished: bool,
}

impl PositionedFile {
    /// A file that is read from its place on.
    pub fn new(read: FollowedFile, after: Option<u32>) -> PositionedFile {
        let places = vec![read.resume];
        let streams = SmallMap::default();
        PositionedFile {
            read,
            places,
            open: None,
            streams,
            source: u32::MAX,
            after,
            has_ended: false,
            is_gone: false,
            was_finished: false,
        }
    }

    /// It was read up to this place, whose records were handed out but for those that are open.
    pub fn read_up_to(&mut self, place: Place) {
        if self.places.last().is_none_or(|last| last.at < place.at) {
            if self.places.len() >= PLACES_MAX {
                let mut at = 0;
                self.places.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
            }
            self.places.push(place);
        }
        self.read.resume = place;
    }

    /// What it is by now; returns whether it has another name, or another beginning, than it had.
    pub fn is_now(&mut self, facts: &FollowedFile) -> bool {
        let FollowedFile { path, family, id, prefix, resume: _, is_finished } = facts;
        self.has_ended |= is_finished;
        let read = &self.read;
        let is_another = (path, family, id, prefix) != (&read.path, &read.family, &read.id, &read.prefix);
        if is_another {
            self.read = facts.clone();
        }
        is_another
    }

    /// All that was handed out of it is settled.
    pub fn is_delivered(&self) -> bool {
        self.streams.values().all(|stream| stream.outstanding.first().is_none())
    }

    /// All of it that was read is settled, and no record is open.
    pub fn is_settled(&self) -> bool {
        self.open.is_none() && self.is_delivered()
    }

    /// Moves the place to resume from as far as everything before it is settled. `is_first`: so are all files before it.
    /// Returns whether that, or that the file is finished, is to be written down.
    pub fn advance(&mut self, is_first: bool) -> bool {
        let has_moved = is_first && self.pass_settled();
        let is_finished = self.is_finished();
        std::mem::replace(&mut self.was_finished, is_finished) != is_finished || has_moved
    }

    fn pass_settled(&mut self) -> bool {
        let outstanding = self.streams.values().filter_map(|stream| stream.outstanding.first()).min();
        let limit = outstanding.into_iter().chain(self.open).min().unwrap_or(u64::MAX);
        let passed = self.places.partition_point(|place| place.at <= limit).saturating_sub(1);
        if passed > 0 {
            self.places.drain(..passed);
            let resume = self.resume().at;
            self.streams.for_each_mut(|stream| stream.settled.remove(0, resume));
        }
        passed > 0
    }

    /// Bytes that it takes, but for what streams have beyond their own size.
    pub fn memory_bytes(&self) -> usize {
        let paths = self.read.path.as_os_str().len() + self.read.family.as_os_str().len();
        let streams = self.streams.len() * size_of::<(Key, Stream)>();
        size_of::<PositionedFile>() + self.places.capacity() * size_of::<Place>() + paths + streams
    }

    /// Nothing of it is read for a while: room that is not needed is given back.
    pub fn rest(&mut self) {
        self.places.shrink_to_fit();
        if self.streams.is_empty() {
            self.streams = SmallMap::default();
        }
    }

    /// Where to read on after a restart.
    pub fn resume(&self) -> &Place {
        self.places.first().unwrap_or(&self.read.resume)
    }

    /// Nothing of it is to be read or delivered any more.
    pub fn is_finished(&self) -> bool {
        self.has_ended && self.is_settled() && *self.resume() == self.read.resume
    }
}
