//! Requests with spans on their way to lanes.
//!
//! In go requests as they come, out they go to each lane, as long as those on their way are not too many: a lane that is slow
//! costs links, nothing else. Which spans they hold is not looked at here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::hold::Hold;
use super::wake::{SpanRequest, Wake};
use crate::metrics::{Counter, Metrics};

/// Bytes on their way to all lanes.
const BYTES_MAX: usize = 16 << 20;

/// See the module.
#[derive(Debug)]
pub struct SpanRequests {
    lanes: Mutex<Vec<Sender<Wake>>>,
    bytes: Arc<AtomicUsize>,
    too_many: Arc<Counter>,
}

impl SpanRequests {
    /// To no lane so far.
    pub fn new(metrics: &Metrics) -> SpanRequests {
        let (lanes, bytes) = Default::default();
        SpanRequests { lanes, bytes, too_many: metrics.limit_reached("span_requests") }
    }

    /// To these lanes from now on.
    pub fn go_to(&self, lanes: Vec<Sender<Wake>>) {
        *self.lanes.lock().unwrap_or_else(PoisonError::into_inner) = lanes;
    }

    /// Gives a request, `ExportTraceServiceRequest`, to all lanes; the first of them lets it go.
    pub fn give(&self, request: &Bytes, hold: Box<dyn Hold>) {
        let mut hold = Some(hold);
        for lane in self.lanes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if self.bytes.load(Ordering::Relaxed) + request.len() > BYTES_MAX {
                self.too_many.add(1);
                continue;
            }
            // A lane that has ended needs none.
            let _ = lane.send(Wake::Spans(SpanRequest::new(request.clone(), hold.take(), self.bytes.clone())));
        }
    }
}
