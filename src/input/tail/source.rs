//! A source: one name that is written to, with the files that it was rotated to, oldest first.
//!
//! Here is what it knows, what it tells the sink, and what happens when a file's content is gone from its inode. How files
//! are found again, looked at and read stands in `found`, `gone`, `check` and `reading`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use spanline_parsers::rotation::{self, Order};

use super::config::TailLimits;
use super::file::{File, Millis, Presence, State};
use super::file_system::{FileSystem, OpenFile, Stat, WatchId};
use super::opened::{Form, Held, Opened};
use super::recognise::Copy;
use super::sink::{FileFacts, Loss, Notice, SourceFacts, TailSink};

/// A source.
#[derive(Debug)]
pub(super) struct Source<H> {
    pub(super) number: u32,
    /// The slot of its folder.
    pub(super) folder: u32,
    /// The name that is written to.
    pub(super) base: Box<Path>,
    pub(super) input: u32,
    pub(super) linked_as: Option<Box<Path>>,
    /// Oldest first.
    pub(super) files: Vec<File<H>>,
    /// Files that hold what one of `files` holds.
    pub(super) copies: Vec<Copy>,
    /// How often in a row there was a file of which it could not be told whether it is known.
    pub(super) undecided: u8,
    /// When it is looked at next.
    pub(super) due: Millis,
    /// How often in a row it was quiet when it was looked at.
    pub(super) quiet_looks: u8,
    /// It stands in the queue of those that are read.
    pub(super) is_ready: bool,
    /// The watch that tells of the next write, once it is set and until it has told.
    pub(super) watch: Option<WatchId>,
    /// The sink knows of it.
    pub(super) was_told: bool,
    /// Nothing is missing between what was given and what comes next.
    pub(super) is_seamless: bool,
    /// An error of one of its files was told.
    pub(super) has_failed: bool,
    pub(super) behind_since: Option<Millis>,
}

/// What a source needs to do anything.
pub(super) struct Context<'c, F, S> {
    pub(super) fs: &'c mut F,
    pub(super) sink: &'c mut S,
    pub(super) now: Millis,
    pub(super) limits: &'c TailLimits,
    /// Where its files lie.
    pub(super) folder: &'c Path,
    /// Room for what is read.
    pub(super) window: &'c mut Vec<u8>,
    pub(super) open_files: &'c Arc<AtomicUsize>,
    pub(super) next_number: &'c mut u32,
    /// The folder must be listed again.
    pub(super) must_list: bool,
    /// That more files are behind than may be open was told.
    pub(super) had_too_many_behind: &'c mut bool,
}

impl<F: FileSystem, S> Context<'_, F, S> {
    /// A number that no source or file has.
    pub(super) fn number(&mut self) -> u32 {
        *self.next_number += 1;
        *self.next_number - 1
    }

    /// Whether another file may be kept open.
    pub(super) fn may_open(&self) -> bool {
        self.open_files.load(Ordering::Relaxed) < self.limits.open_files_max
    }

    /// Whether there is room for descriptors of files that have nothing to read yet.
    pub(super) fn has_room(&self) -> bool {
        self.open_files.load(Ordering::Relaxed) < self.limits.open_files_max / 2
    }

    pub(super) fn opened(&self, handle: Arc<F::File>) -> Box<Opened<F::File>> {
        Box::new(Opened::new(handle, Held::new(self.open_files)))
    }
}

/// The place of a name among the rotations of its family, oldest first.
pub(super) fn order_of(name: &Path) -> Order {
    rotation::family(&name.to_string_lossy()).order
}

impl<H: OpenFile> Source<H> {
    pub(super) fn new(number: u32, folder: u32, base: &Path, input: u32, now: Millis) -> Source<H> {
        Source {
            number,
            folder,
            base: base.into(),
            input,
            linked_as: None,
            files: Vec::new(),
            copies: Vec::new(),
            undecided: 0,
            due: now,
            quiet_looks: 0,
            is_ready: false,
            watch: None,
            was_told: false,
            is_seamless: false,
            has_failed: false,
            behind_since: None,
        }
    }

    /// Whether there is nothing of it any more.
    pub(super) fn is_over(&self) -> bool {
        self.files.is_empty() && self.copies.is_empty() && self.undecided == 0
    }

    /// Whether there is a file behind this one, or was: this one was rotated away, then.
    pub(super) fn has_newer(&self, at: usize) -> bool {
        let file = &self.files[at];
        if file.presence == Presence::Named && file.name == self.base {
            return false;
        }
        let is_newer = |name: &Path| order_of(name) > order_of(&file.name);
        self.files[at + 1..].iter().any(|file| file.presence != Presence::ToFind)
            || self.files.iter().any(|other| other.presence == Presence::Named && is_newer(&other.name))
            || self.copies.iter().any(|copy| is_newer(&copy.name))
    }

    /// The file that is read, or waited for, unless all are done.
    pub(super) fn head(&self) -> Option<usize> {
        self.files.iter().position(|file| !file.is_done() && file.presence != Presence::ToFind)
    }

