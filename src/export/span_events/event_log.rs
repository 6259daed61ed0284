//! Events in the order in which they are made, until their spans come: few in memory, the others in a temporary file.
//!
//! In go events with the ids of their spans, out come those of a span, or all that wait. Kept in memory for each span with
//! events are a hash of its ids and the place of its last event, which leads to those before it. What an event says is not
//! known here.

use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, ErrorKind, Read};
use std::ops::Range;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use twox_hash::XxHash3_128;

use crate::files::external_sort::Sorter;
use crate::files::spill::Spill;
use crate::otlp::own::Ids;

/// Bytes that are read at the place of an event, in the hope that it has no more.
const LIKELY_BYTES: usize = 512;
/// Bytes that are read at once where all events are.
const READ_BYTES: usize = 256 << 10;
/// An event that none of its span came before; a span whose events were taken.
const NONE: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub(super) struct EventLog {
    spill: Spill,
    chains: HashTable<Chain>,
    seed: u64,
    /// Events that were taken and put back, by their places.
    put_back: Vec<u64>,
    memory_max: usize,
    room: Vec<u8>,
}

/// The events of a span.
#[derive(Debug, Clone, Copy)]
struct Chain {
    /// A hash of its ids, which tells it from all others.
    hash: [u64; 2],
    /// The last one; [`NONE`] once they were taken.
    last: u64,
}

/// What stands before the bytes of an event.
#[derive(Debug, Clone, Copy)]
struct Head {
    ids: Ids,
    time: u64,
    text: u64,
    /// The event of the span that came before it.
    before: u64,
    length: u32,
}

const HEAD_BYTES: usize = 52;

impl Head {
    fn bytes(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..16].copy_from_slice(&self.ids.0);
        bytes[16..24].copy_from_slice(&self.ids.1);
        for (at, number) in [(24, self.time), (32, self.text), (40, self.before)] {
            bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes[48..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> Option<Head> {
        let (ids, rest) = bytes.split_at_checked(24)?;
        let number = |at: usize| Some(u64::from_le_bytes(rest.get(at..at + 8)?.try_into().ok()?));
        Some(Head {
            ids: (ids[..16].try_into().ok()?, ids[16..].try_into().ok()?),
            time: number(0)?,
            text: number(8)?,
            before: number(16)?,
            length: u32::from_le_bytes(rest.get(24..28)?.try_into().ok()?),
        })
    }
}

/// An event that no span has.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<'e> {
    /// Its span.
    pub ids: Ids,
    /// ns since the epoch; 0 where it has none.
    pub time: u64,
    /// [`text_hash`](super::stored_events::text_hash) of its line's message.
    pub text: u64,
    /// The event.
    pub bytes: &'e [u8],
}

/// The events of one span, in order of time.
#[derive(Debug, Default)]
pub(super) struct EventsOfSpan {
    events: Vec<EventOfSpan>,
    bytes: Vec<u8>,
}

/// See [`Waiting`].
#[derive(Debug)]
pub(super) struct EventOfSpan {
    pub(super) time: u64,
    pub(super) text: u64,
    /// Where it lies in the log.
    pub(super) place: u64,
    bytes: Range<usize>,
}

impl EventsOfSpan {
    /// Each with its bytes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&EventOfSpan, &[u8])> {
        self.events.iter().map(|event| (event, &self.bytes[event.bytes.clone()]))
    }
}

impl EventLog {
    /// Holds so many bytes of events in memory, and `bytes_max` in all.
    pub(super) fn new(memory_max: usize, bytes_max: u64) -> EventLog {
        EventLog {
            spill: Spill::new(memory_max, bytes_max),
            chains: HashTable::new(),
            seed: RandomState::new().hash_one(0u8),
            put_back: Vec::new(),
            memory_max,
            room: Vec::new(),
        }
    }

