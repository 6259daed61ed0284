//! What is remembered of files and their records, shared by readers and deliveries.
//!
//! In go marks of files as they are read and receipts of what destinations took or refused, out comes what need not be sent
//! again, and the state to be written. Without a state folder it only numbers the streams that receipts refer to. Files are
//! not read here.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::groups::Changes;
use super::known::{Known, KnownStream};
use super::ledger::{File, Key, Outline, Settled, Settlement, State, Stream};
use super::marks::{Comparison, Marks};
use super::numbers::Numbers;
use super::outlines::{self, StreamEnds};
use super::ranges::Ranges;
use super::small_map::SmallMap;
use super::unsaved::Unsaved;
use super::version_1;
use crate::record::Receipt;

/// How a run treats records that earlier runs sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resending {
    /// The run has traces to link records to.
    pub traced: bool,
    /// What was sent without traces, or refused, is sent again.
    pub resend: bool,
}

/// What is remembered, shared by readers and deliveries.
#[derive(Debug, Default)]
pub struct Acknowledged {
    remembers: bool,
    /// See [`Resending`].
    resend: bool,
    traced: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    marks_max: usize,
    /// Of each destination of the run: its index in the state.
    destinations: Vec<u32>,
    /// Files by their writer, without those that this run has met.
    unmet: HashMap<u64, Vec<u32>>,
    /// See [`Acknowledged::only_file`].
    only: HashMap<u64, u32>,
    /// Files met, where none is remembered.
    files: u32,
    /// Changes of the state.
    changes: u64,
    unsaved: Unsaved,
    numbers: Numbers,
    /// Refused in earlier runs, of the files met: by destination of the run and reason.
    refused: Vec<BTreeMap<String, u64>>,
}

impl Acknowledged {
    /// With the state of earlier runs, for destinations of these names; `None`: nothing is remembered.
    pub fn new(names: &[String], before: Option<State>, resending: Resending) -> Acknowledged {
        let remembers = before.is_some();
        let mut state = before.unwrap_or_default();
        for name in names {
            // Version 1 did not tell tenants apart: the first one to come has what it knew.
            let plain = name.split(' ').next().unwrap_or_default();
            if !state.destinations.contains(name)
                && !state.version_1.contains_key(name)
                && let Some(ledger) = state.version_1.remove(plain)
            {
                state.version_1.insert(name.clone(), ledger);
            }
        }
        let destinations = names.iter().map(|name| state.destination(name)).collect();
        let marks_max = state.marks_max();
        let mut unmet: HashMap<u64, Vec<u32>> = HashMap::new();
        for (number, file) in state.files.iter_mut().enumerate() {
            if file.marks.list().len() > marks_max {
                Arc::make_mut(file).marks.limit(marks_max);
            }
            if file.is_of_use() {
                unmet.entry(file.source).or_default().push(number as u32);
            }
        }
        let mut unsaved = Unsaved::default();
        unsaved.all = !state.version_1.is_empty();
        let refused = vec![BTreeMap::new(); names.len()];
        let inner = Inner { state, marks_max, destinations, unmet, unsaved, refused, ..Inner::default() };
        let Resending { traced, resend } = resending;
        Acknowledged { remembers, resend, traced: AtomicBool::new(traced), inner: Mutex::new(inner) }
    }

    /// Whether anything is remembered.
    pub fn remembers(&self) -> bool {
        self.remembers
    }

    /// Whether the run has traces to link records to.
    pub fn traced(&self) -> bool {
        self.traced.load(Ordering::Relaxed)
    }

    /// Says so, once it is known: before anything is sent.
    pub fn set_traced(&self, traced: bool) {
        self.traced.store(traced, Ordering::Relaxed);
    }

    /// Whether there are ranges of version 1 that no file was found for yet.
    pub fn knows_version_1(&self) -> bool {
        self.lock().state.version_1.values().any(|ledger| !ledger.is_empty())
    }

    /// Files of this writer that the run has not met yet, with their marks.
    pub fn unmet(&self, source: u64) -> Vec<(u32, Marks)> {
        let inner = self.lock();
        let numbers = inner.unmet.get(&source).map_or(&[][..], Vec::as_slice);
        numbers.iter().map(|number| (*number, inner.state.files[*number as usize].marks.clone())).collect()
    }

    /// Files of a writer are what these earlier ones became, as far as they were found the same: where that ends, the
    /// earlier one is forgotten. Returns the number of each, and up to where it is the same.
    pub fn meet(&self, source: u64, found: &[Option<(u32, Comparison)>]) -> Vec<(u32, u64)> {
        let mut inner = self.lock();
        found.iter().map(|found| inner.meet(source, *found, self.remembers)).collect()
    }

    /// The one file of what is not read from files.
    pub fn only_file(&self, source: u64) -> u32 {
        let mut inner = self.lock();
        if let Some(number) = inner.only.get(&source) {
            return *number;
        }
        let found = inner.unmet.get(&source).and_then(|numbers| numbers.first().copied());
        let (number, _) = inner.meet(source, found.map(|number| (number, Comparison::default())), self.remembers);
        inner.only.insert(source, number);
        number
    }

