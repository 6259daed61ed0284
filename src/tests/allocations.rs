//! What an entry of a journal allocates on its way from its file to an encoded record: nothing, once buffers have their sizes.
//!
//! In go made journals, archived and growing, out come counts of the allocator. This is a test of its own, since it counts for
//! the whole process.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use spanline::assemble::{AssembleSettings, Assembler, SourceFormats};
use spanline::calendar::{Calendar, CalendarSettings, Zone};
use spanline::decode::Envelopes;
use spanline::export::logs::batcher::{LogBatcher, Place};
use spanline::export::logs::encode::{self, RecordExtras};
use spanline::export::logs::writers::Writer;
use spanline::files::followed::{self, FollowedFile};
use spanline::files::section::Section;
use spanline::input::journal::follow::{JournalTail, JournalTailConfig};
use spanline::input::journal::sink::{JournalSink, LostEntries};
use spanline::input::journal::start::JournalStart;
use spanline::input::journal::stream::JournalStream;
use spanline::input::read::{Chunk, ChunkReader, LookFor, ReadLimits};
use spanline::input::tail::sink::{FileFacts, Loss, Notice, SourceFacts, TailSink};
use spanline::record::sink::RecordSink;
use spanline::record::{Origin, Record};
use spanline_parsers::detect::Expect;

#[path = "harness/made_journal.rs"]
mod made_journal;

use made_journal::MadeJournal;

const ENTRIES: u64 = 40_000;
/// Entries after which buffers have the sizes that they need.
const WARM: u64 = 20_000;
/// What a chunk of some hundred entries, or a turn of the follower, and a batch may allocate as a whole: mostly the entries of the
/// three programs that may go on in the next one, which are kept with their fields.
const PER_CHUNK_MAX: u64 = 64;

/// Encodes records into batches, and drops these.
struct Encoder {
    batcher: LogBatcher,
    writers: Vec<Writer>,
    records: u64,
    attributes: Vec<u8>,
}

impl Encoder {
    fn new() -> Encoder {
        let batcher = LogBatcher::new(Bytes::from(encode::scope_field()));
        Encoder { batcher, writers: Vec::new(), records: 0, attributes: encode::file_attributes("system.journal") }
    }
}

impl RecordSink for Encoder {
    fn record(&mut self, record: &Record<'_>) {
        self.records += 1;
        let at = self.writers.iter().position(|writer| writer.is(record.origin, record.stream)).unwrap_or_else(|| {
            self.writers.push(Writer::new("journal", record.origin, record.stream));
            self.writers.len() - 1
        });
        let writer = &self.writers[at];
        let place = Place {
            key: at as u32,
            after: record.position.offset,
            offset: record.position.offset,
            end: record.position.end,
        };
        let seqnum = record.position.seqnum.unwrap();
        let uid = writer.uids.of(record.payload, record.envelope_time, seqnum, record.piece);
        let extras = RecordExtras { uid: &uid, link: None, observed: 1, file_attributes: &self.attributes };
        drop(self.batcher.add(place, &writer.resource, |items| encode::log_record(items, record, &extras)));
    }
}

fn assembler() -> Assembler {
    let calendar = CalendarSettings { fallback_zone: Zone::Fixed(0), ..CalendarSettings::default() };
    let settings = AssembleSettings {
        envelopes: Envelopes::Auto,
        expect: Expect::Auto,
        record_bytes_max: 1 << 20,
        drop_nul_lines: true,
        keep_ansi: false,
        journal_fields: false,
        formats: SourceFormats::default(),
    };
    let mut assembler = Assembler::new(0, Arc::<Origin>::default(), Calendar::new(&calendar), settings);
    assembler.next_file(0);
    assembler
}

/// Three programs, of which each entry has its own message and time, and one in three a field of its own.
fn journal(entries: u64) -> MadeJournal {
    let mut made = MadeJournal::new(1);
    for number in 0..entries {
        let usec = 1_795_421_836_000_000 + number * 1_000;
        let clock = format!("{:02}.{:06}", number / 1_000 % 60, number % 1_000 * 1_000);
        let source = format!("_SOURCE_REALTIME_TIMESTAMP={usec}");
        let (unit, message, own) = match number % 3 {
            0 => (
                "kubelet",
                format!(
                    "MESSAGE=I1123 08:17:{clock}    1234 kubelet.go:2043] \"SyncLoop (PLEG)\" pod=\"a/web-{number}\" event={{}}"
                ),
                "UNIT=a.service".to_owned(),
            ),
            1 => (
                "crio",
                format!(
                    "MESSAGE=time=\"2026-11-23 08:17:{clock}\" level=info msg=\"Ran pod {number}\" id={number:08x}"
                ),
                format!("JOB_ID={}", number % 5),
            ),
            _ => ("app", format!("MESSAGE=request {number} took 3 ms"), "JOB=x".to_owned()),
        };
        let of_unit = [
            format!("_SYSTEMD_UNIT={unit}.service"),
            format!("SYSLOG_IDENTIFIER={unit}"),
            format!("_COMM={unit}"),
            format!("_PID={}", 1000 + unit.len()),
            format!("_STREAM_ID={unit}{unit}"),
        ];
        let mut payloads: Vec<&[u8]> = vec![
            b"_BOOT_ID=44444444444444444444444444444444",
            b"_HOSTNAME=node-1",
            b"_TRANSPORT=stdout",
            b"PRIORITY=6",
            b"_MACHINE_ID=22222222222222222222222222222222",
            b"_CAP_EFFECTIVE=1ffffffffff",
        ];
        payloads.extend(of_unit.iter().map(|payload| payload.as_bytes()));
        payloads.extend([message.as_bytes(), source.as_bytes(), own.as_bytes()]);
        made.add(usec, &payloads);
    }
    made
}

