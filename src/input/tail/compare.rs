//! Whether the files of a source still hold what they held, and what copies of them tell of that.
//!
//! In go its files and the copies that are known of them; out come those that hold something else, before anything new is
//! compared with them, and before they are read on. What becomes of them stands in `found` and `gone`.

use std::sync::Arc;

use super::check::is_gone;
use super::file::{Change, Presence};
use super::file_system::{FileSystem, OpenFile};
use super::found::Listed;
use super::opened::{Form, holds};
use super::recognise::{Recognised, recognise};
use super::sink::TailSink;
use super::source::{Context, Source};

/// What copies tell of a file.
pub(super) enum Copied {
    /// It begins with what they hold, as far as they are there.
    Same,
    /// One is not where it was: the folder is to be listed.
    Elsewhere,
    /// It was written anew.
    Cut,
}

impl<H: OpenFile> Source<H> {
    /// Copies may have other names by now, or none.
    pub(super) fn find_copies_again(&mut self, listed: &[Listed]) {
        self.copies.retain_mut(|copy| {
            let name = listed.iter().find(|name| name.id == copy.stat.id);
            name.inspect(|name| copy.name = name.name.clone().into_boxed_path()).is_some()
        });
    }

    /// Whether a name is a copy of a file whose own content is gone by now: it is adopted, not compared.
    pub(super) fn is_copy_of_lost<F: FileSystem<File = H>, S>(
        &mut self,
        name: &Listed,
        context: &Context<'_, F, S>,
    ) -> bool {
        let Some(at) = self.copies.iter().position(|copy| copy.stat.id == name.id) else { return false };
        let copy = &self.copies[at];
        let path = context.folder.join(&name.name);
        if *name.name == *self.base || !copy.is_still_at(context.fs, &path) {
            self.copies.remove(at);
            return false;
        }
        let of = copy.of;
        self.files.iter().any(|file| file.number == of && file.presence == Presence::Lost)
    }

    /// Before others are compared with its files: whether these hold what they held. Gives the names of those that do not.
    pub(super) fn compare_all<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        context: &mut Context<'_, F, S>,
    ) -> Vec<Listed> {
        let (mut at, mut unknown) = (0, Vec::new());
        while at < self.files.len() {
            let file = &mut self.files[at];
            let path = context.folder.join(&file.name);
            let handle = match &file.open {
                _ if !file.is_there() || file.form == Form::Packed => None,
                Some(open) => Some(open.handle.clone()),
                None => context.fs.open(&path).ok().map(Arc::new),
            };
            if let Some(handle) = handle
                && let Ok(stat) = handle.stat()
                && stat.id == file.id
            {
                // What cannot be read is no reason to believe that it is another file.
                let holds = |sample, at| holds(&*handle, sample, at).unwrap_or(true);
                let is_same = holds(file.place.frontier, file.place.frontier_start()) && holds(file.prefix, 0);
                let is_cut = !is_same || file.note(&stat, context.now) == Change::Cut;
                let file = &self.files[at];
                if is_cut || file.has_grown_late() && self.is_like_another(at, context) {
                    let was_named = file.presence == Presence::Named;
                    self.cut(at, &stat, context);
                    if was_named && *self.files[at].name != *self.base {
                        unknown.push(Listed::new(self.files[at].name.to_path_buf(), stat.id));
                    }
                } else {
                    let file = &mut self.files[at];
                    file.sure = file.sure.max(file.size);
                    file.grows_late |= file.has_grown_late();
                }
            }
            at += 1;
        }
        unknown
    }

    /// Whether a file holds what another one held.
    fn is_like_another<F: FileSystem<File = H>, S>(&self, at: usize, context: &Context<'_, F, S>) -> bool {
        let name = &self.files[at].name;
        let like = recognise(context.fs, context.folder, name, &self.base, &self.files, Some(at));
        matches!(like, Ok(Recognised::Moved(..) | Recognised::CopyOf(..)))
    }

    /// Before a file is read on: what is known of it by copies that have more of it than was read. What is before its place
    /// may be the same in a file that was written anew.
    pub(super) fn compare_copies<F: FileSystem<File = H>, S>(&self, at: usize, context: &Context<'_, F, S>) -> Copied {
        let file = &self.files[at];
        let Some(open) = file.open.as_ref().filter(|_| file.form != Form::Packed) else { return Copied::Same };
        for copy in self.copies.iter().filter(|copy| copy.of == file.number && copy.stat.size > file.place.at) {
            let path = context.folder.join(&copy.name);
            match context.fs.stat(&path) {
                Ok(stat) if stat.id == copy.stat.id => {}
                Err(error) if !is_gone(&error) => continue,
                _ => return Copied::Elsewhere,
            }
            if copy.is_still_at(context.fs, &path)
                && matches!(copy.is_of(context.fs, context.folder, &open.handle), Ok(false))
            {
                return Copied::Cut;
            }
        }
        Copied::Same
    }
}
