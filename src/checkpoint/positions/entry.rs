//! What is written down of one followed file, as bytes.
//!
//! In goes an entry, out come bytes, and the reverse: of whatever bytes there is an entry or none.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::checkpoint::bytes::{put_varint, take_hash, take_key, take_u32, take_varint};
use crate::checkpoint::ledger::Key;
use crate::checkpoint::ranges::Ranges;
use crate::files::followed::{FollowedFile, Place, Sample};
use crate::files::identity::FileId;

/// A followed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which file it is, and where to read on.
    pub file: FollowedFile,
    /// What was settled behind that, by stream.
    pub settled: Vec<(Key, Ranges)>,
}

/// What has become of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new, or of a file that has another name or begins otherwise.
    Put(Entry),
    /// More of its file was settled.
    Progress(Progress),
    /// It is forgotten.
    Removed,
}

/// How far a file is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Where to read on.
    pub resume: Place,
    /// Nothing more is to be read.
    pub is_finished: bool,
    /// As in an entry.
    pub settled: Vec<(Key, Ranges)>,
}

/// The number under which an entry of an earlier run is kept until it is known which file it is of; `known`: its place among
/// these.
pub(super) fn untold(known: usize) -> u32 {
    u32::MAX - known as u32
}

impl Entry {
    /// Takes over how far its file is settled by now.
    pub fn go_on(&mut self, Progress { resume, is_finished, settled }: Progress) {
        (self.file.resume, self.file.is_finished, self.settled) = (resume, is_finished, settled);
    }
}

/// entry = path family id-device id-inode prefix progress
pub(super) fn put(into: &mut Vec<u8>, entry: &Entry) {
    let Entry { file, settled } = entry;
    put_path(into, &file.path);
    put_path(into, &file.family);
    put_varint(into, file.id.device());
    put_varint(into, file.id.inode());
    put_sample(into, &file.prefix);
    put_how_far(into, &file.resume, file.is_finished, settled);
}

pub(super) fn put_progress(into: &mut Vec<u8>, progress: &Progress) {
    put_how_far(into, &progress.resume, progress.is_finished, &progress.settled);
}

/// progress = at frontier finished *stream
fn put_how_far(into: &mut Vec<u8>, resume: &Place, is_finished: bool, settled: &[(Key, Ranges)]) {
    put_varint(into, resume.at);
    put_sample(into, &resume.frontier);
    into.push(is_finished.into());
    put_varint(into, settled.len() as u64);
    for (key, ranges) in settled {
        into.extend_from_slice(&key.to_le_bytes());
        put_varint(into, ranges.len() as u64);
        for (from, to) in ranges.iter() {
            put_varint(into, from);
            put_varint(into, to - from);
        }
    }
}

pub(super) fn take(bytes: &mut &[u8]) -> Option<Entry> {
    let (path, family) = (take_path(bytes)?, take_path(bytes)?);
    let id = FileId::new(take_varint(bytes)?, take_varint(bytes)?);
    let prefix = take_sample(bytes)?;
    let Progress { resume, is_finished, settled } = take_progress(bytes)?;
    let file = FollowedFile { path, family, id, prefix, resume, is_finished };
    Some(Entry { file, settled })
}

pub(super) fn take_progress(bytes: &mut &[u8]) -> Option<Progress> {
    let resume = Place { at: take_varint(bytes)?, frontier: take_sample(bytes)? };
    let (is_finished, rest) = bytes.split_first()?;
    *bytes = rest;
    let mut settled = Vec::new();
    for _ in 0..take_varint(bytes)? {
        let key = take_key(bytes)?;
        let mut ranges = Ranges::default();
        for _ in 0..take_varint(bytes)? {
            let from = take_varint(bytes)?;
            ranges.add(from, from.checked_add(take_varint(bytes)?)?);
        }
        settled.push((key, ranges));
    }
    Some(Progress { resume, is_finished: *is_finished != 0, settled })
}

fn put_sample(into: &mut Vec<u8>, sample: &Sample) {
    put_varint(into, sample.len.into());
    into.extend_from_slice(&sample.hash.to_le_bytes());
}

fn take_sample(bytes: &mut &[u8]) -> Option<Sample> {
    Some(Sample { len: take_u32(bytes)?, hash: take_hash(bytes)? })
}

fn put_path(into: &mut Vec<u8>, path: &Path) {
    let bytes = path.as_os_str().as_bytes();
    put_varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

fn take_path(bytes: &mut &[u8]) -> Option<PathBuf> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (path, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(OsString::from_vec(path.to_vec()).into())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any entry.
    pub(in super::super) fn any_entry() -> impl Strategy<Value = Entry> {
        let sample = || (any::<u32>(), any::<u64>()).prop_map(|(len, hash)| Sample { len, hash });
        let path = || proptest::collection::vec(1u8..=255, 0..9).prop_map(|bytes| OsString::from_vec(bytes).into());
        let ranges = proptest::collection::vec((0u64..1 << 40, 1u64..100), 0..4).prop_map(|list| {
            let mut ranges = Ranges::default();
            list.into_iter().for_each(|(from, length)| ranges.add(from, from + length));
            ranges
        });
        let settled = proptest::collection::vec((any::<u128>(), ranges), 0..3);
        let place = (any::<u64>(), sample()).prop_map(|(at, frontier)| Place { at, frontier });
        let id = (any::<u64>(), any::<u64>()).prop_map(|(device, inode)| FileId::new(device, inode));
        (path(), path(), id, sample(), place, any::<bool>(), settled).prop_map(
            |(path, family, id, prefix, resume, is_finished, settled)| Entry {
                file: FollowedFile { path, family, id, prefix, resume, is_finished },
                settled,
            },
        )
    }

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written_and_any_bytes_without_a_panic(
            entry in any_entry(), bytes in proptest::collection::vec(any::<u8>(), 0..90),
        ) {
            let mut written = Vec::new();
            put(&mut written, &entry);
            let mut rest = &written[..];
            prop_assert_eq!(take(&mut rest), Some(entry));
            prop_assert!(rest.is_empty());
            take(&mut &bytes[..]);
        }
    }
}
