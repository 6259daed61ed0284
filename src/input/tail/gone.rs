//! Files of a source whose content is not at their inode any more: deleted, or written anew.
//!
//! A copy may have what was not read of it; what has not is lost, and is counted. A finished file is remembered for a
//! while, since it may come again, compressed.

use std::cmp::Reverse;

use spanline_parsers::rotation::Packing;

use super::file::{File, Presence, SETTLING_MS, State};
use super::file_system::{FileSystem, OpenFile, Stat};
use super::found::Listed;
use super::opened::Form;
use super::recognise::{Adopted, Copy, is_unfinished, packing};
use super::sink::{Loss, TailSink};
use super::source::{Context, Source, order_of};
use crate::files::followed::{Place, Sample};

impl<H: OpenFile> Source<H> {
    /// Ends with files whose content is gone, unless it may still turn up. `is_listed`: the folder was listed just now.
    pub(super) fn settle<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        is_listed: bool,
        context: &mut Context<'_, F, S>,
    ) {
        for number in self.adopt_copies(context) {
            let Some(at) = self.files.iter().position(|file| file.number == number) else { continue };
            let file = &self.files[at];
            let may_turn_up = file.is_done() && file.presence == Presence::Lost
                || self.undecided > 0
                || !is_listed
                || context.must_list;
            if !may_turn_up || context.now >= file.quiet_since.saturating_add(SETTLING_MS) {
                self.forget(at, context);
            }
        }
    }

    /// Copies take the places of files whose own content is gone; gives the numbers of those that have none.
    pub(super) fn adopt_copies<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        context: &mut Context<'_, F, S>,
    ) -> Vec<u32> {
        let is_gone = |file: &&File<H>| matches!(file.presence, Presence::Lost | Presence::ToFind);
        let mut gone: Vec<u32> = self.files.iter().filter(is_gone).map(|file| file.number).collect();
        gone.retain(|number| !self.adopt_copy(*number, context));
        gone
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
        if !file.is_done() || file.state == State::Finished && file.is_behind() {
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

    /// A copy takes the place of a file whose own content is gone. Copies that hold no more than what was given of it are
    /// files that were read.
    fn adopt_copy<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        number: u32,
        context: &mut Context<'_, F, S>,
    ) -> bool {
        let Some(at) = self.files.iter().position(|file| file.number == number) else { return false };
        let (mut of_it, others): (Vec<Copy>, Vec<Copy>) =
            std::mem::take(&mut self.copies).into_iter().partition(|copy| copy.of == number);
        self.copies = others;
        // One that has all that was there comes before one that is compressed, and may have it; the longest was made last.
        let sure = self.files[at].sure;
        of_it.sort_by_key(|copy| match packing(&copy.name) {
            Packing::Plain => (if copy.stat.size >= sure { 0 } else { 2 }, Reverse(copy.stat.size)),
            _ => (1, Reverse(copy.stat.size)),
        });
        let mut shorter: Vec<(Copy, Stat, Sample, Place)> = Vec::new();
        let mut copies = of_it.into_iter();
        while let Some(copy) = copies.next() {
            match copy.adopt(context.fs, context.folder, &self.files[at]) {
                Ok(Adopted::All(handle, stat)) => {
                    let name = Listed::new(copy.name.into(), stat.id);
                    self.copies.extend(shorter.into_iter().map(|(copy, ..)| copy).chain(copies));
                    self.move_to(at, &name, handle, &stat, context);
                    return true;
                }
                Ok(Adopted::Less(stat, prefix, place)) => shorter.push((copy, stat, prefix, place)),
                // It is looked at as any other file.
                Ok(Adopted::Nothing) => context.must_list = true,
                Err(error) if is_unfinished(&error) => self.copies.push(copy),
                Err(_) => context.must_list = true,
            }
        }
        for (copy, stat, prefix, place) in shorter {
            let mut read = File::new(context.number(), &copy.name, &stat, context.now);
            (read.prefix, read.place, read.sure) = (prefix, place, place.at);
            (read.state, read.form) = (State::Finished, Form::Plain);
            read.has_news = read.is_behind();
            let at = self.place_for(order_of(&copy.name));
            self.files.insert(at, read);
            self.place(at, context);
        }
        false
    }
}
