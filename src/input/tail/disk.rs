//! The file system of the machine.
//!
//! Files are opened only where they may be followed to (see [`crate::input::open`]), and links are resolved only to there.
//! What changes is told by inotify.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{DirEntryExt, FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::config::TailInput;
use super::file_system::{Entry, EntryKind, FileSystem, OpenFile, Stat, WatchId};
use super::inotify::{EventReader, Inotify};
use super::scope::roots;
use crate::files::identity::FileId;
use crate::input::open::{Expected, file_expected};

/// The file system of the machine.
#[derive(Debug)]
pub struct Disk {
    /// Where files may be followed to.
    expected: Expected,
    inotify: Result<Inotify, io::Error>,
}

impl Disk {
    /// For files of these inputs; also gives what reads the events of its watches, unless there are none to be had: each
    /// watch then fails with the reason.
    pub fn new(inputs: &[TailInput]) -> (Disk, Option<EventReader>) {
        let expected = Expected { roots: roots(inputs).into(), ..Expected::default() };
        match Inotify::new() {
            Ok((inotify, reader)) => (Disk { expected, inotify: Ok(inotify) }, Some(reader)),
            Err(error) => (Disk { expected, inotify: Err(error) }, None),
        }
    }

    fn inotify(&self) -> io::Result<&Inotify> {
        self.inotify.as_ref().map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error.to_string()))
    }
}

impl FileSystem for Disk {
    type File = File;

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(stat_of(&fs::symlink_metadata(path)?))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let device = fs::metadata(folder)?.dev();
        fs::read_dir(folder)?
            .map(|entry| {
                let entry = entry?;
                let id = FileId::new(device, entry.ino());
                Ok(Entry { name: entry.file_name(), kind: kind_of(entry.file_type()?), id })
            })
            .collect()
    }

    fn resolve(&self, link: &Path) -> io::Result<PathBuf> {
        let target = link.canonicalize()?;
        if self.expected.roots.iter().any(|root| target.starts_with(root)) {
            return Ok(target);
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "a link leads out of the folders that are followed"))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        let file = file_expected(path, &self.expected)?.0;
        // Otherwise each reading of what was just written would write to its inode. Not allowed for the files of others, and no
        // matter then.
        let _ = fcntl_getfl(&file).and_then(|flags| fcntl_setfl(&file, flags | OFlags::NOATIME));
        Ok(file)
    }

    fn watch_folder(&mut self, folder: &Path) -> io::Result<WatchId> {
        self.inotify()?.watch_folder(folder)
    }

    fn watch_file_once(&mut self, path: &Path) -> io::Result<WatchId> {
        self.inotify()?.watch_file_once(path)
    }

    fn unwatch(&mut self, watch: WatchId) {
        if let Ok(inotify) = &self.inotify {
            inotify.unwatch(watch);
        }
    }
}

impl OpenFile for File {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&self.metadata()?))
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, at)
    }
}

fn stat_of(metadata: &Metadata) -> Stat {
    Stat {
        kind: kind_of(metadata.file_type()),
        id: FileId::new(metadata.dev(), metadata.ino()),
        size: metadata.len(),
        modified: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
    }
}

fn kind_of(kind: fs::FileType) -> EntryKind {
    match kind {
        kind if kind.is_file() => EntryKind::File,
        kind if kind.is_dir() => EntryKind::Folder,
        kind if kind.is_symlink() => EntryKind::Link,
        kind => {
            debug_assert!(kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device());
            EntryKind::Other
        }
    }
}
