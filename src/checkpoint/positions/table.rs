//! All followed files of one destination, and the streams that its receipts speak of.
//!
//! In go what is read, handed out and settled, out come the files whose entries changed. One thread has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::entry::{Change, Entry, Progress, untold};
use super::file::{PositionedFile, Stream};
use crate::checkpoint::ledger::Key;
use crate::checkpoint::ranges::Ranges;
use crate::files::followed::{FollowedFile, Place};
use crate::record::Receipt;

/// A stream that receipts name by its number.
#[derive(Debug, Clone, Copy)]
struct Numbered {
    file: u32,
    key: Key,
}

/// What of an entry changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Progress,
    All,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Positions {
    files: HashMap<u32, Box<PositionedFile>>,
    /// The latest file of each source.
    latest: HashMap<u32, u32>,
    /// The file that comes after one in its source.
    next: HashMap<u32, u32>,
    /// What earlier runs wrote down, by its place among all of that, until it is known which file it is.
    earlier: Vec<Option<Entry>>,
    streams: Vec<Option<Numbered>>,
    free: Vec<u32>,
    /// What of their entries is not written down.
    changed: BTreeMap<u32, Part>,
    removed: BTreeSet<u32>,
}

impl Positions {
    /// With what earlier runs wrote down.
    pub fn new(earlier: Vec<Entry>) -> Positions {
        Positions { earlier: earlier.into_iter().map(Some).collect(), ..Positions::default() }
    }

    /// What was written down at this place is of this file; `None`: that is not there any more.
    pub fn known_file(&mut self, known: usize, number: Option<u32>) {
        let entry = self.earlier.get_mut(known).and_then(Option::take);
        self.removed.insert(untold(known));
        let (Some(number), Some(Entry { file, settled })) = (number, entry) else { return };
        let mut file = PositionedFile::new(file, None);
        file.has_ended = file.read.is_finished;
        settled.into_iter().for_each(|(key, settled)| file.streams.or_default(key).settled = settled);
        self.files.insert(number, Box::new(file));
        self.mark(number, Part::All);
    }

    fn mark(&mut self, number: u32, part: Part) {
        let changed = self.changed.entry(number).or_insert(part);
        *changed = part.max(*changed);
    }

    /// The next file of a source begins, or goes on after all.
    pub fn file_begins(&mut self, source: u32, number: u32, facts: FollowedFile) {
        let latest = self.latest.entry(source).or_insert(number);
        // One that had ended may begin again while later ones are read.
        let after = Some(*latest).filter(|latest| *latest < number && self.files.contains_key(latest));
        *latest = number.max(*latest);
        let known = self.files.remove(&number).filter(|file| *file.resume() == facts.resume);
        let mut file = known.unwrap_or_else(|| Box::new(PositionedFile::new(facts, None)));
        (file.source, file.has_ended) = (source, file.read.is_finished);
        if let Some(before) = after {
            file.after = after;
            self.next.insert(before, number);
        }
        self.files.insert(number, file);
        self.mark(number, Part::All);
    }

    /// A file was read up to a place; `open`: where in it the oldest record begins that is not complete.
    pub fn read_up_to(&mut self, number: u32, place: Place, open: Option<u64>) {
        let Some(file) = self.files.get_mut(&number) else { return };
        file.read_up_to(place);
        file.open = open;
        self.advance(number);
    }

    /// The same, and what the file is by now.
    pub fn place(&mut self, number: u32, facts: &FollowedFile, open: Option<u64>) {
        let Some(file) = self.files.get_mut(&number) else { return };
        if file.is_now(facts) {
            self.mark(number, Part::All);
        }
        self.read_up_to(number, facts.resume, open);
    }

    /// What is open of a file, none of which was read since.
    pub fn is_open(&mut self, number: u32, open: Option<u64>) {
        if let Some(file) = self.files.get_mut(&number).filter(|file| file.open != open) {
            file.open = open;
            self.advance(number);
        }
    }

    /// No more of a file is read.
    pub fn file_ends(&mut self, number: u32) {
        if let Some(file) = self.files.get_mut(&number) {
            file.has_ended = true;
            self.advance(number);
        }
    }

    /// A file is not on the disk any more: once all of it is settled, it is forgotten.
    pub fn file_is_gone(&mut self, number: u32) {
        if let Some(file) = self.files.get_mut(&number) {
            (file.is_gone, file.has_ended) = (true, true);
            self.advance(number);
        }
    }

