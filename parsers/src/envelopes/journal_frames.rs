//! Entries of a journal's file one after the other, as whoever reads the file hands them on.
//!
//! In go the fields of entries, out come frames, and from those entries again: nothing is escaped, and nothing searched for.
//! A frame takes the place of a line wherever lines are read. Where the fields come from is not known here.
//!
//! frames = START *frame
//! frame = length seqnum realtime monotonic xor-hash boot-id seqnum-id *field / length seqnum (entries that were lost)
//! field = length name-length name "=" value

use std::borrow::Cow;

use crate::envelopes::journal::{self, Place};

/// What frames begin with: a frame with nothing in it.
pub const START: &[u8; 8] = b"\x08\0\0\0JRN1";
/// A frame that tells of lost entries.
const LOST_BYTES: usize = 12;
/// A frame without fields.
const HEAD_BYTES: usize = 68;
/// A field without its bytes.
const FIELD_BYTES: usize = 8;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// An entry.
    Entry,
    /// So many entries, or fields of them, could not be read.
    Lost(u64),
    /// Nothing.
    Nothing,
}

/// Writes the frame of an entry behind what is there. Its fields follow, and then [`end`].
pub fn begin(place: &Place, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; 4]);
    for number in [place.seqnum, place.realtime_usec, place.monotonic_usec, place.xor_hash] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&place.boot_id);
    out.extend_from_slice(&place.seqnum_id);
}

/// Adds `NAME=value`, whose value begins at `value`.
pub fn field(payload: &[u8], value: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&(value as u32).to_le_bytes());
    out.extend_from_slice(payload);
}

/// The frame that began at `start` is whole.
pub fn end(start: usize, out: &mut [u8]) {
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Tells that entries, or fields of them, could not be read.
pub fn lost(entries: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&(LOST_BYTES as u32).to_le_bytes());
    out.extend_from_slice(&entries.to_le_bytes());
}

/// Bytes of the frame that a buffer begins with, whether all of them are there or not; `None` where that is not known yet.
pub fn frame_bytes(buffer: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*buffer.first_chunk()?) as usize;
    // What is none goes as a whole.
    Some(if length < START.len() { buffer.len() } else { length })
}

/// Reads a frame, as [`frame_bytes`] has cut it; its entry, if it holds one, takes the place of what was in `entry`, whose room
/// it uses. Of fields that decide nothing, those are left out that are not wanted by name.
pub fn frame<'a>(bytes: &'a [u8], wanted: impl Fn(&[u8]) -> bool, entry: &mut journal::Entry<'a>) -> Frame {
    let number = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|n| u64::from_le_bytes(*n));
    if bytes.len() == LOST_BYTES {
        return number(4).map_or(Frame::Nothing, Frame::Lost);
    }
    let Some(place) = place(bytes) else { return Frame::Nothing };
    entry.clear();
    (entry.realtime_usec, entry.place) = (Some(place.realtime_usec), Some(place));
    for (payload, value) in fields(bytes) {
        let other = entry.take(Cow::Borrowed(&payload[..value - 1]), Cow::Borrowed(&payload[value..]));
        entry.fields.extend(other.filter(|(name, _)| wanted(name)));
    }
    Frame::Entry
}

/// When the entry of a frame came, and where it stands.
pub fn place(bytes: &[u8]) -> Option<Place> {
    let number = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|n| u64::from_le_bytes(*n));
    let id = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).copied();
    if bytes.len() < HEAD_BYTES {
        return None;
    }
    Some(Place {
        seqnum: number(4)?,
        realtime_usec: number(12)?,
        monotonic_usec: number(20)?,
        xor_hash: number(28)?,
        boot_id: id(36)?,
        seqnum_id: id(52)?,
    })
}

/// The fields of a frame: each as `NAME=value`, and where its value begins.
pub fn fields(bytes: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut rest = bytes.get(HEAD_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<FIELD_BYTES>()?;
        let (length, value) = head.split_at(4);
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |n| u32::from_le_bytes(*n)) as usize;
        let (length, value) = (number(length), number(value));
        let payload = after.get(..length)?;
        rest = &after[length..];
        (value >= 1 && value <= length).then_some((payload, value))
    })
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACE: Place = Place {
        seqnum: 7,
        realtime_usec: 1_795_421_836_109_947,
        monotonic_usec: 9,
        xor_hash: 11,
        boot_id: [0xab; 16],
        seqnum_id: [0xcd; 16],
    };

    #[test]
    fn an_entry_goes_through_its_frame() {
        let mut out = START.to_vec();
        let all = |_: &[u8]| true;
        assert_eq!((frame_bytes(&out), frame(&out, all, &mut journal::Entry::default())), (Some(8), Frame::Nothing));
        lost(3, &mut out);
        assert_eq!(
            (frame_bytes(&out[8..]), frame(&out[8..], all, &mut journal::Entry::default())),
            (Some(12), Frame::Lost(3))
        );
        let start = out.len();
        begin(&PLACE, &mut out);
        for payload in [&b"MESSAGE=a\nb=\xff"[..], b"X=", b"X=again", b"_PID=77"] {
            field(payload, memchr::memchr(b'=', payload).unwrap() + 1, &mut out);
        }
        end(start, &mut out);
        assert_eq!(frame_bytes(&out[start..]), Some(out.len() - start));
        // What was in it before is gone.
        let before = vec![(b"A"[..].into(), b"b"[..].into())];
        let mut entry =
            journal::Entry { message: b"before"[..].into(), fields: before, pid: Some(1), ..journal::Entry::default() };
        assert_eq!(frame(&out[start..], all, &mut entry), Frame::Entry);
        assert_eq!(
            (&*entry.message, entry.pid, entry.nanos()),
            (&b"a\nb=\xff"[..], Some(77), Some(1_795_421_836_109_947_000))
        );
        let rest: Vec<_> = entry.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(rest, [(&b"X"[..], &b""[..]), (b"X", b"again")]);
        let cursor =
            "s=cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd;i=7;b=abababababababababababababababab;m=9;t=660ed38c3687b;x=b";
        assert_eq!(entry.place.unwrap().cursor(), cursor);
    }

    proptest! {
        #[test]
        fn never_panics_and_always_moves(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), 0..80_u8], 0..300)) {
            let mut rest = &bytes[..];
            while let Some(length) = frame_bytes(rest).filter(|length| *length <= rest.len()) {
                prop_assert!(length > 0);
                frame(&rest[..length], |_| false, &mut journal::Entry::default());
                rest = &rest[length..];
            }
        }
    }
}
