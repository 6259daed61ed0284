//! What waits for one destination: in memory first, then on the disk, in the order in which it came.
//!
//! In go sizes and entries, out come decisions: where something is put, what is sent next, which file of the disk is read or
//! removed. No bytes are moved here, and what an entry is is not known. As long as anything lies on the disk, what comes is
//! put behind it.

use std::collections::{BTreeMap, VecDeque};

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueLimits {
    /// Bytes in memory, those that are being sent included.
    pub(super) memory_bytes: usize,
    /// Bytes on the disk.
    pub(super) disk_bytes: u64,
    /// Bytes of one file, after which another is begun.
    pub(super) segment_bytes: u64,
}

/// Where something is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Its entry is to be [pushed](Queue::push).
    Memory,
    /// It is to be appended to this file.
    Disk(u64),
    /// Nowhere.
    None,
}

/// See the module. `E`: what waits.
#[derive(Debug)]
pub(super) struct Queue<E> {
    limits: QueueLimits,
    waiting: VecDeque<E>,
    memory_bytes: usize,
    /// Files that are not read yet, oldest first.
    unread: VecDeque<Segment>,
    /// Files of which entries wait in memory, or are being sent.
    read: BTreeMap<u64, ReadSegment>,
    /// A file is being read.
    is_reading: bool,
    disk_bytes: u64,
    /// Bytes on their way to the disk, which are still in memory.
    appending_bytes: usize,
    next_number: u64,
}

/// A file.
#[derive(Debug, Clone, Copy)]
struct Segment {
    number: u64,
    bytes: u64,
    is_full: bool,
}

#[derive(Debug)]
struct ReadSegment {
    bytes: u64,
    /// Entries that are not settled.
    left: usize,
}

/// Files that wait to be looked at before a search ends: what is held at the front is let go soon.
const LOOKED_AT_MAX: usize = 256;

impl<E> Queue<E> {
    /// `found`: number and bytes of files that an earlier process left, in order.
    pub(super) fn new(limits: QueueLimits, found: &[(u64, u64)]) -> Queue<E> {
        let segments = found.iter().map(|&(number, bytes)| Segment { number, bytes, is_full: true });
        Queue {
            limits,
            waiting: VecDeque::new(),
            memory_bytes: 0,
            unread: segments.collect(),
            read: BTreeMap::new(),
            is_reading: false,
            disk_bytes: found.iter().map(|(_, bytes)| bytes).sum(),
            appending_bytes: 0,
            next_number: found.last().map_or(0, |(number, _)| number + 1),
        }
    }

    /// Whether there is ever room for something that takes so many bytes in memory, or on the disk.
    pub(super) fn can_hold(&self, memory_bytes: usize, disk_bytes: u64) -> bool {
        memory_bytes <= self.limits.memory_bytes || disk_bytes <= self.limits.disk_bytes
    }

    /// Room for something that takes so many bytes in memory, and on the disk.
    pub(super) fn room(&mut self, memory_bytes: usize, disk_bytes: u64) -> Room {
        let is_behind_disk = self.is_reading || !self.unread.is_empty();
        if !is_behind_disk && self.has_memory(memory_bytes) {
            return Room::Memory;
        }
        let has_way = self.appending_bytes == 0 || self.appending_bytes + memory_bytes <= self.limits.memory_bytes / 4;
        match has_way.then(|| self.disk_room(disk_bytes)) {
            Some(Room::Disk(number)) => {
                self.appending_bytes += memory_bytes;
                Room::Disk(number)
            }
            _ => Room::None,
        }
    }

    /// Room in memory alone, before what lies on the disk.
    pub(super) fn has_memory(&self, bytes: usize) -> bool {
        self.memory_bytes + bytes <= self.limits.memory_bytes
    }

    /// Room on the disk alone, for what is in memory already.
    pub(super) fn disk_room(&mut self, bytes: u64) -> Room {
        if self.disk_bytes + bytes > self.limits.disk_bytes {
            return Room::None;
        }
        self.disk_bytes += bytes;
        match self.unread.back_mut() {
            Some(last) if !last.is_full && last.bytes + bytes <= self.limits.segment_bytes => {
                last.bytes += bytes;
                Room::Disk(last.number)
            }
            _ => {
                let number = self.next_number;
                self.next_number += 1;
                self.unread.push_back(Segment { number, bytes, is_full: false });
                Room::Disk(number)
            }
        }
    }

