//! A journal's own files: the entries that journalctl shows, whole, damaged and cut, and the commands that read them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use spanline::files::section::Section;
use spanline::input::journal::query::JournalQuery;
use spanline::input::journal::stream::JournalStream;
use spanline_parsers::journal_export::{self, Split};
use spanline_parsers::journal_file::{HEADER_BYTES, Header};
use spanline_parsers::journal_frames as frames;

use crate::harness::made_journal::MadeJournal;
use crate::harness::run::{Place, testdata};

/// The fields of an entry, in their order.
type Entry = Vec<(Vec<u8>, Vec<u8>)>;

/// What is told by both; journalctl of this version or that adds `__SEQNUM` and more.
const TIMES: [&str; 2] = ["__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP"];

/// The entries of a file, and how many of them, or of their fields, could not be read.
fn entries(path: &Path, matches: &[&str]) -> (Vec<Entry>, u64) {
    let file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let mut query = JournalQuery::default();
    matches.iter().for_each(|text| query.add(text).unwrap());
    let mut bytes = Vec::new();
    let Ok(mut stream) = JournalStream::new(Section::of(Arc::new(file), 0, length), Arc::new(query), None) else {
        return (Vec::new(), u64::MAX);
    };
    stream.read_to_end(&mut bytes).unwrap();
    let (mut entries, mut lost, mut rest) = (Vec::new(), 0, &bytes[..]);
    while let Some(length) = frames::frame_bytes(rest) {
        let frame = &rest[..length];
        rest = &rest[length..];
        match (frames::frame(frame, |_| true, &mut Default::default()), frames::place(frame)) {
            (frames::Frame::Lost(more), _) => lost += more,
            (_, Some(place)) => {
                let times = [place.realtime_usec, place.monotonic_usec].map(|usec| usec.to_string().into_bytes());
                let mut entry: Entry = TIMES.iter().map(|name| name.as_bytes().to_vec()).zip(times).collect();
                let field =
                    |(payload, value): (&[u8], usize)| (payload[..value - 1].to_vec(), payload[value..].to_vec());
                let (boot, others): (Entry, Entry) =
                    frames::fields(frame).map(field).partition(|(name, _)| name == b"_BOOT_ID");
                entry.extend(boot.into_iter().take(1).chain(others));
                entries.push(entry);
            }
            _ => {}
        }
    }
    assert!(rest.is_empty());
    (entries, lost)
}