#[test]
fn an_entry_of_an_archived_file_allocates_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = journal(ENTRIES).bytes(true);
    fs::write(file.path(), &bytes).unwrap();
    let section = Section::of(Arc::new(File::open(file.path()).unwrap()), 0, bytes.len() as u64);
    let stream = JournalStream::new(section, Arc::default(), None).unwrap();
    let mut reader = ChunkReader::new(stream, ReadLimits { line_bytes: 1 << 20, file_bytes: 1 << 40 });
    reader.look_for(LookFor { journal: true, streams: false });
    let (mut assembler, mut encoder) = (assembler(), Encoder::new());
    while encoder.records < WARM {
        assembler.feed(&reader.next_chunk().unwrap().unwrap(), &mut encoder);
    }
    let (mut chunks, before) = (0, encoder.records);
    let counted = allocation_counter::measure(|| {
        while let Some(chunk) = reader.next_chunk().unwrap() {
            assembler.feed(&chunk, &mut encoder);
            chunks += 1;
        }
    });
    assembler.flush(&mut encoder);
    assert_eq!(encoder.records, ENTRIES);
    check(counted.count_total, chunks, encoder.records - before);
}

/// Feeds what the follower gives.
struct Followed {
    assembler: Assembler,
    encoder: Encoder,
    chunks: u64,
}

impl TailSink for Followed {
    fn known_file(&mut self, _: usize, _: Option<u32>) {}
    fn source_begins(&mut self, _: u32, _: &SourceFacts<'_>) {}
    fn file_begins(&mut self, _: u32, _: u32, _: &FileFacts<'_>) {}
    fn chunk(&mut self, _: u32, _: u32, chunk: &Chunk<'_>) {
        self.chunks += 1;
        self.assembler.feed(chunk, &mut self.encoder);
    }
    fn read_up_to(&mut self, _: u32, _: u32, _: &followed::Place) {}
    fn place(&mut self, _: u32, _: u32, _: &FollowedFile) {}
    fn file_ends(&mut self, _: u32, _: u32) {}
    fn file_is_gone(&mut self, _: u32) {}
    fn source_ends(&mut self, _: u32) {}
    fn lost(&mut self, _: u32, _: u64, _: Loss) {}
    fn notice(&mut self, _: &Notice<'_>) {}
}

impl JournalSink for Followed {
    fn entries_lost(&mut self, _: u64, _: LostEntries) {}
}

#[test]
fn an_entry_of_a_file_that_is_written_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    let half = journal(WARM).bytes(false);
    let all = journal(ENTRIES).bytes(false);
    fs::write(&path, &half).unwrap();
    let config = JournalTailConfig {
        root: folder.path().to_owned(),
        query: Arc::default(),
        start: JournalStart::Beginning,
        is_first_start: true,
        input: 0,
    };
    let mut tail = JournalTail::new(config, &[], Instant::now());
    let mut sink = Followed { assembler: assembler(), encoder: Encoder::new(), chunks: 0 };
    read(&mut tail, &mut sink, WARM);
    let (chunks, before) = (sink.chunks, sink.encoder.records);
    OpenOptions::new().write(true).open(&path).unwrap().write_all(&all).unwrap();
    let counted = allocation_counter::measure(|| read(&mut tail, &mut sink, ENTRIES));
    sink.assembler.flush(&mut sink.encoder);
    assert_eq!(sink.encoder.records, ENTRIES);
    check(counted.count_total, sink.chunks - chunks, sink.encoder.records - before);
}

/// Turns until so many entries were given, but for those that may still go on.
fn read(tail: &mut JournalTail, sink: &mut Followed, entries: u64) {
    let mut turns = 0;
    while sink.encoder.records + 3 < entries {
        tail.turn(tail.next_turn().max(Instant::now()), sink);
        turns += 1;
        assert!(turns < 10_000, "{} of {entries}", sink.encoder.records);
    }
}

/// A chunk as a whole may allocate, an entry may not.
fn check(allocations: u64, chunks: u64, entries: u64) {
    let per_chunk = entries / chunks;
    assert!(per_chunk >= 100, "{chunks} chunks of {per_chunk} entries");
    let told = format!("{allocations} allocations for {entries} entries in {chunks} chunks");
    eprintln!("{told}");
    assert!(allocations <= chunks * PER_CHUNK_MAX, "{told}");
}
