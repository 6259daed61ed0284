//! What destinations have acknowledged of files: ranges of records, by stream and destination.
//!
//! In go ranges in any order, out comes whether a record lies in one as a whole: one that has grown since does not. Ranges
//! that touch become one, so a finished file takes one range whatever its size. What was sent without traces, and what was
//! refused, is told apart.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::marks::{MARKS_MAX, MARKS_MIN, MARKS_OF_ALL_MAX, Marks};
use super::ranges::Ranges;
use super::small_map::SmallMap;

/// Which records of a file are meant: those of one writer.
pub type Key = u128;

/// What one destination had acknowledged, as states of version 1 kept it.
pub type Version1 = HashMap<Key, Ranges>;

/// Files that are remembered: of more, those go that no run has met for longest. As written about 10 MB.
pub const FILES_MAX: usize = 100_000;
/// Refusals of one stream that are told apart; more are counted with the last one.
const REFUSALS_MAX: usize = 1000;

/// All that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Names of destinations; elsewhere they are named by their index here.
    pub destinations: Vec<String>,
    /// Files that anything was sent of; elsewhere they are named by their index here. Shared, so that writing the state down
    /// does not copy what has not changed.
    pub files: Vec<Arc<File>>,
    /// Runs so far.
    pub run: u32,
    /// What a state of version 1 held and no file was found for yet.
    pub version_1: BTreeMap<String, Version1>,
}

/// A file, wherever it lies and whatever it is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// A hash of its writer, among whose files it is looked for.
    pub source: u64,
    /// The last run that met it.
    pub met: u32,
    /// What its bytes were.
    pub marks: Marks,
    /// Its records, by writer.
    pub streams: SmallMap<Key, Stream>,
    /// What it came to when it was read to its end.
    pub outline: Option<Outline>,
}

/// What reading a file to its end came to: while its bytes, and what it follows, are the same, it comes to the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// A hash of how it was read: what decides which streams and records there are.
    pub reading: u64,
    /// A hash of the bytes of all files before it in its source; 0 for the first one.
    pub follows: u64,
    /// Where the records of the file end, as [`super::marks::Running::end`] has it.
    pub end: u64,
    /// Records of the whole source, if it was the last file; else 0.
    pub records: u64,
}

/// Records of one writer in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// Records that go on in the next file: where they end, as if it were in this one, and a hash of what they say.
    pub joined: SmallMap<u64, u64>,
    /// What became of them, by destination.
    pub settled: SmallMap<u32, Settled>,
    /// Where the last of them ends, as the file's outline has it.
    pub end: u64,
}

/// What need not be sent to a destination again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Acknowledged, or dropped on purpose.
    pub ranges: Ranges,
    /// Those of them that were sent by a run that had no traces to link them to.
    pub untraced: Ranges,
    /// Those of them that were refused for good.
    pub refused: Vec<Refusal>,
}

/// Records that a destination refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Offset of the first one.
    pub from: u64,
    /// Offset after the last one.
    pub to: u64,
    /// How many of the records in between.
    pub records: u64,
    /// Why.
    pub reason: String,
}

/// How a range was settled.
#[derive(Debug, Clone, Copy)]
pub struct Settlement<'r> {
    /// The run had traces.
    pub traced: bool,
    /// How many were refused, and why.
    pub refused: Option<(u64, &'r str)>,
}

impl State {
    /// The index of a destination; a new one if it is not known.
    pub fn destination(&mut self, name: &str) -> u32 {
        let at = self.destinations.iter().position(|known| known == name).unwrap_or_else(|| {
            self.destinations.push(name.to_owned());
            self.destinations.len() - 1
        });
        at as u32
    }

    /// Begins a run: of more than `files_max` files, those are dropped that no run has met for longest. Returns how many.
    pub fn begin_run(&mut self, files_max: usize) -> usize {
        self.run = self.run.saturating_add(1);
        let of_use = self.files.iter().filter(|file| file.is_of_use()).count();
        let forgotten = of_use.saturating_sub(files_max);
        if forgotten > 0 {
            self.files.retain(|file| file.is_of_use());
            self.files.sort_by_key(|file| std::cmp::Reverse(file.met));
            self.files.truncate(files_max);
        }
        forgotten
    }

