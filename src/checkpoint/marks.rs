//! Running hashes of a file's bytes, by which a later run tells how far the file is still what it was.
//!
//! In go the (decompressed) bytes of a file, out come marks: places with the hash of all bytes before them; and for marks
//! of an earlier run, up to where a file still has the bytes that they were made of. What was acknowledged up to a place is
//! not known here.

use std::hash::Hasher;
use std::io::{self, Read};

use twox_hash::XxHash64;

/// Marks of one file: at more, every second one goes. Each is at a line's end, so a small file has one for each of its lines,
/// and in a large one they are at most a 256th of it (and a line) apart, which bounds what is sent again around a change.
pub const MARKS_MAX: usize = 512;
/// Where a state knows very many files, each keeps at least this many marks.
pub const MARKS_MIN: usize = 8;
/// Marks of all files of a state, above which each file keeps fewer: about 7 MB as written.
pub const MARKS_OF_ALL_MAX: usize = 1 << 19;

/// A place, and the hash of all that comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Bytes before it.
    pub at: u64,
    /// Their hash.
    pub hash: u64,
}

/// The marks of one file, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    list: Vec<Mark>,
    /// Of a last line without a line feed: as if it had one, so that the line is the same once it is ended.
    unfinished: Option<Mark>,
    /// Least distance of two marks; the last one may be nearer, and is then replaced by the next.
    spacing: u64,
    max: usize,
}

impl Default for Marks {
    fn default() -> Marks {
        Marks { list: Vec::new(), unfinished: None, spacing: 1, max: MARKS_MAX }
    }
}

impl Marks {
    /// As they were written.
    pub fn from_parts(list: Vec<Mark>, unfinished: Option<Mark>, spacing: u64) -> Marks {
        Marks { list, unfinished, spacing: spacing.max(1), max: MARKS_MAX }
    }

    /// Those at ends of lines, in order.
    pub fn list(&self) -> &[Mark] {
        &self.list
    }

    /// The one of a last line without a line feed.
    pub fn unfinished(&self) -> Option<Mark> {
        self.unfinished
    }

    /// The least distance of two marks.
    pub fn spacing(&self) -> u64 {
        self.spacing
    }

    /// The hash of all bytes, of a file that was read to its end; 0 if it had none.
    pub fn whole(&self) -> u64 {
        self.end().map_or(0, |mark| mark.hash)
    }

    /// The last one.
    pub fn end(&self) -> Option<Mark> {
        self.unfinished.or(self.list.last().copied())
    }

    /// Sets the greatest number of marks.
    pub fn limit(&mut self, max: usize) {
        self.max = max.clamp(MARKS_MIN, MARKS_MAX);
        self.thin();
    }

    /// Adds a mark after the others; one that is not after them is known already.
    pub fn push(&mut self, mark: Mark) {
        match self.list[..] {
            [.., last] if mark.at <= last.at => return,
            [.., before, last] if last.at - before.at < self.spacing => drop(self.list.pop()),
            _ => {}
        }
        self.list.push(mark);
        self.unfinished = self.unfinished.filter(|unfinished| unfinished.at > mark.at);
        self.thin();
    }

    /// Forgets what follows an offset.
    pub fn clip(&mut self, at: u64) {
        self.list.retain(|mark| mark.at <= at);
        self.unfinished = self.unfinished.filter(|mark| mark.at <= at);
    }

    /// The last line end from which on a mark is wanted.
    fn due(&self) -> u64 {
        match self.list[..] {
            [] => 0,
            [.., before, last] if last.at - before.at < self.spacing => before.at + self.spacing,
            [.., last] => last.at.saturating_add(self.spacing),
        }
    }

