//! Linked records as they are shipped: those that become events of their spans are gathered.
//!
//! In go records with their links, out come lines with their spans. Bounded, and counted beyond.

use std::sync::{Arc, Mutex, PoisonError};

use crate::export::sinks::RecordOutput;
use crate::export::span_events::carriers::SpanLine;
use crate::export::span_events::event::{Style, event_for};
use crate::record::{Link, Receipt, Record};

/// Lines that are kept until they are sent: more than are decided at once.
const LINES_MAX: usize = 1 << 16;

/// Records that become events, as they are shipped.
#[derive(Debug, Clone, Default)]
pub(super) struct LinkedLines(Arc<Mutex<Gathered>>);

impl LinkedLines {
    /// Those that were shipped since the last time.
    pub(super) fn take(&self) -> Gathered {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) lines: Vec<SpanLine>,
    /// Those of the lines, where these go nowhere else.
    pub(super) receipts: Vec<Receipt>,
    /// Lines that there was no room for.
    pub(super) left_out: u64,
    /// The record that was given last is among the lines.
    has_last: bool,
}

impl RecordOutput for LinkedLines {
    fn record(&mut self, record: &Record<'_>, link: Option<&Link>, _: &[u8; 16], file: &str) {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.has_last = false;
        if let Some(link) = link.filter(|link| link.makes_event()) {
            let line =
                SpanLine { of: (link.trace_id, link.span_id), event: event_for(record, link, file, Style::default()) };
            gathered.has_last = gathered.lines.len() < LINES_MAX;
            match gathered.has_last {
                true => gathered.lines.push(line),
                false => gathered.left_out += 1,
            }
        }
    }

    fn keeps(&mut self, receipt: Receipt) -> bool {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.has_last {
            gathered.receipts.push(receipt);
        }
        gathered.has_last
    }
}
