//! A follower with a sink that keeps what it is given, and fails where that is not in the order that is promised.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::memory::Memory;
use crate::files::followed::{FollowedFile, Place};
use crate::input::read::Chunk;
use crate::input::tail::config::{Start, TailConfig, TailInput, TailInputKind, TailLimits};
use crate::input::tail::file_system::{FileSystem, FsEvent};
use crate::input::tail::follower::Tail;
use crate::input::tail::pattern::PathPattern;
use crate::input::tail::sink::{FileFacts, Loss, Notice, SourceFacts, TailSink};

/// What was given.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// The bytes of each family, over all its sources and runs.
    pub(super) given: BTreeMap<PathBuf, Vec<u8>>,
    pub(super) lost: BTreeMap<Loss, u64>,
    pub(super) notices: Vec<String>,
    /// What is remembered, and what is remembered at any earlier moment would do.
    pub(super) ledger: BTreeMap<u32, FollowedFile>,
    families: HashMap<u32, PathBuf>,
    begun: HashMap<u32, Vec<u32>>,
    ended: BTreeSet<u32>,
    gone: BTreeSet<u32>,
    /// By its number: up to where a file was given.
    up_to: HashMap<u32, u64>,
    /// The files given at the start that were not told of yet.
    known: BTreeMap<usize, FollowedFile>,
    /// Chunks of a file that directly went on where the one before had ended.
    pub(super) continued: u32,
    /// How long each chunk was.
    pub(super) pieces: Vec<usize>,
}

impl Recorder {
    pub(super) fn text(&self, family: &str) -> String {
        String::from_utf8(self.given.get(Path::new(family)).cloned().unwrap_or_default()).unwrap()
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// What is remembered by now: also what was not looked for yet.
    pub(super) fn remembered(&self) -> BTreeMap<u32, FollowedFile> {
        let mut all = self.ledger.clone();
        all.extend(self.known.iter().map(|(known, file)| (u32::MAX - *known as u32, file.clone())));
        all
    }

    /// Another run begins; gives what it knows.
    pub(super) fn restart(&mut self, ledger: BTreeMap<u32, FollowedFile>) -> Vec<FollowedFile> {
        let known: Vec<FollowedFile> = ledger.into_values().collect();
        let Recorder { given, lost, notices, .. } = std::mem::take(self);
        *self = Recorder { given, lost, notices, ..Recorder::default() };
        self.known = known.iter().cloned().enumerate().collect();
        known
    }
}

impl TailSink for Recorder {
    fn known_file(&mut self, known: usize, file: Option<u32>) {
        let followed = self.known.remove(&known).expect("told twice");
        if let Some(file) = file {
            assert!(!self.up_to.contains_key(&file), "told of before");
            self.up_to.insert(file, followed.resume.at);
            self.ledger.insert(file, followed);
        }
    }

    fn source_begins(&mut self, source: u32, facts: &SourceFacts<'_>) {
        assert!(self.families.insert(source, facts.family.into()).is_none());
    }

    fn file_begins(&mut self, source: u32, file: u32, facts: &FileFacts<'_>) {
        assert_eq!(self.families[&source], facts.followed.family);
        assert!(!self.gone.contains(&file));
        let begun = self.begun.entry(source).or_default();
        assert!(!self.ended.remove(&file) || facts.is_late, "late");
        assert!(facts.is_late || begun.is_empty(), "{begun:?} before {file}");
        begun.push(file);
        let up_to = self.up_to.entry(file).or_insert(facts.followed.resume.at);
        assert_eq!(*up_to, facts.followed.resume.at, "begins where it was");
        self.continued += u32::from(facts.continues);
    }

    fn chunk(&mut self, source: u32, file: u32, chunk: &Chunk<'_>) {
        assert_eq!(self.begun[&source].last(), Some(&file), "has begun");
        assert_eq!(self.up_to.insert(file, chunk.offset + chunk.bytes.len() as u64), Some(chunk.offset));
        self.pieces.push(chunk.bytes.len());
        self.given.entry(self.families[&source].clone()).or_default().extend_from_slice(chunk.bytes);
    }

    fn read_up_to(&mut self, source: u32, file: u32, place: &Place) {
        assert!(self.families.contains_key(&source) && !self.gone.contains(&file));
        assert_eq!(self.up_to.get(&file), Some(&place.at));
        self.ledger.get_mut(&file).expect("was told before").resume = *place;
    }

    fn place(&mut self, source: u32, file: u32, followed: &FollowedFile) {
        assert!(self.families.contains_key(&source) && !self.gone.contains(&file));
        let up_to = self.up_to.entry(file).or_insert(followed.resume.at);
        assert_eq!(*up_to, followed.resume.at);
        self.ledger.insert(file, followed.clone());
    }

