//! The follower: what is looked at when, and whose turn it is to be read.
//!
//! Time comes in as an argument, files through [`FileSystem`]. Looking and reading are apart, so that reading can be held
//! back while what is behind is still kept open.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::config::{TailConfig, TailLimits};
use super::file::{File, Millis, millis};
use super::file_system::{FileSystem, FsEvent, WatchId};
use super::folder::Folder;
use super::scope::Scope;
use super::sink::{Notice, TailSink};
use super::slots::Slots;
use super::source::{Context, Source};
use crate::files::followed::FollowedFile;

/// Folders and sources that are looked at before the caller gets on with something else.
const LOOKS_MAX: usize = 2_000;

/// What an event tells of is looked at before all that is merely due: it may be gone soon.
const AT_ONCE: Millis = 0;

/// Follows files.
#[derive(Debug)]
pub struct Tail<F: FileSystem> {
    pub(super) fs: F,
    pub(super) scope: Scope,
    pub(super) limits: TailLimits,
    pub(super) is_first_start: bool,
    born: Instant,
    pub(super) folders: Slots<Folder>,
    pub(super) folder_at: HashMap<Arc<Path>, u32>,
    /// Families that links lead to: by which link, in which folder, and for which input.
    pub(super) linked: HashMap<PathBuf, Vec<Linked>>,
    pub(super) sources: Slots<Source<F::File>>,
    pub(super) watched: HashMap<WatchId, Task>,
    /// What is looked at when. An entry whose time is not that of its subject any more is stale.
    agenda: BinaryHeap<Reverse<(Millis, Task)>>,
    /// Whose turn it is.
    ready: VecDeque<u32>,
    pub(super) to_list: Vec<u32>,
    /// Files of earlier runs whose family was not met yet.
    pub(super) known: HashMap<PathBuf, Vec<(u32, FollowedFile)>>,
    /// All was looked at once.
    pub(super) has_scanned: bool,
    pub(super) can_watch: bool,
    pub(super) had_too_many: bool,
    had_too_many_behind: bool,
    pub(super) had_overflow: bool,
    window: Vec<u8>,
    open_files: Arc<AtomicUsize>,
    pub(super) next_number: u32,
}

/// When what there is nothing of is looked at: in some thousand years.
const NEVER_MS: Millis = 1 << 45;

/// A link to a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Linked {
    /// The folder that the link lies in.
    pub(super) folder: u32,
    pub(super) link: PathBuf,
    pub(super) input: u32,
}

/// Something that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Task {
    Folder(u32),
    Source(u32),
}

/// What can be said of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its number.
    pub source: u32,
    /// The path that is written to.
    pub family: PathBuf,
    /// The place of its input among those of the configuration.
    pub input: usize,
    /// Bytes on disk of the file that is read, as last seen.
    pub size: u64,
    /// How far that was given, in decompressed bytes.
    pub read: u64,
    /// Bytes that were seen and not given, of all its files; of compressed ones as they are on disk.
    pub behind: u64,
    /// Since when there are such.
    pub behind_since: Option<Instant>,
    /// Files that wait for the one that is read to end.
    pub files_waiting: usize,
}

impl<F: FileSystem> Tail<F> {
    /// Follows what the configuration says, and goes on with what is known of files from earlier runs. Nothing is looked at yet.
    pub fn new(config: &TailConfig, fs: F, known: Vec<FollowedFile>, now: Instant) -> Tail<F> {
        let mut by_family: HashMap<PathBuf, Vec<(u32, FollowedFile)>> = HashMap::new();
        for (at, file) in (0_u32..).zip(known).filter(|(_, file)| !file.is_numbering()) {
            by_family.entry(file.family.clone()).or_default().push((at, file));
        }
        Tail {
            fs,
            scope: Scope::new(config),
            limits: config.limits.clone(),
            is_first_start: config.is_first_start,
            born: now,
            folders: Slots::default(),
            folder_at: HashMap::new(),
            linked: HashMap::new(),
            sources: Slots::default(),
            watched: HashMap::new(),
            agenda: BinaryHeap::new(),
            ready: VecDeque::new(),
            to_list: Vec::new(),
            known: by_family,
            has_scanned: false,
            can_watch: true,
            had_too_many: false,
            had_too_many_behind: false,
            had_overflow: false,
            window: Vec::new(),
            open_files: Arc::default(),
            next_number: 0,
        }
    }

