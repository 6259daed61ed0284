//! Which spans of a process may hold lines at a moment.
//!
//! In go the spans and who writes the lines, out come those that are open then. Programs of which it is known that they
//! write no line in some spans have tables without these. Nothing is weighed here.

use crate::correlate::index::{Intervals, Open, SpanIndex};
use crate::correlate::learn::operations::Operations;
use crate::correlate::rules::silent_spans::Silent;
use crate::correlate::text::hash::NumberMap;
use crate::record::Producer;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct OpenSpans {
    tables: Vec<Intervals>,
    /// Of each writer.
    of_writer: Vec<Option<u32>>,
}

impl OpenSpans {
    /// `writers`: number, who it is, and the resources of its spans.
    pub(crate) fn new<'a>(
        index: &SpanIndex,
        operations: &Operations,
        writers: impl Iterator<Item = (u32, Producer, &'a [u32])>,
    ) -> OpenSpans {
        let mut open = OpenSpans::default();
        let mut numbers: NumberMap<(Silent, &[u32]), u32> = NumberMap::default();
        // By resource, the sets it is in.
        let mut sets_of: Vec<Vec<u32>> = vec![Vec::new(); index.resources().len()];
        let mut rules = Vec::new();
        for (writer, producer, resources) in writers {
            let at = writer as usize;
            if at >= open.of_writer.len() {
                open.of_writer.resize(at + 1, None);
            }
            if open.of_writer[at].is_some() {
                continue;
            }
            let next = numbers.len() as u32;
            let number = *numbers.entry((Silent::of(producer), resources)).or_insert(next);
            if number == next {
                rules.push(Silent::of(producer));
                resources.iter().for_each(|resource| sets_of[*resource as usize].push(number));
            }
            open.of_writer[at] = Some(number);
        }
        let mut spans = vec![Vec::new(); numbers.len()];
        for slot in index.in_order_of_starts().iter().copied() {
            let span = index.span(slot);
            for number in &sets_of[span.resource as usize] {
                let only_waits = operations.only_waits(slot);
                if !rules[*number as usize].includes(span.kind, only_waits) {
                    spans[*number as usize].push((span.start, span.end, slot));
                }
            }
        }
        open.tables = spans.into_iter().map(Intervals::new).collect();
        open
    }

    /// Spans of a writer that begin no later than `start_max` and end no earlier than `end_min`, up to `room`.
    pub(crate) fn between(&self, writer: u32, start_max: i64, end_min: i64, room: usize, into: &mut Vec<Open>) {
        if let Some(Some(number)) = self.of_writer.get(writer as usize) {
            self.tables[*number as usize].open_with_times(start_max, end_min, room, into);
        }
    }
}
