//! A journal as it is written.
//!
//! In go a folder, which entries are wanted, the places up to which it was read before, and the time; out come the entries in
//! the order of their numbers, in bounded turns, and how many were vacuumed before they could be read. journald numbers the
//! entries of all files that it writes one after the other: such a numbering is a source with one file for whoever takes the
//! entries, whose places are numbers, so that rotation and vacuuming change nothing of it. Nothing is waited for here.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::super::read::{Blocks, Chunk};
use super::super::tail::follower::SourceStatus;
use super::super::tail::sink::{FileFacts, Notice, SourceFacts};
use super::file::header;
use super::listing::{self, Listed};
use super::names::family;
use super::numbering::Numbering;
use super::open_file::{OpenFile, Written};
use super::query::JournalQuery;
use super::sink::{JournalSink, LostEntries};
use super::start::JournalStart;
use crate::files::followed::{FollowedFile, Place, Sample};
use crate::files::identity::FileId;

/// How often what was written is looked for: one small read for each file that is written to.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// How often new files are looked for, and how often whether or not their folder has changed.
const LIST_EVERY: Duration = Duration::from_millis(250);
/// Bytes of frames that are given in one turn.
const TURN_BYTES: usize = 128 << 10;
/// Files of one numbering that are read side by side: the system's, and those of users.
const CURSORS_MAX: usize = 16;
/// Files that are open; of more, those with the latest entries wait, and may be vacuumed meanwhile.
const FILES_MAX: usize = 256;
/// Sources and files of a journal are numbered from here on: those of other inputs have lower numbers.
const NUMBERS_FROM: u32 = 1 << 30;
/// What is followed.
#[derive(Debug, Clone)]
pub struct JournalTailConfig {
    /// `/var/log/journal`
    pub root: PathBuf,
    /// Which entries are wanted.
    pub query: Arc<JournalQuery>,
    /// Where entries begin that were there when the agent started for the first time.
    pub start: JournalStart,
    /// Nothing was followed before: `start` holds.
    pub is_first_start: bool,
    /// The place of its input among those of the configuration.
    pub input: usize,
}

/// See the module.
pub struct JournalTail {
    config: JournalTailConfig,
    /// What earlier runs wrote down, by its place among all of that, until it is found.
    known: Vec<(usize, FollowedFile)>,
    numberings: HashMap<[u8; 16], Numbering>,
    files: Vec<OpenFile>,
    /// Files that were read to their ends, with when they were changed last.
    done: HashMap<FileId, Option<SystemTime>>,
    /// What could not be listed or opened, and what could not be read, as far as it was told.
    failed: [HashSet<PathBuf>; 2],
    next_poll: Instant,
    next_list: Instant,
    has_listed: bool,
    next_number: u32,
    frames: Vec<u8>,
}

impl JournalTail {
    /// Follows what the configuration says, and goes on with what is known of journals from earlier runs.
    pub fn new(config: JournalTailConfig, known: &[FollowedFile], now: Instant) -> JournalTail {
        let known = known.iter().cloned().enumerate().filter(|(_, known)| known.is_numbering()).collect();
        JournalTail {
            config,
            known,
            numberings: HashMap::new(),
            files: Vec::new(),
            done: HashMap::new(),
            failed: Default::default(),
            next_poll: now,
            next_list: now,
            has_listed: false,
            next_number: NUMBERS_FROM,
            frames: Vec::new(),
        }
    }

    /// When it is to be called next.
    pub fn next_turn(&self) -> Instant {
        self.next_poll.min(self.next_list)
    }

    /// Gives what was written, up to the length of a turn; whether there is more.
    pub fn turn<S: JournalSink>(&mut self, now: Instant, sink: &mut S) -> bool {
        if now >= self.next_list {
            self.list(now, sink);
        }
        if now < self.next_poll {
            return false;
        }
        self.refresh(sink);
        let ids: Vec<[u8; 16]> = self.numberings.keys().copied().collect();
        let mut reads_on = false;
        for id in ids {
            reads_on |= self.read(id, now, sink);
        }
        self.close_ended();
        if !reads_on {
            self.next_poll = now + POLL_EVERY;
        }
        reads_on
    }

