//! What reading the files of a source came to, and whether that leaves anything to be sent.
//!
//! In go the ends of files and streams, out come [`Outline`]s of files, and from these whether a source need be read. Which
//! bytes a file has, and what else wants its records, is not known here.

use std::sync::Arc;

use super::ledger::{File, Key, Outline};

/// Where the last record of each stream of a source ends, by file.
pub(super) struct StreamEnds(Vec<(u32, Key, u64)>);

impl StreamEnds {
    /// Of file, key and end in any order. Of a stream that comes twice, the last end counts.
    pub(super) fn new(ends: impl Iterator<Item = (u32, Key, u64)>) -> StreamEnds {
        let mut ends: Vec<(u32, Key, u64)> = ends.collect();
        ends.sort_unstable();
        ends.dedup_by(|later, end| {
            let is_same = (later.0, later.1) == (end.0, end.1);
            end.2 = if is_same { later.2 } else { end.2 };
            is_same
        });
        StreamEnds(ends)
    }

    fn of_file(&self, number: u32) -> &[(u32, Key, u64)] {
        let from = self.0.partition_point(|(file, ..)| *file < number);
        let to = self.0.partition_point(|(file, ..)| *file <= number);
        &self.0[from..to]
    }

    /// Whether a file has this outline, and these are the ends of its streams.
    pub(super) fn are_known(&self, number: u32, file: &File, outline: Outline) -> bool {
        let ends = self.of_file(number);
        let is_known = |(_, key, end): &(u32, Key, u64)| file.streams.get(key).is_some_and(|stream| stream.end == *end);
        let with_records = file.streams.values().filter(|stream| stream.end > 0).count();
        file.outline == Some(outline) && with_records == ends.len() && ends.iter().all(is_known)
    }

    /// Gives a file this outline, and its streams their ends.
    pub(super) fn put(&self, number: u32, file: &mut File, outline: Outline) {
        file.outline = Some(outline);
        file.streams.for_each_mut(|stream| stream.end = 0);
        self.of_file(number).iter().for_each(|(_, key, end)| file.streams.or_default(*key).end = *end);
    }
}

/// How many records the files of a source hold, if these destinations have all of them and refused none: see
/// [`Acknowledged::settled`](super::acknowledged::Acknowledged::settled).
pub(super) fn settled(
    known: &[Arc<File>],
    files: &[(u32, u64)],
    reading: u64,
    destinations: &[Option<u32>],
) -> Option<u64> {
    let (mut records, mut follows) = (None, 0);
    for (number, end) in files {
        let file = known.get(*number as usize)?;
        let is_same = |outline: &Outline| (outline.reading, outline.follows, outline.end) == (reading, follows, *end);
        records = Some(file.outline.filter(is_same)?.records);
        let is_settled = |destination: &Option<u32>| destination.is_some_and(|index| file.is_settled(index));
        destinations.iter().all(is_settled).then_some(())?;
        follows = followed(follows, file);
    }
    // Where other files came behind, the last record may have been another one.
    records.filter(|records| *records > 0 && !destinations.is_empty())
}

/// What the file behind this one follows: see [`Outline::follows`].
pub(super) fn followed(follows: u64, file: &File) -> u64 {
    twox_hash::XxHash64::oneshot(follows, &file.marks.whole().to_le_bytes())
}
