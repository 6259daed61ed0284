//! One folder: what lies in it.
//!
//! In go a path, or a name in a folder that is open, out come names with their kinds. Names are looked up in the folder itself:
//! the system walks no path again for each of very many files, and what has become a link meanwhile leads nowhere.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use crate::files::identity::FileId;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A folder that is open.
pub(super) struct Folder(Dir);

impl Folder {
    /// Opens the folder that a path leads to.
    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        Ok(Folder(Dir::new(openat(CWD, path, FOLDER, Mode::empty())?)?))
    }

    /// Opens a folder in it.
    pub(super) fn below(&self, name: &OsStr) -> io::Result<Folder> {
        Ok(Folder(Dir::new(openat(self.0.fd()?, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?)?))
    }

    /// The names in it, as the system gives them, and what each is.
    pub(super) fn entries(&mut self) -> Vec<io::Result<(OsString, FileType)>> {
        let mut entries = Vec::new();
        while let Some(entry) = self.0.read() {
            match entry {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => {
                    let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
                    // Some file systems tell it only when they are asked for each.
                    let kind = match entry.file_type() {
                        FileType::Unknown => self.stat(&name).map(|stat| FileType::from_raw_mode(stat.st_mode)),
                        kind => Ok(kind),
                    };
                    entries.push(kind.map(|kind| (name, kind)));
                }
                Err(error) => entries.push(Err(error.into())),
            }
        }
        entries
    }

    /// The size of a regular file in it, and which it is; `None` if something else is called so.
    pub(super) fn file(&self, name: &OsStr) -> io::Result<Option<(u64, FileId)>> {
        let stat = self.stat(name)?;
        let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
        Ok(is_file.then(|| (stat.st_size as u64, FileId::new(stat.st_dev, stat.st_ino))))
    }

    fn stat(&self, name: &OsStr) -> io::Result<rustix::fs::Stat> {
        Ok(statat(self.0.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_lies_in_a_folder_is_told_and_no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("b")).unwrap();
        fs::write(place.path().join("b/1.log"), "one").unwrap();
        std::os::unix::fs::symlink("b", place.path().join("link")).unwrap();
        let mut folder = Folder::open(place.path()).unwrap();
        let mut entries: Vec<_> = folder.entries().into_iter().map(Result::unwrap).collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let kinds = [("b".into(), FileType::Directory), ("link".into(), FileType::Symlink)];
        assert_eq!(entries, kinds);
        let below = folder.below(OsStr::new("b")).unwrap();
        let metadata = fs::metadata(place.path().join("b/1.log")).unwrap();
        let (size, id) = below.file(OsStr::new("1.log")).unwrap().unwrap();
        assert_eq!((size, Some(id)), (3, FileId::of(&metadata)));
        assert_eq!(folder.file(OsStr::new("b")).unwrap(), None);
        assert!(folder.below(OsStr::new("link")).is_err() && folder.below(OsStr::new("c")).is_err());
        assert!(Folder::open(&place.path().join("link")).is_ok(), "a link that is given is followed");
    }
}