    /// How many marks each file may keep.
    pub fn marks_max(&self) -> usize {
        (MARKS_OF_ALL_MAX / self.files.len().max(1)).clamp(MARKS_MIN, MARKS_MAX)
    }
}

impl File {
    /// Whether anything was settled of it.
    pub fn is_of_use(&self) -> bool {
        self.streams.values().flat_map(|stream| stream.settled.values()).any(|settled| !settled.ranges.is_empty())
    }

    /// Whether a destination has all of its records, none of them goes on in the next file, and none was refused.
    pub fn is_settled(&self, destination: u32) -> bool {
        let Some(outline) = self.outline else { return false };
        let has = |settled: &Settled, end| settled.ranges.holds(0, end) && settled.refused.is_empty();
        self.streams.values().filter(|stream| stream.end > 0).all(|stream| {
            let goes_on = stream.end > outline.end || !stream.joined.is_empty();
            !goes_on && stream.settled.get(&destination).is_some_and(|settled| has(settled, stream.end))
        })
    }

    /// Its bytes have changed from here on.
    pub fn clip(&mut self, at: u64) {
        self.marks.clip(at);
        self.clip_streams(at);
        self.outline = None;
    }

    /// Records after this are not settled.
    pub fn clip_streams(&mut self, at: u64) {
        self.streams.for_each_mut(|stream| {
            stream.joined.retain(|end, _| *end <= at);
            stream.settled.for_each_mut(|settled| settled.clip(at));
        });
    }
}

impl Settled {
    /// Settles a range.
    pub fn add(&mut self, from: u64, to: u64, how: Settlement<'_>) {
        self.ranges.add(from, to);
        if how.traced {
            self.untraced.remove(from, to);
        } else {
            self.untraced.add(from, to);
        }
        // Sent again, it is not refused any more.
        for refusal in &mut self.refused {
            if from <= refusal.from {
                refusal.from = refusal.from.max(to);
            } else if to >= refusal.to {
                refusal.to = refusal.to.min(from);
            }
        }
        self.refused.retain(|refusal| refusal.from < refusal.to);
        let Some((records, reason)) = how.refused else { return };
        let is_full = self.refused.len() >= REFUSALS_MAX;
        match self.refused.last_mut() {
            Some(last) if is_full || last.to == from && last.reason == reason => {
                (last.from, last.to) = (last.from.min(from), last.to.max(to));
                last.records += records;
            }
            _ => self.refused.push(Refusal { from, to, records, reason: reason.to_owned() }),
        }
    }

