//! Physical lines to records: parts joined per stream, then lines of one record, then what the record says.
//!
//! In go chunks of one source in order, out go records to a [`RecordSink`], borrowed from the chunk wherever nothing had to
//! be joined. What is still open at the end of a chunk is kept, and [`Assembler::flush`] emits it. Files and
//! destinations are not known here.

mod counts;
mod custom;
mod custom_records;
mod entries;
mod frames;
mod lines;
mod objects;
mod origins;
mod pieces;
mod plain;
mod slot;
mod wrapped;
mod wrapper_forms;

use std::borrow::Cow;
use std::sync::Arc;

use spanline_parsers::detect::{self, Expect};
use spanline_parsers::journal::Transport;
use spanline_parsers::{Entry, Field, Format, Time, ansi, journal, klog};

use crate::calendar::Calendar;
use crate::decode::journal_attributes::{self, JournalNames};
use crate::decode::{self, Envelopes, Joins, Line};
use crate::input::journal::query::JournalQuery;
use crate::input::read::{Blocks, Chunk};
use crate::record::sink::RecordSink;
use crate::record::{Envelope, Origin, Position, Record};
use crate::services::Services;
pub use counts::Counts;
use custom::Custom;
pub use custom::{CustomCounts, SourceFormats};
use origins::Origins;
use slot::{Item, Logical, Meta, Queue, Slot, State};
use wrapper_forms::Wrappers;

/// Open records of one source at a time: two streams of a container, or the writers of a journal.
const SLOTS_MAX: usize = 64;

/// Records that are complete while an older one of another stream is open wait for it, so that all come in the order of
/// their first lines; more than this many do not wait.
const READY_MAX: usize = 1024;

/// How a source is read.
#[derive(Debug, Clone)]
pub struct AssembleSettings {
    /// Which envelopes are looked for.
    pub envelopes: Envelopes,
    /// What payloads are.
    pub expect: Expect,
    /// A record that grows beyond this is emitted in marked pieces.
    pub record_bytes_max: usize,
    /// Leave lines of NUL bytes out, counted.
    pub drop_nul_lines: bool,
    /// Bodies keep their terminal sequences.
    pub keep_ansi: bool,
    /// All fields of a journal's entries are attributes; else without those that stand in every entry.
    pub journal_fields: bool,
    /// Formats of the user's own.
    pub formats: SourceFormats,
}

/// Joins the lines of one source.
#[derive(Debug)]
pub struct Assembler {
    settings: AssembleSettings,
    calendar: Calendar,
    source: u32,
    origins: Origins,
    file: u32,
    /// Where what was read of it ends.
    file_end: u64,
    line: u64,
    /// The line that is being emitted in pieces.
    cut: Option<(Meta, u32)>,
    /// Of a line that is longer than the limit there was nothing but NUL bytes up to now.
    nul_run: bool,
    /// Lines end in CR LF, as the first line of the file says.
    crlf: Option<bool>,
    /// The current chunk has an escape byte, so that its lines are searched for terminal sequences.
    has_escape: bool,
    slots: Vec<Slot>,
    queue: Queue<'static>,
    /// The start of a journal's entry that the last chunk cut, and where it stands.
    carried: Vec<u8>,
    carried_offset: u64,
    /// What the file holds in place of lines.
    blocks: Option<Blocks>,
    /// Labels of the stream of Loki's that is being read: JSON.
    labels: Arc<[u8]>,
    /// The physical line that the last of its lines stands on.
    stream_line: Option<u64>,
    wrappers: Wrappers,
    /// Names of the attributes that a journal's fields become.
    journal_names: JournalNames,
    /// The room of the fields that the last record's envelope had.
    envelope_fields: Vec<Field<'static>>,
    /// Which entries of a journal's own files are wanted; `None`: whatever comes.
    wanted: Option<Arc<JournalQuery>>,
    counts: Counts,
    services: Services,
    custom: Custom,
}

