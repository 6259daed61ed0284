//! The state as text: version 2, and version 1 as it was.
//!
//! In goes a [`State`], out comes JSON with a version and a checksum, and the reverse; what cannot be read is either damaged, or
//! of a shape that is not known here.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::ledger;
use super::ledger::{File, Key, Ranges, Refusal, Settled, State, Stream};
use super::marks::{Mark, Marks};

/// The version that is written.
pub(super) const VERSION: u32 = 2;

/// Why text is no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It was a state, or never was anything.
    Damaged,
    /// It has a version that is not known here.
    Newer(u32),
    /// It is whole, and has another shape.
    Unknown,
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version2 {
    version: u32,
    checksum: String,
    state: WrittenState,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenState {
    destinations: Vec<String>,
    files: Vec<WrittenFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    version_1: BTreeMap<String, Vec<WrittenLedger>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    source: String,
    #[serde(default, skip_serializing_if = "is_none")]
    idle: u32,
    /// Each mark's distance from the one before it, as a varint, and its hash.
    marks: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<(u64, String)>,
    spacing: u64,
    streams: Vec<WrittenStream>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStream {
    key: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    joined: Vec<(u64, String)>,
    settled: Vec<WrittenSettled>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSettled {
    destination: u32,
    ranges: Vec<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    untraced: Vec<(u64, u64)>,
    /// From, to, records, reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<(u64, u64, u64, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Version1 {
    #[serde(rename = "version")]
    _version: u32,
    checksum: String,
    destinations: BTreeMap<String, Vec<WrittenLedger>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLedger {
    key: String,
    ranges: Vec<(u64, u64)>,
}

fn is_none(number: &u32) -> bool {
    *number == 0
}

/// A state as text.
pub(super) fn write(state: &State) -> serde_json::Result<Vec<u8>> {
    let ledger = |ledger: &ledger::Version1| {
        let file = |(key, ranges): (&Key, &Ranges)| WrittenLedger { key: format!("{key:032x}"), ranges: ranges.list() };
        let mut files: Vec<_> = ledger.iter().map(file).collect();
        files.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        files
    };
    let state = WrittenState {
        destinations: state.destinations.clone(),
        files: state.files.iter().filter(|file| file.is_of_use()).map(|file| written_file(file)).collect(),
        version_1: state.version_1.iter().map(|(name, files)| (name.clone(), ledger(files))).collect(),
    };
    let state = serde_json::to_vec(&state)?;
    let head = format!("{{\"version\":{VERSION},\"checksum\":\"{}\",\"state\":", checksum(&state));
    Ok([head.as_bytes(), &state, b"}"].concat())
}

/// A state from text.
pub(super) fn read(text: &[u8]) -> Result<State, Unreadable> {
    let read = match serde_json::from_slice::<Head>(text) {
        Ok(Head { version: 1 }) => serde_json::from_slice(text).map(from_version_1),
        Ok(Head { version: VERSION }) => serde_json::from_slice(text).map(from_version_2),
        Ok(Head { version }) if version > VERSION => return Err(Unreadable::Newer(version)),
        Ok(_) => return Err(Unreadable::Unknown),
        Err(error) => Err(error),
    };
    match read {
        Ok(state) => state.ok_or(Unreadable::Damaged),
        Err(_) if serde_json::from_slice::<IgnoredAny>(text).is_ok() => Err(Unreadable::Unknown),
        Err(_) => Err(Unreadable::Damaged),
    }
}

fn checksum(text: &[u8]) -> String {
    format!("{:016x}", twox_hash::XxHash64::oneshot(0, text))
}

fn is_sum_of(sum: &str, written: &impl Serialize) -> bool {
    serde_json::to_vec(written).is_ok_and(|text| checksum(&text) == sum)
}

fn written_file(file: &File) -> WrittenFile {
    let settled = |(destination, settled): (&u32, &Settled)| WrittenSettled {
        destination: *destination,
        ranges: settled.ranges.list(),
        untraced: settled.untraced.list(),
        refused: settled.refused.iter().map(|r| (r.from, r.to, r.records, r.reason.clone())).collect(),
    };
    let stream = |(key, stream): (&Key, &Stream)| WrittenStream {
        key: format!("{key:032x}"),
        joined: stream.joined.iter().map(|(end, hash)| (*end, format!("{hash:016x}"))).collect(),
        settled: stream.settled.iter().map(settled).collect(),
    };
    let mut packed = Vec::new();
    let mut before = 0;
    for mark in file.marks.list() {
        put_varint(&mut packed, mark.at - before);
        packed.extend_from_slice(&mark.hash.to_le_bytes());
        before = mark.at;
    }
    WrittenFile {
        source: format!("{:016x}", file.source),
        idle: file.idle,
        marks: STANDARD.encode(packed),
        unfinished: file.marks.unfinished().map(|mark| (mark.at, format!("{:016x}", mark.hash))),
        spacing: file.marks.spacing(),
        streams: file.streams.iter().map(stream).collect(),
    }
}

fn from_version_2(written: Version2) -> Option<State> {
    if !is_sum_of(&written.checksum, &written.state) {
        return None;
    }
    let WrittenState { destinations, files, version_1 } = written.state;
    let files = files.iter().map(|file| read_file(file).map(Arc::new)).collect::<Option<_>>()?;
    let ledgers = version_1.iter().map(|(name, files)| Some((name.clone(), read_ledger(files)?)));
    Some(State { destinations, files, version_1: ledgers.collect::<Option<_>>()? })
}

/// Names of destinations were URLs as they were given: their queries may hold what is secret.
fn from_version_1(written: Version1) -> Option<State> {
    if !is_sum_of(&written.checksum, &written.destinations) {
        return None;
    }
    let mut ledgers = BTreeMap::<String, ledger::Version1>::new();
    for (name, files) in &written.destinations {
        let name = name.split('?').next().unwrap_or_default();
        let ledger = ledgers.entry(name.to_owned()).or_default();
        for (key, ranges) in read_ledger(files)? {
            let known: &mut Ranges = ledger.entry(key).or_default();
            ranges.list().into_iter().for_each(|(from, to)| known.add(from, to));
        }
    }
    Some(State { version_1: ledgers, ..State::default() })
}

fn read_ledger(files: &[WrittenLedger]) -> Option<ledger::Version1> {
    files.iter().map(|file| Some((u128::from_str_radix(&file.key, 16).ok()?, read_ranges(&file.ranges)))).collect()
}

fn read_ranges(list: &[(u64, u64)]) -> Ranges {
    let mut ranges = Ranges::default();
    list.iter().for_each(|(from, to)| ranges.add(*from, *to));
    ranges
}

fn read_file(file: &WrittenFile) -> Option<File> {
    let hash = |text: &str| u64::from_str_radix(text, 16).ok();
    let packed = STANDARD.decode(&file.marks).ok()?;
    let (mut rest, mut list) = (&packed[..], Vec::<Mark>::new());
    while !rest.is_empty() {
        let step = take_varint(&mut rest).filter(|step| *step > 0)?;
        let (bytes, after) = rest.split_first_chunk::<8>()?;
        let at = list.last().map_or(0, |mark| mark.at).checked_add(step)?;
        list.push(Mark { at, hash: u64::from_le_bytes(*bytes) });
        rest = after;
    }
    let unfinished = match &file.unfinished {
        Some((at, text)) => Some(Mark { at: *at, hash: hash(text)? }),
        None => None,
    };
    let last = list.last().map_or(0, |mark| mark.at);
    unfinished.is_none_or(|mark| mark.at > last).then_some(())?;
    let mut read = File {
        source: hash(&file.source)?,
        idle: file.idle,
        marks: Marks::from_parts(list, unfinished, file.spacing),
        ..File::default()
    };
    for stream in &file.streams {
        let joined = stream.joined.iter().map(|(end, text)| Some((*end, hash(text)?)));
        let settled = stream.settled.iter().map(|settled| {
            let refused = settled.refused.iter().cloned();
            let refused = refused.map(|(from, to, records, reason)| Refusal { from, to, records, reason });
            let ranges = read_ranges(&settled.ranges);
            let untraced = read_ranges(&settled.untraced);
            (settled.destination, Settled { ranges, untraced, refused: refused.collect() })
        });
        let key = u128::from_str_radix(&stream.key, 16).ok()?;
        read.streams.insert(key, Stream { joined: joined.collect::<Option<_>>()?, settled: settled.collect() });
    }
    Some(read)
}

/// varint = *( %x80-FF ) %x00-7F ; seven bits each, the lowest first
fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::ledger::Settlement;
    use super::super::marks::Running;
    use super::*;

    /// A state with something of everything.
    pub(crate) fn sample() -> State {
        let mut state = State::default();
        let destination = state.destination("otlp=http://127.0.0.1:4317/");
        let (mut running, mut file) = (Running::default(), File { source: 7, idle: 2, ..File::default() });
        running.feed(b"one\ntwo\nhalf", &mut file.marks);
        running.finish(&mut file.marks);
        let stream = file.streams.entry(u128::MAX).or_default();
        stream.joined.insert(40, 9);
        let how = Settlement { traced: false, refused: Some((1, "refused for good (HTTP 400)")) };
        let settled = stream.settled.entry(destination).or_default();
        settled.add(3, 9, how);
        settled.add(9, 12, Settlement { traced: true, refused: None });
        state.files.push(Arc::new(file));
        let mut ranges = Ranges::default();
        ranges.add(1, 2);
        state.version_1.entry("otlp=http://other:4317/".into()).or_default().insert(5, ranges);
        state
    }

    #[test]
    fn what_was_written_is_read() {
        let state = sample();
        assert_eq!(read(&write(&state).unwrap()), Ok(state));
        assert_eq!(read(&write(&State::default()).unwrap()), Ok(State::default()));
    }

    #[test]
    fn another_shape_is_not_taken_for_damage() {
        let whole = String::from_utf8(write(&sample()).unwrap()).unwrap();
        let newer = whole.replace("\"version\":2", "\"version\":3");
        assert_eq!(read(newer.as_bytes()), Err(Unreadable::Newer(3)));
        let more = whole.replace("\"spacing\":", "\"kind\":1,\"spacing\":");
        let text = whole.replace("\"version\":2", "\"version\":\"two\"");
        for unknown in ["{}", "[]", "null", "{\"version\":0}", "{\"version\":2,\"files\":[]}", &more, &text] {
            assert_eq!(read(unknown.as_bytes()), Err(Unreadable::Unknown), "{unknown}");
        }
        let changed = whole.replace("otlp=http://127", "otlp=http://128");
        for damaged in ["", "\0\0\0", "{", "version: 2", &whole[..whole.len() / 2], &changed] {
            assert_eq!(read(damaged.as_bytes()), Err(Unreadable::Damaged), "{damaged}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_of_a_state_changes_it_unseen(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut text = write(&sample()).unwrap();
            let at = at.index(text.len());
            let before = std::mem::replace(&mut text[at], byte);
            // Spaces for spaces and the like say the same.
            prop_assert!(before == byte || read(&text).is_err() || read(&text) == Ok(sample()));
        }

        #[test]
        fn varints_are_read_as_they_were_written(value in any::<u64>(), bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut text = Vec::new();
            put_varint(&mut text, value);
            let mut rest = &text[..];
            prop_assert_eq!((take_varint(&mut rest), rest.len()), (Some(value), 0));
            take_varint(&mut &bytes[..]);
        }
    }

    fn with_marks(list: &[u64], unfinished: Option<u64>) -> State {
        let mark = |at: &u64| Mark { at: *at, hash: 1 };
        let marks = Marks::from_parts(list.iter().map(mark).collect(), unfinished.as_ref().map(mark), 1);
        let mut file = File { marks, ..File::default() };
        file.streams.entry(1).or_default().settled.entry(0).or_default().ranges.add(0, 1);
        State { destinations: vec!["otlp=a".into()], files: vec![Arc::new(file)], ..State::default() }
    }

    #[test]
    fn marks_that_do_not_lie_behind_one_another_are_damage() {
        for whole in [with_marks(&[4, 8], Some(9)), with_marks(&[], Some(1)), with_marks(&[1, 2, 1000, u64::MAX], None)]
        {
            assert_eq!(read(&write(&whole).unwrap()), Ok(whole));
        }
        for damaged in [
            with_marks(&[4, 4], None),
            with_marks(&[0], None),
            with_marks(&[4, 8], Some(8)),
            with_marks(&[4, 8], Some(6)),
        ] {
            assert_eq!(read(&write(&damaged).unwrap()), Err(Unreadable::Damaged));
        }
    }

    #[test]
    fn version_1_is_read_without_the_queries_of_its_urls() {
        let [one, other, third] = ["0f", "0f", "1e"].map(|key| format!("{key:0>32}"));
        let ledgers = format!(
            r#"{{"otlp=http://a/?key=1":[{{"key":"{one}","ranges":[[0,5]]}}],"otlp=http://a/?key=2":[{{"key":"{other}","ranges":[[5,9]]}},{{"key":"{third}","ranges":[[1,2]]}}],"otlp=http://b/":[]}}"#
        );
        let text = format!(r#"{{"version":1,"checksum":"{}","destinations":{ledgers}}}"#, checksum(ledgers.as_bytes()));
        let state = read(text.as_bytes()).unwrap();
        let names: Vec<_> = state.version_1.keys().map(String::as_str).collect();
        assert_eq!(names, ["otlp=http://a/", "otlp=http://b/"]);
        let ledger = &state.version_1["otlp=http://a/"];
        assert_eq!((ledger[&0x0f].list(), ledger[&0x1e].list()), (vec![(0, 9)], vec![(1, 2)]));
        assert_eq!(read(text.replace("[0,5]", "[0,6]").as_bytes()), Err(Unreadable::Damaged));
    }

    #[test]
    fn varints_are_read_where_they_grow_by_a_byte() {
        for value in [0, 1, 0x7f, 0x80, 0x81, 0x3fff, 0x4000, u64::MAX] {
            let mut text = Vec::new();
            put_varint(&mut text, value);
            assert_eq!((take_varint(&mut &text[..]), text.len()), (Some(value), value.max(1).ilog2() as usize / 7 + 1));
        }
    }
}
