//! What becomes of lines that are events of their spans.
//!
//! In go lines as they are shipped, out they go onto the spans that are on their way, or else onto carriers below them. Where they go
//! nowhere else, the lane is told when they were taken.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::acknowledged_events::EventReceipts;
use super::in_flight::InFlight;
use super::late_events::LateEvents;
use super::linked_lines::{Gathered, LinkedLines};
use super::wake::Wake;
use crate::correlate::index::SpanIndex;
use crate::metrics::Counter;

/// See the module.
#[derive(Default)]
pub(super) struct LineEvents {
    /// Those that were shipped.
    pub(super) lines: LinkedLines,
    /// They are put on spans that are on their way …
    pub(super) in_flight: Option<InFlight>,
    /// … else, where these have passed already, below them.
    pub(super) late: Option<LateEvents>,
    /// The lane, where lines go nowhere else.
    pub(super) settles: Option<Sender<Wake>>,
}

impl LineEvents {
    /// Sends what was shipped. `index`: with their spans.
    pub(super) fn send(&mut self, index: &SpanIndex, too_many: &Counter) {
        let Gathered { mut lines, receipts, left_out, .. } = self.lines.take();
        too_many.add(left_out);
        let receipts: Option<Arc<EventReceipts>> =
            self.settles.as_ref().map(|lane| EventReceipts::new(receipts, lane.clone()));
        if let Some(in_flight) = &mut self.in_flight {
            lines = in_flight.put(lines, receipts.as_ref());
        }
        if let Some(late) = &mut self.late {
            late.send(index, lines, receipts.as_ref());
        }
    }

    /// Whether there is room for more.
    pub(super) fn give_on(&mut self) -> bool {
        self.late.as_mut().is_none_or(LateEvents::give_on)
    }
}
