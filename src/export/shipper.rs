//! Each record to its link, and to every destination that needs it.
//!
//! In go the records of one source after another, out go batches, link rows, lines of text and span events. One `Shipper`
//! works on one thread; what it counts is added up at the end. It decides nothing about links itself.

use super::linker::{self, Linker};
use super::logs::batcher::{LogBatcher, Place};
use super::logs::encode::{self, RecordExtras};
use super::outputs::LinksFile;
use super::select::{Selection, Window};
use super::sent_before::{Outstanding, SentBefore};
use super::shipped_source::ShippedSource;
use super::sinks::{BatchSink, RecordOutput};
use crate::counts::{LinkCounts, around};
use crate::line_rules::LineRules;
use crate::record::sink::{RecordSink, SourceSink};
use crate::record::{Link, Record, Unlinked};

/// One destination of logs.
pub struct LogOutput {
    /// Its place among all destinations, for what it has acknowledged.
    pub destination: usize,
    /// Sends to its task.
    pub sink: Box<dyn BatchSink + Send>,
    /// What is gathered for it.
    pub batcher: LogBatcher,
    /// It takes no more.
    pub closed: bool,
}

/// Ships records.
pub struct Shipper<'a, B> {
    /// Finds links where traces were given.
    pub linker: Option<&'a dyn Linker>,
    /// Links below are not made.
    pub min_confidence: f32,
    /// Which records take part by their time.
    pub window: Window,
    /// Which of them are shown and sent.
    pub selection: &'a Selection<'a>,
    /// What is dropped and blacked out by what the user wants.
    pub rules: &'a LineRules,
    /// Destinations of logs.
    pub logs: Vec<LogOutput>,
    /// Other outputs.
    pub outputs: Vec<&'a mut (dyn RecordOutput + Send)>,
    /// The links file.
    pub links: Option<&'a mut LinksFile>,
    /// What was sent before.
    pub before: B,
    /// `observed_time_unix_nano`.
    pub observed: u64,
    /// What was counted.
    pub counts: LinkCounts,
    /// The source that is being read.
    pub source: ShippedSource,
}

impl<B: SentBefore> Shipper<'_, B> {
    /// A source begins.
    pub fn source_begins(&mut self, source: ShippedSource) {
        self.window.source_begins();
        self.source = source;
    }

    /// Whether a source need not be read all of whose records these destinations have: nothing else wants them, and none of
    /// them is to be left out.
    pub fn only_sends_all(&self) -> bool {
        let is_wanted = self.linker.is_some() || self.links.is_some() || !self.outputs.is_empty();
        !is_wanted && self.selection.is_everything() && self.rules.filter.keeps_all() && self.window.is_open()
    }

    /// A source of this many files is not read, all of whose records the destinations have.
    pub fn passes_over(&mut self, files: u64, records: u64) {
        self.counts.files_unchanged += files;
        self.counts.acknowledged_before += records;
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
        self.source.record(record);
        self.before.record(self.source.current, record);
        self.uid_of(record, record.payload)
    }

    /// The id of the current record, of which this is told.
    fn uid_of(&self, record: &Record<'_>, told: &[u8]) -> [u8; 16] {
        let writer = &self.source.writers[self.source.current];
        let place = record.position.seqnum.unwrap_or(record.position.offset);
        writer.uids.of(told, record.envelope_time, place, record.piece)
    }

    /// Counts what was found for a record.
    fn take(&mut self, outcome: Result<Link, Unlinked>) -> Option<Link> {
        match outcome {
            Ok(link) if !link.is_made_at(self.min_confidence) => {
                self.counts.unlinked.add(Unlinked::BelowThreshold, 1);
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
    fn is_in_window(&mut self, time: Option<i64>) -> bool {
        if time.is_none() && !self.window.is_open() {
            self.counts.by_record_before += 1;
        }
        let at = time.map(|time| (time, time));
        self.counts.all_times = around(self.counts.all_times, at);
        if !self.window.takes(time) {
            self.counts.outside_window += 1;
            return false;
        }
        self.counts.times = around(self.counts.times, at);
        true
    }
}

impl<B: SentBefore> Shipper<'_, B> {
    /// Ships a record with the link that is found for it.
    #[inline]
    fn ship(&mut self, record: &Record<'_>, find: impl FnOnce() -> Result<Link, Unlinked>) {
        // It finds the record's writer too, which `leave_out` needs.
        let keeps_all = self.rules.filter.keeps_all();
        let needs_uid = !self.logs.is_empty() || !self.outputs.is_empty() || !keeps_all;
        let uid = if needs_uid { self.uid(record) } else { [0; 16] };
        if record.position.is_left_out || !self.is_in_window(record.time) {
            self.leave_out();
            return;
        }
        let link = self.take(find());
        if let Some(rows) = &mut self.links {
            rows.add(record.position, link.as_ref());
        }
        if !self.selection.is_everything() && !self.selection.admits(record, link.as_ref()) {
            self.counts.filtered += 1;
            self.leave_out();
            return;
        }
        if !keeps_all && self.is_dropped(record, link.is_some(), &uid) {
            return;
        }
        let rules = self.rules;
        let Some(redactor) = &rules.redactor else { return self.give(record, link.as_ref(), &uid) };
        let redacted = &mut self.counts.redacted;
        match redactor.record(record, &mut |rule| redacted.add(redactor.name(rule), 1)) {
            None => self.give(record, link.as_ref(), &uid),
            Some(redacted) => {
                let record = redacted.in_place_of(record);
                // Its id tells nothing of what was blacked out.
                let uid = if needs_uid { self.uid_of(&record, &record.entry.body) } else { uid };
                self.give(&record, link.as_ref(), &uid);
            }
        }
    }

    /// Gives a record to every output.
    fn give(&mut self, record: &Record<'_>, link: Option<&Link>, uid: &[u8; 16]) {
        // Where there are no destinations of logs, it goes to outputs alone.
        let outstanding = if self.logs.is_empty() { self.before.outstanding() } else { Outstanding::OfDestinations };
        if outstanding == Outstanding::Nothing {
            self.counts.acknowledged_before += 1;
            return;
        }
        for output in &mut self.outputs {
            let file = self.source.files.get(record.position.file as usize).map_or("", String::as_str);
            output.record(record, link, uid, file);
        }
        if let Outstanding::Receipt(receipt) = outstanding {
            let mut is_kept = false;
            self.outputs.iter_mut().for_each(|output| is_kept |= output.keeps(receipt));
            if !is_kept {
                self.before.drops();
            }
        }
        if !self.logs.is_empty() {
            self.log(record, link, uid);
        }
    }

    /// Whether a record is dropped by a rule; counts it so.
    fn is_dropped(&mut self, record: &Record<'_>, is_linked: bool, uid: &[u8; 16]) -> bool {
        let filter = &self.rules.filter;
        let rules = self.source.rules(filter, record);
        let Some(reason) = filter.drops(rules, record, is_linked, uid) else { return false };
        self.counts.dropped.add(reason, 1);
        if !self.before.drops() {
            self.leave_out();
        }
        true
    }

    /// Whether all records of this one's writer are dropped, so that nothing need be found out about them.
    pub fn drops_all_of_writer(&mut self, record: &Record<'_>) -> bool {
        let filter = &self.rules.filter;
        if filter.keeps_all() {
            return false;
        }
        self.source.record(record);
        filter.drops_all(self.source.rules(filter, record))
    }
}

impl<B: SentBefore> RecordSink for Shipper<'_, B> {
    fn record(&mut self, record: &Record<'_>) {
        let linker = self.linker;
        self.ship(record, || linker::link(linker, record));
    }
}

