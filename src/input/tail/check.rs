//! A source looked at: what the system tells of its files, and when to look again.
//!
//! Nothing is read. What has grown is opened, so that it can still be read when it is deleted; what is quiet gets a watch
//! that tells of its next write, and is closed.

use std::io;
use std::sync::Arc;

use super::config::TailLimits;
use super::file::{Change, Millis, Presence, SETTLING_MS, State, at_second};
use super::file_system::{FileSystem, OpenFile};
use super::opened::Form;
use super::sink::{Loss, Notice, TailSink};
use super::source::{Context, Source};

/// Files that are written to are looked at, and read, so often: by the clock, not for each write.
pub(super) const BUSY_MS: Millis = 100;
/// The first look at a file after a watch was set on its next write.
const WATCHED_MS: Millis = 1_000;
/// The longest time between two looks: where a watch tells of changes, and where none does.
const WATCHED_MS_MAX: Millis = 180_000;
const IDLE_MS_MAX: Millis = 60_000;
/// A file is closed after it was quiet for so long.
const CLOSE_MS: Millis = 5_000;
/// A file that cannot be read, and behind which others wait, is given up after this.
const GIVE_UP_MS: Millis = 60_000;
/// How far the time between looks at what could be read grows.
const HELD_BACK_LOOKS: u8 = 4;
/// The first look again at what could not be recognised.
const UNDECIDED_MS: Millis = 250;

