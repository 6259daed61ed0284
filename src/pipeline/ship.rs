//! Each record to its link, and to every destination that needs it.
//!
//! In go the records of one source after another, out go batches, link rows, lines of text and span events. One `Shipper`
//! works on one thread; what it counts is added up at the end. It decides nothing about links itself.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;

use bytes::Bytes;

use super::counted::Counted;
use super::source::{Fingerprints, SourceSink};
use crate::assemble::RecordSink;
use crate::checkpoint::ledger::Ranges;
use crate::commands::survey::Source;
use crate::correlate::Correlator;
use crate::export::batch::Batch;
use crate::export::encode::{self, Beside};
use crate::export::links::LinkRows;
use crate::export::logs::{LogBatcher, Place};
use crate::export::uid::Uids;
use crate::record::{Envelope, Link, Method, Origin, Position, Record, Relation, Stream, Unlinked};

/// Where encoded logs go: a bounded way to the task that sends them.
pub trait BatchSink {
    /// Waits for room, then gives the batch on; `false` once nobody takes any more.
    fn send(&self, batch: Batch) -> bool;
}

/// Keys of the ledgers that receipts speak of, shared by all workers.
pub trait LedgerKeys {
    /// The index of a key, and for each destination what it has acknowledged.
    fn key(&self, key: u128) -> (u32, Vec<Option<Ranges>>);

    /// The same; a new key takes over what was acknowledged, up to a place, under the last key that is known of those
    /// that the same records had before.
    fn key_and_earlier(&self, key: u128, earlier: &[(u128, u64)]) -> (u32, Vec<Option<Ranges>>);
}

/// One destination of logs.
pub struct LogOutput {
    /// Its place among all destinations, for what it has acknowledged.
    pub destination: usize,
    /// The way to its task.
    pub sink: Box<dyn BatchSink + Send>,
    /// What is gathered for it.
    pub batcher: LogBatcher,
    /// It takes no more.
    pub closed: bool,
}

/// What was linked, and what was not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LinkCounts {
    /// Records by method; `None` in the second place: ids whose span was not seen.
    pub linked: Counted<(Method, bool)>,
    /// Records by reason.
    pub unlinked: Counted<Unlinked>,
    /// Links below `--min-confidence`, not made.
    pub below_confidence: u64,
    /// Between which times the records lie, ns since the epoch.
    pub times: Option<(i64, i64)>,
    /// Records outside `--since` and `--until`.
    pub outside_window: u64,
    /// Records that every destination had acknowledged before.
    pub acknowledged_before: u64,
}

impl LinkCounts {
    /// Adds another worker's counts.
    pub fn add(&mut self, other: &LinkCounts) {
        other.linked.iter().for_each(|(method, count)| self.linked.add(method, count));
        other.unlinked.iter().for_each(|(reason, count)| self.unlinked.add(reason, count));
        self.times = match (self.times, other.times) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        };
        self.below_confidence += other.below_confidence;
        self.outside_window += other.outside_window;
        self.acknowledged_before += other.acknowledged_before;
    }
}

/// Takes records with their links beside the destinations of logs: text, files, span events.
pub trait Tap {
    /// One record; `file` is the name its file is shown under.
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, uid: &[u8; 16], file: &str);
}

/// Ships records.
pub struct Shipper<'a> {
    /// Finds links where traces were given.
    pub correlator: Option<&'a Correlator>,
    /// Links below are not made.
    pub min_confidence: f32,
    /// First record time, and the one to stop before.
    pub window: (Option<i64>, Option<i64>),
    /// Destinations of logs.
    pub logs: Vec<LogOutput>,
    /// Other takers.
    pub taps: Vec<&'a mut (dyn Tap + Send)>,
    /// The links file.
    pub links: Option<&'a mut LinkRows<BufWriter<File>>>,
    /// Ledger keys.
    pub keys: &'a (dyn LedgerKeys + Sync),
    /// `observed_time_unix_nano`.
    pub observed: u64,
    /// What was counted.
    pub counts: LinkCounts,
    /// What belongs to the source in hand.
    pub source: SourceState,
}

/// What belongs to the source in hand.
#[derive(Default)]
pub struct SourceState {
    writer: String,
    files: Vec<String>,
    file: u32,
    fingerprints: Vec<Fingerprints>,
    file_attributes: Vec<u8>,
    writers: Vec<WriterState>,
    last: usize,
}

/// One writer of the source: a stream of a container, or a program in a journal.
struct WriterState {
    /// Address of the origin, which lives as long as the source is read.
    origin: usize,
    stream: Stream,
    resource: Bytes,
    uids: Uids,
    /// Set anew for each file.
    places: Vec<FilePlace>,
    /// Which of them stands for a file and strand.
    known: HashMap<(u32, u64), usize>,
    /// The one in hand.
    place: usize,
}

