//! A file that is followed while it is written, as it is remembered over restarts.
//!
//! A path says little about a file: logs are renamed, copied, cut and compressed. So a file is known by its device and
//! inode, by a sample of its first bytes, and by a sample of the bytes before the place up to which it was read. All
//! offsets and samples are of decompressed bytes. How files are followed is not known here, nor how this is stored.

use std::path::PathBuf;

use super::identity::FileId;

/// The longest sample, in bytes: more than most log lines have, so that a timestamp is in it.
pub const SAMPLE_BYTES_MAX: usize = 256;

/// Bytes of a file by which it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sample {
    /// How many bytes.
    pub len: u32,
    /// Their xxh64, with seed 0.
    pub hash: u64,
}

impl Sample {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Sample {
        let hash = if bytes.is_empty() { 0 } else { twox_hash::XxHash64::oneshot(0, bytes) };
        Sample { len: u32::try_from(bytes.len()).unwrap_or(u32::MAX), hash }
    }

    /// Of the first bytes of what begins so.
    pub fn of_start(bytes: &[u8]) -> Sample {
        Sample::of(&bytes[..bytes.len().min(SAMPLE_BYTES_MAX)])
    }

    /// Of the last bytes of what ends so.
    pub fn of_end(bytes: &[u8]) -> Sample {
        Sample::of(&bytes[bytes.len().saturating_sub(SAMPLE_BYTES_MAX)..])
    }

    /// Its length, to index with.
    pub fn bytes(self) -> usize {
        self.len as usize
    }

    /// Whether what begins so has this sample at its start.
    pub fn is_start_of(self, bytes: &[u8]) -> bool {
        bytes.get(..self.bytes()).is_some_and(|start| Sample::of(start) == self)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A place in a file, and what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Place {
    /// Offset in decompressed bytes.
    pub at: u64,
    /// The bytes before it: as many as there are, at most [`SAMPLE_BYTES_MAX`].
    pub frontier: Sample,
}

impl Place {
    /// Where the frontier begins.
    pub fn frontier_start(self) -> u64 {
        self.at.saturating_sub(u64::from(self.frontier.len))
    }
}

/// A file that was followed, as the ledger remembers it; or a journal's numbering ([`FollowedFile::numbering`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowedFile {
    /// Where it was last.
    pub path: PathBuf,
    /// The path that its rotations stem from: the name that is written to.
    pub family: PathBuf,
    /// Device and inode.
    pub id: FileId,
    /// Its first bytes, up to [`SAMPLE_BYTES_MAX`]; fewer while it is shorter or was not read.
    pub prefix: Sample,
    /// Read on from here.
    pub resume: Place,
    /// It was read to its end and rotated away: nothing more comes unless it grows.
    pub is_finished: bool,
}

/// In place of a sample of first bytes, what tells a journal's numbering from a file.
const OF_NUMBERING: Sample = Sample { len: 0, hash: u64::from_le_bytes(*b"LPKSHHRH") };

impl FollowedFile {
    /// The entries that one journald numbers, in whatever files they stand: the next one bears the number `next`. `id`: what
    /// tells its numbers from others'; `family`: the file that it writes to.
    pub fn numbering(family: PathBuf, id: [u8; 16], next: u64) -> FollowedFile {
        let half = |at: usize| id[at..].first_chunk().map_or(0, |half| u64::from_be_bytes(*half));
        FollowedFile {
            path: family.clone(),
            family,
            id: FileId::new(half(0), half(8)),
            prefix: OF_NUMBERING,
            resume: Place { at: next, frontier: Sample::default() },
            is_finished: false,
        }
    }

    /// Whether it is a journal's numbering.
    pub fn is_numbering(&self) -> bool {
        self.prefix == OF_NUMBERING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_of_both_ends_and_no_longer_than_they_may_be() {
        let text: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        let (start, end) = (Sample::of_start(&text), Sample::of_end(&text));
        assert_eq!((start.bytes(), end.bytes()), (SAMPLE_BYTES_MAX, SAMPLE_BYTES_MAX));
        assert!(start.is_start_of(&text) && !end.is_start_of(&text));
        assert!(!start.is_start_of(&text[..SAMPLE_BYTES_MAX - 1]));
        assert!(Sample::of(b"").is_empty() && Sample::default() == Sample::of(b""));
        assert_eq!(Sample::of_start(b"short"), Sample::of_end(b"short"));
        let place = Place { at: 1_000, frontier: end };
        assert_eq!(place.frontier_start(), 744);
    }
}
