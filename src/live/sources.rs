//! All sources that a lane follows.
//!
//! In go files and their chunks as they are followed, out go records to the shipper and places to the positions.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::source::{LaneShipper, LineSettings, Named, Source};
use crate::checkpoint::positions::table::Positions;
use crate::files::followed::FollowedFile;
use crate::input::read::Chunk;
use crate::input::tail::sink::{FileFacts, Loss, Notice, SourceFacts, TailSink};
use crate::metrics::{Counter, InputMetrics};
use crate::notify::Notify;

/// A record of several lines is written at once: after this without a line it is taken for complete.
const LINES_QUIET: Duration = Duration::from_millis(80);
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
    /// Their service, as the user says it.
    pub service: Option<Arc<str>>,
}

/// Counters of bytes that are lost, by reason.
#[derive(Debug, Clone)]
pub struct LossCounters {
    /// Of files that were cut or written anew.
    pub truncated: Arc<Counter>,
    /// Of files that were deleted.
    pub deleted: Arc<Counter>,
    /// Of files that cannot be read.
    pub unreadable: Arc<Counter>,
}

/// See the module.
pub(super) struct Sources<'s> {
    pub(super) shipper: LaneShipper<'s>,
    pub(super) positions: Rc<RefCell<Positions>>,
    settings: LineSettings,
    inputs: Vec<Input>,
    lost: LossCounters,
    notify: Notify,
    named: HashMap<u32, (Named, usize)>,
    /// Those that were read lately.
    read: HashMap<u32, Source>,
    /// Those of them that may have a record that is not complete.
    open: BTreeSet<u32>,
    /// Where files are that have begun.
    paths: HashMap<u32, Box<Path>>,
    now: (Instant, i64),
    /// Records were handed to the shipper since this was set to `None`.
    pub(super) since: Option<Instant>,
}

impl<'s> Sources<'s> {
    pub(super) fn new(
        shipper: LaneShipper<'s>,
        positions: Rc<RefCell<Positions>>,
        settings: LineSettings,
        inputs: Vec<Input>,
        lost: LossCounters,
        notify: Notify,
        now: (Instant, i64),
    ) -> Sources<'s> {
        Sources {
            shipper,
            positions,
            settings,
            inputs,
            lost,
            notify,
            named: HashMap::new(),
            read: HashMap::new(),
            open: BTreeSet::new(),
            paths: HashMap::new(),
            now,
            since: None,
        }
    }

    /// Time goes on.
    pub(super) fn set_now(&mut self, now: (Instant, i64)) {
        self.now = now;
        self.shipper.observed = now.1 as u64;
    }

    /// Gives records of which nothing more comes.
    pub(super) fn flush_quiet(&mut self) {
        let now = self.now.0;
        let due: Vec<(u32, bool)> = self
            .open
            .iter()
            .filter_map(|number| {
                let quiet = now.saturating_duration_since(self.read.get(number)?.last_read);
                (quiet >= LINES_QUIET).then_some((*number, quiet >= PARTS_QUIET))
            })
            .collect();
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
        (!self.open.is_empty()).then(|| self.now.0 + LINES_QUIET / 2)
    }

    fn flush_source(&mut self, number: u32, even_parts: bool) {
        let Some(source) = self.read.get_mut(&number) else { return };
        let before = source.open();
        source.flush(even_parts, &mut self.shipper);
        self.since.get_or_insert(self.now.0);
        let open = source.open();
        if open.is_none() {
            self.open.remove(&number);
        }
        if let Some((file, _)) = before {
            let of_file = open.filter(|(of, _)| *of == file).map(|(_, offset)| offset);
            self.positions.borrow_mut().is_open(file, of_file);
        }
        if let Some((file, offset)) = open {
            self.positions.borrow_mut().is_open(file, Some(offset));
        }
    }

    /// Forgets what is known of the lines of sources that are quiet.
    pub(super) fn forget_quiet(&mut self) {
        let (now, open) = (self.now.0, &self.open);
        self.read.retain(|number, source| {
            open.contains(number) || now.saturating_duration_since(source.last_read) < FORGET_AFTER
        });
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
            service: input.and_then(|input| input.service.clone()),
        };
        self.named.insert(source, (named, facts.input));
    }

    fn file_begins(&mut self, source: u32, file: u32, facts: &FileFacts<'_>) {
        self.paths.insert(file, facts.followed.path.clone().into());
        self.positions.borrow_mut().file_begins(source, file, facts.followed.clone());
    }

    fn chunk(&mut self, source: u32, file: u32, chunk: &Chunk<'_>) {
        let Some((named, input)) = self.named.get(&source) else { return };
        if self.read.len() >= READ_MAX && !self.read.contains_key(&source) {
            let open = &self.open;
            self.read.retain(|number, _| open.contains(number));
        }
        let (settings, positions, now) = (&self.settings, &self.positions, self.now);
        let new = || Source::new(source, named, settings, positions.clone(), now);
        let read = self.read.entry(source).or_insert_with(new);
        let path = self.paths.get(&file).map_or(&*named.family, |path| path);
        let lines = read.take((file, path), chunk, self.now, &mut self.shipper);
        if let Some(input) = self.inputs.get(*input) {
            input.metrics.lines_read.add(lines);
        }
        self.since.get_or_insert(self.now.0);
        self.open.insert(source);
    }

    fn place(&mut self, source: u32, file: u32, followed: &FollowedFile) {
        let open = self.read.get(&source).and_then(Source::open);
        let mut positions = self.positions.borrow_mut();
        let of_file = open.filter(|(of, _)| *of == file).map(|(_, offset)| offset);
        positions.read_up_to(file, followed.clone(), of_file);
        match open {
            Some((older, offset)) if older != file => positions.is_open(older, Some(offset)),
            _ => {}
        }
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
        self.read.remove(&source);
        self.named.remove(&source);
    }

    fn lost(&mut self, _: u32, bytes: u64, reason: Loss) {
        let counter = match reason {
            Loss::Truncated => &self.lost.truncated,
            Loss::Deleted => &self.lost.deleted,
            Loss::Unreadable => &self.lost.unreadable,
        };
        counter.add(bytes);
    }

    fn notice(&mut self, notice: &Notice<'_>) {
        (self.notify)(&spelled(notice));
    }
}

/// A notice in words.
fn spelled(notice: &Notice<'_>) -> String {
    match notice {
        Notice::Failed { path, error } => {
            format!("{}: {error}; it is tried again, and others go on", path.display())
        }
        Notice::LeftOut { path, reason } => format!("{} is left out: {reason}", path.display()),
        Notice::NoWatches { error } => format!(
            "changes of files are not told any more, or not of all ({error}): they are found by looking, seconds later. On Linux \
             raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
        ),
        Notice::Overflow => "more files changed at once than was told: all are looked at".to_owned(),
        Notice::TooManySources { path } => {
            format!("there are too many log files to follow: {} and others are not followed", path.display())
        }
        Notice::TooManyBehind => {
            "more files are behind than may be kept open: what is deleted of the others before it is \
             read is lost, and counted"
                .to_owned()
        }
    }
}
