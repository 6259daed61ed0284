//! One source from its files to records: opened, read, assembled, handed to a sink.
//!
//! In goes a [`Source`], out go its records, in order over all its files; a file that fails is reported and the next one is
//! read. What becomes of the records is the sink's.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::assemble::{AssembleSettings, Assembler, Counts};
use crate::calendar::{Calendar, CalendarSettings};
use crate::decode::Envelopes;
use crate::input::config::InputConfig;
use crate::input::open::Lost;
use crate::input::read::{ChunkReader, LookFor, ReadLimits};
use crate::input::sources::Source;
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
    let settings = AssembleSettings {
        envelopes: if origin.pod.is_some() { Envelopes::OfContainer } else { Envelopes::Auto },
        expect: Expect::Auto,
        record_bytes_max: reading.limits.line_bytes,
        drop_nul_lines: true,
        keep_ansi: reading.keep_ansi,
        journal_fields: reading.journal_fields,
    };
    let assembler = Assembler::new(index, origin.clone(), Calendar::new(calendar), settings);
    let mut assembler = assembler.with_services(reading.services.clone());
    let mut report = SourceReport::default();
    for (at, file) in source.files.iter().enumerate() {
        if !sink.wants_more() {
            break;
        }
        assembler.next_file(at as u32);
        let input = match file.open(Some(reading.bytes_read.clone())) {
            Ok(input) => input,
            Err(error) => {
                let is_gone = error.kind() == io::ErrorKind::NotFound;
                report.bytes_lost += if is_gone { file.size } else { Lost::of(&error) };
                report.failures.push(format!("{}: {error}", file.shown));
                continue;
            }
        };
        let mut reader = ChunkReader::with_buffer(input, reading.limits, reading.take_buffer());
        reader.look_for(LookFor { journal: true, streams: true });
        sink.file_begins(at as u32);
        let mut whole = false;
        loop {
            if reading.stop.load(Ordering::Relaxed) || !sink.wants_more() {
                break;
            }
            match reader.next_chunk() {
                Ok(Some(chunk)) => {
                    sink.bytes_read(chunk.bytes);
                    assembler.feed(&chunk, sink);
                    sink.given_up_to(assembler.oldest_open_line());
                }
                Ok(None) => {
                    report.files_read += 1;
                    whole = true;
                    break;
                }
                Err(error) => {
                    report.files_cut += 1;
                    report.bytes_lost += error.lost_bytes();
                    report.failures.push(format!("{}: {error}", file.shown));
                    break;
                }
            }
        }
        report.failures.extend(sink.file_ends(whole).map(|message| format!("{}: {message}", file.shown)));
        reading.keep_buffer(reader.into_buffer());
    }
    assembler.flush(sink);
    sink.given_up_to(None);
    report.counts = assembler.counts().clone();
    report
}