/// The same of an export.
fn exported(mut rest: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Split::Entry(length) = journal_export::entry_end(rest, usize::MAX) {
        let is_own = |name: &[u8]| !matches!(name, b"__CURSOR" | b"__SEQNUM" | b"__SEQNUM_ID");
        let fields = journal_export::fields(&rest[..length]).filter(|(name, _)| is_own(name));
        entries.push(fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect());
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    entries
}

fn check_entries(path: &Path, export: &[u8]) {
    let (read, lost) = entries(path, &[]);
    let expected = exported(export);
    assert_eq!((read.len(), lost), (expected.len(), 0), "{}", path.display());
    for (at, (read, expected)) in read.iter().zip(&expected).enumerate() {
        assert!(read == expected, "{} entry {at}:\n{}\n{}", path.display(), shown(read), shown(expected));
    }
}

fn shown(entry: &Entry) -> String {
    entry.iter().map(|(name, value)| format!("{}={} ", name.escape_ascii(), value.escape_ascii())).collect()
}

const SAMPLES: [&str; 2] = ["compact-keyed", "regular-unkeyed"];
/// The same entries, whose data objects went through liblz4 and liblzma in place of libzstd; `journalctl --verify` passes both.
const PACKED_OTHERWISE: [&str; 2] = ["compact-keyed-lz4", "regular-unkeyed-xz"];

/// A sample, unpacked under a name.
fn unpacked(place: &Place, sample: &str, name: &str) -> PathBuf {
    let packed = fs::read(testdata(&format!("journal/{sample}.zst"))).unwrap();
    place.write(name, zstd::decode_all(&packed[..]).unwrap());
    place.path(name)
}

#[test]
fn entries_are_those_that_journalctl_exports() {
    let place = Place::new();
    for (sample, exported) in SAMPLES.into_iter().chain(PACKED_OTHERWISE).zip(SAMPLES.into_iter().cycle()) {
        let journal = unpacked(&place, &format!("{sample}.journal"), "j.journal");
        let export = unpacked(&place, &format!("{exported}.export"), "j.export");
        assert_eq!(entries(&journal, &[]).0.len(), 400);
        check_entries(&journal, &fs::read(export).unwrap());
    }
}

/// Files that are named in `SPANLINE_JOURNALS`, separated by colons, and what `systemd-journal-remote` makes of an export, are
/// held against `journalctl`, where these are installed.
#[test]
fn entries_are_those_that_the_installed_journalctl_exports() {
    let export_of = |path: &Path| {
        let output = Command::new("journalctl").args(["-o", "export", "--all", "--file"]).arg(path).output();
        output.ok().filter(|output| output.status.success()).map(|output| output.stdout)
    };
    let place = Place::new();
    let export = unpacked(&place, "compact-keyed.export", "j.export");
    let mut files: Vec<PathBuf> =
        std::env::var_os("SPANLINE_JOURNALS").iter().flat_map(std::env::split_paths).collect();
    for (compact, keyed) in [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")] {
        let to = place.path(&format!("made-{compact}-{keyed}.journal"));
        let mut remote = Command::new("/lib/systemd/systemd-journal-remote");
        remote.env("SYSTEMD_JOURNAL_COMPACT", compact).env("SYSTEMD_JOURNAL_KEYED_HASH", keyed);
        remote.arg("-o").arg(&to).arg(&export).stderr(Stdio::null());
        if remote.status().is_ok_and(|status| status.success()) {
            files.push(to);
        }
    }
    let mut compared = 0;
    for file in &files {
        if let Some(export) = export_of(file) {
            check_entries(file, &export);
            compared += 1;
        }
    }
    if compared == 0 {
        eprintln!("not compared: journalctl and systemd-journal-remote are not installed");
    }
}

#[test]
fn entries_that_match_are_those_that_looking_at_each_gives() {
    let place = Place::new();
    for sample in SAMPLES.into_iter().chain(PACKED_OTHERWISE) {
        let journal = unpacked(&place, &format!("{sample}.journal"), "j.journal");
        let (all, _) = entries(&journal, &[]);
        let has = |entry: &Entry, name: &str, value: &str| {
            entry.iter().any(|(n, v)| n == name.as_bytes() && v == value.as_bytes())
        };
        let check = |matches: &[&str], is_wanted: &dyn Fn(&Entry) -> bool| {
            let expected: Vec<&Entry> = all.iter().filter(|entry| is_wanted(entry)).collect();
            let (read, lost) = entries(&journal, matches);
            assert_eq!(lost, 0);
            assert!(read.iter().eq(expected.iter().copied()), "{sample} {matches:?}");
            read.len()
        };
        let kubelet = |entry: &Entry| has(entry, "_SYSTEMD_UNIT", "kubelet.service");
        let crio = |entry: &Entry| has(entry, "_SYSTEMD_UNIT", "crio.service");
        let is_urgent = |entry: &Entry| ["0", "1", "2", "3"].iter().any(|p| has(entry, "PRIORITY", p));
        assert!(check(&["unit=kubelet"], &kubelet) > 40);
        assert!(check(&["unit=kubelet", "unit=crio"], &|entry| kubelet(entry) || crio(entry)) > 90);
        assert!(check(&["unit=crio", "priority=err"], &|entry| crio(entry) && is_urgent(entry)) > 10);
        check(&["identifier=crio", "!priority=err"], &|entry| crio(entry) && !is_urgent(entry));
        check(&["!unit=crio"], &|entry| !crio(entry));
        check(&["DUP=b"], &|entry| has(entry, "DUP", "b"));
        assert_eq!(check(&["unit=absent"], &|_| false), 0);
        let boot = "00000000000000000000000000abc001";
        assert!(check(&[&format!("boot={boot}")], &|entry| has(entry, "_BOOT_ID", boot)) > 100);
    }
}

/// A file of 20,000 entries over two boots, a hundredth of them of one unit.
fn long_journal() -> MadeJournal {
    let mut made = MadeJournal::new(1);
    for number in 0..20_000_u64 {
        let boot: &[u8] = if number < 19_500 { b"_BOOT_ID=01" } else { b"_BOOT_ID=02" };
        let boot = [boot, &b"0".repeat(30)[..]].concat();
        let unit: &[u8] =
            if number % 100 == 7 { b"_SYSTEMD_UNIT=rare.service" } else { b"_SYSTEMD_UNIT=often.service" };
        let message = format!("MESSAGE=entry {number} says something about nothing much, at some length");
        made.add(1_795_421_836_000_000 + number * 1_000_000, &[&boot, unit, message.as_bytes()]);
    }
    made
}

#[test]
fn of_a_long_file_only_what_is_wanted_is_read() {
    let place = Place::new();
    let bytes = long_journal().bytes(true);
    place.write("j.journal", &bytes);
    let read = |query: JournalQuery| {
        let section = Section::of(Arc::new(File::open(place.path("j.journal")).unwrap()), 0, bytes.len() as u64);
        let mut stream = JournalStream::new(section, Arc::new(query), None).unwrap();
        let mut frames_of = Vec::new();
        stream.read_to_end(&mut frames_of).unwrap();
        let (mut entries, mut rest) = (0, &frames_of[..]);
        while let Some(length) = frames::frame_bytes(rest) {
            entries += u64::from(frames::place(&rest[..length]).is_some());
            rest = &rest[length..];
        }
        (entries, stream.bytes_read())
    };
    let matching = |text: &str| {
        let mut query = JournalQuery::default();
        query.add(text).unwrap();
        query
    };
    let (entries, all) = read(JournalQuery::default());
    assert_eq!(entries, 20_000);
    assert!(all >= bytes.len() as u64 / 2, "{all} of {}", bytes.len());
    let check = |query: JournalQuery, expected: std::ops::RangeInclusive<u64>, share: u64| {
        let (entries, read) = read(query.clone());
        assert!(expected.contains(&entries), "{entries} of {query:?}");
        assert!(read <= all / share, "{read} of {all} bytes for {query:?}");
    };
    check(matching("unit=absent"), 0..=0, 10);
    check(matching(&format!("boot=02{}", "0".repeat(30))), 500..=500, 10);
    // The time that an entry tells may be an hour before or after it came. Where it begins is searched for in a dozen pieces of
    // the file, however long that is.
    let at = |second: i64| Some((1_795_421_836 + second) * 1_000_000_000);
    let window = |since, until| {
        let mut query = JournalQuery::default();
        query.set_window(since, until);
        query
    };
    check(window(at(23_200), None), 400..=400, 3);
    check(window(None, at(-3_200)), 401..=401, 10);
    check(window(at(13_600), at(6_800)), 401..=401, 3);
    // Each hundredth entry lies in another place: the objects of these are read, and the pieces of the file around them.
    check(matching("unit=rare"), 200..=200, 1);
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, max: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % max
    }
}

