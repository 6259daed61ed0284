//! States of version 1: which file a range belongs to was told by the file's first bytes alone.
//!
//! In go the first bytes of a file, out come the keys that version 1 had for it. Its ranges are taken over once, by these
//! keys; from then on the bytes themselves are compared.

use std::collections::HashSet;

use super::ledger::{Key, Version1};
use super::ranges::Ranges;

/// How many bytes at its start told a file from others.
const FINGERPRINT_BYTES: usize = 1024;
/// The same where that many were not enough.
pub const LONG_FINGERPRINT_BYTES: usize = 64 * 1024;

/// Hashes of a file's first bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// Told the file from the others of its source, even from those that begin with the same banner.
    own: u64,
    /// For a file shorter than it takes to tell files apart: what told it with its unfinished line.
    short: Option<u64>,
    /// What it had when it was even shorter, and how much of it that spoke of; shortest first.
    earlier: Vec<(u64, u64)>,
}

/// The keys that a stream of a file had, best first, each with how much of the file it speaks of; and the one of what lay
/// after its whole lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    heads: Vec<(Key, u64)>,
    tail: Option<Key>,
}

impl Fingerprints {
    /// Of a file that begins so; `known` are those of the files of its source before it.
    pub fn new(head: &[u8], known: &mut HashSet<u64>) -> Fingerprints {
        let hash = |seed: u64, bytes: &[u8]| twox_hash::XxHash64::oneshot(seed, bytes);
        let long = head;
        let head = &head[..head.len().min(FINGERPRINT_BYTES)];
        let is_short = head.len() < FINGERPRINT_BYTES;
        let lines = if is_short { &head[..memchr::memrchr(b'\n', head).map_or(0, |end| end + 1)] } else { head };
        let shorter =
            memchr::memchr_iter(b'\n', lines).map(|end| &head[..=end]).filter(|part| part.len() < lines.len());
        let of_part = |part: &[u8]| (hash(0, part), part.len() as u64);
        let earlier = shorter.map(of_part).filter(|(hash, _)| !known.contains(hash)).collect();
        let mut own = hash(0, lines);
        if known.contains(&own) {
            own = hash(1, if is_short { lines } else { long });
        }
        while !known.insert(own) {
            own = own.wrapping_add(1);
        }
        Fingerprints { own, short: is_short.then(|| hash(own, head)), earlier }
    }

    /// The keys of the stream that has this name.
    pub fn keys(&self, name: &[u8]) -> Keys {
        let of = |hash: u64| twox_hash::XxHash3_128::oneshot(&[name, &hash.to_le_bytes()].concat());
        let earlier = self.earlier.iter().rev().map(|(hash, up_to)| (of(*hash), *up_to));
        Keys { heads: [(of(self.own), u64::MAX)].into_iter().chain(earlier).collect(), tail: self.short.map(of) }
    }
}

impl Keys {
    /// For what has one key whatever it is read from.
    pub fn one(key: Key) -> Keys {
        Keys { heads: vec![(key, u64::MAX)], tail: None }
    }

    /// Takes what a destination had acknowledged out of its ledger: handed on, not copied, since of several files that begin
    /// alike one is the file that it was.
    pub fn take_from(&self, ledger: &mut Version1) -> Ranges {
        let head = self.heads.iter().find_map(|(key, up_to)| Some((ledger.remove(key)?, *up_to)));
        let (mut ranges, up_to) = head.unwrap_or_default();
        ranges.clip(up_to);
        let behind = self.tail.and_then(|tail| ledger.remove(&tail)).unwrap_or_default();
        behind.list().into_iter().for_each(|(from, to)| ranges.add(from, to));
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprints(head: &[u8]) -> Fingerprints {
        Fingerprints::new(head, &mut HashSet::new())
    }

    fn ranges(list: &[(u64, u64)]) -> Ranges {
        let mut ranges = Ranges::default();
        list.iter().for_each(|(from, to)| ranges.add(*from, *to));
        ranges
    }

    /// What a file that begins so has of a ledger that knows one key.
    fn taken(head: &[u8], key: Key, known: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut ledger = Version1::from([(key, ranges(known))]);
        let taken = fingerprints(head).keys(b"stream").take_from(&mut ledger);
        assert_eq!(taken.is_empty(), ledger.contains_key(&key), "what is taken is handed on");
        taken.list()
    }

    #[test]
    fn what_a_shorter_file_acknowledged_is_kept_to_the_lines_that_it_had() {
        let key = |head: &[u8]| fingerprints(head).keys(b"stream").heads[0].0;
        let known = [(0, 6), (8, 12)];
        assert_eq!(taken(b"one\ntwo\nsix\n", key(b"one\ntwo\nsix\n"), &known), known);
        assert_eq!(taken(b"one\ntwo\nsix\n", key(b"one\n"), &known), [(0, 4)]);
        assert_eq!(taken(b"one\ntwo\nsix\n", key(b"one\ntwo\n"), &known), [(0, 6)]);
        assert_eq!(taken(b"one\ntwo\nsix\n", key(b"two\n"), &known), []);
    }

    #[test]
    fn what_lay_behind_whole_lines_is_added() {
        let whole = fingerprints(b"one\ntwo\nha").keys(b"stream");
        let (head, tail) = (whole.heads[0].0, whole.tail.unwrap());
        let mut ledger = Version1::from([(head, ranges(&[(0, 4)])), (tail, ranges(&[(8, 11)]))]);
        assert_eq!(whole.take_from(&mut ledger).list(), [(0, 4), (8, 11)]);
        assert!(ledger.is_empty());
    }
}