    /// Forgets what follows an offset.
    pub fn clip(&mut self, at: u64) {
        self.ranges.clip(at);
        self.untraced.clip(at);
        self.refused.retain_mut(|refusal| {
            refusal.to = refusal.to.min(at);
            refusal.from < refusal.to
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_files_those_go_that_were_not_met_for_longest() {
        let mut state = State { run: 8, ..State::default() };
        for source in 0..5 {
            let mut file = File { source, met: [5, 8, 1, 7, 3][source as usize], ..File::default() };
            if source != 1 {
                let settled = file.streams.or_default(1).settled.or_default(0);
                settled.add(0, 1, Settlement { traced: true, refused: None });
            }
            state.files.push(Arc::new(file));
        }
        assert_eq!(state.begin_run(3), 1);
        let left: Vec<_> = state.files.iter().map(|file| (file.source, file.met)).collect();
        assert_eq!((left, state.run), (vec![(3, 7), (0, 5), (4, 3)], 9));
    }

    #[test]
    fn what_was_refused_or_sent_without_traces_is_so_until_it_is_sent_again() {
        let mut settled = Settled::default();
        let untraced = Settlement { traced: false, refused: None };
        settled.add(0, 10, untraced);
        settled.add(10, 20, Settlement { refused: Some((1, "too large")), ..untraced });
        settled.add(20, 30, Settlement { refused: Some((2, "too large")), ..untraced });
        settled.add(30, 40, Settlement { refused: Some((4, "bad")), ..untraced });
        let counts = |settled: &Settled| settled.refused.iter().map(|refusal| refusal.records).collect::<Vec<_>>();
        assert_eq!((counts(&settled), settled.untraced.list()), (vec![3, 4], vec![(0, 40)]));
        let traced = Settlement { traced: true, refused: None };
        settled.add(0, 25, traced);
        assert_eq!((counts(&settled), settled.untraced.list()), (vec![3, 4], vec![(25, 40)]));
        settled.add(25, 30, traced);
        assert_eq!((counts(&settled), settled.untraced.list()), (vec![4], vec![(30, 40)]));
        settled.clip(35);
        assert_eq!((settled.ranges.list(), settled.untraced.list()), (vec![(0, 35)], vec![(30, 35)]));
        assert_eq!(settled.refused[0].to, 35);
        settled.clip(30);
        assert!(settled.refused.is_empty() && settled.untraced.is_empty());
    }

    /// What is left of a refusal at 10..20 once a range is sent again and taken.
    fn refused_after(from: u64, to: u64) -> Vec<(u64, u64)> {
        let how = Settlement { traced: true, refused: None };
        let mut settled = Settled::default();
        settled.add(10, 20, Settlement { refused: Some((3, "bad")), ..how });
        settled.add(from, to, how);
        settled.refused.iter().map(|refusal| (refusal.from, refusal.to)).collect()
    }

    #[test]
    fn what_is_sent_again_is_cut_off_a_refusal_at_its_ends() {
        for (from, to, left) in [
            (0, 5, Some((10, 20))),
            (0, 10, Some((10, 20))),
            (0, 12, Some((12, 20))),
            (10, 12, Some((12, 20))),
            (10, 20, None),
            (0, 30, None),
            // Within it: which were refused is not known.
            (12, 15, Some((10, 20))),
            (15, 20, Some((10, 15))),
            (15, 30, Some((10, 15))),
            (20, 30, Some((10, 20))),
            (25, 30, Some((10, 20))),
        ] {
            assert_eq!(refused_after(from, to), left.into_iter().collect::<Vec<_>>(), "{from}..{to}");
        }
    }

    #[test]
    fn refusals_that_follow_each_other_for_one_reason_are_one_and_too_many_are_told_together() {
        let mut settled = Settled::default();
        let mut refuse = |from, to, records, reason: &str| {
            settled.add(from, to, Settlement { traced: true, refused: Some((records, reason)) });
            let all = settled.refused.iter().map(|refusal| (refusal.from, refusal.to, refusal.records));
            all.collect::<Vec<_>>()
        };
        assert_eq!(refuse(10, 20, 1, "bad"), [(10, 20, 1)]);
        assert_eq!(refuse(20, 30, 2, "bad"), [(10, 30, 3)]);
        assert_eq!(refuse(30, 40, 4, "large"), [(10, 30, 3), (30, 40, 4)]);
        // Not after the last one.
        assert_eq!(refuse(50, 60, 8, "large"), [(10, 30, 3), (30, 40, 4), (50, 60, 8)]);
        for number in 3..REFUSALS_MAX as u64 {
            refuse(number * 100, number * 100 + 10, 1, "bad");
        }
        let last = (REFUSALS_MAX as u64 - 1) * 100;
        let full = refuse(last + 50, last + 60, 5, "other");
        assert_eq!((full.len(), full[REFUSALS_MAX - 1]), (REFUSALS_MAX, (last, last + 60, 6)));
        let full = refuse(0, 5, 7, "other");
        assert_eq!((full.len(), full[REFUSALS_MAX - 1]), (REFUSALS_MAX, (0, last + 60, 13)));
    }

    #[test]
    fn a_file_that_changed_keeps_what_lies_before_the_change() {
        let mut file = File::default();
        let mut running = crate::checkpoint::marks::Running::default();
        running.feed(b"one\ntwo\nhalf", &mut file.marks);
        running.finish(&mut file.marks);
        let stream = file.streams.or_default(1);
        [(4, 1), (8, 2), (12, 3)].into_iter().for_each(|(end, hash)| stream.joined.insert(end, hash));
        let settled = stream.settled.or_default(0);
        settled.add(0, 12, Settlement { traced: false, refused: Some((1, "bad")) });
        let mut longer = file.clone();
        file.clip(8);
        // Its streams alone, where its bytes are the same.
        longer.clip_streams(8);
        assert_eq!((file.marks.list().len(), file.marks.unfinished()), (2, None));
        assert_eq!((longer.marks.list().len(), longer.marks.unfinished().is_some()), (2, true));
        for file in [file, longer] {
            let stream = file.streams.get(&1).unwrap();
            assert_eq!(stream.joined.iter().map(|(end, _)| *end).collect::<Vec<_>>(), [4, 8]);
            let settled = stream.settled.get(&0).unwrap();
            assert_eq!((settled.ranges.list(), settled.untraced.list()), (vec![(0, 8)], vec![(0, 8)]));
            assert_eq!((settled.refused[0].from, settled.refused[0].to), (0, 8));
        }
    }

    #[test]
    fn a_file_of_which_nothing_was_settled_is_of_no_use() {
        let mut file = File::default();
        assert!(!file.is_of_use());
        let settled = file.streams.or_default(1).settled.or_default(0);
        assert!(settled.ranges.is_empty());
        assert!(!file.is_of_use());
        file.streams.or_default(2).settled.or_default(1).ranges.add(0, 1);
        assert!(file.is_of_use());
        let mut state = State { files: vec![Arc::default(), Arc::new(file)], ..State::default() };
        // Exactly as many as may be: nothing is forgotten, and all keep their numbers.
        assert_eq!((state.begin_run(1), state.files.len(), state.run), (0, 2, 1));
        assert_eq!((state.begin_run(0), state.files.len()), (1, 0));
    }

    #[test]
    fn the_more_files_there_are_the_fewer_marks_each_may_keep() {
        let marks = |files: usize| State { files: vec![Arc::default(); files], ..State::default() }.marks_max();
        assert_eq!([0, 1, 1024].map(marks), [MARKS_MAX; 3]);
        assert_eq!(marks(4096), 128);
        assert_eq!(marks(FILES_MAX), MARKS_MIN);
    }

    #[test]
    fn a_file_is_settled_where_a_destination_has_all_that_is_in_it() {
        let how = Settlement { traced: true, refused: None };
        let mut whole =
            File { outline: Some(Outline { reading: 1, follows: 0, end: 40, records: 3 }), ..File::default() };
        for (key, end) in [(1, 40), (2, 30)] {
            let stream = whole.streams.or_default(key);
            stream.end = end;
            stream.settled.or_default(7).add(0, end, how);
        }
        // What an earlier run named in another way.
        whole.streams.or_default(3).settled.or_default(7).add(5, 9, how);
        assert!(whole.is_settled(7) && !whole.is_settled(8));
        let changed = |change: &dyn Fn(&mut File)| {
            let mut file = whole.clone();
            change(&mut file);
            file.is_settled(7)
        };
        let settled = |file: &mut File, change: &dyn Fn(&mut Settled)| {
            change(file.streams.or_default(2).settled.or_default(7));
        };
        assert!(!changed(&|file| file.outline = None));
        // A record that no receipt spoke of: the first, one between, the last one, or all of a stream.
        assert!(!changed(&|file| settled(file, &|settled| settled.ranges.remove(0, 1))));
        assert!(!changed(&|file| settled(file, &|settled| settled.ranges.remove(10, 11))));
        assert!(!changed(&|file| settled(file, &|settled| settled.ranges.remove(29, 30))));
        assert!(!changed(&|file| file.streams.or_default(4).end = 10));
        assert!(!changed(&|file| settled(file, &|settled| settled.add(
            0,
            9,
            Settlement { refused: Some((1, "bad")), ..how }
        ))));
        // A record that goes on in the next file, as it was or as it may be.
        assert!(!changed(&|file| file.streams.or_default(1).joined.insert(55, 1)));
        assert!(!changed(&|file| {
            file.streams.or_default(2).end = 41;
            settled(file, &|settled| settled.add(30, 41, how));
        }));
    }
}