    /// Looks for new files.
    fn list<S: JournalSink>(&mut self, now: Instant, sink: &mut S) {
        self.next_list = now + LIST_EVERY;
        self.numberings.values_mut().for_each(|numbering| numbering.listed_up_to = numbering.up_to);
        let mut problems = Vec::new();
        let mut listed = listing::list(&self.config.root, &mut |path, error| {
            // A node without a journal has no such folder.
            if error.kind() != io::ErrorKind::NotFound {
                problems.push((path.to_owned(), io::Error::new(error.kind(), error.to_string())));
            }
        });
        self.files.iter_mut().for_each(|file| file.is_there = false);
        self.done.retain(|id, changed| listed.iter().any(|listed| listed.id == *id && listed.changed == *changed));
        listed.retain(|listed| !self.done.contains_key(&listed.id));
        let mut opened = Vec::new();
        for listed in listed {
            if let Some(file) = self.files.iter_mut().find(|file| file.id == listed.id) {
                (file.is_there, file.changed) = (true, listed.changed);
                continue;
            }
            match self.open(&listed) {
                Ok(Some(file)) => opened.push((file, listed.path)),
                Ok(None) => {}
                Err(error) => problems.push((listed.path, error)),
            }
        }
        self.begin_all(&mut opened, now, sink);
        self.files.extend(opened.into_iter().map(|(file, _)| file));
        self.files.sort_by_key(|file| file.first);
        self.keep_first();
        self.told(problems, 0, sink);
        self.has_listed = true;
        if !self.files.is_empty() || !self.done.is_empty() {
            // What is not there any more was vacuumed as a whole, and its journald has begun anew.
            self.known.drain(..).for_each(|(known, _)| sink.known_file(known, None));
        }
    }

    /// Closes those that come last where too many are open.
    fn keep_first(&mut self) {
        self.numberings.values_mut().for_each(|numbering| numbering.not_open_from = u64::MAX);
        for file in self.files.split_off(self.files.len().min(FILES_MAX)) {
            if let Some(numbering) = self.numberings.get_mut(&file.seqnum_id) {
                numbering.not_open_from = numbering.not_open_from.min(file.first);
            }
        }
    }

    /// `of`: which of the problems that were told before these are to be compared with.
    fn told<S: JournalSink>(&mut self, problems: Vec<(PathBuf, io::Error)>, of: usize, sink: &mut S) {
        let still: HashSet<PathBuf> = problems.iter().map(|(path, _)| path.clone()).collect();
        for (path, error) in problems {
            // journald removes files while they are listed.
            if error.kind() != io::ErrorKind::NotFound && !self.failed[of].contains(&path) {
                sink.notice(&Notice::Failed { path: &path, error: &error });
            }
        }
        self.failed[of] = still;
    }

    fn open(&mut self, listed: &Listed) -> io::Result<Option<OpenFile>> {
        let Some(section) = listing::open(&self.config.root, listed)? else { return Ok(None) };
        let mut start = [0; 8];
        section.read_at(&mut start, 0)?;
        if start == [0; 8] {
            // It is just being made.
            return Ok(None);
        }
        // It may have been shorter when it was opened.
        let section = section.grown()?;
        let header = header(&section)?;
        let numbering = self.numberings.get(&header.seqnum_id);
        let is_over = header.is_archived || listed.path.to_string_lossy().ends_with('~');
        if is_over && numbering.is_some_and(|numbering| header.last_seqnum < numbering.next) {
            self.done.insert(listed.id, listed.changed);
            return Ok(None);
        }
        Ok(Some(OpenFile::new(listed, section, &header)))
    }

