//! Linking along a stream: lines are decided some time after they were written, statistics decay.
//!
//! In go span facts and records as they come, and from time to time how far lines are due; out come the links of the lines
//! that fell due. Bounded: what is older than the memory is forgotten, and a source when it ends. Where lines wait until
//! then is the caller's.

use super::correlator::{Correlator, traced};
use super::learn::Progress;

/// How a stream is followed.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Lines that old are still looked at, ns: those of one request tell of each other.
    pub nanos: i64,
    /// Half of what was learned is forgotten in each, ns.
    pub half_life: i64,
}

/// Spans are kept so much longer than lines: of those that a line of the memory lies in, the end may be told late.
const SPANS_LONGER_NS: i64 = 10_000_000_000;

impl Default for Memory {
    fn default() -> Memory {
        Memory { nanos: 60_000_000_000, half_life: 600_000_000_000 }
    }
}

impl Correlator {
    /// Spans and lines will come together.
    pub fn follow(&mut self) {
        self.is_live = true;
        self.index.keep_seed();
    }

    /// No more lines come from a source.
    pub fn source_ends(&mut self, source: u32) {
        if let Some(writers) = self.sources.get_mut(source as usize) {
            writers.clear();
        }
    }

    /// Decides the lines up to `due` (ns since the epoch) that were observed since the last time: their links are there
    /// until the next. Call it when the spans they may lie in have come, or the time is up; what comes later for them is
    /// only learned from.
    pub fn advance(&mut self, due: i64, memory: Memory) {
        let from = due.saturating_sub(memory.nanos);
        let spans_from = from.saturating_sub(SPANS_LONGER_NS);
        self.index.forget_before(spans_from);
        self.requests.forget_before(spans_from);
        self.rounded.retain(|row| row.2 >= spans_from);
        for writer in self.sources.iter_mut().flatten() {
            (writer.resources, writer.range) = traced(&self.index, &writer.origin);
        }
        self.decide(Some(Progress { due, from, half_life: memory.half_life }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::index::Limits;
    use crate::facts::{ResourceFact, SpanFact};

    #[test]
    fn what_is_older_than_the_memory_goes() {
        let mut correlator = Correlator::new(Limits::default());
        correlator.follow();
        let memory = Memory { nanos: 5_000_000_000, ..Memory::default() };
        let resource = ResourceFact { service: "web", ..ResourceFact::default() };
        // Each span has a name of its own: more than there is room for.
        for second in 0..400i64 {
            for number in 0..1000i64 {
                let (start, id) = (second * 1_000_000_000 + number, (second * 1000 + number) as u64 + 1);
                let name = format!("GET /{id}");
                let (trace_id, span_id) = ((u128::from(id) << 64 | 7).to_be_bytes(), id.to_be_bytes());
                let (name, end) = (name.as_str(), start + 1_000);
                correlator
                    .add_span(&resource, &SpanFact { trace_id, span_id, name, start, end, ..SpanFact::default() });
            }
            correlator.advance(second * 1_000_000_000, memory);
        }
        let index = correlator.index();
        assert!((15_000..20_000).contains(&index.len()), "{}", index.len());
        let last = index.span(index.len() as u32 - 1);
        assert_eq!(index.name(last.name), "GET /400000");
        assert!(index.bytes() < 40 << 20, "{}", index.bytes());
    }
}
