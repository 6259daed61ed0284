//! Linked records as they are shipped: those that become events of their spans are gathered.
//!
//! In go records with their links, out come lines with their spans. Bounded, and counted beyond.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::late_events::GiveCarriers;
use crate::export::sinks::RecordOutput;
use crate::export::span_events::carriers::SpanLine;
use crate::export::span_events::event::{AboutEvents, Style, event_for};
use crate::record::{Link, Receipt, Record};

/// Lines that are kept until they are sent: more than are decided at once.
const LINES_MAX: usize = 1 << 16;

/// How linked records become events.
pub struct EventSettings {
    /// Requests with spans are held so long that lines can be put on them; `None`: they are not.
    pub hold: Option<Duration>,
    /// Takes events of other lines, whose spans have passed already; `None`: there are none.
    pub carriers: Option<GiveCarriers>,
    /// Which records about a request do.
    pub about: AboutEvents,
}

/// Records that become events, as they are shipped.
#[derive(Debug, Clone, Default)]
pub(super) struct LinkedLines {
    about: AboutEvents,
    gathered: Arc<Mutex<Gathered>>,
}

impl LinkedLines {
    /// None yet.
    pub(super) fn new(about: AboutEvents) -> LinkedLines {
        LinkedLines { about, gathered: Arc::default() }
    }

    /// Those that were shipped since the last time.
    pub(super) fn take(&self) -> Gathered {
        std::mem::take(&mut *self.gathered.lock().unwrap_or_else(PoisonError::into_inner))
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
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.has_last = false;
        if let Some(link) = link.filter(|link| self.about.make_event_of(link)) {
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
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.has_last {
            gathered.receipts.push(receipt);
        }
        gathered.has_last
    }
}
