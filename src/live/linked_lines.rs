//! Linked records as they are shipped: those that become events of their spans are gathered.
//!
//! In go records with their links, out come lines with their spans. Bounded, and counted beyond.

use std::sync::{Arc, Mutex, PoisonError};

use crate::export::sinks::RecordOutput;
use crate::export::span_events::carriers::SpanLine;
use crate::export::span_events::event::{Style, event_for};
use crate::record::{Link, Record};

/// Lines that are kept until they are sent: more than are decided at once.
const LINES_MAX: usize = 1 << 16;

/// Records that become events, as they are shipped.
#[derive(Debug, Clone, Default)]
pub(super) struct LinkedLines(Arc<Mutex<Gathered>>);

impl LinkedLines {
    /// Those that were shipped since the last time, and how many there was no room for.
    pub(super) fn take(&self) -> (Vec<SpanLine>, u64) {
        let Gathered { lines, left_out } = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        (lines, left_out)
    }
}

#[derive(Debug, Default)]
struct Gathered {
    lines: Vec<SpanLine>,
    /// Lines that there was no room for.
    left_out: u64,
}

impl RecordOutput for LinkedLines {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, _: &[u8; 16], file: &str) {
        if let Some(link) = link.filter(|link| link.makes_event()) {
            let line =
                SpanLine { of: (link.trace_id, link.span_id), event: event_for(record, link, file, Style::default()) };
            let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match gathered.lines.len() < LINES_MAX {
                true => gathered.lines.push(line),
                false => gathered.left_out += 1,
            }
        }
    }
}
