//! The state as bytes that are appended to: a header, then groups of entries, each with a checksum.
//!
//! In go a [`State`], or what changed of it, out come bytes, and the reverse. A group counts as a whole or not at all, and so
//! does all that follows one that is not whole: what is left is what an earlier write said. It counts only behind the group
//! that it was written behind, whose files and destinations it names by their numbers. Files are not known here.

use std::sync::Arc;

use super::entries::{self, Loaded, Loading};
use super::frames::{HEAD_BYTES, begin_group, end_group};
use super::ledger::{File, State};
use super::ranges::Ranges;
use super::versions::{Unreadable, VERSION};

/// header = TITLE version LF
const TITLE: &[u8] = b"spanline ledger ";
/// Digits of the highest version that is told as such.
const DIGITS_MAX: usize = 9;
/// Entries of a group, where all is written: one that is damaged costs no more than that.
const GROUP_BYTES: usize = 1 << 20;

/// What changed since the last write.
#[derive(Debug, Default)]
pub struct Changes {
    /// Nothing can be appended to what was written: all of it is to be written anew.
    pub all: bool,
    /// See [`State::run`].
    pub run: u32,
    /// See [`State::destinations`].
    pub destinations: Vec<String>,
    /// Files that changed, by their numbers.
    pub files: Vec<(u32, Arc<File>)>,
    /// Numbers of files that this run met, and that may be as they were.
    pub met: Ranges,
}

/// How much of the state a reader of the bytes knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Destinations that have names.
    pub destinations: usize,
    /// See [`State::run`].
    pub run: u32,
}

impl Known {
    /// Of a reader that knows all of a state.
    pub(super) fn of(state: &State) -> Known {
        Known { destinations: state.destinations.len(), run: state.run }
    }
}

/// Writes all of a state, in parts; returns the checksum of the last group.
pub(crate) fn write_all<E>(state: &State, write: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<u64, E> {
    write(&header())?;
    let (mut group, mut last) = (begin_group(), 0);
    entries::put_run(&mut group, state.run);
    state.destinations.iter().for_each(|name| entries::put_destination(&mut group, name));
    state.version_1.iter().for_each(|(name, ledger)| entries::put_version_1(&mut group, name, ledger));
    for (number, file) in state.files.iter().enumerate().filter(|(_, file)| file.is_of_use()) {
        entries::put_file(&mut group, number as u32, file);
        if group.len() >= GROUP_BYTES {
            last = end_group(last, &mut group);
            write(&group)?;
            group = begin_group();
        }
    }
    last = end_group(last, &mut group);
    write(&group)?;
    Ok(last)
}

/// The group to append behind one of this checksum, and its own; `None` if it would say nothing new.
pub(crate) fn group(last: u64, changes: &Changes, known: Known) -> Option<(Vec<u8>, u64)> {
    let mut group = begin_group();
    if changes.run > known.run {
        entries::put_run(&mut group, changes.run);
    }
    let new = changes.destinations.get(known.destinations..).unwrap_or_default();
    new.iter().for_each(|name| entries::put_destination(&mut group, name));
    if !changes.met.is_empty() {
        entries::put_met(&mut group, &changes.met);
    }
    for (number, file) in changes.files.iter().filter(|(_, file)| file.is_of_use()) {
        entries::put_file(&mut group, *number, file);
    }
    let checksum = end_group(last, &mut group);
    (group.len() > HEAD_BYTES).then_some((group, checksum))
}

/// What was read of a state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// What the whole groups say.
    pub(crate) loaded: Loaded,
    /// Where they end.
    pub(crate) end: u64,
    /// The checksum of the last one; 0 if there is none.
    pub(crate) last: u64,
    /// What follows them.
    pub(crate) rest: Rest,
}

/// What follows the last whole group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    Nothing,
    /// The beginning of a group: writing it was cut short.
    Torn,
    /// A group that is not what was written, and more behind it.
    Damaged,
}

/// Reads a state.
pub(crate) fn read(bytes: &[u8]) -> Result<Whole, Unreadable> {
    let header = header();
    if !bytes.starts_with(&header) {
        return Err(version(bytes).map_or(Unreadable::Damaged, Unreadable::Newer));
    }
    let (mut at, mut last, mut loading) = (header.len(), 0, Loading::default());
    let rest = loop {
        match next_group(&bytes[at..], last) {
            Ok(Some((entries, checksum))) => {
                loading.take(entries).ok_or(Unreadable::Unknown)?;
                (at, last) = (at + HEAD_BYTES + entries.len(), checksum);
            }
            Ok(None) => break Rest::Nothing,
            Err(rest) => break rest,
        }
    };
    Ok(Whole { loaded: loading.finish(), end: at as u64, last, rest })
}

fn header() -> Vec<u8> {
    [TITLE, VERSION.to_string().as_bytes(), b"\n"].concat()
}

/// The version of a state that has another one.
fn version(bytes: &[u8]) -> Option<u32> {
    let rest = bytes.strip_prefix(TITLE)?;
    let end = rest.iter().take(DIGITS_MAX + 1).position(|byte| *byte == b'\n')?;
    str::from_utf8(&rest[..end]).ok()?.parse().ok().filter(|version| *version != VERSION)
}

/// The entries of the first of these groups, behind one of this checksum, and its own; `None` at the end of all.
fn next_group(rest: &[u8], last: u64) -> Result<Option<(&[u8], u64)>, Rest> {
    if rest.is_empty() {
        return Ok(None);
    }
    let (head, entries) = rest.split_at_checked(HEAD_BYTES).ok_or(Rest::Torn)?;
    let [checksum, length] =
        [&head[..8], &head[8..]].map(|bytes| bytes.iter().rfold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    let length = usize::try_from(length).ok().filter(|length| *length <= entries.len()).ok_or(Rest::Torn)?;
    if twox_hash::XxHash64::oneshot(last, &rest[8..HEAD_BYTES + length]) == checksum {
        return Ok(Some((&entries[..length], checksum)));
    }
    // Room that was made for a group, and not written before the power failed, is full of zeros.
    let is_last = length == entries.len() || rest.iter().all(|byte| *byte == 0);
    Err(if is_last { Rest::Torn } else { Rest::Damaged })
}

#[cfg(test)]
#[path = "groups_tests.rs"]
pub(super) mod tests;