impl Assembler {
    /// For one source.
    pub fn new(source: u32, origin: Arc<Origin>, calendar: Calendar, settings: AssembleSettings) -> Assembler {
        let wrappers = Wrappers::new(settings.envelopes);
        let custom = Custom::new(settings.formats.clone());
        Assembler {
            settings,
            calendar,
            source,
            origins: Origins::new(origin),
            file: 0,
            file_end: 0,
            line: 1,
            cut: None,
            nul_run: false,
            crlf: None,
            has_escape: false,
            slots: Vec::new(),
            queue: Queue::default(),
            carried: Vec::new(),
            carried_offset: 0,
            blocks: None,
            labels: Arc::default(),
            stream_line: None,
            wrappers,
            journal_names: JournalNames::default(),
            envelope_fields: Vec::new(),
            wanted: None,
            counts: Counts::default(),
            services: Services::default(),
            custom,
        }
    }

    /// Pods that envelopes name get the services that these tell.
    pub fn with_services(mut self, services: Services) -> Assembler {
        self.services = services;
        self
    }

    /// Entries of a journal's own files that do not match are told as left out.
    pub fn leave_out_unless(&mut self, wanted: Option<Arc<JournalQuery>>) {
        self.wanted = wanted;
    }

    /// More is known of who writes the source: records that come from now on are of this origin.
    pub fn set_origin(&mut self, origin: Arc<Origin>) {
        self.origins.set_own(origin);
        self.custom.forget();
    }

    /// The next file of the source begins; what is open stays open.
    pub fn next_file(&mut self, file: u32) {
        self.queue.file_ends(self.file, self.file_end);
        (self.file, self.file_end, self.line, self.cut, self.crlf) = (file, 0, 1, None, None);
        self.nul_run = false;
        self.wrappers.next_file(self.settings.envelopes);
    }

    /// What was read so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// File and line number of the oldest line that is still open.
    pub fn oldest_open_line(&self) -> Option<(u32, u64)> {
        self.queue.front().map(|item| (item.logical.meta.file, item.logical.meta.line))
    }

    /// File and offset of the oldest record that is still open.
    pub fn oldest_open(&self) -> Option<(u32, u64)> {
        self.queue.front().map(|item| (item.logical.meta.file, item.logical.meta.offset))
    }

    /// Bytes of lines that are held until it is known what they are part of.
    pub fn held_bytes(&self) -> usize {
        self.queue.bytes() + self.carried.len()
    }

    /// What time it is, in ns since the epoch: for lines that do not say their year.
    pub fn set_now(&mut self, now_nanos: i64) {
        self.calendar.set_now(now_nanos);
        self.custom.set_now(now_nanos);
    }

