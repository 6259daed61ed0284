//! The state on disk: what is left of it whatever happens to a write.

use std::sync::Arc;

use super::super::groups::tests::{sample, written};
use super::super::ranges::Ranges;
use super::*;

const FILES_MAX: usize = 1000;

fn opened(folder: &tempfile::TempDir) -> Store {
    Store::open(folder.path()).unwrap()
}

/// Saves all of a state.
fn save_all(store: &Store, state: &State) {
    let changes = Changes { all: true, ..Changes::default() };
    store.save(&changes, &|| state.clone()).unwrap();
}

/// What a run changes that settles more of the first file.
fn change(state: &mut State, to: u64) -> Changes {
    Arc::make_mut(&mut state.files[0]).streams.or_default(2).settled.or_default(0).ranges.add(0, to);
    let files = vec![(0, Arc::clone(&state.files[0]))];
    let destinations = state.destinations.clone();
    Changes { all: false, run: state.run, destinations, files, met: Ranges::default() }
}

/// Not called where what changed is enough.
fn never() -> State {
    panic!("it is appended");
}

fn loaded(store: &Store) -> (State, Vec<String>) {
    let (mut state, messages) = store.load(FILES_MAX).unwrap();
    // The run that has begun.
    state.run -= 1;
    (state, messages)
}

fn damaged(store: &Store) -> usize {
    let names = fs::read_dir(store.folder.path(".")).unwrap().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().contains("damaged")).count()
}

#[test]
fn a_folder_is_open_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let message = Store::open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("in use by another run"), "{message}");
    drop(store);
    assert_eq!(opened(&folder).unlocked(), None);
}

#[test]
fn what_was_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state")).unwrap();
    assert_eq!(loaded(&store), (State::default(), vec![]));
    let mut state = sample();
    save_all(&store, &state);
    assert_eq!(loaded(&store), (state.clone(), vec![]));
    for to in [20, 30] {
        let changes = change(&mut state, to);
        store.save(&changes, &never).unwrap();
        assert_eq!(loaded(&store), (state.clone(), vec![]));
    }
}

#[test]
fn damage_is_set_aside_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let mut number = 0;
    for name in [FILE_NAME, LEDGER_NAME] {
        for bytes in [&b""[..], b"no state", b"{\"version\":2,\"chec"] {
            save_all(&store, &sample());
            fs::write(store.folder.path(name), bytes).unwrap();
            let (state, messages) = loaded(&store);
            assert!(state == State::default() && messages[0].contains("set aside"), "{messages:?}");
            assert!(!store.folder.path(name).exists());
            number += 1;
            assert_eq!(damaged(&store), number);
            // The next run begins anew.
            store.ledger().is_marked = store.folder.path(FILE_NAME).exists();
        }
    }
    save_all(&store, &sample());
    fs::remove_file(store.folder.path(LEDGER_NAME)).unwrap();
    let (state, messages) = loaded(&store);
    assert!(state == State::default() && messages[0].contains("backfill.ledger is missing"), "{messages:?}");
}

#[test]
fn what_was_not_written_to_its_end_is_cut_off_and_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut state, store) = (sample(), opened(&folder));
    save_all(&store, &state);
    let before = state.clone();
    store.save(&change(&mut state, 20), &never).unwrap();
    let (all, whole) = (fs::read(store.folder.path(LEDGER_NAME)).unwrap(), written(&before).len());
    for length in [whole + 1, whole + 17, all.len() - 1] {
        fs::write(store.folder.path(LEDGER_NAME), &all[..length]).unwrap();
        let (loaded_state, messages) = loaded(&store);
        assert_eq!(loaded_state, before);
        assert!(messages[0].contains(&format!("its last {} bytes are cut off", length - whole)), "{messages:?}");
        assert_eq!(loaded(&store), (before.clone(), vec![]));
        store.save(&change(&mut state, 30), &never).unwrap();
        assert_eq!(loaded(&store), (state.clone(), vec![]));
    }
    assert_eq!(damaged(&store), 0);
}

#[test]
fn damage_in_the_middle_costs_what_follows_and_is_kept_to_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let (mut state, store) = (sample(), opened(&folder));
    save_all(&store, &state);
    let before = state.clone();
    for to in [20, 30] {
        store.save(&change(&mut state, to), &never).unwrap();
    }
    let mut bytes = fs::read(store.folder.path(LEDGER_NAME)).unwrap();
    bytes[written(&before).len() + 20] ^= 1;
    fs::write(store.folder.path(LEDGER_NAME), &bytes).unwrap();
    let (loaded_state, messages) = loaded(&store);
    assert!(loaded_state == before && messages[0].contains("is damaged from byte"), "{messages:?}");
    assert_eq!(fs::read(store.folder.path("backfill.ledger.damaged")).unwrap(), bytes);
    // All of it is written, since nothing can be appended.
    store.save(&change(&mut state, 40), &|| before.clone()).unwrap();
    assert_eq!(loaded(&store), (before, vec![]));
}

