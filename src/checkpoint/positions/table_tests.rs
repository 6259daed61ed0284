//! Positions against a model that knows which bytes are settled: nothing is ever resumed behind what is not.

use proptest::prelude::*;

use super::*;
use crate::files::followed::{Place, Sample};
use crate::files::identity::FileId;

fn facts(file: u64, at: u64) -> FollowedFile {
    FollowedFile {
        path: format!("/logs/{file}").into(),
        family: "/logs/0".into(),
        id: FileId::new(1, file),
        prefix: Sample { len: 1, hash: file },
        resume: Place { at, frontier: Sample { len: 1, hash: at } },
        is_finished: false,
    }
}

#[derive(Debug, Clone)]
enum Action {
    /// Reads so many records, of these streams, into the current file, and whether the last one stays open.
    Read(Vec<u8>, bool),
    /// Settles one of what is outstanding.
    Settle(prop::sample::Index),
    /// The next file of the source begins.
    Rotate,
    /// The oldest file is deleted.
    Delete,
    /// The current file is not read for a while.
    Rest,
    Restart,
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (proptest::collection::vec(0u8..3, 0..4), any::<bool>()).prop_map(|(streams, open)| Action::Read(streams, open)),
        4 => any::<prop::sample::Index>().prop_map(Action::Settle),
        1 => Just(Action::Rotate),
        1 => Just(Action::Delete),
        1 => Just(Action::Rest),
        1 => Just(Action::Restart),
    ]
}

/// Ten bytes to a record.
const RECORD: u64 = 10;

#[derive(Debug, Default)]
struct Model {
    /// Of each file: its number, how far it was read, and per record its stream and whether it is settled.
    files: Vec<ModelFile>,
    /// Receipts, with the file and the record that they are of.
    outstanding: Vec<(Receipt, usize, usize)>,
}

#[derive(Debug, Default)]
struct ModelFile {
    number: u32,
    read: u64,
    records: Vec<(u8, bool)>,
    open: Option<u64>,
    has_ended: bool,
    is_deleted: bool,
}

impl Model {
    /// Up to where a file may be resumed from.
    fn limit(&self, at: usize) -> u64 {
        let settled = |file: &ModelFile| file.records.iter().position(|(_, settled)| !settled);
        let is_done = |file: &ModelFile| file.has_ended && settled(file).is_none() && file.open.is_none();
        let file = &self.files[at];
        let first = settled(file).map_or(u64::MAX, |at| at as u64 * RECORD);
        if self.files[..at].iter().all(is_done) { first.min(file.open.unwrap_or(u64::MAX)).min(file.read) } else { 0 }
    }
}

fn numbered(file: usize) -> FollowedFile {
    facts(file as u64, 0)
}

proptest! {
    #[test]
    fn nothing_is_resumed_behind_what_is_not_settled(actions in proptest::collection::vec(any_action(), 1..60)) {
        let mut positions = Positions::default();
        let mut model = Model::default();
        let mut next = 0;
        let begin = |positions: &mut Positions, model: &mut Model, next: &mut u32| {
            positions.file_begins(7, *next, numbered(model.files.len()));
            model.files.push(ModelFile { number: *next, ..ModelFile::default() });
            *next += 1;
        };
        begin(&mut positions, &mut model, &mut next);
        let mut streams: HashMap<(usize, u8), u32> = HashMap::new();
        // As somebody has it who is told of changes only.
        let mut told: BTreeMap<u32, Entry> = BTreeMap::new();
        for action in actions {
            let current = model.files.len() - 1;
            match action {
                Action::Read(written, open) => {
                    let file = &mut model.files[current];
                    if file.open.is_some() && written.is_empty() {
                        continue;
                    }
                    for stream in written {
                        let from = file.records.len() as u64 * RECORD;
                        let number = *streams
                            .entry((current, stream))
                            .or_insert_with(|| positions.stream(file.number, stream.into()));
                        let (after, is_settled) = positions.hand_out(number, from, from + RECORD, true);
                        file.records.push((stream, is_settled));
                        prop_assert!(after <= from);
                        if !is_settled {
                            let receipt = Receipt { source: number, from: after, to: from + RECORD };
                            model.outstanding.push((receipt, current, file.records.len() - 1));
                        }
                    }
                    // The open one begins where the handed out ones end.
                    let end = file.records.len() as u64 * RECORD;
                    file.read = end + if open { 4 } else { 0 };
                    file.open = open.then_some(end);
                    positions.place(file.number, &facts(current as u64, file.read), file.open);
                }
                Action::Settle(index) if !model.outstanding.is_empty() => {
                    let at = index.index(model.outstanding.len());
                    let (receipt, file, record) = model.outstanding.swap_remove(at);
                    model.files[file].records[record].1 = true;
                    positions.settle(&[receipt]);
                }
                Action::Rotate => {
                    let file = &mut model.files[current];
                    file.open = None;
                    file.has_ended = true;
                    positions.read_up_to(file.number, facts(current as u64, file.read).resume, None);
                    positions.file_ends(file.number);
                    begin(&mut positions, &mut model, &mut next);
                }
                Action::Rest => {
                    positions.rest(model.files[current].number);
                    // Whoever hands out records after that asks for the streams anew.
                    streams.retain(|(file, _), _| *file != current);
                }
                Action::Delete => {
                    if let Some(file) = model.files.iter_mut().find(|file| file.has_ended && !file.is_deleted) {
                        file.is_deleted = true;
                        positions.file_is_gone(file.number);
                    }
                }
                Action::Restart => {
                    let entries = positions.entries();
                    let before: Vec<u32> = entries.iter().map(|(number, _)| *number).collect();
                    positions = Positions::new(entries.into_iter().map(|(_, entry)| entry).collect());
                    told = positions.entries().into_iter().collect();
                    streams.clear();
                    model.outstanding.clear();
                    // Files that are still there are read again from where they are to be resumed; here, from their beginning.
                    let old = std::mem::take(&mut model.files).into_iter().filter(|file| !file.is_deleted);
                    for old in old {
                        let known = before.iter().position(|number| *number == old.number);
                        if let Some(known) = known {
                            positions.known_file(known, Some(next));
                        }
                        begin(&mut positions, &mut model, &mut next);
                        let file = model.files.last_mut().unwrap();
                        file.has_ended = old.has_ended;
                        if file.has_ended {
                            positions.file_ends(file.number);
                        }
                    }
                    if model.files.is_empty() {
                        begin(&mut positions, &mut model, &mut next);
                    }
                }
                Action::Settle(_) => {}
            }
            for (number, change) in positions.take_changes() {
                match change {
                    Change::Put(entry) => drop(told.insert(number, entry)),
                    Change::Progress(progress) => told.get_mut(&number).unwrap().go_on(progress),
                    Change::Removed => drop(told.remove(&number)),
                }
            }
            let entries: BTreeMap<u32, Entry> = positions.entries().into_iter().collect();
            prop_assert_eq!(&told, &entries);
            for (at, file) in model.files.iter().enumerate() {
                match entries.get(&file.number) {
                    Some(entry) => prop_assert!(entry.file.resume.at <= model.limit(at), "{at}: {entry:?} {model:?}"),
                    // Forgotten: it is gone, and all of it was delivered.
                    None => prop_assert!(file.is_deleted && file.records.iter().all(|(_, settled)| *settled)),
                }
            }
        }
        // Once everything is settled, everything that was read is passed.
        for (receipt, file, record) in std::mem::take(&mut model.outstanding) {
            model.files[file].records[record].1 = true;
            positions.settle(&[receipt]);
        }
        prop_assert!(positions.is_delivered());
        let entries: HashMap<u32, Entry> = positions.entries().into_iter().collect();
        for (at, file) in model.files.iter().enumerate().filter(|(_, file)| file.open.is_none()) {
            if let Some(entry) = entries.get(&file.number) {
                prop_assert_eq!(entry.file.resume.at, model.limit(at));
                prop_assert!(!file.has_ended || entry.file.is_finished || model.limit(at) < file.read);
            }
        }
    }
}

