//! Which log files there are under the given paths, and which of them are left out, by name.
//!
//! In go paths as given, out come files in a fixed order, each once, with the name it is shown under, and what was left
//! out with the reason. Contents are not looked at, and what the lines mean is not known here.
//!
//! A container that may write below /var/log can plant links there: one is followed only to what lies under the given
//! folders, or where kubelet's own links lead. What the user names himself may lie anywhere.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::FileType;

use super::folder::Folder;
use super::journal::query::JournalQuery;
use super::journal::stream::JournalStream;
use super::names::{by_number, reason_to_leave_out, severities};
use super::open::{self, Counted, Expected};
use super::sniff::{Content, Sniffed};
use crate::files::identity::FileId;
use crate::files::section::Section;
use crate::unpack::unpacked_sized;

/// Folders nested deeper are not entered.
const DEPTH_MAX: usize = 64;

/// Why a folder, or a file in it, is left out.
const OWN_FOLDER: &str = "spanline's own state";

/// Where kubelet's links lead: `containers/` to `pods/`, and both to docker's files.
const KUBELET_ROOTS: [&str; 2] = ["/var/log/pods", "/var/lib/docker/containers"];

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Where to open it.
    pub path: PathBuf,
    /// The path as given, `/`, and the path below it; or the path as given, if that is a file.
    pub shown: String,
    /// Its size on disk.
    pub size: u64,
    /// Which file it is, whatever it is called; `None` if that is not known.
    pub id: Option<FileId>,
    /// Where it stands, if that is not at `path`: a member of an archive, or standard input.
    pub section: Option<Section>,
    /// Under which of the given paths it was found, from 0.
    pub given: usize,
    /// Names of links that lead to it, such as those in `containers/`.
    pub linked_as: Vec<String>,
    /// Named on the command line itself.
    pub named: bool,
    /// Folders that it must lie in when it is opened; none if it was named.
    pub roots: Arc<[PathBuf]>,
    /// Which entries are read of it, if it is a journal's own file.
    pub journal: Option<Arc<JournalQuery>>,
    /// What its first bytes tell, once they were looked at.
    pub sniffed: Option<Box<Sniffed>>,
    /// What all of it is, if it is so short that a look at its first bytes showed that.
    pub content: Option<Content>,
}

impl FoundFile {
    /// Opens it, without its compression; a journal's file as the stream of its entries.
    pub fn open(&self, count: Option<Arc<AtomicU64>>) -> io::Result<Box<dyn io::Read + Send>> {
        if let Some(query) = &self.journal {
            return Ok(Box::new(JournalStream::new(self.whole()?, query.clone(), count)?));
        }
        unpacked_sized(self.open_packed(count)?, self.size)
    }

    /// Opens it for reading lines from a place on, in decompressed bytes, that was read up to before.
    pub fn open_at(&self, position: u64, count: Option<Arc<AtomicU64>>) -> io::Result<Box<dyn io::Read + Send>> {
        if self.section.is_none()
            && self.journal.is_none()
            && let Some(rest) = open::open_plain_at(&self.path, &self.expected(count.clone()), position)?
        {
            return Ok(Box::new(rest));
        }
        // What was read of it before is not counted again.
        let mut input = self.open(None)?;
        io::copy(&mut input.by_ref().take(position), &mut io::sink())?;
        Ok(input)
    }

    /// Opens it as it is; see [`open::open_expected`].
    pub fn open_packed(&self, count: Option<Arc<AtomicU64>>) -> io::Result<Box<dyn io::Read + Send>> {
        match &self.section {
            Some(section) => Ok(Box::new(Counted { input: section.open(), count })),
            None => Ok(Box::new(open::open_expected(&self.path, &self.expected(count))?)),
        }
    }

    /// All of it as it is, to be read at any place.
    pub fn whole(&self) -> io::Result<Section> {
        if let Some(section) = &self.section {
            return Ok(section.clone());
        }
        let (file, metadata) = self.open_file()?;
        Ok(Section::of(Arc::new(file), 0, metadata.len()))
    }

