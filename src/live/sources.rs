//! All sources that a lane follows.
//!
//! In go files and their chunks as they are followed, out go records to the shipper and places to the positions.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::linking::Linking;
use super::notices::spelled;
use super::passing_logs::PassingLogs;
use super::pod_metadata::PodMetadata;
use super::sent_before::LaneShipper;
use super::source::{LineSettings, Named, Out, Source};
use super::wake::LogRequest;
use crate::checkpoint::positions::table::Positions;
use crate::files::followed::{FollowedFile, Place};
use crate::input::journal::sink::{JournalSink, LostEntries};
use crate::input::read::Chunk;
use crate::input::tail::sink::{FileFacts, Loss, Notice, SourceFacts, TailSink};
use crate::metrics::{Counter, InputMetrics, Metrics};
use crate::notify::Notify;

/// A record of several lines is written at once: after this without a line it is taken for complete. Longer than the pause
/// between two turns of a file that is written to, so that the next line mostly tells.
const LINES_QUIET: Duration = Duration::from_millis(120);
/// The rest of a line that came in part is waited for.
const PARTS_QUIET: Duration = Duration::from_secs(5);
/// Sources of whose lines something is known; of more, those are forgotten that have nothing open.
const READ_MAX: usize = 1024;
/// What is known of the lines of a source that is quiet is kept so long.
const FORGET_AFTER: Duration = Duration::from_secs(30);

/// What the sources of an input have in common.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its metrics.
    pub metrics: Arc<InputMetrics>,
    /// Its files lie below a folder of pods.
    pub is_pods: bool,
    /// It is a journal, whose entries say who wrote them.
    pub is_journal: bool,
    /// Their service, as the user says it.
    pub service: Option<Arc<str>>,
}

/// See the module.
pub(super) struct Sources<'s> {
    pub(super) shipper: LaneShipper<'s>,
    pub(super) positions: Rc<RefCell<Positions>>,
    settings: LineSettings,
    inputs: Vec<Input>,
    metrics: Arc<Metrics>,
    notify: Notify,
    named: HashMap<u32, (Named, usize)>,
    /// Those that were read lately.
    read: HashMap<u32, Box<Source>>,
    /// Those that have ended, while records of theirs wait.
    ended: Vec<Source>,
    /// Finds links.
    pub(super) linking: Option<Linking>,
    /// Puts them into logs that go through the tap.
    passing_logs: Option<PassingLogs>,
    /// Those of them that may have a record that is not complete.
    open: BTreeSet<u32>,
    /// Those of them with records that wait for their spans.
    waiting: BTreeSet<u32>,
    /// Where files are that have begun, if that is not where their source is written to.
    paths: HashMap<u32, Box<Path>>,
    now: (Instant, i64),
    /// When a source may be quiet for long enough; `None`: it is to be looked for, or there is none.
    quiet_at: Option<Instant>,
    /// Bytes of lines that are held until it is known what they are part of.
    pub(super) held_bytes: usize,
    /// How often these were too many.
    too_many_held: Arc<Counter>,
    /// Records were handed to the shipper since this was set to `None`.
    pub(super) since: Option<Instant>,
}

