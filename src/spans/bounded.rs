//! A limit on what is read of a file.
//!
//! In goes anything that is read, out come its first bytes, up to the limit, and whether there were more. What they mean is
//! not known here.

use std::io::{self, Read};

/// Ends after this many bytes, and says so.
pub(super) struct Bounded {
    pub(super) source: Box<dyn Read + Send>,
    pub(super) left: u64,
    pub(super) cut: bool,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.cut |= self.source.read(&mut [0])? != 0;
            return Ok(0);
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.source.read(&mut buffer[..room])?;
        self.left -= read as u64;
        Ok(read)
    }
}