/// A shipper whose links come from elsewhere for a while.
pub struct LinkedBy<'s, 'a, B> {
    /// It ships.
    pub shipper: &'s mut Shipper<'a, B>,
    /// It finds the links.
    pub linker: &'s dyn Linker,
}

impl<B: SentBefore> RecordSink for LinkedBy<'_, '_, B> {
    fn record(&mut self, record: &Record<'_>) {
        let linker = self.linker;
        self.shipper.ship(record, || linker.link(record));
    }
}

impl<B: SentBefore> SourceSink for LinkedBy<'_, '_, B> {
    fn file_begins(&mut self, file: u32) {
        self.shipper.file_begins(file);
    }

    fn bytes_read(&mut self, bytes: &[u8]) {
        self.shipper.bytes_read(bytes);
    }

    fn file_ends(&mut self, whole: bool) -> Option<&'static str> {
        self.shipper.file_ends(whole)
    }

    fn given_up_to(&mut self, open: Option<(u32, u64)>) {
        self.shipper.given_up_to(open);
    }
}

impl<B: SentBefore> Shipper<'_, B> {
    /// A record is not given to the destinations of logs, so that nothing must acknowledge it.
    fn leave_out(&mut self) {
        if self.logs.is_empty() {
            self.before.drops();
        }
        if let Some((key, _)) = self.before.stream() {
            self.logs.iter_mut().for_each(|output| output.batcher.leave_out(key));
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
        let extras = RecordExtras { uid, link, observed: self.observed, file_attributes };
        let (Some(writer), Some((key, after))) = (self.source.writers.get(self.source.current), self.before.stream())
        else {
            return;
        };
        let position = &record.position;
        let place = Place { key, after, offset: position.offset, end: position.end };
        let is_verified = self.before.is_verified(record);
        let (mut known, mut untraced) = (0, false);
        for output in &mut self.logs {
            let settled = is_verified.then(|| self.before.settled(output.destination, position)).flatten();
            if let Some(settled) = settled {
                known += 1;
                if settled.is_apart {
                    output.batcher.leave_out(key);
                }
                untraced |= settled.untraced;
                continue;
            }
            if output.closed {
                continue;
            }
            let batch = output.batcher.add(place, &writer.resource, |items| encode::log_record(items, record, &extras));
            if let Some(batch) = batch {
                output.closed |= !output.sink.send(batch);
            }
        }
        self.counts.untraced_before += u64::from(untraced);
        if known == self.logs.len() {
            self.counts.acknowledged_before += 1;
        }
    }
}

impl<B: SentBefore> SourceSink for Shipper<'_, B> {
    fn file_begins(&mut self, file: u32) {
        self.source.file_begins(file);
        self.before.file_begins(file);
    }

    #[inline]
    fn bytes_read(&mut self, bytes: &[u8]) {
        self.before.bytes_read(bytes);
    }

    fn file_ends(&mut self, whole: bool) -> Option<&'static str> {
        self.before.file_ends(whole)
    }

    fn given_up_to(&mut self, open: Option<(u32, u64)>) {
        if let Some(rows) = &mut self.links {
            rows.known_up_to(open, &self.source.files);
        }
    }
}
