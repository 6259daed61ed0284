//! Physical lines to records: parts joined per stream, then lines of one record, then what the record says.
//!
//! In go chunks of one source in order, out go records to a [`RecordSink`], borrowed from the chunk wherever nothing had to
//! be joined. What is still open at the end of a chunk is kept, and [`Assembler::flush`] gives it out. Files and
//! destinations are not known here.

mod entries;
mod slot;

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use spanline_parsers::continuation::Open;
use spanline_parsers::detect::{self, Expect};
use spanline_parsers::{Entry, Field, Format, klog};

use crate::calendar::Calendar;
use crate::decode::{self, Envelopes, Line};
use crate::input::read::Chunk;
use crate::record::{Envelope, Origin, Position, Record};
use slot::{Logical, Meta, Slot};

/// Open records of one source at a time: two streams of a container, or the writers of a journal.
const SLOTS_MAX: usize = 64;

/// Records that are complete while an older one of another stream is open wait for it, so that all come in the order of
/// their first lines; more than so many do not wait.
const READY_MAX: usize = 1024;

/// Takes records as they are complete.
pub trait RecordSink {
    /// One record.
    fn record(&mut self, record: &Record<'_>);
}

/// How a source is read.
#[derive(Debug, Clone)]
pub struct AssembleSettings {
    /// Which envelopes are looked for.
    pub envelopes: Envelopes,
    /// What payloads are.
    pub expect: Expect,
    /// A record that grows beyond this is given out in marked pieces.
    pub record_bytes_max: usize,
    /// Leave lines of NUL bytes out, counted.
    pub drop_nul_lines: bool,
}

/// What a source was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Physical lines read.
    pub lines: u64,
    /// Bytes read, decompressed.
    pub bytes: u64,
    /// Records given out.
    pub records: u64,
    /// Lines of NUL bytes left out.
    pub nul_lines: u64,
    /// Lines or records that were cut at a limit.
    pub cut: u64,
    /// Damaged entries of a journal's export that were passed over.
    pub damaged: u64,
    /// Records by what was recognised.
    pub formats: HashMap<(Envelope, Format), u64>,
}

impl Counts {
    /// Adds another source's counts.
    pub fn add(&mut self, other: &Counts) {
        self.lines += other.lines;
        self.bytes += other.bytes;
        self.records += other.records;
        self.nul_lines += other.nul_lines;
        self.cut += other.cut;
        self.damaged += other.damaged;
        for (format, count) in &other.formats {
            *self.formats.entry(*format).or_default() += count;
        }
    }
}

/// Joins the lines of one source.
#[derive(Debug)]
pub struct Assembler {
    settings: AssembleSettings,
    calendar: Calendar,
    source: u32,
    /// The source's own origin first, then those of a journal's writers.
    origins: Vec<Arc<Origin>>,
    file: u32,
    line: u64,
    /// The line that is being given out in pieces.
    cut: Option<(Meta, u32)>,
    /// Lines end in CR LF, as the first line of the file says.
    crlf: Option<bool>,
    slots: Vec<Slot<'static>>,
    ready: VecDeque<(Logical<'static>, u32)>,
    /// The start of a journal's entry that the last chunk cut, and where it stands.
    carried: Vec<u8>,
    carried_offset: u64,
    counts: Counts,
    last_format: (Envelope, Format, u64),
}

impl Assembler {
    /// For one source.
    pub fn new(source: u32, origin: Arc<Origin>, calendar: Calendar, settings: AssembleSettings) -> Assembler {
        Assembler {
            settings,
            calendar,
            source,
            origins: vec![origin],
            file: 0,
            line: 1,
            cut: None,
            crlf: None,
            slots: Vec::new(),
            ready: VecDeque::new(),
            carried: Vec::new(),
            carried_offset: 0,
            counts: Counts::default(),
            last_format: (Envelope::None, Format::Text, 0),
        }
    }

