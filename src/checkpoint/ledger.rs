//! What destinations have acknowledged of files: ranges of records, by stream and destination.
//!
//! In go ranges in any order, out comes whether a record lies in one as a whole: one that has grown since does not. Ranges
//! that touch become one, so a finished file takes one range whatever its size. What was sent without traces, and what was
//! refused, is told apart.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::marks::{MARKS_MAX, MARKS_MIN, MARKS_OF_ALL_MAX, Marks};

/// Which records of a file are meant: those of one writer.
pub type Key = u128;

/// What one destination had acknowledged, as states of version 1 kept it.
pub type Version1 = HashMap<Key, Ranges>;

/// Files that are remembered: of more, those go that no run has met for longest. As written about 30 MB.
pub const FILES_MAX: usize = 100_000;
/// Refusals of one stream that are told apart; more are counted with the last one.
const REFUSALS_MAX: usize = 1000;

/// All that is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Names of destinations; elsewhere they are named by their index here.
    pub destinations: Vec<String>,
    /// Files that anything was sent of. Shared, so that writing the state down does not copy what has not changed.
    pub files: Vec<Arc<File>>,
    /// What a state of version 1 held and no file was found for yet.
    pub version_1: BTreeMap<String, Version1>,
}

/// A file, wherever it lies and whatever it is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// A hash of its writer, among whose files it is looked for.
    pub source: u64,
    /// Runs since the last one that met it.
    pub idle: u32,
    /// What its bytes were.
    pub marks: Marks,
    /// Its records, by writer.
    pub streams: BTreeMap<Key, Stream>,
}

