//! One file's bytes as chunks of whole lines, decompressed, under limits.
//!
//! In goes an opened file; out come chunks that end at a line feed, except the last one of a file and the pieces of a
//! line that is longer than the limit. Between two chunks a reader can be put aside ([`Paused`]). What the lines mean is not
//! known here.

use std::io::{self, Read};

use spanline_parsers::journal_blocks::{self, Detected, Form};
use spanline_parsers::journal_frames;
use spanline_parsers::wrapper::loki;

use super::open::Lost;
use crate::setting::Setting;

/// Bytes read in one go; small enough that a worker's buffers stay in the cache, large enough that a system call is
/// paid once in about a thousand lines.
const READ_BYTES: usize = 256 * 1024;

/// Limits of what is read.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// A longer line is cut into pieces.
    pub line_bytes: usize,
    /// Beyond this decompressed size a file is cut.
    pub file_bytes: u64,
}

/// Whole lines of one file, and where they stand.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'b> {
    /// The lines, each with its line feed (the last line of a file may have none).
    pub bytes: &'b [u8],
    /// Offset of the first byte in the decompressed file.
    pub offset: u64,
    /// The first line is the rest of one that was cut at the limit.
    pub continues: bool,
    /// The last line was cut at the limit: its rest comes in the next chunk.
    pub cut: bool,
    /// Entries of several lines, or several to a line, instead of lines.
    pub blocks: Option<Blocks>,
}

/// What a file holds in place of lines, as its first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// Entries of a journal.
    Journal(journal_blocks::Form),
    /// The same as frames, of which each chunk holds whole ones, from a journal that is followed: places are their numbers.
    Numbered,
    /// Streams in Loki's JSON.
    Streams,
}

/// Which blocks are looked for at the start of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LookFor {
    /// A journal's.
    pub journal: bool,
    /// Loki's.
    pub streams: bool,
}

impl LookFor {
    /// `None` where more bytes tell.
    fn detect(self, head: &[u8]) -> Option<Option<Blocks>> {
        let form = if self.journal { journal_blocks::form(head) } else { Detected::Lines };
        let streams = if self.streams { loki::is_streams(head) } else { Some(false) };
        match (form, streams) {
            (Detected::Form(form), _) => Some(Some(Blocks::Journal(form))),
            (_, Some(true)) => Some(Some(Blocks::Streams)),
            (Detected::More, _) | (_, None) => None,
            (Detected::Lines, Some(false)) => Some(None),
        }
    }
}

/// Reads chunks from a file or a stream.
pub struct ChunkReader<R> {
    input: R,
    /// Bytes read in one go.
    part_bytes: usize,
    buffer: Vec<u8>,
    filled: usize,
    consumed: usize,
    offset: u64,
    inside_line: bool,
    ended: Option<Ended>,
    limits: ReadLimits,
    look_for: Option<LookFor>,
    blocks: Option<Blocks>,
}

#[derive(Debug)]
enum Ended {
    Quietly,
    Error(ReadError),
}

/// A reader between two chunks, without its file and its buffer.
#[derive(Debug)]
pub struct Paused {
    /// Bytes that were read and not given yet.
    rest: Vec<u8>,
    /// Where they stand in the decompressed file.
    offset: u64,
    inside_line: bool,
    ended: Option<Ended>,
    limits: ReadLimits,
    look_for: Option<LookFor>,
    blocks: Option<Blocks>,
}

impl Paused {
    /// How much of the decompressed file was read.
    pub fn position(&self) -> u64 {
        self.offset + self.rest.len() as u64
    }

    /// The file is not read any more: it ended, or failed.
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Goes on with the file from [`Paused::position`] on.
    pub fn resume<R: Read>(self, input: R, buffer: Vec<u8>) -> ChunkReader<R> {
        let Paused { rest, offset, inside_line, ended, limits, look_for, blocks } = self;
        let mut reader = ChunkReader::with_buffer(input, limits, buffer);
        if reader.buffer.len() < rest.len() {
            reader.buffer.resize(rest.len(), 0);
        }
        reader.buffer[..rest.len()].copy_from_slice(&rest);
        ChunkReader { filled: rest.len(), offset, inside_line, ended, look_for, blocks, ..reader }
    }
}

/// Why reading stopped early.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file's decompressed size is beyond the limit.
    #[error(
        "is larger than {0} bytes when decompressed; the rest is left out (raise {setting})",
        setting = Setting::DecompressedBytesMax
    )]
    TooLarge(u64),
    /// Nothing comes at the moment; call again.
    #[error("nothing to read at the moment")]
    Quiet,
    /// The system or the decompressor refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ReadError {
    /// Bytes on disk that can't be read any more.
    pub fn lost_bytes(&self) -> u64 {
        match self {
            ReadError::Io(error) => Lost::of(error),
            ReadError::TooLarge(_) | ReadError::Quiet => 0,
        }
    }
}

impl<R: Read> ChunkReader<R> {
    /// Reads lines.
    pub fn new(input: R, limits: ReadLimits) -> ChunkReader<R> {
        ChunkReader::with_buffer(input, limits, Vec::new())
    }

