//! The state as a file: versioned, with a checksum, replaced in one step.
//!
//! In goes a folder, out comes what was remembered; a damaged file is set aside and reported, one of another version or shape is
//! refused. Writing goes to a new file, to the disk, and then over the old one, so that a crash leaves one of the two whole.
//! One run at a time has a folder, and nobody else reads it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ledger::State;
use super::written::{self, Unreadable, VERSION};

/// The file that holds the state.
pub const FILE_NAME: &str = "backfill.json";
/// Locked while a run uses the folder; the system releases the lock however the run ends.
const LOCK_NAME: &str = "lock";
/// Damaged states that are kept at the same time.
const DAMAGED_MAX: u32 = 10;

/// Why the state could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or file refused.
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
    /// Written by a newer spanline.
    #[error(
        "state {path} has version {version}, this spanline knows version {VERSION}; use the newer one, or another state folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Whole, but not what this spanline writes.
    #[error(
        "state {0} has a shape that this spanline does not know (it reads versions 1 to {VERSION}): perhaps a newer one wrote it; use that one, or another state folder"
    )]
    Unknown(PathBuf),
}

/// A folder that holds the state.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    _lock: Arc<File>,
    unlocked: Option<String>,
}

impl Store {
    /// Opens the folder for this run alone, making it if it is not there.
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        let made = private_folders().create(folder);
        made.map_err(|source| StoreError::Io { path: folder.into(), source })?;
        let path = folder.join(LOCK_NAME);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        // Nothing is written to it: what a link leads to stays whole.
        let lock = private_file().create(true).truncate(false).open(&path).map_err(failed)?;
        let unlocked = match lock.try_lock() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(folder.into())),
            Err(TryLockError::Error(error)) => Some(unlocked(folder, &error).ok_or(error).map_err(failed)?),
        };
        Ok(Store { folder: folder.into(), _lock: Arc::new(lock), unlocked })
    }

    /// A message if nothing keeps another run from using the folder.
    pub fn unlocked(&self) -> Option<&str> {
        self.unlocked.as_deref()
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Reads the state; a message if a damaged file was set aside.
    pub fn load(&self) -> Result<(State, Option<String>), StoreError> {
        let path = self.path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((State::default(), None)),
            Err(source) => return Err(StoreError::Io { path, source }),
        };
        match written::read(&text) {
            Ok(state) => return Ok((state, None)),
            Err(Unreadable::Newer(version)) => return Err(StoreError::Newer { path, version }),
            Err(Unreadable::Unknown) => return Err(StoreError::Unknown(path)),
            Err(Unreadable::Damaged) => {}
        }
        let aside = self.free_name();
        fs::rename(&path, &aside).map_err(|source| StoreError::Io { path: path.clone(), source })?;
        let message = format!(
            "state {} is damaged and was set aside as {}; what was sent before may be sent again (receivers can drop it by log.record.uid)",
            path.display(),
            aside.display()
        );
        Ok((State::default(), Some(message)))
    }

    /// An unused name for a damaged state; the last name is used again once all are taken.
    fn free_name(&self) -> PathBuf {
        let name = |number| match number {
            1 => self.folder.join(format!("{FILE_NAME}.damaged")),
            _ => self.folder.join(format!("{FILE_NAME}.damaged.{number}")),
        };
        (1..DAMAGED_MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(DAMAGED_MAX))
    }

    /// Writes the state.
    pub fn save(&self, state: &State) -> Result<(), StoreError> {
        let (path, fresh) = (self.path(), self.folder.join(format!("{FILE_NAME}.new")));
        let write = || -> io::Result<()> {
            // One that a run left behind may be open to others, or lead elsewhere.
            if let Err(error) = fs::remove_file(&fresh)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
            let mut file = private_file().create_new(true).open(&fresh)?;
            file.write_all(&written::write(state)?)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| StoreError::Io { path: path.clone(), source })
    }
}

/// What is written names paths, hosts and times: nobody else reads it.
fn private_file() -> OpenOptions {
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
    use super::super::written::tests::sample;
    use super::*;

    #[test]
    fn a_folder_is_open_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let message = Store::open(folder.path()).unwrap_err().to_string();
        assert!(message.contains("in use by another run"), "{message}");
        drop(store);
        assert_eq!(Store::open(folder.path()).unwrap().unlocked(), None);
    }

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
        drop(Store::open(folder.path()).unwrap());
        assert_eq!(fs::read(folder.path().join(LOCK_NAME)).unwrap(), b"kept");
    }

    #[test]
    fn what_was_saved_is_loaded_and_damage_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state")).unwrap();
        assert_eq!(store.load().unwrap(), (State::default(), None));
        let state = sample();
        store.save(&state).unwrap();
        assert_eq!(store.load().unwrap(), (state, None));
        let whole = fs::read(store.path()).unwrap();
        let damaged = [&whole[..whole.len() / 2], b"", b"no state", &whole[1..]];
        for (number, damaged) in damaged.into_iter().enumerate() {
            fs::write(store.path(), damaged).unwrap();
            let (loaded, message) = store.load().unwrap();
            assert!(loaded == State::default() && message.unwrap().contains("set aside"));
            assert!(!store.path().exists());
            let aside = fs::read_dir(store.folder.clone()).unwrap().flatten();
            let aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains("damaged"));
            assert_eq!(aside.count(), number + 1);
        }
    }

    #[test]
    fn a_state_that_is_not_known_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.save(&sample()).unwrap();
        let newer = fs::read_to_string(store.path()).unwrap().replace("\"version\":2", "\"version\":3");
        for (text, words) in [(newer.as_str(), "has version 3"), ("{\"ledger\": []}", "does not know")] {
            fs::write(store.path(), text).unwrap();
            let message = store.load().unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
            assert_eq!(fs::read_to_string(store.path()).unwrap(), text);
        }
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_the_state() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (made, fresh) = (folder.path().join("a/state"), folder.path().join("a/state/backfill.json.new"));
        let store = Store::open(&made).unwrap();
        fs::write(&fresh, "left behind").unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o644)).unwrap();
        store.save(&sample()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&store.path()), mode(&made.join(LOCK_NAME)), mode(&made)), (0o600, 0o600, 0o700));
    }
}
