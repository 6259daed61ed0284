//! Positions as a file that is appended to, and written anew once it has grown.
//!
//! In go entries, out come bytes on a disk, and the reverse. What was appended counts as a whole or not at all, and only
//! behind what it was appended to: after a crash there is what was written last, and after a power failure what was made sure of
//! last, or something later. A file that is whole is gone on with by the next run. A damaged file, or one of a newer version,
//! is set aside: reading goes on as if there had been none.

use std::collections::BTreeMap;
use std::io;

use super::entry::{self, Change, Entry, untold};
use crate::checkpoint::bytes::{put_varint, take_u32};
use crate::checkpoint::frames::{HEAD_BYTES, begin_group, end_group};

/// The file.
pub const FILE_NAME: &str = "positions";
/// header = TITLE version LF
const TITLE: &[u8] = b"spanline positions ";
const VERSION: u32 = 1;
/// A file is written anew once it is longer than this multiple of what it was then, and this many bytes.
const GROWN_TIMES: u64 = 3;
const GROWN_BYTES: u64 = 1 << 20;
/// change = PUT number entry / REMOVE number / PROGRESS number progress / ANEW
const PUT: u8 = 1;
const REMOVE: u8 = 2;
const PROGRESS: u8 = 3;
/// All entries have the numbers from here on that a run gives to those of the run before it.
const ANEW: u8 = 4;

/// What a journal asks of a disk. What was written is there after a crash once the call has returned without an error.
pub trait Disk {
    /// All of a file; `None` if there is none.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Replaces a file as a whole, and begins to append to it. After a power failure it is there, too.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Begins to append to a file that is there.
    fn go_on(&mut self, name: &str) -> io::Result<()>;
    /// Writes behind this many bytes of the file that is appended to, which are all that it has.
    fn append(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// What makes sure that all that was appended is there after a power failure. It may be called on any thread, and takes long.
    fn syncing(&self) -> io::Result<Syncing>;
    /// Moves a file out of the way; says where to.
    fn set_aside(&mut self, name: &str) -> io::Result<String>;
}

/// Makes sure of what was written.
pub type Syncing = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// See the module.
#[derive(Debug)]
pub struct Journal<D> {
    disk: D,
    /// Where the last whole group ends; `None` where all is to be written anew.
    end: Option<u64>,
    /// The checksum of that group.
    last: u64,
    /// How long the file is when it is written as a whole.
    whole: u64,
    /// Its entries have the numbers of an earlier run.
    is_of_earlier: bool,
}

/// What a file said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The entries.
    pub entries: Vec<Entry>,
    /// There was a file, whatever became of it.
    pub was_there: bool,
    /// What the user should know.
    pub message: Option<String>,
}

impl<D: Disk> Journal<D> {
    /// Reads what is there.
    pub fn open(mut disk: D) -> io::Result<(Journal<D>, Loaded)> {
        let mut loaded = Loaded::default();
        let (mut end, mut last, mut whole) = (None, 0, 0);
        if let Some(bytes) = disk.read(FILE_NAME)? {
            loaded.was_there = true;
            let is_whole = match read(&bytes) {
                Ok(Read { entries, checksum, is_whole }) => {
                    whole = group_of(entries.iter().map(|entry| (0, entry))).len() as u64;
                    (end, last) = (is_whole.then_some(bytes.len() as u64), checksum);
                    loaded.entries = entries;
                    is_whole
                }
                Err(reason) => {
                    let aside = disk.set_aside(FILE_NAME)?;
                    loaded.message = Some(format!("{reason}; it was set aside as {aside}"));
                    true
                }
            };
            if !is_whole {
                let message = "its end was not written whole: what was acknowledged just before that may be sent again";
                loaded.message = Some(message.to_owned());
            }
        }
        if end.is_some() && disk.go_on(FILE_NAME).is_err() {
            // It will be written anew, or it will be said why not.
            end = None;
        }
        Ok((Journal { disk, end, last, whole, is_of_earlier: true }, loaded))
    }

    /// Whether all entries are wanted, not only those that changed.
    pub fn wants_all(&self) -> bool {
        self.end.is_none_or(|end| end > (self.whole * GROWN_TIMES).max(self.whole + GROWN_BYTES))
    }

    /// Writes all entries.
    pub fn write_all(&mut self, entries: &[(u32, Entry)]) -> io::Result<()> {
        let mut bytes = header();
        let mut group = group_of(entries.iter().map(|(number, entry)| (*number, entry)));
        let last = end_group(0, &mut group);
        bytes.append(&mut group);
        // If this fails it is not known which file is there.
        self.end = None;
        self.disk.replace(FILE_NAME, &bytes)?;
        (self.end, self.last, self.whole) = (Some(bytes.len() as u64), last, bytes.len() as u64);
        self.is_of_earlier = false;
        Ok(())
    }

