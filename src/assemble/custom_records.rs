//! Records of sources that are in a format of the user's own.
//!
//! In go lines and whole records with their origin, out comes whether a line begins a record, and what a record says.

use std::borrow::Cow;

use spanline_parsers::continuation::Next;
use spanline_parsers::{Entry, detect};

use super::slot::{Item, Logical};
use super::{Assembler, Work, plain, slot};
use crate::line_rules::custom_format::{CustomFormats, Read};
use crate::record::sink::RecordSink;

impl Assembler {
    /// What becomes of a line, where the user says what a record begins with.
    #[cold]
    pub(super) fn next_by_rule(&mut self, work: &mut Work<'_>, at: usize, line: &Logical<'_>) -> Option<Next> {
        let (format, _) = self.custom.of(line.meta.origin, &self.origins, &self.calendar)?;
        let begins = format.start.as_ref()?.is_match(&line.content);
        let open = work.slots[at].open.as_ref().and_then(|(number, _)| work.queue.get(*number));
        let continues = !begins && open.is_some_and(|open| self.may_follow(&open.logical, line));
        Some(if continues { Next::Continues } else { Next::Begins })
    }

    /// Whether an origin is in a format of the user's own.
    pub(super) fn has_format(&mut self, origin: u32) -> bool {
        self.custom.of(origin, &self.origins, &self.calendar).is_some()
    }

    /// Emits a record of such an origin: as its format says, or, where it is not in that, as every other.
    #[cold]
    pub(super) fn emit_custom<S: RecordSink>(&mut self, item: Item<'_>, sink: &mut S) {
        let Logical { meta, mut content, lines, journal, raw, .. } = item.logical;
        if lines > 1 && meta.cr {
            content = Cow::Owned(slot::without_cr(&content));
        }
        // The names of attributes stand in the formats.
        let formats = self.custom.formats.all.clone();
        let mut entry = Entry::default();
        if !self.read_custom(meta.origin, &content, &formats, &mut entry) {
            detect::payload(&content, self.settings.expect, &mut entry);
            if let Some(end) = self.first_object_end(&content, &entry) {
                return self.objects(meta, lines, &content, end, sink);
            }
        }
        plain::settle_body(&mut entry, &content, raw.as_deref(), self.settings.keep_ansi);
        self.give(meta, lines, item.piece, &content, journal.as_deref(), &mut entry, sink);
    }

    /// Reads a record by its format; false where it is not in that.
    fn read_custom<'c>(
        &mut self,
        origin: u32,
        payload: &'c [u8],
        formats: &'c CustomFormats,
        entry: &mut Entry<'c>,
    ) -> bool {
        let Some((_, of)) = self.custom.of(origin, &self.origins, &self.calendar) else { return false };
        let Some((record, locations)) = formats.all[of.format].record.as_ref().zip(of.locations.as_mut()) else {
            return false;
        };
        let read = record.read(payload, locations, entry);
        self.counts.of_format(of.format).count(read);
        matches!(read, Read::Matched | Read::BadTime)
    }
}