    /// The same with the buffer of a reader before: where files are small, making one is much of the work.
    pub fn with_buffer(input: R, limits: ReadLimits, mut buffer: Vec<u8>) -> ChunkReader<R> {
        if buffer.len() < READ_BYTES {
            buffer = vec![0; READ_BYTES];
        }
        ChunkReader {
            input,
            part_bytes: READ_BYTES,
            buffer,
            filled: 0,
            consumed: 0,
            offset: 0,
            inside_line: false,
            ended: None,
            limits,
            look_for: None,
            blocks: None,
        }
    }

    /// The buffer, to be used again; one that has grown is given up.
    pub fn into_buffer(self) -> Vec<u8> {
        if self.buffer.len() == READ_BYTES { self.buffer } else { Vec::new() }
    }

    /// Reads about so many bytes in one go: where very many files are read by turns, each comes no further than it must.
    pub fn in_parts(mut self, bytes: usize) -> ChunkReader<R> {
        self.part_bytes = bytes.clamp(1, READ_BYTES);
        self
    }

    /// Puts the reader aside until later; gives its file and its buffer back.
    pub fn pause(self) -> (Paused, R, Vec<u8>) {
        let ChunkReader { offset, inside_line, limits, look_for, blocks, .. } = self;
        let rest = self.buffer[self.consumed..self.filled].to_vec();
        let paused = Paused { rest, offset, inside_line, ended: self.ended, limits, look_for, blocks };
        (paused, self.input, if self.buffer.len() == READ_BYTES { self.buffer } else { Vec::new() })
    }

    /// If the file starts as one with blocks does, read those: chunks then end anywhere.
    pub fn look_for(&mut self, blocks: LookFor) {
        self.look_for = Some(blocks);
    }

    /// The first bytes of the file, up to `bytes` of them; to be called before the first chunk. They do not depend on how
    /// the file is compressed. An error is met again by [`ChunkReader::next_chunk`].
    pub fn head(&mut self, bytes: usize) -> &[u8] {
        while self.filled < bytes.min(READ_BYTES) && matches!(self.fill(), Ok(1..)) {}
        &self.buffer[..self.filled.min(bytes)]
    }

    fn boundary(&mut self, searched: usize) -> Option<usize> {
        let bytes = &self.buffer[..self.filled];
        if let Some(look_for) = self.look_for {
            // What is awaited is short; at the end of the file what is there are lines.
            self.blocks = look_for.detect(bytes)?;
            self.look_for = None;
        }
        match self.blocks {
            Some(Blocks::Journal(Form::Frames)) => whole_frames(bytes),
            Some(Blocks::Journal(Form::Export)) => {
                memchr::memmem::rfind(&bytes[searched..], b"\n\n").map(|at| searched + at + 2)
            }
            Some(_) => (!bytes.is_empty()).then_some(bytes.len()),
            None => memchr::memrchr(b'\n', &bytes[searched..]).map(|at| searched + at + 1),
        }
    }

    /// The next chunk; `None` at the end. An error comes after all that was read before it.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, ReadError> {
        self.buffer.copy_within(self.consumed..self.filled, 0);
        self.filled -= self.consumed;
        self.consumed = 0;
        let mut searched = 0;
        loop {
            if let Some(end) = self.boundary(searched) {
                return Ok(Some(self.take(end, false)));
            }
            if self.filled > self.limits.line_bytes {
                return Ok(Some(self.take(self.limits.line_bytes, true)));
            }
            // The mark of a boundary may be two bytes long.
            searched = if self.look_for.is_some() { 0 } else { self.filled.saturating_sub(1) };
            if self.filled == self.buffer.len() {
                let grown = (self.buffer.len() * 2).min(self.limits.line_bytes.max(READ_BYTES) + 1);
                self.buffer.resize(grown, 0);
            }
            if self.fill()? == 0 {
                return match (self.filled, self.ended.take()) {
                    (0, Some(Ended::Error(error))) => {
                        self.ended = Some(Ended::Quietly);
                        Err(error)
                    }
                    (0, _) => Ok(None),
                    (filled, ended) => {
                        self.ended = ended;
                        Ok(Some(self.take(filled, false)))
                    }
                };
            }
        }
    }

    /// Reads once; 0 at the end, whose reason is kept.
    fn fill(&mut self) -> Result<usize, ReadError> {
        if self.ended.is_some() {
            return Ok(0);
        }
        if self.offset + self.filled as u64 > self.limits.file_bytes {
            self.ended = Some(Ended::Error(ReadError::TooLarge(self.limits.file_bytes)));
            return Ok(0);
        }
        loop {
            let end = self.buffer.len().min(self.filled + self.part_bytes);
            match self.input.read(&mut self.buffer[self.filled..end]) {
                Ok(0) => self.ended = Some(Ended::Quietly),
                Ok(got) => {
                    self.filled += got;
                    return Ok(got);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(ReadError::Quiet),
                Err(error) => self.ended = Some(Ended::Error(error.into())),
            }
            return Ok(0);
        }
    }

    fn take(&mut self, end: usize, cut: bool) -> Chunk<'_> {
        let (offset, continues) = (self.offset, self.inside_line);
        self.consumed = end;
        self.offset += end as u64;
        self.inside_line = cut;
        Chunk { bytes: &self.buffer[..end], offset, continues, cut, blocks: self.blocks }
    }
}

