//! Which spans are open at a time.
//!
//! In go spans of one resource by start and end, out come those that cover a moment, without looking at the others:
//! a tree of latest ends over the spans in order of their start. Spans that are open for hours cost nothing extra.

/// Spans below one leaf of the tree: looking at each of them is cheaper than further steps.
const LEAF: usize = 8;

/// Spans that a step of the time has on average, or somewhat more.
const SPANS_PER_STEP: usize = 8;

/// A span that is open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) slot: u32,
}

/// Spans of one resource, ordered by start.
#[derive(Debug, Default)]
pub(crate) struct Intervals {
    starts: Vec<i64>,
    ends: Vec<i64>,
    slots: Vec<u32>,
    /// A binary heap: node i has the latest end of nodes 2i and 2i+1; the leaves begin at `leaves`.
    latest_end: Vec<i64>,
    leaves: usize,
    /// The time from the first start on in even steps, of this many bits: the first span of each step.
    steps: Vec<u32>,
    step_bits: u32,
}

impl Intervals {
    /// `spans` = (start, end, slot), in order
    pub(crate) fn new(spans: Vec<(i64, i64, u32)>) -> Intervals {
        debug_assert!(spans.is_sorted());
        let leaves = spans.len().div_ceil(LEAF).next_power_of_two();
        let mut latest_end = vec![i64::MIN; 2 * leaves];
        for (end, spans) in latest_end[leaves..].iter_mut().zip(spans.chunks(LEAF)) {
            *end = spans.iter().map(|span| span.1).max().unwrap_or(i64::MIN);
        }
        for node in (1..leaves).rev() {
            latest_end[node] = latest_end[2 * node].max(latest_end[2 * node + 1]);
        }
        let starts: Vec<i64> = spans.iter().map(|span| span.0).collect();
        let (steps, step_bits) = steps(&starts);
        let ends = spans.iter().map(|span| span.1).collect();
        let slots = spans.iter().map(|span| span.2).collect();
        Intervals { starts, ends, slots, latest_end, leaves, steps, step_bits }
    }

    /// Spans that begin no later than `start_max` and end no earlier than `end_min`, up to `room` of them, in order of
    /// their start.
    pub(crate) fn open(&self, start_max: i64, end_min: i64, room: usize, into: &mut Vec<u32>) {
        self.each(start_max, end_min, room, |span| into.push(span.slot));
    }

    /// The same with their times, which are stored next to them here.
    pub(crate) fn open_with_times(&self, start_max: i64, end_min: i64, room: usize, into: &mut Vec<Open>) {
        self.each(start_max, end_min, room, |span| into.push(span));
    }

    #[inline]
    fn each(&self, start_max: i64, end_min: i64, room: usize, mut found: impl FnMut(Open)) {
        let count = self.begun(start_max);
        if count == 0 {
            return;
        }
        let mut left = room;
        // Leaves below a node are this many bits further on.
        let (mut node, mut height) = (1usize, self.leaves.ilog2());
        let last = self.leaves + count.div_ceil(LEAF);
        while node << height < last {
            if self.latest_end[node] >= end_min {
                if height > 0 {
                    (node, height) = (2 * node, height - 1);
                    continue;
                }
                let from = (node - self.leaves) * LEAF;
                let leaf = from..(from + LEAF).min(count);
                let times = self.starts[leaf.clone()].iter().zip(&self.ends[leaf.clone()]);
                for ((start, end), slot) in times.zip(&self.slots[leaf]) {
                    if *end >= end_min {
                        found(Open { start: *start, end: *end, slot: *slot });
                        left -= 1;
                        if left == 0 {
                            return;
                        }
                    }
                }
            }
            // On to the next subtree to the right.
            node += 1;
            let up = node.trailing_zeros();
            (node, height) = (node >> up, height + up);
            if node == 1 {
                return;
            }
        }
    }

    /// Spans that begin no later than a time.
    fn begun(&self, time: i64) -> usize {
        let Some(since) = self.starts.first().filter(|first| **first <= time).map(|first| time.abs_diff(*first)) else {
            return 0;
        };
        let step = (since >> self.step_bits) as usize;
        let Some([from, to]) = self.steps.get(step..).and_then(|steps| steps.first_chunk()) else {
            return self.starts.len();
        };
        let (from, to) = (*from as usize, *to as usize);
        from + self.starts[from..to].partition_point(|start| *start <= time)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.starts.len() * 20 + self.latest_end.len() * 8 + self.steps.len() * 4
    }
}

/// The first span of each step, one of some spans on average, with what follows the last; and the bits of a step.
fn steps(starts: &[i64]) -> (Vec<u32>, u32) {
    let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return (Vec::new(), 0) };
    let most = (starts.len() / SPANS_PER_STEP) as u64 + 1;
    let range = last.abs_diff(*first);
    let step_bits = (range / most).checked_ilog2().map_or(0, |bits| bits + 1);
    let mut steps = Vec::with_capacity((range >> step_bits) as usize + 2);
    for (at, start) in (0..).zip(starts) {
        let step = (start.abs_diff(*first) >> step_bits) as usize;
        if step >= steps.len() {
            steps.resize(step + 1, at);
        }
    }
    steps.push(starts.len() as u32);
    (steps, step_bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_tree_finds_what_a_scan_finds(
            spans in prop::collection::vec((0i64..200, 0i64..60), 0..70),
            at in -5i64..260,
            slack in 0i64..20,
        ) {
            let mut rows: Vec<_> = spans.iter().enumerate().map(|(slot, (start, length))| (*start, start + length, slot as u32)).collect();
            let mut found = Vec::new();
            rows.sort_unstable();
            Intervals::new(rows.clone()).open(at, at - slack, usize::MAX >> 1, &mut found);
            let scanned: Vec<u32> = rows.iter().filter(|row| row.0 <= at && row.1 >= at - slack).map(|row| row.2).collect();
            prop_assert_eq!(found, scanned);
        }
    }
}
