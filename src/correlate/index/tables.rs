//! Orders of spans that are made once all of them are in: by trace, id, parent, resource and time.
//!
//! In go spans and their parents, out come tables of slots. The index decides what they are asked for.

use super::bucket_sort;
use super::intervals::Intervals;
use super::span::{NONE, Slot, Span};
use crate::correlate::text::hash::{NumberMap, Seed};

/// Spans of one id that are told, of whatever traces.
const SAME_SPAN_IDS_MAX: usize = 16;

/// Orders that are made once all spans of a round are in.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) parents: Vec<Slot>,
    /// Children of slot i: `children[child_starts[i]..child_starts[i + 1]]`, by start.
    pub(crate) child_starts: Vec<u32>,
    pub(crate) children: Vec<Slot>,
    /// By (low half of the trace id, trace id, start).
    pub(crate) by_trace: Vec<Slot>,
    /// Low half of a trace id → its first place in `by_trace`.
    pub(crate) traces: NumberMap<u64, u32>,
    pub(crate) by_span_id: Vec<Slot>,
    /// By (start, end).
    pub(crate) by_start: Vec<Slot>,
    pub(crate) by_resource: Vec<Intervals>,
}

impl Tables {
    /// `parents`: of each span; `resources`: how many there are. `seed`: of the ids.
    pub(crate) fn new(spans: &[Span], parents: Vec<Slot>, resources: usize, seed: u64) -> Tables {
        let traces = NumberMap::with_hasher(Seed(seed));
        let mut tables = Tables { parents, traces, ..Tables::default() };
        tables.order_children(spans);
        let slots: Vec<Slot> = (0..spans.len() as Slot).collect();
        tables.order_traces(spans, &slots);
        let span_id = |slot: &Slot| u64::from_be_bytes(spans[*slot as usize].span_id);
        tables.by_span_id =
            bucket_sort::sorted(&slots, span_id, |slots| slots.sort_unstable_by_key(|slot| (span_id(slot), *slot)));
        tables.by_start = by_start(spans);
        let mut by_resource = vec![Vec::new(); resources];
        for slot in &tables.by_start {
            let span = &spans[*slot as usize];
            by_resource[span.resource as usize].push((span.start, span.end, *slot));
        }
        tables.by_resource = by_resource.into_iter().map(Intervals::new).collect();
        tables
    }

    /// Spans of a trace among all, by start. With `low_half` the first half of the id is not compared.
    pub(crate) fn of_trace(&self, spans: &[Span], trace_id: &[u8; 16], low_half: bool) -> &[Slot] {
        let low = low_half_of(trace_id);
        let Some(first) = self.traces.get(&low) else { return &[] };
        let same_low = &self.by_trace[*first as usize..];
        let order = |slot: &Slot| trace_order(&spans[*slot as usize]);
        if low_half {
            let Some(id) = same_low.first().map(|slot| spans[*slot as usize].trace_id) else { return &[] };
            let end = same_low.partition_point(|slot| order(slot) <= (low, id));
            let others = same_low.get(end).is_some_and(|slot| order(slot).0 == low);
            return if others { &[] } else { &same_low[..end] };
        }
        let start = same_low.partition_point(|slot| order(slot) < (low, *trace_id));
        let end = same_low.partition_point(|slot| order(slot) <= (low, *trace_id));
        &same_low[start..end]
    }

    /// Spans with this span id among all, of whatever trace.
    pub(crate) fn of_span_id(&self, spans: &[Span], span_id: &[u8; 8]) -> &[Slot] {
        let slots = &self.by_span_id;
        let start = slots.partition_point(|slot| spans[*slot as usize].span_id < *span_id);
        let same = slots[start..].iter().take_while(|slot| spans[**slot as usize].span_id == *span_id);
        &slots[start..start + same.take(SAME_SPAN_IDS_MAX).count()]
    }

    fn order_children(&mut self, spans: &[Span]) {
        let mut starts = vec![0u32; spans.len() + 2];
        for parent in self.parents.iter().filter(|parent| **parent != NONE) {
            starts[*parent as usize + 2] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut children = vec![0; starts[starts.len() - 1] as usize];
        for (slot, parent) in self.parents.iter().enumerate().filter(|(_, parent)| **parent != NONE) {
            let place = &mut starts[*parent as usize + 1];
            children[*place as usize] = slot as Slot;
            *place += 1;
        }
        starts.pop();
        for range in starts.windows(2) {
            children[range[0] as usize..range[1] as usize].sort_unstable_by_key(|slot| spans[*slot as usize].start);
        }
        self.child_starts = starts;
        self.children = children;
    }

    /// `slots`: all.
    fn order_traces(&mut self, spans: &[Span], slots: &[Slot]) {
        let low = |slot: &Slot| low_half_of(&spans[*slot as usize].trace_id);
        let order = |slot: &Slot| {
            let span = &spans[*slot as usize];
            (trace_order(span), span.start, std::cmp::Reverse(span.end), *slot)
        };
        self.by_trace = bucket_sort::sorted(slots, low, |slots| slots.sort_unstable_by_key(order));
        let mut at = 0;
        for spans in self.by_trace.chunk_by(|a, b| low(a) == low(b)) {
            self.traces.insert(low(&spans[0]), at);
            at += spans.len() as u32;
        }
    }
}

/// All spans by (start, end).
fn by_start(spans: &[Span]) -> Vec<Slot> {
    let (first, last) =
        spans.iter().fold((i64::MAX, i64::MIN), |all, span| (all.0.min(span.start), all.1.max(span.start)));
    let rows: Vec<(i64, i64, Slot)> = spans.iter().zip(0..).map(|(span, slot)| (span.start, span.end, slot)).collect();
    // Between the first and the last, starts are spread well enough.
    let scale = last.abs_diff(first).leading_zeros();
    let number = |row: &(i64, i64, Slot)| row.0.abs_diff(first) << scale;
    let rows = bucket_sort::sorted(&rows, number, |rows| rows.sort_unstable());
    rows.into_iter().map(|(_, _, slot)| slot).collect()
}

pub(crate) fn trace_order(span: &Span) -> (u64, [u8; 16]) {
    (low_half_of(&span.trace_id), span.trace_id)
}

pub(crate) fn low_half_of(trace_id: &[u8; 16]) -> u64 {
    let mut low = [0; 8];
    low.copy_from_slice(&trace_id[8..]);
    u64::from_be_bytes(low)
}