    /// The first one stays: it tells most files apart at once. So does the last one.
    fn thin(&mut self) {
        if self.list.len() <= self.max {
            return;
        }
        let Some(end) = self.list.last().copied() else { return };
        while self.list.len() > self.max / 2 + 1 && self.spacing < u64::MAX / 2 {
            self.spacing *= 2;
            let mut kept: Option<u64> = None;
            self.list.retain(|mark| {
                let keeps = *mark == end || kept.is_none_or(|kept| mark.at - kept >= self.spacing);
                kept = if keeps { Some(mark.at) } else { kept };
                keeps
            });
        }
    }

    fn nth(&self, index: usize) -> Option<Mark> {
        if index == self.list.len() { self.unfinished } else { self.list.get(index).copied() }
    }
}

/// The hash of what was read of a file so far.
#[derive(Debug, Clone)]
pub struct Running {
    hasher: XxHash64,
    at: u64,
    ends_line: bool,
}

impl Default for Running {
    fn default() -> Running {
        Running { hasher: XxHash64::with_seed(0), at: 0, ends_line: true }
    }
}

impl Running {
    /// Bytes so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The mark at the end of what was read.
    pub fn mark(&self) -> Mark {
        Mark { at: self.at, hash: self.hasher.finish() }
    }

    /// Hashes bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.hasher.write(bytes);
            self.at += bytes.len() as u64;
            self.ends_line = *last == b'\n';
        }
    }

    /// Hashes bytes, and adds marks at ends of lines: where one is due, and at the last one.
    pub fn feed(&mut self, mut bytes: &[u8], marks: &mut Marks) {
        loop {
            let passed = usize::try_from(marks.due().saturating_sub(self.at + 1)).unwrap_or(usize::MAX);
            let due = bytes.get(passed..).and_then(|after| memchr::memchr(b'\n', after)).map(|end| passed + end);
            let Some(end) = due.or_else(|| memchr::memrchr(b'\n', bytes)) else { break };
            self.write(&bytes[..=end]);
            bytes = &bytes[end + 1..];
            marks.push(self.mark());
        }
        self.write(bytes);
    }

    /// The file ended here.
    pub fn finish(&self, marks: &mut Marks) {
        if self.at >= marks.list.last().map_or(0, |mark| mark.at) {
            marks.unfinished = self.unfinished();
        }
    }

    /// The mark of a last line without its line feed, as if it had one.
    fn unfinished(&self) -> Option<Mark> {
        let mut ended = self.clone();
        (!self.ends_line).then(|| ended.write(b"\n")).map(|()| ended.mark())
    }

    /// The end of the last record that may have been read so far.
    pub fn end(&self) -> u64 {
        self.at + u64::from(!self.ends_line)
    }
}

/// How far a file has the bytes that marks were made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Comparison {
    /// It has them up to here.
    pub verified: u64,
    /// After that it does not, or is shorter; otherwise nothing speaks against the marks.
    pub differs: bool,
    /// It ends there, and so do the marks.
    pub is_whole: bool,
}

