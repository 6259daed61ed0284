//! Which spans of a process may hold lines at a moment.
//!
//! In go the spans and who writes the lines, out come those that are open then. Programs of which it is known that they
//! write no line in some spans have tables without these, made when first asked for. Nothing is weighed here.

use super::super::facts::Kind;
use super::super::intervals::Intervals;
use super::super::span_index::{Slot, SpanIndex};
use super::operations::Operations;
use crate::record::Producer;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OpenSpans {
    /// By resource, for kubelet and for containerd.
    held: Vec<[Option<Intervals>; 2]>,
}

impl OpenSpans {
    /// `writers`: who writes, with the resources of its spans.
    pub(super) fn new<'a>(
        index: &SpanIndex,
        operations: &Operations,
        writers: impl Iterator<Item = (Producer, &'a [u32])>,
    ) -> OpenSpans {
        let mut open = OpenSpans::default();
        for (producer, resources) in writers {
            let Some(rule) = rule_of(producer) else { continue };
            for resource in resources {
                let at = *resource as usize;
                if at >= open.held.len() {
                    open.held.resize_with(at + 1, Default::default);
                }
                open.held[at][rule].get_or_insert_with(|| {
                    let holds = |slot: &Slot| match producer {
                        // Writes no line while it calls another: an error is told after the call's span has ended.
                        Producer::Kubelet => index.span(*slot).kind != Kind::Client,
                        _ => !operations.only_waits(*slot),
                    };
                    let own = |slot: &Slot| index.span(*slot).resource == *resource;
                    let spans = (0..index.len() as Slot).filter(own).filter(holds);
                    Intervals::new(spans.map(|slot| (index.span(slot).start, index.span(slot).end, slot)).collect())
                });
            }
        }
        open
    }

    /// Spans that begin no later than `start_max` and end no earlier than `end_min`, up to `room`.
    pub(super) fn between(
        &self,
        index: &SpanIndex,
        (producer, resource): (Producer, u32),
        (start_max, end_min): (i64, i64),
        room: usize,
        into: &mut Vec<Slot>,
    ) {
        let held = rule_of(producer).and_then(|rule| self.held.get(resource as usize)?[rule].as_ref());
        match held {
            Some(held) => held.open(start_max, end_min, room, into),
            None => index.open_between(resource, start_max, end_min, room, into),
        }
    }
}

fn rule_of(producer: Producer) -> Option<usize> {
    match producer {
        Producer::Kubelet => Some(0),
        Producer::Containerd => Some(1),
        _ => None,
    }
}
