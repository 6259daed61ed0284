//! Temporary files that must not stay behind when the process ends at once.
//!
//! In go their paths, as they are made and as they are gone; they are removed by their owners, or all here.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static PATHS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A file was made.
pub fn add(path: &Path) {
    PATHS.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
}

/// A file is gone, or has become one that stays.
pub fn forget(path: &Path) {
    PATHS.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| known != path);
}

/// Removes those that are there.
pub fn remove() {
    for path in std::mem::take(&mut *PATHS.lock().unwrap_or_else(PoisonError::into_inner)) {
        // Nobody is there any more to be told.
        let _ = std::fs::remove_file(path);
    }
}
