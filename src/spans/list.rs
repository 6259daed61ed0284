//! What is named as traces → files that can be read twice.
//!
//! In go files, folders and `-`, out come files: of a folder those that hold traces by their content, of standard input a
//! temporary file, which is deleted with its [`Spool`]. How a folder is walked is the caller's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::spool::{Spool, spooled};
use super::trace_format::{HEAD_BYTES, TraceFormat};
use crate::setting::Setting;
use crate::unpack::unpacked;

/// Files of traces, and what could not be had.
#[derive(Debug, Default)]
pub struct TraceFiles {
    /// The files.
    pub paths: Vec<PathBuf>,
    /// Live as long as the files are read.
    pub spools: Vec<Spool>,
    /// What of it could not be read.
    pub failures: Vec<String>,
    /// What gave no traces at all.
    pub without_spans: Vec<String>,
}

/// What lies in a folder.
#[derive(Debug, Default)]
pub struct Walked {
    /// Files, each with the name it is shown under.
    pub files: Vec<(PathBuf, String)>,
    /// How many were left out.
    pub left_out: usize,
    /// What could not be looked at.
    pub failures: Vec<String>,
}

/// Looks into folders, and says what was found there.
pub struct Folders<'a> {
    /// What lies in a folder.
    pub walk: &'a dyn Fn(&Path) -> Walked,
    /// Tells the user something.
    pub notify: &'a dyn Fn(&str),
}

impl TraceFiles {
    /// Finds the files; of standard input at most this many bytes.
    pub fn find(given: &[PathBuf], bytes_max: u64, stop: &AtomicBool, folders: &Folders<'_>) -> TraceFiles {
        let mut found = TraceFiles::default();
        for given in given {
            if given == Path::new("-") {
                found.stdin(bytes_max, stop);
            } else if given.is_dir() {
                found.folder(given, folders);
            } else {
                found.paths.push(given.clone());
            }
        }
        found
    }

    fn stdin(&mut self, bytes_max: u64, stop: &AtomicBool) {
        match spooled(&mut io::stdin().lock(), bytes_max, stop) {
            Ok((spool, cut)) => {
                self.paths.push(spool.path().to_owned());
                self.spools.push(spool);
                if cut {
                    let limit = format!("has more than {bytes_max} bytes (raise {})", Setting::TemporaryBytesMax);
                    self.failures.push(format!("{}: standard input {limit}; the rest was not read", Setting::Traces));
                }
            }
            Err(error) => self.without_spans.push(format!("standard input: {error}")),
        }
    }

    fn folder(&mut self, folder: &Path, folders: &Folders<'_>) {
        let found = (folders.walk)(folder);
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        let mut others = found.left_out;
        self.failures.extend(found.failures);
        for (path, shown) in found.files {
            match kind(&path) {
                Ok(TraceFormat::Unknown) => others += 1,
                Ok(kind) => {
                    *kinds.entry(kind.to_string()).or_default() += 1;
                    self.paths.push(path);
                }
                Err(error) => self.failures.push(format!("{shown}: {error}")),
            }
        }
        if kinds.is_empty() {
            self.without_spans.push(format!("{}: no file in this folder holds traces", folder.display()));
            return;
        }
        let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} of {kind}")).collect();
        let others = if others > 0 { format!("; {others} that hold no traces were left out") } else { String::new() };
        let (traces, folder, kinds) = (Setting::Traces, folder.display(), kinds.join(", "));
        (folders.notify)(&format!("{traces} {folder}: files: {kinds}{others}"));
    }
}

/// What kind of traces a file holds.
fn kind(path: &Path) -> io::Result<TraceFormat> {
    let mut head = Vec::new();
    unpacked(File::open(path)?)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(TraceFormat::of(&head))
}
