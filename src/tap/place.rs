//! The place of one destination: what waits for it, and where that lies.
//!
//! In go requests from any connection, out come entries for the one task that sends them. All places of a tap share the bytes
//! of a request; how it is going, each has for itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::disk::{Disk, Order};
use super::item::Item;
use super::queue::{Queue, Room};
use super::spill_record::record_len;
use crate::export::deliver::retry::Suspicion;
use crate::metrics::{DestinationMetrics, Gauge, Share};
use crate::otlp::{Accepted, Protocol, SendError};

/// Hears what became of a request.
pub(super) type Answered = oneshot::Sender<Result<Accepted, SendError>>;

/// A request in the hands of a destination's task.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) item: Arc<Item>,
    /// Bytes that it takes in memory.
    pub(super) bytes: usize,
    /// The file that it also lies in.
    pub(super) segment: Option<u64>,
    /// Whose client waits for the destination's answer, and until when it does.
    pub(super) waiting: Option<(Answered, Instant)>,
    /// Tries that failed.
    pub(super) failures: u32,
    pub(super) first_try: Option<Instant>,
    pub(super) suspicion: Suspicion,
    /// It is not tried again before.
    pub(super) due: Option<Instant>,
    /// What was put into it was refused: it goes on without.
    pub(super) is_untouched: bool,
}

impl Entry {
    pub(super) fn new(item: Arc<Item>, bytes: usize, segment: Option<u64>) -> Entry {
        Entry {
            item,
            bytes,
            segment,
            waiting: None,
            failures: 0,
            first_try: None,
            suspicion: Suspicion::default(),
            due: None,
            is_untouched: false,
        }
    }
}

/// Where a request lies now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Memory,
    Disk,
    /// It is not taken: there is no room.
    Full,
    /// It is not taken, nor will it ever be.
    TooLarge,
    /// It is not taken: the disk refused.
    DiskFailed,
}

/// See the module.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) protocol: Protocol,
    state: Mutex<State>,
    /// Wakes the task.
    pub(super) changed: Notify,
    pub(super) metrics: Arc<DestinationMetrics>,
    spilled: Arc<Gauge>,
}

struct State {
    queue: Queue<Entry>,
    disk: Option<Disk>,
    memory: Share,
    /// Spans in memory.
    spans: u64,
    /// Nothing is taken any more.
    is_closed: bool,
}

impl Place {
    pub(super) fn new(
        (name, protocol): (String, Protocol),
        queue: Queue<Entry>,
        disk: Option<Disk>,
        metrics: &crate::metrics::Metrics,
    ) -> Place {
        let memory = Share::of(metrics.memory("tap"));
        let (of_name, spilled) = (metrics.spans.forward(&name), metrics.spans.spilled(&name));
        let state = Mutex::new(State { queue, disk, memory, spans: 0, is_closed: false });
        let place = Place { name, protocol, state, changed: Notify::new(), metrics: of_name, spilled };
        place.show(&mut place.lock());
        place
    }

    /// Whether a request can be sent there at all.
    pub(super) fn can_take(&self, item: &Item) -> bool {
        item.form(self.protocol).is_some()
    }

    /// Takes a request, and returns once it lies in memory or on the disk.
    pub(super) async fn take(&self, item: &Arc<Item>) -> Taken {
        let (bytes, disk_bytes) = (item.bytes(self.protocol), record_len(item, self.protocol));
        let (number, written) = {
            let mut state = self.lock();
            if state.is_closed {
                return Taken::Full;
            }
            if !state.queue.can_hold(bytes, disk_bytes) {
                return Taken::TooLarge;
            }
            match state.queue.room(bytes, disk_bytes) {
                Room::None => return Taken::Full,
                Room::Memory => {
                    self.push(&mut state, Entry::new(Arc::clone(item), bytes, None));
                    return Taken::Memory;
                }
                Room::Disk(number) => {
                    self.show(&mut state);
                    (number, append(&state, number, item))
                }
            }
        };
        // Its room is given back even if nobody waits for the answer any more.
        let appending = Appending { place: self, bytes, segment: (number, disk_bytes), is_written: false };
        appending.wait(written).await
    }

    /// Takes a request whose client waits for the answer, if there is room in memory.
    pub(super) fn take_waiting(&self, item: &Arc<Item>, waiting: (Answered, Instant)) -> Taken {
        let bytes = item.bytes(self.protocol);
        let mut state = self.lock();
        if !state.queue.can_hold(bytes, u64::MAX) {
            return Taken::TooLarge;
        }
        if state.is_closed || !state.queue.has_memory(bytes) {
            return Taken::Full;
        }
        let entry = Entry { waiting: Some(waiting), ..Entry::new(Arc::clone(item), bytes, None) };
        self.push(&mut state, entry);
        Taken::Memory
    }

