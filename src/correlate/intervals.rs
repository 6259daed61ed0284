//! Which spans are open at a time.
//!
//! In go spans of one resource by start and end, out come those that cover a moment, without looking at the others:
//! a tree of latest ends over the spans in order of their start. Spans that are open for hours cost nothing extra.

/// Spans of one resource, ordered by start.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    starts: Vec<i64>,
    slots: Vec<u32>,
    /// A binary heap: node i has the latest end of nodes 2i and 2i+1; the leaves begin at `leaves`.
    latest_end: Vec<i64>,
    leaves: usize,
}

impl Intervals {
    /// `spans` = (start, end, slot)
    pub(super) fn new(mut spans: Vec<(i64, i64, u32)>) -> Intervals {
        spans.sort_unstable();
        let leaves = spans.len().next_power_of_two();
        let mut latest_end = vec![i64::MIN; 2 * leaves];
        for (at, span) in spans.iter().enumerate() {
            latest_end[leaves + at] = span.1;
        }
        for node in (1..leaves).rev() {
            latest_end[node] = latest_end[2 * node].max(latest_end[2 * node + 1]);
        }
        let starts = spans.iter().map(|span| span.0).collect();
        let slots = spans.iter().map(|span| span.2).collect();
        Intervals { starts, slots, latest_end, leaves }
    }

    /// Spans that begin no later than `start_max` and end no earlier than `end_min`, up to `room` of them, in order of
    /// their start.
    pub(super) fn open(&self, start_max: i64, end_min: i64, room: usize, into: &mut Vec<u32>) {
        let count = self.starts.partition_point(|start| *start <= start_max);
        if count == 0 {
            return;
        }
        let room = into.len() + room;
        // Leaves below a node are so many bits further on.
        let (mut node, mut height) = (1usize, self.leaves.ilog2());
        let end = self.leaves + count;
        while node << height < end {
            if self.latest_end[node] >= end_min {
                if height > 0 {
                    (node, height) = (2 * node, height - 1);
                    continue;
                }
                into.push(self.slots[node - self.leaves]);
                if into.len() >= room {
                    return;
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

    pub(super) fn bytes(&self) -> usize {
        self.starts.len() * 12 + self.latest_end.len() * 8
    }
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
            Intervals::new(rows.clone()).open(at, at - slack, usize::MAX >> 1, &mut found);
            rows.sort_unstable();
            let scanned: Vec<u32> = rows.iter().filter(|row| row.0 <= at && row.1 >= at - slack).map(|row| row.2).collect();
            prop_assert_eq!(found, scanned);
        }
    }
}
