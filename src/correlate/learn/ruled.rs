//! What rules have settled of lines before anything is learned.
//!
//! In go lines and what rules know of them, out come those that are left to learning, those whose trace is known, and links.
//! Which rules there are is not known here.

use super::lines::{Line, Lines};
use super::operations::Operations;
use super::posteriors::Keeps;
use super::writers::Writers;
use crate::correlate::hint::{Hint, Known};
use crate::correlate::index::Slot;
use crate::correlate::requests::timed_calls::TimedCall;
use crate::record::Relation;

/// What rules tell of lines.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// What is known of a line, by what it says, its writer and its time.
    pub(crate) known: &'a dyn Fn(Hint, u32, i64) -> Known,
    /// Bounds of the time of a line that says no more than the second, by source, file, offset and second.
    pub(crate) bounds: &'a dyn Fn(u32, u32, u64, i64) -> Option<(i64, i64)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ruled {
    /// Lines left to learning.
    pub(crate) wanted: Vec<u32>,
    /// (writer, time, trace) of those whose trace is known.
    pub(crate) settled: Vec<(u32, i64, u32)>,
    /// (line, trace) of them.
    pub(crate) traces: Vec<(u32, u32)>,
    /// Lines whose span is known, and how they stand to it: links.
    pub(crate) linked: Vec<(u32, Slot, Relation)>,
    pub(crate) calls: Vec<TimedCall>,
    /// By line, where evidence is kept.
    pub(crate) known: Vec<Known>,
}

impl Ruled {
    pub(crate) fn new(
        lines: &Lines,
        operations: &Operations,
        writers: Writers<'_>,
        rules: Rules<'_>,
        keeps: Keeps,
    ) -> Ruled {
        let mut ruled = Ruled::default();
        if keeps == Keeps::Evidence {
            ruled.known = vec![Known::Nothing; lines.rows.len()];
        }
        for (at, line) in lines.rows.iter().enumerate() {
            if !writers.is_traced(line) {
                continue;
            }
            let found = (rules.known)(lines.hint(line), line.writer, line.time);
            if let Some(known) = ruled.known.get_mut(at) {
                *known = found;
            }
            match found {
                _ if !line.teaches => {}
                Known::Nothing => ruled.wanted.push(at as u32),
                Known::Span(slot) => ruled.settle(at, line, operations.trace(slot)),
                Known::Linked(slot, relation) => {
                    if relation == Relation::Within {
                        ruled.settle(at, line, operations.trace(slot));
                    }
                    ruled.linked.push((at as u32, slot, relation));
                }
                Known::Call(method, start) => {
                    let (writer, end) = (line.writer, line.time);
                    ruled.calls.push(TimedCall { line: at as u32, writer, method, start, end });
                }
                Known::NoSpan => {}
            }
        }
        ruled
    }

    /// Lines that go on with a record, and the line that began it, in order: those are no longer left to learning, and are
    /// given back. Where a rule knows one of the two, the line is none of them.
    pub(crate) fn set_aside(&mut self, mut goes_on: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
        let is_wanted = |line: &u32| self.wanted.binary_search(line).is_ok();
        goes_on.retain(|(line, began)| is_wanted(line) && is_wanted(began));
        self.wanted.retain(|line| goes_on.binary_search_by_key(line, |goes_on| goes_on.0).is_err());
        goes_on
    }

    fn settle(&mut self, at: usize, line: &Line, trace: u32) {
        self.settled.push((line.writer, line.time, trace));
        self.traces.push((at as u32, trace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_rule_knows_goes_on_with_none() {
        let mut ruled = Ruled { wanted: vec![1, 2, 4, 5, 6], ..Ruled::default() };
        // The third is known itself, and so is what began the record of the fifth.
        assert_eq!(ruled.set_aside(vec![(2, 1), (3, 1), (5, 0), (6, 4)]), [(2, 1), (6, 4)]);
        assert_eq!(ruled.wanted, [1, 4, 5]);
    }
}
