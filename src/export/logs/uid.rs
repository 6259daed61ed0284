//! `log.record.uid`: the same record gives the same id, wherever it is read from.
//!
//! In go who wrote a record, its own bytes, its envelope's time and its place: the offset in its decompressed file, or the
//! number that the journal gave it. Out come 16 bytes. Rotation, compression, another mount or where reading began do not
//! change it, and nothing is remembered from one record to the next.

use twox_hash::XxHash3_128;

/// Gives the records of one writer their ids.
#[derive(Debug)]
pub struct Uids {
    /// What the ids of equal records of two writers differ by.
    writer: (u64, u64),
}

impl Uids {
    /// For the records of one writer: pod UID, container and restart; or host and unit or file family.
    pub fn new(writer: &str) -> Uids {
        let writer = XxHash3_128::oneshot(writer.as_bytes());
        Uids { writer: (writer as u64, (writer >> 64) as u64) }
    }

    /// The id of a record. Of a line that was cut, each piece has the place of the line: `piece` tells them apart.
    pub fn of(&self, payload: &[u8], envelope_time: Option<i64>, place: u64, piece: u32) -> [u8; 16] {
        // The writer is no seed of this: one that is not 0 derives a new secret for each long payload.
        let hash = XxHash3_128::oneshot(payload);
        let time = mix(envelope_time.unwrap_or(i64::MIN) as u64 ^ self.writer.0);
        let place = mix(mix(place ^ self.writer.1) ^ u64::from(piece));
        // Time and place are spread over both halves: a record that is equal but for either has another id in both.
        let mixed = u128::from(time ^ place.rotate_left(32)) << 64 | u128::from(place ^ time.rotate_left(32));
        (hash ^ mixed).to_be_bytes()
    }
}

/// Spreads a number over all bits (the finaliser of a well-known generator): one-to-one, so no two places meet.
fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn equal_records_differ_by_place_time_piece_and_writer() {
        let mut ids = HashSet::new();
        for writer in ["x", "y"] {
            let uids = Uids::new(writer);
            for payload in [&b"a"[..], b"b"] {
                for time in [None, Some(0), Some(1), Some(1 << 32)] {
                    for place in [0, 1, 100, 1 << 32, u64::MAX] {
                        for piece in [0, 1, 2] {
                            assert!(ids.insert(uids.of(payload, time, place, piece)));
                            assert_eq!(
                                uids.of(payload, time, place, piece),
                                Uids::new(writer).of(payload, time, place, piece)
                            );
                        }
                    }
                }
            }
        }
    }

    /// Both halves of an id.
    fn halves(id: [u8; 16]) -> [u64; 2] {
        let id = u128::from_be_bytes(id);
        [(id >> 64) as u64, id as u64]
    }

    #[test]
    fn whatever_two_records_differ_by_both_halves_of_their_ids_differ() {
        let of = |writer: &str, payload: &[u8], time, place, piece| {
            halves(Uids::new(writer).of(payload, time, place, piece))
        };
        let one = of("x", b"a", Some(5), 7, 1);
        for other in [
            of("y", b"a", Some(5), 7, 1),
            of("x", b"b", Some(5), 7, 1),
            of("x", b"a", Some(6), 7, 1),
            of("x", b"a", None, 7, 1),
            of("x", b"a", Some(5), 8, 1),
            of("x", b"a", Some(5), 7, 2),
        ] {
            assert_ne!(one[0], other[0]);
            assert_ne!(one[1], other[1]);
        }
    }

    /// A change of one makes half of the bits others, as of any good hash.
    #[test]
    fn neighbours_have_ids_that_are_not_alike() {
        let uids = Uids::new("x");
        let of = |time: i64, place, piece| halves(uids.of(b"a", Some(time), place, piece));
        for at in 0..200u64 {
            for (one, other) in [
                (of(1, at, 0), of(1, at + 1, 0)),
                (of(at as i64, 1, 0), of(at as i64 + 1, 1, 0)),
                (of(1, 1, at as u32), of(1, 1, at as u32 + 1)),
            ] {
                for half in 0..2 {
                    let bits = (one[half] ^ other[half]).count_ones();
                    assert!((8..=56).contains(&bits), "{bits} bits differ at {at}");
                }
            }
        }
    }

    /// What was sent by one version is known by the next: ids are written down by those who store records.
    #[test]
    fn an_id_is_the_same_in_every_version() {
        for (writer, payload, time, place, piece, expected) in [
            (
                "pod",
                &b"I1123 starting"[..],
                Some(1_795_425_291_100_000_000),
                4096,
                0,
                "9bae05a262fb77acd219946c9298a168",
            ),
            ("pod", b"I1123 starting", None, 4096, 0, "35d3d9795c5c0b74ecbee8b43ce57db3"),
            ("", b"", Some(0), u64::MAX, 3, "7f976cbe40c54de521831619a0b02312"),
        ] {
            let id = u128::from_be_bytes(Uids::new(writer).of(payload, time, place, piece));
            assert_eq!(format!("{id:032x}"), expected);
        }
    }
}