    /// Something has changed: it is looked at by the next [`Tail::look`].
    pub fn event(&mut self, event: &FsEvent, now: Instant) {
        let (watch, has_ended) = match event {
            FsEvent::Changed(watch) => (watch, false),
            FsEvent::Ended(watch) => (watch, true),
            FsEvent::Overflow => return self.look_at_all(self.millis(now)),
        };
        match self.watched.get(watch).copied() {
            Some(Task::Folder(slot)) => {
                if has_ended {
                    self.watched.remove(watch);
                }
                if let Some(folder) = self.folders.get_mut(slot) {
                    if has_ended {
                        folder.watch = None;
                    }
                    folder.must_list = true;
                    self.plan(Task::Folder(slot), AT_ONCE);
                }
            }
            Some(Task::Source(slot)) => {
                // It has told its one change.
                self.watched.remove(watch);
                if let Some(source) = self.sources.get_mut(slot) {
                    source.watch = None;
                    source.quiet_looks = 0;
                    self.plan(Task::Source(slot), AT_ONCE);
                }
            }
            None => {}
        }
    }

    /// Looks at what is due. The first time all is looked at.
    pub fn look(&mut self, now: Instant, sink: &mut impl TailSink) {
        let now = self.millis(now);
        if std::mem::take(&mut self.had_overflow) {
            sink.notice(&Notice::Overflow);
        }
        if !self.has_scanned {
            self.scan(now, sink);
        }
        for _ in 0..LOOKS_MAX {
            let Some(Reverse((due, task))) = self.agenda.peek().copied().filter(|Reverse((due, _))| *due <= now) else {
                break;
            };
            self.agenda.pop();
            match task {
                Task::Folder(slot) => {
                    if self.folders.get(slot).is_some_and(|folder| folder.due == due) {
                        self.check_folder(slot, now, sink);
                    }
                }
                Task::Source(slot) => {
                    if self.sources.get(slot).is_some_and(|source| source.due == due) {
                        self.check_source(slot, now, sink);
                    }
                }
            }
            self.list_all(now, sink);
        }
    }

    /// Reads at most one turn of one file. `false`: there is nothing to read now.
    pub fn turn(&mut self, now: Instant, sink: &mut impl TailSink) -> bool {
        let now = self.millis(now);
        let Some(slot) = self.ready.pop_front() else { return false };
        if let Some(source) = self.sources.get_mut(slot) {
            source.is_ready = false;
            let is_for_lines = self.scope.is_for_lines(source.input);
            self.with_source(slot, now, sink, |source, context, _| {
                let had_progress = source.turn(is_for_lines, context);
                source.due = source.next_look(now, context.limits);
                had_progress
            });
        }
        self.list_all(now, sink);
        true
    }

    /// When to call [`Tail::look`] again, unless an event comes before.
    pub fn next_look(&self) -> Instant {
        let due = self.agenda.peek().map_or(NEVER_MS, |Reverse((due, _))| *due);
        self.born + Duration::from_millis(if self.has_scanned { due } else { 0 })
    }

    /// Whether a turn would read something.
    pub fn has_turn(&self) -> bool {
        !self.ready.is_empty()
    }

