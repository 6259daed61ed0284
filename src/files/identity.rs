//! Which names, links and descriptors lead to one and the same file.
//!
//! In goes a path or an open descriptor, out comes the device and inode of a regular file, or the place where a file that
//! does not exist yet would be made. What goes to a terminal, a pipe or a device has no identity: writing there destroys
//! nothing.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Symbolic links followed at the end of a path, as Linux does it.
const LINKS_MAX: usize = 40;

/// A regular file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// By the numbers of its device and inode.
    pub fn new(device: u64, inode: u64) -> FileId {
        FileId { device, inode }
    }

    /// The number of its device.
    pub fn device(self) -> u64 {
        self.device
    }

    /// The number of its inode, which is unique on the device while the file exists.
    pub fn inode(self) -> u64 {
        self.inode
    }

    /// Of what the metadata belong to; `None` if that is no regular file.
    pub fn of(metadata: &Metadata) -> Option<FileId> {
        metadata.is_file().then(|| FileId { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Of the file that a path leads to; `None` if there is none, or no regular one.
    pub fn at(path: &Path) -> Option<FileId> {
        FileId::of(&fs::metadata(path).ok()?)
    }

    /// Of an open descriptor.
    pub fn of_descriptor(descriptor: impl AsFd) -> Option<FileId> {
        let file = File::from(descriptor.as_fd().try_clone_to_owned().ok()?);
        FileId::of(&file.metadata().ok()?)
    }
}

/// Where a file is written that is opened by this path: symbolic links at its end are followed, also those that lead to
/// nothing yet. `None` if the path stands for an open descriptor (`/dev/stdout`): that cannot be replaced.
pub fn target(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut at = path.to_owned();
    for _ in 0..LINKS_MAX {
        if is_descriptor(&at) {
            return Ok(None);
        }
        match fs::read_link(&at) {
            Ok(to) => at = at.parent().unwrap_or(Path::new("")).join(to),
            // No link, or nothing at all.
            Err(_) => return Ok(Some(at)),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn is_descriptor(path: &Path) -> bool {
    ["/dev/stdin", "/dev/stdout", "/dev/stderr"].iter().any(|name| path == Path::new(name))
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc")
}

/// One spelling for all paths that lead to the same place, whether there is a file or not.
pub fn canonical(path: &Path) -> PathBuf {
    let path = target(path).ok().flatten().unwrap_or_else(|| path.to_owned());
    let path = std::path::absolute(&path).unwrap_or(path);
    let mut missing: Vec<OsString> = Vec::new();
    let mut above = path.as_path();
    let mut found = loop {
        if let Ok(found) = above.canonicalize() {
            break found;
        }
        match (above.parent(), above.components().next_back()) {
            (Some(parent), Some(last)) => {
                missing.push(last.as_os_str().to_owned());
                above = parent;
            }
            _ => break PathBuf::new(),
        }
    };
    for part in missing.iter().rev() {
        match Path::new(part).components().next() {
            Some(Component::ParentDir) => drop(found.pop()),
            Some(Component::CurDir) | None => {}
            Some(_) => found.push(part),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn all_names_of_a_file_have_one_identity_and_devices_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "x").unwrap();
        fs::write(at("other"), "x").unwrap();
        symlink("a", at("link")).unwrap();
        fs::hard_link(at("a"), at("hard")).unwrap();
        let id = FileId::at(&at("a"));
        assert!(id.is_some());
        assert_eq!((FileId::at(&at("link")), FileId::at(&at("hard"))), (id, id));
        assert_eq!(FileId::of_descriptor(File::open(at("a")).unwrap()), id);
        assert_ne!(FileId::at(&at("other")), id);
        for none in [Path::new("/dev/null"), folder.path(), &at("missing")] {
            assert_eq!(FileId::at(none), None, "{none:?}");
        }
    }

    #[test]
    fn places_are_compared_before_there_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink("real", at("alias")).unwrap();
        symlink("real/new", at("dangling")).unwrap();
        let same = canonical(&at("real/new"));
        for name in ["alias/new", "dangling", "real/./new", "real/../real/new", "missing/../real/new"] {
            assert_eq!(canonical(&at(name)), same, "{name}");
        }
        assert_eq!(canonical(&at("no/such/x")), canonical(&at("no/other/../such/x")));
        assert_ne!(canonical(&at("real/newer")), same);
        assert_eq!(target(Path::new("/dev/stdout")).unwrap(), None);
        symlink("loop", at("loop")).unwrap();
        assert!(target(&at("loop")).is_err());
    }
}
