//! Lines out of what tools wrap around other programs' lines: journalctl, kubectl, stern, compose, shippers, logcli.
//!
//! In go lines, out come those that the programs wrote, with their writers. A file without wrappers costs its lines nothing.

use spanline_parsers::wrapper::{self, Writer};
use spanline_parsers::{journal, journal_text};

use super::plain;
use super::slot::{Logical, Meta};
use super::wrapper_forms::{EVENTS, Last, SHORT, event, hash};
use super::{Assembler, Work};
use crate::decode::{self, Joins, Line};
use crate::record::BOM;
use crate::record::Envelope;

impl Assembler {
    /// A line of a wrapped file without its wrapper; `None` for one that has none.
    #[cold]
    pub(super) fn wrapped_line<'c>(&mut self, bytes: &'c [u8]) -> Option<Line<'c>> {
        let last = std::mem::take(&mut self.wrappers.last);
        if let Some(line) = self.after_last(last, bytes) {
            return Some(line);
        }
        let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        if self.wrappers.forms & EVENTS != 0
            && let Some(entry) = event(bytes)
        {
            let writer = self.journal_writer(&entry);
            self.wrappers.last = Last::Event(writer);
            return Some(Line { writer: Some(writer), ..decode::from_journal(entry) });
        }
        if self.wrappers.forms & SHORT != 0
            && let Some(line) = self.short_line(bytes)
        {
            return Some(line);
        }
        let (envelope, line) = self.wrappers.unwrapped(bytes)?;
        Some(self.passed_on(envelope, line))
    }

    /// A line as it stood before a tool passed it on.
    pub(super) fn passed_on<'c>(&mut self, envelope: Envelope, line: wrapper::Line<'c>) -> Line<'c> {
        let wrapper::Line { writer, stdout, time, partial, content, fields, .. } = line;
        let time = self.calendar.resolve(time, None);
        let writer = (writer != Writer::default() || stdout.is_some()).then(|| self.writer(&writer, stdout));
        let journal = (!fields.is_empty()).then(|| Box::new(journal::Entry::of_fields(fields)));
        let stream = decode::stream(stdout);
        Line { envelope, stream, time, partial, content, journal, writer, joins: Joins::ByText }
    }

    /// A line of journalctl's short forms.
    fn short_line<'c>(&mut self, bytes: &'c [u8]) -> Option<Line<'c>> {
        let journal_text::Line { entry, time, indent, is_certain } = journal_text::line(bytes)?;
        let is_known = entry.hostname.as_ref().is_some_and(|host| self.wrappers.known.contains(&hash(host)));
        if !is_certain && !is_known {
            return None;
        }
        self.wrappers.know_host(&entry);
        let writer = self.journal_writer(&entry);
        self.wrappers.last = Last::Short(indent, writer);
        let time = self.calendar.resolve(time, None);
        Some(Line { time, writer: Some(writer), ..decode::from_journal(entry) })
    }

    /// What belongs to the line before by where it stands: a further line of its message, or the end of its event.
    fn after_last<'c>(&mut self, last: Last, bytes: &'c [u8]) -> Option<Line<'c>> {
        let (writer, content, joins) = match last {
            Last::Short(indent, writer) => {
                let is_further = bytes.len() >= indent && bytes[..indent].iter().all(|byte| *byte == b' ');
                let content = is_further.then(|| &bytes[indent..])?;
                self.wrappers.last = last;
                (writer, content, Joins::AsLine)
            }
            Last::Event(writer) if bytes.is_empty() => (writer, bytes, Joins::AsNothing),
            _ => return None,
        };
        Some(Line { envelope: Envelope::Journal, writer: Some(writer), joins, ..Line::bare(content) })
    }

    /// The origin of a writer, and the key of its stream.
    fn writer(&mut self, writer: &Writer<'_>, stdout: Option<bool>) -> (u32, u64) {
        let key = hash((writer, stdout));
        if let Some(known) = self.origins.writer(key) {
            return known;
        }
        let mut origin = decode::origin::wrapped_origin(writer, self.origins.own());
        self.services.put_over(&mut origin);
        let number = self.origins.number(origin);
        self.counts.writers_over_limit = self.origins.over_limit();
        self.origins.met(key, (number, key))
    }

    /// The origin of a journal's entry, and the key of the stream it belongs to.
    pub(super) fn journal_writer(&mut self, entry: &journal::Entry<'_>) -> (u32, u64) {
        let stream = decode::journal_stream(entry);
        // What an origin is made of, none of which is put together anew for each entry.
        let key = hash(("journal", &entry.identifier, &entry.comm, &entry.unit, &entry.hostname));
        if let Some((number, _)) = self.origins.writer(key) {
            return (number, stream);
        }
        let origin = decode::origin::journal_origin(entry, self.origins.own());
        let number = self.origins.number(origin);
        self.counts.writers_over_limit = self.origins.over_limit();
        self.origins.met(key, (number, stream))
    }

    /// A line that goes on the open record of its stream whatever it says.
    #[cold]
    pub(super) fn goes_on<'c>(&mut self, work: &mut Work<'c>, at: usize, line: Line<'c>, meta: Meta, lines: u32) {
        self.release_all(work, at);
        let joins = line.joins;
        let mut logical = Logical::new(meta, line.content, lines, None);
        if spanline_parsers::ansi::has_escape(&logical.content) {
            plain::strip(&mut logical, self.settings.keep_ansi);
        }
        let open = work.slots[at].open.map(|(number, _)| number);
        match open.and_then(|number| work.queue.get(number)) {
            Some(open) if joins == Joins::AsNothing => {
                open.logical.lines += lines;
                open.logical.meta.end = meta.end;
            }
            Some(open) if open.logical.content.len() + logical.content.len() <= self.settings.record_bytes_max => {
                self.append(work, at, &logical);
            }
            _ => self.begin(work, at, logical),
        }
    }
}
