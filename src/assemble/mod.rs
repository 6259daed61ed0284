//! Physical lines to records: parts joined per stream, then lines of one record, then what the record says.
//!
//! In go chunks of one source in order, out go records to a [`RecordSink`], borrowed from the chunk wherever nothing had to
//! be joined. What is still open at the end of a chunk is kept, and [`Assembler::flush`] gives it out. Files and
//! destinations are not known here.

mod counts;
mod entries;
mod pieces;
mod slot;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use spanline_parsers::continuation::Open;
use spanline_parsers::detect::{self, Expect};
use spanline_parsers::{Entry, Field, Format, klog};

use crate::calendar::Calendar;
use crate::decode::{self, Envelopes, Line};
use crate::input::read::Chunk;
use crate::record::{Envelope, Origin, Position, Record};
pub use counts::Counts;
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
        }
    }

    /// The next file of the source begins; what is open stays open.
    pub fn next_file(&mut self, file: u32) {
        (self.file, self.line, self.cut, self.crlf) = (file, 1, None, None);
    }

    /// What was read so far.
    pub fn counts(&self) -> &Counts {
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
            let first = first_line(rest).0;
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
        Work {
            slots: std::mem::take(&mut self.slots),
            ready: std::mem::take(&mut self.ready),
            blocker: None,
            entry: Entry::default(),
        }
    }

    fn keep(&mut self, work: Work<'_>) {
        self.slots = work.slots.into_iter().map(Slot::into_owned).collect();
        self.ready = work.ready.into_iter().map(|(logical, piece)| (logical.into_owned(), piece)).collect();
    }

    fn flush_slot<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, slot: Slot<'c>, sink: &mut S) {
        let key = slot.key;
        work.blocker = None;
        work.slots.push(Slot { key, partial: None, open: slot.open });
        let at = work.slots.len() - 1;
        if let Some(part) = slot.partial {
            self.logical(work, at, part, sink);
        }
        if let Some((logical, _)) = work.slots.swap_remove(at).open {
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
        let at = self.slot(work, key, sink);
        let (content, journal) = (line.content, line.journal);
        if line.partial || work.slots[at].partial.is_some() {
            let parts = match work.slots[at].partial.take() {
                Some(mut parts) => {
                    parts.append(&content, b"", lines);
                    parts
                }
                None => Logical { meta, content, lines, journal },
            };
            if line.partial && parts.content.len() <= self.settings.record_bytes_max {
                work.slots[at].partial = Some(parts);
            } else {
                self.logical(work, at, parts, sink);
            }
        } else {
            self.logical(work, at, Logical { meta, content, lines, journal }, sink);
        }
        let waits = work.blocker.is_some_and(|blocker| blocker != key) && work.ready.len() <= READY_MAX;
        if !waits && !work.ready.is_empty() {
            self.give_ready(work, sink);
        }
    }

    /// The slot of a stream; a new one if there is none. Too many open ones give the oldest out.
    #[inline]
    fn slot<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, key: u64, sink: &mut S) -> usize {
        if let Some(at) = work.slots.iter().rposition(|slot| slot.key == key) {
            return at;
        }
        if work.slots.len() >= SLOTS_MAX {
            let oldest = (0..work.slots.len()).min_by_key(|at| work.slots[*at].oldest()).unwrap_or_default();
            let slot = work.slots.swap_remove(oldest);
            self.flush_slot(work, slot, sink);
        }
        work.slots.push(Slot { key, partial: None, open: None });
        work.slots.len() - 1
    }

    /// A whole line: the next of the open record, or the first of a new one.
    #[inline]
    fn logical<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, at: usize, line: Logical<'c>, sink: &mut S) {
        if let Some((open, state)) = &mut work.slots[at].open
            && open.content.len() + line.content.len() <= self.settings.record_bytes_max
            && state.takes(&line.content)
        {
            open.append(&line.content, b"\n", line.lines);
            return;
        }
        let state = Open::start(&line.content);
        if let Some((done, _)) = work.slots[at].open.replace((line, state)) {
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
        if work.ready.back().is_none_or(|(last, _)| place(last) <= place(&logical)) {
            return work.ready.push_back((logical, piece));
        }
        work.blocker = None;
        let at = work.ready.iter().rposition(|(other, _)| place(other) <= place(&logical)).map_or(0, |at| at + 1);
        work.ready.insert(at, (logical, piece));
    }

    /// Gives out what waited for older ones.
    #[inline]
    fn give_ready<S: RecordSink>(&mut self, work: &mut Work<'_>, sink: &mut S) {
        work.blocker = None;
        while let Some((first, _)) = work.ready.front() {
            let place = (first.meta.file, first.meta.line);
            let oldest = work.slots.iter().filter_map(|slot| Some((slot.oldest()?, slot.key))).min();
            if work.ready.len() <= READY_MAX && oldest.is_some_and(|(open, _)| open < place) {
                work.blocker = oldest.map(|(_, key)| key);
                return;
            }
            if let Some((logical, piece)) = work.ready.pop_front() {
                self.emit(work, logical, piece, sink);
            }
        }
    }

    /// A record is complete: what it says, and when it was written.
    #[inline]
    fn emit<'c, S: RecordSink>(&mut self, work: &mut Work<'c>, logical: Logical<'c>, piece: u32, sink: &mut S) {
        let Logical { meta, content, lines, journal } = logical;
        match content {
            Cow::Borrowed(content) => {
                detect::payload(content, self.settings.expect, &mut work.entry);
                self.give(meta, lines, piece, content, journal.as_deref(), &mut work.entry, sink);
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
        self.counts.count_format(meta.envelope, entry.format);
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
    /// The stream whose open record all that is ready waits for, where that is known: until its next line, none of it
    /// can be given out.
    blocker: Option<u64>,
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
