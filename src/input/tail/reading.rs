//! A source's turn: which of its files is read next, and what is given of it.

use super::compare::Copied;
use super::config::TailLimits;
use super::file::{Change, Millis, Presence, State};
use super::file_system::{FileSystem, OpenFile};
use super::lines::{Lines, Turn};
use super::opened::Form;
use super::sink::{Loss, Notice, TailSink};
use super::source::{Context, Source};
use crate::input::names;
use crate::input::read::Chunk;
use crate::input::sniff::{SNIFF_BYTES, sniff};

impl<H: OpenFile> Source<H> {
    /// Reads one turn of one file; `false` if there is nothing more to read before it is looked at again.
    pub(super) fn turn<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        is_for_lines: bool,
        context: &mut Context<'_, F, S>,
    ) -> bool {
        let Some(at) = self.next(context.now, context.limits) else { return false };
        if self.files[at].open.is_none() {
            let is_beyond = !context.may_open();
            self.open(at, context);
            let Some(open) = &mut self.files[at].open else { return false };
            open.is_kept = !is_beyond;
            let is_more = self.turn_of(at, is_for_lines, context);
            if is_beyond {
                if !std::mem::replace(context.had_too_many_behind, true) {
                    context.sink.notice(&Notice::TooManyBehind);
                }
                let named = self.files.iter_mut().filter(|file| file.presence == Presence::Named);
                named.for_each(|file| file.open = None);
            }
            return is_more;
        }
        self.turn_of(at, is_for_lines, context)
    }

    fn turn_of<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        at: usize,
        is_for_lines: bool,
        context: &mut Context<'_, F, S>,
    ) -> bool {
        if let Err(error) = self.files[at].find_form() {
            self.fail(at, &error, context);
            return false;
        }
        if self.files[at].is_suspect {
            return self.compare(at, context);
        }
        let file = &mut self.files[at];
        if file.is_unclear(&self.base) && file.stat(context.fs, context.folder).is_ok_and(|stat| stat.size > 0) {
            context.must_list = true;
            return false;
        }
        if context.now < file.readable_at() {
            return false;
        }
        match self.compare_copies(at, context) {
            Copied::Same => {}
            Copied::Elsewhere => {
                context.must_list = true;
                return false;
            }
            Copied::Cut => {
                self.cut_where_it_is(at, context);
                return false;
            }
        }
        let takes_rest = self.takes_rest(at, context.now, context.limits);
        let turn = self.files[at].turn(context.window, context.limits, takes_rest);
        match turn {
            Ok(Turn::Lines(lines)) => {
                if self.is_no_log(at, is_for_lines, context) {
                    return true;
                }
                self.quiet_looks = 0;
                self.give(at, &lines, context);
                lines.has_more || self.at_end(at, context)
            }
            Ok(Turn::Searching) => true,
            Ok(Turn::AtEnd | Turn::Shorter) => self.at_end(at, context),
            Ok(Turn::Changed) => {
                self.cut_where_it_is(at, context);
                false
            }
            Err(error) => {
                self.fail(at, &error, context);
                false
            }
        }
    }

    /// Whether a line that is not finished is given.
    fn takes_rest(&self, at: usize, now: Millis, limits: &TailLimits) -> bool {
        let file = &self.files[at];
        match file.state {
            // What is packed is not written to any more.
            _ if file.form == Form::Packed => file.state != State::Begun || self.has_newer(at),
            State::Finished | State::Late => now >= file.ends_at(limits),
            _ => self.is_ending(at, now, limits),
        }
    }

    /// A file was read to its end: it is looked at once more, and may be finished.
    fn at_end<F: FileSystem<File = H>, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) -> bool {
        let file = &mut self.files[at];
        if file.form == Form::Packed {
            file.sure = file.size;
        }
        let before = file.size;
        match file.stat(context.fs, context.folder) {
            Ok(stat) if stat.size < before => {
                if file.note(&stat, context.now) == Change::Cut {
                    self.cut(at, &stat, context);
                }
                return true;
            }
            Ok(stat) => {
                if (stat.size, stat.modified) != (file.size, file.modified) {
                    file.quiet_since = context.now;
                }
                (file.size, file.modified) = (stat.size, stat.modified);
                file.has_news = stat.size > before;
            }
            Err(error) => {
                self.fail(at, &error, context);
                return false;
            }
        }
        if self.files[at].has_news {
            return true;
        }
        let is_late = matches!(self.files[at].state, State::Finished | State::Late);
        if is_late || self.is_ending(at, context.now, context.limits) {
            self.finish(at, context);
            return true;
        }
        false
    }

    /// It is compared with what it was.
    fn compare<F: FileSystem<File = H>, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) -> bool {
        match self.files[at].is_what_it_was() {
            Ok(true) => {
                let file = &mut self.files[at];
                let missing = if file.form == Form::Packed { 0 } else { file.sure.saturating_sub(file.size) };
                if missing > 0 && self.copies.iter().any(|copy| copy.of == file.number) {
                    // It was copied, and written anew with the same beginning.
                    self.cut_where_it_is(at, context);
                    return false;
                }
                file.is_suspect = false;
                file.has_news |= file.is_behind();
                if missing > 0 {
                    file.sure = file.size;
                    self.lose(missing, Loss::Truncated, context);
                }
                true
            }
            Ok(false) => {
                self.cut_where_it_is(at, context);
                false
            }
            Err(error) => {
                self.fail(at, &error, context);
                false
            }
        }
    }

    fn cut_where_it_is<F: FileSystem<File = H>, S: TailSink>(&mut self, at: usize, context: &mut Context<'_, F, S>) {
        match self.files[at].stat(context.fs, context.folder) {
            Ok(stat) => self.cut(at, &stat, context),
            Err(error) => self.fail(at, &error, context),
        }
    }

    /// Whether the first bytes of a file, in the window, show that it is no log.
    fn is_no_log<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        at: usize,
        is_for_lines: bool,
        context: &mut Context<'_, F, S>,
    ) -> bool {
        let file = &mut self.files[at];
        if is_for_lines || file.place.at > 0 {
            return false;
        }
        let head = &context.window[..context.window.len().min(SNIFF_BYTES)];
        let path = context.folder.join(&file.name);
        let is_named_as_binary = names::is_named_as_binary(&file.name.to_string_lossy());
        let Some(reason) = sniff(head, is_named_as_binary, false).no_lines() else { return false };
        file.state = State::Abandoned;
        file.open = None;
        context.sink.notice(&Notice::LeftOut { path: &path, reason });
        true
    }

    fn give<F: FileSystem<File = H>, S: TailSink>(
        &mut self,
        at: usize,
        lines: &Lines,
        context: &mut Context<'_, F, S>,
    ) {
        if !self.files[at].has_begun() {
            self.begin(at, context);
        }
        let file = &mut self.files[at];
        let chunk = Chunk {
            bytes: &context.window[lines.start..lines.end],
            offset: file.place.at,
            continues: lines.continues,
            cut: lines.cut,
            blocks: None,
        };
        // As long as its beginning is read, so long its first bytes may have become more.
        let is_start = file.place.frontier_start() == 0;
        file.place = lines.place;
        file.failed_since = None;
        let number = file.number;
        context.sink.chunk(self.number, number, &chunk);
        if is_start {
            self.place(at, context);
        } else {
            context.sink.read_up_to(self.number, number, &lines.place);
        }
    }
}
