//! Each record to its link, and to every destination that needs it.
//!
//! In go the records of one source after another, out go batches, link rows, lines of text and span events. One `Shipper`
//! works on one thread; what it counts is added up at the end. It decides nothing about links itself.

use super::source_state::SourceState;
use crate::checkpoint::acknowledged::Acknowledged;
use crate::checkpoint::source_files::SourceFiles;
use crate::correlate::Correlator;
use crate::counts::{LinkCounts, around};
use crate::export::logs::batcher::{LogBatcher, Place};
use crate::export::logs::encode::{self, RecordExtras};
use crate::export::outputs::LinksFile;
use crate::export::select::{Selection, Window};
use crate::export::sinks::{BatchSink, RecordOutput};
use crate::input::sources::Source;
use crate::record::sink::{RecordSink, SourceSink};
use crate::record::{Link, Position, Record, Unlinked};

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
pub struct Shipper<'a> {
    /// Finds links where traces were given.
    pub correlator: Option<&'a Correlator>,
    /// Links below are not made.
    pub min_confidence: f32,
    /// Which records take part by their time.
    pub window: Window,
    /// Which of them are shown and sent.
    pub selection: &'a Selection<'a>,
    /// Destinations of logs.
    pub logs: Vec<LogOutput>,
    /// Other outputs.
    pub outputs: Vec<&'a mut (dyn RecordOutput + Send)>,
    /// The links file.
    pub links: Option<&'a mut LinksFile>,
    /// What is remembered.
    pub acknowledged: &'a Acknowledged,
    /// `observed_time_unix_nano`.
    pub observed: u64,
    /// What was counted.
    pub counts: LinkCounts,
    /// What is known of the current source.
    pub source: SourceState,
}

impl Shipper<'_> {
    /// A source begins.
    pub fn source_begins(&mut self, source: &Source, files: SourceFiles) {
        self.window.source_begins();
        self.source = SourceState::new(source, files);
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
        let writer = self.source.writer(record, self.acknowledged);
        let place = record.position.seqnum.unwrap_or(record.position.offset);
        writer.uids.of(record.payload, record.envelope_time, place, record.piece)
    }

    fn link(&mut self, record: &Record<'_>) -> Option<Link> {
        let outcome = match self.correlator {
            Some(correlator) => correlator.link(record),
            None => record.written_link().ok_or(Unlinked::NoTraces),
        };
        self.take(outcome)
    }

    /// Counts what was found for a record.
    pub(super) fn take(&mut self, outcome: Result<Link, Unlinked>) -> Option<Link> {
        match outcome {
            Ok(link) if link.confidence.is_some_and(|confidence| confidence < self.min_confidence) => {
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
    pub(super) fn is_in_window(&mut self, time: Option<i64>) -> bool {
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

impl RecordSink for Shipper<'_> {
    fn record(&mut self, record: &Record<'_>) {
        // It finds the record's writer too, which `leave_out` needs.
        let needs_uid = !self.logs.is_empty() || !self.outputs.is_empty();
        let uid = if needs_uid { self.uid(record) } else { [0; 16] };
        if !self.is_in_window(record.time) {
            self.leave_out();
            return;
        }
        let link = self.link(record);
        if let Some(rows) = &mut self.links {
            rows.add(record.position, link.as_ref());
        }
        if !self.selection.is_everything() && !self.selection.admits(record, link.as_ref()) {
            self.counts.filtered += 1;
            self.leave_out();
            return;
        }
        for output in &mut self.outputs {
            let file = self.source.files.get(record.position.file as usize).map_or("", String::as_str);
            output.record(record, link.as_ref(), &uid, file);
        }
        if !self.logs.is_empty() {
            self.log(record, link.as_ref(), &uid);
        }
    }
}

impl Shipper<'_> {
    /// A record is not given to the destinations of logs, so that nothing must acknowledge it.
    fn leave_out(&mut self) {
        if let Some((_, stream, _)) = self.source.current() {
            self.logs.iter_mut().for_each(|output| output.batcher.leave_out(stream.index));
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
        let Some((writer, stream, after)) = self.source.current() else { return };
        let Position { offset, end, .. } = record.position;
        let place = Place { key: stream.index, after, offset, end };
        let is_verified = self.source.is_verified(record, stream, self.acknowledged);
        let (mut known, mut untraced) = (0, false);
        for output in &mut self.logs {
            let settled = stream.settled.get(output.destination).and_then(Option::as_ref).filter(|_| is_verified);
            if let Some(settled) = settled.filter(|settled| settled.ranges.holds(offset, end)) {
                known += 1;
                let traced = self.acknowledged.traced();
                if settled.is_apart(offset, traced) {
                    output.batcher.leave_out(stream.index);
                }
                untraced |= traced && settled.untraced.contains(offset);
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

impl SourceSink for Shipper<'_> {
    fn file_begins(&mut self, file: u32) {
        self.source.file_begins(file);
    }

    #[inline]
    fn bytes_read(&mut self, bytes: &[u8]) {
        self.source.bytes_read(bytes, self.acknowledged);
    }

    fn file_ends(&mut self, whole: bool) -> Option<&'static str> {
        self.source.file_ends(whole, self.acknowledged)
    }

    fn given_up_to(&mut self, open: Option<(u32, u64)>) {
        if let Some(rows) = &mut self.links {
            rows.known_up_to(open, &self.source.files);
        }
    }
}