impl<'s> Sources<'s> {
    pub(super) fn new(
        shipper: LaneShipper<'s>,
        positions: Rc<RefCell<Positions>>,
        settings: LineSettings,
        inputs: Vec<Input>,
        metrics: Arc<Metrics>,
        (linking, passing_logs): (Option<Linking>, Option<PassingLogs>),
        (notify, now): (Notify, (Instant, i64)),
    ) -> Sources<'s> {
        // That nothing was lost is shown, too.
        Loss::ALL.iter().for_each(|reason| drop(metrics.bytes_lost(reason.as_str())));
        LostEntries::ALL.iter().for_each(|reason| drop(metrics.entries_lost(reason.as_str())));
        Sources {
            shipper,
            positions,
            settings,
            inputs,
            notify,
            named: HashMap::new(),
            read: HashMap::new(),
            ended: Vec::new(),
            linking,
            passing_logs,
            open: BTreeSet::new(),
            waiting: BTreeSet::new(),
            paths: HashMap::new(),
            now,
            quiet_at: None,
            held_bytes: 0,
            too_many_held: metrics.limit_reached("held_lines"),
            metrics,
            since: None,
        }
    }

    /// Time goes on.
    pub(super) fn set_now(&mut self, now: (Instant, i64)) {
        self.now = now;
        self.shipper.observed = now.1 as u64;
        if let Some(linking) = &mut self.linking {
            linking.set_now(now);
        }
    }

    /// Gives records of which nothing more comes.
    pub(super) fn flush_quiet(&mut self) {
        let now = self.now.0;
        if self.quiet_at.is_some_and(|at| now < at) {
            return;
        }
        self.quiet_at = None;
        let mut due = Vec::new();
        for (number, source) in self.open.iter().filter_map(|number| Some((*number, self.read.get(number)?))) {
            let quiet = now.saturating_duration_since(source.last_read);
            // What stays open behind the first is a line that came in part.
            let wait = if source.was_flushed { PARTS_QUIET } else { LINES_QUIET };
            if quiet >= wait {
                due.push((number, quiet >= PARTS_QUIET));
            } else {
                let at = source.last_read + wait;
                self.quiet_at = Some(self.quiet_at.map_or(at, |earliest| earliest.min(at)));
            }
        }
        for (number, even_parts) in due {
            self.flush_source(number, even_parts);
        }
    }

    /// Gives all records that may be complete: nothing more is read.
    pub(super) fn flush_all(&mut self) {
        for number in std::mem::take(&mut self.open) {
            self.flush_source(number, false);
        }
    }

    /// When something may be quiet for long enough.
    pub(super) fn next_quiet(&self) -> Option<Instant> {
        self.quiet_at
    }

    /// Decides lines that wait, if it is time or all are to be, and gives them.
    pub(super) fn decide(&mut self, all: bool) {
        if !self.linking.as_mut().is_some_and(|linking| linking.decide(all)) {
            return;
        }
        for number in std::mem::take(&mut self.waiting) {
            let Some(source) = self.read.get_mut(&number) else { continue };
            source.give_decided(all, &mut Out { shipper: &mut self.shipper, linking: self.linking.as_mut() });
            if source.waits() {
                self.waiting.insert(number);
            }
            self.since.get_or_insert(self.now.0);
            self.tell_open(number);
        }
        for mut source in std::mem::take(&mut self.ended) {
            source.give_decided(all, &mut Out { shipper: &mut self.shipper, linking: self.linking.as_mut() });
            self.since.get_or_insert(self.now.0);
            tell_open(&mut source, &mut self.positions.borrow_mut());
            if source.waits() {
                self.ended.push(source);
            } else {
                self.forget(&source);
            }
        }
        if let Some(linking) = &mut self.linking {
            self.passing_logs.iter_mut().for_each(|logs| logs.give_decided(linking, all));
            linking.given();
        }
    }

    /// Takes a request with logs that goes through the tap.
    pub(super) fn add_logs(&mut self, request: LogRequest) {
        if let (Some(logs), Some(linking)) = (&mut self.passing_logs, &mut self.linking) {
            logs.add(request, linking, self.now);
        }
    }

    /// Nothing comes of a source any more.
    fn forget(&mut self, source: &Source) {
        if let (Some(linking), Some(held)) = (&mut self.linking, source.held()) {
            linking.end(held);
        }
    }

    fn flush_source(&mut self, number: u32, even_parts: bool) {
        let Some(source) = self.read.get_mut(&number) else { return };
        source.flush(even_parts, &mut Out { shipper: &mut self.shipper, linking: self.linking.as_mut() });
        self.held_bytes = self.held_bytes.saturating_add_signed(source.held_more());
        self.since.get_or_insert(self.now.0);
        if source.waits() {
            self.waiting.insert(number);
        }
        if !source.is_incomplete() {
            self.open.remove(&number);
        } else {
            let at = source.last_read + PARTS_QUIET;
            self.quiet_at = Some(self.quiet_at.map_or(at, |earliest| earliest.min(at)));
        }
        self.tell_open(number);
    }

    /// Tells where the oldest record begins that is not complete; returns its file, and where. It may have been in an earlier file
    /// before.
    fn tell_open(&mut self, source: u32) -> Option<(u32, u64)> {
        tell_open(self.read.get_mut(&source)?, &mut self.positions.borrow_mut())
    }

    /// Forgets what is known of the lines of sources, but for those that have a record that is not complete, and these.
    fn keep_read(&mut self, keeps: impl Fn(&Source) -> bool) {
        let (open, mut positions, linking) = (&self.open, self.positions.borrow_mut(), &mut self.linking);
        self.read.retain(|number, source| {
            let is_kept = open.contains(number) || source.waits() || keeps(source);
            if !is_kept {
                source.files().iter().for_each(|file| positions.rest(*file));
                if let (Some(linking), Some(held)) = (linking.as_mut(), source.held()) {
                    linking.end(held);
                }
            }
            is_kept
        });
    }

    /// Too much is held: what the source has that has most is given as it is.
    fn give_largest(&mut self) {
        let read = &self.read;
        let held = self.open.iter().filter_map(|number| Some((read.get(number)?.held_bytes, *number)));
        if let Some((_, largest)) = held.max() {
            self.too_many_held.add(1);
            self.flush_source(largest, true);
        }
    }

    /// Forgets what is known of the lines of sources that are quiet.
    pub(super) fn forget_quiet(&mut self) {
        let now = self.now.0;
        self.keep_read(|source| now.saturating_duration_since(source.last_read) < FORGET_AFTER);
        if let (Some(logs), Some(linking)) = (&mut self.passing_logs, &mut self.linking) {
            logs.forget_quiet(linking, now);
        }
    }
}

