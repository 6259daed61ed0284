//! The state as files: versioned, with checksums, appended to, and replaced in one step once it has grown.
//!
//! In goes a folder, out comes what was remembered; a damaged state is set aside and reported, the end of one that was cut
//! short is cut off, one of another version or shape is refused. What changed is appended and goes to the disk; all of it
//! goes to a new file, to the disk, and then over the old one, so that a crash leaves one of the two whole. One run at a time
//! has a folder, and nobody else reads it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::earlier_versions;
use super::groups::{self, Changes, Known, Rest};
use super::ledger::State;
use super::versions::{Unreadable, VERSION};

/// The file that tells the version: all of the state up to version 2, nothing else since.
pub const FILE_NAME: &str = "backfill.json";
/// The file that holds the state.
pub const LEDGER_NAME: &str = "backfill.ledger";
/// What the former says: earlier versions of spanline read it, and refuse the state as one that is newer.
const MARKER: &str = "{\"version\":3,\"checksum\":\"\",\"destinations\":[],\"ledger\":\"backfill.ledger\"}\n";
/// Locked while a run uses the folder; the system releases the lock however the run ends.
const LOCK_NAME: &str = "lock";
/// Damaged states that are kept at the same time.
const DAMAGED_MAX: u32 = 10;
/// A state is written anew once it has grown to this multiple of what it held when that was done last, and by these bytes.
const GROWN_TIMES: u64 = 2;
const GROWN_BYTES: u64 = 1 << 20;
/// Bytes written at once.
const WRITE_BYTES: usize = 256 * 1024;

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
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    _lock: File,
    unlocked: Option<String>,
    ledger: Mutex<Ledger>,
}

