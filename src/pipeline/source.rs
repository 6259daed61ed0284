//! One source from its files to records: opened, read, assembled, handed to a sink.
//!
//! In goes a [`Source`], out go its records, in order over all its files; a file that fails is said and the next one is
//! read. What becomes of the records is the sink's.

use std::collections::HashSet;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::assemble::{AssembleSettings, Assembler, Counts, RecordSink};
use crate::calendar::{Calendar, CalendarSettings};
use crate::commands::survey::Source;
use crate::decode::Envelopes;
use crate::input::read::{ChunkReader, ReadLimits};
use crate::record::Origin;
use spanline_parsers::detect::Expect;

/// How many bytes at its start tell a file from others.
const FINGERPRINT_BYTES: usize = 1024;
/// The same where that many are not enough.
const LONG_FINGERPRINT_BYTES: usize = 64 * 1024;

/// Takes the records of a source, and, where that matters, how far it has come.
pub trait SourceSink: RecordSink {
    /// A file of the source begins: its place among them, and what tells it from others.
    fn file_begins(&mut self, _file: u32, _fingerprints: &Fingerprints) {}

    /// Records up to this line of this file have been given (`None`: all so far).
    fn given_up_to(&mut self, _open: Option<(u32, u64)>) {}
}

/// What all readers share.
#[derive(Debug)]
pub struct Reading<'a> {
    /// Limits of reading.
    pub limits: ReadLimits,
    /// Bytes read from disk so far, for the progress bar.
    pub bytes_read: &'a Arc<AtomicU64>,
    /// Stop at the next chunk.
    pub stop: &'a AtomicBool,
    /// Buffers of files that have been read.
    pub spare: &'a Mutex<Vec<Vec<u8>>>,
}

impl Reading<'_> {
    fn take_buffer(&self) -> Vec<u8> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn keep_buffer(&self, buffer: Vec<u8>) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// What reading a source came to.
#[derive(Debug, Clone, Default)]
pub struct SourceReport {
    /// What it was made of.
    pub counts: Counts,
    /// Files read to their end.
    pub files_read: u64,
    /// Files read in part.
    pub files_cut: u64,
    /// One message for each file that was not read to its end.
    pub failures: Vec<String>,
}

impl SourceReport {
    /// Adds another source's.
    pub fn add(&mut self, other: SourceReport) {
        self.counts.add(&other.counts);
        self.files_read += other.files_read;
        self.files_cut += other.files_cut;
        self.failures.extend(other.failures);
    }
}

/// Hashes of a file's first bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// Tells the file from the others of its source, even from those that begin with the same banner.
    pub own: u64,
    /// For a file shorter than it takes to tell files apart: where its whole lines end, which `own` speaks of, and what
    /// tells it with its unfinished line.
    pub short: Option<(u64, u64)>,
    /// What it had when it was even shorter, and how much of it that spoke of; shortest first.
    pub earlier: Vec<(u64, u64)>,
}

fn fingerprints<R: Read>(reader: &mut ChunkReader<R>, known: &mut HashSet<u64>) -> Fingerprints {
    let hash = |bytes: &[u8]| twox_hash::XxHash64::oneshot(0, bytes);
    let head = reader.head(FINGERPRINT_BYTES);
    // The last line of a short file may be unfinished: what is acknowledged of it says nothing of another file that
    // begins with the same lines.
    let is_short = head.len() < FINGERPRINT_BYTES;
    let lines = if is_short { &head[..memchr::memrchr(b'\n', head).map_or(0, |end| end + 1)] } else { head };
    let shorter = memchr::memchr_iter(b'\n', lines).map(|end| &head[..=end]).filter(|part| part.len() < lines.len());
    // Those of files that are still there are theirs.
    let of_part = |part: &[u8]| (hash(part), part.len() as u64);
    let earlier = shorter.map(of_part).filter(|(hash, _)| !known.contains(hash)).collect();
    let (mut own, up_to) = (hash(lines), lines.len() as u64);
    let whole = is_short.then(|| head.to_vec());
    if known.contains(&own) {
        own = twox_hash::XxHash64::oneshot(1, if is_short { lines } else { reader.head(LONG_FINGERPRINT_BYTES) });
    }
    while !known.insert(own) {
        own = own.wrapping_add(1);
    }
    // With its own as the seed, so that files alike have different ones here too.
    let short = whole.map(|whole| (up_to, twox_hash::XxHash64::oneshot(own, &whole)));
    Fingerprints { own, short, earlier }
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
        envelopes: Envelopes::Auto,
        expect: Expect::Auto,
        record_bytes_max: reading.limits.line_bytes,
        drop_nul_lines: true,
    };
    let mut assembler = Assembler::new(index, origin.clone(), Calendar::new(calendar), settings);
    let mut report = SourceReport::default();
    let mut known = HashSet::new();
    for (at, file) in source.files.iter().enumerate() {
        assembler.next_file(at as u32);
        let input = match file.open(Some(reading.bytes_read.clone())) {
            Ok(input) => input,
            Err(error) => {
                report.failures.push(format!("{}: {error}", file.shown));
                continue;
            }
        };
        let mut reader = ChunkReader::with_buffer(input, reading.limits, reading.take_buffer());
        reader.paragraphs_if_starts_with(b"__CURSOR=");
        sink.file_begins(at as u32, &fingerprints(&mut reader, &mut known));
        loop {
            if reading.stop.load(Ordering::Relaxed) {
                break;
            }
            match reader.next_chunk() {
                Ok(Some(chunk)) => {
                    assembler.feed(&chunk, sink);
                    sink.given_up_to(assembler.oldest_open_line());
                }
                Ok(None) => {
                    report.files_read += 1;
                    break;
                }
                Err(error) => {
                    report.files_cut += 1;
                    report.failures.push(format!("{}: {error}", file.shown));
                    break;
                }
            }
        }
        reading.keep_buffer(reader.into_buffer());
    }
    assembler.flush(sink);
    sink.given_up_to(None);
    report.counts = assembler.counts().clone();
    report
}
