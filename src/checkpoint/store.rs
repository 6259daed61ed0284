//! The state as files: versioned, with checksums, appended to, and replaced in one step once it has grown.
//!
//! In goes a folder, out comes what was remembered; a damaged state is set aside and reported, the end of one that was cut
//! short is cut off, one of another version or shape is refused. What changed is appended and goes to the disk; all of it
//! goes to a new file, to the disk, and then over the old one, so that a crash leaves one of the two whole. One run at a time
//! has a folder, and nobody else reads it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::earlier_versions;
use super::folder::{Folder, FolderError, private_file};
use super::groups::{self, Changes, Known, Rest};
use super::ledger::State;
use super::versions::{Unreadable, VERSION};

/// The file that tells the version: all of the state up to version 2, nothing else since.
pub const FILE_NAME: &str = "backfill.json";
/// The file that holds the state.
pub const LEDGER_NAME: &str = "backfill.ledger";
/// What the former says: earlier versions of spanline read it, and refuse the state as one that is newer.
const MARKER: &str = "{\"version\":3,\"checksum\":\"\",\"destinations\":[],\"ledger\":\"backfill.ledger\"}\n";
/// A state is written anew once it has grown to this multiple of what it held when that was done last, and by these bytes.
const GROWN_TIMES: u64 = 2;
const GROWN_BYTES: u64 = 1 << 20;

/// Why the state could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or a file in it refused.
    #[error(transparent)]
    Folder(#[from] FolderError),
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
    folder: Folder,
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
        Ok(Store { folder: Folder::open(folder)?, ledger: Mutex::default() })
    }

    /// A message if nothing keeps another run from using the folder.
    pub fn unlocked(&self) -> Option<&str> {
        self.folder.unlocked()
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
        let Some(text) = self.folder.read(FILE_NAME)? else { return Ok((State::default(), None)) };
        if text == MARKER.as_bytes() {
            return self.load_ledger();
        }
        match earlier_versions::read(&text) {
            Ok(state) => Ok((state, None)),
            Err(error) => Ok((State::default(), Some(self.set_aside(FILE_NAME, error)?))),
        }
    }

    fn load_ledger(&self) -> Result<(State, Option<String>), StoreError> {
        let path = self.folder.path(LEDGER_NAME);
        let Some(bytes) = self.folder.read(LEDGER_NAME)? else {
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
                let aside = self.folder.free_name(LEDGER_NAME);
                fs::copy(&path, &aside).map_err(|error| self.folder.failed(LEDGER_NAME, error))?;
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
        let path = self.folder.path(name);
        match error {
            Unreadable::Newer(version) => return Err(StoreError::Newer { path, version }),
            Unreadable::Unknown => return Err(StoreError::Unknown(path)),
            Unreadable::Damaged => {}
        }
        let aside = self.folder.set_aside(name)?;
        let (path, aside) = (path.display(), aside.display());
        Ok(format!("state {path} is damaged and was set aside as {aside}; {MAY_COME_AGAIN}"))
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
        Ok(ledger.append(changes).map_err(|error| self.folder.failed(LEDGER_NAME, error))?)
    }

    fn save_all(&self, ledger: &mut Ledger, state: &State) -> Result<(), StoreError> {
        let write = |fresh: &mut BufWriter<File>| groups::write_all(state, &mut |bytes| fresh.write_all(bytes));
        let (file, end, last) =
            self.folder.replace(LEDGER_NAME, write).map_err(|error| self.folder.failed(LEDGER_NAME, error))?;
        // What was there before is no file any more. The new one is appended to once it is sure to be found.
        *ledger =
            Ledger { end, last, whole: end, known: Known::of(state), is_marked: ledger.is_marked, ..Ledger::default() };
        self.folder.sync()?;
        if !ledger.is_marked {
            let marked = self.folder.replace(FILE_NAME, |fresh| fresh.write_all(MARKER.as_bytes()));
            marked.map_err(|error| self.folder.failed(FILE_NAME, error))?;
            self.folder.sync()?;
            ledger.is_marked = true;
        }
        ledger.file = Some(file);
        Ok(())
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

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