    /// What can be said of each source.
    pub fn sources(&self) -> impl Iterator<Item = SourceStatus> + '_ {
        self.sources.iter().filter_map(|source| {
            let folder = self.folders.get(source.folder)?;
            let head = source.head().or(source.files.len().checked_sub(1));
            let file = head.and_then(|head| source.files.get(head));
            let open = |file: &&File<F::File>| !file.is_done();
            Some(SourceStatus {
                source: source.number,
                family: folder.path.join(&source.base),
                input: source.input as usize,
                size: file.map_or(0, |file| file.size),
                read: file.map_or(0, |file| file.place.at),
                behind: source.files.iter().filter(open).map(File::unread).sum(),
                behind_since: source.behind_since.map(|since| self.born + Duration::from_millis(since)),
                files_waiting: source.files.iter().filter(open).count().saturating_sub(1),
            })
        })
    }

    /// Bytes that all of it takes, as far as they can be counted cheaply.
    pub fn memory_bytes(&self) -> usize {
        let of_source = |source: &Source<F::File>| {
            let names = source.base.as_os_str().len() + source.files.iter().map(File::name_bytes).sum::<usize>();
            size_of_val(source) + source.files.capacity() * size_of::<File<F::File>>() + names
        };
        let sources: usize = self.sources.iter().map(of_source).sum();
        let folders: usize =
            self.folders.iter().map(|folder| size_of_val(folder) + 2 * folder.path.as_os_str().len()).sum();
        let plans = self.agenda.capacity() * size_of::<Reverse<(Millis, Task)>>();
        let maps = self.watched.capacity() * size_of::<(WatchId, Task)>() + self.folder_at.capacity() * 24;
        sources + folders + plans + maps + self.window.capacity()
    }

    /// How many sources there are.
    pub fn source_count(&self) -> usize {
        self.sources.len()
    }

    /// How many descriptors are open.
    pub fn open_files(&self) -> usize {
        self.open_files.load(Ordering::Relaxed)
    }

    /// How many watches are set.
    pub fn watches(&self) -> usize {
        self.watched.len()
    }

    /// The file system.
    pub fn file_system(&self) -> &F {
        &self.fs
    }

    fn millis(&self, now: Instant) -> Millis {
        millis(now.saturating_duration_since(self.born))
    }

    /// Has it looked at by then, unless that is planned earlier.
    pub(super) fn plan(&mut self, task: Task, at: Millis) {
        let due = match task {
            Task::Folder(slot) => self.folders.get_mut(slot).map(|folder| &mut folder.due),
            Task::Source(slot) => self.sources.get_mut(slot).map(|source| &mut source.due),
        };
        if let Some(due) = due.filter(|due| **due > at) {
            *due = at;
            self.agenda.push(Reverse((at, task)));
        }
    }

    /// Puts it on the agenda at the time that it has.
    pub(super) fn plan_due(&mut self, task: Task) {
        let due = match task {
            Task::Folder(slot) => self.folders.get(slot).map(|folder| folder.due),
            Task::Source(slot) => self.sources.get(slot).map(|source| source.due),
        };
        if let Some(due) = due {
            self.agenda.push(Reverse((due, task)));
        }
    }

    /// Changes were missed.
    fn look_at_all(&mut self, now: Millis) {
        self.had_overflow = true;
        for slot in self.folders.slots() {
            if let Some(folder) = self.folders.get_mut(slot) {
                folder.must_list = true;
            }
            self.plan(Task::Folder(slot), now);
        }
        for slot in self.sources.slots() {
            if let Some(source) = self.sources.get_mut(slot) {
                source.quiet_looks = 0;
            }
            self.plan(Task::Source(slot), now);
        }
    }

    fn check_source(&mut self, slot: u32, now: Millis, sink: &mut impl TailSink) {
        self.with_source(slot, now, sink, |source, context, can_watch| {
            // What could not be told may have become clear.
            context.must_list |= source.undecided > 0;
            source.check(can_watch, context);
            true
        });
    }

    /// Does something with a source, and what follows from it. If that tells that it came to nothing, the source is not read
    /// before it is looked at again.
    pub(super) fn with_source<S: TailSink>(
        &mut self,
        slot: u32,
        now: Millis,
        sink: &mut S,
        act: impl FnOnce(&mut Source<F::File>, &mut Context<'_, F, S>, &mut bool) -> bool,
    ) {
        let Some(source) = self.sources.get_mut(slot) else { return };
        let Some(path) = self.folders.get(source.folder).map(|folder| folder.path.clone()) else { return };
        let (before, due) = (source.watch, source.due);
        let mut can_watch = self.can_watch && self.watched.len() < self.limits.watches_max;
        let was_within = can_watch;
        let mut context = Context {
            fs: &mut self.fs,
            sink: &mut *sink,
            now,
            limits: &self.limits,
            folder: &path,
            window: &mut self.window,
            open_files: &self.open_files,
            next_number: &mut self.next_number,
            must_list: false,
            had_too_many_behind: &mut self.had_too_many_behind,
        };
        let may_be_read = act(source, &mut context, &mut can_watch);
        let must_list = context.must_list;
        if must_list {
            self.to_list.push(source.folder);
        }
        self.can_watch &= can_watch || !was_within;
        if let Some(watch) = source.watch.filter(|watch| Some(*watch) != before) {
            self.watched.insert(watch, Task::Source(slot));
        }
        let is_readable = may_be_read && source.next(now, &self.limits).is_some();
        if is_readable && !source.is_ready {
            source.is_ready = true;
            self.ready.push_back(slot);
        }
        let is_planned = source.due == due && due > now;
        if !is_planned {
            self.plan_due(Task::Source(slot));
        }
        self.end_source_if_over(slot, sink);
    }
}
