//! Tells for each file of a writer which file of an earlier run it is, and up to where it is unchanged.
//!
//! In go the files of a writer, out come their numbers among the files that are remembered, and up to which offset their
//! bytes are unchanged. A file is read once for that, up to where it differs from all that is known; without a state folder,
//! or where its end was met before and tells that it is as it was, not at all.

use std::collections::HashSet;
use std::io::{self, Read};

use super::acknowledged::Acknowledged;
use super::marks::{self, Comparison, Mark, Marks, Running};
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

/// The files of a writer.
pub trait Files {
    /// How many there are, oldest first.
    fn count(&self) -> usize;
    /// Opens one by its place among them, without its compression.
    fn open(&self, at: usize) -> io::Result<Box<dyn Read + Send>>;
    /// The mark at its end, if that is known without reading it; see [`Marks::end`].
    fn end(&self, at: usize) -> Option<Mark>;
}

/// Recognises the files of a writer. A file that cannot be read is reported when it is read for its records.
pub fn recognise(
    writer: &str,
    files: &dyn Files,
    acknowledged: &Acknowledged,
    buffer: &mut Vec<u8>,
    stop: &dyn Fn() -> bool,
) -> Vec<KnownFile> {
    let writer = twox_hash::XxHash64::oneshot(0, writer.as_bytes());
    if !acknowledged.remembers() {
        let numbers = acknowledged.meet(writer, &vec![None; files.count()]);
        return numbers.into_iter().map(|(number, _)| KnownFile { number, ..KnownFile::default() }).collect();
    }
    let unmet = acknowledged.unmet(writer);
    let mut compared = Vec::new();
    for at in 0..files.count() {
        let mut results = compared_by_end(files.end(at), &unmet);
        if results.is_empty() && !unmet.is_empty() {
            buffer.resize(buffer.len().max(READ_BYTES), 0);
            results = compared_by_reading(files, at, &unmet, buffer, stop);
        }
        compared.extend(results.into_iter().map(|(number, result)| (at, number, result)));
    }
    if stop() {
        // What was not compared to its end may be paired wrongly; nothing is read of it either.
        compared.clear();
    }
    let pairs = most_alike(compared, files.count());
    let numbers = acknowledged.meet(writer, &pairs);
    let known = numbers.into_iter().zip(pairs).map(|((number, verified), pair)| {
        let is_whole = pair.is_some_and(|(earlier, comparison)| earlier == number && comparison.is_whole);
        KnownFile { number, verified, is_whole, ..KnownFile::default() }
    });
    let mut known: Vec<KnownFile> = known.collect();
    with_marks(files, acknowledged, &mut known, buffer, stop);
    known
}

/// Those of the earlier files that end where a file does, with the same bytes before.
fn compared_by_end(end: Option<Mark>, unmet: &[(u32, Marks)]) -> Vec<(u32, Comparison)> {
    let Some(end) = end.filter(|end| end.at > 0) else { return Vec::new() };
    let whole = Comparison { verified: end.at, differs: false, is_whole: true };
    let alike = unmet.iter().filter(|(_, marks)| marks.end() == Some(end));
    alike.map(|(number, _)| (*number, whole)).collect()
}

/// What a file has in common with each of the earlier ones.
fn compared_by_reading(
    files: &dyn Files,
    at: usize,
    unmet: &[(u32, Marks)],
    buffer: &mut [u8],
    stop: &dyn Fn() -> bool,
) -> Vec<(u32, Comparison)> {
    let known: Vec<&Marks> = unmet.iter().map(|(_, marks)| marks).collect();
    let Ok(mut input) = files.open(at) else { return Vec::new() };
    let results = marks::compare(&mut input, buffer, &known, stop);
    unmet.iter().map(|(number, _)| *number).zip(results).collect()
}

fn with_marks(
    files: &dyn Files,
    acknowledged: &Acknowledged,
    known: &mut [KnownFile],
    buffer: &mut Vec<u8>,
    stop: &dyn Fn() -> bool,
) {
    let takes_over = acknowledged.knows_version_1();
    let mut earlier = HashSet::new();
    for (at, known) in known.iter_mut().enumerate() {
        let mut marks = acknowledged.marks(known.number);
        if takes_over {
            known.fingerprints = files.open(at).ok().map(|input| Fingerprints::new(&head(input), &mut earlier));
            if known.verified == 0 {
                // Version 1 has no hashes. Once, its ranges are taken to speak of the file as it is now.
                buffer.resize(buffer.len().max(READ_BYTES), 0);
                known.verified = files.open(at).map_or(0, |input| mark_all(input, &mut marks, buffer, stop));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::acknowledged::Resending;
    use crate::checkpoint::ledger::State;
    use crate::record::Receipt;

    /// Files with these bytes; those whose ends are known are not to be opened.
    struct Given(Vec<(&'static [u8], bool)>);

    fn marks(bytes: &[u8]) -> Marks {
        let mut marks = Marks::default();
        mark_all(bytes, &mut marks, &mut [0; 7], &|| false);
        marks
    }

    impl Files for Given {
        fn count(&self) -> usize {
            self.0.len()
        }

        fn open(&self, at: usize) -> io::Result<Box<dyn Read + Send>> {
            let (bytes, _) = self.0[at];
            Ok(Box::new(bytes))
        }

        fn end(&self, at: usize) -> Option<Mark> {
            let (bytes, is_known) = self.0[at];
            is_known.then(|| marks(bytes).end()).flatten()
        }
    }

    /// What is known of files in a run after one that read the files `before`: how far each is the same, and if as a whole.
    fn check(before: &[&'static [u8]], files: &[(&'static [u8], bool)], expected: &[(u64, bool)]) {
        let of = |state| Acknowledged::new(&["a".to_owned()], Some(state), Resending::default());
        let first = of(State::default());
        let writer = twox_hash::XxHash64::oneshot(0, b"w");
        for (number, _) in first.meet(writer, &vec![None; before.len()]) {
            first.mark(number, &marks(before[number as usize]));
            let source = first.stream(number, 1, None).index;
            first.add(0, &[Receipt { source, from: 0, to: 1 }], None);
        }
        let second = of(first.state());
        let known = recognise("w", &Given(files.to_vec()), &second, &mut Vec::new(), &|| false);
        let known: Vec<_> = known.iter().map(|known| (known.verified, known.is_whole)).collect();
        assert_eq!(known, expected, "{before:?} {files:?}");
    }

    #[test]
    fn a_file_whose_end_is_known_is_recognised_as_it_would_be_by_reading_it() {
        for is_known in [false, true] {
            check(&[b"one\ntwo\n"], &[(b"one\ntwo\n", is_known)], &[(8, true)]);
            check(&[b"one\nhal"], &[(b"one\nhal", is_known)], &[(8, true)]);
            check(&[b"one\nhal"], &[(b"one\nhal\n", is_known)], &[(8, true)]);
            check(&[b"one\nhal"], &[(b"one\nhalf\n", is_known)], &[(4, false)]);
            check(&[b"one\ntwo\n"], &[(b"one\n", is_known)], &[(4, false)]);
            check(&[b"one\n"], &[(b"one\ntwo\n", is_known)], &[(4, false)]);
            check(&[b"one\ntwo\n"], &[(b"one\nTwo\n", is_known)], &[(4, false)]);
            check(&[b"one\n"], &[(b"", is_known)], &[(0, false)]);
            check(&[b"one\n", b"two\n"], &[(b"two\n", is_known), (b"one\nnew\n", is_known)], &[(4, true), (4, false)]);
        }
    }
}