    /// Takes in an event; false where there is no room.
    pub(super) fn push(&mut self, event: Waiting<'_>) -> io::Result<bool> {
        let Waiting { ids, time, text, bytes } = event;
        let Ok(length) = u32::try_from(bytes.len()) else { return Ok(false) };
        let hash = self.hash(&ids);
        let chain = self.chains.entry(hash[0], |chain| chain.hash == hash, |chain| chain.hash[0]);
        let before = if let Entry::Occupied(chain) = &chain { chain.get().last } else { NONE };
        let head = Head { ids, time, text, before, length }.bytes();
        let Some(last) = self.spill.append(&[&head, bytes])? else { return Ok(false) };
        chain.insert(Chain { hash, last });
        Ok(true)
    }

    /// Takes all events of a span, which then wait no more; false if there are none.
    pub(super) fn take(&mut self, ids: &Ids, taken: &mut EventsOfSpan) -> io::Result<bool> {
        let hash = self.hash(ids);
        let Some(chain) = self.chains.find_mut(hash[0], |chain| chain.hash == hash) else { return Ok(false) };
        let mut place = std::mem::replace(&mut chain.last, NONE);
        taken.events.clear();
        taken.bytes.clear();
        while place != NONE {
            let (head, bytes) = read(&self.spill, place, &mut self.room)?;
            let from = taken.bytes.len();
            taken.bytes.extend_from_slice(bytes);
            let bytes = from..taken.bytes.len();
            taken.events.push(EventOfSpan { time: head.time, text: head.text, place, bytes });
            place = head.before;
        }
        // Equal times keep the order of reading.
        taken.events.sort_unstable_by_key(|event| (event.time, event.place));
        Ok(!taken.events.is_empty())
    }

    /// An event that was taken goes on waiting.
    pub(super) fn put_back(&mut self, place: u64) {
        self.put_back.push(place);
    }

    /// Hands over all events that wait, by trace and span, those of a span as they came.
    pub(super) fn each_waiting(&mut self, each: &mut dyn FnMut(Waiting<'_>) -> io::Result<()>) -> io::Result<()> {
        // The ids and place of each.
        let mut places = Sorter::new(self.memory_max, |one, other| one.cmp(other));
        self.put_back.sort_unstable();
        let (mut log, mut place, mut head) =
            (BufReader::with_capacity(READ_BYTES, self.spill.bytes()), 0u64, [0; HEAD_BYTES]);
        while place < self.spill.length() {
            log.read_exact(&mut head)?;
            let Head { ids, length, .. } = Head::of(&head).ok_or(ErrorKind::UnexpectedEof)?;
            io::copy(&mut log.by_ref().take(length.into()), &mut io::sink())?;
            let hash = self.hash(&ids);
            let chain = self.chains.find(hash[0], |chain| chain.hash == hash);
            if chain.is_some_and(|chain| chain.last != NONE) || self.put_back.binary_search(&place).is_ok() {
                places.push(&[&ids.0, &ids.1, &place.to_be_bytes()])?;
            }
            place += HEAD_BYTES as u64 + u64::from(length);
        }
        let places = places.finish()?;
        let mut places = places.read()?;
        while let Some(row) = places.next()? {
            let place = row.last_chunk().map_or(0, |place| u64::from_be_bytes(*place));
            let (Head { ids, time, text, .. }, bytes) = read(&self.spill, place, &mut self.room)?;
            each(Waiting { ids, time, text, bytes })?;
        }
        Ok(())
    }

    fn hash(&self, ids: &Ids) -> [u64; 2] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&ids.0);
        bytes[16..].copy_from_slice(&ids.1);
        let hash = XxHash3_128::oneshot_with_seed(self.seed, &bytes);
        [hash as u64, (hash >> 64) as u64]
    }
}

/// The event at a place.
fn read<'r>(spill: &'r Spill, place: u64, room: &'r mut Vec<u8>) -> io::Result<(Head, &'r [u8])> {
    let length = |bytes: &[u8]| Head::of(bytes).map_or(HEAD_BYTES, |head| HEAD_BYTES + head.length as usize);
    let bytes = spill.read(place, LIKELY_BYTES, length, room)?;
    Head::of(bytes).zip(bytes.get(HEAD_BYTES..)).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}