    fn file_ends(&mut self, source: u32, file: u32) {
        assert_eq!(self.begun.get_mut(&source).and_then(Vec::pop), Some(file));
        self.ended.insert(file);
    }

    fn file_is_gone(&mut self, file: u32) {
        assert!(self.begun.values().all(|begun| !begun.contains(&file)));
        assert!(self.gone.insert(file));
        self.ledger.remove(&file);
    }

    fn source_ends(&mut self, source: u32) {
        assert!(self.families.remove(&source).is_some());
        assert!(self.begun.remove(&source).is_none_or(|begun| begun.is_empty()));
    }

    fn lost(&mut self, source: u32, bytes: u64, reason: Loss) {
        assert!(self.families.contains_key(&source) && bytes > 0);
        *self.lost.entry(reason).or_default() += bytes;
    }

    fn notice(&mut self, notice: &Notice<'_>) {
        self.notices.push(format!("{notice:?}"));
    }
}

/// A follower of `/l/*.log` and `/pods`, in a time of its own.
pub(super) struct Follower<F: FileSystem> {
    pub(super) tail: Tail<F>,
    pub(super) sink: Recorder,
    pub(super) now: Instant,
    pub(super) config: TailConfig,
}

pub(super) fn config(start: Start) -> TailConfig {
    let files = vec![PathPattern::new("/l/*.log").unwrap()];
    TailConfig {
        inputs: vec![
            TailInput { kind: TailInputKind::Files { include: files }, exclude: Vec::new(), start },
            TailInput { kind: TailInputKind::Pods { root: "/pods".into() }, exclude: Vec::new(), start },
        ],
        is_first_start: start == Start::End,
        own_folders: Vec::new(),
        limits: TailLimits::default(),
    }
}

impl<F: FileSystem> Follower<F> {
    pub(super) fn new(fs: F, config: TailConfig) -> Follower<F> {
        let now = Instant::now();
        Follower { tail: Tail::new(&config, fs, Vec::new(), now), sink: Recorder::default(), now, config }
    }

    /// Time passes, with turns taken whenever there is something to read.
    pub(super) fn run(&mut self, time: Duration, events: &mut dyn FnMut() -> Vec<FsEvent>) {
        let end = self.now + time;
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 100 + time.as_millis() / 25, "it rests: {:?}", self.tail.sources().collect::<Vec<_>>());
            for event in events() {
                self.tail.event(&event, self.now);
            }
            self.tail.look(self.now, &mut self.sink);
            let mut turns = 0;
            while self.tail.turn(self.now, &mut self.sink) {
                turns += 1;
                assert!(turns < 10_000, "turns end");
            }
            if self.now >= end {
                break;
            }
            let next = self.tail.next_look();
            // More may be due than is looked at in one go.
            let has_many = self.tail.source_count() > 1_000;
            assert!(next > self.now || self.tail.has_turn() || has_many, "no rest");
            self.now = next.max(self.now + Duration::from_millis(1)).min(end);
        }
    }

    /// Time passes, but nothing is read.
    pub(super) fn only_look(&mut self, time: Duration, events: &mut dyn FnMut() -> Vec<FsEvent>) {
        let end = self.now + time;
        while self.now < end {
            for event in events() {
                self.tail.event(&event, self.now);
            }
            self.tail.look(self.now, &mut self.sink);
            self.now = self.tail.next_look().max(self.now + Duration::from_millis(1)).min(end);
        }
    }
}

impl Follower<Memory> {
    pub(super) fn on(memory: &Memory, start: Start) -> Follower<Memory> {
        Follower::new(memory.clone(), config(start))
    }

    /// Time passes, and all events come.
    pub(super) fn pass(&mut self, ms: u64) {
        let memory = self.tail.file_system().clone();
        self.run(Duration::from_millis(ms), &mut || memory.events());
    }

    /// Time passes without any event.
    pub(super) fn pass_blind(&mut self, ms: u64) {
        let memory = self.tail.file_system().clone();
        self.run(Duration::from_millis(ms), &mut || {
            memory.events();
            Vec::new()
        });
    }

    /// Starts again with what was remembered then.
    pub(super) fn restart(&mut self, ledger: BTreeMap<u32, FollowedFile>) {
        let memory = self.tail.file_system().clone();
        memory.forget_watches();
        self.config.is_first_start = false;
        let known = self.sink.restart(ledger);
        self.tail = Tail::new(&self.config, memory, known, self.now);
        self.tail.look(self.now, &mut self.sink);
    }
}
