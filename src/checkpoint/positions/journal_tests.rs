//! The journal over a disk that loses what was not made sure of, and over any bytes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::super::entry::tests::any_entry;
use super::*;

/// Files as they are after a power failure: of what was not made sure of, any part.
#[derive(Debug, Default)]
struct Model {
    files: HashMap<String, Vec<u8>>,
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
        self.0.borrow_mut().files.insert(name.into(), bytes.to_vec());
        Ok(())
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

    fn set_aside(&mut self, name: &str) -> io::Result<String> {
        let mut model = self.0.borrow_mut();
        let bytes = model.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        model.files.insert("aside".into(), bytes);
        Ok("aside".into())
    }
}

type Change = (u32, Option<Entry>);

/// What one moment brings: changes, how far its write comes (`None`: to its end), and whether the agent starts anew after it.
fn any_moment() -> impl Strategy<Value = (Vec<Change>, Option<usize>, bool)> {
    let change = (0u32..5, proptest::option::of(any_entry()));
    (proptest::collection::vec(change, 0..4), proptest::option::of(0usize..200), any::<bool>())
}

proptest! {
    /// Whenever the power fails, what is read is what was written down last, or what was being written.
    #[test]
    fn after_a_power_failure_there_is_what_was_made_sure_of_or_more(
        moments in proptest::collection::vec(any_moment(), 1..12),
    ) {
        let disk = ModelDisk::default();
        let (mut journal, loaded) = Journal::open(disk.clone()).unwrap();
        prop_assert!(!loaded.was_there);
        let mut now: BTreeMap<u32, Entry> = BTreeMap::new();
        // What may be there: what was made sure of, or what was being written since.
        let mut possible: Vec<Vec<Entry>> = Vec::new();
        let mut is_sure = false;
        let mut unsaved: Vec<Change> = Vec::new();
        for (changes, fails_at, restarts) in moments {
            for (number, entry) in changes {
                match &entry {
                    Some(entry) => drop(now.insert(number, entry.clone())),
                    None => drop(now.remove(&number)),
                }
                unsaved.push((number, entry));
            }
            disk.0.borrow_mut().fails_at = fails_at;
            let all: Vec<(u32, Entry)> = now.iter().map(|(number, entry)| (*number, entry.clone())).collect();
            let saved = if journal.wants_all() { journal.write_all(&all) } else { journal.append(&unsaved) };
            disk.0.borrow_mut().fails_at = None;
            if saved.is_ok() {
                (possible, is_sure) = (Vec::new(), true);
                unsaved.clear();
            }
            possible.push(now.values().cloned().collect());
            let (again, loaded) = Journal::open(disk.clone()).unwrap();
            prop_assert_eq!(loaded.was_there, is_sure);
            let is_possible = if is_sure { possible.contains(&loaded.entries) } else { loaded.entries.is_empty() };
            prop_assert!(is_possible);
            if restarts {
                journal = again;
                now = (0..).zip(loaded.entries).collect();
                possible = vec![now.values().cloned().collect()];
                unsaved.clear();
            }
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
        journal.append(&[(0, None)]).unwrap();
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
        journal.append(&[(0, Some(entry()))]).unwrap();
        appended += 1;
    }
    assert!((100..130).contains(&appended), "{appended}");
    journal.write_all(&[(0, entry())]).unwrap();
    assert!(!journal.wants_all() && disk.0.borrow().files[FILE_NAME].len() < 10_000);
}