    /// The next file of the source begins; what is open stays open.
    pub fn next_file(&mut self, file: u32) {
        (self.file, self.line, self.cut, self.crlf) = (file, 1, None, None);
    }

    /// What was read so far.
    pub fn counts(&mut self) -> &Counts {
        self.count_format(Envelope::None, Format::Text, 0);
        &self.counts
    }

    /// Line number of the oldest line that is still open in the file that is being read.
    pub fn oldest_open_line(&self) -> Option<(u32, u64)> {
        let ready = self.ready.front().map(|(logical, _)| (logical.meta.file, logical.meta.line));
        self.slots.iter().filter_map(Slot::oldest).chain(ready).min()
    }

    /// Takes a chunk of lines.
    pub fn feed<S: RecordSink>(&mut self, chunk: &Chunk<'_>, sink: &mut S) {
        if chunk.entries {
            return self.feed_entries(chunk, sink);
        }
        let mut work = self.work();
        self.counts.bytes += chunk.bytes.len() as u64;
        let mut rest = chunk.bytes;
        let mut offset = chunk.offset;
        if chunk.continues {
            let (line, after, taken) = first_line(rest);
            self.piece(&mut work, line, offset, chunk.cut && after.is_empty(), sink);
            (rest, offset) = (after, offset + taken);
        }
        if self.crlf.is_none() && !rest.is_empty() {
            self.crlf = Some(first_line(rest).0.ends_with(b"\r"));
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

    /// Gives out what is open: at the end of a source, or after a quiet time.
    pub fn flush<S: RecordSink>(&mut self, sink: &mut S) {
        if !self.carried.is_empty() {
            self.flush_entries(sink);
        }
        let mut work = self.work();
        let mut slots = std::mem::take(&mut work.slots);
        slots.sort_by_key(Slot::oldest);
        for slot in slots {
            self.flush_slot(&mut work, slot, sink);
        }
        self.give_ready(&mut work, sink);
    }

    fn work<'c>(&mut self) -> Work<'c> {
        Work { slots: std::mem::take(&mut self.slots), ready: std::mem::take(&mut self.ready), entry: Entry::default() }
    }

    fn keep(&mut self, work: Work<'_>) {
        self.slots = work.slots.into_iter().map(Slot::into_owned).collect();
        self.ready = work.ready.into_iter().map(|(logical, piece)| (logical.into_owned(), piece)).collect();
    }

    fn flush_slot<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, slot: Slot<'c>, sink: &mut S) {
        let key = slot.key;
        let mut closing = Slot { key, partial: None, open: slot.open };
        if let Some(part) = slot.partial {
            self.logical(work, &mut closing, part, sink);
        }
        if let Some((logical, _)) = closing.open.take() {
            self.complete(work, logical, 0, sink);
        }
    }

    #[inline]
    fn physical<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, bytes: &'c [u8], offset: u64, sink: &mut S) {
        self.counts.lines += 1;
        let bytes = match self.crlf {
            Some(true) => bytes.strip_suffix(b"\r").unwrap_or(bytes),
            _ => bytes,
        };
        let line = decode::line(bytes, self.settings.envelopes);
        if line.content.first() == Some(&0) && self.settings.drop_nul_lines && is_nul_line(&line.content) {
            self.counts.nul_lines += 1;
        } else {
            let meta = self.meta(&line, offset);
            self.taken(work, line, meta, 1, sink);
        }
        self.line += 1;
    }

