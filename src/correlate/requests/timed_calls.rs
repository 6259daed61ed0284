//! Lines that tell which call they are about: its method and when it began.
//!
//! In go such lines, out come the spans of that name which began just before and are still open when the line is written.
//! How long before is learned from lines that have one candidate only; each span is given once, nearest first.

use std::collections::HashMap;

use crate::correlate::index::{Slot, SpanIndex};
use crate::correlate::text::hash::fold;

/// A span begins at most so long before the time that the line tells.
const BEFORE_NS: i64 = 20_000_000;
/// Printed times are rounded down.
const ROUNDED_NS: i64 = 1_000;
/// Candidates of one line, nearest first.
const CANDIDATES_MAX: usize = 16;

/// A line about a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimedCall {
    pub(crate) line: u32,
    pub(crate) writer: u32,
    /// See [`method_number`].
    pub(crate) method: u64,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// The number of a method's name, with or without the slash in front.
pub(crate) fn method_number(name: &[u8]) -> u64 {
    fold(0, name.strip_prefix(b"/").unwrap_or(name))
}

/// Lines with their spans. `resources`: those of each writer; a caller's span has the same name.
pub(crate) fn assign(index: &SpanIndex, resources: &[&[u32]], calls: &[TimedCall]) -> Vec<(u32, Slot)> {
    let mut by_method: HashMap<u64, Vec<(i64, Slot)>> = calls.iter().map(|call| (call.method, Vec::new())).collect();
    let mut numbers: HashMap<u32, u64> = HashMap::new();
    for slot in 0..index.len() as Slot {
        let span = index.span(slot);
        let method = *numbers.entry(span.name).or_insert_with(|| method_number(index.name(span.name).as_bytes()));
        if let Some(spans) = by_method.get_mut(&method) {
            spans.push((span.start, slot));
        }
    }
    by_method.values_mut().for_each(|spans| spans.sort_unstable());
    let mut pairs: Vec<(i64, u32, Slot, i64)> = Vec::new();
    let (mut sole, mut sole_ends) = (Vec::new(), Vec::new());
    for call in calls {
        let Some(spans) = by_method.get(&call.method) else { continue };
        let begun = spans.partition_point(|(start, _)| *start <= call.start + ROUNDED_NS);
        let before = pairs.len();
        let own = resources.get(call.writer as usize).copied().unwrap_or_default();
        let is_own = |span: &&(i64, Slot)| own.contains(&index.span(span.1).resource);
        for (start, slot) in spans[..begun].iter().rev().filter(is_own).take(CANDIDATES_MAX) {
            let distance = (call.start - start).max(0);
            if distance > BEFORE_NS {
                break;
            }
            let end_distance = index.span(*slot).end - call.end;
            if (0..=BEFORE_NS).contains(&end_distance) {
                pairs.push((distance, call.line, *slot, end_distance));
            }
        }
        if pairs.len() == before + 1 {
            sole.push(pairs[before].0);
            sole_ends.push(pairs[before].3);
        }
    }
    let (reach_start, reach_end) = (reach(&mut sole), 2 * reach(&mut sole_ends));
    pairs.sort_unstable();
    let (mut lines, mut spans) = (std::collections::HashSet::new(), std::collections::HashSet::new());
    let mut found = Vec::new();
    for (distance, line, slot, end_distance) in pairs {
        if distance <= reach_start && end_distance <= reach_end && !lines.contains(&line) && spans.insert(slot) {
            lines.insert(line);
            found.push((line, slot));
        }
    }
    found
}

/// How far a line's start may be from its span's: a few times the median.
fn reach(sole: &mut [i64]) -> i64 {
    sole.sort_unstable();
    let median = sole.get(sole.len() / 2).copied().unwrap_or(0);
    (8 * median).clamp(50_000, BEFORE_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reach_follows_the_median() {
        assert_eq!(reach(&mut []), 50_000);
        assert_eq!(reach(&mut [100_000; 20]), 800_000);
        assert_eq!(method_number(b"/a.B/C"), method_number(b"a.B/C"));
    }
}
