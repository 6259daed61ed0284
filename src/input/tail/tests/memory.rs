//! A file system in memory: inodes that are used again, handles that outlive names, data that is gone with the last of
//! both, and watches whose events may be lost.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::files::identity::FileId;
use crate::input::tail::file_system::{Entry, EntryKind, FileSystem, FsEvent, OpenFile, Stat, WatchId};

/// The file system; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<World>>);

#[derive(Debug, Default)]
struct World {
    names: BTreeMap<PathBuf, Name>,
    inodes: u64,
    /// Nodes without a name, whose inode is used again once nobody holds them.
    nameless: Vec<Arc<Node>>,
    free: Vec<u64>,
    clock: i64,
    watches: HashMap<WatchId, Watched>,
    next_watch: i32,
    events: Vec<FsEvent>,
    /// Errors that files give.
    errors: HashMap<PathBuf, io::ErrorKind>,
    looks: u64,
}

#[derive(Debug, Clone)]
enum Name {
    File(Arc<Node>),
    Folder { inode: u64, modified: i64 },
    Link(PathBuf),
}

#[derive(Debug)]
pub(super) struct Node {
    inode: u64,
    content: Mutex<Content>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    modified: i64,
    /// The largest size that was told of it.
    seen: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Watched {
    Folder(PathBuf),
    Once(u64),
}

/// A file that is open for writing, whatever it is called.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    node: Arc<Node>,
    memory: Memory,
}

impl Writer {
    pub(super) fn append(&self, bytes: &[u8]) {
        let mut world = self.memory.0.lock().unwrap();
        world.clock += 1;
        let clock = world.clock;
        let mut content = self.node.content.lock().unwrap();
        content.bytes.extend_from_slice(bytes);
        content.modified = clock;
        drop(content);
        world.written(self.node.inode);
    }
}

impl Memory {
    pub(super) fn folder(&self, path: &str) {
        let mut world = self.0.lock().unwrap();
        for folder in Path::new(path).ancestors().collect::<Vec<_>>().into_iter().rev() {
            if !world.names.contains_key(folder) {
                let inode = world.inode();
                let modified = world.clock;
                world.names.insert(folder.into(), Name::Folder { inode, modified });
                world.changed_in(folder.parent());
            }
        }
    }

    /// Opens for appending; creates the file and the folders above.
    pub(super) fn writer(&self, path: &str) -> Writer {
        let path = Path::new(path);
        if let Some(folder) = path.parent() {
            self.folder(&folder.to_string_lossy());
        }
        let mut world = self.0.lock().unwrap();
        let node = match world.names.get(path) {
            Some(Name::File(node)) => node.clone(),
            _ => {
                let inode = world.inode();
                let node = Arc::new(Node { inode, content: Mutex::default() });
                world.names.insert(path.into(), Name::File(node.clone()));
                world.changed_in(path.parent());
                node
            }
        };
        Writer { node, memory: self.clone() }
    }

    pub(super) fn append(&self, path: &str, text: &str) {
        self.writer(path).append(text.as_bytes());
    }

    pub(super) fn read(&self, path: &str) -> Option<Vec<u8>> {
        let world = self.0.lock().unwrap();
        let Some(Name::File(node)) = world.names.get(Path::new(path)) else { return None };
        Some(node.content.lock().unwrap().bytes.clone())
    }

    /// The largest size of a file that was told.
    pub(super) fn seen(&self, path: &str) -> u64 {
        let world = self.0.lock().unwrap();
        let Some(Name::File(node)) = world.names.get(Path::new(path)) else { return 0 };
        node.content.lock().unwrap().seen
    }

    /// Some time passes.
    pub(super) fn tick(&self) {
        self.0.lock().unwrap().clock += 100;
    }