/// Compares a file with marks of several, in one reading that ends behind the last mark that can still be met. `stop` ends it
/// early; so does an error, which says nothing of what follows.
pub fn compare(input: &mut dyn Read, buffer: &mut [u8], known: &[&Marks], stop: &dyn Fn() -> bool) -> Vec<Comparison> {
    let mut results = vec![Comparison::default(); known.len()];
    let mut next = vec![Some(0); known.len()];
    let mut running = Running::default();
    let due = |next: &[Option<usize>]| {
        let marks = known.iter().zip(next).filter_map(|(marks, next)| marks.nth((*next)?));
        marks.map(|mark| mark.at).min()
    };
    let judge = |mark: Mark, results: &mut [Comparison], next: &mut [Option<usize>]| {
        for ((marks, result), next) in known.iter().zip(results).zip(next) {
            let expected = next.and_then(|index| marks.nth(index)).filter(|expected| expected.at == mark.at);
            match expected {
                Some(expected) if expected == mark => {
                    result.verified = mark.at;
                    *next = next.map(|index| index + 1);
                }
                Some(_) => (result.differs, *next) = (true, None),
                None => {}
            }
        }
    };
    loop {
        // Whether it ends where the marks do is told by reading on.
        let is_met = |(result, next): (&Comparison, &Option<usize>)| {
            next.is_some() && result.verified > 0 && result.verified == running.at
        };
        if stop() || due(&next).is_none() && !results.iter().zip(&next).any(is_met) {
            return results;
        }
        let mut bytes: &[u8] = match input.read(buffer) {
            Ok(0) => break,
            Ok(got) => &buffer[..got],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return results,
        };
        while let Some(at) = due(&next)
            && at - running.at <= bytes.len() as u64
        {
            let (before, after) = bytes.split_at((at - running.at) as usize);
            running.write(before);
            bytes = after;
            judge(running.mark(), &mut results, &mut next);
        }
        running.write(bytes);
    }
    if let Some(mark) = running.unfinished() {
        judge(mark, &mut results, &mut next);
    }
    for ((marks, result), next) in known.iter().zip(&mut results).zip(next) {
        result.differs |= next.and_then(|index| marks.nth(index)).is_some();
        result.is_whole = next.is_some() && !result.differs && result.verified == running.end();
    }
    results
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(text: &[u8], chunk: usize) -> Marks {
        let (mut running, mut marks) = (Running::default(), Marks::default());
        text.chunks(chunk.max(1)).for_each(|bytes| running.feed(bytes, &mut marks));
        running.finish(&mut marks);
        marks
    }

    fn compared(text: &[u8], marks: &Marks) -> Comparison {
        compare(&mut &text[..], &mut [0; 7], &[marks], &|| false)[0]
    }

    fn lines(count: usize) -> Vec<u8> {
        (0..count).flat_map(|number| format!("line {number} of some\n").into_bytes()).collect()
    }

    #[test]
    fn a_small_file_has_a_mark_for_each_line_and_a_large_one_a_bounded_number() {
        assert_eq!(marked(&lines(100), 50).list().len(), 100);
        let large = lines(100_000);
        let marks = marked(&large, 4096);
        assert!((MARKS_MAX / 4..=MARKS_MAX).contains(&marks.list().len()), "{}", marks.list().len());
        let gaps = marks.list().windows(2).map(|pair| pair[1].at - pair[0].at);
        assert!(gaps.max().unwrap() <= large.len() as u64 / 256 + 30);
        assert_eq!(marks.list().last().unwrap().at, large.len() as u64);
        assert_eq!(
            compared(&large, &marks),
            Comparison { verified: large.len() as u64, differs: false, is_whole: true }
        );
    }

    #[test]
    fn an_unfinished_last_line_is_the_same_once_it_is_ended_and_another_once_it_has_grown() {
        let marks = marked(b"one\nhal", 100);
        assert_eq!(compared(b"one\nhal", &marks), Comparison { verified: 8, differs: false, is_whole: true });
        assert_eq!(compared(b"one\nhal\nnext\n", &marks), Comparison { verified: 8, differs: false, is_whole: false });
        assert_eq!(compared(b"one\nhal\n", &marks), Comparison { verified: 8, differs: false, is_whole: true });
        assert_eq!(compared(b"one\nhalf\n", &marks), Comparison { verified: 4, differs: true, is_whole: false });
        assert_eq!(compared(b"one\nha", &marks), Comparison { verified: 4, differs: true, is_whole: false });
        assert_eq!(compared(b"one\n", &marks), Comparison { verified: 4, differs: true, is_whole: false });
        assert_eq!(compared(b"two\n", &marks), Comparison { verified: 0, differs: true, is_whole: false });
    }

    #[test]
    fn an_error_says_nothing_of_what_lies_behind_it() {
        struct Broken(Vec<u8>);
        impl Read for Broken {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let got = into.len().min(self.0.len());
                into[..got].copy_from_slice(&self.0.drain(..got).collect::<Vec<_>>());
                Ok(got)
            }
        }
        let marks = marked(b"one\ntwo\nthree\n", 100);
        let results = compare(&mut Broken(b"one\ntwo\nth".to_vec()), &mut [0; 64], &[&marks], &|| false);
        assert_eq!(results, [Comparison { verified: 8, differs: false, is_whole: false }]);
    }

    proptest! {
        #[test]
        fn what_is_verified_is_what_is_common_and_nearly_all_of_it(
            one in "[ab\n]{0,60}", two in "[ab\n]{0,60}", chunk in 1usize..20, max in 8usize..20,
        ) {
            let (one, two) = (one.as_bytes(), two.as_bytes());
            let mut marks = marked(one, chunk);
            let common = one.iter().zip(two).take_while(|(a, b)| a == b).count();
            let all = compared(two, &marks);
            let ended = |text: &[u8], at: usize| at == text.len() + 1 && text.last().is_some_and(|last| *last != b'\n');
            let verified = all.verified as usize;
            let ends = |text: &[u8]| text.len() + usize::from(ended(text, text.len() + 1));
            let is_same = verified > 0 && one.strip_suffix(b"\n").unwrap_or(one) == two.strip_suffix(b"\n").unwrap_or(two);
            prop_assert!(!all.is_whole || is_same && verified == ends(two) && verified == ends(one));
            prop_assert!(all.is_whole || one != two || one.is_empty());
            // The line feed that is still to come counts as there.
            prop_assert!(verified <= common || verified == common + 1 && (ended(one, verified) || ended(two, verified)));
            let lines = memchr::memrchr(b'\n', &one[..common]).map_or(0, |at| at + 1);
            prop_assert!(verified >= lines);
            marks.limit(max);
            prop_assert!(compared(two, &marks).verified <= all.verified);
            prop_assert!(marks.list().len() <= max);
        }

        #[test]
        fn a_file_that_grows_is_verified_to_where_it_was(
            text in "[ab\n]{1,60}", more in "[ab\n]{0,30}", chunk in 1usize..20,
        ) {
            let mut marks = marked(text.as_bytes(), chunk);
            marks.limit(8);
            let whole = format!("{text}{more}");
            let verified = compared(whole.as_bytes(), &marks).verified as usize;
            prop_assert!(verified >= memchr::memrchr(b'\n', text.as_bytes()).map_or(0, |at| at + 1));
        }
    }

    #[test]
    fn a_mark_stands_once_and_behind_the_others() {
        let mark = |at, hash| Mark { at, hash };
        let with_half = || Marks::from_parts(vec![mark(4, 1)], Some(mark(8, 2)), 1);
        let mut marks = with_half();
        marks.push(mark(4, 9));
        marks.push(mark(3, 9));
        assert_eq!((marks.list(), marks.unfinished()), (&[mark(4, 1)][..], Some(mark(8, 2))));
        marks.push(mark(7, 3));
        assert_eq!((marks.list().len(), marks.unfinished()), (2, Some(mark(8, 2))));
        // The line was ended where it was expected to be.
        marks.push(mark(8, 2));
        assert_eq!((marks.list().len(), marks.unfinished()), (3, None));
        for (at, list, unfinished) in [(3, 0, false), (4, 1, false), (7, 1, false), (8, 1, true), (9, 1, true)] {
            let mut marks = with_half();
            marks.clip(at);
            assert_eq!((marks.list().len(), marks.unfinished().is_some()), (list, unfinished), "{at}");
        }
    }

    #[test]
    fn records_end_behind_the_line_feed_that_is_still_to_come() {
        let mut running = Running::default();
        let mut ends = vec![(running.at(), running.end())];
        for bytes in [&b"one"[..], b"", b"\n", b"two"] {
            running.write(bytes);
            ends.push((running.at(), running.end()));
        }
        assert_eq!(ends, [(0, 0), (3, 4), (3, 4), (4, 4), (7, 8)]);
    }
}
