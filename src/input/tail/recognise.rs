//! Whether a file that was not met before holds what one that is known holds: as its copy, compressed, or moved.
//!
//! In go a name in a folder and the known files of its family; out comes which one it is like. Names tell nothing but who is
//! compared: what counts are the first bytes and those before the place up to which a file was read, or, where both are
//! there, the bytes at the end of the copy.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use spanline_parsers::rotation::{self, Packing};

use super::file::{File, Presence};
use super::file_system::{FileSystem, OpenFile, Stat};
use super::opened::{Form, gzip_length, head, holds, packed_holds, read_full, stream};
use crate::files::followed::{Place, SAMPLE_BYTES_MAX, Sample};

/// A file that begins with what is known of another one's beginning, which is as long as this, is taken for it though it
/// has the name that is written to. Shorter ones may have the same head, such as what a program prints when it starts.
const REPLACED_BYTES_MIN: u64 = 2 * SAMPLE_BYTES_MAX as u64;

/// What a file that was not met before is.
#[derive(Debug)]
pub(super) enum Recognised<H> {
    /// None that is known.
    New(Arc<H>, Stat),
    /// What this known file was: the index. Its content is to be found here from now on.
    Moved(usize, Arc<H>, Stat),
    /// It holds what this known file holds, or its beginning; and its last bytes.
    CopyOf(usize, Stat, Sample),
    /// That cannot be told yet: it is being written, or gone again.
    Undecided,
}

/// The name of the family that a file's name belongs to.
pub(super) fn packing(name: &Path) -> Packing {
    rotation::family(&name.to_string_lossy()).packing
}

/// Compares a file with those that are known of its family, `base`, except itself. Those that are there hold what they held.
pub(super) fn recognise<F: FileSystem>(
    fs: &F,
    folder: &Path,
    name: &Path,
    base: &Path,
    files: &[File<F::File>],
    itself: Option<usize>,
) -> io::Result<Recognised<F::File>> {
    let handle = match fs.open(&folder.join(name)) {
        Ok(handle) => Arc::new(handle),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Recognised::Undecided),
        Err(error) => return Err(error),
    };
    let stat = handle.stat()?;
    let is_written_to = name == base;
    // What is written to is no copy while it is short: a copy gets another name.
    if is_written_to && stat.size < REPLACED_BYTES_MIN {
        return Ok(Recognised::New(handle, stat));
    }
    // What is empty is looked at again once it is not.
    if stat.size == 0 {
        return Ok(Recognised::New(handle, stat));
    }
    let (head, form) = match head(&handle) {
        Ok(read) => read,
        // A packed file that is being written ends within.
        Err(error) if is_unfinished(&error) => return Ok(Recognised::Undecided),
        Err(error) => return Err(error),
    };
    if form == Form::Plain && packing(name) != Packing::Plain && stat.size < SAMPLE_BYTES_MAX as u64 {
        return Ok(Recognised::Undecided);
    }
    let unknown = Unknown { handle: &handle, head: &head, form, size: stat.size, is_written_to };
    // What can be compared as a whole tells most; else, the more of a file was read: heads may be the same.
    let own_place = itself.map_or(0, |own| files[own].place.at);
    let tells_more = |file: &File<F::File>| itself.is_none() || file.is_there() || file.place.at > own_place;
    let mut candidates: Vec<(usize, &File<F::File>)> =
        files.iter().enumerate().filter(|(at, file)| Some(*at) != itself && tells_more(file)).collect();
    candidates.sort_by_key(|(_, file)| (!file.is_there(), std::cmp::Reverse((file.place.at, file.size))));
    for (at, file) in candidates {
        match unknown.compare(fs, folder, file)? {
            Likeness::None => {}
            Likeness::Content => return Ok(Recognised::Moved(at, handle, stat)),
            Likeness::Copy => {
                let end = end_of(&*handle, stat.size)?;
                return Ok(Recognised::CopyOf(at, stat, end));
            }
            Likeness::Unclear => return Ok(Recognised::Undecided),
        }
    }
    Ok(Recognised::New(handle, stat))
}

/// The stream of a compressed file ends before its end.
pub(super) fn is_unfinished(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

/// A file that was not met before.
struct Unknown<'u, H> {
    handle: &'u Arc<H>,
    /// Its first bytes, as many as a sample has.
    head: &'u [u8],
    form: Form,
    size: u64,
    is_written_to: bool,
}

