//! Folders looked at and listed: which sources there are, and which folders lie below.
//!
//! A folder is listed when its time of change differs from when it was listed, when an event tells of it, or when one of
//! its files is not where it was. A new one is listed at once with all that is in it: `mkdir -p` and what is written then
//! come before any watch can be set.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spanline_parsers::rotation;

use super::check::{is_gone, is_of_one};
use super::config::Start;
use super::file::{File, Millis};
use super::file_system::{Entry, EntryKind, FileSystem, Stat};
use super::folder::Folder;
use super::follower::{Linked, Tail, Task};
use super::found::Listed;
use super::scope::Siblings;
use super::sink::{Notice, TailSink};
use super::source::Source;

/// How often in a row a folder is listed again for what its listing has shown.
const ROUNDS_MAX: usize = 4;

/// The files of a family in a folder.
#[derive(Debug, Default)]
struct Group {
    input: u32,
    linked_as: Option<PathBuf>,
    names: Vec<Listed>,
}

impl<F: FileSystem> Tail<F> {
    /// Looks at all there is for the first time.
    pub(super) fn scan(&mut self, now: Millis, sink: &mut impl TailSink) {
        for base in self.scope.bases() {
            self.folder(&base, true, now);
        }
        while !self.to_list.is_empty() {
            self.list_all(now, sink);
        }
        self.has_scanned = true;
        // What lay in folders that cannot be read may still be there.
        let has_failed = |folder: &Path| {
            let slot = self.folder_at.get(folder);
            slot.and_then(|slot| self.folders.get(*slot)).is_some_and(|folder| folder.has_failed)
        };
        let gone: Vec<PathBuf> =
            self.known.keys().filter(|family| !family.parent().is_some_and(has_failed)).cloned().collect();
        for family in gone {
            self.forget_known(&family, sink);
        }
    }

    fn forget_known(&mut self, family: &Path, sink: &mut impl TailSink) {
        for (known, _) in self.known.remove(family).unwrap_or_default() {
            sink.known_file(known as usize, None);
        }
    }

    /// The slot of a folder; a new one is to be listed.
    fn folder(&mut self, path: &Path, is_base: bool, now: Millis) -> u32 {
        if let Some(slot) = self.folder_at.get(path) {
            return *slot;
        }
        let path: Arc<Path> = path.into();
        let folder = Folder::new(path.clone(), is_base, now);
        let slot = self.folders.put(folder);
        self.folder_at.insert(path, slot);
        self.to_list.push(slot);
        slot
    }

    /// Lists what is to be listed, and what that leads to.
    pub(super) fn list_all(&mut self, now: Millis, sink: &mut impl TailSink) {
        for _ in 0..ROUNDS_MAX {
            let mut slots = std::mem::take(&mut self.to_list);
            if slots.is_empty() {
                return;
            }
            slots.sort_unstable();
            slots.dedup();
            for slot in slots {
                self.look_into(slot, true, now, sink);
            }
        }
        for slot in std::mem::take(&mut self.to_list) {
            if let Some(folder) = self.folders.get_mut(slot) {
                folder.must_list = true;
                self.plan(Task::Folder(slot), now + 1);
            }
        }
    }

    pub(super) fn check_folder(&mut self, slot: u32, now: Millis, sink: &mut impl TailSink) {
        self.look_into(slot, false, now, sink);
    }

    /// Looks at a folder, and lists it if it has changed, or if it must be.
    fn look_into(&mut self, slot: u32, must_list: bool, now: Millis, sink: &mut impl TailSink) {
        let Some(folder) = self.folders.get(slot) else { return };
        let path = folder.path.clone();
        let stat = self.fs.stat(&path).and_then(|stat| match stat.kind {
            EntryKind::Folder => Ok(stat),
            // The folder at which looking begins may be a link itself.
            EntryKind::Link if folder.is_base => Ok(stat),
            _ => Err(io::ErrorKind::NotFound.into()),
        });
        let outcome = stat.and_then(|stat| self.list_if_changed(slot, &stat, must_list, now, sink));
        let Some(folder) = self.folders.get_mut(slot) else { return };
        match outcome {
            Ok(()) => {
                folder.has_failed = false;
                folder.due = folder.next_look(now);
                self.plan_due(Task::Folder(slot));
            }
            Err(error) if is_gone(&error) => self.folder_is_gone(slot, now, sink),
            Err(error) => {
                if !folder.has_failed {
                    folder.has_failed = true;
                    sink.notice(&Notice::Failed { path: &path, error: &error });
                }
                folder.must_list = true;
                folder.quiet_looks = folder.quiet_looks.saturating_add(1);
                folder.due = folder.next_look(now);
                self.plan_due(Task::Folder(slot));
            }
        }
    }

