//! A journal's disk: files in a state folder.
//!
//! In go names and bytes. What the bytes say is not known here.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use super::journal::{Disk, Syncing};
use crate::checkpoint::folder::Folder;

/// See the module.
#[derive(Debug)]
pub struct FolderDisk {
    folder: Folder,
    /// What is appended to.
    file: Option<File>,
}

impl FolderDisk {
    /// Files in this folder.
    pub fn new(folder: Folder) -> FolderDisk {
        FolderDisk { folder, file: None }
    }
}

impl Disk for FolderDisk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.folder.read(name).map_err(io::Error::other)
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.file = None;
        let (file, ..) = self.folder.replace(name, |fresh| fresh.write_all(bytes))?;
        self.folder.sync().map_err(io::Error::other)?;
        self.file = Some(file);
        Ok(())
    }

    fn go_on(&mut self, name: &str) -> io::Result<()> {
        self.file = Some(File::options().write(true).open(self.folder.path(name))?);
        Ok(())
    }

    fn append(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        // Of a file that failed once the system may take for written what is not.
        let Some(mut file) = self.file.take() else { return Err(io::ErrorKind::NotFound.into()) };
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        self.file = Some(file);
        Ok(())
    }

    fn syncing(&self) -> io::Result<Syncing> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?.try_clone()?;
        Ok(Box::new(move || file.sync_data()))
    }

    fn set_aside(&mut self, name: &str) -> io::Result<String> {
        let aside = self.folder.set_aside(name).map_err(io::Error::other)?;
        Ok(aside.display().to_string())
    }
}