    fn meta(&self, line: &Line<'_>, offset: u64) -> Meta {
        Meta {
            file: self.file,
            line: self.line,
            offset,
            envelope: line.envelope,
            stream: line.stream,
            time: line.time,
            origin: 0,
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
        if let Some(entry) = &line.journal {
            meta.envelope = Envelope::Journal;
            meta.time = line.time;
            (meta.origin, key) = self.journal_writer(entry);
        }
        let mut slot = self.slot(work, key, sink);
        let partial = line.partial;
        let logical = match slot.partial.take() {
            Some(mut parts) => {
                parts.append(&line.content, b"", lines);
                parts
            }
            None => Logical { meta, content: line.content, lines, journal: line.journal },
        };
        if partial && logical.content.len() <= self.settings.record_bytes_max {
            slot.partial = Some(logical);
        } else {
            self.logical(work, &mut slot, logical, sink);
        }
        work.slots.push(slot);
        if !work.ready.is_empty() {
            self.give_ready(work, sink);
        }
    }

    /// Takes the slot of a stream out of the work; a new one if there is none. Too many open ones give the oldest out.
    #[inline]
    fn slot<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, key: u64, sink: &mut S) -> Slot<'c> {
        if let Some(at) = work.slots.iter().rposition(|slot| slot.key == key) {
            return work.slots.swap_remove(at);
        }
        if work.slots.len() >= SLOTS_MAX {
            let oldest = (0..work.slots.len()).min_by_key(|at| work.slots[*at].oldest()).unwrap_or_default();
            let slot = work.slots.swap_remove(oldest);
            self.flush_slot(work, slot, sink);
        }
        Slot { key, partial: None, open: None }
    }