    /// What is known of a file's bytes.
    pub fn marks(&self, file: u32) -> Marks {
        self.lock().state.files.get(file as usize).map(|file| file.marks.clone()).unwrap_or_default()
    }

    /// Replaces a file's marks.
    pub fn mark(&self, file: u32, marks: &Marks) {
        let mut inner = self.lock();
        let is_other =
            |file: &Arc<File>| file.marks.list() != marks.list() || file.marks.unfinished() != marks.unfinished();
        if inner.state.files.get(file as usize).is_some_and(is_other)
            && let Some(file) = inner.file(file)
        {
            file.marks.clone_from(marks);
        }
    }

    /// A file is longer than it was: what was joined to its end is not known any more.
    pub fn grows(&self, file: u32, from: u64) {
        if let Some(file) = self.lock().file(file) {
            file.clip_streams(from);
        }
    }

    /// A file changed after it was compared: nothing is known of it any more.
    pub fn forget(&self, file: u32) {
        let mut inner = self.lock();
        inner.changes += 1;
        if let Some(file) = inner.file(file) {
            file.clip(0);
        }
    }

    /// What the files of a source came to that were all read to their ends. `files`: the number of each, oldest first, and
    /// where its records end; `ends`: where the last record of each stream ends; `records`: how many there are in all.
    pub fn outline(&self, files: &[(u32, u64)], ends: &[(u32, u64)], reading: u64, records: u64) {
        let mut inner = self.lock();
        let of_stream = |(stream, end): &(u32, u64)| inner.numbers.stream(*stream).map(|(file, key)| (file, key, *end));
        let ends = StreamEnds::new(ends.iter().filter_map(of_stream));
        let mut follows = 0;
        for (at, (number, end)) in files.iter().enumerate() {
            let records = if at + 1 == files.len() { records } else { 0 };
            let outline = Outline { reading, follows, end: *end, records };
            let Some(file) = inner.state.files.get(*number as usize) else { return };
            follows = outlines::followed(follows, file);
            if !ends.are_known(*number, file, outline)
                && let Some(file) = inner.file(*number)
            {
                ends.put(*number, file, outline);
            }
        }
    }

    /// How many records the files of a source hold, if none of them need be read: how they would be read is the same as in
    /// an earlier run, and these destinations have all of their records, of which they refused none. `files`: the number of
    /// each, oldest first, and where its records end; all of their bytes are what they were.
    pub fn settled(&self, files: &[(u32, u64)], reading: u64, destinations: &[usize]) -> Option<u64> {
        if self.resend || self.traced() {
            return None;
        }
        let inner = self.lock();
        let index = |at: &usize| inner.destinations.get(*at).copied();
        let destinations: Vec<Option<u32>> = destinations.iter().map(index).collect();
        outlines::settled(&inner.state.files, files, reading, &destinations)
    }

    /// A stream of a file; `version_1`: the keys that it had there.
    pub fn stream(&self, file: u32, key: Key, version_1: Option<&version_1::Keys>) -> KnownStream {
        let mut inner = self.lock();
        let index = inner.numbers.of(file, key);
        if let Some(keys) = version_1 {
            inner.take_over(file, key, keys);
        }
        let Some(stream) = inner.state.files.get(file as usize).and_then(|file| file.streams.get(&key)) else {
            return KnownStream { index, settled: vec![None; inner.destinations.len()], joined: SmallMap::default() };
        };
        let known = |destination: &u32| stream.settled.get(destination).map(|settled| self.known(settled));
        KnownStream { index, settled: inner.destinations.iter().map(known).collect(), joined: stream.joined.clone() }
    }

    fn known(&self, settled: &Settled) -> Known {
        let mut known =
            Known { ranges: settled.ranges.clone(), untraced: settled.untraced.clone(), refused: Ranges::default() };
        for refusal in &settled.refused {
            known.refused.add(refusal.from, refusal.to);
        }
        if self.resend {
            let again = if self.traced() { [&known.untraced, &known.refused].to_vec() } else { vec![&known.refused] };
            again.iter().flat_map(|ranges| ranges.list()).for_each(|(from, to)| known.ranges.remove(from, to));
        }
        known
    }

    /// A record of a stream, the last one of its file, goes on in the next one, and is not what was settled at its place.
    pub fn join(&self, stream: u32, offset: u64, end: u64, hash: u64) {
        let mut inner = self.lock();
        inner.changes += 1;
        if let Some(stream) = inner.stream(stream) {
            stream.joined.retain(|end, _| *end <= offset);
            stream.settled.for_each_mut(|settled| settled.clip(offset));
            stream.joined.insert(end, hash);
        }
    }

