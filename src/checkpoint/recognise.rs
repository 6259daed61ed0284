//! Tells for each file of a writer which file of an earlier run it is, and up to where it is unchanged.
//!
//! In go the files of a writer, out come their numbers among the files that are remembered, and up to which offset their
//! bytes are unchanged. Each file is read once for that, up to where it differs from all that is known; without a state folder, not at all.

use std::collections::HashSet;
use std::io::{self, Read};

use super::acknowledged::Acknowledged;
use super::marks::{self, Comparison, Marks, Running};
use super::version_1::{Fingerprints, LONG_FINGERPRINT_BYTES};

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// A file as far as earlier runs knew it.
#[derive(Debug, Clone, Default)]
pub struct KnownFile {
    /// Its number among what is remembered.
    pub number: u32,
    /// Up to here its bytes are what they were.
    pub verified: u64,
    /// It ends there, and did so before.
    pub is_whole: bool,
    /// What is known of its bytes; `None` where nothing is remembered.
    pub marks: Option<Marks>,
    /// What told it from others in version 1, where a state of that version is taken over.
    pub fingerprints: Option<Fingerprints>,
}

/// Opens a file of the writer, by its place among them, without its compression.
pub type Open<'a> = &'a dyn Fn(usize) -> io::Result<Box<dyn Read + Send>>;

/// Recognises the files of a writer, of which there are `files`, oldest first. A file that cannot be read is reported when it
/// is read for its records.
pub fn recognise(
    writer: &str,
    files: usize,
    open: Open<'_>,
    acknowledged: &Acknowledged,
    buffer: &mut Vec<u8>,
    stop: &dyn Fn() -> bool,
) -> Vec<KnownFile> {
    let writer = twox_hash::XxHash64::oneshot(0, writer.as_bytes());
    if !acknowledged.remembers() {
        let numbers = acknowledged.meet(writer, &vec![None; files]);
        return numbers.into_iter().map(|(number, _)| KnownFile { number, ..KnownFile::default() }).collect();
    }
    buffer.resize(buffer.len().max(READ_BYTES), 0);
    let unmet = acknowledged.unmet(writer);
    let mut compared = Vec::new();
    if !unmet.is_empty() {
        let known: Vec<&Marks> = unmet.iter().map(|(_, marks)| marks).collect();
        for at in 0..files {
            let Ok(mut input) = open(at) else { continue };
            let results = marks::compare(&mut input, buffer, &known, stop);
            compared.extend(results.into_iter().zip(&unmet).map(|(result, (number, _))| (at, *number, result)));
        }
    }
    if stop() {
        // What was not compared to its end may be paired wrongly; nothing is read of it either.
        compared.clear();
    }
    let pairs = most_alike(compared, files);
    let numbers = acknowledged.meet(writer, &pairs);
    let known = numbers.into_iter().zip(pairs).map(|((number, verified), pair)| {
        let is_whole = pair.is_some_and(|(earlier, comparison)| earlier == number && comparison.is_whole);
        KnownFile { number, verified, is_whole, ..KnownFile::default() }
    });
    let mut known: Vec<KnownFile> = known.collect();
    with_marks(open, acknowledged, &mut known, buffer, stop);
    known
}

fn with_marks(
    open: Open<'_>,
    acknowledged: &Acknowledged,
    known: &mut [KnownFile],
    buffer: &mut [u8],
    stop: &dyn Fn() -> bool,
) {
    let takes_over = acknowledged.knows_version_1();
    let mut earlier = HashSet::new();
    for (at, known) in known.iter_mut().enumerate() {
        let mut marks = acknowledged.marks(known.number);
        if takes_over {
            known.fingerprints = open(at).ok().map(|input| Fingerprints::new(&head(input), &mut earlier));
            if known.verified == 0 {
                // Version 1 has no hashes. Once, its ranges are taken to speak of the file as it is now.
                known.verified = open(at).map_or(0, |input| mark_all(input, &mut marks, buffer, stop));
                acknowledged.mark(known.number, &marks);
            }
        }
        known.marks = Some(marks);
    }
}

/// Pairs files with earlier ones: those first that have most in common.
fn most_alike(mut compared: Vec<(usize, u32, Comparison)>, files: usize) -> Vec<Option<(u32, Comparison)>> {
    compared.retain(|(.., comparison)| comparison.verified > 0);
    compared.sort_by_key(|(file, number, comparison)| (std::cmp::Reverse(comparison.verified), *file, *number));
    let (mut pairs, mut taken) = (vec![None; files], HashSet::new());
    for (file, number, comparison) in compared {
        if pairs[file].is_none() && taken.insert(number) {
            pairs[file] = Some((number, comparison));
        }
    }
    pairs
}

fn head(input: impl Read) -> Vec<u8> {
    let mut head = Vec::new();
    // What can be read before an error tells the file.
    let _ = input.take(LONG_FINGERPRINT_BYTES as u64).read_to_end(&mut head);
    head
}

/// Reads all of a file; returns where its records end.
fn mark_all(mut input: impl Read, marks: &mut Marks, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> u64 {
    let mut running = Running::default();
    while !stop() {
        match input.read(buffer) {
            Ok(0) => {
                running.finish(marks);
                return running.end();
            }
            Ok(got) => running.feed(&buffer[..got], marks),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    marks.list().last().map_or(0, |mark| mark.at)
}