    /// The file that is to be read now, or that has ended.
    pub(super) fn next(&self, now: Millis, limits: &TailLimits) -> Option<usize> {
        let can_try = |file: &File<H>| file.is_there() && file.failed_since.is_none_or(|since| now > since);
        let is_first = |file: &File<H>| {
            let is_late = file.state == State::Finished
                && file.is_behind()
                && (file.has_news || file.form != Form::Packed && now >= file.ends_at(limits));
            can_try(file) && (file.is_suspect || is_late) && file.state != State::Abandoned
        };
        // One that has begun between others ends before these go on.
        if let Some(late) = self.files.iter().position(|file| file.state == State::Late) {
            return can_try(&self.files[late]).then_some(late);
        }
        self.files.iter().position(is_first).or_else(|| {
            let at = self.head()?;
            let file = &self.files[at];
            let is_readable = file.is_behind() && file.has_news && now >= file.readable_at();
            (can_try(file) && (is_readable || self.is_ending(at, now, limits))).then_some(at)
        })
    }

    /// Whether a file was rotated away or deleted, and was quiet for so long that nothing more is expected of it.
    pub(super) fn is_ending(&self, at: usize, now: Millis, limits: &TailLimits) -> bool {
        let file = &self.files[at];
        let is_left = file.presence == Presence::Unlinked || self.has_newer(at);
        is_left && now >= file.ends_at(limits)
    }

    /// The sink hears of the source before it hears anything of its files.
    pub(super) fn tell<F: FileSystem, S: TailSink>(&mut self, context: &mut Context<'_, F, S>) {
        if !self.was_told {
            self.was_told = true;
            let family = context.folder.join(&self.base);
            let linked_as = self.linked_as.as_deref();
            let facts = SourceFacts { family: &family, linked_as, input: self.input as usize };
            context.sink.source_begins(self.number, &facts);
        }
    }

    /// A file begins.
    pub(super) fn begin<F: FileSystem, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) {
        self.tell(context);
        // What an earlier run had read to its end stands before it.
        let follows_done = at > 0 && self.files[at - 1].is_done() && self.files[..at].iter().all(File::is_done);
        let has_later_begun = self.files[at + 1..].iter().any(File::has_begun);
        let file = &mut self.files[at];
        let is_late = file.state == State::Finished || has_later_begun;
        file.was_told = true;
        let continues = !is_late && (self.is_seamless || follows_done && file.place.at == 0);
        file.state = if is_late { State::Late } else { State::Begun };
        let followed = file.followed(context.folder, &self.base);
        let facts = FileFacts { followed: &followed, continues, is_late };
        context.sink.file_begins(self.number, file.number, &facts);
    }

    /// Tells what a file is by now, and how far it was given.
    pub(super) fn place<F: FileSystem, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) {
        self.tell(context);
        let file = &mut self.files[at];
        file.was_told = true;
        let followed = file.followed(context.folder, &self.base);
        context.sink.place(self.number, file.number, &followed);
    }

    /// A file has ended: nothing more is expected of it.
    pub(super) fn finish<F: FileSystem, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) {
        let file = &mut self.files[at];
        let (had_begun, is_late) = (file.has_begun(), file.state == State::Late);
        file.state = State::Finished;
        file.open = None;
        file.has_news = false;
        if file.presence == Presence::Unlinked {
            file.presence = Presence::Lost;
            file.quiet_since = context.now;
            context.must_list = true;
        }
        self.is_seamless |= had_begun && !is_late;
        if had_begun || self.files[at].place.at > 0 {
            self.place(at, context);
        }
        if had_begun {
            context.sink.file_ends(self.number, self.files[at].number);
        }
    }

    /// Bytes of a file cannot be read any more.
    pub(super) fn lose<F: FileSystem, S: TailSink>(
        &mut self,
        bytes: u64,
        reason: Loss,
        context: &mut Context<'_, F, S>,
    ) {
        if bytes > 0 {
            self.tell(context);
            self.is_seamless = false;
            context.sink.lost(self.number, bytes, reason);
        }
    }

    /// A file's inode holds something else: what it held may have been copied; what it holds is another file.
    pub(super) fn cut<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        at: usize,
        stat: &Stat,
        context: &mut Context<'_, F, S>,
    ) {
        let number = context.number();
        let file = &mut self.files[at];
        if file.form != Form::Packed && stat.size < file.size {
            file.sure = file.sure.max(file.size);
        }
        let mut anew = File::new(number, &file.name, stat, context.now);
        anew.presence = file.presence;
        // What is open is the inode, whatever it holds.
        if let Some(open) = file.open.take() {
            anew.sample(&open.handle);
            anew.open = Some(context.opened(open.handle.clone()));
        }
        // Under another name than the one that is written to it may be anything that is known: the next listing tells.
        let is_another = anew.presence == Presence::Unlinked || file.name == self.base;
        file.presence = Presence::Lost;
        file.is_suspect = true;
        file.quiet_since = context.now;
        if is_another {
            self.files.insert(at + 1, anew);
        }
        context.must_list = true;
    }

    /// A file cannot be read: it is said once.
    pub(super) fn fail<F: FileSystem, S: TailSink>(
        &mut self,
        at: usize,
        error: &io::Error,
        context: &mut Context<'_, F, S>,
    ) {
        // It is tried again at longer and longer times.
        self.quiet_looks = self.quiet_looks.saturating_add(1);
        let file = &mut self.files[at];
        if let Some(open) = file.open.take()
            && file.form == Form::Packed
        {
            file.sure = open.consumed();
        }
        if file.presence == Presence::Unlinked {
            (file.presence, file.quiet_since) = (Presence::Lost, context.now);
            context.must_list = true;
        }
        if file.state == State::Late {
            file.state = State::Finished;
            context.sink.file_ends(self.number, file.number);
        }
        if file.failed_since.is_none() {
            file.failed_since = Some(context.now);
            let path = context.folder.join(&file.name);
            context.sink.notice(&Notice::Failed { path: &path, error });
        }
    }
}
