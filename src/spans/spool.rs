//! Traces in a temporary file that can be read twice.
//!
//! In goes a stream, or the answers of a store, out comes a file that is deleted when it is dropped, also at an interrupt.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::files::leftovers;

/// A file of traces, deleted when it is dropped.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
}

impl Spool {
    /// An empty one.
    pub fn create() -> io::Result<(Spool, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        for _ in 0..100 {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), number);
            let path = std::env::temp_dir().join(format!("spanline-{}-{random:016x}.traces", std::process::id()));
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            // Traces tell much: nobody else reads them here.
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            match options.open(&path) {
                Ok(file) => {
                    leftovers::add(&path);
                    return Ok((Spool { path }, file));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        leftovers::forget(&self.path);
    }
}

/// A stream in a file of its own, and whether it had more bytes than it may.
pub fn spooled(input: &mut impl Read, bytes_max: u64, stop: &AtomicBool) -> io::Result<(Spool, bool)> {
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
