//! Up to when lines are decided.
//!
//! In go a time for all lines, and those of sources that are further, out comes that of each source.

use super::text::hash::NumberMap;

/// See the module; times in ns since the epoch.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// All lines up to here: they have waited for as long as they may.
    pub(crate) all: i64,
    /// Of sources with lines that were not decided.
    pub(crate) sources: NumberMap<u32, i64>,
}

impl Due {
    /// For all sources alike.
    pub(crate) fn at(all: i64) -> Due {
        Due { all, sources: NumberMap::default() }
    }

    /// Of a source.
    pub(crate) fn up_to(&self, source: u32) -> i64 {
        self.sources.get(&source).map_or(self.all, |due| self.all.max(*due))
    }
}
