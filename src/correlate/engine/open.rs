//! Which spans of a process may hold lines at a moment.
//!
//! In go the spans and who writes the lines, out come those that are open then. Programs of which it is known that they
//! write no line in some spans have tables without these. Nothing is weighed here.

use super::operations::Operations;
use crate::correlate::index::{Intervals, Open, SpanIndex};
use crate::correlate::text::hash::NumberMap;
use crate::facts::Kind;
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
        let mut numbers: NumberMap<(u8, &[u32]), u32> = NumberMap::default();
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
            let number = *numbers.entry((rule_of(producer), resources)).or_insert(next);
            if number == next {
                rules.push(rule_of(producer));
                resources.iter().for_each(|resource| sets_of[*resource as usize].push(number));
            }
            open.of_writer[at] = Some(number);
        }
        let mut spans = vec![Vec::new(); numbers.len()];
        for slot in index.in_order_of_starts().iter().copied() {
            let span = index.span(slot);
            for number in &sets_of[span.resource as usize] {
                let holds = match rules[*number as usize] {
                    // Writes no line while it calls another: an error is told after the call's span has ended.
                    NO_CLIENTS => span.kind != Kind::Client,
                    NO_WAITING => !operations.only_waits(slot),
                    _ => true,
                };
                if holds {
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

const ALL: u8 = 0;
const NO_CLIENTS: u8 = 1;
const NO_WAITING: u8 = 2;

fn rule_of(producer: Producer) -> u8 {
    match producer {
        Producer::Kubelet => NO_CLIENTS,
        Producer::Containerd => NO_WAITING,
        _ => ALL,
    }
}
