//! Archives of log files, compressed journals, and standard input → files that can be read in any order, more than once.
//!
//! In go files as they were found, out come the members of those that are tar archives, in their place, named
//! `ARCHIVE/member/path`. The members of a plain archive are read where they stand, those of a compressed one, standard
//! input, and a journal's file that is compressed (its entries stand anywhere in it), from a temporary file. Nothing is written under a name that an archive tells. What the members hold is not looked
//! at.
//!
//! An archive may be hostile: names that lead out of it, links, devices, sparse files and archives within archives are left
//! out, and counted like files that are; sizes, names and the number of members are limited.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use tar::{Archive, Entry, EntryType};

use super::discover::{Found, FoundFile};
use super::look::{Layout, Looker, is_named_as_archive};
use super::names::{by_number, reason_to_leave_out};
use super::temporary::{KeepError, Temporary};
use crate::files::section::Section;

/// Members of one archive; a must-gather of a large cluster has some ten thousand.
const MEMBERS_MAX: usize = 1_000_000;
/// What stands before one member: its header, long names and attributes. The kernel's paths have 4 KiB at most.
const HEADER_BYTES_MAX: u64 = 1 << 20;
/// Parts of a member's path.
const DEPTH_MAX: usize = 64;

const SPARSE: &str = "a sparse file in an archive (unpack it to read it)";
const IN_ARCHIVE: &str = "an archive within an archive (unpack it to read it)";

/// Puts members in the place of their archives, and what was read in the place of standard input.
pub fn expand(found: &mut Found, temporary: &mut Temporary, stop: &AtomicBool) {
    let mut looker = Looker::default();
    for mut file in std::mem::take(&mut found.files) {
        if file.is_stdin() {
            match temporary.keep(io::stdin().lock(), stop) {
                Ok(section) => file.read_from(section),
                Err(error) => {
                    found.errors.push((file.path, io::Error::other(format!("standard input {error}"))));
                    continue;
                }
            }
        }
        match looker.layout(&mut file) {
            Some(layout) => Members { found, archive: &file, temporary, stop }.take(layout),
            // What can't be read is met again, and said, when the file is read.
            None => found.files.push(file),
        }
    }
    unpack_journals(found, &mut looker, temporary, stop);
}

/// Puts what compressed journals hold in their place. Of one that is cut, or damaged, that is what stands before.
fn unpack_journals(found: &mut Found, looker: &mut Looker, temporary: &mut Temporary, stop: &AtomicBool) {
    for mut file in std::mem::take(&mut found.files) {
        let mut sniffed = looker.sniffed(&mut file);
        if sniffed.is_packed_journal {
            let error = match file.open(None).map_err(KeepError::Reading).and_then(|input| {
                let mut input = UpToError { input, error: None };
                temporary.keep(&mut input, stop).map(|section| (section, input.error))
            }) {
                Ok((section, error)) => {
                    file.read_from(section);
                    error.map(|error| format!("{error}; the rest was not read"))
                }
                Err(error) => {
                    found.errors.push((file.path, io::Error::other(format!("{error}; it was left out"))));
                    continue;
                }
            };
            found.errors.extend(error.map(|error| (file.path.clone(), io::Error::other(error))));
            sniffed.is_packed_journal = false;
        }
        file.sniffed = Some(Box::new(sniffed));
        found.files.push(file);
    }
}

/// The members of one archive while they are unpacked.
struct Members<'a> {
    found: &'a mut Found,
    archive: &'a FoundFile,
    temporary: &'a mut Temporary,
    stop: &'a AtomicBool,
}

/// What an archive held, before it is known what all members are called.
#[derive(Default)]
struct Listed {
    files: Vec<FoundFile>,
    /// Path within the archive → place in `files`.
    known: HashMap<String, usize>,
    /// Path, and what it leads to.
    links: Vec<(String, Option<String>)>,
}

