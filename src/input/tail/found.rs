//! The names of a source after its folder was listed: which of its files each is, and what has become of the others.
//!
//! In go the names of its family with their inodes, out come files that are known under new names, files that are new, in
//! the order of their rotation, and those whose content is gone, with what is lost of them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use spanline_parsers::rotation::{self, Order};

use super::file::{File, Presence, State, millis};
use super::file_system::{FileSystem, OpenFile, Stat};
use super::opened::{Form, form, head, place_at_end};
use super::recognise::{Adopted, Copy, Recognised, is_unfinished, recognise};
use super::sink::{Loss, Notice, TailSink};
use super::source::{Context, Source};
use crate::files::followed::{Place, Sample};
use crate::files::identity::FileId;

/// A name in the folder.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) name: PathBuf,
    pub(super) id: FileId,
    pub(super) order: Order,
}

impl Listed {
    pub(super) fn new(name: PathBuf, id: FileId) -> Listed {
        let order = rotation::family(&name.to_string_lossy()).order;
        Listed { name, id, order }
    }
}

impl<H: OpenFile> Source<H> {
    /// Takes in all names that its family has now. `skips_old`: what is new to it existed before the agent, and only what is
    /// written from now on counts.
    pub(super) fn found<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        mut listed: Vec<Listed>,
        skips_old: bool,
        context: &mut Context<'_, F, S>,
    ) {
        listed.sort_by(|a, b| a.order.cmp(&b.order).then_with(|| a.name.cmp(&b.name)));
        self.copies.retain(|copy| listed.iter().any(|name| name.id == copy.stat.id));
        let unknown = self.find_again(listed, context);
        let was_undecided = std::mem::take(&mut self.undecided);
        let mut first_new = Vec::new();
        for name in unknown {
            match recognise(context.fs, context.folder, &name.name, &self.base, &self.files) {
                Ok(Recognised::New(handle, stat)) => {
                    let at = self.insert(&name, &stat, handle, context);
                    first_new.push(self.files[at].number);
                }
                Ok(Recognised::Moved(at, handle, stat)) => self.move_to(at, &name, handle, &stat, context),
                Ok(Recognised::MovedFromRewritten(at, handle, stat)) => {
                    match self.files[at].stat(context.fs, context.folder) {
                        Ok(now) => self.cut(at, &now, context),
                        Err(_) => self.lose_content(at, context),
                    }
                    self.move_to(at, &name, handle, &stat, context);
                }
                Ok(Recognised::CopyOf(at, stat)) => {
                    self.copies.retain(|copy| copy.stat.id != stat.id);
                    self.copies.push(Copy { name: name.name.into_boxed_path(), of: self.files[at].number, stat });
                }
                Ok(Recognised::Undecided) => self.undecided = was_undecided.saturating_add(1),
                Err(error) => {
                    self.undecided = was_undecided.saturating_add(1);
                    if !self.has_failed {
                        self.has_failed = true;
                        let path = context.folder.join(&name.name);
                        context.sink.notice(&Notice::Failed { path: &path, error: &error });
                    }
                }
            }
        }
        if skips_old {
            first_new.iter().for_each(|number| self.skip_old(*number, context));
        }
        self.settle(context);
    }

    /// Finds its files by their inodes; gives the names that are left.
    fn find_again<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        listed: Vec<Listed>,
        context: &mut Context<'_, F, S>,
    ) -> Vec<Listed> {
        let mut is_met = vec![false; self.files.len()];
        let mut unknown = Vec::new();
        for name in listed {
            let is_it = |file: &File<H>| file.id == name.id && file.presence != Presence::Lost;
            match self.files.iter().position(is_it) {
                // Another name of the same file.
                Some(at) if is_met[at] => {}
                Some(at) if self.is_still(at, &name, context) => is_met[at] = true,
                Some(at) => {
                    self.lose_content(at, context);
                    unknown.push(name);
                }
                None => unknown.push(name),
            }
        }
        for (at, _) in is_met.into_iter().enumerate().filter(|(_, is_met)| !is_met) {
            let file = &mut self.files[at];
            match file.presence {
                Presence::Named if file.open.is_some() && !file.is_done() => file.presence = Presence::Unlinked,
                Presence::Named => self.lose_content(at, context),
                _ => {}
            }
        }
        unknown
    }

    fn lose_content<F: FileSystem, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) {
        let file = &mut self.files[at];
        if file.presence != Presence::ToFind {
            file.quiet_since = context.now;
            file.presence = Presence::Lost;
        }
        file.open = None;
    }

    /// Whether a name with the inode of a file is that file; takes over the name.
    fn is_still<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        at: usize,
        name: &Listed,
        context: &mut Context<'_, F, S>,
    ) -> bool {
        let file = &mut self.files[at];
        let is_renamed = *file.name != *name.name;
        let is_new_to_run = file.presence == Presence::ToFind;
        // An inode is not used again while it is open.
        let must_compare = is_new_to_run || is_renamed && file.open.is_none();
        let path = context.folder.join(&name.name);
        if must_compare {
            match file.is_still_at(context.fs, &path) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
                // It is compared once it can be read.
                Err(_) => file.is_suspect = true,
            }
        }
        file.name = name.name.clone().into_boxed_path();
        file.presence = Presence::Named;
        if is_new_to_run {
            if let Ok(stat) = context.fs.stat(&path) {
                (file.size, file.modified, file.quiet_since) = (stat.size, stat.modified, context.now);
            }
            if let Ok(handle) = context.fs.open(&path) {
                file.form = form(&handle).unwrap_or(Form::Unknown);
            }
            if file.form == Form::Packed {
                file.sure = if file.is_done() { file.size } else { 0 };
            }
            file.has_news = file.is_behind();
            self.tell_known(at, context);
        }
        if is_renamed {
            self.place(at, context);
        }
        true
    }

    fn tell_known<F: FileSystem, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) {
        let file = &mut self.files[at];
        if let Some(known) = file.known.take() {
            file.was_told = true;
            context.sink.known_file(known as usize, Some(file.number));
        }
    }

    /// A new file, between those that it was written between.
    fn insert<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        name: &Listed,
        stat: &Stat,
        handle: Arc<H>,
        context: &mut Context<'_, F, S>,
    ) -> usize {
        let number = context.number();
        let mut file = File::new(number, &name.name, stat, context.now);
        if stat.size > 0 && context.may_open() {
            file.open = Some(context.opened(handle));
        }
        let is_newer = |other: &File<H>| {
            other.presence == Presence::Named && rotation::family(&other.name.to_string_lossy()).order > name.order
        };
        let at = self.files.iter().position(is_newer).unwrap_or(self.files.len());
        self.files.insert(at, file);
        at
    }

    /// A known file's content was found elsewhere.
    fn move_to<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        at: usize,
        name: &Listed,
        handle: Arc<H>,
        stat: &Stat,
        context: &mut Context<'_, F, S>,
    ) {
        let form = form(&*handle).unwrap_or(Form::Unknown);
        let file = &mut self.files[at];
        (file.id, file.name, file.size, file.modified) =
            (stat.id, name.name.clone().into_boxed_path(), stat.size, stat.modified);
        (file.presence, file.form, file.is_suspect) = (Presence::Named, form, false);
        file.quiet_since = context.now;
        file.sure = match form {
            Form::Packed if file.is_done() => stat.size,
            Form::Packed => 0,
            _ => file.place.at,
        };
        file.has_news = file.is_behind();
        file.open = (!file.is_done() && context.may_open()).then(|| context.opened(handle));
        self.tell_known(at, context);
        self.place(at, context);
    }

    /// Of a file that was there before the agent only what is written from now on is read.
    fn skip_old<F: FileSystem<File = H>, S: TailSink>(&mut self, number: u32, context: &mut Context<'_, F, S>) {
        let Some(at) = self.files.iter().position(|file| file.number == number) else { return };
        let is_newest = at + 1 == self.files.len();
        let path = context.folder.join(&self.files[at].name);
        let handle = match &self.files[at].open {
            Some(open) => Ok(open.handle.clone()),
            None => context.fs.open(&path).map(Arc::new),
        };
        match handle.and_then(|handle| end_of_old(&handle, is_newest)) {
            Ok((stat, form, prefix, place)) => {
                let file = &mut self.files[at];
                (file.size, file.modified, file.form) = (stat.size, stat.modified, form);
                (file.prefix, file.place) = (prefix, place);
                file.sure = if form == Form::Packed { stat.size } else { place.at };
                file.has_news = false;
                file.open = None;
                if !is_newest || form == Form::Packed {
                    file.state = State::Finished;
                }
                self.place(at, context);
            }
            Err(error) => {
                self.fail(at, &error, context);
                // It cannot be told where it ends: whatever it holds is old.
                self.files[at].state = State::Abandoned;
            }
        }
    }

    /// Ends with files whose content is gone, unless it may still turn up.
    pub(super) fn settle<F: FileSystem<File = H>, S: TailSink>(&mut self, context: &mut Context<'_, F, S>) {
        let mut at = 0;
        while at < self.files.len() {
            let file = &self.files[at];
            let is_gone = matches!(file.presence, Presence::Lost | Presence::ToFind);
            if !is_gone || self.adopt_copy(at, context) {
                at += 1;
                continue;
            }
            let file = &self.files[at];
            let late = millis(context.limits.late_writes);
            let may_turn_up = file.is_done() && file.presence == Presence::Lost || self.undecided > 0;
            if may_turn_up && context.now < file.quiet_since.saturating_add(late) {
                at += 1;
                continue;
            }
            self.forget(at, context);
        }
    }

    /// A file is gone, and with it what was not read of it.
    fn forget<F: FileSystem<File = H>, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) {
        let file = &self.files[at];
        if file.presence == Presence::ToFind {
            if let Some(known) = file.known {
                context.sink.known_file(known as usize, None);
            }
            self.files.remove(at);
            return;
        }
        if !file.is_done() {
            let reason = if file.is_suspect { Loss::Truncated } else { Loss::Deleted };
            let had_begun = file.has_begun();
            let number = file.number;
            self.lose(file.unread(), reason, context);
            // Whether more was written to it than was seen is not known.
            self.is_seamless = false;
            if had_begun {
                context.sink.file_ends(self.number, number);
            }
        }
        let file = self.files.remove(at);
        if file.was_told {
            context.sink.file_is_gone(file.number);
        }
    }

    /// A copy takes the place of a file whose own content is gone.
    fn adopt_copy<F: FileSystem<File = H>, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) -> bool {
        let number = self.files[at].number;
        let Some(of) = self.copies.iter().position(|copy| copy.of == number) else { return false };
        let adopted = self.copies[of].adopt(context.fs, context.folder, &self.files[at]);
        let name = Listed::new(self.copies[of].name.to_path_buf(), self.copies[of].stat.id);
        match adopted {
            Ok(Adopted::All(handle, stat)) => {
                self.copies.remove(of);
                self.move_to(at, &name, handle, &stat, context);
                true
            }
            Ok(Adopted::Less(stat, prefix, place)) => {
                self.copies.remove(of);
                let number = context.number();
                let mut copy = File::new(number, &name.name, &stat, context.now);
                (copy.prefix, copy.place, copy.sure) = (prefix, place, place.at);
                (copy.state, copy.form, copy.has_news) = (State::Finished, Form::Plain, false);
                self.files.insert(at + 1, copy);
                self.place(at + 1, context);
                false
            }
            // It is looked at as any other file.
            Ok(Adopted::Nothing) => {
                self.copies.remove(of);
                context.must_list = true;
                false
            }
            Err(error) => {
                if !is_unfinished(&error) {
                    self.copies.remove(of);
                    context.must_list = true;
                }
                false
            }
        }
    }
}

/// Where a file that existed before the agent is read from.
fn end_of_old<H: OpenFile>(handle: &Arc<H>, is_newest: bool) -> io::Result<(Stat, Form, Sample, Place)> {
    let stat = handle.stat()?;
    let (head, form) = head(handle)?;
    let prefix = Sample::of_start(&head);
    let place = match form {
        Form::Packed => Place::default(),
        _ => place_at_end(&**handle, stat.size, is_newest)?,
    };
    Ok((stat, form, prefix, place))
}
