//! Bytes that are appended, and read again by their places: in memory up to a limit, beyond it in a temporary file.
//!
//! In go records, out come their places, and the bytes at a place. The file has no name, so that nothing of it remains
//! whatever becomes of the process. What the bytes are is not known here.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;

/// Bytes on their way to the file.
const TAIL_BYTES: usize = 256 << 10;

/// See the module. A record lies as a whole in memory, in the file, or among the bytes on their way to it.
#[derive(Debug)]
pub struct Spill {
    /// The first bytes.
    memory: Vec<u8>,
    memory_max: usize,
    /// Those after them.
    file: Option<File>,
    written: u64,
    /// Those after them, on their way to the file.
    tail: Vec<u8>,
    bytes_max: u64,
}

impl Spill {
    /// Holds so many bytes in memory, and `bytes_max` in all.
    pub fn new(memory_max: usize, bytes_max: u64) -> Spill {
        Spill { memory: Vec::new(), memory_max, file: None, written: 0, tail: Vec::new(), bytes_max }
    }

    /// Bytes in all.
    pub fn length(&self) -> u64 {
        self.memory.len() as u64 + self.written + self.tail.len() as u64
    }

    /// Appends a record, which is given in parts, and returns its place; `None` beyond the limit. After an error what was
    /// appended before can be read as ever.
    pub fn append(&mut self, parts: &[&[u8]]) -> io::Result<Option<u64>> {
        let (at, length) = (self.length(), parts.iter().map(|part| part.len()).sum::<usize>());
        if at.saturating_add(length as u64) > self.bytes_max {
            return Ok(None);
        }
        let has_spilled = self.written > 0 || !self.tail.is_empty();
        let into = if !has_spilled && self.memory.len() + length <= self.memory_max {
            &mut self.memory
        } else {
            if !self.tail.is_empty() && self.tail.len() + length > TAIL_BYTES {
                self.write_tail()?;
            }
            &mut self.tail
        };
        parts.iter().for_each(|part| into.extend_from_slice(part));
        Ok(Some(at))
    }

    fn write_tail(&mut self) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile()?),
        };
        file.write_all_at(&self.tail, self.written)?;
        self.written += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    /// The record at a place, whose first bytes tell how many it has. In a file so many bytes as it is `likely` to have are
    /// read at once, into the room.
    pub fn read<'s>(
        &'s self,
        at: u64,
        likely: usize,
        length: impl Fn(&[u8]) -> usize,
        room: &'s mut Vec<u8>,
    ) -> io::Result<&'s [u8]> {
        let Some(at) = at.checked_sub(self.memory.len() as u64) else { return from(&self.memory, at, length) };
        if let Some(at) = at.checked_sub(self.written) {
            return from(&self.tail, at, length);
        }
        let file = self.file.as_ref().ok_or(ErrorKind::UnexpectedEof)?;
        let there = usize::try_from(self.written - at).unwrap_or(usize::MAX);
        room.resize(likely.min(there), 0);
        file.read_exact_at(room, at)?;
        let (read, length) = (room.len(), length(room));
        if length > there {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        room.resize(length, 0);
        if length > read {
            file.read_exact_at(&mut room[read..], at + read as u64)?;
        }
        Ok(room)
    }

    /// All bytes, from the first to the last.
    pub fn bytes(&self) -> impl Read {
        let of_file = FileStart { file: self.file.as_ref(), at: 0, end: self.written };
        self.memory.chain(of_file).chain(&self.tail[..])
    }
}

/// The record at a place.
fn from(bytes: &[u8], at: u64, length: impl Fn(&[u8]) -> usize) -> io::Result<&[u8]> {
    let bytes = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    bytes.get(..length(bytes)).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

/// What was written to a file.
struct FileStart<'s> {
    file: Option<&'s File>,
    at: u64,
    end: u64,
}

impl Read for FileStart<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(file) = self.file.filter(|_| self.at < self.end) else { return Ok(0) };
        let room = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(into.len());
        let got = file.read_at(&mut into[..room], self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn beyond_the_limit_nothing_is_taken() {
        let mut spill = Spill::new(4, 10);
        assert_eq!(spill.append(&[b"abc", b"d"]).unwrap(), Some(0));
        assert_eq!(spill.append(&[b"efghij"]).unwrap(), Some(4));
        assert_eq!((spill.append(&[b"k"]).unwrap(), spill.length()), (None, 10));
    }

    proptest! {
        #[test]
        fn what_was_appended_is_read_from_where_it_lies(
            lengths in proptest::collection::vec(prop_oneof![0usize..300, Just(TAIL_BYTES / 2), Just(TAIL_BYTES + 1)], 0..12),
            memory_max in prop_oneof![Just(0usize), 0usize..900, Just(usize::MAX)],
        ) {
            let mut spill = Spill::new(memory_max, u64::MAX);
            let record = |number: usize, length: usize| -> Vec<u8> { (0..length).map(|at| (at * 7 + number) as u8).collect() };
            let records: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(number, length)| record(number, *length)).collect();
            let mut places = Vec::new();
            for bytes in &records {
                let (one, other) = bytes.split_at(bytes.len() / 3);
                places.push(spill.append(&[one, other]).unwrap().unwrap());
            }
            for (bytes, at) in records.iter().zip(&places).rev() {
                for likely in [0, 100, bytes.len()] {
                    let mut room = Vec::new();
                    prop_assert_eq!(spill.read(*at, likely, |_| bytes.len(), &mut room).unwrap(), &bytes[..]);
                }
            }
            let mut all = Vec::new();
            spill.bytes().read_to_end(&mut all).unwrap();
            prop_assert_eq!(all, records.concat());
        }
    }
}
