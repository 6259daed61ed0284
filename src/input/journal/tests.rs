//! The follower on files of its own: how far it is, and entries of damaged files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use super::follow::{JournalTail, JournalTailConfig};
use super::sink::{JournalSink, LostEntries};
use super::start::{JournalStart, StartTime};
use crate::files::followed::{FollowedFile, Place};
use crate::input::read::Chunk;
use crate::input::tail::sink::{FileFacts, Loss, Notice, SourceFacts, TailSink};
use spanline_parsers::journal_file::{HEADER_BYTES, Header, Kind, OBJECT_BYTES, Object};
use spanline_parsers::journal_frames as frames;

/// The numbers of the entries that were given, and how many are lost.
#[derive(Default)]
struct Given {
    numbers: Vec<u64>,
    lost: u64,
    notices: usize,
    /// What is written while a source begins.
    as_it_begins: Option<(PathBuf, Vec<u8>)>,
}

impl TailSink for Given {
    fn known_file(&mut self, _: usize, _: Option<u32>) {}
    fn source_begins(&mut self, _: u32, _: &SourceFacts<'_>) {
        if let Some((path, bytes)) = self.as_it_begins.take() {
            fs::write(path, bytes).unwrap();
        }
    }
    fn file_begins(&mut self, _: u32, _: u32, _: &FileFacts<'_>) {}
    fn chunk(&mut self, _: u32, _: u32, chunk: &Chunk<'_>) {
        let mut rest = chunk.bytes;
        while let Some(length) = frames::frame_bytes(rest) {
            self.numbers.extend(frames::place(&rest[..length]).map(|place| place.seqnum));
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
    }
    fn read_up_to(&mut self, _: u32, _: u32, _: &Place) {}
    fn place(&mut self, _: u32, _: u32, _: &FollowedFile) {}
    fn file_ends(&mut self, _: u32, _: u32) {}
    fn file_is_gone(&mut self, _: u32) {}
    fn source_ends(&mut self, _: u32) {}
    fn lost(&mut self, _: u32, _: u64, _: Loss) {}
    fn notice(&mut self, _: &Notice<'_>) {
        self.notices += 1;
    }
}

impl JournalSink for Given {
    fn entries_lost(&mut self, entries: u64, _: LostEntries) {
        self.lost += entries;
    }
}

/// 400 entries, numbered from 1.
fn sample() -> Vec<u8> {
    static SAMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/journal/compact-keyed.journal.zst");
        zstd::decode_all(&fs::read(packed).unwrap()[..]).unwrap()
    });
    SAMPLE.clone()
}

/// While only so many of its entries were whole.
fn with(mut bytes: Vec<u8>, entries: u64) -> Vec<u8> {
    for at in [152, 160] {
        bytes[at..at + 8].copy_from_slice(&entries.to_le_bytes());
    }
    bytes[16] = 1;
    bytes
}

fn tail(root: &Path, start: JournalStart) -> JournalTail {
    let config =
        JournalTailConfig { root: root.to_owned(), query: Arc::default(), start, is_first_start: true, input: 3 };
    JournalTail::new(config, &[], Instant::now())
}

/// Turns until nothing more comes.
fn read(tail: &mut JournalTail, given: &mut Given) {
    let mut turns = 0;
    while tail.turn(tail.next_turn().max(Instant::now()), given) {
        turns += 1;
        assert!(turns < 10_000);
    }
}

#[test]
fn how_far_it_is_behind_is_told_by_what_its_files_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    fs::write(&path, with(sample(), 100)).unwrap();
    let (mut tail, mut given) = (tail(folder.path(), JournalStart::Beginning), Given::default());
    assert!(tail.sources().is_empty());
    read(&mut tail, &mut given);
    assert_eq!((given.numbers.len(), given.lost), (100, 0));
    let sources = tail.sources();
    let [source] = &sources[..] else { panic!("{sources:?}") };
    assert_eq!((source.input, source.behind, source.behind_since), (3, 0, None));
    assert!(source.read > 10_000 && source.family == path, "{source:?}");
    // More is written, and not read yet.
    let caught_up = Instant::now();
    write(&path, &sample());
    let behind = tail.sources().remove(0);
    let all = Header::parse(&sample()[..HEADER_BYTES]).unwrap();
    // Most of the file but for its hash tables.
    let tables = all.data_table.1 + all.field_table.1;
    let entries = all.last_object - all.first_object - tables;
    assert!(behind.behind > entries / 2 && behind.behind < entries, "{behind:?} of {entries}");
    assert!(behind.behind_since.is_some_and(|since| since <= caught_up), "{behind:?}");
    read(&mut tail, &mut given);
    assert_eq!(given.numbers, (1..=400).collect::<Vec<_>>());
    let source = tail.sources().remove(0);
    assert_eq!((source.behind, source.behind_since), (0, None));
    assert!(source.read > behind.read);
}

