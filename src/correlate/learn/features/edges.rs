//! Where the spans below a span begin and end: a program that writes a line there writes it just before a call or just
//! after it.
//!
//! In goes the index, out comes for a span and a moment how far the nearest such edge is. Counted are spans of the same
//! process; what a server does for its caller begins and ends unseen by the caller's lines.

use crate::correlate::index::{Slot, SpanIndex};
use crate::correlate::learn::bins::{FAR, bin};
use crate::correlate::learn::tuning::OUTLIVES_PARENT_NS;
use crate::facts::Kind;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// First place of each span's.
    firsts: Vec<u32>,
    /// Starts and ends of the spans below, each in order.
    starts: Vec<i64>,
    ends: Vec<i64>,
    /// When the one above had ended, of spans that went on for long after it; of others the end of all times.
    waits_from: Vec<i64>,
}

impl Edges {
    pub(crate) fn new(index: &SpanIndex) -> Edges {
        let parent = |slot: Slot| {
            let above = index.parent(slot).filter(|above| *above != slot)?;
            (index.span(above).resource == index.span(slot).resource).then_some(above)
        };
        let mut firsts = vec![0u32; index.len() + 1];
        let slots = || 0..index.len() as Slot;
        for above in slots().filter_map(parent) {
            firsts[above as usize + 1] += 1;
        }
        for at in 1..firsts.len() {
            firsts[at] += firsts[at - 1];
        }
        let all = firsts.last().copied().unwrap_or(0) as usize;
        let (mut starts, mut ends) = (vec![0; all], vec![0; all]);
        let mut next = firsts.clone();
        for (slot, above) in slots().filter_map(|slot| Some((slot, parent(slot)?))) {
            let at = &mut next[above as usize];
            (starts[*at as usize], ends[*at as usize]) = (index.span(slot).start, index.span(slot).end);
            *at += 1;
        }
        for range in firsts.windows(2).map(|range| range[0] as usize..range[1] as usize) {
            starts[range.clone()].sort_unstable();
            ends[range].sort_unstable();
        }
        let waits_from = |slot: Slot| {
            let (span, above) = (index.span(slot), index.span(parent(slot)?));
            let is_taken_up = matches!(span.kind, Kind::Server | Kind::Consumer);
            (!is_taken_up && above.end < span.end - OUTLIVES_PARENT_NS).then_some(above.end)
        };
        let waits_from = slots().map(|slot| waits_from(slot).unwrap_or(i64::MAX)).collect();
        Edges { firsts, starts, ends, waits_from }
    }

    /// The span above, of the same process, had ended by then.
    #[inline]
    pub(crate) fn outlives_parent(&self, slot: Slot, time: i64) -> bool {
        self.waits_from[slot as usize] < time
    }

    /// The bin of the distance of a moment.
    #[inline]
    pub(crate) fn bin(&self, slot: Slot, time: i64) -> u8 {
        // Most spans have none below.
        if self.firsts[slot as usize] == self.firsts[slot as usize + 1] { FAR } else { bin(self.distance(slot, time)) }
    }

    /// From the last end before a moment, or, negative, to the next start after it, whichever is nearer; far away where
    /// there is none.
    fn distance(&self, slot: Slot, time: i64) -> i64 {
        let range = self.firsts[slot as usize] as usize..self.firsts[slot as usize + 1] as usize;
        if range.is_empty() {
            return i64::MAX;
        }
        let (starts, ends) = (&self.starts[range.clone()], &self.ends[range]);
        let next = starts.get(starts.partition_point(|start| *start <= time));
        let last = ends.partition_point(|end| *end <= time).checked_sub(1).map(|at| ends[at]);
        let since = last.map_or(i64::MAX, |end| time.saturating_sub(end));
        let until = next.map_or(i64::MAX, |start| start.saturating_sub(time));
        if until < since { -until } else { since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::index::Limits;
    use crate::facts::{ResourceFact, SpanFact};

    #[test]
    fn the_nearest_edge_counts() {
        let mut index = SpanIndex::new(Limits::default());
        let span = |id: u8, parent: u8, start: i64, end: i64| SpanFact {
            trace_id: [1; 16],
            span_id: [id; 8],
            parent_id: [parent; 8],
            name: "x",
            start,
            end,
            ..SpanFact::default()
        };
        for span in [span(1, 0, 0, 900), span(2, 1, 100, 200), span(3, 1, 500, 600)] {
            index.add(&ResourceFact::default(), &span);
        }
        index.settle();
        let edges = Edges::new(&index);
        let slot = |id: u8| index.by_ids(&[1; 16], &[id; 8]).unwrap();
        assert_eq!(edges.distance(slot(1), 210), 10);
        assert_eq!(edges.distance(slot(1), 470), -30);
        assert_eq!(edges.distance(slot(1), 50), -50);
        assert_eq!(edges.distance(slot(1), 800), 200);
        assert_eq!(edges.distance(slot(3), 550), i64::MAX);
    }
}