    /// Appends what changed. If it fails, all is to be written the next time.
    pub fn append(&mut self, changes: &[(u32, Change)]) -> io::Result<()> {
        let Some(end) = self.end.take() else { return Err(io::ErrorKind::NotFound.into()) };
        let mut group = begin_group();
        if self.is_of_earlier {
            group.push(ANEW);
        }
        changes.iter().for_each(|(number, change)| put_change(&mut group, *number, change));
        let last = end_group(self.last, &mut group);
        self.disk.append(end, &group)?;
        (self.end, self.last, self.is_of_earlier) = (Some(end + group.len() as u64), last, false);
        Ok(())
    }

    /// What makes sure of all that was appended; should it fail, all is to be written.
    pub fn syncing(&self) -> io::Result<Syncing> {
        self.disk.syncing()
    }
}

/// All entries.
fn group_of<'e>(entries: impl Iterator<Item = (u32, &'e Entry)>) -> Vec<u8> {
    let mut group = begin_group();
    entries.for_each(|(number, entry)| put_entry(&mut group, number, entry));
    group
}

fn header() -> Vec<u8> {
    [TITLE, VERSION.to_string().as_bytes(), b"\n"].concat()
}

fn put_change(into: &mut Vec<u8>, number: u32, change: &Change) {
    match change {
        Change::Put(entry) => put_entry(into, number, entry),
        Change::Progress(progress) => {
            into.push(PROGRESS);
            put_varint(into, number.into());
            entry::put_progress(into, progress);
        }
        Change::Removed => {
            into.push(REMOVE);
            put_varint(into, number.into());
        }
    }
}

fn put_entry(into: &mut Vec<u8>, number: u32, entry: &Entry) {
    into.push(PUT);
    put_varint(into, number.into());
    entry::put(into, entry);
}

/// Why a file says nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its beginning is not what was written.
    #[error("is damaged")]
    Damaged,
    /// Another spanline wrote it.
    #[error("has version {0}, which this spanline does not know")]
    Version(String),
}

/// What a file says.
struct Read {
    entries: Vec<Entry>,
    /// That of the last whole group.
    checksum: u64,
    /// All of the bytes were whole groups.
    is_whole: bool,
}

fn read(bytes: &[u8]) -> Result<Read, Unreadable> {
    let Some(mut rest) = bytes.strip_prefix(&header()[..]) else {
        let version = bytes.strip_prefix(TITLE).and_then(|rest| rest.split(|byte| *byte == b'\n').next());
        let version = version.filter(|version| version.len() < 10 && version.iter().all(u8::is_ascii_digit));
        let version = version.filter(|version| !version.is_empty());
        return Err(version.map_or(Unreadable::Damaged, |version| {
            Unreadable::Version(String::from_utf8_lossy(version).into_owned())
        }));
    };
    let (mut entries, mut last, mut is_first) = (BTreeMap::new(), 0, true);
    while let Some((group, checksum)) = next_group(rest, last) {
        // A group with the right checksum that says something else is of a version that did not tell.
        take_group(group, &mut entries).ok_or(Unreadable::Damaged)?;
        rest = &rest[HEAD_BYTES + group.len()..];
        (last, is_first) = (checksum, false);
    }
    // It is replaced as a whole: without its first group it was never written.
    if is_first {
        return Err(Unreadable::Damaged);
    }
    Ok(Read { entries: entries.into_values().collect(), checksum: last, is_whole: rest.is_empty() })
}

fn next_group(rest: &[u8], last: u64) -> Option<(&[u8], u64)> {
    let (head, entries) = rest.split_at_checked(HEAD_BYTES)?;
    let number = |bytes: &[u8]| bytes.iter().rfold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let length = usize::try_from(number(&head[8..])).ok().filter(|length| *length <= entries.len())?;
    let checksum = twox_hash::XxHash64::oneshot(last, &rest[8..HEAD_BYTES + length]);
    (checksum == number(&head[..8])).then_some((&entries[..length], checksum))
}

fn take_group(mut group: &[u8], entries: &mut BTreeMap<u32, Entry>) -> Option<()> {
    while let Some((kind, rest)) = group.split_first() {
        group = rest;
        if *kind == ANEW {
            let of_earlier = std::mem::take(entries).into_values().enumerate();
            *entries = of_earlier.map(|(known, entry)| (untold(known), entry)).collect();
            continue;
        }
        let number = take_u32(&mut group)?;
        match *kind {
            PUT => drop(entries.insert(number, entry::take(&mut group)?)),
            REMOVE => drop(entries.remove(&number)),
            PROGRESS => entries.get_mut(&number)?.go_on(entry::take_progress(&mut group)?),
            _ => return None,
        }
    }
    Some(())
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
