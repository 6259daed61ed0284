//! How long requests are held for what is to be put into them, and how many of them.
//!
//! In go requests, out comes for how long each is held, if it is. Requests with spans are held for a moment, those with logs until
//! their records are linked: for these there is a share of the queue, beyond which they pass as they came, which is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::config::{AnswerWhen, TapConfig};
use super::item::Item;
use crate::metrics::{Counter, Metrics, Share};
use crate::otlp::{Protocol, Signal};

/// Requests with logs that are held take so much of the queue at most: the rest is for what passes at once.
const LOGS_SHARE: u64 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Holds {
    spans: Duration,
    logs: Duration,
    log_bytes_max: u64,
    log_bytes: Arc<AtomicU64>,
    too_many_logs: Arc<Counter>,
    metrics: Arc<Metrics>,
}

/// Bytes of a request with logs, while it is held.
#[derive(Debug)]
pub(super) struct HeldBytes {
    bytes: u64,
    all: Arc<AtomicU64>,
    _shown: Share,
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Holds {
    pub(super) fn new(config: &TapConfig, metrics: &Arc<Metrics>) -> Holds {
        Holds {
            spans: config.hold,
            // Who waits for the answer of a destination does not wait for so long.
            logs: if config.answer == AnswerWhen::Delivered { Duration::ZERO } else { config.hold_logs },
            log_bytes_max: config.queue_bytes / LOGS_SHARE,
            log_bytes: Arc::default(),
            too_many_logs: metrics.limit_reached("tap_logs"),
            metrics: Arc::clone(metrics),
        }
    }

    /// Whether requests with logs are held at all.
    pub(super) fn holds_logs(&self) -> bool {
        !self.logs.is_zero()
    }

    /// For how long a request is held, if it is; `plain`: its bytes decompressed.
    pub(super) fn hold(&self, item: &Item, plain: &[u8]) -> Option<(Duration, Option<HeldBytes>)> {
        match item.signal {
            Signal::Logs => Some((self.logs, Some(self.held_bytes(item, plain)?))),
            _ => (!self.spans.is_zero()).then_some((self.spans, None)),
        }
    }

    fn held_bytes(&self, item: &Item, plain: &[u8]) -> Option<HeldBytes> {
        let bytes = (plain.len() + item.bytes(Protocol::Http)) as u64;
        let before = self.log_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut shown = Share::of(self.metrics.memory("tap_logs"));
        shown.set(plain.len() as u64);
        // Dropped, it gives its bytes back.
        let held = HeldBytes { bytes, all: Arc::clone(&self.log_bytes), _shown: shown };
        if before + bytes > self.log_bytes_max {
            self.logs_pass();
            return None;
        }
        Some(held)
    }

    /// A request with logs passes as it came, since there is no room to hold it.
    pub(super) fn logs_pass(&self) {
        self.too_many_logs.add(1);
    }
}
