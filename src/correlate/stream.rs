//! Linking along a stream: lines are decided some time after they were written, statistics decay.
//!
//! In go span facts and records as they come, and from time to time how far lines are due; out come the links of the lines
//! that fell due. Bounded: what is older than the memory is forgotten, and a source when it ends. Where lines wait until
//! then is the caller's.

use super::arrivals::Arrivals;
use super::correlator::Correlator;
use super::due::Due;
use super::learn::{Progress, Task};

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

    fn progress(&self, due: i64) -> Progress {
        Progress { due, memory: self.nanos, half_life: self.half_life }
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
        self.index.keep_seed();
        self.stream = Some(Box::new(Arrivals::new(&self.index)));
        self.engine.follow();
    }

    /// No line of a source is left, nor comes any more: its number may be another's.
    pub fn source_ends(&mut self, source: u32) {
        self.sources.source_ends(source);
    }

    /// All spans of a request were given, which has come at this time (ns since the epoch).
    pub fn request_ends(&mut self, now: i64) {
        if let Some(stream) = &mut self.stream {
            stream.watermarks.request_ends(now);
        }
    }

    /// Decides the lines up to `due` (ns since the epoch) that were observed since the last time: their links are there
    /// until the next. Call it when the spans they may lie in have come, or the time is up; what comes later for them is
    /// only learned from. It costs by the lines and spans that are new, and what is near them in time.
    pub fn advance(&mut self, due: i64, memory: Memory) {
        self.step(due, None, memory);
    }

    /// The same, and decides later lines too, of sources whose spans have come further by `now`, as requests tell: see
    /// [`Correlator::request_ends`].
    pub fn advance_at(&mut self, now: i64, due: i64, memory: Memory) {
        self.step(due, Some(now), memory);
    }

    /// Up to when the lines of a source were decided at the last step, ns since the epoch.
    pub fn decided_up_to(&self, source: u32) -> i64 {
        self.due.up_to(source)
    }

    fn step(&mut self, due: i64, now: Option<i64>, memory: Memory) {
        let Some(mut stream) = self.stream.take() else { return };
        self.engine.begin_step();
        self.sources.find_resources(&self.index);
        // Spans and requests that ended before are not needed any more: lines follow those that were decided before.
        let spans_from = memory.spans_from(self.due.all.min(due));
        self.due = Due::at(due);
        let services = self.sources.services(&self.index);
        if let Some(now) = now {
            self.due.sources = stream.settled(&self.sources, due, now);
            self.engine.hold_new_kinds(&services, &mut self.due.sources);
        }
        stream.spans.forget_before(spans_from, due);
        stream.watermarks.forget_before(due);
        self.index.forget_names(&mut stream.spans);
        if let Some(due_lines) = stream.due(&self.due, spans_from) {
            self.forget_requests_before(spans_from);
            let progress = memory.progress(due);
            if let Some(sample) = self.engine.sample(&services, progress) {
                stream.show_traces(&mut self.index, &sample);
                self.sources.find_ranges(&self.index);
                self.decide(Task::Learn(progress, &sample));
            }
            stream.show_around(&mut self.index, &due_lines);
            self.sources.find_ranges(&self.index);
            self.decide(Task::Decide(progress, &due_lines.lines));
        }
        self.stream = Some(stream);
    }

    /// Spans of a further stretch of time come next, and all of it before its lines; those that were taken in are gone.
    pub fn renew_spans(&mut self) {
        self.index.keep_seed();
        self.index.forget_all();
        self.engine.begin_step();
        self.requests.forget_calls();
    }

    /// All spans of a stretch of time are in; its lines come next.
    pub fn spans_are_in(&mut self) {
        self.index.settle();
        self.sources.find_resources(&self.index);
        self.sources.find_ranges(&self.index);
    }

    /// Decides the lines up to `due` with the spans that are there, by what all lines of the stretch and those before teach.
    pub fn decide_up_to(&mut self, due: i64, memory: Memory) {
        self.engine.follow();
        self.engine.begin_step();
        // However many these are, they follow those that were decided before.
        let before = std::mem::replace(&mut self.due, Due::at(due));
        self.forget_requests_before(memory.spans_from(before.all.min(due)));
        self.decide(Task::Window(memory.progress(due)));
    }

    /// Bytes that spans and lines of a stream take, and what was learned from them.
    pub fn bytes(&self) -> usize {
        let spans = self.stream.as_ref().map_or(0, |stream| stream.bytes());
        self.index.bytes() + spans + self.engine.bytes()
    }

    fn forget_requests_before(&mut self, time: i64) {
        self.requests.forget_before(time);
        self.rounded.retain(|row| row.2 >= time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::index::Limits;
    use crate::facts::{ResourceFact, SpanFact};
    use crate::record::{Envelope, Origin, Position, Record, Stream};
    use spanline_parsers::{Entry, Text, Time};

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
        let (spans, bytes) = (correlator.counts().index.spans, correlator.bytes());
        assert!((5_000..20_000).contains(&spans), "{spans}");
        assert!(bytes < 40 << 20, "{bytes}");
    }

    #[test]
    fn memory_stays_level_along_a_stream() {
        let origin = Origin { service_name: "web".into(), ..Origin::default() };
        let mut correlator = Correlator::new(Limits::default());
        correlator.follow();
        let memory = Memory { nanos: 20_000_000_000, ..Memory::default() };
        let resource = ResourceFact { service: "web", ..ResourceFact::default() };
        let mut most = [0; 2];
        for second in 0..1_200i64 {
            for number in 0..50i64 {
                let start = second * 1_000_000_000 + number * 20_000_000;
                let id = (second * 50 + number + 1) as u64;
                let (trace_id, span_id, end) = (u128::from(id).to_be_bytes(), id.to_be_bytes(), start + 15_000_000);
                let span = SpanFact { trace_id, span_id, name: "GET /", start, end, ..SpanFact::default() };
                correlator.add_span(&resource, &span);
                // Kinds of lines come and go.
                let kind = char::from(b'a' + (second / 20 % 26) as u8).to_string().repeat(6);
                let text = format!("{kind} took request{id}");
                line(&origin, &text, start + 1_000_000, id, |record| correlator.observe(record));
            }
            correlator.advance((second - 10) * 1_000_000_000, memory);
            let half = usize::from(second >= 600);
            most[half] = most[half].max(correlator.bytes());
        }
        assert!(most[1] < most[0] + most[0] / 10, "{most:?}");
    }

    fn line(origin: &Origin, text: &str, time: i64, number: u64, mut act: impl FnMut(&Record<'_>)) {
        let body = Text::Borrowed(text.as_bytes());
        let entry = Entry { body, time: Time::Unix { nanos: time, digits: 9 }, ..Entry::default() };
        act(&Record {
            source: 0,
            origin,
            position: Position { line: number, offset: number * 100, ..Position::default() },
            envelope: Envelope::None,
            stream: Stream::Unknown,
            time: Some(time),
            time_digits: 9,
            envelope_time: None,
            entry: &entry,
            envelope_fields: &[],
            payload: text.as_bytes(),
            piece: 0,
        });
    }
}
