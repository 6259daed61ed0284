//! What following needs of a file system, so that a model can stand in for it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::identity::FileId;

/// A file system, and its words about what changes in it.
pub trait FileSystem {
    /// An open file: it can be read as long as this lives, whatever becomes of its names.
    type File: OpenFile;

    /// What lies at a path; a link at its end is not followed.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// What is in a folder, in any order, without `.` and `..`.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// Where a link leads, over all links; an error if that is outside of where files may be followed to.
    fn resolve(&self, link: &Path) -> io::Result<PathBuf>;

    /// Opens a regular file for reading; not through a link at the path's end, and only where files may be followed to.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Watches what is created in, moved from, to and with, and deleted from a folder, and nothing that happens often.
    fn watch_folder(&mut self, folder: &Path) -> io::Result<WatchId>;

    /// Tells once when the file at a path is next written to.
    fn watch_file_once(&mut self, path: &Path) -> io::Result<WatchId>;

    /// Ends a watch; one that has ended is no error.
    fn unwatch(&mut self, watch: WatchId);
}

/// An open file.
pub trait OpenFile: Send + Sync + 'static {
    /// What it is by now.
    fn stat(&self) -> io::Result<Stat>;

    /// Reads from an offset; 0 at the end.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
}

/// What the system tells of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: EntryKind,
    /// Its device and inode.
    pub id: FileId,
    /// Its size in bytes.
    pub size: u64,
    /// When its content was last changed, in ns since the epoch; only ever compared for being equal.
    pub modified: i64,
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// What it is.
    pub kind: EntryKind,
    /// Its device and inode.
    pub id: FileId,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a device, a socket.
    Other,
}

/// A watch, by the number that its file system gave it. No number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(pub i32);

/// Something has changed. What it is now must be looked at: between the change and its event more may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsEvent {
    /// In a folder that is watched, or the folder itself; or a file was written to.
    Changed(WatchId),
    /// The watch has ended: what it was for is gone, or it told its one change.
    Ended(WatchId),
    /// More has changed than could be told: look at everything.
    Overflow,
}
