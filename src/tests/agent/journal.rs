//! The agent on a journal: read as it grows, over rotation, vacuuming and restarts.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use spanline_parsers::journal_file::{HEADER_BYTES, Header, Kind, OBJECT_BYTES, Object};

use crate::harness::agent::Agent;
use crate::harness::run::testdata;
use crate::harness::sink::Script;

/// Entries of the sample, numbered from 1.
const ENTRIES: u64 = 400;
const MACHINE: &str = "journal/3d1219c7c4c5404aaa1f6d2a48adfda4";
const VACUUMED: &str = "spanline_journal_entries_lost_total{reason=\"vacuumed\"}";

/// A journal's file, as it was at some moment.
#[derive(Clone)]
struct Sample(Vec<u8>);

impl Sample {
    /// Whose entries are numbered from this number + 1 on, each with its number in its message.
    fn numbered_from(first: u64) -> Sample {
        let packed = fs::read(testdata("journal/compact-keyed.journal.zst")).unwrap();
        let mut bytes = zstd::decode_all(&packed[..]).unwrap();
        let entries = Sample(bytes.clone()).entries();
        entries.into_iter().for_each(|at| add(&mut bytes, at + 16, first));
        [160, 168].iter().for_each(|at| add(&mut bytes, *at, first));
        Sample(bytes)
    }

    /// While so many entries were whole.
    fn with(&self, entries: u64) -> Sample {
        let mut bytes = self.0.clone();
        let header = Header::parse(&bytes[..HEADER_BYTES]).unwrap();
        put(&mut bytes, 152, entries);
        put(&mut bytes, 160, header.first_seqnum + entries - 1);
        bytes[16] = 1;
        Sample(bytes)
    }

    /// Of another journald.
    fn of_another(mut self, id: u8) -> Sample {
        self.0[72..88].fill(id);
        self
    }

    /// Whose entries came so much later, or earlier, µs.
    fn later_by(mut self, usec: i64) -> Sample {
        let header = Header::parse(&self.0[..HEADER_BYTES]).unwrap();
        let entries = self.entries();
        for at in entries.into_iter().map(|at| at + 24).chain([184, 192]) {
            let time = u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap());
            put(&mut self.0, at, time.checked_add_signed(usec).unwrap());
        }
        assert!(header.entries > 0);
        self
    }

    /// Where its entries stand.
    fn entries(&self) -> Vec<usize> {
        let header = Header::parse(&self.0[..HEADER_BYTES]).unwrap();
        let (mut at, mut entries) = (header.first_object as usize, Vec::new());
        while at + OBJECT_BYTES <= header.end as usize
            && let Some(object) = Object::parse(&self.0[at..])
        {
            if object.kind == Kind::Entry {
                entries.push(at);
            }
            at += object.size.next_multiple_of(8) as usize;
        }
        entries
    }

    /// After journald has closed it.
    fn archived(&self) -> Sample {
        let mut bytes = self.0.clone();
        bytes[16] = 2;
        Sample(bytes)
    }
}

fn add(bytes: &mut [u8], at: usize, more: u64) {
    let number = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    put(bytes, at, number + more);
}