    /// A destination of the run settled these; `refused`: how many of them it refused for good, and why.
    pub fn add(&self, destination: usize, receipts: &[Receipt], refused: Option<(u64, &str)>) {
        if !self.remembers {
            return;
        }
        let mut inner = self.lock();
        inner.changes += 1;
        let Some(destination) = inner.destinations.get(destination).copied() else { return };
        // Which of them were refused is not known: all may be sent again, and they are counted with the first.
        let mut refused = refused.filter(|(records, _)| *records > 0);
        for receipt in receipts {
            let Some(stream) = inner.stream(receipt.source) else { continue };
            let how = Settlement { traced: self.traced(), refused };
            stream.settled.or_default(destination).add(receipt.from, receipt.to, how);
            refused = refused.map(|(_, reason)| (0, reason));
        }
    }

    /// Whether the state changed since `changes`, which is set to the current count.
    pub fn has_changed(&self, changes: &mut u64) -> bool {
        let inner = self.lock();
        inner.changes != std::mem::replace(changes, inner.changes)
    }

    /// A copy of the state.
    pub fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// What changed since this was asked last, to be saved.
    pub fn changes(&self) -> Changes {
        let Inner { state, unsaved, .. } = &mut *self.lock();
        // The others change again before anything of them need be known.
        let of_use = |number: u32| {
            let file = state.files.get(number as usize).filter(|file| file.is_of_use())?;
            Some((number, Arc::clone(file)))
        };
        Changes {
            files: unsaved.take_files().into_iter().filter_map(of_use).collect(),
            all: std::mem::take(&mut unsaved.all),
            met: std::mem::take(&mut unsaved.met),
            run: state.run,
            destinations: state.destinations.clone(),
        }
    }

    /// This was not saved.
    pub fn give_back(&self, changes: &Changes) {
        let unsaved = &mut self.lock().unsaved;
        unsaved.all |= changes.all;
        changes.met.iter().for_each(|(from, to)| unsaved.met.add(from, to));
        changes.files.iter().for_each(|(number, _)| unsaved.add(*number));
    }

    /// Records that a destination refused in earlier runs, by reason, of the files that this run met.
    pub fn refused_before(&self) -> Vec<BTreeMap<String, u64>> {
        let refused = self.lock().refused.clone();
        // They are sent again, and counted again.
        if self.resend { vec![BTreeMap::new(); refused.len()] } else { refused }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn meet(&mut self, source: u64, found: Option<(u32, Comparison)>, remembers: bool) -> (u32, u64) {
        if !remembers {
            self.files += 1;
            return (self.files - 1, 0);
        }
        let taken = found.and_then(|(number, comparison)| {
            let unmet = self.unmet.get_mut(&source)?;
            unmet.remove(unmet.iter().position(|known| *known == number)?);
            Some((number, comparison))
        });
        let Some((number, comparison)) = taken else {
            let mut file = File { source, met: self.state.run, ..File::default() };
            file.marks.limit(self.marks_max);
            self.state.files.push(Arc::new(file));
            return (self.state.files.len() as u32 - 1, 0);
        };
        let file = Arc::make_mut(&mut self.state.files[number as usize]);
        file.met = self.state.run;
        self.unsaved.met.add(number.into(), u64::from(number) + 1);
        if comparison.differs {
            self.changes += 1;
            self.unsaved.add(number);
            file.clip(comparison.verified);
        }
        for (place, destination) in self.destinations.iter().enumerate() {
            for settled in file.streams.values().filter_map(|stream| stream.settled.get(destination)) {
                for refusal in &settled.refused {
                    *self.refused[place].entry(refusal.reason.clone()).or_default() += refusal.records;
                }
            }
        }
        (number, comparison.verified)
    }

    /// A file that is about to change.
    fn file(&mut self, number: u32) -> Option<&mut File> {
        let file = self.state.files.get_mut(number as usize)?;
        self.unsaved.add(number);
        Some(Arc::make_mut(file))
    }

    /// A stream that is about to change.
    fn stream(&mut self, index: u32) -> Option<&mut Stream> {
        let (file, key) = self.numbers.stream(index)?;
        Some(self.file(file)?.streams.or_default(key))
    }

    /// What version 1 knew of a stream.
    fn take_over(&mut self, file: u32, key: Key, keys: &version_1::Keys) {
        let State { destinations, files, version_1, .. } = &mut self.state;
        let Some(file) = files.get_mut(file as usize) else { return };
        for destination in &self.destinations {
            let Some(ledger) = version_1.get_mut(&destinations[*destination as usize]) else { continue };
            let ranges = keys.take_from(ledger);
            if !ranges.is_empty() {
                self.changes += 1;
                // What is handed on must not be found in the other place too.
                self.unsaved.all = true;
                let stream = Arc::make_mut(file).streams.or_default(key);
                stream.settled.or_default(*destination).ranges = ranges;
            }
        }
        version_1.retain(|_, ledger| !ledger.is_empty());
    }
}

#[cfg(test)]
#[path = "acknowledged_tests.rs"]
mod tests;
