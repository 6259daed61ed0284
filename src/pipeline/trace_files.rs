//! What `--traces` names → files that can be read twice.
//!
//! In go files, folders and `-`, out come files: of a folder those that hold traces by their content, of standard input a
//! temporary file, which is deleted with its [`Spool`]. What is in them is not read here.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::store::Spool;
use crate::input::discover;
use crate::notify::Say;
use crate::spans::kind::{HEAD_BYTES, TraceKind};
use crate::unpack::unpacked;

/// Files of traces, and what could not be had.
#[derive(Default)]
pub(super) struct TraceFiles {
    pub(super) paths: Vec<PathBuf>,
    /// Live as long as the files are read.
    pub(super) spools: Vec<Spool>,
    /// What of it could not be read.
    pub(super) failures: Vec<String>,
    /// What gave no traces at all.
    pub(super) without_spans: Vec<String>,
}

impl TraceFiles {
    /// Finds the files.
    pub(super) fn find(given: &[PathBuf], bytes_max: u64, stop: &AtomicBool, say: &Say) -> TraceFiles {
        let mut found = TraceFiles::default();
        for given in given {
            if given == Path::new("-") {
                found.stdin(bytes_max, stop);
            } else if given.is_dir() {
                found.folder(given, say);
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
                    let limit = format!("has more than {bytes_max} bytes (raise --max-temporary-bytes)");
                    self.failures.push(format!("--traces: standard input {limit}; the rest was not read"));
                }
            }
            Err(error) => self.without_spans.push(format!("standard input: {error}")),
        }
    }

    fn folder(&mut self, folder: &Path, say: &Say) {
        let found = discover::find(&[folder.to_owned()], &[]);
        let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
        let mut others: usize = found.left_out.values().map(Vec::len).sum();
        self.failures.extend(found.errors.iter().map(|(path, error)| format!("{}: {error}", path.display())));
        for file in found.files {
            match kind(&file.path) {
                Ok(TraceKind::Unknown) => others += 1,
                Ok(kind) => {
                    *kinds.entry(kind.to_string()).or_default() += 1;
                    self.paths.push(file.path);
                }
                Err(error) => self.failures.push(format!("{}: {error}", file.shown)),
            }
        }
        if kinds.is_empty() {
            self.without_spans.push(format!("{}: no file in this folder holds traces", folder.display()));
            return;
        }
        let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} of {kind}")).collect();
        let others = if others > 0 { format!("; {others} that hold no traces were left out") } else { String::new() };
        say(&format!("--traces {}: files: {}{others}", folder.display(), kinds.join(", ")));
    }
}

/// What kind of traces a file holds.
fn kind(path: &Path) -> io::Result<TraceKind> {
    let mut head = Vec::new();
    unpacked(File::open(path)?)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(TraceKind::of(&head))
}

/// A stream in a file of its own, and whether it had more bytes than it may.
fn spooled(input: &mut impl Read, bytes_max: u64, stop: &AtomicBool) -> io::Result<(Spool, bool)> {
    let (spool, mut output) = Spool::create()?;
    let mut buffer = vec![0; 1 << 16];
    let mut left = bytes_max;
    while !stop.load(Ordering::Relaxed) {
        let got = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let fits = left.min(got as u64);
        output.write_all(&buffer[..fits as usize])?;
        left -= fits;
        if fits < got as u64 {
            return Ok((spool, true));
        }
    }
    Ok((spool, false))
}