    /// Opens what lies at its path, to be read in parts.
    pub fn open_file(&self) -> io::Result<(fs::File, Metadata)> {
        open::file_expected(&self.path, &self.expected(None))
    }

    fn expected(&self, count: Option<Arc<AtomicU64>>) -> Expected {
        Expected { roots: self.roots.clone(), found: self.id.map(|id| (id, self.size)), count }
    }

    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.shown.rsplit('/').next().unwrap_or(&self.shown)
    }

    /// Standard input.
    pub fn is_stdin(&self) -> bool {
        self.path == Path::new("-") && self.named && self.section.is_none()
    }

    /// It stands there.
    pub fn read_from(&mut self, section: Section) {
        self.content = None;
        self.size = section.length;
        self.section = Some(section);
    }

    /// A member of this archive.
    pub fn member(&self, shown: String, section: Section) -> FoundFile {
        let size = section.length;
        FoundFile {
            shown,
            size,
            section: Some(section),
            linked_as: Vec::new(),
            named: false,
            journal: None,
            sniffed: None,
            content: None,
            ..self.clone()
        }
    }

    /// When it was last changed, in ns since the epoch.
    pub fn changed(&self) -> Option<i64> {
        let since_epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
        let changed = match &self.section {
            Some(section) => Duration::from_secs(section.changed?),
            None => since_epoch(fs::metadata(&self.path).ok()?.modified().ok()?)?,
        };
        i64::try_from(changed.as_nanos()).ok()
    }
}

/// Files left out: under each reason the names that they are shown under.
pub type LeftOut = BTreeMap<&'static str, Vec<String>>;

/// What is under the paths.
#[derive(Debug, Default)]
pub struct Found {
    /// Files to read, by the order of the paths, then by name.
    pub files: Vec<FoundFile>,
    /// Files left out, by reason.
    pub left_out: LeftOut,
    /// What could not be looked at.
    pub errors: Vec<(PathBuf, io::Error)>,
}

impl Found {
    /// A file is not read.
    pub fn leave_out(&mut self, reason: &'static str, shown: String) {
        self.left_out.entry(reason).or_default().push(shown);
    }
}

/// Looks under the paths. `skip` are files that are read as something else, and folders of which nothing is a log.
pub fn find(paths: &[PathBuf], skip: &[PathBuf]) -> Found {
    find_within(paths, skip, &KUBELET_ROOTS.map(PathBuf::from))
}

fn find_within(paths: &[PathBuf], skip: &[PathBuf], roots: &[PathBuf]) -> Found {
    let roots = paths.iter().chain(roots).filter_map(|path| path.canonicalize().ok()).collect();
    let (folders, skip): (Vec<_>, Vec<_>) =
        skip.iter().filter_map(|path| path.canonicalize().ok()).partition(|path| path.is_dir());
    // What the user names is read, wherever it lies.
    let given: Vec<PathBuf> = paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let holds_given = |folder: &PathBuf| given.iter().any(|path| path.is_dir() && path.starts_with(folder));
    let folders = folders.into_iter().filter(|folder| !holds_given(folder)).collect();
    let mut walk = Walk { skip: skip.into_iter().collect(), folders, roots, ..Walk::default() };
    for (given, path) in paths.iter().enumerate() {
        walk.given = given;
        if path == Path::new("-") {
            walk.stdin();
            continue;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                walk.folder(Folder::open(path), path, &place(path), &path.to_string_lossy(), DEPTH_MAX);
            }
            // Everything is read twice, which a pipe does not allow.
            Ok(metadata) if !metadata.is_file() => {
                walk.found.errors.push((path.clone(), io::Error::other("is no regular file (convert reads pipes)")));
            }
            Ok(metadata) => {
                let found = (metadata.len(), FileId::of(&metadata));
                walk.file(path.clone(), place(path), path.to_string_lossy().into_owned(), found, true);
            }
            Err(error) => walk.found.errors.push((path.clone(), error)),
        }
    }
    walk.finish()
}