    /// A whole line: the next of the open record, or the first of a new one.
    #[inline]
    fn logical<'c, S: RecordSink>(
        &mut self,
        work: &mut Work<'c>,
        slot: &mut Slot<'c>,
        line: Logical<'c>,
        sink: &mut S,
    ) {
        if let Some((open, state)) = &mut slot.open
            && open.content.len() + line.content.len() <= self.settings.record_bytes_max
            && state.takes(&line.content)
        {
            open.append(&line.content, b"\n", line.lines);
            return;
        }
        let state = Open::start(&line.content);
        if let Some((done, _)) = slot.open.replace((line, state)) {
            self.complete(work, done, 0, sink);
        }
    }

    /// A record is complete: it is given out, unless an older one is open.
    #[inline]
    fn complete<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, logical: Logical<'c>, piece: u32, sink: &mut S) {
        let place = |logical: &Logical<'_>| (logical.meta.file, logical.meta.line, logical.meta.offset);
        let is_oldest = work.ready.is_empty()
            && work.oldest_open().is_none_or(|open| (logical.meta.file, logical.meta.line) <= open);
        if is_oldest {
            return self.emit(work, logical, piece, sink);
        }
        let at = work.ready.iter().rposition(|(other, _)| place(other) <= place(&logical)).map_or(0, |at| at + 1);
        work.ready.insert(at, (logical, piece));
    }

    /// Gives out what waited for older ones.
    #[inline]
    fn give_ready<S: RecordSink>(&mut self, work: &mut Work<'_>, sink: &mut S) {
        while let Some((first, _)) = work.ready.front() {
            let place = (first.meta.file, first.meta.line);
            if work.ready.len() <= READY_MAX && work.oldest_open().is_some_and(|open| open < place) {
                return;
            }
            if let Some((logical, piece)) = work.ready.pop_front() {
                self.emit(work, logical, piece, sink);
            }
        }
    }

    /// The first piece of a line that is longer than the limit.
    fn first_piece<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, bytes: &'c [u8], offset: u64, sink: &mut S) {
        self.counts.lines += 1;
        self.counts.cut += 1;
        let line = decode::line(bytes, self.settings.envelopes);
        let meta = self.meta(&line, offset);
        let slot = self.slot(work, line.stream as u64, sink);
        self.flush_slot(work, slot, sink);
        self.cut = Some((meta, 1));
        self.complete(work, Logical { meta, content: line.content, lines: 1, journal: None }, 1, sink);
    }

    /// A further piece of it; the last one ends its line.
    fn piece<'c, S: RecordSink>(
        &mut self,
        work: &mut Work<'c>,
        bytes: &'c [u8],
        offset: u64,
        more: bool,
        sink: &mut S,
    ) {
        let (meta, piece) = self.cut.take().unwrap_or_else(|| (self.meta(&Line::bare(bytes), offset), 1));
        let logical = Logical { meta: Meta { offset, ..meta }, content: Cow::Borrowed(bytes), lines: 0, journal: None };
        self.complete(work, logical, piece + 1, sink);
        if more {
            self.cut = Some((meta, piece + 1));
        } else {
            self.line += 1;
        }
    }

    /// A record is complete: what it says, and when it was written.
    #[inline]
    fn emit<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, logical: Logical<'c>, piece: u32, sink: &mut S) {
        let Logical { meta, content, lines, journal } = logical;
        match content {
            Cow::Borrowed(content) => {
                let mut entry = std::mem::take(&mut work.entry);
                detect::payload(content, self.settings.expect, &mut entry);
                self.give(meta, lines, piece, content, journal.as_deref(), &mut entry, sink);
                work.entry = entry;
            }
            Cow::Owned(content) => {
                let mut entry = Entry::default();
                detect::payload(&content, self.settings.expect, &mut entry);
                self.give(meta, lines, piece, &content, journal.as_deref(), &mut entry, sink);
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // the two lifetimes of `emit` meet here
    fn give<S: RecordSink>(
        &mut self,
        meta: Meta,
        lines: u32,
        piece: u32,
        payload: &[u8],
        journal: Option<&spanline_parsers::journal::Entry<'_>>,
        entry: &mut Entry<'_>,
        sink: &mut S,
    ) {
        let mut envelope_fields: Vec<Field<'_>> = Vec::new();
        if let Some(journal) = journal {
            decode::take_priority(entry, journal);
            decode::journal_fields(journal, &mut envelope_fields);
        }
        if entry.format == Format::Text
            && let Some(klog::Preamble::Created(time)) = klog::preamble(payload)
        {
            self.calendar.created(time);
            entry.time = time;
        }
        let time = decode::when(entry.time, meta.time, &mut self.calendar);
        self.counts.records += 1;
        self.count_format(meta.envelope, entry.format, 1);
        sink.record(&Record {
            source: self.source,
            origin: &self.origins[meta.origin as usize],
            position: Position { file: meta.file, line: meta.line, lines, offset: meta.offset },
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
    }

    /// Runs of the same format are counted together: the map is touched when it changes.
    #[inline]
    fn count_format(&mut self, envelope: Envelope, format: Format, add: u64) {
        let (last_envelope, last_format, count) = &mut self.last_format;
        if (*last_envelope, *last_format) == (envelope, format) && add > 0 {
            *count += add;
            return;
        }
        if *count > 0 {
            *self.counts.formats.entry((*last_envelope, *last_format)).or_default() += *count;
        }
        self.last_format = (envelope, format, add);
    }

    /// The origin of a journal's entry, and the key of the stream it belongs to.
    fn journal_writer(&mut self, entry: &spanline_parsers::journal::Entry<'_>) -> (u32, u64) {
        let origin = decode::journal_origin(entry, &self.origins[0]);
        let index = match self.origins.iter().skip(1).position(|known| **known == origin) {
            Some(at) => at + 1,
            None => {
                self.origins.push(Arc::new(origin));
                self.origins.len() - 1
            }
        };
        (index as u32, decode::journal_stream(entry))
    }
}

/// What is borrowed from the chunk in hand.
struct Work<'c> {
    slots: Vec<Slot<'c>>,
    /// Complete, but younger than what is open.
    ready: VecDeque<(Logical<'c>, u32)>,
    entry: Entry<'c>,
}

impl Work<'_> {
    fn oldest_open(&self) -> Option<(u32, u64)> {
        self.slots.iter().filter_map(Slot::oldest).min()
    }
}

/// The first line without its line feed, what follows it, and the bytes taken.
fn first_line(bytes: &[u8]) -> (&[u8], &[u8], u64) {
    match memchr::memchr(b'\n', bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..], at as u64 + 1),
        None => (bytes, &[], bytes.len() as u64),
    }
}

/// An eBPF enricher blanks the lines that it wrote anew elsewhere.
fn is_nul_line(content: &[u8]) -> bool {
    content.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace())
}