    /// In place, by another process.
    pub(super) fn truncate(&self, path: &str) {
        let mut world = self.0.lock().unwrap();
        world.clock += 1;
        let Some(Name::File(node)) = world.names.get(Path::new(path)).cloned() else { return };
        *node.content.lock().unwrap() = Content { bytes: Vec::new(), modified: world.clock, seen: 0 };
        world.written(node.inode);
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        let mut world = self.0.lock().unwrap();
        let Some(name) = world.names.remove(Path::new(from)) else { return };
        if let Some(Name::File(node)) = world.names.insert(to.into(), name) {
            world.nameless.push(node);
        }
        world.changed_in(Path::new(from).parent());
        world.changed_in(Path::new(to).parent());
    }

    pub(super) fn remove(&self, path: &str) {
        let mut world = self.0.lock().unwrap();
        match world.names.remove(Path::new(path)) {
            Some(Name::File(node)) => world.nameless.push(node),
            Some(Name::Folder { .. }) => {
                let below: Vec<PathBuf> = world.names.keys().filter(|name| name.starts_with(path)).cloned().collect();
                for name in below {
                    if let Some(Name::File(node)) = world.names.remove(&name) {
                        world.nameless.push(node);
                    }
                }
            }
            _ => {}
        }
        world.changed_in(Path::new(path).parent());
    }

    pub(super) fn link(&self, path: &str, target: &str) {
        let mut world = self.0.lock().unwrap();
        world.names.insert(path.into(), Name::Link(target.into()));
        world.changed_in(Path::new(path).parent());
    }

    /// A file that cannot be opened, or can again.
    pub(super) fn fail(&self, path: &str, error: Option<io::ErrorKind>) {
        let mut world = self.0.lock().unwrap();
        match error {
            Some(error) => world.errors.insert(path.into(), error),
            None => world.errors.remove(Path::new(path)),
        };
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.0.lock().unwrap().names.contains_key(Path::new(path))
    }

    pub(super) fn names(&self) -> Vec<String> {
        let world = self.0.lock().unwrap();
        let files = world.names.iter().filter(|(_, name)| matches!(name, Name::File(_)));
        files.map(|(path, _)| path.to_string_lossy().into_owned()).collect()
    }

    /// What the watches tell since it was asked last.
    pub(super) fn events(&self) -> Vec<FsEvent> {
        std::mem::take(&mut self.0.lock().unwrap().events)
    }

    /// A restart: nothing is watched any more.
    pub(super) fn forget_watches(&self) {
        let mut world = self.0.lock().unwrap();
        world.watches.clear();
        world.events.clear();
    }

    /// How often the system was asked for anything.
    pub(super) fn looks(&self) -> u64 {
        self.0.lock().unwrap().looks
    }
}

impl World {
    /// A number that no file has.
    fn inode(&mut self) -> u64 {
        let mut kept = Vec::new();
        for node in std::mem::take(&mut self.nameless) {
            if Arc::strong_count(&node) == 1 { self.free.push(node.inode) } else { kept.push(node) }
        }
        self.nameless = kept;
        // The lowest first, as many file systems do it.
        self.free.sort_unstable_by(|a, b| b.cmp(a));
        self.free.pop().unwrap_or_else(|| {
            self.inodes += 1;
            self.inodes
        })
    }

    fn changed_in(&mut self, folder: Option<&Path>) {
        let Some(folder) = folder else { return };
        self.clock += 1;
        // The clock of a folder ticks seldom: two changes may have the same time.
        let clock = self.clock / 4;
        if let Some(Name::Folder { modified, .. }) = self.names.get_mut(folder) {
            *modified = clock;
        }
        let watched = Watched::Folder(folder.into());
        let told = self.watches.iter().filter(|(_, what)| **what == watched).map(|(watch, _)| FsEvent::Changed(*watch));
        let told: Vec<FsEvent> = told.collect();
        self.events.extend(told);
    }

    fn written(&mut self, inode: u64) {
        let told: Vec<WatchId> =
            self.watches.iter().filter(|(_, what)| **what == Watched::Once(inode)).map(|(watch, _)| *watch).collect();
        for watch in told {
            self.watches.remove(&watch);
            self.events.extend([FsEvent::Changed(watch), FsEvent::Ended(watch)]);
        }
    }