/// The file that is appended to.
#[derive(Debug, Default)]
struct Ledger {
    /// `None` if there is none yet, or it can't be appended to.
    file: Option<File>,
    /// Where the last whole group ends.
    end: u64,
    /// The checksum of that group.
    last: u64,
    /// Something that is no group may follow.
    is_torn: bool,
    /// Bytes that the state took when it was read or written as a whole.
    whole: u64,
    known: Known,
    /// The version is told.
    is_marked: bool,
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
        Ok(Store { folder: folder.into(), _lock: lock, unlocked, ledger: Mutex::default() })
    }

    /// A message if nothing keeps another run from using the folder.
    pub fn unlocked(&self) -> Option<&str> {
        self.unlocked.as_deref()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn failed(&self, name: &str, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path(name), source }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    /// Reads the state for a run that is to remember up to so many files; messages if not all of it is there any more.
    pub fn load(&self, files_max: usize) -> Result<(State, Vec<String>), StoreError> {
        let (mut state, message) = self.load_all()?;
        let mut messages: Vec<String> = message.into_iter().collect();
        let forgotten = state.begin_run(files_max);
        if forgotten > 0 {
            // Files have other numbers now: nothing can be appended to what was read.
            self.ledger().file = None;
            messages.push(format!(
                "the state holds more than {files_max} files: the {forgotten} that were not read for longest are forgotten, \
                 and sent again if they come back"
            ));
        }
        Ok((state, messages))
    }

    fn load_all(&self) -> Result<(State, Option<String>), StoreError> {
        let Some(text) = self.read(FILE_NAME)? else { return Ok((State::default(), None)) };
        if text == MARKER.as_bytes() {
            return self.load_ledger();
        }
        match earlier_versions::read(&text) {
            Ok(state) => Ok((state, None)),
            Err(error) => Ok((State::default(), Some(self.set_aside(FILE_NAME, error)?))),
        }
    }

    fn load_ledger(&self) -> Result<(State, Option<String>), StoreError> {
        let path = self.path(LEDGER_NAME);
        let Some(bytes) = self.read(LEDGER_NAME)? else {
            let message = format!("state {} is missing; {}", path.display(), MAY_COME_AGAIN);
            return Ok((State::default(), Some(message)));
        };
        let whole = match groups::read(&bytes) {
            Ok(whole) => whole,
            Err(error) => return Ok((State::default(), Some(self.set_aside(LEDGER_NAME, error)?))),
        };
        let rest = bytes.len() as u64 - whole.end;
        let message = match whole.rest {
            Rest::Nothing => None,
            Rest::Torn => Some(format!(
                "state {} was not written to its end (a power failure, or a full disk): its last {rest} bytes are cut off; \
                 what was acknowledged just before that may be sent again (receivers can drop it by log.record.uid)",
                path.display()
            )),
            Rest::Damaged => {
                let aside = self.free_name(LEDGER_NAME);
                fs::copy(&path, &aside).map_err(|error| self.failed(LEDGER_NAME, error))?;
                Some(format!(
                    "state {} is damaged from byte {} on: it was copied to {}, and what follows is not used; {MAY_COME_AGAIN}",
                    path.display(),
                    whole.end,
                    aside.display()
                ))
            }
        };
        let mut ledger = self.ledger();
        let appends = !whole.loaded.is_renumbered && whole.rest != Rest::Damaged;
        *ledger = Ledger {
            // What can't be appended to is written anew.
            file: appends.then(|| private_file().open(&path).ok()).flatten(),
            end: whole.end,
            last: whole.last,
            is_torn: rest > 0,
            whole: whole.loaded.bytes,
            known: Known::of(&whole.loaded.state),
            is_marked: true,
        };
        // If this fails, it is tried again before anything is appended.
        let _ = ledger.cut();
        Ok((whole.loaded.state, message))
    }

    /// Sets aside what is damaged, and says so; what is not known here is refused.
    fn set_aside(&self, name: &str, error: Unreadable) -> Result<String, StoreError> {
        let path = self.path(name);
        match error {
            Unreadable::Newer(version) => return Err(StoreError::Newer { path, version }),
            Unreadable::Unknown => return Err(StoreError::Unknown(path)),
            Unreadable::Damaged => {}
        }
        let aside = self.free_name(name);
        fs::rename(&path, &aside).map_err(|error| self.failed(name, error))?;
        let (path, aside) = (path.display(), aside.display());
        Ok(format!("state {path} is damaged and was set aside as {aside}; {MAY_COME_AGAIN}"))
    }

    /// An unused name for a damaged state; the last name is used again once all are taken.
    fn free_name(&self, name: &str) -> PathBuf {
        let name = |number| match number {
            1 => self.path(&format!("{name}.damaged")),
            _ => self.path(&format!("{name}.damaged.{number}")),
        };
        (1..DAMAGED_MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(DAMAGED_MAX))
    }

    /// Writes what changed, or all of the state where that is better or nothing else is possible. If it fails, what changed is
    /// to be given again.
    pub fn save(&self, changes: &Changes, state: &dyn Fn() -> State) -> Result<(), StoreError> {
        let mut ledger = self.ledger();
        if changes.all || !ledger.can_be_appended_to() {
            return self.save_all(&mut ledger, &state());
        }
        if ledger.is_grown() {
            match self.save_all(&mut ledger, &state()) {
                // Where there is no room for all of it, there may be for what changed.
                Err(_) if ledger.can_be_appended_to() => {}
                saved => return saved,
            }
        }
        ledger.append(changes).map_err(|error| self.failed(LEDGER_NAME, error))
    }

    fn save_all(&self, ledger: &mut Ledger, state: &State) -> Result<(), StoreError> {
        let write = |fresh: &mut BufWriter<File>| groups::write_all(state, &mut |bytes| fresh.write_all(bytes));
        let (file, end, last) = self.replace(LEDGER_NAME, write).map_err(|error| self.failed(LEDGER_NAME, error))?;
        // What was there before is no file any more. The new one is appended to once it is sure to be found.
        *ledger =
            Ledger { end, last, whole: end, known: Known::of(state), is_marked: ledger.is_marked, ..Ledger::default() };
        self.sync_folder()?;
        if !ledger.is_marked {
            let marked = self.replace(FILE_NAME, |fresh| fresh.write_all(MARKER.as_bytes()));
            marked.map_err(|error| self.failed(FILE_NAME, error))?;
            self.sync_folder()?;
            ledger.is_marked = true;
        }
        ledger.file = Some(file);
        Ok(())
    }

    /// Writes a file anew; returns it, how long it is, and what writing it came to.
    fn replace<T>(
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
    fn sync_folder(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| StoreError::Io { path: self.folder.clone(), source })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn can_be_appended_to(&self) -> bool {
        self.file.is_some() && self.is_marked
    }

    fn is_grown(&self) -> bool {
        self.end > (self.whole * GROWN_TIMES).max(self.whole + GROWN_BYTES)
    }

    /// Cuts off what is no group.
    fn cut(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.as_ref().filter(|_| self.is_torn) {
            file.set_len(self.end)?;
            file.sync_all()?;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Appends a group. If that fails, it is cut off before the next one: the caller gives what changed again.
    fn append(&mut self, changes: &Changes) -> io::Result<()> {
        self.cut()?;
        let Some((group, checksum)) = groups::group(self.last, changes, self.known) else { return Ok(()) };
        let Some(mut file) = self.file.as_ref() else { return Err(io::ErrorKind::NotFound.into()) };
        self.is_torn = true;
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(&group)?;
        if let Err(error) = file.sync_data() {
            // Of this file the system may take for written what is not: all of it goes to another one.
            self.file = None;
            return Err(error);
        }
        self.is_torn = false;
        self.end += group.len() as u64;
        self.last = checksum;
        self.known = Known { destinations: changes.destinations.len(), run: changes.run };
        Ok(())
    }
}

/// What follows from the loss of a state.
const MAY_COME_AGAIN: &str = "what was sent before may be sent again (receivers can drop it by log.record.uid)";

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
#[path = "store_tests.rs"]
mod tests;
