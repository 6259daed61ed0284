//! How records lie in a block: what writing and reading have in common.
//!
//! Fixed fields first, then the payload, then the texts of what it says: one that lies in the payload (most do) is told by
//! its place there, another one is copied. All numbers are little-endian.

/// The place of a text that is copied.
pub(super) const COPIED: u32 = u32::MAX;

/// Bytes of a position without its number in a journal.
pub(super) const POSITION_BYTES: usize = 4 * 8 + 2 * 4;

/// Bytes of a field without what is copied: place and length of key and value, and what the value is.
pub(super) const FIELD_BYTES: usize = 4 * 4 + 1;

/// What comes next: one byte.
pub(super) const RECORD: u8 = 0;
pub(super) const FILE_BEGINS: u8 = 1;
pub(super) const FILE_ENDS: u8 = 2;
pub(super) const GIVEN_UP_TO: u8 = 3;
