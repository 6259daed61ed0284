//! Spans by what they do, and by the trace they are of.
//!
//! In goes the settled index, out come small numbers: an operation (service, span name without its values, kind) and a
//! trace for each span, a service for each writer. What is learned, is learned per operation.

use crate::correlate::index::{Slot, SpanIndex, low_half_of};
use crate::correlate::rules::silent_spans::only_waits;
use crate::correlate::text::hash::{NumberMap, fold, mix};

/// Operations told apart; further ones are one.
const OPERATIONS_MAX: usize = 1 << 16;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    of: Vec<u32>,
    /// Of each operation.
    waiting: Vec<bool>,
    /// What it is in other indexes of the same stream too.
    keys: Vec<u64>,
    trace: Vec<u32>,
    /// Of each trace: the low half of its id.
    trace_ids: Vec<u64>,
    /// Service of each writer, by its first resource.
    group: Vec<u32>,
    count: usize,
}

impl Operations {
    /// `resources_of`: the resources of each writer, by number.
    pub(crate) fn new<'a>(index: &SpanIndex, resources_of: impl Iterator<Item = &'a [u32]>) -> Operations {
        let service_of = |resources: &[u32]| {
            resources.first().map_or(u32::MAX, |first| index.resources()[*first as usize].service_number)
        };
        let mut operations = Operations { group: resources_of.map(service_of).collect(), ..Operations::default() };
        operations.number_operations(index);
        operations.number_traces(index);
        operations
    }

    fn number_operations(&mut self, index: &SpanIndex) {
        let mut names: NumberMap<u32, u64> = NumberMap::default();
        let mut numbers: NumberMap<(u32, u64, u8), u32> = NumberMap::default();
        self.of.reserve(index.len());
        for slot in 0..index.len() as Slot {
            let span = index.span(slot);
            let name = *names.entry(span.name).or_insert_with(|| bare(index.name(span.name)));
            let next = (numbers.len() as u32).min(OPERATIONS_MAX as u32 - 1);
            let key = (index.resource(span.resource).service_number, name, span.kind as u8);
            let number = *numbers.entry(key).or_insert(next);
            if number as usize >= self.waiting.len() {
                self.waiting.push(only_waits(index.name(span.name)));
                self.keys.push(mix(mix(name, u64::from(key.0)), u64::from(key.2)));
            }
            self.of.push(number);
        }
        self.count = numbers.len().min(OPERATIONS_MAX);
    }

    fn number_traces(&mut self, index: &SpanIndex) {
        self.trace = vec![0; index.len()];
        let mut last = None;
        for slot in index.in_order_of_traces() {
            let id = index.span(*slot).trace_id;
            if last != Some(id) {
                last = Some(id);
                self.trace_ids.push(low_half_of(&id));
            }
            self.trace[*slot as usize] = self.trace_ids.len() as u32 - 1;
        }
    }

    /// The operation of a span.
    pub(crate) fn of(&self, slot: Slot) -> u32 {
        self.of[slot as usize]
    }

    /// The span only waits for a process to end.
    pub(crate) fn only_waits(&self, slot: Slot) -> bool {
        self.waiting[self.of[slot as usize] as usize]
    }

    /// What tells an operation from others, in all indexes of a stream.
    pub(crate) fn key(&self, operation: u32) -> u64 {
        self.keys.get(operation as usize).copied().unwrap_or_default()
    }

    /// The trace of a span.
    pub(crate) fn trace(&self, slot: Slot) -> u32 {
        self.trace[slot as usize]
    }

    /// Traces are numbered below.
    pub(crate) fn traces(&self) -> usize {
        self.trace_ids.len()
    }

    /// The low half of the id of a trace.
    pub(crate) fn trace_id(&self, trace: u32) -> u64 {
        self.trace_ids[trace as usize]
    }

    /// Operations are numbered below.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// What kinds of lines of a writer are told apart with.
    pub(crate) fn service_of_writer(&self, writer: u32) -> u32 {
        self.group.get(writer as usize).copied().unwrap_or(u32::MAX)
    }
}

/// A number for a span's name without its values: words with digits are one.
fn bare(name: &str) -> u64 {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'/' | b'?' | b'=' | b',');
    let parts = name.as_bytes().split(is_end);
    parts.fold(0, |all, part| {
        let long_number = part.iter().filter(|byte| byte.is_ascii_digit()).count() >= 3;
        let part = if long_number || part.iter().all(u8::is_ascii_digit) { b"#" } else { part };
        mix(all, fold(0, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_but_for_their_values() {
        assert_eq!(bare("GET /orders/12345"), bare("GET /orders/99123"));
        assert_ne!(bare("GET /orders/12345"), bare("GET /carts/12345"));
        assert_ne!(bare("containerd.task.v3.Task/Wait"), bare("containerd.task.v2.Task/Wait"));
    }
}
