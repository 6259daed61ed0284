//! What a group of the state says: one entry after another, of which a later one of the same file replaces the earlier.
//!
//! In go parts of a [`State`], out come bytes, and the reverse. Checksums, and where the bytes lie, are not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bytes::{put_text, put_varint, take_hash, take_key, take_text, take_u32, take_varint};
use super::ledger::{File, Key, Outline, Refusal, Settled, State, Stream, Version1};
use super::marks::{Mark, Marks};
use super::ranges::Ranges;

/// The name of the next destination.
const DESTINATION: u8 = 1;
/// Another run begins.
const RUN: u8 = 2;
/// Files that it met, and that are as they were.
const MET: u8 = 3;
/// All that is known of a file.
const FILE: u8 = 4;
/// What version 1 knew of a destination.
const VERSION_1: u8 = 5;

/// Of the ranges that were sent without traces: there are none, or they are all ranges, or they come.
const NONE: u8 = 0;
const ALL: u8 = 1;
const SOME: u8 = 2;

/// Numbers that no file has, beyond which files are numbered anew.
pub(super) const UNUSED_MAX: usize = 1000;

/// entry = DESTINATION text
pub(super) fn put_destination(into: &mut Vec<u8>, name: &str) {
    into.push(DESTINATION);
    put_text(into, name);
}

/// entry = RUN varint
pub(super) fn put_run(into: &mut Vec<u8>, run: u32) {
    into.push(RUN);
    put_varint(into, run.into());
}

/// entry = MET ranges
pub(super) fn put_met(into: &mut Vec<u8>, numbers: &Ranges) {
    into.push(MET);
    put_ranges(into, numbers);
}

/// entry = VERSION_1 text varint *( key ranges )
pub(super) fn put_version_1(into: &mut Vec<u8>, name: &str, ledger: &Version1) {
    into.push(VERSION_1);
    put_text(into, name);
    put_varint(into, ledger.len() as u64);
    let mut sorted: Vec<(&Key, &Ranges)> = ledger.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| **key);
    for (key, ranges) in sorted {
        into.extend_from_slice(&key.to_le_bytes());
        put_ranges(into, ranges);
    }
}

/// entry = FILE varint source met marks outline varint *stream
pub(super) fn put_file(into: &mut Vec<u8>, number: u32, file: &File) {
    into.push(FILE);
    put_varint(into, number.into());
    into.extend_from_slice(&file.source.to_le_bytes());
    put_varint(into, file.met.into());
    put_marks(into, &file.marks);
    put_outline(into, file.outline);
    put_varint(into, file.streams.len() as u64);
    for (key, stream) in file.streams.iter() {
        put_stream(into, *key, stream);
    }
}

/// marks = spacing varint *( varint hash ) ( %x00 / %x01 varint hash ) ; distances from the mark before
fn put_marks(into: &mut Vec<u8>, marks: &Marks) {
    put_varint(into, marks.spacing());
    put_varint(into, marks.list().len() as u64);
    let mut before = 0;
    for mark in marks.list() {
        put_varint(into, mark.at - before);
        into.extend_from_slice(&mark.hash.to_le_bytes());
        before = mark.at;
    }
    into.push(u8::from(marks.unfinished().is_some()));
    if let Some(mark) = marks.unfinished() {
        put_varint(into, mark.at - before);
        into.extend_from_slice(&mark.hash.to_le_bytes());
    }
}

/// outline = %x00 / %x01 reading follows end records
fn put_outline(into: &mut Vec<u8>, outline: Option<Outline>) {
    into.push(u8::from(outline.is_some()));
    if let Some(Outline { reading, follows, end, records }) = outline {
        into.extend_from_slice(&reading.to_le_bytes());
        into.extend_from_slice(&follows.to_le_bytes());
        put_varint(into, end);
        put_varint(into, records);
    }
}

/// stream = key end varint *( end hash ) varint *settled
fn put_stream(into: &mut Vec<u8>, key: Key, stream: &Stream) {
    into.extend_from_slice(&key.to_le_bytes());
    put_varint(into, stream.end);
    put_varint(into, stream.joined.len() as u64);
    for (end, hash) in stream.joined.iter() {
        put_varint(into, *end);
        into.extend_from_slice(&hash.to_le_bytes());
    }
    put_varint(into, stream.settled.len() as u64);
    for (destination, settled) in stream.settled.iter() {
        put_settled(into, *destination, settled);
    }
}