/// Where a path leads, through all links.
fn place(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

#[derive(Default)]
struct Walk {
    found: Found,
    /// Files that are read as something else.
    skip: HashSet<PathBuf>,
    /// Folders of which nothing is a log.
    folders: Vec<PathBuf>,
    /// Where links may lead.
    roots: Arc<[PathBuf]>,
    /// Which of the given paths is walked.
    given: usize,
    /// Canonical path → index in `found.files`.
    known: HashMap<OsString, usize>,
    links: Vec<(PathBuf, PathBuf, String, usize)>,
    /// Canonical paths of files left out by name: links to them are left out, too.
    refused: HashSet<OsString>,
}

impl Walk {
    /// `place`: where the folder lies, whatever links lead to it.
    fn folder(&mut self, opened: io::Result<Folder>, path: &Path, place: &Path, shown: &str, depth: usize) {
        let mut folder = match opened {
            Ok(folder) => folder,
            Err(error) => return self.found.errors.push((path.into(), error)),
        };
        let mut names = Vec::new();
        for entry in folder.entries() {
            match entry {
                Ok(named) => names.push(named),
                Err(error) => self.found.errors.push((path.into(), error)),
            }
        }
        // Restarts and rotations are counted: 2.log comes before 10.log.
        names.sort_by(|(a, _), (b, _)| by_number(a.as_encoded_bytes(), b.as_encoded_bytes()));
        let siblings = severities(names.iter().map(|(name, _)| name.to_string_lossy()));
        for (os_name, kind) in names {
            let (path, place) = (path.join(&os_name), place.join(&os_name));
            let name = os_name.to_string_lossy();
            // Exactly as much room as it takes: there may be very many.
            let shown = [shown.trim_end_matches('/'), "/", &name].concat();
            match kind {
                FileType::Directory if self.is_own(&place) => self.leave_out(OWN_FOLDER, shown),
                FileType::Directory if depth > 0 => {
                    self.folder(folder.below(&os_name), &path, &place, &shown, depth - 1);
                }
                FileType::Directory => self.leave_out("folders nested too deep", shown),
                FileType::Symlink => self.link(path, shown),
                FileType::RegularFile => match (reason_to_leave_out(&name, &siblings), folder.file(&os_name)) {
                    (Some(reason), _) => {
                        self.leave_out(reason, shown);
                        self.refused.insert(place.into());
                    }
                    // Another thing has come in its place.
                    (None, Ok(None)) => self.leave_out("not a regular file", shown),
                    (None, Ok(Some((size, id)))) => self.file(path, place, shown, (size, Some(id)), false),
                    (None, Err(error)) => self.found.errors.push((path, error)),
                },
                _ => self.leave_out("not a regular file", shown),
            }
        }
    }

    /// Links to files are kept for the end: what they lead to may be met under its own name.
    fn link(&mut self, path: PathBuf, shown: String) {
        match path.canonicalize() {
            Ok(target) if !self.roots.iter().any(|root| target.starts_with(root)) => {
                self.leave_out("link that leads out of the given folders (name its target to read it)", shown);
            }
            Ok(target) if target.is_file() => self.links.push((target, path, shown, self.given)),
            Ok(_) => self.leave_out("link to a folder", shown),
            Err(_) => self.leave_out("link that leads nowhere", shown),
        }
    }

    fn stdin(&mut self) {
        self.found.files.push(FoundFile {
            path: "-".into(),
            shown: "-".to_owned(),
            size: 0,
            id: FileId::of_descriptor(io::stdin()),
            section: None,
            given: self.given,
            linked_as: Vec::new(),
            named: true,
            roots: Arc::default(),
            journal: None,
            sniffed: None,
            content: None,
        });
    }

    fn is_own(&self, place: &Path) -> bool {
        // Both are spelled in the one way that leads there; the parts of a path take longer to look at.
        let place = place.as_os_str().as_encoded_bytes();
        let is_within = |folder: &[u8]| {
            place.strip_prefix(folder).is_some_and(|rest| matches!(rest, [] | [b'/', ..]) || folder.ends_with(b"/"))
        };
        self.folders.iter().any(|folder| is_within(folder.as_os_str().as_encoded_bytes()))
    }

    /// `size`, `id`: of what was found there.
    fn file(&mut self, path: PathBuf, place: PathBuf, shown: String, (size, id): (u64, Option<FileId>), named: bool) {
        if self.skip.contains(&place) {
            return self.leave_out("read as something else in this run", shown);
        }
        if self.is_own(&place) {
            if named {
                self.found.errors.push((path, io::Error::other(format!("{OWN_FOLDER}; it was left out"))));
            }
            return self.leave_out(OWN_FOLDER, shown);
        }
        match self.known.entry(place.into_os_string()) {
            Entry::Occupied(_) => return self.leave_out("read already under another name", shown),
            Entry::Vacant(place) => place.insert(self.found.files.len()),
        };
        self.found.files.push(FoundFile {
            path,
            shown,
            size,
            id,
            section: None,
            given: self.given,
            linked_as: Vec::new(),
            named,
            roots: if named { Arc::default() } else { self.roots.clone() },
            journal: None,
            sniffed: None,
            content: None,
        });
    }

    fn leave_out(&mut self, reason: &'static str, shown: String) {
        self.found.left_out.entry(reason).or_default().push(shown);
    }

    fn finish(mut self) -> Found {
        for (target, path, shown, given) in std::mem::take(&mut self.links) {
            self.given = given;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            match self.known.get(target.as_os_str()) {
                Some(at) => {
                    self.found.files[*at].linked_as.push(name);
                    self.leave_out("link to a file that is read under its own name", shown);
                }
                None if self.refused.contains(target.as_os_str()) => {
                    self.leave_out("link to a file that is left out", shown)
                }
                None => match fs::metadata(&target) {
                    Ok(metadata) => {
                        let before = self.found.files.len();
                        // The link may be set elsewhere meanwhile: its target is what was looked at.
                        let of_target = (metadata.len(), FileId::of(&metadata));
                        self.file(target.clone(), target, shown, of_target, false);
                        if let Some(file) = self.found.files.get_mut(before) {
                            file.linked_as.push(name);
                        }
                    }
                    Err(error) => self.found.errors.push((path, error)),
                },
            }
        }
        self.found
    }
}

/// The parts of a path that name something, the last one first: paths of one file differ in what stands before.
pub fn parts_from_end(path: &str) -> impl Iterator<Item = &str> {
    path.rsplit('/').filter(|part| !matches!(*part, "" | "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: &Found) -> Vec<&str> {
        found.files.iter().map(|file| file.shown.as_str()).collect()
    }

    #[test]
    fn a_node_is_read_once_whatever_leads_to_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("pods/ns_p_u/app")).unwrap();
        fs::create_dir_all(root.join("containers")).unwrap();
        fs::write(root.join("pods/ns_p_u/app/0.log"), "x\n").unwrap();
        fs::write(root.join("wtmp"), "x").unwrap();
        fs::write(root.join("kubelet.log"), "x\n").unwrap();
        fs::write(root.join("traces.jsonl"), "{}\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink(root.join("pods/ns_p_u/app/0.log"), root.join("containers/p_ns_app-abc.log")).unwrap();
            symlink(root.join("gone"), root.join("containers/q_ns_app-abc.log")).unwrap();
            symlink(root, root.join("containers/loop")).unwrap();
        }
        let found = find(&[root.into(), root.join("kubelet.log")], &[root.join("traces.jsonl")]);
        let at = root.to_string_lossy();
        assert_eq!(shown(&found), [format!("{at}/kubelet.log"), format!("{at}/pods/ns_p_u/app/0.log")]);
        assert_eq!(found.files[1].linked_as, ["p_ns_app-abc.log"]);
        assert_eq!(found.left_out["binary by its name"].len(), 1);
        assert_eq!(found.left_out["link that leads nowhere"].len(), 1);
        assert_eq!(found.left_out["link to a folder"].len(), 1);
        assert!(found.errors.is_empty());
        assert_eq!(find(&[root.join("no")], &[]).errors.len(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn links_are_followed_only_to_the_given_folders_and_where_kubelets_lead() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (root, docker) = (folder.path().join("log"), folder.path().join("docker"));
        fs::create_dir_all(root.join("pods")).unwrap();
        fs::create_dir_all(&docker).unwrap();
        for path in [folder.path().join("shadow"), docker.join("a-json.log"), root.join("real.txt")] {
            fs::write(path, "x\n").unwrap();
        }
        symlink(folder.path().join("shadow"), root.join("pods/0.log")).unwrap();
        symlink("../../shadow", root.join("pods/1.log")).unwrap();
        symlink(docker.join("a-json.log"), root.join("pods/2.log")).unwrap();
        symlink("../real.txt", root.join("pods/3.log")).unwrap();
        let names = |found: &Found| -> Vec<String> {
            let name = |file: &FoundFile| file.shown.rsplit('/').next().unwrap_or_default().to_owned();
            found.files.iter().map(name).collect()
        };
        let found = find_within(std::slice::from_ref(&root), &[], std::slice::from_ref(&docker));
        assert_eq!(names(&found), ["real.txt", "2.log"]);
        assert_eq!(found.left_out["link that leads out of the given folders (name its target to read it)"].len(), 2);
        assert_eq!(names(&find(&[root.join("pods/0.log")], &[])), ["0.log"]);
        // A link that was set elsewhere since is not read.
        let mut file = found.files[0].clone();
        assert!(file.open(None).is_ok());
        file.path = root.join("pods/0.log");
        assert!(file.open(None).is_err());
        // Wherever it leads; the folders above are looked at by where the file lies.
        file.path = root.join("pods/3.log");
        assert!(file.open(None).is_err());
        symlink(folder.path(), root.join("up")).unwrap();
        file.path = root.join("up/shadow");
        assert!(file.open(None).is_err());
    }

    #[test]
    #[cfg(unix)]
    fn a_pipe_is_left_out_even_if_it_takes_the_place_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let made = std::process::Command::new("mkfifo").arg(folder.path().join(name)).status();
            made.is_ok_and(|status| status.success())
        };
        fs::write(folder.path().join("0.log"), "x\n").unwrap();
        if !make("1.log") {
            return;
        }
        let found = find(&[folder.path().into()], &[]);
        assert_eq!((found.files.len(), found.left_out["not a regular file"].len()), (1, 1));
        fs::remove_file(folder.path().join("0.log")).unwrap();
        assert!(make("0.log"));
        let (sender, opened) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(found.files[0].open(None).map(drop)));
        // Nobody writes to it: whoever waited for that would wait for ever.
        let error = opened.recv_timeout(std::time::Duration::from_secs(10)).unwrap().unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");
    }

    #[test]
    fn nothing_of_the_state_folder_is_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("log");
        let state = root.join("run/state");
        fs::create_dir_all(state.join("deeper")).unwrap();
        for name in ["a.log", "run/b.log", "run/state/lock", "run/state/deeper/c.log"] {
            fs::write(root.join(name), "x\n").unwrap();
        }
        let ends = |found: &Found| -> Vec<String> {
            found.files.iter().map(|file| file.shown.rsplit('/').next().unwrap().to_owned()).collect()
        };
        let find = |paths: &[PathBuf]| find(paths, std::slice::from_ref(&state));
        let found = find(std::slice::from_ref(&root));
        assert_eq!((ends(&found), found.left_out[OWN_FOLDER].len()), (vec!["a.log".to_owned(), "b.log".to_owned()], 1));
        // A file of it that is named is reported; the folder itself, given as logs, is what the user wants to be read.
        let found = find(&[state.join("lock"), root.join("a.log")]);
        assert_eq!((ends(&found), found.errors.len()), (vec!["a.log".to_owned()], 1));
        assert_eq!(ends(&find(&[state.join("deeper")])), ["c.log"]);
        assert_eq!(ends(&find(std::slice::from_ref(&state))), ["c.log", "lock"]);
    }
}