    /// The number of a stream of a file, for receipts.
    pub fn stream(&mut self, file: u32, key: Key) -> u32 {
        let stream = self.files.get_mut(&file).map(|file| file.streams.or_default(key));
        if let Some(number) = stream.as_ref().and_then(|stream| stream.number) {
            return number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.streams.push(None);
            self.streams.len() as u32 - 1
        });
        self.streams[number as usize] = stream.map(|stream| {
            stream.number = Some(number);
            Numbered { file, key }
        });
        number
    }

    /// Nothing of a file is read for a while: numbers of its streams that no receipt is to come for are free.
    pub fn rest(&mut self, number: u32) {
        let Some(file) = self.files.get_mut(&number) else { return };
        file.streams.retain(|_, stream| {
            let is_needed = stream.outstanding.first().is_some() || !stream.settled.is_empty();
            if let Some(number) = stream.number.filter(|_| !is_needed) {
                self.streams[number as usize] = None;
                self.free.push(number);
            }
            is_needed
        });
        file.rest();
    }

    /// A record of a stream is handed out, unless it was settled before. `reaches_back`: nobody else's records lie between it
    /// and the one before it. Returns where receipts for it may begin, and whether it was settled.
    pub fn hand_out(&mut self, stream: u32, from: u64, to: u64, reaches_back: bool) -> (u64, bool) {
        let Some(stream) = self.stream_mut(stream) else { return (from, false) };
        let after = if reaches_back && stream.end > 0 { stream.end.min(from) } else { from };
        stream.end = stream.end.max(to);
        if !stream.settled.is_empty() && stream.settled.holds(from, to) {
            return (after, true);
        }
        stream.outstanding.add(after, to);
        (after, false)
    }

    /// These were delivered, or dropped on purpose.
    pub fn settle(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            let Some(Some(Numbered { file, .. })) = self.streams.get(receipt.source as usize).copied() else {
                continue;
            };
            if let Some(stream) = self.stream_mut(receipt.source) {
                stream.outstanding.settle(receipt.from, receipt.to);
                stream.settled.add(receipt.from, receipt.to);
            }
            self.mark(file, Part::Progress);
            self.advance(file);
        }
    }

    fn stream_mut(&mut self, number: u32) -> Option<&mut Stream> {
        let Numbered { file, key } = (*self.streams.get(number as usize)?)?;
        Some(self.files.get_mut(&file)?.streams.or_default(key))
    }

    /// Whether all files before this one in its source are delivered.
    fn is_first(&self, number: u32) -> bool {
        let before = self.files.get(&number).and_then(|file| file.after);
        before.and_then(|before| self.files.get(&before)).is_none_or(|before| before.has_ended && before.is_settled())
            && before.is_none_or(|before| self.is_first(before))
    }

    /// Something of a file changed: so may the place to resume it from, and that of the file after it.
    fn advance(&mut self, number: u32) {
        let is_first = self.is_first(number);
        let Some(file) = self.files.get_mut(&number) else { return };
        let has_advanced = file.advance(is_first);
        let is_done = file.has_ended && file.is_settled();
        let is_forgotten = is_done && file.is_gone && is_first;
        if has_advanced {
            self.mark(number, Part::Progress);
        }
        if !is_done {
            return;
        }
        if is_forgotten {
            self.forget(number);
        }
        if let Some(next) = self.next.get(&number).copied() {
            if is_first && let Some(file) = self.files.get_mut(&next) {
                file.after = None;
                self.next.remove(&number);
            }
            self.advance(next);
        }
    }

    fn forget(&mut self, number: u32) {
        let Some(file) = self.files.remove(&number) else { return };
        if self.latest.get(&file.source) == Some(&number) {
            self.latest.remove(&file.source);
        }
        self.changed.remove(&number);
        self.removed.insert(number);
        for stream in file.streams.values().filter_map(|stream| stream.number) {
            self.streams[stream as usize] = None;
            self.free.push(stream);
        }
    }

    /// Whether anything changed that is not written down.
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty() || !self.removed.is_empty()
    }

    /// What was taken as changed was not written down.
    pub fn all_have_changed(&mut self) {
        self.changed.extend(self.files.keys().map(|number| (*number, Part::All)));
    }

    /// What has become of entries, by number.
    pub fn take_changes(&mut self) -> Vec<(u32, Change)> {
        let removed = std::mem::take(&mut self.removed).into_iter().map(|number| (number, Change::Removed));
        let changed = std::mem::take(&mut self.changed).into_iter().filter_map(|(number, part)| {
            let change = match part {
                Part::All => Change::Put(self.entry(number)?),
                Part::Progress => Change::Progress(self.progress(number)?),
            };
            Some((number, change))
        });
        removed.chain(changed).collect()
    }

    /// All entries: then nothing counts as changed.
    pub fn take_all(&mut self) -> Vec<(u32, Entry)> {
        self.changed.clear();
        self.removed.clear();
        self.entries()
    }

    /// All entries, those included of which it is not known yet what became of them: they must not be lost with a crash.
    pub fn entries(&self) -> Vec<(u32, Entry)> {
        let mut numbers: Vec<u32> = self.files.keys().copied().collect();
        numbers.sort_unstable();
        let told = numbers.into_iter().filter_map(|number| Some((number, self.entry(number)?)));
        let earlier = self.earlier.iter().enumerate();
        let untold = earlier.filter_map(|(known, entry)| Some((untold(known), entry.clone()?)));
        told.chain(untold).collect()
    }

    fn entry(&self, number: u32) -> Option<Entry> {
        let mut entry = Entry { file: self.files.get(&number)?.read.clone(), settled: Vec::new() };
        entry.go_on(self.progress(number)?);
        Some(entry)
    }

    fn progress(&self, number: u32) -> Option<Progress> {
        let file = self.files.get(&number)?;
        let settled = file.streams.iter().filter(|(_, stream)| !stream.settled.is_empty());
        let settled: Vec<(Key, Ranges)> = settled.map(|(key, stream)| (*key, stream.settled.clone())).collect();
        Some(Progress { resume: *file.resume(), is_finished: file.is_finished(), settled })
    }

    /// Bytes that all of it takes, as far as they can be counted cheaply.
    pub fn memory_bytes(&self) -> usize {
        let files: usize = self.files.values().map(|file| file.memory_bytes()).sum();
        files
            + self.streams.capacity() * size_of::<Option<Numbered>>()
            + self.earlier.capacity() * size_of::<Option<Entry>>()
    }

    /// Nothing that was handed out is outstanding.
    pub fn is_delivered(&self) -> bool {
        self.files.values().all(|file| file.is_delivered())
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
