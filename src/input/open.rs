//! Log files opened: only where they may lie, and never read beyond the size that they had then.
//!
//! In goes a path, out come the file's bytes without their compression. A file that grows faster than it is read would
//! never end, so it ends at its size; one that became shorter, or in whose place another has come, ends with an error that
//! tells how much is lost.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use rustix::fs::{Mode, OFlags};

use super::journal::query::JournalQuery;
use super::journal::stream::{self, JournalStream};
use super::temporary::Temporary;
use crate::files::identity::FileId;
use crate::files::section::Section;
use crate::unpack::peeked::Peeked;
use crate::unpack::{self, START_BYTES, unpacked_sized};

/// Bytes of a file that were there and can't be read any more. It is the cause within an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "was emptied, cut or replaced while the run went on: {0} bytes of it were not read; read what it was rotated to, if there is that"
)]
pub struct Lost(pub u64);

impl Lost {
    /// How many bytes an error speaks of.
    pub fn of(error: &io::Error) -> u64 {
        error.get_ref().and_then(|cause| cause.downcast_ref::<Lost>()).map_or(0, |lost| lost.0)
    }
}

/// Opens a file for reading lines, without its compression, or a journal's own file. One that is compressed is unpacked first,
/// to a temporary file of at most so many bytes.
pub fn open_log(path: &Path, query: &JournalQuery, temporary_bytes_max: u64) -> io::Result<Box<dyn Read + Send>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // A pipe gives each of its bytes once.
    if FileId::of(&metadata).is_none() {
        return opened(file, &metadata);
    }
    let section = Section::of(Arc::new(file.try_clone()?), 0, metadata.len());
    let mut start = [0; START_BYTES];
    let got = section.read_at(&mut start, 0)?;
    let section = if stream::is_journal(&start[..got]) {
        section
    } else {
        let input = opened(file, &metadata)?;
        if unpack::is_plain(&start[..got]) {
            return Ok(input);
        }
        let input = Peeked::new(input, START_BYTES)?;
        if !stream::is_journal(input.head()) {
            return Ok(Box::new(input));
        }
        let kept = Temporary::new(temporary_bytes_max).keep(input, &AtomicBool::new(false));
        kept.map_err(|error| io::Error::other(error.to_string()))?
    };
    let query =
        if query.needs_boots() { query.clone().with_boots(&stream::boots(section.clone())) } else { query.clone() };
    Ok(Box::new(JournalStream::new(section, Arc::new(query), None)?))
}

/// What was known of a file before it is opened, and who counts what is read of it.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Folders that it must lie in, if there are any.
    pub roots: Arc<[PathBuf]>,
    /// Its identity and size when it was found.
    pub found: Option<(FileId, u64)>,
    /// Grows by the bytes that come from the disk.
    pub count: Option<Arc<AtomicU64>>,
}

/// Opens a file for reading lines, without its compression.
pub fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    opened(file, &metadata)
}

fn opened(file: File, metadata: &Metadata) -> io::Result<Box<dyn Read + Send>> {
    unpacked_sized(Measured::new(file, metadata, &Expected::default(), 0), metadata.len())
}

/// Opens a file that was found before, as it is. What was opened is looked at, not the path: a link or a pipe may have come
/// in its place.
pub fn open_expected(path: &Path, expected: &Expected) -> io::Result<Measured> {
    let (file, metadata) = file_expected(path, expected)?;
    let lost = match expected.found {
        Some((id, size)) if FileId::of(&metadata) != Some(id) => size,
        Some((_, size)) => size.saturating_sub(metadata.len()),
        None => 0,
    };
    Ok(Measured::new(file, &metadata, expected, lost))
}

/// Opens a file that was found, and read up to a place, before; `None` if it is compressed, so that what comes before must be
/// read again.
pub fn open_plain_at(path: &Path, expected: &Expected, position: u64) -> io::Result<Option<Measured>> {
    let mut measured = open_expected(path, expected)?;
    let mut start = Vec::with_capacity(START_BYTES);
    (&measured.file).take(START_BYTES as u64).read_to_end(&mut start)?;
    if !unpack::is_plain(&start) {
        return Ok(None);
    }
    measured.file.seek(io::SeekFrom::Start(position))?;
    measured.left = measured.left.map(|left| left.saturating_sub(position));
    // What was read before it was cut, or replaced, is not lost.
    let found = expected.found.map_or(measured.size, |(_, size)| size);
    measured.lost = measured.lost.min(found.saturating_sub(position));
    Ok(Some(measured))
}