    /// Bytes on their way to the disk have arrived, or could not be written.
    pub(super) fn appended(&mut self, memory_bytes: usize, is_written: bool, (number, disk_bytes): (u64, u64)) {
        self.appending_bytes = self.appending_bytes.saturating_sub(memory_bytes);
        if !is_written {
            self.disk_bytes = self.disk_bytes.saturating_sub(disk_bytes);
            let segments = self.unread.iter_mut().filter(|segment| segment.number == number);
            segments.for_each(|segment| segment.bytes = segment.bytes.saturating_sub(disk_bytes));
            if let Some(read) = self.read.get_mut(&number) {
                read.bytes = read.bytes.saturating_sub(disk_bytes);
            }
        }
    }

    /// Puts an entry behind the others.
    pub(super) fn push(&mut self, entry: E, memory_bytes: usize) {
        self.memory_bytes += memory_bytes;
        self.waiting.push_back(entry);
    }

    /// An entry that waits takes other room from now on: `resize` tells what it took, and takes.
    pub(super) fn resize(&mut self, is_it: impl Fn(&E) -> bool, resize: impl FnOnce(&mut E) -> (usize, usize)) {
        // One that is held came lately.
        if let Some(entry) = self.waiting.iter_mut().rev().find(|entry| is_it(entry)) {
            let (before, after) = resize(entry);
            self.memory_bytes = (self.memory_bytes + after).saturating_sub(before);
        }
    }

    /// Takes out the first entry that is ready.
    pub(super) fn take(&mut self, is_ready: impl Fn(&E) -> bool) -> Option<E> {
        let at = self.waiting.iter().take(LOOKED_AT_MAX).position(is_ready)?;
        self.waiting.remove(at)
    }

    /// Takes out all that wait in memory.
    pub(super) fn take_all(&mut self) -> Vec<E> {
        std::mem::take(&mut self.waiting).into()
    }

    /// The file to read, once half of the memory is free; nothing more is appended to it.
    pub(super) fn next_to_read(&mut self) -> Option<u64> {
        if self.is_reading || self.memory_bytes > self.limits.memory_bytes / 2 {
            return None;
        }
        let Segment { number, bytes, .. } = self.unread.pop_front()?;
        self.is_reading = true;
        self.read.insert(number, ReadSegment { bytes, left: 0 });
        Some(number)
    }

    /// A file was read; returns whether it can be removed at once, as it holds nothing.
    pub(super) fn was_read(&mut self, number: u64, entries: Vec<(E, usize)>) -> bool {
        self.is_reading = false;
        if let Some(read) = self.read.get_mut(&number) {
            read.left = entries.len();
        }
        let is_empty = entries.is_empty();
        entries.into_iter().for_each(|(entry, bytes)| self.push(entry, bytes));
        if is_empty {
            self.forget(number);
        }
        is_empty
    }

    /// An entry is done with; returns whether the file that it is from can be removed.
    pub(super) fn settled(&mut self, memory_bytes: usize, segment: Option<u64>) -> bool {
        self.memory_bytes = self.memory_bytes.saturating_sub(memory_bytes);
        let Some(number) = segment else { return false };
        let Some(read) = self.read.get_mut(&number) else { return false };
        read.left = read.left.saturating_sub(1);
        let is_done = read.left == 0;
        if is_done {
            self.forget(number);
        }
        is_done
    }

    fn forget(&mut self, number: u64) {
        if let Some(read) = self.read.remove(&number) {
            self.disk_bytes = self.disk_bytes.saturating_sub(read.bytes);
        }
    }

    /// Nothing waits in memory. Something may be on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.is_reading
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes + self.appending_bytes
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: QueueLimits = QueueLimits { memory_bytes: 100, disk_bytes: 300, segment_bytes: 50 };

    /// A queue with its disk.
    #[derive(Debug)]
    struct Model {
        queue: Queue<(u32, usize, Option<u64>)>,
        /// What is in each file.
        disk: BTreeMap<u64, Vec<(u32, usize)>>,
        next: u32,
        /// Of those that were taken, what came out.
        out: Vec<u32>,
        taken: u32,
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Offer(usize),
        Fail(usize),
        Read,
        Send,
    }

    impl Model {
        fn new() -> Model {
            Model { queue: Queue::new(LIMITS, &[]), disk: BTreeMap::new(), next: 0, out: Vec::new(), taken: 0 }
        }

