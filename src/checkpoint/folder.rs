//! A state folder: made for nobody else to read, used by one run at a time, its files replaced in one step.
//!
//! In go names and bytes, out come the files; what a crash or a power failure leaves is one whole file or the other. What the
//! bytes say is not known here.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek};
use std::path::{Path, PathBuf};

/// Locked while a run uses the folder; the system releases the lock however the run ends.
const LOCK_NAME: &str = "lock";
/// Damaged states that are kept at the same time.
const DAMAGED_MAX: u32 = 10;
/// Bytes written at once.
const WRITE_BYTES: usize = 256 * 1024;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder or a file in it refused.
    #[error("state folder {path}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another run has the folder.
    #[error("state folder {0} is in use by another run; wait for its end, or give each run a state folder of its own")]
    InUse(PathBuf),
}

/// The folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
    unlocked: Option<String>,
}

impl Folder {
    /// Opens the folder for this run alone, making it if it is not there.
    pub fn open(folder: &Path) -> Result<Folder, FolderError> {
        let made = private_folders().create(folder);
        made.map_err(|source| FolderError::Io { path: folder.into(), source })?;
        let path = folder.join(LOCK_NAME);
        let failed = |source| FolderError::Io { path: path.clone(), source };
        // Nothing is written to it: what a link leads to stays whole.
        let lock = private_file().create(true).truncate(false).open(&path).map_err(failed)?;
        let unlocked = match lock.try_lock() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => return Err(FolderError::InUse(folder.into())),
            Err(TryLockError::Error(error)) => Some(unlocked(folder, &error).ok_or(error).map_err(failed)?),
        };
        Ok(Folder { path: folder.into(), _lock: lock, unlocked })
    }

    /// A message if nothing keeps another run from using the folder.
    pub fn unlocked(&self) -> Option<&str> {
        self.unlocked.as_deref()
    }

    /// Where a file of this name lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What an error of a file means.
    pub fn failed(&self, name: &str, source: io::Error) -> FolderError {
        FolderError::Io { path: self.path(name), source }
    }

    /// All of a file; `None` if there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FolderError> {
        match fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    /// Moves what is damaged out of the way; returns where it lies now.
    pub fn set_aside(&self, name: &str) -> Result<PathBuf, FolderError> {
        let aside = self.free_name(name);
        fs::rename(self.path(name), &aside).map_err(|error| self.failed(name, error))?;
        Ok(aside)
    }

    /// An unused name for a damaged file; the last name is used again once all are taken.
    pub fn free_name(&self, name: &str) -> PathBuf {
        let name = |number| match number {
            1 => self.path(&format!("{name}.damaged")),
            _ => self.path(&format!("{name}.damaged.{number}")),
        };
        (1..DAMAGED_MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(DAMAGED_MAX))
    }

    /// Writes a file anew; returns it, how long it is, and what writing it came to.
    pub fn replace<T>(
        &self,
        name: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>,
    ) -> io::Result<(File, u64, T)> {
        let (path, fresh) = (self.path(name), self.path(&format!("{name}.new")));
        // One that a run left behind may be open to others, or lead elsewhere.
        if let Err(error) = fs::remove_file(&fresh)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut buffered = BufWriter::with_capacity(WRITE_BYTES, private_file().create_new(true).open(&fresh)?);
        let written = write(&mut buffered).and_then(|came_to| {
            let mut file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            let end = file.stream_position()?;
            fs::rename(&fresh, &path)?;
            Ok((file, end, came_to))
        });
        if written.is_err() {
            // It takes room that the next try may need.
            let _ = fs::remove_file(&fresh);
        }
        written
    }

    /// Sees to it that names of files are on the disk.
    pub fn sync(&self) -> Result<(), FolderError> {
        let synced = File::open(&self.path).and_then(|folder| folder.sync_all());
        synced.map_err(|source| FolderError::Io { path: self.path.clone(), source })
    }
}

/// What is written names paths, hosts and times: nobody else reads it.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn private_folders() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// The message about a file system that has no locks, or does not grant one: a run goes on without. A lock that is denied
/// may be held by another run.
fn unlocked(folder: &Path, error: &io::Error) -> Option<String> {
    let folder = folder.display();
    (error.kind() != io::ErrorKind::PermissionDenied).then(|| {
        format!("state folder {folder} cannot be locked ({error}); see to it that no other run uses it meanwhile")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_said_and_keeps_nobody_from_running() {
        let said = |kind: io::ErrorKind| unlocked(Path::new("state"), &kind.into());
        assert!(said(io::ErrorKind::Unsupported).unwrap().contains("state folder state cannot be locked"));
        assert_eq!(said(io::ErrorKind::PermissionDenied), None);
        #[cfg(target_os = "linux")]
        assert!(unlocked(Path::new("state"), &rustix::io::Errno::NOLCK.into()).is_some());
    }

    #[test]
    fn what_the_lock_file_holds_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK_NAME), "kept").unwrap();
        drop(Folder::open(folder.path()).unwrap());
        assert_eq!(fs::read(folder.path().join(LOCK_NAME)).unwrap(), b"kept");
    }
}
