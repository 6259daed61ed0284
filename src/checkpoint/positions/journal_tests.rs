//! The journal over a disk that loses what was not made sure of, and over any bytes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::super::entry::Progress;
use super::super::entry::tests::any_entry;
use super::*;

/// Files as they are after a crash, and up to where that holds after a power failure, too.
#[derive(Debug, Default)]
struct Model {
    files: HashMap<String, Vec<u8>>,
    sure: usize,
    /// The next write comes so far (bytes), and then the power fails or the disk is full.
    fails_at: Option<usize>,
}

#[derive(Debug, Clone, Default)]
struct ModelDisk(Rc<RefCell<Model>>);

impl ModelDisk {
    fn write(&self, length: usize) -> Result<(), usize> {
        match self.0.borrow_mut().fails_at.take() {
            Some(at) => Err(at.min(length)),
            None => Ok(()),
        }
    }
}

impl Disk for ModelDisk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().files.get(name).cloned())
    }

    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Whatever of the new file was written, its name is not over the old one before it is whole.
        self.write(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        let mut model = self.0.borrow_mut();
        model.files.insert(name.into(), bytes.to_vec());
        model.sure = bytes.len();
        Ok(())
    }

    fn go_on(&mut self, name: &str) -> io::Result<()> {
        self.0.borrow().files.get(name).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn append(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let written = self.write(bytes.len());
        let mut model = self.0.borrow_mut();
        let file = model.files.get_mut(FILE_NAME).ok_or(io::ErrorKind::NotFound)?;
        file.truncate(at as usize);
        match written {
            Ok(()) => file.extend_from_slice(bytes),
            // Room may have been made for all of it, and only some written.
            Err(part) => {
                file.extend_from_slice(&bytes[..part]);
                if part % 2 == 1 {
                    file.resize(at as usize + bytes.len(), 0);
                }
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }

    fn syncing(&self) -> io::Result<Syncing> {
        Ok(Box::new(|| Ok(())))
    }

    fn set_aside(&mut self, name: &str) -> io::Result<String> {
        let mut model = self.0.borrow_mut();
        let bytes = model.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        model.files.insert("aside".into(), bytes);
        Ok("aside".into())
    }
}

impl ModelDisk {
    /// The power fails: of what was not made sure of there is a part, or zeros, or nothing.
    fn lose_power(&self, kept: usize, is_zeroed: bool) {
        let Model { files, sure, .. } = &mut *self.0.borrow_mut();
        let Some(file) = files.get_mut(FILE_NAME) else { return };
        let kept = *sure + kept % (file.len() - *sure + 1);
        match is_zeroed {
            true => file[kept..].fill(0),
            false => file.truncate(kept),
        }
    }

    fn make_sure(&self) {
        let mut model = self.0.borrow_mut();
        model.sure = model.files.get(FILE_NAME).map_or(0, Vec::len);
    }
}

/// How a run ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Crash,
    /// With so many bytes of what was not made sure of, the rest being zeros or missing.
    PowerFailure(usize, bool),
}

/// What one moment brings.
#[derive(Debug, Clone)]
struct Moment {
    /// Entries put anew, gone on with, or removed.
    changes: Vec<(u32, Option<Entry>)>,
    /// How far its write comes; `None`: to its end.
    fails_at: Option<usize>,
    is_made_sure: bool,
    /// The run ends after it.
    end: Option<End>,
}

fn any_moment() -> impl Strategy<Value = Moment> {
    let change = (0u32..5, proptest::option::of(any_entry()));
    let end = prop_oneof![
        Just(End::Crash),
        (0usize..2000, any::<bool>()).prop_map(|(kept, is_zeroed)| End::PowerFailure(kept, is_zeroed)),
    ];
    let changes = proptest::collection::vec(change, 0..4);
    let fails_at = proptest::option::weighted(0.2, 0usize..200);
    (changes, fails_at, any::<bool>(), proptest::option::of(end))
        .prop_map(|(changes, fails_at, is_made_sure, end)| Moment { changes, fails_at, is_made_sure, end })
}

/// The change that a new state of an entry is told as: as little as will do.
fn change(before: Option<&Entry>, entry: Option<Entry>) -> Change {
    match (before, entry) {
        (_, None) => Change::Removed,
        (Some(before), Some(Entry { file, settled })) if before.file.path == file.path => {
            Change::Progress(Progress { resume: file.resume, is_finished: file.is_finished, settled })
        }
        (_, Some(entry)) => Change::Put(entry),
    }
}

proptest! {
    /// After a crash there is what was written last, or what was being written; after a power failure what was made sure of
    /// last, or something later.
    #[test]
    fn after_a_crash_nothing_is_missing_and_after_a_power_failure_what_was_not_made_sure_of_may_be(
        moments in proptest::collection::vec(any_moment(), 1..14),
    ) {
        let disk = ModelDisk::default();
        let (mut journal, loaded) = Journal::open(disk.clone()).unwrap();
        prop_assert!(!loaded.was_there);
        let mut now: BTreeMap<u32, Entry> = BTreeMap::new();
        let mut unsaved: Vec<(u32, Change)> = Vec::new();
        // What there may be after a power failure, in the order of time; the last is what there may be after a crash.
        let mut possible: Vec<Vec<Entry>> = vec![Vec::new()];
        // From here on what there may be after a crash.
        let mut written = 0;
        let mut was_written = false;
        for Moment { changes, fails_at, is_made_sure, end } in moments {
            for (number, entry) in changes {
                // Entries of the earlier run are gone on with, too.
                let number = if number > 2 && now.contains_key(&untold(number as usize)) { untold(number as usize) } else { number };
                let change = change(now.get(&number), entry);
                match &change {
                    Change::Put(entry) => drop(now.insert(number, entry.clone())),
                    Change::Progress(progress) => now.get_mut(&number).unwrap().go_on(progress.clone()),
                    Change::Removed => drop(now.remove(&number)),
                }
                unsaved.push((number, change));
            }
            disk.0.borrow_mut().fails_at = fails_at;
            let all: Vec<(u32, Entry)> = now.iter().map(|(number, entry)| (*number, entry.clone())).collect();
            let wants_all = journal.wants_all();
            let saved = if wants_all { journal.write_all(&all) } else { journal.append(&unsaved) };
            disk.0.borrow_mut().fails_at = None;
            possible.push(now.values().cloned().collect());
            if saved.is_ok() {
                unsaved.clear();
                (was_written, written) = (true, possible.len() - 1);
                if is_made_sure && !wants_all {
                    journal.syncing().unwrap()().unwrap();
                    disk.make_sure();
                }
                if is_made_sure || wants_all {
                    possible.drain(..possible.len() - 1);
                    written = 0;
                }
            }
            let Some(end) = end else { continue };
            if let End::PowerFailure(kept, is_zeroed) = end {
                disk.lose_power(kept, is_zeroed);
            }
            let (again, loaded) = Journal::open(disk.clone()).unwrap();
            prop_assert_eq!(loaded.was_there, was_written);
            // What was being written when it failed may be there.
            let from = if matches!(end, End::Crash) { written } else { 0 };
            let found = possible[from..].iter().position(|entries| *entries == loaded.entries);
            prop_assert!(found.is_some(), "{:?} not in {:?}", loaded.entries, possible);
            possible.truncate(from + found.unwrap() + 1);
            if matches!(end, End::PowerFailure(..)) {
                disk.make_sure();
                possible.drain(..possible.len() - 1);
            }
            written = possible.len() - 1;
            // The run that follows goes on with what it found.
            journal = again;
            now = loaded.entries.into_iter().enumerate().map(|(known, entry)| (untold(known), entry)).collect();
            unsaved.clear();
        }
    }

    /// Whatever stands in the file, the agent starts; and what it says then was written once.
    #[test]
    fn a_file_of_any_bytes_is_set_aside_or_says_what_was_written(
        entries in proptest::collection::vec(any_entry(), 1..4), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let disk = ModelDisk::default();
        let (mut journal, _) = Journal::open(disk.clone()).unwrap();
        let numbered: Vec<(u32, Entry)> = (0..).zip(entries.clone()).collect();
        journal.write_all(&numbered).unwrap();
        let mut bytes = disk.0.borrow().files[FILE_NAME].clone();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        let is_changed = disk.0.borrow().files[FILE_NAME] != bytes;
        disk.0.borrow_mut().files.insert(FILE_NAME.into(), bytes);
        let (mut journal, loaded) = Journal::open(disk.clone()).unwrap();
        prop_assert!(loaded.was_there);
        if is_changed {
            prop_assert!(loaded.entries.is_empty() && loaded.message.is_some());
            prop_assert!(disk.0.borrow().files.contains_key("aside"));
        } else {
            prop_assert_eq!(loaded.entries, entries);
        }
        journal.write_all(&numbered).unwrap();
        journal.append(&[(0, Change::Removed)]).unwrap();
        prop_assert_eq!(Journal::open(disk).unwrap().1.entries.len(), numbered.len() - 1);
    }
}

#[test]
fn a_newer_file_and_an_empty_one_are_set_aside_and_said() {
    for (bytes, words) in [
        (&b""[..], "is damaged; it was set aside as aside"),
        (
            b"spanline positions 2\nwhatever",
            "has version 2, which this spanline does not know; it was set aside as aside",
        ),
        (b"spanline positions 1\n", "is damaged"),
        (b"garbage", "is damaged"),
    ] {
        let disk = ModelDisk::default();
        disk.0.borrow_mut().files.insert(FILE_NAME.into(), bytes.to_vec());
        let (_, loaded) = Journal::open(disk).unwrap();
        assert!(loaded.was_there && loaded.entries.is_empty());
        assert!(loaded.message.unwrap().starts_with(words));
    }
}

#[test]
fn a_journal_that_has_grown_is_written_anew() {
    let entry = || Entry {
        file: crate::files::followed::FollowedFile {
            path: "x".repeat(9000).into(),
            family: "x".into(),
            id: crate::files::identity::FileId::new(1, 2),
            prefix: Default::default(),
            resume: Default::default(),
            is_finished: false,
        },
        settled: Vec::new(),
    };
    let disk = ModelDisk::default();
    let (mut journal, _) = Journal::open(disk.clone()).unwrap();
    journal.write_all(&[(0, entry())]).unwrap();
    let mut appended = 0;
    while !journal.wants_all() {
        journal.append(&[(0, Change::Put(entry()))]).unwrap();
        appended += 1;
    }
    assert!((100..130).contains(&appended), "{appended}");
    journal.write_all(&[(0, entry())]).unwrap();
    assert!(!journal.wants_all() && disk.0.borrow().files[FILE_NAME].len() < 10_000);
}
