//! How often each of a few things was met.
//!
//! One of them is counted for every record, so that the look-up must cost next to nothing: the list is short, and mostly
//! the same few are met. What is counted is not known here.

/// Counts by kind, in the order of the kinds.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted<K>(Vec<(K, u64)>);

impl<K> Default for Counted<K> {
    fn default() -> Counted<K> {
        Counted(Vec::new())
    }
}

impl<K: Copy + Ord> Counted<K> {
    /// Counts so many of one kind.
    #[inline]
    pub fn add(&mut self, kind: K, count: u64) {
        match self.0.iter_mut().find(|(met, _)| *met == kind) {
            Some((_, sum)) => *sum += count,
            None => {
                let place = self.0.partition_point(|(met, _)| *met < kind);
                self.0.insert(place, (kind, count));
            }
        }
    }

    /// Each kind that was met, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.0.iter().copied()
    }

    /// All of them.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_in_their_order_with_their_sums() {
        let mut counted = Counted::default();
        for kind in [3, 1, 3, 2, 1, 3] {
            counted.add(kind, 1);
        }
        counted.add(2, 10);
        assert_eq!(counted.iter().collect::<Vec<_>>(), [(1, 2), (2, 11), (3, 3)]);
        assert_eq!(counted.sum(), 16);
    }
}