    fn list_if_changed(
        &mut self,
        slot: u32,
        stat: &Stat,
        must_list: bool,
        now: Millis,
        sink: &mut impl TailSink,
    ) -> io::Result<()> {
        let Some(folder) = self.folders.get_mut(slot) else { return Ok(()) };
        let seen = Some((stat.id, stat.modified));
        let has_changed = folder.listed != seen;
        let is_link = stat.kind == EntryKind::Link;
        if !has_changed && !must_list && !folder.must_list && !folder.is_fresh && !folder.has_links && !is_link {
            folder.quiet_looks = folder.quiet_looks.saturating_add(1);
            return Ok(());
        }
        // The watch first: what comes after it is told, what came before is listed.
        let is_other = folder.listed.is_some_and(|(id, _)| id != stat.id);
        self.watch_folder(slot, is_other, sink);
        let Some(folder) = self.folders.get_mut(slot) else { return Ok(()) };
        folder.quiet_looks = if has_changed { 0 } else { folder.quiet_looks.saturating_add(1) };
        (folder.is_fresh, folder.must_list, folder.listed) = (has_changed, false, seen);
        let path = folder.path.clone();
        let entries = self.fs.list(&path)?;
        self.take_in(slot, &path, entries, now, sink);
        Ok(())
    }

