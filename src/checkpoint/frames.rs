//! Groups of bytes that are appended to a file, each behind a checksum that goes by the group before it.
//!
//! In go the bytes of a group, out comes its head: a group counts as a whole or not at all, and only behind the one that it was
//! written behind. What the bytes say is not known here.

/// checksum length, before the bytes of a group
pub(super) const HEAD_BYTES: usize = 16;

/// A group without anything in it yet.
pub(super) fn begin_group() -> Vec<u8> {
    vec![0; HEAD_BYTES]
}

/// Fills in the head of a group that will stand behind one of this checksum: behind another it is none. Returns its own.
pub(super) fn end_group(last: u64, group: &mut [u8]) -> u64 {
    let length = (group.len() - HEAD_BYTES) as u64;
    group[8..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
    let checksum = twox_hash::XxHash64::oneshot(last, &group[8..]);
    group[..8].copy_from_slice(&checksum.to_le_bytes());
    checksum
}
