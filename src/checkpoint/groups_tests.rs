//! States as bytes: what was written is read, and of what is cut or changed nothing is believed.

use proptest::prelude::*;

use super::super::entries::UNUSED_MAX;
use super::super::ledger::{Outline, Settlement};
use super::super::marks::Running;
use super::*;

/// A state with something of everything.
pub(crate) fn sample() -> State {
    let mut state = State { run: 9, ..State::default() };
    let destination = state.destination("otlp=http://127.0.0.1:4317/");
    let (mut running, mut file) = (Running::default(), File { source: 7, met: 7, ..File::default() });
    running.feed(b"one\ntwo\nhalf", &mut file.marks);
    running.finish(&mut file.marks);
    file.outline = Some(Outline { reading: 3, follows: 4, end: 12, records: 2 });
    let stream = file.streams.or_default(u128::MAX);
    (stream.end, _) = (40, stream.joined.insert(40, 9));
    let how = Settlement { traced: false, refused: Some((1, "refused for good (HTTP 400)")) };
    let settled = stream.settled.or_default(destination);
    settled.add(3, 9, how);
    settled.add(9, 12, Settlement { traced: true, refused: None });
    let untraced = Settlement { traced: false, refused: None };
    file.streams.or_default(1).settled.or_default(destination).add(5, 8, untraced);
    state.files.push(Arc::new(file));
    let mut ranges = Ranges::default();
    ranges.add(1, 2);
    state.version_1.entry("otlp=http://other:4317/".into()).or_default().insert(5, ranges);
    state
}

/// All of a state.
pub(crate) fn written(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_all(state, &mut |part| {
        bytes.extend_from_slice(part);
        Ok::<(), ()>(())
    })
    .unwrap();
    bytes
}

/// The checksum of the last group.
fn last(bytes: &[u8]) -> u64 {
    read(bytes).unwrap().last
}

fn state_of(bytes: &[u8]) -> State {
    let whole = read(bytes).unwrap();
    assert_eq!((whole.rest, whole.end), (Rest::Nothing, bytes.len() as u64));
    whole.loaded.state
}

/// A state with what changed appended.
fn appended(state: &State, changes: &Changes) -> (Vec<u8>, usize) {
    let mut bytes = written(state);
    let before = bytes.len();
    let group = group(last(&bytes), changes, Known::of(state));
    bytes.extend(group.unwrap_or_default().0);
    (bytes, before)
}

/// A run that has met the first file, settled more of it, and met another one for the first time.
fn changed(state: &State) -> (State, Changes) {
    let mut after = State { run: state.run + 1, ..state.clone() };
    let destination = after.destination("otlp=b");
    let file = Arc::make_mut(&mut after.files[0]);
    file.met = after.run;
    file.streams.or_default(2).settled.or_default(destination).ranges.add(0, 99);
    after.files.push(after.files[0].clone());
    let files = after.files.iter().enumerate().map(|(number, file)| (number as u32, Arc::clone(file)));
    let mut met = Ranges::default();
    met.add(0, 1);
    let changes =
        Changes { all: false, run: after.run, destinations: after.destinations.clone(), files: files.collect(), met };
    (after, changes)
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(state_of(&written(&sample())), sample());
    assert_eq!(state_of(&written(&State::default())), State::default());
    let large = State { files: vec![sample().files[0].clone(); 20_000], ..sample() };
    let bytes = written(&large);
    assert!(bytes.len() > 2 * GROUP_BYTES);
    assert_eq!(state_of(&bytes), large);
}

#[test]
fn what_changed_is_appended_and_replaces_what_was() {
    let (after, changes) = changed(&sample());
    let (bytes, _) = appended(&sample(), &changes);
    assert_eq!(state_of(&bytes), after);
    let loaded = read(&bytes).unwrap().loaded;
    let anew = written(&after).len() as u64;
    // Without the heads and what counts runs.
    assert!(loaded.bytes < anew && loaded.bytes > anew - 50, "{} {anew}", loaded.bytes);
}

#[test]
fn files_that_were_met_are_so_and_nothing_is_appended_where_nothing_is_new() {
    let state = sample();
    let mut met = Ranges::default();
    met.add(0, 1);
    let changes = Changes { run: 10, destinations: state.destinations.clone(), met, ..Changes::default() };
    let (bytes, before) = appended(&state, &changes);
    assert!(bytes.len() - before < 30);
    let read = state_of(&bytes);
    assert_eq!((read.run, read.files[0].met), (10, 10));
    let nothing = Changes { run: 9, destinations: state.destinations.clone(), ..Changes::default() };
    assert_eq!(group(7, &nothing, Known::of(&state)), None);
}