/// The file itself, to be read in parts, and what the system tells of it.
pub fn file_expected(path: &Path, expected: &Expected) -> io::Result<(File, Metadata)> {
    if expected.roots.is_empty() {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        return Ok((file, metadata));
    }
    let (file, met_no_link) = open_in_place(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("is no regular file any more; it was left out"));
    }
    let is_within = |place: PathBuf| expected.roots.iter().any(|root| place.starts_with(root));
    let is_known_within = met_no_link && without_detours(path).is_some_and(is_within);
    if !is_known_within && place(&file)?.is_some_and(|place| !is_within(place)) {
        return Err(io::Error::other("a link now leads out of the given folders; it was left out"));
    }
    Ok((file, metadata))
}

/// Counts what is read of a part of a file.
pub(super) struct Counted<R> {
    pub(super) input: R,
    pub(super) count: Option<Arc<AtomicU64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.input.read(into)?;
        if let Some(count) = &self.count {
            count.fetch_add(got as u64, Ordering::Relaxed);
        }
        Ok(got)
    }
}

/// Standard input: as a file, if the shell has connected it to one.
pub fn standard_input() -> io::Result<Box<dyn Read + Send>> {
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let metadata = file.metadata()?;
    if FileId::of(&metadata).is_none() {
        return Ok(Box::new(io::stdin()));
    }
    let position = file.stream_position()?;
    let mut measured = Measured::new(file, &metadata, &Expected::default(), 0);
    measured.left = measured.left.map(|left| left.saturating_sub(position));
    Ok(Box::new(measured))
}

const IN_PLACE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens what lies at the path, of which links were resolved before: no link at its end is followed, and no writer of a
/// pipe is awaited. Also tells whether no link was met on the way to it: then it lies where its path says.
fn open_in_place(path: &Path) -> io::Result<(File, bool)> {
    if let Some(file) = open_without_links(path) {
        return Ok((file, true));
    }
    loop {
        return match rustix::fs::open(path, IN_PLACE, Mode::empty()) {
            Ok(descriptor) => Ok((descriptor.into(), false)),
            Err(rustix::io::Errno::INTR) => continue,
            Err(rustix::io::Errno::LOOP) => Err(io::Error::other("a link has come in its place; it was left out")),
            Err(error) => Err(error.into()),
        };
    }
}

/// Opens it if there is no link in the whole path, and the system can be asked for that: Linux from 5.6 on.
#[cfg(target_os = "linux")]
fn open_without_links(path: &Path) -> Option<File> {
    use rustix::fs::{CWD, ResolveFlags, openat2};
    openat2(CWD, path, IN_PLACE, Mode::empty(), ResolveFlags::NO_SYMLINKS).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn open_without_links(_: &Path) -> Option<File> {
    None
}

/// A path from the root; `None` if it goes up on its way.
fn without_detours(path: &Path) -> Option<PathBuf> {
    // The system is asked once, and not for each of very many files.
    static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| std::env::current_dir().ok());
    let goes_up = path.components().any(|part| part == Component::ParentDir);
    let from_root = || Some(if path.is_absolute() { path.to_owned() } else { FOLDER.as_ref()?.join(path) });
    if goes_up { None } else { std::path::absolute(from_root()?).ok() }
}

/// Where an open file lies; `None` on a system that never tells. One that should and does not is an error: without its
/// word, a link could lead anywhere.
#[cfg(target_os = "linux")]
fn place(file: &File) -> io::Result<Option<PathBuf>> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    match std::fs::read_link(&link) {
        Ok(place) => Ok(Some(place)),
        Err(error) => Err(io::Error::other(format!("{link} does not tell where it lies ({error}); it was left out"))),
    }
}

#[cfg(not(target_os = "linux"))]
fn place(_: &File) -> io::Result<Option<PathBuf>> {
    Ok(None)
}

