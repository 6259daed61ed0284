//! The names of a source after its folder was listed: which of its files each is, and what has become of the others.
//!
//! In go the names of its family with their inodes, out come files that are known under new names, files that are new, in
//! the order of their rotation, and those whose content is gone, with what is lost of them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use spanline_parsers::rotation::{Order, Packing};

use super::file::{File, Presence, State};
use super::file_system::{FileSystem, OpenFile, Stat};
use super::opened::{Form, form, head, packed_ends_at, place_at_end};
use super::recognise::{Copy, Recognised, packing, recognise};
use super::sink::{Notice, TailSink};
use super::source::{Context, Source, order_of};
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
        let order = order_of(&name);
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
        self.find_copies_again(&listed);
        let (fs, folder, base) = (&*context.fs, context.folder, &*self.base);
        let has_come = |file: &File<H>| {
            let is_filled =
                |name: &Listed| fs.stat(&folder.join(&name.name)).is_ok_and(|stat| stat.id == file.id && stat.size > 0);
            let name = listed.iter().find(|name| name.id == file.id && *name.name != *base);
            file.is_unclear(base) && name.is_some_and(is_filled)
        };
        // What was empty is recognised anew, and keeps its place if it is a file of its own.
        let mut come = Vec::new();
        for file in self.files.iter_mut().filter(|file| has_come(file)) {
            file.presence = Presence::Lost;
            come.push(file.number);
        }
        let mut unknown = self.find_again(listed, context);
        self.put_in_order();
        // A name that had one file before may have another one's copy by now.
        let may_be_another = |file: &File<H>| !file.is_there() || file.has_grown_late();
        if !unknown.is_empty() || self.files.iter().any(may_be_another) {
            unknown.extend(self.compare_all(context));
        }
        // Copies of what is written to are known by it, and packed ones by what is not packed.
        unknown.sort_by_key(|name| (*name.name != *self.base, packing(&name.name) != Packing::Plain));
        // What is known of an unread file is little: where a copy of it is known, others are not compared with it.
        unknown.retain(|name| !self.is_copy_of_lost(name, context));
        self.adopt_copies(context);
        let was_undecided = std::mem::take(&mut self.undecided);
        let mut first_new = Vec::new();
        for name in unknown {
            match recognise(context.fs, context.folder, &name.name, &self.base, &self.files, None) {
                Ok(Recognised::New(handle, stat)) => {
                    let came = |file: &File<H>| file.id == stat.id && come.contains(&file.number);
                    let at = self.files.iter().position(came).unwrap_or_else(|| self.place_for(name.order));
                    self.insert(at, &name, &stat, handle, context);
                    first_new.push(self.files[at].number);
                }
                Ok(Recognised::Moved(at, handle, stat)) => self.move_to(at, &name, handle, &stat, context),
                Ok(Recognised::CopyOf(at, stat, end)) => {
                    self.copies.retain(|copy| copy.stat.id != stat.id);
                    let name = name.name.into_boxed_path();
                    self.copies.push(Copy { name, of: self.files[at].number, stat, end });
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
        self.files.retain(|file| file.presence != Presence::Lost || !come.contains(&file.number));
        let files = &self.files;
        self.copies.retain(|copy| !files.iter().any(|file| file.is_there() && file.id == copy.stat.id));
        if skips_old {
            first_new.iter().for_each(|number| self.skip_old(*number, context));
        }
        self.settle(true, context);
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
            let at = |is_there: bool| {
                let is_it = |file: &File<H>| {
                    file.id == name.id && file.presence != Presence::Lost && file.is_there() == is_there
                };
                self.files.iter().position(is_it)
            };
            match at(true).or_else(|| at(false)) {
                // Another name of the same file.
                Some(at) if is_met[at] => {}
                Some(at) if self.is_still(at, &name, context) => is_met[at] = true,
                Some(at) => {
                    // How much of what was seen of it since it was read was its own is not known.
                    self.files[at].is_suspect = true;
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
        if is_renamed
            && file.open.is_none()
            && (file.is_done() && file.form != Form::Packed || *name.name == *self.base)
        {
            // Its inode may have been used again, for a file that begins alike: all are compared.
            return false;
        }
        if file.form == Form::Packed && file.open.is_none() && !is_new_to_run {
            let is_same = |stat: Stat| (stat.id, stat.size, stat.modified) == (file.id, file.size, file.modified);
            if !context.fs.stat(&path).is_ok_and(is_same) {
                return false;
            }
        }
        if must_compare && file.place.at == 0 && file.prefix.is_empty() {
            // Nothing is known by which to tell it.
            return false;
        }
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
            file.sure = match file.form {
                Form::Packed if !file.is_done() => 0,
                _ => file.size,
            };
            file.has_news = file.is_behind();
            file.is_old = *file.name != *self.base;
            self.tell_known(at, context);
        }
        if is_renamed {
            self.place(at, context);
        }
        true
    }

    /// Files that nothing was given of stand by their names, whatever they were called before.
    fn put_in_order(&mut self) {
        for at in 0..self.files.len() {
            let file = &self.files[at];
            let order = order_of(&file.name);
            let is_newer = |other: &File<H>| other.presence == Presence::Named && order_of(&other.name) < order;
            if file.state == State::Waiting
                && file.presence == Presence::Named
                && file.place.at == 0
                && self.files[at + 1..].iter().any(is_newer)
            {
                let file = self.files.remove(at);
                let at = self.place_for(order);
                self.files.insert(at, file);
            }
        }
    }

    pub(super) fn tell_known<F: FileSystem, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) {
        let file = &mut self.files[at];
        if let Some(known) = file.known.take() {
            file.was_told = true;
            context.sink.known_file(known as usize, Some(file.number));
        }
    }

    /// A new file.
    fn insert<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        at: usize,
        name: &Listed,
        stat: &Stat,
        handle: Arc<H>,
        context: &mut Context<'_, F, S>,
    ) {
        let number = context.number();
        let mut file = File::new(number, &name.name, stat, context.now);
        file.sample(&handle);
        // What is written to also while it is empty: it may be written, rotated and deleted before it is looked at again.
        if stat.size > 0 && context.may_open() || *name.name == *self.base && context.has_room() {
            file.open = Some(context.opened(handle));
        }
        if self.files.is_empty() {
            // Most sources have one.
            self.files.reserve_exact(1);
        }
        self.files.insert(at, file);
        // From now on its writer may come to use the new one.
        if let Some(before) = at.checked_sub(1).map(|before| &mut self.files[before]) {
            before.quiet_since = context.now;
        }
    }

    /// Where a file of this order stands among those that are there.
    pub(super) fn place_for(&self, order: Order) -> usize {
        let is_newer = |other: &File<H>| other.presence == Presence::Named && order_of(&other.name) > order;
        self.files.iter().position(is_newer).unwrap_or(self.files.len())
    }

    /// A known file's content was found elsewhere.
    pub(super) fn move_to<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        at: usize,
        name: &Listed,
        handle: Arc<H>,
        stat: &Stat,
        context: &mut Context<'_, F, S>,
    ) {
        let form = form(&*handle).unwrap_or(Form::Unknown);
        let (number, before) = (self.files[at].number, self.copies.len());
        // What was compared with what it was is to be compared with what it is.
        self.copies.retain(|copy| copy.of != number);
        context.must_list |= self.copies.len() < before;
        let file = &mut self.files[at];
        (file.id, file.name, file.size, file.modified) =
            (stat.id, name.name.clone().into_boxed_path(), stat.size, stat.modified);
        (file.presence, file.form, file.is_suspect) = (Presence::Named, form, false);
        file.quiet_since = context.now;
        file.sure = match form {
            // It may have grown before it was compressed.
            Form::Packed if file.is_done() && packed_ends_at(&*handle, file.place.at) => stat.size,
            Form::Packed => 0,
            _ => stat.size.max(file.place.at),
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
