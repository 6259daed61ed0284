//! The ledgers as a file: versioned, with a checksum, replaced in one step.
//!
//! In goes a folder, out come ledgers by destination; a damaged file is set aside and said. Writing goes to a new file,
//! to the disk, and then over the old one, so that a crash leaves one of the two whole. One run at a time has a folder.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ledger::Ledger;

const VERSION: u32 = 1;
const FILE_NAME: &str = "backfill.json";
/// Locked while a run has the folder; the system lets go of it however the run ends.
const LOCK_NAME: &str = "lock";

/// Ledgers by destination.
pub type Ledgers = BTreeMap<String, Ledger>;

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
    #[error(
        "state folder {0} is in use by another run; wait for its end, or give each run a --state folder of its own"
    )]
    InUse(PathBuf),
    /// Written by a newer spanline.
    #[error(
        "state {path} has version {version}, this spanline knows version {VERSION}; use the newer one, or another --state folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// A folder that holds the state.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    _lock: Arc<File>,
    unlocked: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    checksum: String,
    destinations: BTreeMap<String, Vec<WrittenFile>>,
}

#[derive(Serialize, Deserialize)]
struct WrittenFile {
    key: String,
    ranges: Vec<(u64, u64)>,
}

impl Store {
    /// Opens the folder for this run alone, making it if it is not there.
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        fs::create_dir_all(folder).map_err(|source| StoreError::Io { path: folder.into(), source })?;
        let path = folder.join(LOCK_NAME);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        // Nothing is written to it: what a link leads to stays whole.
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let unlocked = match lock.try_lock() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(folder.into())),
            Err(TryLockError::Error(error)) => Some(unlocked(folder, &error).ok_or(error).map_err(failed)?),
        };
        Ok(Store { folder: folder.into(), _lock: Arc::new(lock), unlocked })
    }

    /// Says so if nothing keeps another run from the folder.
    pub fn unlocked(&self) -> Option<&str> {
        self.unlocked.as_deref()
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Reads the ledgers. A damaged file is set aside: the second value says so.
    pub fn load(&self) -> Result<(Ledgers, Option<String>), StoreError> {
        let path = self.path();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Ledgers::new(), None)),
            Err(source) => return Err(StoreError::Io { path, source }),
        };
        if let Ok(written) = serde_json::from_slice::<Written>(&text) {
            if written.version > VERSION {
                return Err(StoreError::Newer { path, version: written.version });
            }
            if written.checksum == checksum(&written.destinations)
                && let Some(ledgers) = ledgers(&written)
            {
                return Ok((ledgers, None));
            }
        }
        let aside = path.with_extension("json.damaged");
        fs::rename(&path, &aside).map_err(|source| StoreError::Io { path: path.clone(), source })?;
        let message = format!(
            "state {} is damaged and was set aside as {}; what was sent before may be sent again (receivers can drop it by log.record.uid)",
            path.display(),
            aside.display()
        );
        Ok((Ledgers::new(), Some(message)))
    }

    /// Writes the ledgers.
    pub fn save(&self, ledgers: &Ledgers) -> Result<(), StoreError> {
        let destinations = ledgers
            .iter()
            .map(|(name, ledger)| {
                let file = |(key, ranges)| WrittenFile { key: format!("{key:032x}"), ranges };
                (name.clone(), ledger.entries().into_iter().map(file).collect())
            })
            .collect();
        let written = Written { version: VERSION, checksum: checksum(&destinations), destinations };
        let (path, fresh) = (self.path(), self.folder.join(format!("{FILE_NAME}.new")));
        let write = || -> io::Result<()> {
            let mut file = File::create(&fresh)?;
            file.write_all(&serde_json::to_vec(&written)?)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| StoreError::Io { path: path.clone(), source })
    }
}

/// What to say of a file system that has no locks, or does not give one: that does not keep anybody from running. A lock
/// that is denied may be another run's.
fn unlocked(folder: &Path, error: &io::Error) -> Option<String> {
    let folder = folder.display();
    (error.kind() != io::ErrorKind::PermissionDenied).then(|| {
        format!("state folder {folder} cannot be locked ({error}); see to it that no other run uses it meanwhile")
    })
}

fn checksum(destinations: &BTreeMap<String, Vec<WrittenFile>>) -> String {
    let text = serde_json::to_vec(destinations).unwrap_or_default();
    format!("{:016x}", twox_hash::XxHash64::oneshot(0, &text))
}

fn ledgers(written: &Written) -> Option<Ledgers> {
    let mut ledgers = Ledgers::new();
    for (name, files) in &written.destinations {
        let ledger = ledgers.entry(name.clone()).or_default();
        for file in files {
            let key = u128::from_str_radix(&file.key, 16).ok()?;
            file.ranges.iter().for_each(|(from, to)| ledger.add(key, *from, *to));
        }
    }
    Some(ledgers)
}

#[cfg(test)]
mod tests {
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
        assert_eq!(store.load().unwrap(), (Ledgers::new(), None));
        let mut ledgers = Ledgers::new();
        ledgers.entry("otlp".into()).or_default().add(u128::MAX, 3, 9);
        store.save(&ledgers).unwrap();
        assert_eq!(store.load().unwrap(), (ledgers.clone(), None));
        let whole = fs::read(store.path()).unwrap();
        for damaged in [
            &whole[..whole.len() / 2],
            b"",
            b"{}",
            &whole.iter().map(|b| if *b == b'9' { b'8' } else { *b }).collect::<Vec<_>>(),
        ] {
            fs::write(store.path(), damaged).unwrap();
            let (loaded, message) = store.load().unwrap();
            assert!(loaded.is_empty() && message.is_some());
            assert!(!store.path().exists());
        }
        let newer = String::from_utf8(whole).unwrap().replace("\"version\":1", "\"version\":2");
        fs::write(store.path(), newer).unwrap();
        assert!(matches!(store.load(), Err(StoreError::Newer { version: 2, .. })));
    }
}