/// Records of one writer in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// Records that go on in the next file: where they end, as if it were in this one, and a hash of what they say.
    pub joined: BTreeMap<u64, u64>,
    /// What became of them, by destination.
    pub settled: BTreeMap<u32, Settled>,
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

    /// Begins a run: drops files of which nothing was settled, and beyond `files_max` files those that no run has met for
    /// longest. Returns how many of the latter.
    pub fn begin_run(&mut self, files_max: usize) -> usize {
        self.files.retain(|file| file.is_of_use());
        let forgotten = self.files.len().saturating_sub(files_max);
        if forgotten > 0 {
            self.files.sort_by_key(|file| file.idle);
            self.files.truncate(files_max);
        }
        for file in &mut self.files {
            let file = Arc::make_mut(file);
            file.idle = file.idle.saturating_add(1);
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

    /// Its bytes have changed from here on.
    pub fn clip(&mut self, at: u64) {
        self.marks.clip(at);
        self.clip_streams(at);
    }

    /// Records after this are not settled.
    pub fn clip_streams(&mut self, at: u64) {
        for stream in self.streams.values_mut() {
            stream.joined.retain(|end, _| *end <= at);
            stream.settled.values_mut().for_each(|settled| settled.clip(at));
        }
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

/// Ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds a range; an empty one changes nothing.
    pub fn add(&mut self, mut from: u64, mut to: u64) {
        if from >= to {
            return;
        }
        while let Some((&start, &end)) = self.ends.range(..=to).next_back() {
            if end < from {
                break;
            }
            self.ends.remove(&start);
            (from, to) = (from.min(start), to.max(end));
        }
        self.ends.insert(from, to);
    }

    /// Removes a range.
    pub fn remove(&mut self, from: u64, to: u64) {
        while let Some((&start, &end)) = self.ends.range(..to).next_back().filter(|(_, end)| **end > from && from < to)
        {
            self.ends.remove(&start);
            if end > to {
                self.ends.insert(to, end);
            }
            if start < from {
                self.ends.insert(start, from);
            }
        }
    }

    /// Forgets what follows an offset.
    pub fn clip(&mut self, at: u64) {
        self.remove(at, u64::MAX);
    }

    /// Whether one range holds all of this one.
    pub fn holds(&self, from: u64, to: u64) -> bool {
        self.ends.range(..=from).next_back().is_some_and(|(_, end)| from < *end && to <= *end)
    }

    /// Whether a range holds this offset.
    pub fn contains(&self, at: u64) -> bool {
        self.ends.range(..=at).next_back().is_some_and(|(_, end)| at < *end)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The ranges in order.
    pub fn list(&self) -> Vec<(u64, u64)> {
        self.ends.iter().map(|(from, to)| (*from, *to)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_hold_what_was_added_and_not_removed(
            changes in proptest::collection::vec((any::<bool>(), 0u64..60, 0u64..12), 0..20),
        ) {
            let mut ranges = Ranges::default();
            let mut model = [false; 80];
            for (adds, from, length) in changes {
                if adds {
                    ranges.add(from, from + length);
                } else {
                    ranges.remove(from, from + length);
                }
                (from..from + length).for_each(|at| model[at as usize] = adds);
            }
            for (at, held) in model.iter().enumerate() {
                prop_assert_eq!(ranges.contains(at as u64), *held);
                for to in at + 1..model.len() {
                    let all = model[at..to].iter().all(|held| *held);
                    prop_assert_eq!(ranges.holds(at as u64, to as u64), all);
                }
            }
            for pair in ranges.list().windows(2) {
                prop_assert!(pair[0].1 < pair[1].0);
            }
        }
    }

    #[test]
    fn of_too_many_files_those_go_that_were_not_met_for_longest() {
        let mut state = State::default();
        for source in 0..5 {
            let mut file = File { source, idle: [3, 0, 7, 1, 5][source as usize], ..File::default() };
            if source != 1 {
                let settled = file.streams.entry(1).or_default().settled.entry(0).or_default();
                settled.add(0, 1, Settlement { traced: true, refused: None });
            }
            state.files.push(Arc::new(file));
        }
        assert_eq!(state.begin_run(3), 1);
        let left: Vec<_> = state.files.iter().map(|file| (file.source, file.idle)).collect();
        assert_eq!(left, [(3, 2), (0, 4), (4, 6)]);
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

    #[test]
    fn an_empty_range_is_nothing() {
        let mut ranges = Ranges::default();
        ranges.add(5, 5);
        ranges.add(7, 5);
        assert!(ranges.is_empty());
        ranges.add(0, 10);
        ranges.remove(5, 5);
        ranges.remove(7, 5);
        assert_eq!(ranges.list(), [(0, 10)]);
        assert!(!ranges.holds(10, 10) && ranges.holds(0, 0) && ranges.holds(0, 10) && !ranges.holds(0, 11));
        ranges.remove(0, 10);
        assert!(ranges.is_empty());
    }

    #[test]
    fn ranges_that_touch_become_one_and_what_is_taken_out_leaves_no_empty_ones() {
        let mut ranges = Ranges::default();
        for (from, to) in [(10, 20), (30, 40), (20, 30)] {
            ranges.add(from, to);
        }
        assert_eq!(ranges.list(), [(10, 40)]);
        for (from, to, left) in [
            (10, 15, vec![(15, 40)]),
            (35, 40, vec![(15, 35)]),
            (20, 25, vec![(15, 20), (25, 35)]),
            (0, 15, vec![(15, 20), (25, 35)]),
        ] {
            ranges.remove(from, to);
            assert_eq!(ranges.list(), left);
        }
        ranges.clip(25);
        assert_eq!(ranges.list(), [(15, 20)]);
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
        let stream = file.streams.entry(1).or_default();
        stream.joined.extend([(4, 1), (8, 2), (12, 3)]);
        let settled = stream.settled.entry(0).or_default();
        settled.add(0, 12, Settlement { traced: false, refused: Some((1, "bad")) });
        let mut longer = file.clone();
        file.clip(8);
        // Its streams alone, where its bytes are the same.
        longer.clip_streams(8);
        assert_eq!((file.marks.list().len(), file.marks.unfinished()), (2, None));
        assert_eq!((longer.marks.list().len(), longer.marks.unfinished().is_some()), (2, true));
        for file in [file, longer] {
            let stream = &file.streams[&1];
            assert_eq!(stream.joined.keys().copied().collect::<Vec<_>>(), [4, 8]);
            let settled = &stream.settled[&0];
            assert_eq!((settled.ranges.list(), settled.untraced.list()), (vec![(0, 8)], vec![(0, 8)]));
            assert_eq!((settled.refused[0].from, settled.refused[0].to), (0, 8));
        }
    }

    #[test]
    fn a_file_of_which_nothing_was_settled_is_of_no_use() {
        let mut file = File::default();
        assert!(!file.is_of_use());
        let settled = file.streams.entry(1).or_default().settled.entry(0).or_default();
        assert!(settled.ranges.is_empty());
        assert!(!file.is_of_use());
        file.streams.entry(2).or_default().settled.entry(1).or_default().ranges.add(0, 1);
        assert!(file.is_of_use());
        let mut state = State { files: vec![Arc::default(), Arc::new(file)], ..State::default() };
        // Exactly as many as may be: nothing is forgotten.
        assert_eq!((state.begin_run(1), state.files.len(), state.files[0].idle), (0, 1, 1));
        assert_eq!((state.begin_run(0), state.files.len()), (1, 0));
    }

    #[test]
    fn the_more_files_there_are_the_fewer_marks_each_may_keep() {
        let marks = |files: usize| State { files: vec![Arc::default(); files], ..State::default() }.marks_max();
        assert_eq!([0, 1, 1024].map(marks), [MARKS_MAX; 3]);
        assert_eq!(marks(4096), 128);
        assert_eq!(marks(FILES_MAX), MARKS_MIN);
    }
}
