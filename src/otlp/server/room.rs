//! The share that one request has of the memory that all of them may take.
//!
//! In go bytes as they are taken, out comes whether there is room; all is given back with the share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    all: Arc<AtomicUsize>,
    max: usize,
    bytes: usize,
}

impl Room {
    /// Nothing of `all`, which are to be `max` at most.
    pub(super) fn none(all: &Arc<AtomicUsize>, max: usize) -> Room {
        Room { all: Arc::clone(all), max, bytes: 0 }
    }

    /// Takes more; whether there was room for it.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.all.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.max
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_takes_another_has_not_until_it_is_given_back() {
        let all = Arc::new(AtomicUsize::new(0));
        let (mut one, mut other) = (Room::none(&all, 10), Room::none(&all, 10));
        assert!(one.grow(4) && other.grow(6) && !one.grow(1));
        drop(one);
        assert!(other.grow(4));
        drop(other);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