    /// Takes a chunk of lines.
    pub fn feed<S: RecordSink>(&mut self, chunk: &Chunk<'_>, sink: &mut S) {
        self.blocks = chunk.blocks;
        // A last line without a line feed is taken to have one.
        self.file_end = chunk.offset + chunk.bytes.len() as u64 + u64::from(!chunk.bytes.ends_with(b"\n"));
        if let Some(blocks) = chunk.blocks {
            return self.feed_entries(chunk, blocks, sink);
        }
        if self.wrappers.is_looking() {
            self.wrappers.look(chunk.bytes);
        }
        let mut work = self.work();
        self.has_escape = ansi::has_escape(chunk.bytes);
        self.counts.bytes += chunk.bytes.len() as u64;
        let mut rest = chunk.bytes;
        let mut offset = chunk.offset;
        if chunk.continues {
            let (line, after, taken) = first_line(rest);
            self.piece(&mut work, line, offset, chunk.cut && after.is_empty(), sink);
            (rest, offset) = (after, offset + taken);
        }
        if self.crlf.is_none() && !rest.is_empty() {
            let (first, ..) = first_line(rest);
            // In a CRI file it was the program that wrote the CR: the runtime ends its lines with LF.
            let is_cri = || decode::line(first, self.settings.envelopes).envelope == Envelope::Cri;
            self.crlf = Some(first.ends_with(b"\r") && !is_cri());
        }
        let body = if chunk.cut { &rest[..memchr::memrchr(b'\n', rest).map_or(0, |at| at + 1)] } else { rest };
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', body) {
            self.physical(&mut work, &body[start..end], offset + start as u64, sink);
            start = end + 1;
        }
        if start < body.len() {
            self.physical(&mut work, &body[start..], offset + start as u64, sink);
        }
        if chunk.cut && body.len() < rest.len() {
            self.first_piece(&mut work, &rest[body.len()..], offset + body.len() as u64, sink);
        }
        self.keep(work);
    }

    /// Emits what is open: at the end of a source, or after a quiet time.
    pub fn flush<S: RecordSink>(&mut self, sink: &mut S) {
        if !self.carried.is_empty() {
            self.flush_entries(sink);
            self.labels = Arc::default();
        }
        let mut work = self.work();
        for at in 0..work.slots.len() {
            self.close(&mut work, at);
        }
        self.give_ready(&mut work, sink);
        work.slots.clear();
        self.keep(work);
    }

    /// Emits records whose lines are whole, so that only another line could go on with them: after a moment without one. Lines
    /// that came in part stay open.
    pub fn flush_whole<S: RecordSink>(&mut self, sink: &mut S) {
        let mut work = self.work();
        for at in 0..work.slots.len() {
            if work.slots[at].partial.is_none() && work.slots[at].pieces == 0 {
                self.close(&mut work, at);
            }
        }
        self.give_ready(&mut work, sink);
        work.slots.retain(|slot| slot.partial.is_some() || slot.pieces > 0);
        self.keep(work);
    }

    fn work<'c>(&mut self) -> Work<'c> {
        Work {
            slots: std::mem::take(&mut self.slots),
            queue: std::mem::take(&mut self.queue),
            scratch: Scratch::default(),
        }
    }

    fn keep(&mut self, work: Work<'_>) {
        self.slots = work.slots;
        self.queue = work.queue.into_owned();
    }

    /// Nothing more can follow in a slot: its partial line is whole, its record complete.
    fn close(&mut self, work: &mut Work<'_>, at: usize) {
        self.end_parts(work, at);
        self.release_all(work, at);
        if let Some((open, _)) = work.slots[at].open.take() {
            work.done(open);
        }
    }

    #[inline]
    fn physical<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, bytes: &'c [u8], offset: u64, sink: &mut S) {
        self.counts.lines += 1;
        let (line, cr) = self.bare_line(bytes);
        if line.content.first() == Some(&0) && self.settings.drop_nul_lines && plain::is_nul_line(&line.content) {
            self.counts.nul_lines += 1;
        } else {
            let mut meta = self.meta(&line, offset, bytes.len());
            meta.cr = cr;
            self.taken(work, line, meta, 1, sink);
        }
        self.line += 1;
    }

    /// `length`: bytes of the line, without its line feed.
    fn meta(&self, line: &Line<'_>, offset: u64, length: usize) -> Meta {
        Meta {
            file: self.file,
            line: self.line,
            offset,
            end: offset + length as u64 + 1,
            envelope: line.envelope,
            stream: line.stream,
            time: line.time,
            origin: 0,
            is_whole: false,
            is_left_out: false,
            cr: false,
        }
    }

    /// A line without its envelope: joined with the parts before it, then with the record before it.
    #[inline]
    fn taken<'c, S: RecordSink>(
        &mut self,
        work: &mut Work<'c>,
        line: Line<'c>,
        mut meta: Meta,
        lines: u32,
        sink: &mut S,
    ) {
        let mut key = line.stream as u64;
        if let Some(writer) = line.writer {
            (meta.origin, key) = writer;
        } else if let Some(entry) = line.journal.as_ref().filter(|_| line.envelope == Envelope::Journal) {
            (meta.origin, key) = self.journal_writer(entry);
        }
        if let Some(entry) = &line.journal {
            // Only what goes through a pipe is taken apart into lines.
            meta.is_whole = entry.transport.is_some_and(|transport| transport != Transport::Stdout);
        }
        let at = self.slot(work, key);
        if line.joins != Joins::ByText {
            self.goes_on(work, at, line, meta, lines);
        } else if line.partial || work.slots[at].partial.is_some() {
            self.part(work, at, line, meta, lines);
        } else {
            self.logical(work, at, line, meta, lines);
        }
        self.give_ready(work, sink);
    }

    /// The slot of a stream; a new one if there is none. Too many open ones close the oldest.
    #[inline]
    fn slot(&mut self, work: &mut Work<'_>, key: u64) -> usize {
        if let Some(at) = work.slots.iter().rposition(|slot| slot.key == key) {
            return at;
        }
        if work.slots.len() >= SLOTS_MAX {
            let oldest = (0..work.slots.len()).min_by_key(|at| work.slots[*at].oldest()).unwrap_or_default();
            self.close(work, oldest);
            work.slots.swap_remove(oldest);
        }
        work.slots.push(Slot { key, partial: None, pieces: 0, open: None, held: Vec::new() });
        work.slots.len() - 1
    }

    /// Emits what is complete, in order, up to the first record that is open. Where too many wait for that one, they
    /// pass it.
    #[inline]
    fn give_ready<S: RecordSink>(&mut self, work: &mut Work<'_>, sink: &mut S) {
        while let Some(item) = work.queue.pop() {
            self.emit(&mut work.scratch, item, sink);
        }
        if work.queue.len() > READY_MAX {
            let slots = &mut work.slots;
            let complete = work.queue.pass_open(|old, new| {
                for slot in slots.iter_mut() {
                    if slot.partial == Some(old) {
                        slot.partial = Some(new);
                    }
                    for number in slot.held.iter_mut().chain(slot.open.as_mut().map(|(open, _)| open)) {
                        if *number == old {
                            *number = new;
                        }
                    }
                }
            });
            for item in complete {
                self.emit(&mut work.scratch, item, sink);
            }
        }
    }

    /// A record is complete: what it says, and when it was written.
    #[inline]
    fn emit<'c, S: RecordSink>(&mut self, scratch: &mut Scratch<'c>, item: Item<'c>, sink: &mut S) {
        if item.state == State::Gone {
            return;
        }
        if self.custom.is_any() && self.has_format(item.logical.meta.origin) {
            return self.emit_custom(item, sink);
        }
        let Logical { meta, content, lines, journal, raw, .. } = item.logical;
        let entry = &mut scratch.entry;
        match content {
            Cow::Borrowed(content) => {
                detect::payload(content, self.settings.expect, entry);
                if let Some(end) = self.first_object_end(content, entry) {
                    return self.objects(meta, lines, content, end, sink);
                }
                plain::settle_body(entry, content, None, self.settings.keep_ansi);
                self.give(meta, lines, item.piece, content, journal.as_deref(), entry, sink);
                scratch.spare.extend(journal);
            }
            Cow::Owned(mut content) => {
                if lines > 1 && meta.cr {
                    content = slot::without_cr(&content);
                }
                let mut entry = Entry::default();
                detect::payload(&content, self.settings.expect, &mut entry);
                if let Some(end) = self.first_object_end(&content, &entry) {
                    return self.objects(meta, lines, &content, end, sink);
                }
                plain::settle_body(&mut entry, &content, raw.as_deref(), self.settings.keep_ansi);
                self.give(meta, lines, item.piece, &content, journal.as_deref(), &mut entry, sink);
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // the two lifetimes of `emit` meet here
    fn give<S: RecordSink>(
        &mut self,
        mut meta: Meta,
        lines: u32,
        piece: u32,
        payload: &[u8],
        journal: Option<&journal::Entry<'_>>,
        entry: &mut Entry<'_>,
        sink: &mut S,
    ) {
        let mut envelope_fields: Vec<Field<'_>> = emptied(std::mem::take(&mut self.envelope_fields));
        if let Some(journal) = journal {
            decode::take_in(entry, journal);
            if meta.envelope == Envelope::Journal {
                self.journal_names.learn(journal);
                let wanted = (self.settings.journal_fields, entry.code.is_some());
                journal_attributes::journal_attributes(journal, wanted, &self.journal_names, &mut envelope_fields);
            } else {
                journal_attributes::labels(journal, &mut envelope_fields);
                decode::take_in_labels(entry, meta.envelope, &envelope_fields);
            }
        }
        if entry.format == Format::Python
            && let Some(service_name) = decode::own_service(entry)
        {
            let origin = self.origins.get(meta.origin).clone();
            let own = Origin { service_name, service_of_spans: None, is_guessed: false, ..origin };
            meta.origin = self.origins.number(own);
        }
        if entry.format == Format::Text
            && let Some(klog::Preamble::Created(time)) = klog::preamble(payload)
        {
            self.calendar.created(time);
            entry.time = time;
        }
        meta.time.iter().for_each(|(envelope, _)| entry.doubt_number_time(*envelope));
        let calendar = self.custom.calendar(entry.format, meta.origin, &self.origins, &mut self.calendar);
        let time = decode::when(entry.time, meta.time, calendar);
        if time.is_none() && matches!(entry.time, Time::Local { month: 0, .. }) {
            decode::keep_clock(entry);
        }
        self.counts.count_record(meta.envelope, entry.format, !meta.is_left_out);
        let strand = journal.filter(|_| lines > 1).map_or(0, decode::journal_stream);
        let Meta { file, line, offset, end, .. } = meta;
        sink.record(&Record {
            source: self.source,
            origin: self.origins.get(meta.origin),
            position: Position {
                file,
                line,
                lines,
                offset,
                end,
                strand,
                seqnum: journal.and_then(decode::journal_seqnum),
                is_left_out: meta.is_left_out,
            },
            envelope: meta.envelope,
            stream: meta.stream,
            time: time.map(|(nanos, _)| nanos),
            time_digits: time.map_or(0, |(_, digits)| digits),
            envelope_time: meta.time.map(|(nanos, _)| nanos),
            entry,
            envelope_fields: &envelope_fields,
            payload,
            piece,
        });
        self.envelope_fields = emptied(envelope_fields);
    }
}

/// The room of a list, for fields that are borrowed from elsewhere.
#[inline]
#[allow(clippy::unnecessary_filter_map)] // fields of another lifetime are of another type
fn emptied<'a>(mut fields: Vec<Field<'_>>) -> Vec<Field<'a>> {
    fields.clear();
    // An iterator of a list is gathered where that one stood.
    fields.into_iter().filter_map(|_| None).collect()
}

/// What is borrowed from the current chunk.
struct Work<'c> {
    slots: Vec<Slot>,
    /// Records that are open, and complete ones after them.
    queue: Queue<'c>,
    scratch: Scratch<'c>,
}

/// Room that one record after the other uses.
#[derive(Default)]
struct Scratch<'c> {
    /// What the last one said.
    entry: Entry<'c>,
    /// Entries of a journal whose records were given; no more than were open at a time.
    #[allow(clippy::vec_box)] // it is the boxes that are used again
    spare: Vec<Box<journal::Entry<'c>>>,
}

impl Work<'_> {
    #[inline]
    fn done(&mut self, number: u64) {
        if let Some(item) = self.queue.get(number) {
            item.state = State::Done;
        }
    }
}

/// The first line without its line feed, what follows it, and the bytes taken.
fn first_line(bytes: &[u8]) -> (&[u8], &[u8], u64) {
    match memchr::memchr(b'\n', bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..], at as u64 + 1),
        None => (bytes, &[], bytes.len() as u64),
    }
}

#[cfg(test)]
mod tests;
