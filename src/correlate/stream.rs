//! Linking along a stream: lines are decided some time after they were written, statistics decay.
//!
//! In go span facts and records as they come, and from time to time how far lines are due; out come the links of the lines
//! that fell due. Bounded: what is older than the memory is forgotten, and a source when it ends. Where lines wait until
//! then is the caller's.

use super::correlator::{Correlator, range_of};
use super::index::Slot;
use super::learn::Progress;
use super::rules::process::resources_of;

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

impl Memory {
    /// Spans that ended before are not needed any more where lines up to `due` are decided.
    pub fn spans_from(&self, due: i64) -> i64 {
        due.saturating_sub(self.nanos).saturating_sub(SPANS_LONGER_NS)
    }
}

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
        self.index.forget_before(memory.spans_from(due));
        self.find_writers();
        self.decide_up_to(due, memory);
    }

    /// Spans of a further stretch of time come next, and all of it before its lines; those that were taken in are gone.
    pub fn renew_spans(&mut self) {
        let gone = self.index.len() as Slot;
        self.index.keep_seed();
        self.index.forget_all();
        self.engine.forget_spans(gone);
        self.requests.forget_spans(gone);
    }

    /// All spans of a stretch of time are in; its lines come next.
    pub fn spans_are_in(&mut self) {
        self.index.settle();
        self.find_writers();
    }

    /// As [`Correlator::advance`] with the spans that are there.
    pub fn decide_up_to(&mut self, due: i64, memory: Memory) {
        let from = due.saturating_sub(memory.nanos);
        let spans_from = memory.spans_from(due);
        self.requests.forget_before(spans_from);
        self.rounded.retain(|row| row.2 >= spans_from);
        self.decide(Some(Progress { due, from, half_life: memory.half_life }));
    }

    /// The spans that each writer has by now.
    fn find_writers(&mut self) {
        let known = std::mem::replace(&mut self.resources_known, self.index.resources().len());
        let has_new = known != self.resources_known;
        for writer in self.sources.iter_mut().flatten() {
            if has_new {
                writer.resources = resources_of(&writer.origin, self.index.resources());
            }
            writer.range = range_of(&self.index, &writer.resources);
        }
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
