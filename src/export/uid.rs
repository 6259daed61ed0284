//! `log.record.uid`: the same record gives the same id, wherever it is read from.
//!
//! In go who wrote a record, its own bytes, its envelope's time; out come 16 bytes. Equal records of one source are told
//! apart by their place among equals. Rotation, compression or another mount do not change it, and nothing about files
//! is known here.

use std::collections::{BTreeMap, VecDeque};

use twox_hash::XxHash3_128;

/// How many records with older times are remembered: writers that take the time before a lock, or two streams, put
/// lines out of order by a few places.
const OLDER: usize = 64;

/// Gives the records of one source their ids, in order.
#[derive(Debug)]
pub struct Uids {
    /// Who writes: what the ids of equal records of two writers differ by.
    writer: (u64, u64),
    newest: i64,
    untimed: u64,
    /// The first record at the newest time, and how many like it followed.
    first: (u128, u64),
    /// Further different ones at that time: many where a runtime stamps a whole buffer at once.
    others: BTreeMap<u128, u64>,
    older: VecDeque<(i64, u128, u64)>,
}

impl Uids {
    /// For the records of one writer: pod UID, container and restart; or host and unit or file family.
    pub fn new(writer: &str) -> Uids {
        let writer = XxHash3_128::oneshot(writer.as_bytes());
        Uids {
            writer: (writer as u64, (writer >> 64) as u64),
            newest: i64::MIN,
            untimed: 0,
            first: (0, 0),
            others: BTreeMap::new(),
            older: VecDeque::with_capacity(OLDER),
        }
    }

    /// The id of the next record. `time` is the envelope's, else the payload's; a record without any is numbered after
    /// the last one that had a time.
    pub fn next(&mut self, payload: &[u8], time: Option<i64>) -> [u8; 16] {
        // The writer is no seed of this: one that is not 0 derives a new secret for each long payload.
        let hash = XxHash3_128::oneshot(payload);
        let place = match time {
            Some(time) => {
                self.untimed = 0;
                self.place(time, hash)
            }
            None => {
                self.untimed += 1;
                self.untimed
            }
        };
        let at = time.unwrap_or(self.newest) as u64;
        let mixed = hash
            ^ (u128::from(mix(at ^ self.writer.0)) << 64 | u128::from(mix(at.rotate_left(32) ^ place ^ self.writer.1)));
        mixed.to_be_bytes()
    }

    /// How many equal records came before. Equal ones bear the same time.
    fn place(&mut self, time: i64, hash: u128) -> u64 {
        if time > self.newest {
            self.remember(self.newest, self.first.0, self.first.1);
            if !self.others.is_empty() {
                let others = std::mem::take(&mut self.others);
                for (hash, count) in others.into_iter().take(OLDER / 2) {
                    self.remember(self.newest, hash, count);
                }
            }
            (self.newest, self.first) = (time, (hash, 0));
            return 0;
        }
        if time == self.newest {
            if hash == self.first.0 {
                self.first.1 += 1;
                return self.first.1;
            }
            return *self.others.entry(hash).and_modify(|count| *count += 1).or_insert(0);
        }
        if let Some(equal) = self.older.iter_mut().rev().find(|(t, h, _)| *t == time && *h == hash) {
            equal.2 += 1;
            return equal.2;
        }
        self.remember(time, hash, 0);
        0
    }

    fn remember(&mut self, time: i64, hash: u128, count: u64) {
        if self.older.len() == OLDER {
            self.older.pop_front();
        }
        self.older.push_back((time, hash, count));
    }
}

/// Spreads a number over all bits (the finaliser of a well-known generator): one-to-one, so no two times meet.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_records_differ_by_their_place_and_repeat_in_a_second_run() {
        let run = || {
            let mut uids = Uids::new("pod/app/0");
            [
                (b"a", Some(1)),
                (b"a", Some(1)),
                (b"b", Some(1)),
                (b"a", Some(2)),
                (b"a", Some(1)),
                (b"a", None),
                (b"a", None),
            ]
            .map(|(payload, time)| uids.next(payload, time))
        };
        let first = run();
        assert_eq!(first, run());
        for (index, uid) in first.iter().enumerate() {
            assert!(!first[..index].contains(uid), "record {index}");
        }
        assert_ne!(Uids::new("x").next(b"a", Some(1)), Uids::new("y").next(b"a", Some(1)));
    }

    #[test]
    fn a_source_read_from_a_later_rotation_on_gives_the_same_ids() {
        let lines: Vec<(Vec<u8>, Option<i64>)> =
            (0..100).map(|i| (format!("line {}", i % 7).into_bytes(), Some(i / 3))).collect();
        let ids = |from: usize| {
            let mut uids = Uids::new("w");
            lines[from..].iter().map(|(payload, time)| uids.next(payload, *time)).collect::<Vec<_>>()
        };
        assert_eq!(ids(0)[30..], ids(30)[..]);
    }
}
