//! Requests that the agent itself makes, for the destinations that spans are passed on to.
//!
//! In go requests of traces, at any time and from any thread, out they go into each destination's place, as one that came would.
//! Bounded: of too many the last are dropped, which is counted.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::mpsc;

use super::item::{Form, Item};
use super::place::{Place, Taken};
use crate::metrics::Metrics;
use crate::otlp::{Compression, Content, Signal};

/// Requests that wait until they are put into places.
const WAITING_MAX: usize = 64;

/// Takes requests.
#[derive(Clone)]
pub struct OwnSender {
    requests: mpsc::Sender<(Bytes, u64)>,
    metrics: Arc<Metrics>,
}

/// Those that wait.
pub(super) struct OwnRequests {
    requests: mpsc::Receiver<(Bytes, u64)>,
    metrics: Arc<Metrics>,
}

impl OwnSender {
    pub(super) fn new(metrics: &Arc<Metrics>) -> (OwnSender, OwnRequests) {
        let (give, take) = mpsc::channel(WAITING_MAX);
        let own = OwnSender { requests: give, metrics: metrics.clone() };
        (own, OwnRequests { requests: take, metrics: metrics.clone() })
    }

    /// Sends a request (`ExportTraceServiceRequest`) with so many spans.
    pub fn send(&self, request: Bytes, spans: u64) {
        if self.requests.try_send((request, spans)).is_err() {
            self.metrics.spans.dropped("own_queue_full").add(spans);
        }
    }
}

impl OwnRequests {
    /// Puts requests into places until nobody sends any more.
    pub(super) async fn run(mut self, places: Arc<[Arc<Place>]>) {
        while let Some((body, spans)) = self.requests.recv().await {
            let came = Form { content: Content::Protobuf, compression: Compression::None, body };
            let item = Item::held(Signal::Traces, spans, HeaderMap::new(), came, None);
            item.settle(None);
            let item = Arc::new(item);
            for place in places.iter() {
                if !matches!(place.take(&item).await, Taken::Memory | Taken::Disk) {
                    self.metrics.spans.dropped("queue_full").add(spans);
                }
                place.changed.notify_one();
            }
        }
    }
}