/// Reads a file up to the size that it had when it was opened, counts that, and tells at the end what is lost.
#[derive(Debug)]
pub struct Measured {
    file: File,
    count: Option<Arc<AtomicU64>>,
    /// Bytes up to that size; `None` for a pipe or a device. Files of /proc have the size 0 and something in them.
    left: Option<u64>,
    size: u64,
    /// What was lost before it was opened.
    lost: u64,
}

impl Measured {
    fn new(file: File, metadata: &Metadata, expected: &Expected, lost: u64) -> Measured {
        let size = metadata.len();
        let ends = FileId::of(metadata).is_some() && (size > 0 || expected.found.is_some());
        Measured { file, count: expected.count.clone(), left: ends.then_some(size), size, lost }
    }

    /// The end: `Lost` once, if anything is.
    fn ended(&mut self) -> io::Result<usize> {
        let mut lost = std::mem::take(&mut self.lost);
        if let Some(left) = self.left.replace(0).filter(|left| *left > 0)
            // Files of /sys are shorter than they say, always.
            && self.file.metadata()?.len() < self.size
        {
            lost += left;
        }
        if lost > 0 { Err(io::Error::other(Lost(lost))) } else { Ok(0) }
    }
}

impl Read for Measured {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let room = match self.left {
            Some(left) => usize::try_from(left).unwrap_or(usize::MAX).min(into.len()),
            None => into.len(),
        };
        if room == 0 {
            return if into.is_empty() { Ok(0) } else { self.ended() };
        }
        let got = self.file.read(&mut into[..room])?;
        if got == 0 {
            return self.ended();
        }
        if let Some(left) = &mut self.left {
            *left -= got as u64;
        }
        if let Some(count) = &self.count {
            count.fetch_add(got as u64, Ordering::Relaxed);
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The text read and how many bytes were lost.
    fn rest(mut input: Box<dyn Read + Send>) -> (String, u64) {
        let mut text = String::new();
        let lost = input.read_to_string(&mut text).map_or_else(|error| Lost::of(&error), |_| 0);
        assert_eq!(input.read(&mut [0; 8]).unwrap(), 0, "it is told once");
        (text, lost)
    }

    #[test]
    fn a_file_ends_at_the_size_it_had_when_it_was_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        append(&path, "one\n");
        let input = open(&path).unwrap();
        append(&path, "two\n");
        assert_eq!(rest(input), ("one\n".into(), 0));
        // As an endless one: each read is followed by another line.
        let mut input = open(&path).unwrap();
        let mut sum = 0;
        for _ in 0..100 {
            sum += input.read(&mut [0; 3]).unwrap();
            append(&path, "more\n");
        }
        assert_eq!(sum, 8);
    }

    #[test]
    fn what_cannot_be_read_any_more_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let text = "line\n".repeat(100);
        append(&path, &text);
        let found = |count: &Option<Arc<AtomicU64>>| {
            let metadata = fs::metadata(&path).unwrap();
            let found = FileId::of(&metadata).map(|id| (id, metadata.len()));
            Expected { found, count: count.clone(), ..Expected::default() }
        };
        let count = Some(Arc::new(AtomicU64::new(0)));
        let expected = found(&count);
        // Emptied after some of it was read.
        let mut input = Box::new(open_expected(&path, &expected).unwrap());
        let mut some = [0; 50];
        input.read_exact(&mut some).unwrap();
        fs::write(&path, "").unwrap();
        append(&path, "new\n");
        assert_eq!(rest(input), (String::new(), 450));
        assert_eq!(count.as_ref().unwrap().load(Ordering::Relaxed), 50);
        // Emptied before it was opened.
        assert_eq!(rest(Box::new(open_expected(&path, &expected).unwrap())), ("new\n".into(), 496));
        // Rotated: another file of this name.
        fs::rename(&path, folder.path().join("a.log.1")).unwrap();
        append(&path, &"x".repeat(1000));
        assert_eq!(rest(Box::new(open_expected(&path, &expected).unwrap())).1, 500);
        assert_eq!(rest(Box::new(open_expected(&path, &found(&count)).unwrap())).1, 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn files_that_do_not_tell_their_size_are_read_to_their_end() {
        let (text, lost) = rest(open(Path::new("/proc/self/status")).unwrap());
        assert!(text.contains("VmPeak") && lost == 0, "{text}");
        assert_eq!(rest(open(Path::new("/dev/null")).unwrap()), (String::new(), 0));
    }
}
