//! Records of several lines whose later lines look like records of their own: a statement that is echoed line by line.
//!
//! In go lines, out comes for those that go on with the line before the line that began the record. Learned is which kinds
//! always follow each other at the same instant, where the first has a time of its own and the later ones have none. What
//! the kinds are is not known here.

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

/// How often a kind comes, and what follows it.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    all: f32,
    followed: f32,
}

impl Continuations {
    /// What these lines tell. `service`: of a writer.
    pub(crate) fn new(lines: &Lines, service: impl Fn(u32) -> u32) -> Continuations {
        let mut kinds: NumberMap<u64, Counts> = NumberMap::default();
        let mut pairs: NumberMap<u64, Counts> = NumberMap::default();
        let mut later: NumberMap<u64, Counts> = NumberMap::default();
        let mut seen = Vec::new();
        each_with_previous(lines, |line, previous| {
            let service = service(line.writer);
            kinds.entry(kind(service, line)).or_default().all += 1.0;
            if may_go_on(line) {
                later.entry(kind(service, line)).or_default().all += 1.0;
                if let Some(previous) = previous.filter(|previous| at_once(previous, line)) {
                    pairs.entry(pair(service, previous, line)).or_default().followed += 1.0;
                    seen.push((kind(service, previous), kind(service, line), pair(service, previous, line)));
                }
            }
        });
        seen.sort_unstable();
        seen.dedup();
        let share = |pair: &u64, of: &u64, all: &NumberMap<u64, Counts>| {
            pairs[pair].followed / all.get(of).map_or(f32::INFINITY, |counts| counts.all)
        };
        // The first is always followed by the second …
        seen.retain(|(first, _, pair)| {
            pairs[pair].followed >= CONTINUES_LINES && share(pair, first, &kinds) >= CONTINUES_SHARE
        });
        // … and the second comes only after such.
        for (_, second, pair) in &seen {
            later.entry(*second).or_default().followed += pairs[pair].followed;
        }
        seen.retain(|(_, second, _)| {
            let counts = later[second];
            counts.followed >= CONTINUES_SHARE * counts.all
        });
        Continuations { pairs: seen.into_iter().map(|(.., pair)| pair).collect() }
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

/// It has no time of its own, and was not given one.
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
