//! What a lane adds to the memory of each part.
//!
//! In go bytes as they are told, out come sums over all lanes, in the metrics.

use crate::metrics::{Metrics, Share};

/// See the module.
pub(super) struct Memory {
    pub(super) lines: Share,
    pub(super) files: Share,
    pub(super) positions: Share,
    pub(super) waiting: Share,
    pub(super) links: Share,
}

impl Memory {
    pub(super) fn new(metrics: &Metrics) -> Memory {
        let share = |part| Share::of(metrics.memory(part));
        Memory {
            lines: share("lines"),
            files: share("files"),
            positions: share("positions"),
            waiting: share("waiting"),
            links: share("links"),
        }
    }
}