#[test]
fn a_time_to_begin_at_is_found_in_all_files_of_a_numbering() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("system.journal"), sample()).unwrap();
    let begins = |usec| {
        let start = StartTime { text: String::new(), usec };
        let (mut tail, mut given) = (tail(folder.path(), JournalStart::Since(start)), Given::default());
        read(&mut tail, &mut given);
        given.numbers.first().copied()
    };
    let header = Header::parse(&sample()[..HEADER_BYTES]).unwrap();
    assert_eq!(begins(0), Some(1));
    assert_eq!(begins(header.realtime.0), Some(1));
    let inside = begins(header.realtime.0 + 1).unwrap();
    assert!((2..400).contains(&inside), "{inside}");
    assert_eq!(begins(header.realtime.1 + 1), None, "what is there came before");
}

/// Entries behind the first so many have so much higher numbers.
fn numbered(mut bytes: Vec<u8>, from: u64, more: u64) -> Vec<u8> {
    let header = Header::parse(&bytes[..HEADER_BYTES]).unwrap();
    let mut add = |at: usize| {
        let number = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        if number > from {
            bytes[at..at + 8].copy_from_slice(&(number + more).to_le_bytes());
        }
    };
    [160, 168].into_iter().for_each(&mut add);
    entries(&header, &sample()).into_iter().for_each(|at| add(at + 16));
    bytes
}

/// Where the entries of a file stand.
fn entries(header: &Header, bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut entries) = (header.first_object as usize, Vec::new());
    while at + OBJECT_BYTES <= header.end as usize
        && let Some(object) = Object::parse(&bytes[at..])
    {
        if object.kind == Kind::Entry {
            entries.push(at);
        }
        at += object.size.next_multiple_of(8) as usize;
    }
    entries
}

/// Writes into a file that is there, or makes it.
fn write(path: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
}

#[test]
fn a_file_that_was_shorter_when_it_was_opened_is_read_to_its_end_after_a_quiet_time() {
    let folder = tempfile::tempdir().unwrap();
    let (path, all) = (folder.path().join("system.journal"), sample());
    let header = Header::parse(&all[..HEADER_BYTES]).unwrap();
    let mut start = with(all.clone(), 100);
    start.truncate(entries(&header, &all)[120]);
    write(&path, &start);
    let (mut tail, mut given) = (tail(folder.path(), JournalStart::Beginning), Given::default());
    let mut now = Instant::now();
    for _ in 0..100 {
        now += Duration::from_millis(100);
        tail.turn(now, &mut given);
    }
    assert_eq!(given.numbers.len(), 100);
    write(&path, &with(all, 400));
    while tail.turn(now + Duration::from_millis(100), &mut given) {}
    assert_eq!((given.numbers, given.lost), ((1..=400).collect(), 0));
}

#[test]
fn an_entry_that_has_its_number_before_it_is_whole_comes_once_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    write(&path, &with(sample(), 100));
    let (mut tail, mut given) = (tail(folder.path(), JournalStart::Beginning), Given::default());
    read(&mut tail, &mut given);
    let mut between = with(sample(), 101);
    between[152..160].copy_from_slice(&100_u64.to_le_bytes());
    write(&path, &between);
    read(&mut tail, &mut given);
    assert_eq!(given.numbers.len(), 100);
    write(&path, &with(sample(), 101));
    read(&mut tail, &mut given);
    assert_eq!((given.numbers, given.lost), ((1..=101).collect(), 0));
}

#[test]
fn entries_of_a_file_that_was_made_since_files_were_listed_come_before_those_that_were_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Of its entries the first 100 are numbered on from 1, and the others from 501 on.
    let system = numbered(sample(), 100, 400);
    write(&path("system.journal"), &with(system.clone(), 100));
    let (mut tail, mut given) = (tail(folder.path(), JournalStart::Beginning), Given::default());
    let now = Instant::now();
    tail.turn(now, &mut given);
    assert_eq!(given.numbers.len(), 100);
    write(&path("user-1000.journal"), &numbered(sample(), 0, 100));
    write(&path("system.journal"), &system);
    // Files are not to be listed again yet.
    while tail.turn(now + Duration::from_millis(100), &mut given) {}
    assert_eq!((given.numbers, given.lost), ((1..=800).collect(), 0));
}

#[test]
fn entries_of_a_file_that_is_made_while_a_journal_begins_come_before_those_that_were_written_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write(&path("system.journal"), &[0; 1000]);
    write(&path("user-1000.journal"), &numbered(sample(), 0, 400));
    let mut given = Given { as_it_begins: Some((path("system.journal"), sample())), ..Given::default() };
    let mut tail = tail(folder.path(), JournalStart::Beginning);
    read(&mut tail, &mut given);
    assert_eq!((given.numbers, given.lost), ((1..=800).collect(), 0));
}

