//! Numbers by which receipts speak of streams.
//!
//! In go a file and the key of one of its streams, out comes their number in this run, the same each time, and back. A
//! run may meet some hundred thousand.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::ledger::Key;

/// Streams in the order in which they were met.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    streams: Vec<(u32, Halves)>,
    known: HashMap<u64, u32, BuildHasherDefault<Mixed>>,
}

/// A key, without the room that a number of 16 bytes is aligned with.
type Halves = [u64; 2];

impl Numbers {
    /// The number of a stream.
    pub(super) fn of(&mut self, file: u32, key: Key) -> u32 {
        let stream = (file, [key as u64, (key >> 64) as u64]);
        let mixed = mixed(stream);
        if let Some(number) = self.known.get(&mixed)
            && self.streams[*number as usize] == stream
        {
            return *number;
        }
        // Of two that are mixed alike, the first one gives up its number: what is on the way goes on under it.
        let number = self.streams.len() as u32;
        self.streams.push(stream);
        self.known.insert(mixed, number);
        number
    }

    /// The file and key that a number stands for.
    pub(super) fn stream(&self, number: u32) -> Option<(u32, Key)> {
        let (file, [low, high]) = self.streams.get(number as usize)?;
        Some((*file, Key::from(*low) | Key::from(*high) << 64))
    }
}

/// Keys are hashes already.
fn mixed((file, [low, high]): (u32, Halves)) -> u64 {
    low ^ high.rotate_left(32) ^ u64::from(file).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Hashes what is mixed already.
#[derive(Debug, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, mixed: u64) {
        self.0 = mixed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_number_and_no_two_have_the_same() {
        let mut numbers = Numbers::default();
        let streams: Vec<(u32, Key)> =
            (0..50).flat_map(|file| [0, 1, 1 << 64, Key::MAX].map(|key| (file, key))).collect();
        let given: Vec<u32> = streams.iter().map(|(file, key)| numbers.of(*file, *key)).collect();
        assert_eq!(given, (0..200).collect::<Vec<_>>());
        assert!(streams.iter().zip(&given).all(|(stream, number)| numbers.stream(*number) == Some(*stream)));
        assert_eq!((numbers.of(7, 1), numbers.stream(200)), (29, None));
        // Two that are mixed alike.
        assert_ne!(numbers.of(60, 1 | 1 << 96), numbers.of(60, 0));
        assert_eq!(numbers.of(60, 0), numbers.of(60, 0));
    }
}
