//! Bytes kept in a file without a name until they were read for the last time.
//!
//! In goes a stream, out comes a [`Section`] of a file, which can be opened any number of times. The file has no name, so
//! that nothing of it remains whatever becomes of the process. What the bytes are is not known here.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::files::section::Section;
use crate::setting::Setting;

const BUFFER_BYTES: usize = 1 << 16;

/// Why something was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// All that is kept together would be larger than the limit.
    #[error("does not fit into the {0} bytes of temporary files (raise {setting})", setting = Setting::TemporaryBytesMax)]
    Full(u64),
    /// The run is to end.
    #[error("was not unpacked: the run was interrupted")]
    Stopped,
    /// The stream.
    #[error("{0}")]
    Reading(io::Error),
    /// The temporary file.
    #[error("a temporary file in {folder} cannot be written: {source} (set TMPDIR to a folder with more room)", folder = std::env::temp_dir().display())]
    Writing {
        /// What the system said.
        source: io::Error,
    },
}

/// What a run keeps.
#[derive(Debug)]
pub struct Temporary {
    file: Option<Arc<File>>,
    written: u64,
    bytes_max: u64,
}

impl Temporary {
    /// At most this many bytes.
    pub fn new(bytes_max: u64) -> Temporary {
        Temporary { file: None, written: 0, bytes_max }
    }

    /// Keeps what a stream holds. What was kept of one that fails is given up.
    pub fn keep(&mut self, mut input: impl Read, stop: &AtomicBool) -> Result<Section, KeepError> {
        let writing = |source| KeepError::Writing { source };
        let file = match &self.file {
            Some(file) => file.clone(),
            None => self.file.insert(Arc::new(tempfile::tempfile().map_err(writing)?)).clone(),
        };
        let (mut buffer, mut at) = (vec![0; BUFFER_BYTES], self.written);
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(KeepError::Stopped);
            }
            let got = match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(KeepError::Reading(error)),
            };
            if at + got as u64 > self.bytes_max {
                return Err(KeepError::Full(self.bytes_max));
            }
            file.write_all_at(&buffer[..got], at).map_err(writing)?;
            at += got as u64;
        }
        let section = Section::of(file, self.written, at - self.written);
        self.written = at;
        Ok(section)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_as_often_as_wanted() {
        let (mut kept, stop) = (Temporary::new(20), AtomicBool::new(false));
        let one = kept.keep(&b"one\n"[..], &stop).unwrap();
        let two = kept.keep(&b"two\n"[..], &stop).unwrap();
        assert!(matches!(kept.keep(&[0; 13][..], &stop), Err(KeepError::Full(20))));
        let three = kept.keep(&b"three\n"[..], &stop).unwrap();
        for (section, text) in [(&one, "one\n"), (&three, "three\n"), (&two, "two\n"), (&one, "one\n")] {
            assert_eq!(io::read_to_string(section.open()).unwrap(), text);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(kept.keep(&b"x"[..], &stop), Err(KeepError::Stopped)));
    }
}
