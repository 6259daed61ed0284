//! The agent on a journal: read as it grows, over rotation, vacuuming and restarts.

use std::collections::BTreeMap;
use std::fs;
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
        let header = Header::parse(&bytes[..HEADER_BYTES]).unwrap();
        let mut at = header.first_object as usize;
        while at + OBJECT_BYTES <= header.end as usize
            && let Some(object) = Object::parse(&bytes[at..])
        {
            if object.kind == Kind::Entry {
                add(&mut bytes, at + 16, first);
            }
            at += object.size.next_multiple_of(8) as usize;
        }
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

/// Writes a file's bytes over those that it has, as journald does: the file stays the same.
fn write(agent: &Agent, name: &str, sample: &Sample) {
    let path = path(agent, name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap();
    std::io::Write::write_all(&mut file, &sample.0).unwrap();
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
