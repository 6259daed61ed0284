//! A part of a file that is read as if it were a file of its own.
//!
//! In go an open file and a place in it, out come its bytes, as often as they are wanted. What they are is not known here.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A part of a file that is read as if it were one.
#[derive(Debug, Clone)]
pub struct Section {
    file: Arc<File>,
    start: u64,
    /// Its bytes.
    pub length: u64,
    /// When it was last changed, in seconds since the epoch, where that is known.
    pub changed: Option<u64>,
}

impl Section {
    /// A part of a file that is open.
    pub fn of(file: Arc<File>, start: u64, length: u64) -> Section {
        Section { file, start, length, changed: None }
    }

    /// A part of it.
    pub fn part(&self, start: u64, length: u64) -> Section {
        Section::of(self.file.clone(), self.start.saturating_add(start), length)
    }

    /// The same up to where its file ends by now.
    pub fn grown(&self) -> io::Result<Section> {
        let length = self.file.metadata()?.len().saturating_sub(self.start);
        Ok(Section { length, ..self.clone() })
    }

    /// As many of its bytes from a place on as are there and fit; fewer at its end, or where its file became shorter.
    pub fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let room = left.min(into.len());
        let mut filled = 0;
        while filled < room {
            match self.file.read_at(&mut into[filled..room], self.start.saturating_add(at + filled as u64)) {
                Ok(0) => break,
                Ok(got) => filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Its bytes, from its start.
    pub fn open(&self) -> SectionReader {
        SectionReader { file: self.file.clone(), at: self.start, end: self.start.saturating_add(self.length) }
    }
}

/// Two sections are the same if they stand in the same place.
impl PartialEq for Section {
    fn eq(&self, other: &Section) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && (self.start, self.length) == (other.start, other.length)
    }
}

impl Eq for Section {}

/// Reads a section.
#[derive(Debug)]
pub struct SectionReader {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for SectionReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(into.len());
        let got = self.file.read_at(&mut into[..room], self.at)?;
        if got == 0 && room > 0 {
            // An archive that became shorter meanwhile.
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"));
        }
        self.at += got as u64;
        Ok(got)
    }
}
