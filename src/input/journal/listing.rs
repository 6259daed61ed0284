//! Which files of a journal there are.
//!
//! In goes a folder, out come the journal's files in it and in the folders of machines, namespaces and senders below it. They are
//! opened where they lie, and no link is followed out of the folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::super::open::{self, Expected};
use crate::files::identity::FileId;
use crate::files::section::Section;

/// Folders below the one that is named.
const DEPTH: usize = 1;
/// Files of all folders; journald keeps at most a hundred of each journal.
const FILES_MAX: usize = 4096;

/// A file that was found.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) changed: Option<SystemTime>,
}

/// Lists all of them, and tells what could not be listed.
pub(super) fn list(root: &Path, failed: &mut dyn FnMut(&Path, &io::Error)) -> Vec<Listed> {
    let mut found = Vec::new();
    list_folder(root, DEPTH, &mut found, failed);
    found
}

fn list_folder(folder: &Path, depth: usize, found: &mut Vec<Listed>, failed: &mut dyn FnMut(&Path, &io::Error)) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return failed(folder, &error),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => list_folder(&path, depth - 1, found, failed),
            Ok(kind) if kind.is_file() && is_journal(&path) && found.len() < FILES_MAX => {
                // One that is gone by now was rotated away.
                if let Ok(metadata) = entry.metadata()
                    && let Some(id) = FileId::of(&metadata)
                {
                    found.push(Listed { path, id, changed: metadata.modified().ok() });
                }
            }
            _ => {}
        }
    }
}

fn is_journal(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "journal" || end == "journal~")
}

/// Opens a file that was listed; `None` if another one lies there by now.
pub(super) fn open(root: &Path, listed: &Listed) -> io::Result<Option<Section>> {
    let roots: Vec<PathBuf> = vec![root.canonicalize()?];
    let expected = Expected { roots: Arc::from(roots), ..Expected::default() };
    let (file, metadata) = open::file_expected(&listed.path, &expected)?;
    if FileId::of(&metadata) != Some(listed.id) {
        return Ok(None);
    }
    Ok(Some(Section::of(Arc::new(file), 0, metadata.len())))
}