/// A writer's records in one file, of one strand.
struct FilePlace {
    file: u32,
    strand: u64,
    /// Of those that end in what the file's fingerprint speaks of.
    head: KnownKey,
    /// Of those behind, and where they begin to end.
    tail: Option<(u64, KnownKey)>,
}

/// A key of the ledgers, and for each destination what it has acknowledged.
type KnownKey = (u32, Vec<Option<Ranges>>);

impl FilePlace {
    /// The key of a record that ends there.
    #[inline]
    fn key(&self, end: u64) -> &KnownKey {
        match &self.tail {
            Some((from, tail)) if end > *from => tail,
            _ => &self.head,
        }
    }
}

impl Shipper<'_> {
    /// A source begins.
    pub fn source_begins(&mut self, source: &Source) {
        self.source = SourceState {
            writer: source.writer.clone(),
            files: source.files.iter().map(|file| file.shown.clone()).collect(),
            ..SourceState::default()
        };
    }

    /// Gives on what is gathered.
    pub fn flush(&mut self) {
        for output in &mut self.logs {
            if let Some(batch) = output.batcher.take() {
                output.closed |= !output.sink.send(batch);
            }
        }
    }

    fn uid(&mut self, record: &Record<'_>) -> [u8; 16] {
        let writer = self.source.writer(record, self.keys);
        writer.uids.next(record.payload, record.envelope_time.or(record.time))
    }

    fn link(&mut self, record: &Record<'_>) -> Option<Link> {
        let outcome = match self.correlator {
            Some(correlator) => correlator.link(record),
            None => written(record).ok_or(Unlinked::NoTraces),
        };
        self.take(outcome)
    }

    /// Counts what was found for a record.
    pub(super) fn take(&mut self, outcome: Result<Link, Unlinked>) -> Option<Link> {
        match outcome {
            Ok(link) if link.confidence.is_some_and(|confidence| confidence < self.min_confidence) => {
                self.counts.below_confidence += 1;
                self.counts.unlinked.add(Unlinked::Ambiguous, 1);
                None
            }
            Ok(link) => {
                self.counts.linked.add((link.method, link.verified), 1);
                Some(link)
            }
            Err(reason) => {
                self.counts.unlinked.add(reason, 1);
                None
            }
        }
    }

    /// Whether a time lies in the window; counts it so.
    pub(super) fn is_in_window(&mut self, time: Option<i64>) -> bool {
        let Some(time) = time else { return true };
        if self.window.0.is_some_and(|since| time < since) || self.window.1.is_some_and(|until| time >= until) {
            self.counts.outside_window += 1;
            return false;
        }
        let (first, last) = self.counts.times.unwrap_or((time, time));
        self.counts.times = Some((first.min(time), last.max(time)));
        true
    }
}

/// Ids that stand in the record, where no traces are known.
fn written(record: &Record<'_>) -> Option<Link> {
    Some(Link {
        trace_id: record.entry.trace.trace_id?,
        span_id: record.entry.trace.span_id.unwrap_or_default(),
        method: Method::Written,
        confidence: None,
        relation: Relation::Within,
        verified: false,
        has_event: false,
    })
}

impl SourceState {
    /// The state of a record's writer.
    #[inline]
    fn writer(&mut self, record: &Record<'_>, keys: &(dyn LedgerKeys + Sync)) -> &mut WriterState {
        let origin = std::ptr::from_ref(record.origin) as usize;
        let is = |writer: &WriterState| writer.origin == origin && writer.stream == record.stream;
        if !self.writers.get(self.last).is_some_and(is) {
            self.last = self.writers.iter().position(is).unwrap_or_else(|| {
                self.writers.push(self.new_writer(record.origin, origin, record.stream));
                self.writers.len() - 1
            });
        }
        let Position { file, strand, .. } = record.position;
        let writer = &self.writers[self.last];
        let is = |place: &FilePlace| place.file == file && place.strand == strand;
        if !writer.places.get(writer.place).is_some_and(is) {
            let known = writer.known.get(&(file, strand)).copied();
            let fresh = known.is_none().then(|| self.new_place(record, keys));
            let writer = &mut self.writers[self.last];
            writer.place = known.unwrap_or(writer.places.len());
            writer.known.insert((file, strand), writer.place);
            writer.places.extend(fresh);
        }
        &mut self.writers[self.last]
    }

