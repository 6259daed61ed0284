//! Journal files made entry by entry, in the regular layout with Jenkins's hashes.
//!
//! In go entries, out come the bytes of a file, with an index of the values that its entries have. There are no field objects.

use std::collections::HashMap;

use spanline_parsers::journal_hash::jenkins;

const HEADER_BYTES: usize = 272;
const DATA: u8 = 1;
const ENTRY: u8 = 3;
const DATA_TABLE: u8 = 4;
const ENTRY_ARRAY: u8 = 6;
/// Places of the hash table.
const BUCKETS: usize = 1021;
/// Entries of the first array; each further one has twice as many.
const FIRST_ARRAY: usize = 4;

/// A file that is being made.
pub(crate) struct MadeJournal {
    bytes: Vec<u8>,
    /// Where the data object of a payload stands, and the entries that have it.
    data: HashMap<Vec<u8>, (usize, Vec<usize>)>,
    /// Where the last array stands, its items, and those that are used.
    array: (usize, usize, usize),
    entries: u64,
    times: Option<(u64, u64)>,
    last_object: usize,
    /// The number of the first entry.
    first: u64,
}

impl MadeJournal {
    /// Without entries, of which the first will have this number.
    pub(crate) fn new(first: u64) -> MadeJournal {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..8].copy_from_slice(b"LPKSHHRH");
        bytes[24..40].fill(0x11);
        bytes[40..56].fill(0x22);
        bytes[72..88].fill(0x33);
        MadeJournal { bytes, data: HashMap::new(), array: (0, 0, 0), entries: 0, times: None, last_object: 0, first }
    }

    /// Adds an entry that came at this time, µs since the epoch.
    pub(crate) fn add(&mut self, usec: u64, payloads: &[&[u8]]) {
        let items: Vec<usize> = payloads.iter().map(|payload| self.payload(payload)).collect();
        let entry = self.object(ENTRY, 64 + 16 * items.len());
        for payload in payloads {
            self.data.get_mut(*payload).unwrap().1.push(entry);
        }
        for (at, number) in [(16, self.first + self.entries), (24, usec), (32, self.entries), (56, 7)] {
            self.put(entry + at, number);
        }
        self.bytes[entry + 40..entry + 56].fill(0x44);
        for (at, item) in items.into_iter().enumerate() {
            self.put(entry + 64 + 16 * at, item as u64);
        }
        let (mut array, mut size, mut used) = self.array;
        if used == size {
            size = if size == 0 { FIRST_ARRAY } else { 2 * size };
            let next = self.object(ENTRY_ARRAY, 24 + 8 * size);
            let link = if array == 0 { 176 } else { array + 16 };
            self.put(link, next as u64);
            (array, used) = (next, 0);
        }
        self.put(array + 24 + 8 * used, entry as u64);
        self.array = (array, size, used + 1);
        self.entries += 1;
        self.times = Some((self.times.map_or(usec, |(first, _)| first), usec));
    }

    /// The file as it is now: archived, or still written to.
    pub(crate) fn bytes(&self, is_archived: bool) -> Vec<u8> {
        let mut made = MadeJournal { bytes: self.bytes.clone(), data: HashMap::new(), ..*self };
        let table = made.index(&self.data);
        made.bytes[16] = if is_archived { 2 } else { 1 };
        let (first, last) = self.times.unwrap_or_default();
        for (at, number) in [
            (88, HEADER_BYTES as u64),
            (96, (made.bytes.len() - HEADER_BYTES) as u64),
            (104, table as u64),
            (112, 16 * BUCKETS as u64),
            (136, made.last_object as u64),
            (152, self.entries),
            (160, self.first + self.entries - 1),
            (168, self.first),
            (184, first),
            (192, last),
        ] {
            made.put(at, number);
        }
        made.bytes
    }

    /// Adds the entries of each data object, and their hash table; where its items stand.
    fn index(&mut self, data: &HashMap<Vec<u8>, (usize, Vec<usize>)>) -> usize {
        let table = self.object(DATA_TABLE, 16 + 16 * BUCKETS) + 16;
        let mut all: Vec<_> = data.iter().collect();
        all.sort_unstable_by_key(|(_, (at, _))| *at);
        for (payload, (at, entries)) in all {
            let hash = jenkins(payload);
            let bucket = table + 16 * (hash % BUCKETS as u64) as usize;
            let before = u64::from_le_bytes(self.bytes[bucket..bucket + 8].try_into().unwrap());
            for (place, number) in
                [(bucket, *at as u64), (at + 16, hash), (at + 24, before), (at + 40, entries[0] as u64)]
            {
                self.put(place, number);
            }
            if entries.len() > 1 {
                let array = self.object(ENTRY_ARRAY, 24 + 8 * (entries.len() - 1));
                self.put(at + 48, array as u64);
                for (place, entry) in entries[1..].iter().enumerate() {
                    self.put(array + 24 + 8 * place, *entry as u64);
                }
            }
        }
        table
    }

    /// Where the data object of a payload stands.
    fn payload(&mut self, payload: &[u8]) -> usize {
        if let Some(at) = self.data.get(payload).map(|(at, _)| *at) {
            let entries = u64::from_le_bytes(self.bytes[at + 56..at + 64].try_into().unwrap());
            self.put(at + 56, entries + 1);
            return at;
        }
        let at = self.object(DATA, 64 + payload.len());
        self.bytes[at + 64..at + 64 + payload.len()].copy_from_slice(payload);
        self.put(at + 56, 1);
        self.data.insert(payload.to_vec(), (at, Vec::new()));
        at
    }

    fn object(&mut self, kind: u8, size: usize) -> usize {
        let at = self.bytes.len();
        self.bytes.resize((at + size).next_multiple_of(8), 0);
        self.bytes[at] = kind;
        self.put(at + 8, size as u64);
        self.last_object = at;
        at
    }

    fn put(&mut self, at: usize, number: u64) {
        self.bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
}