/// How many of the entries that are read are whole, of a journal with these entries.
fn intact(read: &[Entry], whole: &[Entry]) -> usize {
    let mut left: HashMap<&Entry, usize> = HashMap::new();
    whole.iter().for_each(|entry| *left.entry(entry).or_default() += 1);
    let mut is_known = |entry: &&Entry| {
        let left = left.get_mut(*entry).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    };
    read.iter().filter(|entry| is_known(entry)).count()
}

/// When entries came, and their messages.
fn messages(entries: &[Entry]) -> Vec<Entry> {
    let is_kept = |name: &[u8]| name == b"__REALTIME_TIMESTAMP" || name == b"MESSAGE";
    let kept = |entry: &Entry| entry.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
    entries.iter().map(kept).collect()
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_read_and_the_rest_counted() {
    let place = Place::new();
    let mut random = Random(7);
    for sample in SAMPLES {
        let journal = unpacked(&place, &format!("{sample}.journal"), "j.journal");
        let (whole, _) = entries(&journal, &[]);
        let bytes = fs::read(&journal).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        // Behind the hash tables, which no entry needs.
        let header = Header::parse(&bytes[..HEADER_BYTES]).unwrap();
        let objects = (header.data_table.0 + header.data_table.1) as usize;
        // Bytes here and there.
        for _ in 0..10 {
            let mut broken = bytes.clone();
            for _ in 0..20 {
                broken[used - random.below(used - objects)] ^= 1 << random.below(8);
            }
            place.write("j.journal", &broken);
            let (read, lost) = entries(&journal, &[]);
            // A field that many entries share may be what is broken.
            let kept = intact(&messages(&read), &messages(&whole));
            assert!(kept >= 370, "{kept} of {}", whole.len());
            assert!(read.len() + lost as usize >= whole.len(), "{} {lost}", read.len());
        }
        // A page of zeros.
        for page in (objects..used).step_by(4096 * 3) {
            let mut broken = bytes.clone();
            broken[page..(page + 4096).min(used)].fill(0);
            place.write("j.journal", &broken);
            let (read, lost) = entries(&journal, &[]);
            // Of fields that many entries share each of them lacks one.
            let (messages, of_whole) = (messages(&read), messages(&whole));
            let kept = intact(&messages, &of_whole);
            assert!(kept >= 370, "page at {page}: {kept} of {}", whole.len());
            assert!(read.len() + lost as usize >= whole.len(), "{} {lost}", read.len());
        }
        // Cut while it was copied.
        let mut before = 0;
        for at in (0..=used + 1).step_by(used / 40) {
            place.write("j.journal", &bytes[..at]);
            let (read, lost) = entries(&journal, &[]);
            let read = intact(&read, &whole);
            assert!(read >= before, "{at}");
            assert!(lost == u64::MAX && at < 300 || read as u64 + lost >= 400, "{at}: {read} {lost}");
            before = read;
        }
        assert!(before > 380, "{before}");
    }
}