impl TailSink for Sources<'_> {
    fn known_file(&mut self, known: usize, file: Option<u32>) {
        self.positions.borrow_mut().known_file(known, file);
    }

    fn source_begins(&mut self, source: u32, facts: &SourceFacts<'_>) {
        let input = self.inputs.get(facts.input);
        let named = Named {
            family: facts.family.into(),
            linked_as: facts.linked_as.map(Into::into),
            is_pod: input.is_some_and(|input| input.is_pods),
            is_journal: input.is_some_and(|input| input.is_journal),
            service: input.and_then(|input| input.service.clone()),
            pod_metadata: PodMetadata::default(),
        };
        self.named.insert(source, (named, facts.input));
    }

    fn file_begins(&mut self, source: u32, file: u32, facts: &FileFacts<'_>) {
        if facts.followed.path != facts.followed.family {
            self.paths.insert(file, facts.followed.path.clone().into());
        }
        self.positions.borrow_mut().file_begins(source, file, facts.followed.clone());
    }

    fn chunk(&mut self, source: u32, file: u32, chunk: &Chunk<'_>) {
        if self.read.len() >= READ_MAX && !self.read.contains_key(&source) {
            self.keep_read(|_| false);
        }
        let Some((named, input)) = self.named.get_mut(&source) else { return };
        let knows_more = named.look_up_pod(&self.settings, &self.metrics);
        let (settings, positions, now) = (&self.settings, &self.positions, self.now);
        let linking = &mut self.linking;
        let read = self.read.entry(source).or_insert_with(|| {
            let held = linking.as_mut().map(Linking::begin);
            Box::new(Source::new((source, held), named, settings, positions.clone(), now))
        });
        if knows_more {
            read.set_origin(named, settings);
        }
        let path = self.paths.get(&file).map_or(&*named.family, |path| path);
        let mut out = Out { shipper: &mut self.shipper, linking: linking.as_mut() };
        let (lines, over_limit) = read.take((file, path), chunk, self.now, &mut out);
        self.metrics.limit_reached("writers").add(over_limit);
        if read.waits() {
            self.waiting.insert(source);
        }
        self.held_bytes = self.held_bytes.saturating_add_signed(read.held_more());
        if let Some(input) = self.inputs.get(*input) {
            input.metrics.lines_read.add(lines);
        }
        self.since.get_or_insert(self.now.0);
        if self.open.insert(source) {
            self.quiet_at.get_or_insert(self.now.0 + LINES_QUIET);
        }
        if self.held_bytes > self.settings.held_bytes_max {
            self.give_largest();
        }
    }

    fn read_up_to(&mut self, source: u32, file: u32, place: &Place) {
        let open = self.tell_open(source).filter(|(of, _)| *of == file);
        self.positions.borrow_mut().read_up_to(file, *place, open.map(|(_, offset)| offset));
    }

    fn place(&mut self, source: u32, file: u32, followed: &FollowedFile) {
        let open = self.tell_open(source).filter(|(of, _)| *of == file);
        self.positions.borrow_mut().place(file, followed, open.map(|(_, offset)| offset));
    }

    fn file_ends(&mut self, source: u32, file: u32) {
        self.positions.borrow_mut().file_ends(file);
        self.paths.remove(&file);
        if let Some(source) = self.read.get_mut(&source) {
            source.file_ends(file);
        }
    }

    fn file_is_gone(&mut self, file: u32) {
        self.paths.remove(&file);
        self.positions.borrow_mut().file_is_gone(file);
    }

    fn source_ends(&mut self, source: u32) {
        self.flush_source(source, true);
        self.open.remove(&source);
        self.waiting.remove(&source);
        self.named.remove(&source);
        match self.read.remove(&source) {
            Some(source) if source.open().is_some() => self.ended.push(*source),
            Some(source) => self.forget(&source),
            None => {}
        }
    }

    fn lost(&mut self, _: u32, bytes: u64, reason: Loss) {
        self.metrics.bytes_lost(reason.as_str()).add(bytes);
    }

    fn notice(&mut self, notice: &Notice<'_>) {
        let limit = match notice {
            Notice::NoWatches { .. } => Some("watches"),
            Notice::Overflow => Some("events"),
            Notice::TooManySources { .. } => Some("sources"),
            Notice::TooManyBehind => Some("open_files"),
            Notice::Failed { .. } | Notice::LeftOut { .. } => None,
        };
        if let Some(limit) = limit {
            self.metrics.limit_reached(limit).add(1);
        }
        (self.notify)(&spelled(notice));
    }
}

impl JournalSink for Sources<'_> {
    fn entries_lost(&mut self, entries: u64, reason: LostEntries) {
        self.metrics.entries_lost(reason.as_str()).add(entries);
    }
}

/// Tells where the oldest record begins that was not given; returns its file, and where. It may have been in an earlier file
/// before.
fn tell_open(source: &mut Source, positions: &mut Positions) -> Option<(u32, u64)> {
    let open = source.open();
    let before = std::mem::replace(&mut source.told_open, open.map(|(file, _)| file));
    // First: once nothing is open of a file, the one after it goes on as far as nothing is open of that.
    if let Some((file, offset)) = open {
        positions.is_open(file, Some(offset));
    }
    if let Some(before) = before.filter(|before| open.is_none_or(|(file, _)| file != *before)) {
        positions.is_open(before, None);
    }
    open
}
