//! Where a line stands among those of its source: lines stand in the order in which they were written.

use crate::record::Record;

/// Source, then file and offset as one number.
pub(crate) type LinePosition = (u32, u64);

/// Where a line stands among those of its source.
pub(crate) fn position(source: u32, file: u32, offset: u64) -> LinePosition {
    (source, u64::from(file) << 40 | offset.min((1 << 40) - 1))
}

/// The same of a record.
pub(crate) fn position_of(record: &Record<'_>) -> LinePosition {
    position(record.source, record.position.file, record.position.offset)
}