#[test]
fn a_write_that_fails_is_cut_off_before_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut state, store) = (sample(), opened(&folder));
    save_all(&store, &state);
    let whole = fs::metadata(store.folder.path(LEDGER_NAME)).unwrap().len();
    let writable = store.ledger().file.take();
    // Nothing can be written to it, as on a disk that is full.
    store.ledger().file = Some(File::open(store.folder.path(LEDGER_NAME)).unwrap());
    let message = store.save(&change(&mut state, 20), &never).unwrap_err().to_string();
    assert!(message.contains("backfill.ledger: "), "{message}");
    // Of the write a part has come to the disk.
    let mut torn = fs::read(store.folder.path(LEDGER_NAME)).unwrap();
    torn.extend([7; 500]);
    fs::write(store.folder.path(LEDGER_NAME), torn).unwrap();
    store.save(&change(&mut state, 20), &never).unwrap_err();
    store.ledger().file = writable;
    store.save(&change(&mut state, 20), &never).unwrap();
    assert!(fs::metadata(store.folder.path(LEDGER_NAME)).unwrap().len() < whole + 500);
    assert_eq!(loaded(&store), (state, vec![]));
}

#[test]
fn a_state_that_has_grown_is_written_anew_and_if_that_fails_it_grows_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut state, store) = (sample(), opened(&folder));
    save_all(&store, &state);
    let whole = fs::metadata(store.folder.path(LEDGER_NAME)).unwrap().len();
    let length = || fs::metadata(store.folder.path(LEDGER_NAME)).unwrap().len();
    let mut to = 100;
    while length() <= whole + GROWN_BYTES {
        to += 1;
        let mut changes = change(&mut state, to);
        changes.files = vec![changes.files[0].clone(); 1000];
        store.save(&changes, &never).unwrap();
    }
    fs::create_dir_all(store.folder.path("backfill.ledger.new/in-the-way")).unwrap();
    let grown = length();
    store.save(&change(&mut state, 5000), &|| sample()).unwrap();
    assert!(length() > grown);
    assert_eq!(loaded(&store), (state.clone(), vec![]));
    fs::remove_dir_all(store.folder.path("backfill.ledger.new")).unwrap();
    let changes = change(&mut state, 6000);
    store.save(&changes, &|| state.clone()).unwrap();
    assert!(length() <= whole + 50, "{}", length());
    assert_eq!(loaded(&store), (state, vec![]));
}

#[test]
fn a_state_of_an_earlier_version_is_turned_into_this_one_by_the_next_save() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let earlier = include_str!("../../testdata/state/version-2.json");
    fs::write(store.folder.path(FILE_NAME), earlier).unwrap();
    // What a later version left behind is not what is used.
    fs::write(store.folder.path(LEDGER_NAME), written(&sample())).unwrap();
    let (state, messages) = loaded(&store);
    assert!(messages.is_empty() && state.files.len() == 2, "{messages:?}");
    assert_eq!(state.destinations, ["otlp=http://127.0.0.1:43189/v1/logs"]);
    store.save(&Changes::default(), &|| state.clone()).unwrap();
    assert_eq!(fs::read(store.folder.path(FILE_NAME)).unwrap(), MARKER.as_bytes());
    assert_eq!(loaded(&store), (state, vec![]));
}

#[test]
fn until_the_version_is_told_all_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    fs::create_dir_all(store.folder.path("backfill.json.new/in-the-way")).unwrap();
    let save = || store.save(&Changes { all: true, ..Changes::default() }, &sample);
    let message = save().unwrap_err().to_string();
    assert!(message.contains("backfill.json: "), "{message}");
    assert_eq!(loaded(&store), (State::default(), vec![]));
    fs::remove_dir_all(store.folder.path("backfill.json.new")).unwrap();
    store.save(&Changes::default(), &sample).unwrap();
    assert_eq!(loaded(&store), (sample(), vec![]));
}

#[test]
fn files_beyond_the_limit_are_forgotten_and_said_and_all_is_written_then() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let mut state = sample();
    state.files.push(state.files[0].clone());
    save_all(&store, &state);
    let (loaded_state, messages) = store.load(1).unwrap();
    assert!(messages[0].contains("more than 1 files: the 1 that"), "{messages:?}");
    store.save(&Changes::default(), &|| loaded_state.clone()).unwrap();
    assert_eq!(loaded(&store), (loaded_state, vec![]));
}

#[test]
fn a_state_that_is_not_known_is_refused_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let newer = [b"spanline ledger 4\n", &b"more"[..]].concat();
    for (name, bytes, words) in [
        (FILE_NAME, &b"{\"version\":4}"[..], "has version 4"),
        (FILE_NAME, b"{\"ledger\": []}", "does not know"),
        (FILE_NAME, b"{\"version\":3,\"ledger\":\"other\"}", "does not know"),
        (LEDGER_NAME, &newer, "has version 4"),
    ] {
        save_all(&store, &sample());
        fs::write(store.folder.path(name), bytes).unwrap();
        let message = store.load(FILES_MAX).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
        assert_eq!(fs::read(store.folder.path(name)).unwrap(), bytes);
        fs::write(store.folder.path(FILE_NAME), MARKER).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_state() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("a/state");
    let store = Store::open(&made).unwrap();
    for name in [FILE_NAME, LEDGER_NAME] {
        let fresh = made.join(format!("{name}.new"));
        fs::write(&fresh, "left behind").unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o644)).unwrap();
    }
    save_all(&store, &sample());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([FILE_NAME, LEDGER_NAME, "lock"].map(|name| mode(&made.join(name))), [0o600; 3]);
    assert_eq!(mode(&made), 0o700);
}