enum Likeness {
    None,
    /// It has what is known of the other one, which is not at its inode any more.
    Content,
    /// It is the other one's beginning, or all of it.
    Copy,
    Unclear,
}

impl<H: OpenFile> Unknown<'_, H> {
    fn compare<F: FileSystem<File = H>>(&self, fs: &F, folder: &Path, file: &File<H>) -> io::Result<Likeness> {
        if file.is_there() && file.form != Form::Packed && !self.is_written_to {
            let open = match &file.open {
                Some(open) => Some(open.handle.clone()),
                None => fs.open(&folder.join(&file.name)).ok().map(Arc::new),
            };
            match open.map(|open| self.is_copy_of(&*open)) {
                Some(Ok(true)) => return Ok(Likeness::Copy),
                Some(Err(error)) if is_unfinished(&error) => return Ok(Likeness::Unclear),
                Some(Ok(false)) => {}
                // It is gone, or cannot be read: what was read of it is known.
                Some(Err(_)) | None => {}
            }
        }
        if matches!(file.presence, Presence::Lost | Presence::ToFind) && self.has_content_of(file)? {
            return Ok(Likeness::Content);
        }
        Ok(Likeness::None)
    }

    /// Whether it has what was read of a file that is not at its inode any more.
    fn has_content_of(&self, file: &File<H>) -> io::Result<bool> {
        let place = file.place;
        if place.at == 0 && !file.prefix.is_empty() && !self.is_written_to {
            // Nothing was read of it: its length must do.
            let is_as_long = match self.form {
                Form::Packed => gzip_length(&**self.handle)?.is_some_and(|length| u64::from(length) >= file.sure),
                _ => self.size >= file.sure,
            };
            return Ok(is_as_long && file.prefix.is_start_of(self.head));
        }
        let is_long_enough = place.at > 0 && (!self.is_written_to || place.at >= REPLACED_BYTES_MIN);
        if !is_long_enough || file.prefix.is_empty() || !file.prefix.is_start_of(self.head) {
            return Ok(false);
        }
        match self.form {
            Form::Packed => match packed_holds(self.handle, place) {
                Err(error) if is_unfinished(&error) => Ok(false),
                holds => holds,
            },
            _ => Ok(place.at <= self.size && holds(&**self.handle, place.frontier, place.frontier_start())?),
        }
    }

    /// Whether a file begins with all that this one holds.
    fn is_copy_of(&self, original: &H) -> io::Result<bool> {
        let size = original.stat()?.size;
        let mut bytes = vec![0; self.head.len()];
        if self.head.is_empty() || read_full(original, &mut bytes, 0)? < bytes.len() || bytes != self.head {
            return Ok(false);
        }
        let (length, end) = match self.form {
            Form::Packed => packed_end(self.handle, size)?,
            _ => {
                let mut end = vec![0; self.head.len()];
                let got = read_full(&**self.handle, &mut end, self.size - self.head.len() as u64)?;
                end.truncate(got);
                (self.size, end)
            }
        };
        if length > size || length < end.len() as u64 {
            return Ok(false);
        }
        bytes.resize(end.len(), 0);
        let got = read_full(original, &mut bytes, length - end.len() as u64)?;
        Ok(got == end.len() && bytes == end)
    }
}

/// How long a packed file is, and its last bytes; no more of it is read than shows that it is longer than the limit.
fn packed_end<H: OpenFile>(handle: &Arc<H>, length_max: u64) -> io::Result<(u64, Vec<u8>)> {
    let mut input = stream(handle, &Arc::default())?;
    let mut room = vec![0; 64 * 1024];
    let (mut length, mut end) = (0, Vec::new());
    while length <= length_max {
        let got = input.read(&mut room)?;
        if got == 0 {
            break;
        }
        length += got as u64;
        end.extend_from_slice(&room[got.saturating_sub(SAMPLE_BYTES_MAX)..got]);
        end.drain(..end.len().saturating_sub(SAMPLE_BYTES_MAX));
    }
    Ok((length, end))
}

