//! The state as bytes that are appended to: a header, then groups of entries, each with a checksum.
//!
//! In go a [`State`], or what changed of it, out come bytes, and the reverse. A group counts as a whole or not at all, and so
//! does all that follows one that is not whole: what is left is what an earlier write said. Files are not known here.

use std::sync::Arc;

use super::entries::{self, Loaded, Loading};
use super::ledger::{File, State};
use super::ranges::Ranges;
use super::versions::{Unreadable, VERSION};

/// header = TITLE version LF
const TITLE: &[u8] = b"spanline ledger ";
/// Digits of the highest version that is told as such.
const DIGITS_MAX: usize = 9;
/// checksum length, before the entries of a group
const HEAD_BYTES: usize = 16;
/// Entries of a group, where all is written: one that is damaged costs no more than that.
const GROUP_BYTES: usize = 1 << 20;

/// What changed since the last write.
#[derive(Debug, Default)]
pub struct Changes {
    /// Nothing can be appended to what was written: all of it is to be written anew.
    pub all: bool,
    /// See [`State::run`].
    pub run: u32,
    /// See [`State::destinations`].
    pub destinations: Vec<String>,
    /// Files that changed, by their numbers.
    pub files: Vec<(u32, Arc<File>)>,
    /// Numbers of files that this run met, and that may be as they were.
    pub met: Ranges,
}

/// How much of the state a reader of the bytes knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Destinations that have names.
    pub destinations: usize,
    /// See [`State::run`].
    pub run: u32,
}

impl Known {
    /// Of a reader that knows all of a state.
    pub(super) fn of(state: &State) -> Known {
        Known { destinations: state.destinations.len(), run: state.run }
    }
}

/// Writes all of a state, in parts.
pub(crate) fn write_all<E>(state: &State, write: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let header = header();
    write(&header)?;
    let mut at = header.len() as u64;
    let mut group = begin_group();
    entries::put_run(&mut group, state.run);
    state.destinations.iter().for_each(|name| entries::put_destination(&mut group, name));
    state.version_1.iter().for_each(|(name, ledger)| entries::put_version_1(&mut group, name, ledger));
    for (number, file) in state.files.iter().enumerate().filter(|(_, file)| file.is_of_use()) {
        entries::put_file(&mut group, number as u32, file);
        if group.len() >= GROUP_BYTES {
            end_group(at, &mut group);
            write(&group)?;
            at += group.len() as u64;
            group = begin_group();
        }
    }
    end_group(at, &mut group);
    write(&group)
}

/// The group to append at an offset; `None` if it would say nothing new.
pub(crate) fn group(at: u64, changes: &Changes, known: Known) -> Option<Vec<u8>> {
    let mut group = begin_group();
    if changes.run > known.run {
        entries::put_run(&mut group, changes.run);
    }
    let new = changes.destinations.get(known.destinations..).unwrap_or_default();
    new.iter().for_each(|name| entries::put_destination(&mut group, name));
    if !changes.met.is_empty() {
        entries::put_met(&mut group, &changes.met);
    }
    for (number, file) in changes.files.iter().filter(|(_, file)| file.is_of_use()) {
        entries::put_file(&mut group, *number, file);
    }
    end_group(at, &mut group);
    (group.len() > HEAD_BYTES).then_some(group)
}

/// What was read of a state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// What the whole groups say.
    pub(crate) loaded: Loaded,
    /// Where they end.
    pub(crate) end: u64,
    /// What follows them.
    pub(crate) rest: Rest,
}

/// What follows the last whole group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    Nothing,
    /// The beginning of a group: writing it was cut short.
    Torn,
    /// A group that is not what was written, and more behind it.
    Damaged,
}

/// Reads a state.
pub(crate) fn read(bytes: &[u8]) -> Result<Whole, Unreadable> {
    let header = header();
    if !bytes.starts_with(&header) {
        return Err(version(bytes).map_or(Unreadable::Damaged, Unreadable::Newer));
    }
    let (mut at, mut loading) = (header.len(), Loading::default());
    let rest = loop {
        match next_group(bytes, at) {
            Ok(Some((entries, end))) => {
                loading.take(entries).ok_or(Unreadable::Unknown)?;
                at = end;
            }
            Ok(None) => break Rest::Nothing,
            Err(rest) => break rest,
        }
    };
    Ok(Whole { loaded: loading.finish(), end: at as u64, rest })
}

fn header() -> Vec<u8> {
    [TITLE, VERSION.to_string().as_bytes(), b"\n"].concat()
}

/// The version of a state that has another one.
fn version(bytes: &[u8]) -> Option<u32> {
    let rest = bytes.strip_prefix(TITLE)?;
    let end = rest.iter().take(DIGITS_MAX + 1).position(|byte| *byte == b'\n')?;
    str::from_utf8(&rest[..end]).ok()?.parse().ok().filter(|version| *version != VERSION)
}

fn begin_group() -> Vec<u8> {
    vec![0; HEAD_BYTES]
}

/// Fills in the head of a group that will stand at an offset: at another one it is none.
fn end_group(at: u64, group: &mut [u8]) {
    let length = (group.len() - HEAD_BYTES) as u64;
    group[8..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
    let checksum = twox_hash::XxHash64::oneshot(at, &group[8..]);
    group[..8].copy_from_slice(&checksum.to_le_bytes());
}

/// The entries of the group at an offset, and where it ends; `None` at the end of all.
fn next_group(bytes: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, Rest> {
    let rest = &bytes[at..];
    if rest.is_empty() {
        return Ok(None);
    }
    let (head, entries) = rest.split_at_checked(HEAD_BYTES).ok_or(Rest::Torn)?;
    let [checksum, length] =
        [&head[..8], &head[8..]].map(|bytes| bytes.iter().rfold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    let length = usize::try_from(length).ok().filter(|length| *length <= entries.len()).ok_or(Rest::Torn)?;
    if twox_hash::XxHash64::oneshot(at as u64, &rest[8..HEAD_BYTES + length]) == checksum {
        return Ok(Some((&entries[..length], at + HEAD_BYTES + length)));
    }
    // Room that was made for a group, and not written before the power failed, is full of zeros.
    let is_last = length == entries.len() || rest.iter().all(|byte| *byte == 0);
    Err(if is_last { Rest::Torn } else { Rest::Damaged })
}

#[cfg(test)]
pub(super) mod tests {
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

    fn state_of(bytes: &[u8]) -> State {
        let whole = read(bytes).unwrap();
        assert_eq!((whole.rest, whole.end), (Rest::Nothing, bytes.len() as u64));
        whole.loaded.state
    }

    /// A state with what changed appended.
    fn appended(state: &State, changes: &Changes) -> (Vec<u8>, usize) {
        let mut bytes = written(state);
        let before = bytes.len();
        let group = group(before as u64, changes, Known::of(state));
        bytes.extend(group.unwrap_or_default());
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
        let changes = Changes {
            all: false,
            run: after.run,
            destinations: after.destinations.clone(),
            files: files.collect(),
            met,
        };
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
        end_group(unknown.len() as u64, &mut group);
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
            end_group(bytes.len() as u64, &mut group);
            bytes.extend(group);
            if let Ok(whole) = read(&bytes) {
                prop_assert_eq!(whole.end, bytes.len() as u64);
                // What is read can be written.
                prop_assert!(read(&written(&whole.loaded.state)).is_ok());
            }
        }
    }
}
