//! A file's bytes at any place, most of them near those before.
//!
//! In go places, out come bytes, read in pieces that hold what is likely wanted next. Nothing is mapped: a file that becomes
//! shorter while it is read ends there.

use std::io;

use crate::files::section::Section;

/// Bytes read at once where places go on.
const NEAR_BYTES: usize = 128 << 10;
/// Of these, bytes before the place that was asked for: an entry's new data stand before it.
const BEHIND_BYTES: u64 = 16 << 10;
/// Bytes read at once of what stands far before, and is shared by many entries.
const FAR_BYTES: usize = 4 << 10;

/// A file that is read at any place.
#[derive(Debug)]
pub(super) struct Windows {
    section: Section,
    near: Window,
    far: Window,
    /// What is longer than a window.
    large: Vec<u8>,
    error: Option<io::Error>,
    /// Bytes that were read.
    read: u64,
}

#[derive(Debug, Default)]
struct Window {
    at: u64,
    bytes: Vec<u8>,
    filled: usize,
}

impl Windows {
    pub(super) fn new(section: Section) -> Windows {
        let window = |bytes| Window { bytes: vec![0; bytes], ..Window::default() };
        Windows { section, near: window(NEAR_BYTES), far: window(FAR_BYTES), large: Vec::new(), error: None, read: 0 }
    }

    /// Bytes that the file has.
    pub(super) fn length(&self) -> u64 {
        self.section.length
    }

    /// Bytes that were read so far, those that were read again among them.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read
    }

    /// What was read may have changed, and the file may have grown.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        self.section = self.section.grown()?;
        (self.near.filled, self.far.filled) = (0, 0);
        Ok(())
    }

    /// What the system said when it refused to read, once.
    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// So many bytes from a place on; `None` if the file does not have them.
    pub(super) fn bytes(&mut self, at: u64, length: usize) -> Option<&[u8]> {
        if at.checked_add(length as u64)? > self.section.length {
            return None;
        }
        if length > NEAR_BYTES / 2 {
            self.large.resize(length.max(self.large.len()), 0);
            let read = self.section.read_at(&mut self.large[..length], at);
            self.read += length as u64;
            return Self::all(read, length, &mut self.error).then(|| &self.large[..length]);
        }
        if self.near.holds(at, length) {
            return Some(self.near.part(at, length));
        }
        if at < self.near.at && length <= FAR_BYTES {
            if !self.far.holds(at, length) {
                self.read += self.far.fill(&self.section, at, &mut self.error);
            }
            return self.far.holds(at, length).then(|| self.far.part(at, length));
        }
        self.read += self.near.fill(&self.section, at.saturating_sub(BEHIND_BYTES), &mut self.error);
        self.near.holds(at, length).then(|| self.near.part(at, length))
    }

    fn all(read: io::Result<usize>, length: usize, error: &mut Option<io::Error>) -> bool {
        match read {
            Ok(got) => got == length,
            Err(refused) => {
                error.get_or_insert(refused);
                false
            }
        }
    }
}

impl Window {
    fn holds(&self, at: u64, length: usize) -> bool {
        at >= self.at && at + length as u64 <= self.at + self.filled as u64
    }

    fn part(&self, at: u64, length: usize) -> &[u8] {
        let start = (at - self.at) as usize;
        &self.bytes[start..start + length]
    }

    /// Reads from a place on; how many bytes.
    fn fill(&mut self, section: &Section, at: u64, error: &mut Option<io::Error>) -> u64 {
        self.at = at;
        self.filled = section.read_at(&mut self.bytes, at).unwrap_or_else(|refused| {
            error.get_or_insert(refused);
            0
        });
        self.filled as u64
    }
}