impl Members<'_> {
    fn take(&mut self, layout: Layout) {
        let mut listed = Listed::default();
        let read = match layout {
            Layout::Plain => self.read_plain(&mut listed),
            Layout::Compressed => self.archive.open(None).map_err(KeepError::Reading).and_then(|input| {
                let input = Metered { input, left: Rc::default() };
                self.read(input, None, &mut listed)
            }),
        };
        if let Err(error) = read {
            let text = format!("{error}; the rest was not read");
            self.found.errors.push((self.archive.path.clone(), io::Error::other(text)));
        }
        self.resolve_links(&mut listed);
        self.leave_out_repeated(&mut listed);
        let Listed { mut files, .. } = listed;
        files.sort_by(|a, b| by_number(a.shown.as_bytes(), b.shown.as_bytes()));
        self.found.files.append(&mut files);
    }

    fn read_plain(&mut self, listed: &mut Listed) -> Result<(), KeepError> {
        let section = self.archive.whole().map_err(KeepError::Reading)?;
        self.read(Metered { input: section.open(), left: Rc::default() }, Some(&section), listed)
    }

    /// Reads an archive through. `within`: members are parts of it.
    fn read<R: Read>(
        &mut self,
        input: Metered<R>,
        within: Option<&Section>,
        listed: &mut Listed,
    ) -> Result<(), KeepError> {
        let left = input.left.clone();
        left.set(HEADER_BYTES_MAX);
        let mut archive = Archive::new(input);
        for entry in archive.entries().map_err(KeepError::Reading)? {
            let mut entry = entry.map_err(KeepError::Reading)?;
            if listed.files.len() >= MEMBERS_MAX {
                return Err(KeepError::Reading(io::Error::other(format!("it has more than {MEMBERS_MAX} members"))));
            }
            left.set(u64::MAX);
            self.member(&mut entry, within, listed)?;
            // What is left of it is skipped here, so that the limit holds for what is between members.
            io::copy(&mut Stoppable { input: &mut entry, stop: self.stop }, &mut io::sink())
                .map_err(KeepError::Reading)?;
            left.set(HEADER_BYTES_MAX);
        }
        Ok(())
    }

    /// The disk, and the limit of all that is kept, end the archive; a member that is no log is left out.
    fn member<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        within: Option<&Section>,
        listed: &mut Listed,
    ) -> Result<(), KeepError> {
        let Some(path) = self.wanted(entry, listed) else { return Ok(()) };
        let changed = entry.header().mtime().ok();
        let mut section = match within {
            Some(archive) => archive.part(entry.raw_file_position(), entry.size()),
            None => self.temporary.keep(&mut *entry, self.stop).map_err(|error| match error {
                KeepError::Reading(cause) => {
                    let text = format!("{path}: {cause}; it was left out");
                    KeepError::Reading(io::Error::new(cause.kind(), text))
                }
                error => error,
            })?,
        };
        section.changed = changed;
        let file = self.archive.member(self.shown(&path), section);
        match listed.known.get(&path) {
            // As unpacking has it: the last one of a name stays.
            Some(at) => {
                let older = std::mem::replace(&mut listed.files[*at], file);
                self.found.leave_out("replaced by a later member of the same name", older.shown);
            }
            None => {
                listed.known.insert(path, listed.files.len());
                listed.files.push(file);
            }
        }
        Ok(())
    }

    /// The path of a member that is to be read; links are kept for the end, the others are left out.
    fn wanted<R: Read>(&mut self, entry: &mut Entry<'_, R>, listed: &mut Listed) -> Option<String> {
        let told = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(path) = path_within(&told) else {
            let shown = self.shown(&told);
            self.found.leave_out("a name that leads out of its archive", shown);
            return None;
        };
        let reason = match entry.header().entry_type() {
            EntryType::Directory => return None,
            EntryType::Link => {
                let to = link_of(entry).and_then(|to| path_within(&to));
                listed.links.push((path, to));
                return None;
            }
            EntryType::Symlink => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let to = link_of(entry).filter(|to| !to.starts_with('/'));
                let to = to.and_then(|to| path_within(&format!("{folder}/{to}")));
                listed.links.push((path, to));
                return None;
            }
            _ if path.split('/').count() > DEPTH_MAX => Some("folders nested too deep"),
            EntryType::GNUSparse => Some(SPARSE),
            EntryType::Regular | EntryType::Continuous if is_sparse(entry) => Some(SPARSE),
            EntryType::Regular | EntryType::Continuous => {
                let name = path.rsplit('/').next().unwrap_or_default();
                is_named_as_archive(name).then_some(IN_ARCHIVE).or_else(|| reason_to_leave_out(name, &HashSet::new()))
            }
            _ => Some("not a regular file"),
        };
        let Some(reason) = reason else { return Some(path) };
        let shown = self.shown(&path);
        self.found.leave_out(reason, shown);
        None
    }

    /// Names are shown on terminals.
    fn shown(&self, path: &str) -> String {
        let visible = |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
        let path: String = path.chars().map(visible).collect();
        format!("{}/{path}", self.archive.shown.trim_end_matches('/'))
    }

    /// A link to a member that is read is another name of it.
    fn resolve_links(&mut self, listed: &mut Listed) {
        for (path, to) in std::mem::take(&mut listed.links) {
            let shown = self.shown(&path);
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            match to.as_ref().map(|to| listed.known.get(to)) {
                Some(Some(at)) => {
                    listed.files[*at].linked_as.push(name);
                    self.found.leave_out("link to a file that is read under its own name", shown);
                }
                Some(None) => self.found.leave_out("link that leads nowhere", shown),
                None => self.found.leave_out("link that leads out of its archive", shown),
            }
        }
    }

    /// Severity files of klog, which are known by the names beside them.
    fn leave_out_repeated(&mut self, listed: &mut Listed) {
        let split = |shown: &str| shown.rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap_or_default();
        let mut folders: HashMap<String, HashSet<String>> = HashMap::new();
        for file in &listed.files {
            let (folder, name) = split(&file.shown);
            folders.entry(folder).or_default().insert(name);
        }
        for file in std::mem::take(&mut listed.files) {
            let (folder, name) = split(&file.shown);
            match folders.get(&folder).and_then(|siblings| reason_to_leave_out(&name, siblings)) {
                Some(reason) => self.found.leave_out(reason, file.shown),
                None => listed.files.push(file),
            }
        }
    }
}