    fn watch(&mut self, what: Watched) -> WatchId {
        if let Some((watch, _)) = self.watches.iter().find(|(_, other)| **other == what) {
            return *watch;
        }
        self.next_watch += 1;
        self.watches.insert(WatchId(self.next_watch), what);
        WatchId(self.next_watch)
    }
}

impl FileSystem for Memory {
    type File = Handle;

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let mut world = self.0.lock().unwrap();
        world.looks += 1;
        if let Some(error) = world.errors.get(path) {
            return Err((*error).into());
        }
        match world.names.get(path).ok_or(io::ErrorKind::NotFound)? {
            Name::File(node) => Ok(node.stat()),
            Name::Folder { inode, modified } => {
                Ok(Stat { kind: EntryKind::Folder, id: FileId::new(1, *inode), size: 0, modified: *modified })
            }
            Name::Link(_) => Ok(Stat { kind: EntryKind::Link, id: FileId::new(1, 0), size: 0, modified: 0 }),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut world = self.0.lock().unwrap();
        world.looks += 1;
        let Some(Name::Folder { .. }) = world.names.get(folder) else { return Err(io::ErrorKind::NotFound.into()) };
        let within = world.names.iter().filter(|(path, _)| path.parent() == Some(folder));
        let entry = |(path, name): (&PathBuf, &Name)| {
            let (kind, inode) = match name {
                Name::File(node) => (EntryKind::File, node.inode),
                Name::Folder { inode, .. } => (EntryKind::Folder, *inode),
                Name::Link(_) => (EntryKind::Link, 0),
            };
            Entry { name: path.file_name().unwrap().into(), kind, id: FileId::new(1, inode) }
        };
        Ok(within.map(entry).collect())
    }

    fn resolve(&self, link: &Path) -> io::Result<PathBuf> {
        let world = self.0.lock().unwrap();
        let mut path = link.to_owned();
        for _ in 0..8 {
            match world.names.get(&path).ok_or(io::ErrorKind::NotFound)? {
                Name::Link(target) => path = path.parent().unwrap().join(target),
                _ => return Ok(path),
            }
        }
        Err(io::Error::other("too many links"))
    }

    fn open(&self, path: &Path) -> io::Result<Handle> {
        let mut world = self.0.lock().unwrap();
        world.looks += 1;
        if let Some(error) = world.errors.get(path) {
            return Err((*error).into());
        }
        match world.names.get(path).ok_or(io::ErrorKind::NotFound)? {
            Name::File(node) => Ok(Handle(node.clone())),
            _ => Err(io::Error::other("no regular file")),
        }
    }

    fn watch_folder(&mut self, folder: &Path) -> io::Result<WatchId> {
        let mut world = self.0.lock().unwrap();
        if !world.names.contains_key(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(world.watch(Watched::Folder(folder.into())))
    }

    fn watch_file_once(&mut self, path: &Path) -> io::Result<WatchId> {
        let mut world = self.0.lock().unwrap();
        match world.names.get(path).ok_or(io::ErrorKind::NotFound)? {
            Name::File(node) => {
                let inode = node.inode;
                Ok(world.watch(Watched::Once(inode)))
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn unwatch(&mut self, watch: WatchId) {
        self.0.lock().unwrap().watches.remove(&watch);
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Handle(Arc<Node>);

impl Node {
    fn stat(&self) -> Stat {
        let mut content = self.content.lock().unwrap();
        content.seen = content.seen.max(content.bytes.len() as u64);
        Stat {
            kind: EntryKind::File,
            id: FileId::new(1, self.inode),
            size: content.bytes.len() as u64,
            modified: content.modified,
        }
    }
}

impl OpenFile for Handle {
    fn stat(&self) -> io::Result<Stat> {
        Ok(self.0.stat())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let content = self.0.content.lock().unwrap();
        let rest = content.bytes.get(at as usize..).unwrap_or_default();
        let got = rest.len().min(into.len());
        into[..got].copy_from_slice(&rest[..got]);
        Ok(got)
    }
}
