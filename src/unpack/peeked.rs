//! A stream whose first bytes are looked at before it is read.
//!
//! In goes a stream, out come its first bytes, as many as whoever looks needs, and then the whole stream, these included.

use std::io::{self, Read};

/// A stream of which the first bytes were looked at.
pub struct Peeked<R> {
    /// What was read, and room for more.
    head: Vec<u8>,
    filled: usize,
    given: usize,
    /// Why there are no more of them; it is told in its place.
    pub(super) failed: Option<io::Error>,
    rest: R,
}

impl<R: Read> Peeked<R> {
    /// Looks at so many bytes, or as many as there are. An error of the disk is told at once, one of the content behind
    /// the bytes before it.
    pub fn new(rest: R, bytes: usize) -> io::Result<Peeked<R>> {
        let mut peeked = Peeked::empty(rest, bytes);
        peeked.await_more(|head| head.len() < bytes);
        match peeked.failed {
            Some(error) if error.raw_os_error().is_some() => Err(error),
            failed => Ok(Peeked { failed, ..peeked }),
        }
    }

    /// Nothing was read yet; so many bytes may be looked at.
    pub(super) fn empty(rest: R, room: usize) -> Peeked<R> {
        Peeked { head: vec![0; room], filled: 0, given: 0, failed: None, rest }
    }

    /// The first bytes.
    pub fn head(&self) -> &[u8] {
        &self.head[..self.filled]
    }

    /// Reads on while more of its beginning is needed, and there is more.
    pub(super) fn await_more(&mut self, is_needed: impl Fn(&[u8]) -> bool) {
        while self.filled < self.head.len() && self.failed.is_none() && is_needed(self.head()) {
            match self.rest.read(&mut self.head[self.filled..]) {
                Ok(0) => return,
                Ok(got) => self.filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// Passes over bytes that were looked at.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.given += bytes;
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let head = &self.head[self.given..self.filled];
        if head.is_empty() {
            return self.failed.take().map_or_else(|| self.rest.read(into), Err);
        }
        let got = head.len().min(into.len());
        into[..got].copy_from_slice(&head[..got]);
        self.given += got;
        Ok(got)
    }
}
