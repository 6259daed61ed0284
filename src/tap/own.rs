//! Requests that the agent itself makes, for the destinations that spans are passed on to.
//!
//! In go requests of traces, at any time and from any thread, out they go into each destination's place, as one that came would.
//! Bounded: of too many the last are dropped, which is counted, or come back where they must not be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::mpsc;
use tokio::time::sleep;

pub use super::item::WhenTaken;
use super::item::{Form, Item};
use super::place::{Place, Taken};
use crate::metrics::Metrics;
use crate::otlp::{Compression, Content, Signal};

/// Requests that wait until they are put into places.
const WAITING_MAX: usize = 64;
/// Bytes of those of them that must not be lost.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// A request that must not be lost is tried again so long after no destination had room for it.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A request.
pub struct OwnRequest {
    /// `ExportTraceServiceRequest`
    pub body: Bytes,
    /// Spans in it.
    pub spans: u64,
    /// Called once the destinations have it: then it must not be lost before.
    pub taken: Option<WhenTaken>,
}

/// Takes requests.
#[derive(Clone)]
pub struct OwnSender {
    requests: mpsc::Sender<OwnRequest>,
    waiting_bytes: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

/// Those that wait.
pub(super) struct OwnRequests {
    requests: mpsc::Receiver<OwnRequest>,
    waiting_bytes: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

impl OwnSender {
    pub(super) fn new(metrics: &Arc<Metrics>) -> (OwnSender, OwnRequests) {
        let (give, take) = mpsc::channel(WAITING_MAX);
        let waiting_bytes = Arc::<AtomicUsize>::default();
        let own = OwnSender { requests: give, waiting_bytes: waiting_bytes.clone(), metrics: metrics.clone() };
        (own, OwnRequests { requests: take, waiting_bytes, metrics: metrics.clone() })
    }

    /// Sends a request. One that must not be lost comes back where there is no room.
    pub fn send(&self, request: OwnRequest) -> Result<(), OwnRequest> {
        let bytes = request.body.len();
        // What may come back comes back early.
        let is_full = self.waiting_bytes.load(Ordering::Relaxed) > WAITING_BYTES_MAX;
        let refused = if is_full && request.taken.is_some() {
            Err(request)
        } else {
            self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.requests.try_send(request).map_err(|error| {
                self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                error.into_inner()
            })
        };
        match refused {
            Err(request) if request.taken.is_none() => {
                self.metrics.spans.dropped("own_queue_full").add(request.spans);
                Ok(())
            }
            outcome => outcome,
        }
    }
}

impl OwnRequests {
    /// Puts requests into places until nobody sends any more.
    pub(super) async fn run(mut self, places: Arc<[Arc<Place>]>) {
        while let Some(OwnRequest { body, spans, taken }) = self.requests.recv().await {
            let bytes = body.len();
            let came = Form { content: Content::Protobuf, compression: Compression::None, body };
            let item = Item::held(Signal::Traces, spans, HeaderMap::new(), came, None);
            item.settle(None);
            item.held_by(places.len());
            let must_be_taken = taken.is_some();
            taken.into_iter().for_each(|taken| item.when_taken(taken));
            let item = Arc::new(item);
            while !self.put(&item, &places, must_be_taken).await {
                sleep(AGAIN_AFTER).await;
            }
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Puts a request into places; false where none has room now, and it must be taken.
    async fn put(&self, item: &Arc<Item>, places: &[Arc<Place>], must_be_taken: bool) -> bool {
        let mut outcomes = Vec::new();
        for place in places {
            outcomes.push(place.take(item).await);
            place.changed.notify_one();
        }
        let may_be_taken = outcomes.iter().any(|taken| matches!(taken, Taken::Full | Taken::DiskFailed));
        let is_taken = outcomes.iter().any(|taken| matches!(taken, Taken::Memory | Taken::Disk));
        if must_be_taken && may_be_taken && !is_taken {
            return false;
        }
        for taken in outcomes {
            match taken {
                Taken::Memory => {}
                // From there it is sent, by the next start at the latest.
                Taken::Disk => item.done(),
                Taken::Full | Taken::TooLarge | Taken::DiskFailed => {
                    self.metrics.spans.dropped("queue_full").add(item.spans);
                    item.done();
                }
            }
        }
        true
    }
}
