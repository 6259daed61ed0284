//! One source from its files to records: opened, read, assembled, handed to a sink.
//!
//! In goes a [`Source`], out go its records, in order over all its files; a file that fails is reported and the next one is
//! read. What becomes of the records is the sink's.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::assemble::{AssembleSettings, Assembler, Counts, SourceFormats};
use crate::calendar::{Calendar, CalendarSettings};
use crate::decode::Envelopes;
use crate::input::config::InputConfig;
use crate::input::discover::FoundFile;
use crate::input::open::Lost;
use crate::input::read::{ChunkReader, LookFor, Paused, ReadError, ReadLimits};
use crate::input::sources::Source;
use crate::line_rules::custom_format::CustomFormats;
use crate::record::Origin;
use crate::record::sink::SourceSink;
use crate::services::Services;
use spanline_parsers::detect::Expect;

/// What all readers share.
#[derive(Debug)]
pub struct Reading<'a> {
    /// Limits of reading.
    pub limits: ReadLimits,
    /// Bodies keep their terminal sequences.
    pub keep_ansi: bool,
    /// All fields of a journal's entries are attributes.
    pub journal_fields: bool,
    /// Bytes read from disk so far, for the progress bar.
    pub bytes_read: &'a Arc<AtomicU64>,
    /// Stop at the next chunk.
    pub stop: &'a AtomicBool,
    /// Buffers of files that have been read.
    pub spare: Mutex<Vec<Vec<u8>>>,
    /// Services of the pods that envelopes name.
    pub services: &'a Services,
    /// Formats of the user's own.
    pub formats: Arc<CustomFormats>,
}

impl<'a> Reading<'a> {
    /// As is configured; `stop` ends it, and `bytes_read` counts.
    pub fn new(
        config: &InputConfig,
        services: &'a Services,
        bytes_read: &'a Arc<AtomicU64>,
        stop: &'a AtomicBool,
    ) -> Reading<'a> {
        Reading {
            limits: config.limits,
            keep_ansi: config.keep_ansi,
            journal_fields: config.journal_fields,
            bytes_read,
            stop,
            spare: Mutex::default(),
            services,
            formats: config.rules.formats.clone(),
        }
    }

    pub(crate) fn take_buffer(&self) -> Vec<u8> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn keep_buffer(&self, buffer: Vec<u8>) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// The outcome of reading a source.
#[derive(Debug, Clone, Default)]
pub struct SourceReport {
    /// What it was made of.
    pub counts: Counts,
    /// Files read to their end.
    pub files_read: u64,
    /// Files read in part.
    pub files_cut: u64,
    /// Bytes on disk that were there when the files were found, and could not be read any more.
    pub bytes_lost: u64,
    /// One message for each file that was not read to its end.
    pub failures: Vec<String>,
}

impl SourceReport {
    /// Adds another source's.
    pub fn add(&mut self, other: SourceReport) {
        self.counts.add(&other.counts);
        self.files_read += other.files_read;
        self.files_cut += other.files_cut;
        self.bytes_lost += other.bytes_lost;
        self.failures.extend(other.failures);
    }
}

/// Reads a source.
pub fn read_source<S: SourceSink>(
    index: u32,
    source: &Source,
    origin: &Arc<Origin>,
    calendar: &CalendarSettings,
    reading: &Reading<'_>,
    sink: &mut S,
) -> SourceReport {
    let mut reader = SourceReader::new(index, (source, origin), calendar, reading);
    reader.read(source, reading, sink);
    reader.end(source, sink);
    reader.report
}

/// A source that can be read by turns.
pub struct SourceReader {
    assembler: Assembler,
    /// The file that is read next, or goes on.
    at: usize,
    file: Option<OpenFile>,
    /// Bytes read in one go, if fewer than usual.
    part_bytes: usize,
    has_ended: bool,
    report: SourceReport,
}

type Input = Box<dyn Read + Send>;

/// A file between two turns.
struct OpenFile {
    paused: Paused,
    /// `None` where it was closed meanwhile.
    input: Option<Input>,
}

impl SourceReader {
    /// Before its first record.
    pub fn new(
        index: u32,
        (source, origin): (&Source, &Arc<Origin>),
        calendar: &CalendarSettings,
        reading: &Reading<'_>,
    ) -> SourceReader {
        let file = source.files.last().map_or("", |file| file.shown.as_str()).into();
        let settings = AssembleSettings {
            envelopes: if origin.pod.is_some() { Envelopes::OfContainer } else { Envelopes::Auto },
            expect: Expect::Auto,
            record_bytes_max: reading.limits.line_bytes,
            drop_nul_lines: true,
            keep_ansi: reading.keep_ansi,
            journal_fields: reading.journal_fields,
            formats: SourceFormats { all: reading.formats.clone(), file },
        };
        let assembler = Assembler::new(index, origin.clone(), Calendar::new(calendar), settings);
        SourceReader {
            assembler: assembler.with_services(reading.services.clone()),
            at: 0,
            file: None,
            part_bytes: usize::MAX,
            has_ended: false,
            report: SourceReport::default(),
        }
    }