/// settled = destination ranges ( NONE / ALL / SOME ranges ) varint *( from length records reason )
fn put_settled(into: &mut Vec<u8>, destination: u32, settled: &Settled) {
    put_varint(into, destination.into());
    put_ranges(into, &settled.ranges);
    if settled.untraced.is_empty() {
        into.push(NONE);
    } else if settled.untraced == settled.ranges {
        into.push(ALL);
    } else {
        into.push(SOME);
        put_ranges(into, &settled.untraced);
    }
    put_varint(into, settled.refused.len() as u64);
    for Refusal { from, to, records, reason } in &settled.refused {
        put_varint(into, *from);
        put_varint(into, to - from);
        put_varint(into, *records);
        put_text(into, reason);
    }
}

/// ranges = varint *( gap length ) ; the gap from the range before
fn put_ranges(into: &mut Vec<u8>, ranges: &Ranges) {
    put_varint(into, ranges.len() as u64);
    let mut before = 0;
    for (from, to) in ranges.iter() {
        put_varint(into, from - before);
        put_varint(into, to - from);
        before = to;
    }
}

/// A state that is being put together from its entries.
#[derive(Debug, Default)]
pub(super) struct Loading {
    destinations: Vec<String>,
    run: u32,
    /// Each with the bytes that it takes.
    files: BTreeMap<u32, (File, usize)>,
    version_1: BTreeMap<String, Version1>,
    /// Bytes of what is neither of a file nor out of date.
    rest: usize,
}

/// A state as it was put together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) state: State,
    /// Bytes of the entries that nothing replaced.
    pub(crate) bytes: u64,
    /// Files have other numbers than in the entries.
    pub(crate) is_renumbered: bool,
}

impl Loading {
    /// Takes all entries of a group; `None` if they have a shape that is not known.
    pub(super) fn take(&mut self, mut entries: &[u8]) -> Option<()> {
        while let Some((kind, rest)) = entries.split_first() {
            let before = entries.len();
            entries = rest;
            match *kind {
                DESTINATION => self.destinations.push(take_text(&mut entries)?.to_owned()),
                RUN => self.run = take_u32(&mut entries)?,
                MET => self.met(&take_ranges(&mut entries)?),
                FILE => {
                    let (number, file) = take_file(&mut entries)?;
                    self.files.insert(number, (file, before - entries.len()));
                }
                VERSION_1 => {
                    let (name, ledger) = take_version_1(&mut entries)?;
                    self.version_1.insert(name, ledger);
                }
                _ => return None,
            }
            if matches!(*kind, DESTINATION | VERSION_1) {
                self.rest += before - entries.len();
            }
        }
        Some(())
    }

    fn met(&mut self, numbers: &Ranges) {
        for (from, to) in numbers.iter() {
            let (from, to) = (u32::try_from(from).unwrap_or(u32::MAX), u32::try_from(to).unwrap_or(u32::MAX));
            self.files.range_mut(from..to).for_each(|(_, (file, _))| file.met = self.run);
        }
    }

    /// All of it.
    pub(super) fn finish(self) -> Loaded {
        let Loading { destinations, run, files, version_1, rest } = self;
        let bytes = files.values().map(|(_, bytes)| bytes).sum::<usize>() + rest;
        let numbers = files.last_key_value().map_or(0, |(last, _)| *last as usize + 1);
        let is_renumbered = numbers > files.len() + files.len() / 4 + UNUSED_MAX;
        let unused: Arc<File> = Arc::default();
        let mut list = Vec::with_capacity(if is_renumbered { files.len() } else { numbers });
        for (number, (file, _)) in files {
            if !is_renumbered {
                list.resize(number as usize, Arc::clone(&unused));
            }
            list.push(Arc::new(file));
        }
        Loaded { state: State { destinations, files: list, run, version_1 }, bytes: bytes as u64, is_renumbered }
    }
}

