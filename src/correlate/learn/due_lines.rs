//! Which lines of a stream are due: each source's up to a time of its own.
//!
//! In go times of lines, out come those of each source. Data only.

use crate::correlate::text::hash::NumberMap;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct DueLines {
    sources: NumberMap<u32, DueSource>,
}

/// Of one source, times in ns since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DueSource {
    /// Of its first and its last line that is due.
    pub(crate) times: (i64, i64),
    /// Its lines are due up to here.
    pub(crate) due: i64,
}

impl DueLines {
    /// A line of a source is due, as are all of it up to `due`.
    pub(crate) fn add(&mut self, source: u32, time: i64, due: i64) {
        let of = self.sources.entry(source).or_insert(DueSource { times: (time, time), due });
        of.times = (of.times.0.min(time), of.times.1.max(time));
    }

    /// What is due of a source.
    pub(crate) fn of(&self, source: u32) -> Option<DueSource> {
        self.sources.get(&source).copied()
    }

    /// Of the first and the last line; `None` where none is due.
    pub(crate) fn times(&self) -> Option<(i64, i64)> {
        let times = self.sources.values().map(|of| of.times);
        times.reduce(|all, times| (all.0.min(times.0), all.1.max(times.1)))
    }
}
