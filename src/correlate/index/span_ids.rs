//! Slots of spans by their ids.
//!
//! In go ids of trace and span, out comes the slot of the span that has them. Kept are five bytes for a span: its slot, and
//! some bits of the hash that tell most others apart; the ids stand with the spans, which are looked up by their slots. The
//! ids come from outside, so that hashes have a seed that nobody knows.

use hashbrown::HashTable;

use super::span::{Slot, Span};
use crate::correlate::text::hash::mix;

/// See the module.
#[derive(Debug)]
pub(crate) struct SpanIds {
    seed: u64,
    slots: HashTable<Slot>,
}

impl SpanIds {
    pub(crate) fn new(seed: u64) -> SpanIds {
        SpanIds { seed, slots: HashTable::new() }
    }

    /// The slot of these ids. `span`: that of a slot.
    #[inline]
    pub(crate) fn find<'s>(
        &self,
        trace_id: &[u8; 16],
        span_id: &[u8; 8],
        span: impl Fn(Slot) -> &'s Span,
    ) -> Option<Slot> {
        let is_it = |slot: &Slot| has_ids(span(*slot), trace_id, span_id);
        self.slots.find(hash(self.seed, trace_id, span_id), is_it).copied()
    }

    /// The slot that the ids have, which a span may get another one for; a new one has `next` from now on.
    #[inline]
    pub(crate) fn slot_of<'s>(&mut self, own: &Span, next: Slot, span: impl Fn(Slot) -> &'s Span) -> &mut Slot {
        let seed = self.seed;
        let is_it = |slot: &Slot| has_ids(span(*slot), &own.trace_id, &own.span_id);
        let of = |slot: &Slot| hash_of(seed, span(*slot));
        self.slots.entry(hash_of(seed, own), is_it, of).or_insert(next).into_mut()
    }

    /// The ids of this span, of this slot, have none any more.
    pub(crate) fn remove(&mut self, own: &Span, slot: Slot) {
        if let Ok(found) = self.slots.find_entry(hash_of(self.seed, own), |other| *other == slot) {
            found.remove();
        }
    }

    /// Makes room for this many further ones.
    pub(crate) fn reserve<'s>(&mut self, spans: usize, span: impl Fn(Slot) -> &'s Span) {
        let seed = self.seed;
        self.slots.reserve(spans, |slot| hash_of(seed, span(*slot)));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }
}

fn has_ids(span: &Span, trace_id: &[u8; 16], span_id: &[u8; 8]) -> bool {
    span.span_id == *span_id && span.trace_id == *trace_id
}

fn hash_of(seed: u64, span: &Span) -> u64 {
    hash(seed, &span.trace_id, &span.span_id)
}

#[inline]
fn hash(seed: u64, trace_id: &[u8; 16], span_id: &[u8; 8]) -> u64 {
    let trace = u128::from_le_bytes(*trace_id);
    [trace as u64, (trace >> 64) as u64, u64::from_le_bytes(*span_id)].into_iter().fold(seed, mix)
}