        fn step(&mut self, step: Step) {
            match step {
                Step::Offer(bytes) => match self.queue.room(bytes, bytes as u64) {
                    Room::Memory => {
                        self.queue.push((self.next, bytes, None), bytes);
                        self.next += 1;
                    }
                    Room::Disk(number) => {
                        self.disk.entry(number).or_default().push((self.next, bytes));
                        self.queue.appended(bytes, true, (number, bytes as u64));
                        self.next += 1;
                    }
                    Room::None => {
                        assert!(self.queue.disk_bytes + bytes as u64 > LIMITS.disk_bytes, "there was room on the disk")
                    }
                },
                Step::Fail(bytes) => {
                    if let Room::Disk(number) = self.queue.room(bytes, bytes as u64) {
                        self.disk.entry(number).or_default();
                        self.queue.appended(bytes, false, (number, bytes as u64));
                    }
                }
                Step::Read => {
                    if let Some(number) = self.queue.next_to_read() {
                        let entries = self.disk[&number].iter().map(|&(id, bytes)| ((id, bytes, Some(number)), bytes));
                        if self.queue.was_read(number, entries.collect()) {
                            self.disk.remove(&number);
                        }
                    }
                }
                Step::Send => {
                    if let Some((id, bytes, segment)) = self.queue.take(|_| true) {
                        self.out.push(id);
                        if self.queue.settled(bytes, segment) {
                            self.disk.remove(&segment.unwrap());
                        }
                    }
                }
            }
            self.taken = self.taken.max(self.next);
            let on_disk: usize = self.disk.values().flatten().map(|(_, bytes)| bytes).sum();
            assert!(self.queue.disk_bytes() >= on_disk as u64 && self.queue.disk_bytes() <= LIMITS.disk_bytes);
            // What is read from the disk may go beyond the limit by one file.
            assert!(self.queue.memory_bytes() <= LIMITS.memory_bytes + LIMITS.segment_bytes as usize);
        }
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1usize..50).prop_map(Step::Offer),
            1 => (1usize..50).prop_map(Step::Fail),
            2 => Just(Step::Read),
            3 => Just(Step::Send),
        ]
    }

    proptest! {
        #[test]
        fn what_is_taken_comes_out_once_and_in_order(steps in proptest::collection::vec(step(), 0..300)) {
            let mut model = Model::new();
            steps.into_iter().for_each(|step| model.step(step));
            for _ in 0..1000 {
                model.step(Step::Read);
                model.step(Step::Send);
            }
            prop_assert_eq!(&model.out, &(0..model.next).collect::<Vec<_>>());
            prop_assert_eq!((model.queue.memory_bytes(), model.queue.disk_bytes()), (0, 0));
            prop_assert!(model.disk.is_empty() && model.queue.is_empty() && model.queue.next_to_read().is_none());
        }
    }

    #[test]
    fn what_an_earlier_process_left_goes_first() {
        let mut queue: Queue<u32> = Queue::new(LIMITS, &[(7, 40), (9, 40)]);
        assert_eq!(queue.room(10, 10), Room::Disk(10));
        assert_eq!((queue.next_to_read(), queue.next_to_read()), (Some(7), None));
        assert!(!queue.was_read(7, vec![(1, 40)]));
        assert!(queue.settled(40, Some(7)));
        assert_eq!(queue.disk_bytes(), 50);
    }

    #[test]
    fn what_is_held_at_the_front_holds_nothing_behind_it() {
        let mut queue: Queue<u32> = Queue::new(LIMITS, &[]);
        (1..4).for_each(|id| queue.push(id, 10));
        assert_eq!(queue.take(|id| *id == 2), Some(2));
        assert_eq!(queue.take_all(), [1, 3]);
    }

    #[test]
    fn what_grows_while_it_waits_takes_the_room_that_it_has_then() {
        let mut queue: Queue<(u32, usize)> = Queue::new(LIMITS, &[]);
        (1..4).for_each(|id| queue.push((id, 20), 20));
        queue.resize(|(id, _)| *id == 2, |entry| (std::mem::replace(&mut entry.1, 90), 90));
        assert_eq!((queue.memory_bytes(), queue.room(10, 10)), (130, Room::Disk(0)));
        queue.appended(10, true, (0, 10));
        while let Some((_, bytes)) = queue.take(|_| true) {
            queue.settled(bytes, None);
        }
        assert_eq!(queue.memory_bytes(), 0);
    }

    #[test]
    fn more_than_may_be_on_its_way_to_the_disk_is_not_taken() {
        let mut queue: Queue<u32> = Queue::new(LIMITS, &[]);
        queue.push(0, 100);
        assert_eq!(queue.room(20, 20), Room::Disk(0));
        assert_eq!(queue.room(20, 20), Room::None);
        queue.appended(20, true, (0, 20));
        assert_eq!(queue.room(20, 20), Room::Disk(0));
    }
}