    fn push(&self, state: &mut State, entry: Entry) {
        let bytes = entry.bytes;
        state.spans += entry.item.spans;
        state.queue.push(entry, bytes);
        self.show(state);
        self.changed.notify_one();
    }

    /// A request is settled: with what was put into it it takes more room.
    pub(super) fn item_settled(&self, item: &Arc<Item>) {
        if item.is_changed() {
            let bytes = item.bytes(self.protocol);
            let mut state = self.lock();
            let is_it = |entry: &Entry| Arc::ptr_eq(&entry.item, item);
            state.queue.resize(is_it, |entry| (std::mem::replace(&mut entry.bytes, bytes), bytes));
            self.show(&mut state);
        }
        self.changed.notify_one();
    }

    /// The first request that is to go, by now.
    pub(super) fn next(&self) -> Option<Entry> {
        self.lock().queue.take(|entry| entry.item.is_settled())
    }

    /// What is to be read from the disk next, and an ear for it.
    pub(super) fn read_next(&self) -> Option<(u64, oneshot::Receiver<super::disk::ReadFile>)> {
        let mut state = self.lock();
        let number = state.queue.next_to_read()?;
        let (done, outcome) = oneshot::channel();
        if let Some(disk) = &state.disk {
            disk.order(Order::Read(number, done));
        }
        Some((number, outcome))
    }

    /// What was read from the disk waits in memory from now on.
    pub(super) fn was_read(&self, number: u64, items: Vec<Item>) {
        let mut state = self.lock();
        let mut entries = Vec::new();
        for item in items {
            let bytes = item.bytes(self.protocol);
            state.spans += item.spans;
            entries.push((Entry::new(Arc::new(item), bytes, Some(number)), bytes));
        }
        if state.queue.was_read(number, entries) {
            remove(&state, number);
        }
        self.show(&mut state);
        self.changed.notify_one();
    }

    /// Nothing more is to be done about an entry.
    pub(super) fn settled(&self, entry: &Entry) {
        let mut state = self.lock();
        entry.item.done();
        state.spans = state.spans.saturating_sub(entry.item.spans);
        if state.queue.settled(entry.bytes, entry.segment) {
            entry.segment.iter().for_each(|number| remove(&state, *number));
        }
        self.show(&mut state);
    }

    /// Nothing more is taken.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Nothing waits in memory, and nothing comes from the disk unless it is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    /// Takes out all that wait in memory.
    pub(super) fn take_all(&self) -> Vec<Entry> {
        self.lock().queue.take_all()
    }

    /// Puts an entry on the disk for the next start; `false`: it is lost.
    pub(super) async fn keep(&self, entry: &Entry) -> bool {
        if entry.segment.is_some() {
            return true;
        }
        let disk_bytes = record_len(&entry.item, self.protocol);
        let (number, written) = {
            let mut state = self.lock();
            let Room::Disk(number) = state.queue.disk_room(disk_bytes) else { return false };
            (number, append(&state, number, &entry.item))
        };
        let appending = Appending { place: self, bytes: 0, segment: (number, disk_bytes), is_written: false };
        appending.wait(written).await == Taken::Disk
    }

    /// Whether what is left at the end can be kept.
    pub(super) fn has_disk(&self) -> bool {
        self.lock().disk.is_some()
    }

    /// The disk, to wait for its end; nothing is kept after this.
    pub(super) fn end(&self) -> Option<Disk> {
        let mut state = self.lock();
        state.memory.set(0);
        state.disk.take()
    }

    fn show(&self, state: &mut State) {
        state.memory.set(state.queue.memory_bytes() as u64);
        self.spilled.set(state.queue.disk_bytes());
        self.metrics.held.set(state.spans);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under the lock: files are read in the order in which they were written to.
fn append(state: &State, number: u64, item: &Arc<Item>) -> oneshot::Receiver<std::io::Result<()>> {
    let (done, outcome) = oneshot::channel();
    if let Some(disk) = &state.disk {
        disk.order(Order::Append(number, Arc::clone(item), done));
    }
    outcome
}

fn remove(state: &State, number: u64) {
    if let Some(disk) = &state.disk {
        disk.order(Order::Remove(number));
    }
}

/// A request on its way to the disk.
struct Appending<'p> {
    place: &'p Place,
    bytes: usize,
    segment: (u64, u64),
    is_written: bool,
}

impl Appending<'_> {
    async fn wait(mut self, written: oneshot::Receiver<std::io::Result<()>>) -> Taken {
        // What nobody waits for is written all the same.
        self.is_written = true;
        self.is_written = matches!(written.await, Ok(Ok(())));
        if self.is_written { Taken::Disk } else { Taken::DiskFailed }
    }
}

impl Drop for Appending<'_> {
    fn drop(&mut self) {
        let mut state = self.place.lock();
        state.queue.appended(self.bytes, self.is_written, self.segment);
        self.place.show(&mut state);
        self.place.changed.notify_one();
    }
}
