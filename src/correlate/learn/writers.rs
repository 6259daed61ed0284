//! Whose lines may have a span at all.
//!
//! In go the resources of each writer's spans and, in a stream, while they lasted; out comes whether a line of it may lie in
//! one. Whose spans a writer's lines can belong to was decided before, by [`process`](crate::correlate::rules::process).

use super::lines::Line;

/// Writers of lines, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writers<'a> {
    /// Those of their spans.
    pub(crate) resources: &'a [&'a [u32]],
    /// Numbers of their services, [`u32::MAX`] where they have none.
    pub(crate) services: &'a [u32],
    /// While they have spans; where it is not known when a line is read.
    pub(crate) ranges: Option<&'a [(i64, i64)]>,
}

impl Writers<'_> {
    /// It may have a span.
    pub(crate) fn is_traced(&self, line: &Line) -> bool {
        let at = line.writer as usize;
        let within = |range: &(i64, i64)| range.0 <= line.time && line.time <= range.1;
        self.resources.get(at).is_some_and(|found| !found.is_empty())
            && self.ranges.is_none_or(|ranges| ranges.get(at).is_some_and(within))
    }
}
