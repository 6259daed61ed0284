//! From the tap to the lanes: requests with spans and logs, which they let go.
//!
//! In go requests as the tap shows them, out they go to the lanes. Nothing is decided here.

use std::sync::Arc;

use bytes::Bytes;

use crate::live::hold::{Hold, WhenTaken};
use crate::live::log_requests::LogRequests;
use crate::live::span_requests::SpanRequests;
use crate::live::wake::LogRequest;
use crate::otlp::Signal;
use crate::tap::consumer::{Consumer, Slot};

/// Gives what comes to the tap to the lanes.
pub(super) struct ToLanes {
    pub(super) spans: Arc<SpanRequests>,
    pub(super) logs: Arc<LogRequests>,
}

impl Consumer for ToLanes {
    fn arrived(&self, signal: Signal, request: Bytes, slot: Slot) {
        let hold = Box::new(HeldAtTap(slot));
        match signal {
            Signal::Traces => self.spans.give(&request, hold),
            Signal::Logs => self.logs.give(LogRequest { request, hold }),
            Signal::Metrics | Signal::Profiles => {}
        }
    }
}

/// A request that the tap holds.
#[derive(Debug)]
struct HeldAtTap(Slot);

impl Hold for HeldAtTap {
    fn is_open(&self) -> bool {
        self.0.is_open()
    }

    fn release(self: Box<Self>, changed: Option<Bytes>, taken: Option<WhenTaken>) -> bool {
        self.0.release(changed, taken)
    }
}
