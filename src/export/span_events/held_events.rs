//! Lines as span events, held until their spans are written or sent.
//!
//! In go records with their links, out come events by span, and which traces have a line. Bounded in memory, and in a
//! temporary file; what is beyond is counted. What an event says is [`super::event`]'s.

use std::collections::HashSet;

use super::annotate::{self, SpanEvents};
use super::event::{LineEvent, Style, event_for};
use crate::export::sinks::RecordOutput;
use crate::record::{Link, Record};

/// Span events of linked records, kept until the spans of one destination are written.
pub struct HeldEvents {
    /// The destination, by its place in the configuration.
    pub destination: usize,
    /// The events.
    pub events: SpanEvents,
    /// Bytes of them that are held in memory; the others lie in a temporary file.
    pub memory_max: usize,
    style: Style,
    /// Which traces have a line is asked for.
    asks_for_traces: bool,
    /// Traces of the lines given, if they are asked for.
    pub traces: HashSet<[u8; 16]>,
}

impl HeldEvents {
    /// At most `bytes_max` bytes, so many of them in memory.
    pub fn new(destination: usize, memory_max: usize, bytes_max: u64, style: Style) -> HeldEvents {
        let events = SpanEvents::new(memory_max, bytes_max);
        HeldEvents { destination, events, memory_max, style, asks_for_traces: false, traces: HashSet::new() }
    }

    /// The same, but keeps which traces have a line if that is asked for.
    pub fn with_traces(self, asks_for_traces: bool) -> HeldEvents {
        HeldEvents { asks_for_traces, ..self }
    }

    /// What became of the events.
    pub fn counts(&self) -> annotate::Counts {
        self.events.counts()
    }
}

impl RecordOutput for HeldEvents {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, _: &[u8; 16], file: &str) {
        self.traces.extend(link.filter(|_| self.asks_for_traces).map(|link| link.trace_id));
        if let Some(link) = link.filter(|link| self.style.about.make_event_of(link)) {
            let LineEvent { time, event, text } = event_for(record, link, file, self.style);
            self.events.push((link.trace_id, link.span_id), time, &event, text);
        }
    }
}