#[test]
fn what_was_settled_behind_the_place_to_resume_from_is_not_sent_again() {
    let mut positions = Positions::default();
    positions.file_begins(1, 0, facts(0, 0));
    let stream = positions.stream(0, 9);
    for from in [0, 10, 20] {
        positions.hand_out(stream, from, from + 10, true);
    }
    positions.place(0, &facts(0, 30), None);
    positions.settle(&[Receipt { source: stream, from: 10, to: 30 }]);
    let entries: Vec<Entry> = positions.entries().into_iter().map(|(_, entry)| entry).collect();
    assert_eq!((entries[0].file.resume.at, entries[0].settled[0].1.list()), (0, vec![(10, 30)]));
    let mut again = Positions::new(entries.clone());
    // Until it is told which file it is of, it is kept.
    assert_eq!(again.entries(), [(u32::MAX, entries[0].clone())]);
    again.known_file(0, Some(3));
    assert_eq!(again.take_changes(), [(u32::MAX, Change::Removed), (3, Change::Put(entries[0].clone()))]);
    assert_eq!(again.entries(), [(3, entries[0].clone())]);
    again.file_begins(5, 3, facts(0, 0));
    let stream = again.stream(3, 9);
    let settled: Vec<bool> = [0, 10, 20, 30].map(|from| again.hand_out(stream, from, from + 10, true).1).to_vec();
    assert_eq!(settled, [false, true, true, false]);
    again.place(3, &facts(0, 40), None);
    again.settle(&[Receipt { source: stream, from: 0, to: 10 }]);
    again.settle(&[Receipt { source: stream, from: 30, to: 40 }]);
    assert_eq!(again.entries()[0].1.file.resume.at, 40);
    // What is resumed elsewhere is another file, or was written anew.
    let mut other = Positions::new(entries);
    other.known_file(0, Some(3));
    other.file_begins(5, 3, facts(0, 7));
    let stream = other.stream(3, 9);
    assert!(!other.hand_out(stream, 10, 20, true).1);
}

#[test]
fn a_file_that_is_gone_is_forgotten_once_all_of_it_is_settled() {
    let mut positions = Positions::default();
    positions.file_begins(1, 0, facts(0, 0));
    let stream = positions.stream(0, 9);
    positions.hand_out(stream, 0, 10, true);
    positions.place(0, &facts(0, 10), None);
    positions.file_ends(0);
    positions.file_is_gone(0);
    assert_eq!(positions.take_changes().len(), 1);
    positions.settle(&[Receipt { source: stream, from: 0, to: 10 }]);
    assert_eq!((positions.take_changes(), positions.entries()), (vec![(0, Change::Removed)], vec![]));
    // Its stream's number is free for another one.
    positions.file_begins(1, 1, facts(1, 0));
    assert_eq!(positions.stream(1, 9), stream);
    let mut missing = Positions::new(vec![Entry { file: facts(0, 0), settled: Vec::new() }]);
    missing.known_file(0, None);
    assert_eq!(missing.entries(), []);
}
