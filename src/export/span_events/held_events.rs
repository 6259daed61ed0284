//! Lines as span events, held until their spans are written or sent.
//!
//! In go records with their links, out come events by span, and which traces have a line. Bounded; what is beyond is
//! counted. What an event says is [`super::event`]'s.

use std::collections::HashSet;

use super::annotate::{self, SpanEvents};
use super::event::{LineEvent, Style, event_for};
use crate::export::sinks::RecordOutput;
use crate::record::{Link, Record, Relation};

/// Span events of linked records, kept until the spans of one destination are written.
pub struct HeldEvents {
    /// The destination, by its place in the configuration.
    pub destination: usize,
    /// The events.
    pub events: SpanEvents,
    style: Style,
    /// Traces of the lines given.
    pub traces: HashSet<[u8; 16]>,
}

impl HeldEvents {
    /// At most this many bytes.
    pub fn new(destination: usize, bytes_max: u64, style: Style) -> HeldEvents {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        HeldEvents { destination, events: SpanEvents::new(bytes_max), style, traces: HashSet::new() }
    }

    /// What became of the events.
    pub fn counts(&self) -> annotate::Counts {
        self.events.counts()
    }
}

impl RecordOutput for HeldEvents {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, _: &[u8; 16], file: &str) {
        self.traces.extend(link.map(|link| link.trace_id));
        // A record whose span was not seen has no span to be on; one that is about a span was not written in it.
        let is_on_span = |link: &&Link| {
            link.verified && !link.has_event && link.relation == Relation::Within && link.span_id != [0; 8]
        };
        if let Some(link) = link.filter(is_on_span) {
            let LineEvent { time, event, text } = event_for(record, link, file, self.style);
            self.events.push((link.trace_id, link.span_id), time, &event, text);
        }
    }
}