    /// Begins numberings that were not met before.
    fn begin_all<S: JournalSink>(&mut self, opened: &mut [(OpenFile, PathBuf)], now: Instant, sink: &mut S) {
        for (file, path) in opened.iter() {
            let id = file.seqnum_id;
            if self.numberings.contains_key(&id) {
                continue;
            }
            let name = path.file_name().map(|name| family(&name.to_string_lossy())).unwrap_or_default();
            let family = path.with_file_name(name);
            let of_id = FollowedFile::numbering(family.clone(), id, 0);
            let known = self.known.iter().position(|(_, known)| known.id == of_id.id);
            let known = known.map(|at| self.known.swap_remove(at));
            let next = match &known {
                Some((_, known)) => known.resume.at,
                // What comes later is new as a whole.
                None if !self.config.is_first_start || self.has_listed => 0,
                None => {
                    self.config.start.first_of(opened.iter().map(|(file, _)| file).filter(|file| file.seqnum_id == id))
                }
            };
            let followed = FollowedFile::numbering(family, id, next);
            let (source, number) = (self.next_number, self.next_number + 1);
            self.next_number += 2;
            if let Some((known, _)) = known {
                sink.known_file(known, Some(number));
            }
            let facts = SourceFacts { family: &followed.family, linked_as: None, input: self.config.input };
            sink.source_begins(source, &facts);
            sink.file_begins(source, number, &FileFacts { followed: &followed, continues: false, is_late: false });
            self.numberings.insert(id, Numbering::new((source, number), next, followed, now));
        }
    }

    /// Looks at how far files are written. Twice: an entry that was written before one that is seen is seen, too, then.
    fn refresh<S: JournalSink>(&mut self, sink: &mut S) {
        for file in &mut self.files {
            if let (Ok(header), Some(numbering)) = (header(&file.section), self.numberings.get_mut(&file.seqnum_id)) {
                numbering.up_to = numbering.up_to.max(header.last_seqnum);
                file.now = Written::of(&header);
            }
        }
        let mut behind: HashMap<[u8; 16], usize> = HashMap::new();
        let mut problems = Vec::new();
        for file in &mut self.files {
            let behind = behind.entry(file.seqnum_id).or_default();
            let Some(numbering) = self.numberings.get(&file.seqnum_id) else { continue };
            if file.is_read() || file.cursor.is_none() && *behind >= CURSORS_MAX {
                continue;
            }
            match file.refreshed(numbering.next) {
                Ok(is_behind) => *behind += usize::from(is_behind),
                Err(error) => {
                    file.give_up();
                    problems.push((numbering.followed.path.clone(), error));
                }
            }
        }
        self.told(problems, 1, sink);
    }

    /// Reads a turn of one numbering; whether there is more.
    fn read<S: JournalSink>(&mut self, id: [u8; 16], now: Instant, sink: &mut S) -> bool {
        let before = self.numberings.get(&id).map_or(0, |numbering| numbering.next);
        let mut reads_on = true;
        self.frames.clear();
        let mut passed = 0;
        while self.frames.len() < TURN_BYTES && passed < TURN_BYTES {
            let Some(numbering) = self.numberings.get(&id) else { break };
            let (next, listed_up_to) = (numbering.next, numbering.listed_up_to);
            let up_to = numbering.up_to.min(numbering.not_open_from.saturating_sub(1));
            let Some((at, seqnum)) = self.earliest(id).filter(|(_, seqnum)| *seqnum <= up_to) else {
                reads_on = false;
                break;
            };
            if (next == 0 || seqnum > next) && seqnum > listed_up_to {
                // The entries before it may stand in a file that was made since.
                self.list(now, sink);
                self.refresh(sink);
                continue;
            }
            let Some(cursor) = self.files[at].cursor.as_mut() else { break };
            if seqnum < next {
                cursor.skip();
                continue;
            }
            let start = self.frames.len();
            cursor.take(&mut self.frames);
            if !self.config.query.wants_all() && !self.config.query.matches(&self.frames[start..]) {
                self.frames.truncate(start);
                // What is not wanted counts as a little.
                passed += 64;
            }
            let lost = cursor.take_lost();
            if lost > 0 {
                sink.entries_lost(lost, LostEntries::Unreadable);
            }
            if next > 0 && seqnum > next + lost {
                let is_closed = self.failed.iter().any(|failed| !failed.is_empty());
                let reason = if is_closed { LostEntries::Unreadable } else { LostEntries::Vacuumed };
                sink.entries_lost(seqnum - next - lost, reason);
            }
            if let Some(numbering) = self.numberings.get_mut(&id) {
                numbering.next = seqnum + 1;
            }
        }
        self.give(id, before, sink);
        if let Some(numbering) = self.numberings.get_mut(&id).filter(|_| !reads_on) {
            numbering.caught_up = now;
        }
        reads_on
    }

