//! The bytes of an open file, decompressed: from an offset on, its first ones, and samples of it.
//!
//! A plain file is read at offsets. A compressed one is a stream that goes on where it stands; what was read of it and not
//! given is held. Which bytes are lines is not known here.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::file_system::OpenFile;
use crate::files::followed::{Place, SAMPLE_BYTES_MAX, Sample};
use crate::unpack::{self, START_BYTES, unpacked_sized};

/// Decompressed bytes that are passed over in one turn to come to the place from which a file is read on.
const SKIPPED_BYTES_MAX: u64 = 8 << 20;

/// How the content is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Not looked at yet.
    Unknown,
    /// As it is.
    Plain,
    /// Compressed. Offsets are of the decompressed bytes.
    Packed,
}

/// An open file.
#[derive(Debug)]
pub(super) struct Opened<H> {
    pub(super) handle: Arc<H>,
    /// The stream of a packed one, once it was begun.
    pub(super) packed: Option<Packed>,
    /// It stays open after its turn. Otherwise its stream begins anew each time, and must come as far in one turn.
    pub(super) is_kept: bool,
    /// Counts what is open.
    _held: Held,
}

/// One of the files that are held open.
#[derive(Debug)]
pub(super) struct Held(Arc<AtomicUsize>);

impl Held {
    /// One more.
    pub(super) fn new(count: &Arc<AtomicUsize>) -> Held {
        count.fetch_add(1, Ordering::Relaxed);
        Held(count.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The stream of a packed file.
pub(super) struct Packed {
    input: Box<dyn Read + Send>,
    /// What was read and not given, and the frontier before it.
    held: Vec<u8>,
    /// Bytes to pass over until the frontier.
    skip: u64,
    /// Bytes taken from the disk.
    consumed: Arc<AtomicU64>,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed").field("skip", &self.skip).finish_non_exhaustive()
    }
}

/// Reads a file from its start.
struct FromStart<H> {
    handle: Arc<H>,
    consumed: Arc<AtomicU64>,
}

impl<H: OpenFile> Read for FromStart<H> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.handle.read_at(into, self.consumed.load(Ordering::Relaxed))?;
        self.consumed.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// Room that is made for the first read of a turn.
const STEP_BYTES: usize = 16 * 1024;

impl<H: OpenFile> Opened<H> {
    pub(super) fn new(handle: Arc<H>, held: Held) -> Opened<H> {
        Opened { handle, packed: None, is_kept: true, _held: held }
    }

    /// Bytes on disk that were taken by the stream of a packed file.
    pub(super) fn consumed(&self) -> u64 {
        self.packed.as_ref().map_or(0, |packed| packed.consumed.load(Ordering::Relaxed))
    }

    /// Bytes that the stream of a packed file has read and not given, and the frontier before them.
    pub(super) fn held_bytes(&self) -> usize {
        self.packed.as_ref().map_or(0, |packed| packed.held.len())
    }

    /// Fills the window from an offset on; returns whether the file ended.
    pub(super) fn fill(&mut self, window: &mut Vec<u8>, start: u64, bytes: usize) -> io::Result<bool> {
        let mut filled = 0;
        window.clear();
        if let Some(packed) = &mut self.packed {
            filled = packed.held.len().min(bytes);
            window.extend_from_slice(&packed.held[..filled]);
        }
        let mut has_ended = false;
        while filled < bytes && !has_ended {
            // Most turns find little: no more room is made than was needed so far, and as much again.
            window.resize((filled * 2).max(STEP_BYTES).min(bytes), 0);
            let into = &mut window[filled..];
            let asked = into.len();
            let got = match &mut self.packed {
                Some(packed) => packed.input.read(into),
                None => self.handle.read_at(into, start + filled as u64),
            };
            match got {
                Ok(0) => has_ended = true,
                Ok(got) => {
                    filled += got;
                    // A regular file gives what it has.
                    has_ended = got < asked && self.packed.is_none();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    window.truncate(filled);
                    return Err(error);
                }
            }
        }
        window.truncate(filled);
        if let Some(packed) = &mut self.packed {
            packed.held.clear();
            packed.held.extend_from_slice(window);
        }
        Ok(has_ended)
    }
}

/// What the search for the end of a long line has found.
pub(super) struct Searched {
    /// So many bytes were looked at.
    pub(super) bytes: usize,
    pub(super) has_found: bool,
    pub(super) has_ended: bool,
}

impl<H: OpenFile> Opened<H> {
    /// Looks for a line feed behind what was searched before, so that a line which grows by bytes is not read again for each.
    pub(super) fn search(&mut self, window: &mut Vec<u8>, searched: u64, turn_bytes: usize) -> io::Result<Searched> {
        let has_ended = self.fill(window, searched, turn_bytes)?;
        let has_found = memchr::memchr(b'\n', window).is_some();
        Ok(Searched { bytes: window.len(), has_found, has_ended })
    }

    /// Brings the stream of a packed file to where it is read on; `false` if that takes another turn.
    pub(super) fn come_to(&mut self, start: u64) -> io::Result<bool> {
        let packed = match &mut self.packed {
            Some(packed) => packed,
            none => none.insert(Packed::new(&self.handle, start)?),
        };
        while packed.skip > 0 {
            let step = packed.skip.min(SKIPPED_BYTES_MAX);
            let skipped = io::copy(&mut packed.input.by_ref().take(step), &mut io::sink())?;
            packed.skip -= skipped;
            if skipped < step {
                // It is shorter than what was read of it: the frontier will tell.
                packed.skip = 0;
            } else if packed.skip > 0 && self.is_kept {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Packed {
    /// So many of the held bytes are not needed any more.
    pub(super) fn give(&mut self, bytes: usize) {
        self.held.drain(..bytes);
    }

    fn new<H: OpenFile>(handle: &Arc<H>, start: u64) -> io::Result<Packed> {
        let consumed = Arc::new(AtomicU64::new(0));
        let input = stream(handle, &consumed)?;
        Ok(Packed { input, held: Vec::new(), skip: start, consumed })
    }
}

/// The decompressed bytes of a file.
pub(super) fn stream<H: OpenFile>(handle: &Arc<H>, consumed: &Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
    let size = handle.stat()?.size;
    unpacked_sized(FromStart { handle: handle.clone(), consumed: consumed.clone() }, size)
}

/// How a file is stored.
pub(super) fn form<H: OpenFile>(handle: &H) -> io::Result<Form> {
    let mut start = [0; START_BYTES];
    let got = read_full(handle, &mut start, 0)?;
    Ok(if unpack::is_plain(&start[..got]) { Form::Plain } else { Form::Packed })
}

/// The first bytes of a file without its compression, as many as a sample has; and whether there was any.
pub(super) fn head<H: OpenFile>(handle: &Arc<H>) -> io::Result<(Vec<u8>, Form)> {
    head_of(handle, SAMPLE_BYTES_MAX)
}

/// The same of so many bytes.
pub(super) fn head_of<H: OpenFile>(handle: &Arc<H>, bytes: usize) -> io::Result<(Vec<u8>, Form)> {
    let form = form(&**handle)?;
    let mut head = vec![0; bytes];
    let got = match form {
        Form::Packed => {
            let mut input = stream(handle, &Arc::default())?.take(bytes as u64);
            head.clear();
            input.read_to_end(&mut head)?
        }
        _ => read_full(&**handle, &mut head, 0)?,
    };
    head.truncate(got);
    Ok((head, form))
}

/// Whether a plain file has these bytes there.
pub(super) fn holds<H: OpenFile>(handle: &H, sample: Sample, at: u64) -> io::Result<bool> {
    let mut bytes = vec![0; sample.bytes()];
    let got = read_full(handle, &mut bytes, at)?;
    Ok(got == bytes.len() && Sample::of(&bytes) == sample)
}

/// Whether the decompressed bytes of a packed file have the frontier before the place. The length that gzip tells at its end
/// spares decompressing a file that was read as a whole.
pub(super) fn packed_holds<H: OpenFile>(handle: &Arc<H>, place: Place) -> io::Result<bool> {
    if place.at >= 2 * SAMPLE_BYTES_MAX as u64 && gzip_length(&**handle)? == Some(place.at as u32) {
        return Ok(true);
    }
    let mut input = stream(handle, &Arc::default())?;
    io::copy(&mut input.by_ref().take(place.frontier_start()), &mut io::sink())?;
    let mut bytes = Vec::with_capacity(place.frontier.bytes());
    input.take(u64::from(place.frontier.len)).read_to_end(&mut bytes)?;
    Ok(Sample::of(&bytes) == place.frontier)
}

/// Whether a packed file tells that it holds so many bytes.
pub(super) fn packed_ends_at<H: OpenFile>(handle: &H, at: u64) -> bool {
    gzip_length(handle).is_ok_and(|length| length == Some(at as u32))
}

/// The length of the decompressed bytes modulo 2^32, as a gzip file of one member tells it.
/// <https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1>
pub(super) fn gzip_length<H: OpenFile>(handle: &H) -> io::Result<Option<u32>> {
    let (mut magic, mut length) = ([0; 2], [0; 4]);
    let Some(at) = handle.stat()?.size.checked_sub(18) else { return Ok(None) };
    let is_gzip = read_full(handle, &mut magic, 0)? == 2 && magic == [0x1f, 0x8b];
    let got = read_full(handle, &mut length, at + 14)?;
    Ok((is_gzip && got == 4).then(|| u32::from_le_bytes(length)))
}

/// Reads until the room is full or the file ends.
pub(super) fn read_full<H: OpenFile>(handle: &H, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match handle.read_at(&mut into[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A new file is read from here on if only what is written from now on counts: behind its last whole line, as far as that
/// is near its end; one that is not written to any more is passed over as a whole.
pub(super) fn place_at_end<H: OpenFile>(handle: &H, size: u64, is_newest: bool) -> io::Result<Place> {
    const NEAR_BYTES: u64 = 4096;
    let start = size.saturating_sub(NEAR_BYTES);
    let mut bytes = vec![0; usize::try_from(size - start).unwrap_or(0)];
    let got = read_full(handle, &mut bytes, start)?;
    bytes.truncate(got);
    let line_end = memchr::memrchr(b'\n', &bytes).map(|last| last + 1).or((start == 0).then_some(0));
    let end = line_end.filter(|_| is_newest).unwrap_or(bytes.len());
    Ok(Place { at: start + end as u64, frontier: Sample::of_end(&bytes[..end]) })
}