#[test]
fn what_is_written_behind_damage_is_found_while_the_file_grows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("system.journal");
    let mut damaged = sample();
    let header = Header::parse(&damaged[..HEADER_BYTES]).unwrap();
    let entries = entries(&header, &damaged);
    // The first array of places, and an entry: it is searched for behind all others that are counted.
    let array = header.entry_array as usize;
    damaged[array..array + 16].fill(0xff);
    damaged[entries[50]..entries[50] + 16].fill(0xff);
    let growing = |entries: &[usize], whole: usize| {
        let mut bytes = with(damaged.clone(), whole as u64);
        bytes[136..144].copy_from_slice(&(entries[whole - 1] as u64).to_le_bytes());
        // What is not written yet.
        bytes.get_mut(entries[whole]..).into_iter().for_each(|rest| rest.fill(0));
        bytes
    };
    write(&path, &growing(&entries, 100));
    let (mut tail, mut given) = (tail(folder.path(), JournalStart::Beginning), Given::default());
    read(&mut tail, &mut given);
    assert_eq!(given.numbers.len(), 99);
    write(&path, &growing(&entries, 300));
    read(&mut tail, &mut given);
    assert_eq!(given.numbers.len(), 299);
}

mod random {
    use std::io::Read;

    use super::*;
    use crate::files::section::Section;
    use crate::input::journal::query::JournalQuery;
    use crate::input::journal::stream::{JournalStream, boots};
    use proptest::prelude::*;

    /// Bytes at the end of the sample in which all objects stand but for the hash tables, and the end of these.
    const AT_END: usize = 200_000;

    /// A sample with bytes changed, counted from its end, or cut.
    fn damaged(changes: &[(usize, u8)], header: &[(usize, u8)], cut: Option<usize>) -> Vec<u8> {
        // What was not used yet is left out: it takes time to write.
        static USED: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let mut bytes = sample();
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
            bytes
        });
        let (mut bytes, used) = (USED.clone(), USED.len());
        changes.iter().for_each(|(at, byte)| bytes[used - 1 - at] = *byte);
        header.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        bytes.truncate(cut.map_or(used, |cut| used - cut));
        bytes
    }

    proptest! {
        /// Whatever stands in the file, its stream ends, with no more entries than there is room for, whatever is asked for.
        #[test]
        fn damaged_files_are_read_to_an_end(
            changes in proptest::collection::vec((0..AT_END, any::<u8>()), 0..40),
            header in proptest::collection::vec((0..HEADER_BYTES, any::<u8>()), 0..3),
            cut in proptest::option::of(0..AT_END),
            wanted in proptest::option::of(prop_oneof![
                Just("unit=kubelet"), Just("!priority=err"), Just("boot=00000000000000000000000000abc001"), Just("DUP=b")
            ]),
            since in proptest::option::of(1_795_421_836_000_000_i64..1_795_421_837_000_000),
            until in proptest::option::of(1_795_421_836_000_000_i64..1_795_421_837_000_000),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (path, bytes) = (folder.path().join("j"), damaged(&changes, &header, cut));
            fs::write(&path, &bytes).unwrap();
            let section = Section::of(Arc::new(fs::File::open(&path).unwrap()), 0, bytes.len() as u64);
            boots(section.clone());
            let mut query = JournalQuery::default();
            wanted.iter().for_each(|text| query.add(text).unwrap());
            query.set_window(since.map(|usec| usec * 1_000 + 3_600_000_000_000), until.map(|usec| usec * 1_000));
            let start = Instant::now();
            if let Ok(mut stream) = JournalStream::new(section, Arc::new(query), None) {
                let (mut out, mut length) = (vec![0; 1 << 16], 0);
                loop {
                    let got = stream.read(&mut out).unwrap();
                    if got == 0 {
                        break;
                    }
                    length += got;
                    prop_assert!(length <= 400 * bytes.len(), "{} of {}", length, bytes.len());
                }
            }
            prop_assert!(start.elapsed() < Duration::from_secs(20));
        }

        /// Whatever stands in the file, it is followed to an end, and no number comes twice.
        #[test]
        fn damaged_files_are_followed_to_an_end(
            changes in proptest::collection::vec((0..AT_END, any::<u8>()), 0..40),
            header in proptest::collection::vec((0..HEADER_BYTES, any::<u8>()), 0..3),
            cut in proptest::option::of(0..AT_END),
        ) {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("system.journal"), damaged(&changes, &header, cut)).unwrap();
            let (mut tail, mut given) = (tail(folder.path(), JournalStart::Beginning), Given::default());
            let start = Instant::now();
            read(&mut tail, &mut given);
            prop_assert!(start.elapsed() < Duration::from_secs(20));
            prop_assert!(given.numbers.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(given.numbers.len() <= 400);
            tail.sources();
        }
    }
}