    #[cold]
    fn new_place(&self, record: &Record<'_>, keys: &(dyn LedgerKeys + Sync)) -> FilePlace {
        let Position { file, strand, .. } = record.position;
        let origin = record.origin;
        let mut name = format!("{}\0{}\0{:?}", self.writer, origin.service_name, record.stream);
        if record.envelope == Envelope::Journal {
            // Many write to a journal. A receipt reaches from a record to another, over what others wrote in between.
            let (host, unit) = (origin.host.as_deref(), origin.unit.as_deref());
            name.push_str(&format!("\0{}\0{}\0{strand:x}", host.unwrap_or_default(), unit.unwrap_or_default()));
        }
        let of = |hash: u64| twox_hash::XxHash3_128::oneshot(&[name.as_bytes(), &hash.to_le_bytes()].concat());
        let Fingerprints { own, short, earlier } = self.fingerprints.get(file as usize).cloned().unwrap_or_default();
        let earlier: Vec<_> = earlier.into_iter().map(|(hash, up_to)| (of(hash), up_to)).collect();
        let head = keys.key_and_earlier(of(own), &earlier);
        let tail = short.map(|(from, hash)| (from, keys.key(of(hash))));
        FilePlace { file, strand, head, tail }
    }

    fn new_writer(&self, origin: &Origin, address: usize, stream: Stream) -> WriterState {
        let name = match &origin.unit {
            Some(unit) => format!("{}/{unit}", origin.host.as_deref().unwrap_or_default()),
            None if origin.pod.is_none() && origin.host.is_some() => {
                format!("{}/{}", origin.host.as_deref().unwrap_or_default(), origin.service_name)
            }
            None => self.writer.clone(),
        };
        WriterState {
            origin: address,
            stream,
            resource: encode::resource_field(origin).into(),
            uids: Uids::new(&format!("{name}/{stream:?}")),
            places: Vec::new(),
            known: HashMap::new(),
            place: 0,
        }
    }
}

impl RecordSink for Shipper<'_> {
    fn record(&mut self, record: &Record<'_>) {
        // Records out of the window count among equals too, so that a narrower window gives the same ids.
        let needs_uid = !self.logs.is_empty() || !self.taps.is_empty();
        let uid = if needs_uid { self.uid(record) } else { [0; 16] };
        if !self.is_in_window(record.time) {
            self.leave_out(record);
            return;
        }
        let link = self.link(record);
        if let Some(rows) = &mut self.links {
            rows.add(record.position, link.as_ref());
        }
        for tap in &mut self.taps {
            let file = self.source.files.get(record.position.file as usize).map_or("", String::as_str);
            tap.record(record, link.as_ref(), &uid, file);
        }
        if !self.logs.is_empty() {
            self.log(record, link.as_ref(), &uid);
        }
    }
}

impl Shipper<'_> {
    /// A record is not given to the destinations of logs, so that nothing must acknowledge it.
    fn leave_out(&mut self, record: &Record<'_>) {
        let place = self.source.writers.get(self.source.last).and_then(|writer| writer.places.get(writer.place));
        if let Some((key, _)) = place.map(|place| place.key(record.position.end)) {
            self.logs.iter_mut().for_each(|output| output.batcher.leave_out(*key));
        }
    }

    fn log(&mut self, record: &Record<'_>, link: Option<&Link>, uid: &[u8; 16]) {
        let older;
        let file_attributes = if record.position.file == self.source.file {
            &self.source.file_attributes
        } else {
            // It was open when its file ended.
            older = encode::file_attributes(&self.source.files[record.position.file as usize]);
            &older
        };
        let beside = Beside { uid, link, observed: self.observed, file_attributes };
        let writer = &self.source.writers[self.source.last];
        let Some(place) = writer.places.get(writer.place) else { return };
        let (key, acknowledged) = place.key(record.position.end);
        let place = Place { key: *key, offset: record.position.offset, end: record.position.end };
        let mut known = 0;
        for output in &mut self.logs {
            let acknowledged = acknowledged.get(output.destination).and_then(Option::as_ref);
            if acknowledged.is_some_and(|ranges| ranges.holds(place.offset, place.end)) {
                known += 1;
                continue;
            }
            if output.closed {
                continue;
            }
            let batch = output.batcher.add(place, &writer.resource, |items| encode::log_record(items, record, &beside));
            if let Some(batch) = batch {
                output.closed |= !output.sink.send(batch);
            }
        }
        if known == self.logs.len() {
            self.counts.acknowledged_before += 1;
        }
    }
}

impl SourceSink for Shipper<'_> {
    fn file_begins(&mut self, file: u32, fingerprints: &Fingerprints) {
        self.source.file = file;
        self.source.fingerprints.resize(file as usize + 1, Fingerprints::default());
        self.source.fingerprints[file as usize] = fingerprints.clone();
        self.source.file_attributes = encode::file_attributes(&self.source.files[file as usize]);
        for writer in &mut self.source.writers {
            writer.places.clear();
            writer.known.clear();
        }
    }

    fn given_up_to(&mut self, open: Option<(u32, u64)>) {
        if let Some(rows) = &mut self.links {
            rows.known_up_to(open, &self.source.files);
        }
    }
}