#[test]
fn a_group_counts_only_behind_the_one_it_was_written_behind() {
    // Two runs that nothing keeps apart append to one state: the second one writes over what the first one has.
    let appends = |destination: &str| {
        let (mut after, mut changes) = changed(&sample());
        after.destinations[1] = destination.to_owned();
        changes.destinations.clone_from(&after.destinations);
        (appended(&sample(), &changes).0, after, changes)
    };
    let ((one, after, changes), (two, after_two, _)) = (appends("otlp=b"), appends("otlp=c"));
    assert_eq!(one.len(), two.len());
    // Of what the first one appends then, destination 1 is another one.
    let (next, _) = group(last(&one), &changes, Known { run: 0, ..Known::of(&after) }).unwrap();
    assert_eq!(state_of(&[&one[..], &next].concat()), after);
    let whole = read(&[&two[..], &next].concat()).unwrap();
    assert_eq!((whole.loaded.state, whole.end), (after_two, two.len() as u64));
}

#[test]
fn files_keep_their_numbers_unless_most_are_unused() {
    let used = sample().files[0].clone();
    let with_unused = |unused: usize| {
        let mut state = sample();
        state.files = vec![Arc::default(); unused];
        state.files.push(used.clone());
        read(&written(&state)).unwrap().loaded
    };
    let few = with_unused(UNUSED_MAX);
    assert_eq!((few.state.files.len(), few.is_renumbered), (UNUSED_MAX + 1, false));
    assert!(few.state.files[UNUSED_MAX] == used && !few.state.files[0].is_of_use());
    let many = with_unused(UNUSED_MAX + 1);
    assert_eq!((many.state.files.len(), many.is_renumbered), (1, true));
}

#[test]
fn another_version_or_shape_is_not_taken_for_damage() {
    let whole = written(&sample());
    let titled = |title: &str| [title.as_bytes(), &whole[header().len()..]].concat();
    assert_eq!(read(&titled("spanline ledger 4\n")), Err(Unreadable::Newer(4)));
    for damaged in ["spanline ledger \n", "spanline ledger 3", "spanline ledger 9999999999\n", "{}", ""] {
        assert_eq!(read(&titled(damaged)), Err(Unreadable::Damaged), "{damaged}");
    }
    assert_eq!(read(b""), Err(Unreadable::Damaged));
    let mut unknown = written(&sample());
    let mut group = begin_group();
    group.push(99);
    end_group(last(&unknown), &mut group);
    unknown.extend(group);
    assert_eq!(read(&unknown), Err(Unreadable::Unknown));
}

proptest! {
    /// Whatever is left of an append, what was there before it is what is read.
    #[test]
    fn of_an_append_all_counts_or_nothing(
        at in any::<prop::sample::Index>(), noise in prop::option::of(any::<u8>()), zeros in 0usize..40,
    ) {
        let (after, changes) = changed(&sample());
        let (mut bytes, before) = appended(&sample(), &changes);
        let whole = bytes.len();
        let at = before + at.index(whole - before + 1);
        bytes.truncate(at);
        bytes.resize(bytes.len() + zeros, 0);
        bytes.extend(noise);
        let is_as_it_was = bytes.len() >= whole && at == whole;
        let read = read(&bytes).unwrap();
        if is_as_it_was {
            prop_assert_eq!((&read.loaded.state, read.end), (&after, whole as u64));
        } else if read.loaded.state != after {
            // Zeros may be what was cut off.
            prop_assert_eq!((&read.loaded.state, read.end), (&sample(), before as u64));
        }
        prop_assert_eq!(read.rest == Rest::Nothing, read.end == bytes.len() as u64);
    }

    #[test]
    fn no_byte_of_a_state_changes_it_unseen(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (after, changes) = changed(&sample());
        let (mut bytes, before) = appended(&sample(), &changes);
        let at = at.index(bytes.len());
        let was = std::mem::replace(&mut bytes[at], byte);
        match read(&bytes) {
            Err(_) => prop_assert!(at < header().len()),
            Ok(read) if read.loaded.state == after => prop_assert_eq!(byte, was),
            Ok(read) => {
                // Of two groups, the second one is the end of all.
                let expected = if at < before { State::default() } else { sample() };
                prop_assert_eq!(read.loaded.state, expected);
                prop_assert!(at >= before || at < header().len() + HEAD_BYTES || read.rest == Rest::Damaged);
            }
        }
    }

    #[test]
    fn any_entries_are_read_without_a_panic(entries in proptest::collection::vec(any::<u8>(), 0..60), kind in 0u8..7) {
        let mut bytes = header();
        let mut group = begin_group();
        group.push(kind);
        group.extend(entries);
        end_group(0, &mut group);
        bytes.extend(group);
        if let Ok(whole) = read(&bytes) {
            prop_assert_eq!(whole.end, bytes.len() as u64);
            // What is read can be written.
            prop_assert!(read(&written(&whole.loaded.state)).is_ok());
        }
    }
}