fn take_version_1(bytes: &mut &[u8]) -> Option<(String, Version1)> {
    let name = take_text(bytes)?.to_owned();
    let ledger = (0..take_varint(bytes)?).map(|_| Some((take_key(bytes)?, take_ranges(bytes)?)));
    Some((name, ledger.collect::<Option<_>>()?))
}

fn take_file(bytes: &mut &[u8]) -> Option<(u32, File)> {
    let number = take_u32(bytes)?;
    let (source, met) = (take_hash(bytes)?, take_u32(bytes)?);
    let (marks, outline) = (take_marks(bytes)?, take_outline(bytes)?);
    let mut file = File { source, met, marks, outline, ..File::default() };
    for _ in 0..take_varint(bytes)? {
        let (key, stream) = take_stream(bytes)?;
        file.streams.insert(key, stream);
    }
    Some((number, file))
}

fn take_marks(bytes: &mut &[u8]) -> Option<Marks> {
    let (spacing, count) = (take_varint(bytes)?, take_varint(bytes)?);
    // Each takes nine bytes at least: no more room is made than there can be marks.
    let mut list = Vec::with_capacity(usize::try_from(count).ok()?.min(bytes.len() / 9));
    let mut at = 0;
    for _ in 0..count {
        list.push(take_mark(bytes, at)?);
        at = list.last()?.at;
    }
    let unfinished = if take_bool(bytes)? { Some(take_mark(bytes, at)?) } else { None };
    Some(Marks::from_parts(list, unfinished, spacing))
}

/// A mark that lies behind another.
fn take_mark(bytes: &mut &[u8], before: u64) -> Option<Mark> {
    let step = take_varint(bytes)?.checked_add(before).filter(|at| *at > before)?;
    Some(Mark { at: step, hash: take_hash(bytes)? })
}

fn take_outline(bytes: &mut &[u8]) -> Option<Option<Outline>> {
    if !take_bool(bytes)? {
        return Some(None);
    }
    let (reading, follows) = (take_hash(bytes)?, take_hash(bytes)?);
    Some(Some(Outline { reading, follows, end: take_varint(bytes)?, records: take_varint(bytes)? }))
}

fn take_stream(bytes: &mut &[u8]) -> Option<(Key, Stream)> {
    let key = take_key(bytes)?;
    let mut stream = Stream { end: take_varint(bytes)?, ..Stream::default() };
    for _ in 0..take_varint(bytes)? {
        let end = take_varint(bytes)?;
        stream.joined.insert(end, take_hash(bytes)?);
    }
    for _ in 0..take_varint(bytes)? {
        let destination = take_u32(bytes)?;
        stream.settled.insert(destination, take_settled(bytes)?);
    }
    Some((key, stream))
}

fn take_settled(bytes: &mut &[u8]) -> Option<Settled> {
    let ranges = take_ranges(bytes)?;
    let (kind, rest) = bytes.split_first()?;
    *bytes = rest;
    let untraced = match *kind {
        NONE => Ranges::default(),
        ALL => ranges.clone(),
        SOME => take_ranges(bytes)?,
        _ => return None,
    };
    let refused = (0..take_varint(bytes)?).map(|_| {
        let from = take_varint(bytes)?;
        let to = take_varint(bytes)?.checked_add(from)?;
        Some(Refusal { from, to, records: take_varint(bytes)?, reason: take_text(bytes)?.to_owned() })
    });
    let refused = refused.collect::<Option<_>>()?;
    Some(Settled { ranges, untraced, refused })
}

fn take_ranges(bytes: &mut &[u8]) -> Option<Ranges> {
    let (mut ranges, mut before) = (Ranges::default(), 0u64);
    for _ in 0..take_varint(bytes)? {
        let from = take_varint(bytes)?.checked_add(before)?;
        before = take_varint(bytes)?.checked_add(from)?;
        ranges.add(from, before);
    }
    Some(ranges)
}

/// bool = %x00 / %x01
fn take_bool(bytes: &mut &[u8]) -> Option<bool> {
    let (byte, rest) = bytes.split_first()?;
    *bytes = rest;
    (*byte <= 1).then_some(*byte == 1)
}
