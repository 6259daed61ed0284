//! The files of the source that is being read: how far each is what an earlier run read of it.
//!
//! In go the bytes as they are read, out come marks of them, and whether an earlier run read the same record at the same
//! offset. Whether a destination has it is not known here.

use super::acknowledged::Acknowledged;
use super::known::KnownStream;
use super::marks::{Mark, Marks, Running};
use super::recognise::KnownFile;
use crate::record::{Position, Record};

/// The files of a source.
#[derive(Debug, Clone, Default)]
pub struct SourceFiles {
    files: Vec<SourceFile>,
    /// The one that is being read.
    file: u32,
    hashing: Option<Hashing>,
}

/// A file of the source.
#[derive(Debug, Clone)]
struct SourceFile {
    known: KnownFile,
    /// Where its records end, once it has been read.
    end: Option<u64>,
}

/// The bytes of the file that is being read.
#[derive(Debug, Clone)]
struct Hashing {
    running: Running,
    marks: Marks,
    /// It was the same up to here when the run began; not met yet.
    check: Option<Mark>,
    changed: bool,
    /// It is longer than it was.
    grown: bool,
}

impl SourceFiles {
    /// Files that are known so.
    pub fn new(known: Vec<KnownFile>) -> SourceFiles {
        let files = known.into_iter().map(|known| SourceFile { known, end: None }).collect();
        SourceFiles { files, ..SourceFiles::default() }
    }

    /// All files have been read: what comes again are their records, not their bytes.
    pub fn are_read(&mut self) {
        self.files.iter_mut().for_each(|file| file.known.marks = None);
    }

    /// Takes over what was found of the same files while they were read.
    pub(super) fn take_over(&mut self, read: &SourceFiles) {
        for (file, read) in self.files.iter_mut().zip(&read.files) {
            (file.known.verified, file.end) = (read.known.verified, read.end);
        }
    }

    /// What earlier runs knew of a file.
    pub fn known(&self, file: u32) -> Option<&KnownFile> {
        self.files.get(file as usize).map(|file| &file.known)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The number of each file, and where its records end, if all are as a whole what they were and none was read since.
    pub(super) fn whole(&self) -> Option<Vec<(u32, u64)>> {
        let is_whole = |file: &&SourceFile| file.known.is_whole && file.end.is_none();
        let whole = |file| Some(file).filter(is_whole).map(|file| (file.known.number, file.known.verified));
        self.files.iter().map(whole).collect()
    }

    /// The number of each file, and where its records end, if all were read to their ends.
    pub fn ends(&self) -> Option<Vec<(u32, u64)>> {
        self.files.iter().map(|file| Some((file.known.number, file.end?))).collect()
    }

    /// Whether a file is the one that is being read.
    pub(super) fn is_current(&self, file: u32) -> bool {
        self.file == file
    }

    /// The place of the one that is being read.
    pub(super) fn current(&self) -> u32 {
        self.file
    }

    /// Whether a record that ends there goes on in a later file than its own, as far as is known.
    #[inline]
    pub(super) fn goes_on(&self, file: u32, end: u64) -> bool {
        let is_beyond = |of: &SourceFile| of.end.is_none_or(|file_end| end > file_end);
        file != self.file && self.files.get(file as usize).is_none_or(is_beyond)
    }

    /// A file begins.
    pub fn file_begins(&mut self, file: u32) {
        self.file = file;
        let known = &self.files[file as usize].known;
        let check = |marks: &Marks| marks.list().iter().rfind(|mark| mark.at <= known.verified).copied();
        self.hashing = known.marks.clone().map(|marks| Hashing {
            running: Running::default(),
            check: check(&marks),
            marks,
            changed: false,
            grown: false,
        });
    }

    /// Bytes of the file, before their records come.
    #[inline]
    pub fn bytes_read(&mut self, bytes: &[u8], acknowledged: &Acknowledged) {
        if self.hashing.is_some() {
            self.hash(bytes, acknowledged);
        }
    }

    fn hash(&mut self, mut bytes: &[u8], acknowledged: &Acknowledged) {
        let Some(hashing) = self.hashing.as_mut().filter(|hashing| !hashing.changed) else { return };
        if let Some(check) = hashing.check
            && check.at - hashing.running.at() <= bytes.len() as u64
        {
            let (before, after) = bytes.split_at((check.at - hashing.running.at()) as usize);
            hashing.running.write(before);
            bytes = after;
            hashing.check = None;
            if hashing.running.mark() != check {
                self.changed(acknowledged);
                return;
            }
        }
        let known = &self.files[self.file as usize].known;
        let is_all_verified = hashing.marks.list().last().is_none_or(|last| last.at <= known.verified);
        hashing.running.feed(bytes, &mut hashing.marks);
        if hashing.check.is_some() || hashing.running.at() <= known.verified {
            return;
        }
        if !std::mem::replace(&mut hashing.grown, true) && is_all_verified && known.verified > 0 {
            acknowledged.grows(known.number, known.verified);
        }
        acknowledged.mark(known.number, &hashing.marks);
    }

    /// It is not the file any more that was compared when the run began.
    #[cold]
    fn changed(&mut self, acknowledged: &Acknowledged) {
        let known = &mut self.files[self.file as usize].known;
        known.verified = 0;
        acknowledged.forget(known.number);
        if let Some(hashing) = &mut self.hashing {
            hashing.changed = true;
        }
    }

    /// The file ends; a message if it is not the one that it was when the run began.
    pub fn file_ends(&mut self, whole: bool, acknowledged: &Acknowledged) -> Option<&'static str> {
        if whole && self.hashing.as_ref().is_some_and(|hashing| hashing.check.is_some()) {
            self.changed(acknowledged);
        }
        let mut hashing = self.hashing.take()?;
        if hashing.changed {
            return Some(
                "was written anew while it was read; records of it may be missing, and all of it is sent by the next run",
            );
        }
        if whole {
            let file = &mut self.files[self.file as usize];
            hashing.running.finish(&mut hashing.marks);
            acknowledged.mark(file.known.number, &hashing.marks);
            file.end = Some(hashing.running.end());
        }
        None
    }

    /// Whether the bytes of a record are those that an earlier run read at its place.
    #[inline]
    pub fn is_verified(&self, record: &Record<'_>, stream: &KnownStream, acknowledged: &Acknowledged) -> bool {
        let Position { file, end, .. } = record.position;
        let Some(of) = self.files.get(file as usize) else { return false };
        end <= of.known.verified && file == self.file
            || file != self.file && is_older_verified(record, of, stream, acknowledged)
    }
}

/// The same for a record whose file has ended: it may go on in the next.
#[cold]
fn is_older_verified(record: &Record<'_>, of: &SourceFile, stream: &KnownStream, acknowledged: &Acknowledged) -> bool {
    let Position { offset, end, .. } = record.position;
    let Some(file_end) = of.end.filter(|file_end| end > *file_end) else { return end <= of.known.verified };
    if !acknowledged.remembers() {
        return false;
    }
    let hash = twox_hash::XxHash64::oneshot(0, record.payload);
    let is_same = stream.joined.get(&end) == Some(&hash);
    if !is_same {
        acknowledged.join(stream.index, offset, end, hash);
    }
    is_same && of.known.verified >= file_end
}
