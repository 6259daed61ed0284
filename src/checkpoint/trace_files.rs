//! Tells for each file of traces which one of an earlier run it is, and what of its spans, and of carriers, was sent.
//!
//! In go requests in protobuf, out come the number of their file among what is remembered and the ordinal up to which its
//! spans are what they were. Requests take the place of lines, and ordinals that of offsets.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::acknowledged::Acknowledged;
use super::known::KnownStream;
use super::marks::{Comparison, Mark, Marks, Running};
use super::version_1::Keys;

/// Files of traces are looked for among all such files.
const SOURCE: &[u8] = b"spanline traces";
/// All their spans go by this key.
const STREAM: u128 = 1;
/// All carriers are remembered as if they were of one file: their ids are made of what they hold.
const CARRIERS: &[u8] = b"spanline carriers";

/// A file of traces as far as earlier runs knew it.
#[derive(Debug, Clone, Copy)]
pub struct KnownTraces {
    /// Its number among what is remembered.
    pub number: u32,
    /// Up to this ordinal its spans are what they were.
    pub verified: u64,
}

/// Calls for each request of a file, with its number.
pub type Requests<'a> = &'a mut dyn FnMut(&mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()>;

/// Recognises a file; `span_bits`: bits of an ordinal that number a span within its request. The file is read once for that,
/// and only if anything is remembered.
pub fn recognise(acknowledged: &Acknowledged, span_bits: u32, requests: Requests<'_>) -> io::Result<KnownTraces> {
    let source = twox_hash::XxHash64::oneshot(0, SOURCE);
    if !acknowledged.remembers() {
        return Ok(KnownTraces { number: acknowledged.meet(source, &[None])[0].0, verified: 0 });
    }
    let mut running = Running::default();
    let (mut ends, mut marks) = (Vec::new(), Marks::default());
    requests(&mut |number, request| {
        running.write(request);
        ends.push(Mark { at: (number + 1) << span_bits, ..running.mark() });
        Ok(())
    })?;
    ends.iter().for_each(|end| marks.push(*end));
    let compared = acknowledged.unmet(source).into_iter().map(|(number, known)| (number, compare(&ends, &known)));
    let most_alike = compared.max_by_key(|(_, comparison)| comparison.verified);
    let found = most_alike.filter(|(_, comparison)| comparison.verified > 0);
    let (number, mut verified) = acknowledged.meet(source, &[found])[0];
    acknowledged.mark(number, &marks);
    if found.is_none() {
        // What version 1 knew of it is taken for what it is now.
        verified = u64::MAX;
    }
    Ok(KnownTraces { number, verified })
}

/// The stream of a file's spans. What is acknowledged with one selection is not with another, nor without: a span may lack
/// lines that were left out.
pub fn stream(
    acknowledged: &Acknowledged,
    path: &Path,
    number: u32,
    selection: Option<u128>,
) -> io::Result<KnownStream> {
    Ok(match selection {
        None => acknowledged.stream(number, STREAM, Some(&Keys::one(key_of(path)?))),
        Some(selection) => acknowledged.stream(number, selection, None),
    })
}

/// The stream of all carriers.
pub fn carriers(acknowledged: &Acknowledged) -> KnownStream {
    let key = twox_hash::XxHash3_128::oneshot(CARRIERS);
    acknowledged.stream(acknowledged.only_file(key as u64), key, Some(&Keys::one(key)))
}

fn compare(ends: &[Mark], known: &Marks) -> Comparison {
    let is_there = |mark: &&Mark| ends.binary_search_by_key(&mark.at, |end| end.at).is_ok_and(|at| ends[at] == **mark);
    let same = known.list().iter().take_while(is_there);
    let verified = same.last().map_or(0, |mark| mark.at);
    Comparison { verified, differs: known.list().last().is_some_and(|last| last.at > verified), is_whole: false }
}

fn key_of(path: &Path) -> io::Result<u128> {
    let mut head = Vec::new();
    File::open(path)?.take(4096).read_to_end(&mut head)?;
    Ok(twox_hash::XxHash3_128::oneshot_with_seed(2, &head))
}
