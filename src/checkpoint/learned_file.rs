//! What was learned of lines and spans, in one file of the state folder.
//!
//! In go bytes, out they come again after a restart: compressed, with a checksum, replaced in one step. A file that is damaged, or of
//! a later version, is set aside. What the bytes say is not known here.

use std::io::{self, Read, Write};
use std::sync::Arc;

use twox_hash::XxHash64;

use super::folder::Folder;

/// What a file begins with, the version last.
const MAGIC: &[u8; 20] = b"spanline learned v1\n";
/// Bytes of a file, and of what it holds: more than is learned with any memory that agents are given.
const FILE_BYTES_MAX: usize = 64 << 20;
const BYTES_MAX: u64 = 256 << 20;
/// Quick: it is written every few minutes.
const LEVEL: i32 = 1;

/// See the module.
#[derive(Debug, Clone)]
pub struct LearnedFile {
    folder: Arc<Folder>,
    name: String,
}

impl LearnedFile {
    /// The file of this name.
    pub fn new(folder: Arc<Folder>, name: String) -> LearnedFile {
        LearnedFile { folder, name }
    }

    /// What it holds, if there is one; or what was wrong with it, and where it lies now.
    pub fn load(&self) -> Result<Option<Vec<u8>>, String> {
        let Some(bytes) = self.folder.read(&self.name).map_err(|error| error.to_string())? else { return Ok(None) };
        read(&bytes).map(Some).ok_or_else(|| {
            let path = self.folder.path(&self.name);
            match self.folder.set_aside(&self.name) {
                Ok(aside) => format!(
                    "{} is damaged or of a later version: it was set aside as {}, and links are learned anew",
                    path.display(),
                    aside.display()
                ),
                Err(error) => format!("{} is damaged or of a later version, and stays: {error}", path.display()),
            }
        })
    }

    /// Replaces what it holds. Fails where the disk does, or where that is too much.
    pub fn save(&self, learned: &[u8]) -> io::Result<()> {
        let compressed = zstd::bulk::compress(learned, LEVEL)?;
        if compressed.len() + MAGIC.len() + 8 > FILE_BYTES_MAX || learned.len() as u64 > BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more was learned than is kept"));
        }
        self.folder.replace(&self.name, |file| {
            file.write_all(MAGIC)?;
            file.write_all(&XxHash64::oneshot(0, &compressed).to_le_bytes())?;
            file.write_all(&compressed)
        })?;
        Ok(())
    }
}

fn read(file: &[u8]) -> Option<Vec<u8>> {
    let (magic, rest) = file.split_first_chunk()?;
    let (checksum, compressed) = rest.split_first_chunk()?;
    let is_whole = magic == MAGIC && XxHash64::oneshot(0, compressed) == u64::from_le_bytes(*checksum);
    if !is_whole || file.len() > FILE_BYTES_MAX {
        return None;
    }
    let mut learned = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(compressed).ok()?;
    let length = decoder.take(BYTES_MAX + 1).read_to_end(&mut learned).ok()?;
    (length as u64 <= BYTES_MAX).then_some(learned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_comes_back_and_what_is_damaged_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let file = LearnedFile::new(Arc::new(Folder::open(&path).unwrap()), "learned-x".to_owned());
        assert_eq!(file.load(), Ok(None));
        for learned in [&b"habits of some lines "[..], &b"more ".repeat(100_000)] {
            file.save(learned).unwrap();
            assert_eq!(file.load().unwrap().as_deref(), Some(learned));
        }
        let whole = std::fs::read(path.join("learned-x")).unwrap();
        for at in [0, MAGIC.len() - 2, MAGIC.len(), whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(path.join("learned-x"), bytes).unwrap();
            let told = file.load().unwrap_err();
            assert!(told.contains("learned-x.damaged") && told.contains("learned anew"), "{told}");
            assert_eq!(file.load(), Ok(None));
        }
        for length in [0, 10, MAGIC.len() + 4, whole.len() - 1] {
            assert_eq!(read(&whole[..length]), None);
        }
    }
}