    /// Reads about so many bytes in one go, and so no further beyond what the sink wants.
    pub fn in_parts(self, bytes: usize) -> SourceReader {
        SourceReader { part_bytes: bytes, ..self }
    }

    /// Reads on until the sink wants no more, the run is stopped, or all is read.
    pub fn read<S: SourceSink>(&mut self, source: &Source, reading: &Reading<'_>, sink: &mut S) {
        let goes_on = |sink: &S| sink.wants_more() && !reading.stop.load(Ordering::Relaxed);
        while !self.has_ended && goes_on(sink) {
            let Some(file) = source.files.get(self.at) else {
                self.end(source, sink);
                return;
            };
            self.assembler.leave_out_unless(source.wanted.clone());
            let Some(mut reader) = self.open(file, reading, sink) else {
                self.at += 1;
                continue;
            };
            let mut ended = None;
            while ended.is_none() && goes_on(sink) {
                match reader.next_chunk() {
                    Ok(Some(chunk)) => {
                        sink.bytes_read(chunk.bytes);
                        self.assembler.feed(&chunk, sink);
                        sink.given_up_to(self.assembler.oldest_open_line());
                    }
                    end => ended = Some(end.err()),
                }
            }
            match ended {
                Some(error) => {
                    self.file_ends(file, error, sink);
                    reading.keep_buffer(reader.into_buffer());
                }
                None => {
                    let (paused, input, buffer) = reader.pause();
                    reading.keep_buffer(buffer);
                    self.file = Some(OpenFile { paused, input: Some(input) });
                }
            }
        }
    }

    /// The file that is read next, where it is to be read on; `None` if it cannot be opened.
    fn open<S: SourceSink>(
        &mut self,
        file: &FoundFile,
        reading: &Reading<'_>,
        sink: &mut S,
    ) -> Option<ChunkReader<Input>> {
        let count = Some(reading.bytes_read.clone());
        let before = self.file.take();
        let input = match before {
            Some(OpenFile { paused, input: Some(input) }) => {
                return Some(paused.resume(input, reading.take_buffer()).in_parts(self.part_bytes));
            }
            Some(OpenFile { paused, input: None }) => match file.open_at(paused.position(), count) {
                Ok(input) => return Some(paused.resume(input, reading.take_buffer()).in_parts(self.part_bytes)),
                Err(error) => {
                    self.report.files_cut += 1;
                    self.report
                        .failures
                        .extend(sink.file_ends(false).map(|message| format!("{}: {message}", file.shown)));
                    Err((error, file.size.saturating_sub(paused.position())))
                }
            },
            None => {
                self.assembler.next_file(self.at as u32);
                file.open(count).map_err(|error| (error, file.size))
            }
        };
        match input {
            Ok(input) => {
                let mut reader = ChunkReader::with_buffer(input, reading.limits, reading.take_buffer());
                reader.look_for(LookFor { journal: true, streams: true });
                sink.file_begins(self.at as u32);
                Some(reader.in_parts(self.part_bytes))
            }
            Err((error, size)) => {
                let is_gone = error.kind() == io::ErrorKind::NotFound;
                self.report.bytes_lost += if is_gone { size } else { Lost::of(&error) };
                self.report.failures.push(format!("{}: {error}", file.shown));
                None
            }
        }
    }

    /// The file ends, at its end or where it cannot be read further.
    fn file_ends<S: SourceSink>(&mut self, file: &FoundFile, error: Option<ReadError>, sink: &mut S) {
        let whole = error.is_none();
        match error {
            None => self.report.files_read += 1,
            Some(error) => {
                self.report.files_cut += 1;
                self.report.bytes_lost += error.lost_bytes();
                self.report.failures.push(format!("{}: {error}", file.shown));
            }
        }
        self.report.failures.extend(sink.file_ends(whole).map(|message| format!("{}: {message}", file.shown)));
        self.at += 1;
    }

    /// Its file is closed until it is read on.
    pub fn close_file(&mut self) {
        if let Some(file) = &mut self.file {
            file.input = None;
        }
    }

    /// All that was begun is given, and no more is read.
    pub fn end<S: SourceSink>(&mut self, source: &Source, sink: &mut S) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        if self.file.take().is_some() {
            let message = sink.file_ends(false);
            let name = source.files.get(self.at).map_or("", |file| &file.shown);
            self.report.failures.extend(message.map(|message| format!("{name}: {message}")));
        }
        self.assembler.flush(sink);
        sink.given_up_to(None);
        self.report.counts = self.assembler.counts().clone();
    }

    /// All of it was read, or it was given up.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What reading it came to.
    pub fn report(&self) -> &SourceReport {
        &self.report
    }
}
