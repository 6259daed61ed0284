//! States of versions 1 and 2, which were one JSON text with a version and a checksum.
//!
//! In goes the text, out comes a [`State`]; what cannot be read is either damaged, or of a shape that is not known here.
//! Nothing is written in these versions any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::bytes::take_varint;
use super::ledger;
use super::ledger::{File, Refusal, Settled, State, Stream};
use super::marks::{Mark, Marks};
use super::ranges::Ranges;
use super::small_map::SmallMap;
use super::versions::{Unreadable, VERSION};

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Version2 {
    #[serde(rename = "version")]
    _version: u32,
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

/// A state from text.
pub(super) fn read(text: &[u8]) -> Result<State, Unreadable> {
    let read = match serde_json::from_slice::<Head>(text) {
        Ok(Head { version: 1 }) => serde_json::from_slice(text).map(from_version_1),
        Ok(Head { version: 2 }) => serde_json::from_slice(text).map(from_version_2),
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

fn from_version_2(written: Version2) -> Option<State> {
    if !is_sum_of(&written.checksum, &written.state) {
        return None;
    }
    let WrittenState { destinations, files, version_1 } = written.state;
    // What was counted back from the last run is counted from the first one that is remembered.
    let run = files.iter().map(|file| file.idle).max().unwrap_or_default();
    let files = files.iter().map(|file| read_file(file, run).map(Arc::new)).collect::<Option<_>>()?;
    let ledgers = version_1.iter().map(|(name, files)| Some((name.clone(), read_ledger(files)?)));
    Some(State { destinations, files, run, version_1: ledgers.collect::<Option<_>>()? })
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

fn read_file(file: &WrittenFile, run: u32) -> Option<File> {
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
        met: run - file.idle,
        marks: Marks::from_parts(list, unfinished, file.spacing),
        ..File::default()
    };
    for stream in &file.streams {
        let (mut joined, mut by_destination) = (SmallMap::default(), SmallMap::default());
        for (end, text) in &stream.joined {
            joined.insert(*end, hash(text)?);
        }
        for settled in &stream.settled {
            let refused = settled.refused.iter().cloned();
            let refused = refused.map(|(from, to, records, reason)| Refusal { from, to, records, reason });
            let ranges = read_ranges(&settled.ranges);
            let untraced = read_ranges(&settled.untraced);
            by_destination.insert(settled.destination, Settled { ranges, untraced, refused: refused.collect() });
        }
        let key = u128::from_str_radix(&stream.key, 16).ok()?;
        read.streams.insert(key, Stream { joined, settled: by_destination, end: 0 });
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A state of version 2 with something of everything.
    fn sample() -> String {
        let marks = STANDARD.encode([&[4u8][..], &[1; 8], &[0x85, 1], &[2; 8]].concat());
        let key = format!("{:032x}", 5);
        sealed(&format!(
            r#"{{"destinations":["otlp=http://a/"],"files":[{{"source":"07","idle":2,"marks":"{marks}","unfinished":[140,"09"],"spacing":2,"streams":[{{"key":"{key}","joined":[[40,"0a"]],"settled":[{{"destination":0,"ranges":[[3,12]],"untraced":[[3,9]],"refused":[[3,9,1,"bad"]]}}]}}]}},{{"source":"08","marks":"","spacing":1,"streams":[]}}],"version_1":{{"otlp=http://b/":[{{"key":"{key}","ranges":[[1,2]]}}]}}}}"#
        ))
    }

    fn sealed(state: &str) -> String {
        let state: WrittenState = serde_json::from_str(state).unwrap();
        let state = serde_json::to_string(&state).unwrap();
        format!(r#"{{"version":2,"checksum":"{}","state":{state}}}"#, checksum(state.as_bytes()))
    }

    #[test]
    fn version_2_is_read() {
        let state = read(sample().as_bytes()).unwrap();
        assert_eq!((state.destinations, state.run, state.files.len()), (vec!["otlp=http://a/".to_owned()], 2, 2));
        let file = &state.files[0];
        assert_eq!((file.source, file.met, state.files[1].met, file.outline), (7, 0, 2, None));
        let hash = |byte| u64::from_le_bytes([byte; 8]);
        assert_eq!(file.marks.list(), [Mark { at: 4, hash: hash(1) }, Mark { at: 137, hash: hash(2) }]);
        assert_eq!((file.marks.unfinished(), file.marks.spacing()), (Some(Mark { at: 140, hash: 9 }), 2));
        let stream = file.streams.get(&5).unwrap();
        let settled = stream.settled.get(&0).unwrap();
        assert_eq!((stream.joined.get(&40), stream.end), (Some(&10), 0));
        assert_eq!((settled.ranges.list(), settled.untraced.list()), (vec![(3, 12)], vec![(3, 9)]));
        assert_eq!(settled.refused, [Refusal { from: 3, to: 9, records: 1, reason: "bad".into() }]);
        assert_eq!(state.version_1["otlp=http://b/"][&5].list(), [(1, 2)]);
    }

    #[test]
    fn another_shape_is_not_taken_for_damage() {
        let whole = sample();
        let newer = whole.replace("\"version\":2", "\"version\":4");
        assert_eq!(read(newer.as_bytes()), Err(Unreadable::Newer(4)));
        let more = whole.replace("\"spacing\":", "\"kind\":1,\"spacing\":");
        let text = whole.replace("\"version\":2", "\"version\":\"two\"");
        let three = whole.replace("\"version\":2", "\"version\":3");
        for unknown in ["{}", "[]", "null", "{\"version\":0}", "{\"version\":2,\"files\":[]}", &more, &text, &three] {
            assert_eq!(read(unknown.as_bytes()), Err(Unreadable::Unknown), "{unknown}");
        }
        let changed = whole.replace("otlp=http://a", "otlp=http://c");
        for damaged in ["", "\0\0\0", "{", "version: 2", &whole[..whole.len() / 2], &changed] {
            assert_eq!(read(damaged.as_bytes()), Err(Unreadable::Damaged), "{damaged}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_of_a_state_changes_it_unseen(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let whole = sample();
            let mut text = whole.clone().into_bytes();
            let at = at.index(text.len());
            let before = std::mem::replace(&mut text[at], byte);
            // Spaces for spaces and the like say the same.
            prop_assert!(before == byte || read(&text).is_err() || read(&text) == read(whole.as_bytes()));
        }
    }

    #[test]
    fn marks_that_do_not_lie_behind_one_another_are_damage() {
        let marked = |steps: &[u8], unfinished: u64| {
            let marks: Vec<u8> = steps.iter().flat_map(|step| [&[*step][..], &[1; 8]].concat()).collect();
            let marks = STANDARD.encode(marks);
            let file = format!(
                r#"{{"source":"07","marks":"{marks}","unfinished":[{unfinished},"01"],"spacing":1,"streams":[]}}"#
            );
            read(sealed(&format!(r#"{{"destinations":[],"files":[{file}]}}"#)).as_bytes())
        };
        assert!(marked(&[4, 4], 9).is_ok() && marked(&[], 1).is_ok());
        for damaged in [marked(&[4, 0], 9), marked(&[0], 9), marked(&[4, 4], 8), marked(&[4, 4], 6)] {
            assert_eq!(damaged, Err(Unreadable::Damaged));
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
}