    /// What can be said of each numbering, by what its files say now.
    pub fn sources(&mut self) -> Vec<SourceStatus> {
        let mut behind: HashMap<[u8; 16], (u64, usize)> = HashMap::new();
        for file in &mut self.files {
            if let Ok(header) = header(&file.section) {
                file.now = Written::of(&header);
                let next = self.numberings.get(&file.seqnum_id).map_or(0, |numbering| numbering.next);
                let bytes = file.behind(&header, next);
                let (all, files) = behind.entry(file.seqnum_id).or_default();
                *all += bytes;
                *files += usize::from(bytes > 0);
            }
        }
        let of = |(id, numbering): (&[u8; 16], &Numbering)| {
            let (bytes, files) = behind.get(id).copied().unwrap_or_default();
            numbering.status(self.config.input, bytes, files)
        };
        self.numberings.iter().map(of).collect()
    }

    fn give<S: JournalSink>(&mut self, id: [u8; 16], before: u64, sink: &mut S) {
        let Some(numbering) = self.numberings.get_mut(&id).filter(|numbering| numbering.next > before) else { return };
        numbering.given += self.frames.len() as u64;
        let (source, file) = (numbering.source, numbering.file);
        if !self.frames.is_empty() {
            let blocks = Some(Blocks::Numbered);
            let chunk = Chunk { bytes: &self.frames, offset: before, continues: false, cut: false, blocks };
            sink.chunk(source, file, &chunk);
        }
        sink.read_up_to(source, file, &Place { at: numbering.next, frontier: Sample::default() });
    }

    /// The file with the entry of the lowest number, and that. Those that are not open yet come when their first one does.
    fn earliest(&mut self, id: [u8; 16]) -> Option<(usize, u64)> {
        let mut earliest: Option<(usize, u64)> = None;
        let is_open = |file: &OpenFile| file.seqnum_id == id && !file.is_read();
        for (at, file) in self.files.iter_mut().enumerate().filter(|(_, file)| is_open(file)) {
            let seqnum = match &mut file.cursor {
                Some(cursor) => cursor.peek(),
                // Sorted by their first entries: all others come later still.
                None if earliest.is_some_and(|(_, seqnum)| seqnum >= file.first) => return None,
                None => break,
            };
            if let Some(seqnum) = seqnum
                && earliest.is_none_or(|(_, other)| seqnum < other)
            {
                earliest = Some((at, seqnum));
            }
        }
        earliest
    }

    /// Closes files to which nothing more is written, and of which all was read.
    fn close_ended(&mut self) {
        let done = &mut self.done;
        self.files.retain_mut(|file| {
            let Some(cursor) = &mut file.cursor else { return file.is_there || !file.is_read() };
            let has_ended = (cursor.is_archived() || !file.is_there) && cursor.peek().is_none();
            if has_ended && file.is_there {
                done.insert(file.id, file.changed);
            }
            !has_ended
        });
    }
}