/// Where the last frame ends of which all is there; `None` if none is.
fn whole_frames(bytes: &[u8]) -> Option<usize> {
    let mut end = 0;
    while let Some(length) = journal_frames::frame_bytes(&bytes[end..]).filter(|length| *length <= bytes.len() - end) {
        end += length;
        if end == bytes.len() {
            break;
        }
    }
    (end > 0).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, then an error if told so.
    struct Slow<'a>(&'a [u8], Option<io::ErrorKind>);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match (self.0.split_first(), self.1.take()) {
                (Some((first, rest)), error) => {
                    into[0] = *first;
                    self.0 = rest;
                    self.1 = error;
                    Ok(1)
                }
                (None, Some(error)) => Err(error.into()),
                (None, None) => Ok(0),
            }
        }
    }

    fn pieces(text: &[u8], line_bytes: usize, error: Option<io::ErrorKind>) -> (Vec<(String, u64, bool, bool)>, bool) {
        let limits = ReadLimits { line_bytes, file_bytes: u64::MAX };
        let mut reader = ChunkReader::new(Slow(text, error), limits);
        let mut all = Vec::new();
        loop {
            match reader.next_chunk() {
                Ok(Some(c)) => {
                    all.push((String::from_utf8_lossy(c.bytes).into_owned(), c.offset, c.continues, c.cut));
                }
                Ok(None) => return (all, false),
                Err(_) => return (all, true),
            }
        }
    }

    #[test]
    fn chunks_are_whole_lines_whatever_the_reads() {
        let (all, failed) = pieces(b"one\n\nthree", 100, None);
        assert!(!failed);
        assert_eq!(
            all,
            [("one\n".into(), 0, false, false), ("\n".into(), 4, false, false), ("three".into(), 5, false, false)]
        );
        assert_eq!(pieces(b"", 100, None).0, []);
    }

    #[test]
    fn a_line_beyond_the_limit_comes_in_marked_pieces() {
        let (all, _) = pieces(b"abcdefgh\nx\n", 3, None);
        let text: Vec<_> = all.iter().map(|(text, _, continues, cut)| (text.as_str(), *continues, *cut)).collect();
        assert_eq!(text, [("abc", false, true), ("def", true, true), ("gh\n", true, false), ("x\n", false, false)]);
    }

    #[test]
    fn what_was_read_before_an_error_is_given_before_it() {
        let (all, failed) = pieces(b"one\ntw", 100, Some(io::ErrorKind::InvalidData));
        assert!(failed);
        assert_eq!(all.iter().map(|p| p.0.as_str()).collect::<Vec<_>>(), ["one\n", "tw"]);
    }

    #[test]
    fn a_reader_that_is_put_aside_goes_on_where_it_was() {
        let text = b"one\ntwo\n\na line that is longer than the limit\nlast".as_slice();
        let expected = pieces(text, 10, None).0;
        for part in [1, 3, 7, 100] {
            let limits = ReadLimits { line_bytes: 10, file_bytes: u64::MAX };
            let (mut all, mut buffer, mut at) = (Vec::new(), Vec::new(), 0);
            let mut paused: Option<Paused> = None;
            loop {
                let mut reader = match paused.take() {
                    None => ChunkReader::new(&text[at..], limits),
                    Some(paused) => paused.resume(&text[at..], std::mem::take(&mut buffer)),
                }
                .in_parts(part);
                let Some(c) = reader.next_chunk().unwrap() else { break };
                all.push((String::from_utf8_lossy(c.bytes).into_owned(), c.offset, c.continues, c.cut));
                let (put_aside, input, room) = reader.pause();
                at = text.len() - input.len();
                assert_eq!(put_aside.position(), at as u64);
                (paused, buffer) = (Some(put_aside), room);
            }
            let joined = |all: &[(String, u64, bool, bool)]| all.iter().map(|c| c.0.as_str()).collect::<String>();
            assert_eq!(joined(&all), joined(&expected));
            assert!(part < 100 || all == expected || all.len() <= expected.len(), "{all:?}");
            assert!(all.iter().all(|c| c.0.ends_with('\n') || c.3 || c.0 == "last"), "{all:?}");
        }
    }

    #[test]
    fn a_file_beyond_its_limit_is_cut_and_said() {
        let mut reader = ChunkReader::new(Slow(b"a\nb\nc\n", None), ReadLimits { line_bytes: 100, file_bytes: 3 });
        let mut lines = 0;
        let error = loop {
            match reader.next_chunk() {
                Ok(Some(_)) => lines += 1,
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert_eq!(lines, 2);
        assert!(matches!(error, Some(ReadError::TooLarge(3))));
    }
}