    fn watch_folder(&mut self, slot: u32, is_other: bool, sink: &mut impl TailSink) {
        let Some(folder) = self.folders.get_mut(slot) else { return };
        if is_other && let Some(watch) = folder.watch.take() {
            self.watched.remove(&watch);
            self.fs.unwatch(watch);
        }
        if folder.watch.is_some() || !self.can_watch || self.watched.len() >= self.limits.watches_max {
            return;
        }
        match self.fs.watch_folder(&folder.path) {
            Ok(watch) => {
                folder.watch = Some(watch);
                self.watched.insert(watch, Task::Folder(slot));
            }
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                self.can_watch = false;
                sink.notice(&Notice::NoWatches { error: &error });
            }
        }
    }

    /// Takes in what is in a folder.
    fn take_in(&mut self, slot: u32, path: &Path, entries: Vec<Entry>, now: Millis, sink: &mut impl TailSink) {
        let siblings = Siblings::of(entries.iter().map(|entry| entry.name.to_string_lossy()));
        let mut groups: HashMap<String, Group> = HashMap::new();
        let mut links = Vec::new();
        for Entry { name, kind, id } in entries {
            match kind {
                EntryKind::Folder => {
                    let below = path.join(&name);
                    if self.scope.may_be_below(&below) {
                        self.folder(&below, false, now);
                    }
                }
                EntryKind::File => {
                    let text = name.to_string_lossy();
                    let base = rotation::family(&text).base;
                    if let Some(group) = self.group_of(path, &text, base, &siblings, &mut groups) {
                        group.names.push(Listed::new(name.into(), id));
                    }
                }
                EntryKind::Link => {
                    let text = name.to_string_lossy();
                    let base = rotation::family(&text).base;
                    if let Some(input) = self.scope.input_of(path, &text, &base, &siblings) {
                        links.push((path.join(&name), input));
                    }
                }
                EntryKind::Other => {}
            }
        }
        self.take_in_links(slot, links, now);
        self.take_in_files(slot, path, groups, now, sink);
    }

    fn group_of<'g>(
        &self,
        folder: &Path,
        name: &str,
        base: String,
        siblings: &Siblings,
        groups: &'g mut HashMap<String, Group>,
    ) -> Option<&'g mut Group> {
        let input = self.scope.input_of(folder, name, &base, siblings);
        let linked = if self.linked.is_empty() { None } else { self.linked.get(&folder.join(&base)) };
        let linked = linked.and_then(|linked| linked.first());
        let input = input.or(linked.map(|linked| linked.input))?;
        let group = groups.entry(base).or_default();
        (group.input, group.linked_as) = (input, linked.map(|linked| linked.link.clone()));
        Some(group)
    }

    /// Links lead to files elsewhere: these are followed where they lie, with their rotations.
    fn take_in_links(&mut self, slot: u32, links: Vec<(PathBuf, u32)>, now: Millis) {
        let Some(folder) = self.folders.get_mut(slot) else { return };
        if links.is_empty() && !folder.has_links {
            return;
        }
        folder.has_links = !links.is_empty();
        let mut current: HashMap<PathBuf, Vec<Linked>> = HashMap::new();
        for (link, input) in links {
            // What it leads to may come, or become allowed, later.
            let Ok(target) = self.fs.resolve(&link) else { continue };
            let (Some(place), Some(name)) = (target.parent(), target.file_name()) else { continue };
            let family = place.join(rotation::family(&name.to_string_lossy()).base);
            current.entry(family).or_default().push(Linked { folder: slot, link, input });
        }
        let mut changed = Vec::new();
        self.linked.retain(|family, linked| {
            let before = linked.len();
            linked.retain(|linked| linked.folder != slot);
            if linked.len() != before && !current.contains_key(family) {
                changed.push(family.clone());
            }
            !linked.is_empty() || current.contains_key(family)
        });
        for (family, new) in current {
            let known = self.linked.entry(family.clone()).or_default();
            if known.is_empty() {
                changed.push(family);
            }
            known.extend(new);
        }
        for family in changed {
            if let Some(place) = family.parent() {
                let target = self.folder(place, false, now);
                if target != slot {
                    self.to_list.push(target);
                }
            }
        }
    }

    fn take_in_files(
        &mut self,
        slot: u32,
        path: &Path,
        mut groups: HashMap<String, Group>,
        now: Millis,
        sink: &mut impl TailSink,
    ) {
        let sources = self.folders.get(slot).map(|folder| folder.sources.clone()).unwrap_or_default();
        for source in sources {
            let base = self.sources.get(source).map(|source| source.base.to_string_lossy().into_owned());
            let group = base.and_then(|base| groups.remove(&base)).unwrap_or_default();
            self.source_is_found(source, group.names, false, now, sink);
        }
        let mut new: Vec<(String, Group)> = groups.into_iter().collect();
        new.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (base, group) in new {
            if self.sources.len() >= self.limits.sources_max {
                if !std::mem::replace(&mut self.had_too_many, true) {
                    sink.notice(&Notice::TooManySources { path: &path.join(&base) });
                }
                break;
            }
            let starts_at_end = self.scope.input(group.input).is_some_and(|input| input.start == Start::End);
            let skips_old = self.is_first_start && !self.has_scanned && starts_at_end;
            let source = self.new_source(slot, path, &base, &group, now);
            self.source_is_found(source, group.names, skips_old, now, sink);
        }
        if self.has_scanned && !self.known.is_empty() {
            let gone: Vec<PathBuf> =
                self.known.keys().filter(|family| family.parent() == Some(path)).cloned().collect();
            gone.iter().for_each(|family| self.forget_known(family, sink));
        }
    }

    fn new_source(&mut self, folder: u32, path: &Path, base: &str, group: &Group, now: Millis) -> u32 {
        let number = self.number();
        let mut source = Source::new(number, folder, base.as_ref(), group.input, now);
        source.linked_as = group.linked_as.as_deref().map(Into::into);
        let mut known = self.known.remove(&path.join(base)).unwrap_or_default();
        let order = |path: &Path| rotation::family(&path.file_name().unwrap_or_default().to_string_lossy()).order;
        known.sort_by_key(|(_, file)| order(&file.path));
        for (at, file) in known {
            let number = self.number();
            source.files.push(File::known(number, at, &file, now));
        }
        let slot = self.sources.put(source);
        if let Some(folder) = self.folders.get_mut(folder) {
            folder.sources.push(slot);
        }
        slot
    }

    fn number(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn source_is_found(
        &mut self,
        slot: u32,
        names: Vec<Listed>,
        skips_old: bool,
        now: Millis,
        sink: &mut impl TailSink,
    ) {
        self.with_source(slot, now, sink, |source, context, can_watch| {
            source.found(names, skips_old, context);
            source.check(can_watch, context);
            true
        });
    }

    pub(super) fn end_source_if_over(&mut self, slot: u32, sink: &mut impl TailSink) {
        let Some(source) = self.sources.take_if(slot, Source::is_over) else { return };
        if source.was_told {
            sink.source_ends(source.number);
        }
        if let Some(watch) = source.watch {
            self.watched.remove(&watch);
            self.fs.unwatch(watch);
        }
        if let Some(folder) = self.folders.get_mut(source.folder) {
            folder.sources.retain(|other| *other != slot);
            if folder.sources.is_empty() && folder.listed.is_none() && !folder.is_base {
                self.remove_folder(source.folder);
            }
        }
    }

    /// A folder is gone, and all files that it held with it.
    fn folder_is_gone(&mut self, slot: u32, now: Millis, sink: &mut impl TailSink) {
        let Some(folder) = self.folders.get_mut(slot) else { return };
        folder.listed = None;
        if let Some(watch) = folder.watch.take() {
            self.watched.remove(&watch);
            self.fs.unwatch(watch);
        }
        let path = folder.path.clone();
        self.take_in(slot, &path, Vec::new(), now, sink);
        let Some(folder) = self.folders.get_mut(slot) else { return };
        if folder.sources.is_empty() && !folder.is_base {
            self.remove_folder(slot);
            return;
        }
        folder.due = folder.next_look(now);
        self.plan_due(Task::Folder(slot));
    }

    fn remove_folder(&mut self, slot: u32) {
        if let Some(folder) = self.folders.take(slot) {
            self.folder_at.remove(&folder.path);
            if let Some(watch) = folder.watch {
                self.watched.remove(&watch);
                self.fs.unwatch(watch);
            }
        }
    }
}