fn put(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

fn path(agent: &Agent, name: &str) -> PathBuf {
    agent.place.path(&format!("{MACHINE}/{name}"))
}

/// Writes a file's bytes over those that it has, as journald does: the file stays the same, and its header is written last.
fn write(agent: &Agent, name: &str, sample: &Sample) {
    let path = path(agent, name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap();
    let (header, objects) = sample.0.split_at(HEADER_BYTES);
    file.write_all_at(objects, HEADER_BYTES as u64).unwrap();
    file.write_all_at(header, 0).unwrap();
}

/// How often each message was stored.
fn stored(agent: &Agent) -> BTreeMap<String, usize> {
    agent.sink.sink.stored().into_iter().collect()
}

/// The messages of the sample.
fn messages(agent: &Agent) -> Vec<String> {
    let packed = fs::read(testdata("journal/compact-keyed.export.zst")).unwrap();
    agent.place.write("j.export", zstd::decode_all(&packed[..]).unwrap());
    let records = agent.place.run(&["convert", "j.export"]).json(0);
    records.iter().map(|record| record["body"].as_str().unwrap().to_owned()).collect()
}

/// Waits until this many records are stored.
fn until_stored(agent: &Agent, records: usize) {
    let start = Instant::now();
    while stored(agent).values().sum::<usize>() < records {
        assert!(start.elapsed() < Duration::from_secs(60), "{} of {records}", stored(agent).values().sum::<usize>());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn j_entries_come_once_while_the_journal_grows_is_rotated_and_the_agent_is_killed() {
    let mut agent = Agent::new(Script::default());
    let expected = messages(&agent);
    let sample = Sample::numbered_from(0);
    write(&agent, "system.journal", &sample.with(1));
    agent.start();
    for entries in [40, 41, 90, 150, 151, 220, 300, 399] {
        write(&agent, "system.journal", &sample.with(entries));
        until_stored(&agent, entries as usize * 8 / 10);
        // What was stored is acknowledged, and written down soon after.
        std::thread::sleep(Duration::from_millis(300));
        agent.kill();
        agent.start();
    }
    write(&agent, "system.journal", &sample.with(ENTRIES).archived());
    fs::rename(path(&agent, "system.journal"), path(&agent, "system@1234567890abcdef1234-1-1.journal")).unwrap();
    until_stored(&agent, expected.len());
    let first = stored(&agent);
    for body in &expected {
        assert!(first.contains_key(body), "{body}");
    }
    let copies = first.values().sum::<usize>() - expected.len();
    assert!(copies < 40, "{copies} copies");
    // Another file with further entries of the same numbering.
    let before = first.values().sum::<usize>();
    write(&agent, "system.journal", &Sample::numbered_from(ENTRIES).with(200));
    until_stored(&agent, before + 160);
    assert_eq!(agent.metric(VACUUMED), 0);
    agent.stop().text(0);
}

#[test]
fn j1_what_was_vacuumed_unread_is_counted_and_the_first_entry_that_is_left_comes() {
    let mut agent = Agent::new(Script::default());
    write(&agent, "system.journal", &Sample::numbered_from(0).with(100));
    agent.start();
    until_stored(&agent, 80);
    std::thread::sleep(Duration::from_millis(300));
    agent.stop().text(0);
    let before = stored(&agent).values().sum::<usize>();
    // Entries 101 to 1000 are gone by the time that it starts again.
    write(&agent, "system.journal", &Sample::numbered_from(1000).with(ENTRIES));
    agent.start();
    until_stored(&agent, before + 330);
    assert_eq!(agent.metric(VACUUMED), 900);
    agent.stop().text(0);
    let first = messages(&agent).swap_remove(0);
    assert_eq!(stored(&agent).get(&first), Some(&2), "the first entry that is left comes");
}

#[test]
fn j_only_what_is_written_from_then_on_is_read_where_the_journal_begins_at_its_end() {
    let mut agent = Agent::new(Script::default());
    agent.starts_at("end");
    let sample = Sample::numbered_from(0);
    write(&agent, "system.journal", &sample.with(200));
    agent.start();
    std::thread::sleep(Duration::from_millis(700));
    assert!(stored(&agent).is_empty());
    write(&agent, "system.journal", &sample.with(300));
    until_stored(&agent, 80);
    std::thread::sleep(Duration::from_millis(300));
    let count = stored(&agent).values().sum::<usize>();
    assert!(count <= 100, "{count}");
    agent.stop().text(0);
}

const HOUR: i64 = 3_600_000_000;

/// Each message of the sample, with how often it should be there.
fn times_each(agent: &Agent, times: usize) -> BTreeMap<String, usize> {
    let mut expected = BTreeMap::new();
    messages(agent).into_iter().for_each(|body| *expected.entry(body).or_default() += times);
    expected
}

#[test]
fn j_a_clock_that_is_set_neither_loses_nor_doubles_entries() {
    let mut agent = Agent::new(Script::default());
    let expected = times_each(&agent, 4);
    let all = messages(&agent).len();
    agent.start();
    // journald rotates where the clock was set back. Within a file it is set forward, by a day.
    let steps = [0, -HOUR, 24 * HOUR, -2 * HOUR];
    for (number, step) in steps.into_iter().enumerate() {
        let sample = Sample::numbered_from(number as u64 * ENTRIES).later_by(step);
        write(&agent, "system.journal", &sample.with(150));
        until_stored(&agent, number * all + 120);
        if number == 2 {
            agent.kill();
            agent.start();
        }
        write(&agent, "system.journal", &sample.archived());
        until_stored(&agent, (number + 1) * all);
        let rotated = format!("system@1234567890abcdef1234-{number}-1.journal");
        fs::rename(path(&agent, "system.journal"), path(&agent, &rotated)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(500));
    let stored = stored(&agent);
    for (body, times) in &expected {
        assert!(stored.get(body).is_some_and(|stored| stored >= times), "{body}");
    }
    // Only what was not acknowledged when it was killed may have come twice.
    let copies = stored.values().sum::<usize>() - 4 * all;
    assert!(copies <= 150, "{copies} copies");
    assert_eq!(agent.metric(VACUUMED), 0);
    agent.stop().text(0);
}

#[test]
fn j_a_clock_that_was_set_while_the_agent_was_down_changes_nothing_of_what_is_read() {
    let mut agent = Agent::new(Script::default());
    let all = messages(&agent).len();
    let before = "system@1234567890abcdef1234-1-1.journal";
    write(&agent, before, &Sample::numbered_from(0).later_by(48 * HOUR).archived());
    write(&agent, "system.journal", &Sample::numbered_from(ENTRIES).with(ENTRIES));
    agent.start();
    until_stored(&agent, 2 * all);
    std::thread::sleep(Duration::from_millis(300));
    agent.stop().text(0);
    assert_eq!(stored(&agent), times_each(&agent, 2));
    // A backfill reads the files of one journald in the order of their numbers, too.
    agent.place.run(&["backfill", "journal", "--links", "links"]).says("2 files in 1 source").text(0);
    let files: Vec<String> =
        agent.place.json_lines("links").into_iter().map(|row| row["file"].as_str().unwrap().to_owned()).collect();
    assert!(files[0].ends_with(before), "{}", files[0]);
}

#[test]
fn j_namespaces_and_what_other_machines_sent_are_numbered_apart_and_all_read() {
    let mut agent = Agent::new(Script::default());
    let all = messages(&agent).len();
    let expected = times_each(&agent, 4);
    agent.start();
    write(&agent, "system.journal", &Sample::numbered_from(0).with(ENTRIES));
    write(&agent, "user-1000.journal", &Sample::numbered_from(ENTRIES).with(ENTRIES));
    let space = format!("../{}.space/system.journal", MACHINE.rsplit('/').next().unwrap());
    write(&agent, &space, &Sample::numbered_from(7).of_another(7).with(ENTRIES));
    write(&agent, "../remote/remote-10.0.0.1.journal", &Sample::numbered_from(0).of_another(8).with(ENTRIES));
    until_stored(&agent, 4 * all);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(stored(&agent), expected);
    // They go on from where they were, each by its own numbers.
    agent.stop().text(0);
    write(&agent, &space, &Sample::numbered_from(7).of_another(7).archived());
    agent.start();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(stored(&agent), expected);
    assert_eq!(agent.metric(VACUUMED), 0);
    agent.stop().text(0);
}

#[test]
fn j_a_journald_that_starts_again_after_a_crash_begins_other_numbers_and_all_of_both_is_read() {
    let mut agent = Agent::new(Script::default());
    let all = messages(&agent).len();
    agent.start();
    write(&agent, "system.journal", &Sample::numbered_from(0).with(300));
    until_stored(&agent, 240);
    // What a journald left open is set aside by the next one.
    let aside = "system@000660ed38c3687b-0123456789abcdef.journal~";
    fs::rename(path(&agent, "system.journal"), path(&agent, aside)).unwrap();
    write(&agent, aside, &Sample::numbered_from(0).with(ENTRIES));
    write(&agent, "system.journal", &Sample::numbered_from(0).of_another(9).with(100));
    until_stored(&agent, all + 80);
    write(&agent, "system.journal", &Sample::numbered_from(0).of_another(9).with(ENTRIES));
    until_stored(&agent, 2 * all);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(stored(&agent), times_each(&agent, 2));
    assert_eq!(agent.metric(VACUUMED), 0);
    agent.stop().text(0);
}

#[test]
fn n20_a_vacuum_while_it_reads_leaves_the_first_remaining_entry_and_counts_what_is_gone() {
    let mut agent = Agent::new(Script::default());
    let first = messages(&agent).swap_remove(0);
    write(&agent, "system@1234567890abcdef1234-1-1.journal", &Sample::numbered_from(0).archived());
    agent.start();
    until_stored(&agent, 320);
    std::thread::sleep(Duration::from_millis(300));
    // It looks away, as if its destination held it: two files come, the first one goes.
    agent.signal("STOP");
    write(&agent, "system@1234567890abcdef1234-2-1.journal", &Sample::numbered_from(ENTRIES).archived());
    fs::remove_file(path(&agent, "system@1234567890abcdef1234-1-1.journal")).unwrap();
    fs::remove_file(path(&agent, "system@1234567890abcdef1234-2-1.journal")).unwrap();
    write(&agent, "system.journal", &Sample::numbered_from(2 * ENTRIES).with(ENTRIES));
    agent.signal("CONT");
    until_stored(&agent, 2 * 320);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(agent.metric(VACUUMED), ENTRIES);
    assert_eq!(stored(&agent).get(&first), Some(&2), "the first entry that is left comes");
    agent.stop().text(0);
}

#[test]
fn j_a_journal_begins_at_a_time_at_the_first_start_only() {
    let mut agent = Agent::new(Script::default());
    agent.has_journal("units: [], start: '2026-11-23T08:17:16.25Z'");
    write(&agent, "system@1234567890abcdef1234-1-1.journal", &Sample::numbered_from(0).archived());
    write(&agent, "system.journal", &Sample::numbered_from(ENTRIES).later_by(HOUR).with(100));
    agent.start();
    let since = entries_since(1_795_421_836_250_000);
    assert!((20..380).contains(&since), "{since}");
    until_stored(&agent, since * 8 / 10 + 80);
    std::thread::sleep(Duration::from_millis(500));
    let count = stored(&agent).values().sum::<usize>();
    assert!(count <= since + 100, "{count} of {since} and 100");
    agent.stop().text(0);
    // Later on places count, and what is new is read as a whole.
    write(&agent, "user-1000.journal", &Sample::numbered_from(0).of_another(9).later_by(-HOUR).with(100));
    agent.start();
    until_stored(&agent, count + 80);
    agent.stop().text(0);
}

/// Entries of the sample that came at this time or later.
fn entries_since(usec: u64) -> usize {
    let sample = Sample::numbered_from(0);
    let came = |at: usize| u64::from_le_bytes(sample.0[at + 24..at + 32].try_into().unwrap());
    sample.entries().into_iter().filter(|at| came(*at) >= usec).count()
}

#[test]
fn j_matches_narrow_what_is_read_and_all_fields_are_sent_where_they_are_wanted() {
    let mut agent = Agent::new(Script::default());
    agent.has_journal("units: [], match: [unit=kubelet, '!priority=err'], fields: all");
    let sample = Sample::numbered_from(0);
    agent.place.write("j.journal", &sample.0);
    let records = agent.place.run(&["convert", "j.journal", "-j", "unit=kubelet", "-j", "!priority=err"]).json(0);
    assert!((10..200).contains(&records.len()), "{}", records.len());
    write(&agent, "system.journal", &sample.with(ENTRIES));
    agent.start();
    until_stored(&agent, records.len());
    std::thread::sleep(Duration::from_millis(500));
    agent.stop().text(0);
    let mut expected = BTreeMap::new();
    for record in &records {
        let body = record["body"].as_str().unwrap();
        *expected.entry(body.to_owned()).or_default() += 1;
        let names = agent.sink.sink.attributes_of(body);
        for name in ["journald._BOOT_ID", "process.executable.path", "syslog.identifier"] {
            assert!(names.iter().any(|known| known == name), "{names:?}");
        }
    }
    assert_eq!(stored(&agent), expected);
}

#[test]
fn j_how_far_a_journal_is_read_is_told_in_the_status_and_the_metrics() {
    let mut agent = Agent::new(Script::default());
    write(&agent, "system.journal", &Sample::numbered_from(0).with(ENTRIES));
    agent.start();
    until_stored(&agent, 320);
    std::thread::sleep(Duration::from_millis(300));
    let metrics = agent.asked("/metrics");
    for line in ["spanline_lag_bytes{input=\"journal\"} 0", "spanline_lag_seconds{input=\"journal\"} 0"] {
        assert!(metrics.lines().any(|shown| shown.starts_with(line)), "{metrics}");
    }
    let status: serde_json::Value = serde_json::from_str(&agent.asked("/status")).unwrap();
    let of_journal = |list: &str| {
        let all = status[list].as_array().unwrap().iter();
        all.filter(|one| one["input"] == "journal" || one["name"] == "journal").cloned().collect::<Vec<_>>()
    };
    let (inputs, sources) = (of_journal("inputs"), of_journal("sources"));
    assert_eq!((inputs.len(), sources.len()), (1, 1), "{status}");
    assert_eq!(
        (&inputs[0]["sources"], &inputs[0]["behind"], &inputs[0]["lines_read"]),
        (&1.into(), &0.into(), &ENTRIES.into())
    );
    assert!(sources[0]["path"].as_str().unwrap().ends_with("system.journal"), "{status}");
    assert!(sources[0]["bytes_read"].as_u64().unwrap() > 100 * ENTRIES, "{status}");
    agent.stop().text(0);
}
