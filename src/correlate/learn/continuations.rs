//! Records of several lines whose later lines look like records of their own: a statement that is echoed line by line.
//!
//! In go lines, out come those that go on with a record, each with the line that began it. Learned is which kinds always follow
//! each other at the same instant; the line that began the record has a time of its own, and the later ones have none. What the
//! kinds are is not known here.

use super::lines::{Line, Lines};
use super::tuning::{CONTINUES_LINES, CONTINUES_NS, CONTINUES_SHARE};
use crate::correlate::stored::stored;
use crate::correlate::text::hash::{NumberMap, NumberSet, mix};

/// Pairs of kinds that are kept along a stream; once there are more, all are learned anew.
const PAIRS_MAX: usize = 1 << 12;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Continuations {
    /// Of a service: a kind, and one that goes on with it.
    pairs: NumberSet<u64>,
}

stored!(Continuations { pairs });

/// A kind and one that followed it at once.
#[derive(Debug, Clone, Copy)]
struct Followed {
    first: u64,
    second: u64,
    times: f32,
}

impl Continuations {
    /// What these lines tell. `service`: of a writer.
    pub(crate) fn new(lines: &Lines, service: impl Fn(u32) -> u32) -> Continuations {
        // Of each kind: its lines, and those of them that may go on with others.
        let (mut all, mut may_follow) = (NumberMap::<u64, f32>::default(), NumberMap::<u64, f32>::default());
        let mut pairs: NumberMap<u64, Followed> = NumberMap::default();
        each_with_previous(lines, |line, previous| {
            let service = service(line.writer);
            let second = kind(service, line);
            *all.entry(second).or_default() += 1.0;
            if !may_go_on(line) {
                return;
            }
            *may_follow.entry(second).or_default() += 1.0;
            if let Some(previous) = previous.filter(|previous| at_once(previous, line)) {
                let first = kind(service, previous);
                let followed = pairs.entry(pair(service, previous, line));
                followed.or_insert(Followed { first, second, times: 0.0 }).times += 1.0;
            }
        });
        // The first is always followed by the second …
        pairs.retain(|_, pair| pair.times >= CONTINUES_LINES && pair.times >= CONTINUES_SHARE * all[&pair.first]);
        // … and the second comes only after such.
        let mut after: NumberMap<u64, f32> = NumberMap::default();
        pairs.values().for_each(|pair| *after.entry(pair.second).or_default() += pair.times);
        pairs.retain(|_, pair| after[&pair.second] >= CONTINUES_SHARE * may_follow[&pair.second]);
        Continuations { pairs: pairs.into_keys().collect() }
    }

    /// Takes in what was learned of other lines.
    pub(crate) fn take_in(&mut self, others: Continuations) {
        if self.pairs.len() + others.pairs.len() > PAIRS_MAX {
            self.pairs.clear();
        }
        self.pairs.extend(others.pairs.into_iter().take(PAIRS_MAX));
    }

    /// Each line that goes on with one before, and the one that began the record, in order.
    pub(crate) fn find(&self, lines: &Lines, service: impl Fn(u32) -> u32) -> Vec<(u32, u32)> {
        let mut found: Vec<(u32, u32)> = Vec::new();
        if self.pairs.is_empty() {
            return found;
        }
        // Of each writer: the line that began the record of its last line.
        let mut first: NumberMap<u32, (u32, u32)> = NumberMap::default();
        let mut at = 0;
        each_with_previous(lines, |line, previous| {
            let goes_on = previous.filter(|previous| {
                may_go_on(line)
                    && at_once(previous, line)
                    && self.pairs.contains(&pair(service(line.writer), previous, line))
            });
            let began = goes_on.and_then(|_| first.get(&line.writer)).map_or(at, |(_, began)| *began);
            // It is decided when the record is.
            let is_same = |began: &Line| (began.is_decided, began.is_waiting) == (line.is_decided, line.is_waiting);
            let first_line = &lines.rows[began as usize];
            if began != at && first_line.from_payload && is_same(first_line) {
                found.push((at, began));
            }
            first.insert(line.writer, (at, began));
            at += 1;
        });
        found
    }
}

/// Each line, and the one before it of its writer and file.
fn each_with_previous<'l>(lines: &'l Lines, mut give: impl FnMut(&'l Line, Option<&'l Line>)) {
    let mut last: NumberMap<u32, &Line> = NumberMap::default();
    for line in &lines.rows {
        let previous = last.insert(line.writer, line).filter(|previous| previous.file == line.file);
        give(line, previous);
    }
}

/// It has no time of its own, and is one of those that learning looks at.
fn may_go_on(line: &Line) -> bool {
    !line.from_payload && line.teaches
}

/// Two lines were stamped at the same instant.
fn at_once(previous: &Line, line: &Line) -> bool {
    let since = line.envelope_time.saturating_sub(previous.envelope_time);
    line.envelope_time != i64::MIN && previous.envelope_time != i64::MIN && (0..=CONTINUES_NS).contains(&since)
}

fn kind(service: u32, line: &Line) -> u64 {
    mix(u64::from(service), line.template.fine)
}

fn pair(service: u32, previous: &Line, line: &Line) -> u64 {
    mix(kind(service, previous), line.template.fine)
}
