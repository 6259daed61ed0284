//! A file that appears under its name when it is whole.
//!
//! In go bytes, out comes a file that takes the place of the one before it, with its mode; until then that one stays as it
//! is, and if the new one is never finished, nothing remains of it. Only regular files are replaced: a device, a pipe or
//! `/dev/stdout` is written to directly.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{identity, leftovers};

/// Names tried for the new file; they hold the process's number and a random one, so that one is enough.
const NAMES_MAX: usize = 16;

/// A file being written.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    /// `None`: written to directly.
    temporary: Option<Temporary>,
}

#[derive(Debug)]
struct Temporary {
    fresh: PathBuf,
    target: PathBuf,
}

impl Replacement {
    /// Begins to write the file of this name. If there is one, it must be writable, though it is not touched yet.
    pub fn create(path: &Path) -> io::Result<Replacement> {
        let directly = || Ok(Replacement { file: File::create(path)?, temporary: None });
        let Some(target) = identity::target(path)? else { return directly() };
        match fs::metadata(&target) {
            Ok(old) if old.is_file() => {
                OpenOptions::new().write(true).open(&target)?;
                Replacement::temporary(target, Some(&old))
            }
            Ok(_) => directly(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Replacement::temporary(target, None),
            Err(error) => Err(error),
        }
    }

    fn temporary(target: PathBuf, old: Option<&Metadata>) -> io::Result<Replacement> {
        let (file, fresh) = create_beside(&target, old).map_err(|error| match old {
            Some(_) if error.kind() == io::ErrorKind::PermissionDenied => {
                let text = format!("{error}: its folder takes no new file, which is needed to replace it in one step");
                io::Error::new(error.kind(), text)
            }
            _ => error,
        })?;
        leftovers::add(&fresh);
        let new = Replacement { file, temporary: Some(Temporary { fresh, target }) };
        if let Some(old) = old {
            // Only root may give files away; anyone else stays the owner of what he writes.
            let _ = fchown(&new.file, Some(old.uid()), Some(old.gid()));
            new.file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        }
        Ok(new)
    }

    /// The file before it is as it was until [`Replacement::commit`].
    pub fn replaces_a_file(&self) -> bool {
        self.temporary.is_some()
    }

    /// All is written: puts the file in its place. If that fails, the file before it is as it was.
    pub fn commit(mut self) -> io::Result<()> {
        let Some(temporary) = &self.temporary else { return Ok(()) };
        // Some file systems tell only here that the disk is full; and a crash must not leave an empty file.
        self.file.sync_all()?;
        match fs::rename(&temporary.fresh, &temporary.target) {
            // A file mounted into a container is a mount of its own, which nothing can take the place of.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                fs::copy(&temporary.fresh, &temporary.target)?;
            }
            Err(error) => return Err(error),
            Ok(()) => self.forget(),
        }
        Ok(())
    }

    /// Nothing is to be removed any more.
    fn forget(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            leftovers::forget(&temporary.fresh);
        }
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(&temporary.fresh);
            self.forget();
        }
    }
}

fn create_beside(target: &Path, old: Option<&Metadata>) -> io::Result<(File, PathBuf)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if old.is_some() {
        // Until it has the mode of the old one.
        options.mode(0o600);
    }
    let mut taken = io::ErrorKind::AlreadyExists.into();
    for _ in 0..NAMES_MAX {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), number);
        let path = target.with_file_name(format!(".spanline-{}-{random:016x}.tmp", std::process::id()));
        match options.open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write(path: &Path, text: &str) -> io::Result<Replacement> {
        let mut new = Replacement::create(path)?;
        new.write_all(text.as_bytes())?;
        Ok(new)
    }

    #[test]
    fn a_file_is_replaced_when_the_new_one_is_whole_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let new = write(&path, "half").unwrap();
        assert!(new.replaces_a_file());
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()), ("old", 2));
        drop(new);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()), ("old", 1));
        write(&path, "new").unwrap().commit().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()), ("new", 1));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        // One that was not there.
        let fresh = folder.path().join("fresh");
        drop(write(&fresh, "x").unwrap());
        assert!(!fresh.exists());
        write(&fresh, "x").unwrap().commit().unwrap();
        assert_eq!(names(folder.path()), ["fresh", "out"]);
    }

    #[test]
    fn a_link_stays_a_link_and_what_is_no_regular_file_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("data")).unwrap();
        fs::write(at("data/real"), "old").unwrap();
        symlink("data/real", at("link")).unwrap();
        symlink("data/later", at("dangling")).unwrap();
        for (link, real) in [("link", "data/real"), ("dangling", "data/later")] {
            write(&at(link), "new").unwrap().commit().unwrap();
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(at(real)).unwrap(), "new");
        }
        assert_eq!(names(&at("data")), ["later", "real"]);
        for device in ["/dev/null", "/dev/stdout"] {
            let output = Replacement::create(Path::new(device)).unwrap();
            assert!(!output.replaces_a_file(), "{device}");
            output.commit().unwrap();
        }
        #[cfg(target_os = "linux")]
        assert!(write(Path::new("/dev/full"), "x").is_err());
        assert!(Replacement::create(folder.path()).is_err());
        assert!(Replacement::create(&at("missing/out")).is_err());
    }
}