impl<H: OpenFile> File<H> {
    /// Whether what lies at a path now, at the inode that this one had, is still this one.
    pub(super) fn is_still_at<F: FileSystem<File = H>>(&self, fs: &F, path: &Path) -> io::Result<bool> {
        let handle = Arc::new(fs.open(path)?);
        let stat = handle.stat()?;
        if stat.id != self.id {
            return Ok(false);
        }
        let (head, form) = match head(&handle) {
            Ok(read) => read,
            Err(error) if is_unfinished(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let is_start = self.prefix.is_start_of(&head);
        Ok(match form {
            Form::Packed => is_start && self.form != Form::Plain,
            _ => {
                let is_long_enough = stat.size >= self.place.at.max(self.sure);
                is_start && is_long_enough && holds(&*handle, self.place.frontier, self.place.frontier_start())?
            }
        })
    }
}

/// A copy of a known file, which is not read itself while the known one is there.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) name: Box<Path>,
    /// The number of the file whose content it has.
    pub(super) of: u32,
    /// What it was when it was compared.
    pub(super) stat: Stat,
    /// Its last bytes then, as they are on disk.
    pub(super) end: Sample,
}

/// What a copy has of a file whose own content is gone.
#[derive(Debug)]
pub(super) enum Adopted<H> {
    /// What was read, and perhaps more: it is read on from here.
    All(Arc<H>, Stat),
    /// Less than what was read: all of it was given. Its place is at its end.
    Less(Stat, Sample, Place),
    /// It is no copy any more.
    Nothing,
}

impl Copy {
    /// Whether what has its inode now, at this path, is still it, and perhaps longer.
    pub(super) fn is_still_at<F: FileSystem>(&self, fs: &F, path: &Path) -> bool {
        let Ok(handle) = fs.open(path) else { return false };
        let is_it = |stat: Stat| stat.id == self.stat.id && stat.size >= self.stat.size;
        let start = self.stat.size.saturating_sub(u64::from(self.end.len));
        handle.stat().is_ok_and(is_it) && holds(&handle, self.end, start).unwrap_or(false)
    }

    /// Whether a file begins with all that the copy holds.
    pub(super) fn is_of<F: FileSystem>(&self, fs: &F, folder: &Path, original: &F::File) -> io::Result<bool> {
        let handle = Arc::new(fs.open(&folder.join(&self.name))?);
        let size = handle.stat()?.size;
        let (head, form) = head(&handle)?;
        Unknown { handle: &handle, head: &head, form, size, is_written_to: false }.is_copy_of(original)
    }

    /// Looks whether it still is a copy of a file.
    pub(super) fn adopt<F: FileSystem>(
        &self,
        fs: &F,
        folder: &Path,
        file: &File<F::File>,
    ) -> io::Result<Adopted<F::File>> {
        let handle = Arc::new(fs.open(&folder.join(&self.name))?);
        let stat = handle.stat()?;
        let (head, form) = head(&handle)?;
        let common = file.prefix.bytes().min(head.len());
        // Of a shorter beginning there is no sample.
        let is_start = common < file.prefix.bytes() || file.prefix.is_start_of(&head);
        if stat.id != self.stat.id || !is_start {
            return Ok(Adopted::Nothing);
        }
        let holds = match form {
            Form::Packed => packed_holds(&handle, file.place)?,
            // What was written to it since it was compared was not given.
            _ if stat.size < file.place.at => {
                let place = Place { at: self.stat.size, frontier: self.end };
                return Ok(match holds(&*handle, place.frontier, place.frontier_start())? {
                    true => Adopted::Less(stat, Sample::of_start(&head), place),
                    false => Adopted::Nothing,
                });
            }
            _ => holds(&*handle, file.place.frontier, file.place.frontier_start())?,
        };
        Ok(if holds { Adopted::All(handle, stat) } else { Adopted::Nothing })
    }
}

/// A sample of a file's last bytes, as they are on disk.
fn end_of<H: OpenFile>(handle: &H, size: u64) -> io::Result<Sample> {
    let start = size.saturating_sub(SAMPLE_BYTES_MAX as u64);
    let mut bytes = vec![0; usize::try_from(size - start).unwrap_or(0)];
    let got = read_full(handle, &mut bytes, start)?;
    Ok(Sample::of(&bytes[..got]))
}