impl<H: OpenFile> Source<H> {
    /// Looks at its files. `can_watch`: watches may be set. What is to be read then tells [`Source::next`].
    pub(super) fn check<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        can_watch: &mut bool,
        context: &mut Context<'_, F, S>,
    ) {
        let mut has_changed = false;
        let mut at = 0;
        while at < self.files.len() {
            has_changed |= self.check_file(at, context);
            at += 1;
        }
        for copy in &self.copies {
            let is_same = context.fs.stat(&context.folder.join(&copy.name)).is_ok_and(|stat| stat == copy.stat);
            context.must_list |= !is_same;
        }
        if self.files.iter().any(|file| matches!(file.presence, Presence::Lost | Presence::ToFind)) {
            self.settle(false, context);
        }
        self.give_up(context);
        self.open_and_close(context);
        if has_changed {
            self.quiet_looks = 0;
        } else if self.next(context.now, context.limits).is_none() {
            self.await_write(can_watch, context);
            self.quiet_looks = self.quiet_looks.saturating_add(1);
        } else {
            // Reading is held back.
            self.quiet_looks = self.quiet_looks.max(self.quiet_looks.saturating_add(1).min(HELD_BACK_LOOKS));
        }
        let is_behind = self.files.iter().any(|file| file.is_there() && !file.is_done() && file.is_behind());
        self.behind_since = is_behind.then(|| self.behind_since.unwrap_or(context.now));
        self.due = self.next_look(context.now, context.limits);
    }

    /// Whether it has changed.
    fn check_file<F: FileSystem<File = H>, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) -> bool {
        let file = &mut self.files[at];
        if !file.is_there() || file.is_done() && file.form == Form::Packed || file.state == State::Abandoned {
            return false;
        }
        match file.stat(context.fs, context.folder) {
            Ok(stat) if stat.id != file.id => context.must_list = true,
            Ok(stat) if stat.size > 0 && file.is_unclear(&self.base) => context.must_list = true,
            Ok(stat) => match file.note(&stat, context.now) {
                Change::Same => return false,
                Change::Changed => {
                    context.must_list |= file.has_grown_late() && !file.grows_late;
                    return true;
                }
                Change::Cut => {
                    self.cut(at, &stat, context);
                    return true;
                }
            },
            Err(error) if is_gone(&error) => context.must_list = true,
            Err(error) => self.fail(at, &error, context),
        }
        false
    }

    /// A file that cannot be read does not hold up those that were written after it for ever.
    fn give_up<F: FileSystem<File = H>, S: TailSink>(&mut self, context: &mut Context<'_, F, S>) {
        let Some(at) = self.head() else { return };
        let file = &self.files[at];
        let is_hopeless = file.failed_since.is_some_and(|since| context.now >= since.saturating_add(GIVE_UP_MS));
        if is_hopeless && self.has_newer(at) {
            let (unread, had_begun) = (file.unread(), file.has_begun());
            self.lose(unread, Loss::Unreadable, context);
            self.files[at].state = State::Abandoned;
            self.files[at].open = None;
            if had_begun {
                self.place(at, context);
                context.sink.file_ends(self.number, self.files[at].number);
            }
        }
    }

    /// What is behind is opened, as far as descriptors reach; what was quiet for long is closed.
    fn open_and_close<F: FileSystem<File = H>, S: TailSink>(&mut self, context: &mut Context<'_, F, S>) {
        for at in 0..self.files.len() {
            let file = &mut self.files[at];
            if !file.is_there() || file.state == State::Abandoned {
                continue;
            }
            let is_wanted = file.is_suspect || file.is_behind() && (!file.is_done() || file.has_news);
            let is_quiet = context.now >= file.quiet_since.saturating_add(CLOSE_MS);
            match &file.open {
                None if is_wanted && context.may_open() => self.open(at, context),
                // As long as nothing is known of it, it would be taken for another one by its next name.
                None if is_wanted && file.place.at == 0 && file.prefix.is_empty() => {
                    self.open(at, context);
                    self.files[at].open = None;
                }
                Some(open) if file.place.at == 0 && file.prefix.is_empty() && file.size > 0 => {
                    let handle = open.handle.clone();
                    file.sample(&handle);
                }
                Some(_) if !is_wanted && is_quiet && file.presence == Presence::Named => file.open = None,
                _ => {}
            }
        }
    }

    /// Opens a file that is there by its name.
    pub(super) fn open<F: FileSystem<File = H>, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) {
        let file = &self.files[at];
        let path = context.folder.join(&file.name);
        let opened = context.fs.open(&path).and_then(|handle| Ok((handle.stat()?, handle)));
        match opened {
            Ok((stat, handle)) if stat.id == file.id => {
                let handle = Arc::new(handle);
                let open = context.opened(handle.clone());
                let file = &mut self.files[at];
                file.open = Some(open);
                file.failed_since = None;
                if file.place.at == 0 && file.prefix.is_empty() {
                    file.sample(&handle);
                }
                if let Err(error) = file.find_form() {
                    self.fail(at, &error, context);
                }
            }
            Ok(_) => context.must_list = true,
            Err(error) if is_gone(&error) => context.must_list = true,
            Err(error) => self.fail(at, &error, context),
        }
    }

    /// Has the next write told; then looks once more, since it may have come before.
    fn await_write<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        can_watch: &mut bool,
        context: &mut Context<'_, F, S>,
    ) {
        let newest = self.files.iter().rposition(|file| file.presence == Presence::Named && file.form != Form::Packed);
        let Some(newest) = newest.filter(|_| self.watch.is_none() && *can_watch) else { return };
        let path = context.folder.join(&self.files[newest].name);
        match context.fs.watch_file_once(&path) {
            Ok(watch) => {
                self.watch = Some(watch);
                if self.check_file(newest, context) {
                    self.quiet_looks = 0;
                }
            }
            Err(error) if is_gone(&error) => context.must_list = true,
            Err(error) if is_of_one(&error) => {}
            Err(error) => {
                *can_watch = false;
                context.sink.notice(&Notice::NoWatches { error: &error });
            }
        }
    }

    /// When it is to be looked at again.
    pub(super) fn next_look(&self, now: Millis, limits: &TailLimits) -> Millis {
        let grown = |first: Millis, bits: u8, max: Millis| first.saturating_mul(1 << bits.min(32)).min(max);
        let doubled = |first: Millis, times: u8| grown(first, times, IDLE_MS_MAX);
        let mut wait = match self.watch {
            // All that are written to at the same moments, so that what they have goes together.
            _ if self.quiet_looks == 0 => BUSY_MS - now % BUSY_MS,
            Some(_) => grown(WATCHED_MS, 2 * (self.quiet_looks - 1).min(16), WATCHED_MS_MAX),
            None => doubled(BUSY_MS, self.quiet_looks),
        };
        if self.undecided > 0 {
            wait = wait.min(doubled(UNDECIDED_MS, self.undecided - 1));
        }
        let next = now.saturating_add(wait);
        let mut next = if wait > WATCHED_MS { at_second(next) } else { next };
        for (at, file) in self.files.iter().enumerate() {
            let closes_at = file.quiet_since.saturating_add(CLOSE_MS);
            let is_left = self.has_newer(at) || file.presence == Presence::Unlinked;
            let has_late_rest = file.state == State::Finished && file.form != Form::Packed && file.is_behind();
            let events = match file.presence {
                Presence::ToFind => [None; 3],
                Presence::Lost => [Some(file.quiet_since.saturating_add(SETTLING_MS)), None, None],
                _ => [
                    (file.open.is_some() && !file.is_behind()).then_some(closes_at),
                    (is_left && !file.is_done() || has_late_rest).then(|| file.ends_at(limits)),
                    (!file.is_done()).then(|| file.readable_at()),
                ],
            };
            next = events.into_iter().flatten().filter(|at| *at > now).fold(next, Millis::min);
        }
        next.max(now + 1)
    }
}

/// There is nothing at the path any more.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// It tells something of one file or folder only, and nothing of others.
pub(super) fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, StaleNetworkFileHandle};
    is_gone(error) || matches!(error.kind(), InvalidInput | PermissionDenied | StaleNetworkFileHandle)
}