/// path = [ "/" ] *( "./" ) part *( "/" part )    ; `None` where `..` leads out of it
fn path_within(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn link_of<R: Read>(entry: &Entry<'_, R>) -> Option<String> {
    Some(String::from_utf8_lossy(&entry.link_name_bytes()?).into_owned())
}

/// The header of POSIX has no kind of its own for it.
fn is_sparse<R: Read>(entry: &mut Entry<'_, R>) -> bool {
    let extensions = entry.pax_extensions().ok().flatten();
    extensions.is_some_and(|mut all| all.any(|one| one.is_ok_and(|one| one.key_bytes().starts_with(b"GNU.sparse."))))
}

/// Reads no more than is left, which is set anew between members.
struct Metered<R> {
    input: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        if room == 0 && !into.is_empty() {
            let text = format!("what stands before a member is larger than {HEADER_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let got = self.input.read(&mut into[..room])?;
        self.left.set(left - got as u64);
        Ok(got)
    }
}

/// Ends where it cannot be read on.
struct UpToError<R> {
    input: R,
    error: Option<io::Error>,
}

impl<R: Read> Read for UpToError<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.input.read(into) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.error = Some(error);
                Ok(0)
            }
            read => read,
        }
    }
}

/// Ends when the run is to end.
struct Stoppable<'a, R> {
    input: R,
    stop: &'a AtomicBool,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(io::Error::other("the run was interrupted"));
        }
        self.input.read(into)
    }
}
