//! What becomes of a request that came: looked at, given to each destination's place, shown to the consumer, answered.
//!
//! In go requests of the server, out go their answers. A request is answered once it lies in a queue, or with the answer of its
//! destinations, as configured. A queue that is full holds no other: a client is refused only if no destination has room.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::config::AnswerWhen;
use super::consumer::{Consuming, Slot};
use super::holds::Holds;
use super::item::{Form, Item};
use super::open::{Opened, PLAIN_BYTES_MAX, open, refused};
use super::place::{Place, Taken};
use crate::metrics::Metrics;
use crate::otlp::decompress::NotPlain;
use crate::otlp::server::{Handler, Received, Refused, Reply};
use crate::otlp::{Accepted, Content, Signal};

/// A client that finds the queue full should try again after this. Go's exporter has 10 s for all of its tries.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A client without a limit of time, as over HTTP, is taken to wait as long as SDKs do by default.
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);
/// An answer comes so long before the client stops waiting for it.
const ANSWER_BEFORE: Duration = Duration::from_secs(1);
/// Requests up to this size are decompressed at once, others on another thread.
const SMALL_BYTES: usize = 64 * 1024;
/// And up to this size decompressed.
const SMALL_PLAIN_BYTES: usize = 1 << 20;
/// Large requests that are decompressed at a time.
const LARGE_AT_A_TIME: usize = 2;

/// See the module.
pub(super) struct Receiver {
    pub(super) places: Arc<[Arc<Place>]>,
    pub(super) consuming: Option<Consuming>,
    pub(super) answer: AnswerWhen,
    pub(super) holds: Holds,
    pub(super) metrics: Arc<Metrics>,
    pub(super) large: Arc<Semaphore>,
}

impl Receiver {
    pub(super) fn large_at_a_time() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(LARGE_AT_A_TIME))
    }

    async fn take(&self, received: Received) -> Result<Accepted, Refused> {
        let signal = received.signal;
        let came = Form { content: received.content, compression: received.compression, body: received.body.clone() };
        let opened = self.opened(signal, &came).await?;
        let spans = opened.spans;
        let item = Item::held(signal, spans, received.metadata.clone(), came, opened.protobuf);
        if !self.places.is_empty() && !self.places.iter().any(|place| place.can_take(&item)) {
            let why = opened.why_not.unwrap_or_default();
            let message = format!("{why}: send protobuf, or let it be passed on over HTTP");
            return Err(Refused::wrong("no_form", message));
        }
        let plain = opened.plain.filter(|_| self.shows(signal));
        if plain.is_none() {
            item.settle(None);
        }
        let item = Arc::new(item);
        let accepted = match self.answer {
            _ if self.places.is_empty() => {
                self.show(&item, plain, false);
                Accepted::default()
            }
            AnswerWhen::Accepted => self.queued(&item, plain).await?,
            AnswerWhen::Delivered => {
                let until = received.deadline.map_or_else(|| Instant::now() + CLIENT_PATIENCE, Instant::from_std);
                self.delivered(&item, plain, until - ANSWER_BEFORE).await?
            }
        };
        self.metrics.spans.received.add(spans);
        Ok(accepted)
    }

    async fn opened(&self, signal: Signal, came: &Form) -> Result<Opened, Refused> {
        let is_looked_at = match signal {
            Signal::Traces => true,
            Signal::Logs => self.shows(signal) || came.content == Content::Json,
            Signal::Metrics | Signal::Profiles => came.content == Content::Json,
        };
        if !is_looked_at {
            return Ok(Opened::default());
        }
        if came.body.len() <= SMALL_BYTES {
            match open(signal, came, SMALL_PLAIN_BYTES) {
                Ok(opened) => return Ok(opened),
                Err(NotPlain::TooLarge(_) | NotPlain::Broken(_)) => {}
            }
        }
        let _turn = self.large.acquire().await;
        let came = came.clone();
        let opened = tokio::task::spawn_blocking(move || open(signal, &came, PLAIN_BYTES_MAX)).await;
        // A panic there is ours, and costs the request nothing but what was to be seen in it.
        opened.unwrap_or_else(|_| Ok(Opened::default())).map_err(|error| refused(&error))
    }

    /// Answers once it lies in a queue.
    async fn queued(&self, item: &Arc<Item>, plain: Option<Bytes>) -> Result<Accepted, Refused> {
        let (mut is_taken, mut in_memory, mut left_out) = (false, 0, Vec::new());
        for place in self.places.iter() {
            let taken = if place.can_take(item) { place.take(item).await } else { Taken::Full };
            is_taken |= matches!(taken, Taken::Memory | Taken::Disk);
            in_memory += usize::from(taken == Taken::Memory);
            match taken {
                Taken::Memory | Taken::Disk => {}
                _ if !place.can_take(item) => left_out.push("no_form"),
                Taken::Full => left_out.push("queue_full"),
                Taken::TooLarge => left_out.push("too_large"),
                Taken::DiskFailed => left_out.push("disk_failed"),
            }
        }
        if !is_taken {
            // What one of them may take later is worth another try.
            let reason = left_out.iter().copied().find(|reason| *reason != "too_large" && *reason != "no_form");
            return Err(reason.map_or_else(too_large, not_now));
        }
        // One that is down does not hold the others: for it this request is lost.
        for reason in left_out {
            self.metrics.spans.dropped(reason).add(item.spans);
            self.metrics.spans.requests_dropped(reason).add(1);
        }
        item.held_by(in_memory);
        self.show(item, plain, in_memory > 0);
        Ok(Accepted::default())
    }

    /// Answers what the destinations answer; of several, what the first one does that refuses it.
    async fn delivered(&self, item: &Arc<Item>, plain: Option<Bytes>, until: Instant) -> Result<Accepted, Refused> {
        let mut answers = Vec::new();
        for place in self.places.iter().filter(|place| place.can_take(item)) {
            let (answered, answer) = oneshot::channel();
            match place.take_waiting(item, (answered, until)) {
                Taken::Memory | Taken::Disk => answers.push(answer),
                taken => {
                    item.settle(None);
                    return Err(if taken == Taken::TooLarge { too_large() } else { not_now("queue_full") });
                }
            }
        }
        self.show(item, plain, true);
        let mut all = Accepted::default();
        for answer in answers {
            match timeout_at(until, answer).await {
                Ok(Ok(Ok(accepted))) => {
                    all.rejected = all.rejected.max(accepted.rejected);
                    all.message = if all.message.is_empty() { accepted.message } else { all.message };
                }
                Ok(Ok(Err(error))) => return Err(Refused::of(&error)),
                // It was not sent in time, or the agent ends.
                Ok(Err(_)) | Err(_) => {
                    let message = "the destination has not answered in time; try again";
                    return Err(Refused::for_now("no_answer", message, AGAIN_AFTER));
                }
            }
        }
        Ok(all)
    }

    /// Whether the consumer sees requests of a signal.
    fn shows(&self, signal: Signal) -> bool {
        self.consuming.is_some()
            && match signal {
                Signal::Traces => true,
                Signal::Logs => self.holds.holds_logs(),
                Signal::Metrics | Signal::Profiles => false,
            }
    }

    /// Shows a request to the consumer, if it is of those that are shown; held for a while if something can still be put into it.
    fn show(&self, item: &Arc<Item>, plain: Option<Bytes>, can_be_held: bool) {
        let (Some(consuming), Some(plain)) = (&self.consuming, plain) else { return };
        let held = if can_be_held { self.holds.hold(item, &plain) } else { None };
        if !can_be_held && item.signal == Signal::Logs && !self.places.is_empty() {
            self.holds.logs_pass();
        }
        let Some((time, held)) = held else {
            item.settle(None);
            wake(&self.places);
            if item.signal == Signal::Traces {
                consuming.give(item.signal, plain, Slot::of_none());
            }
            return;
        };
        let (slot, released) = Slot::new(item.compression());
        // A slot that is not taken is dropped, and releases the request.
        consuming.give(item.signal, plain, slot);
        let (item, places) = (Arc::clone(item), Arc::clone(&self.places));
        tokio::spawn(async move {
            let changed = timeout(time, released).await.ok().and_then(Result::ok);
            let (changed, taken) = changed.map_or((None, None), |(changed, taken)| (Some(changed), taken));
            taken.into_iter().for_each(|taken| item.when_taken(taken));
            item.settle(changed);
            drop(held);
            places.iter().for_each(|place| place.item_settled(&item));
        });
    }
}

fn not_now(reason: &'static str) -> Refused {
    Refused::for_now(reason, "the queue is full; try again", AGAIN_AFTER)
}

fn too_large() -> Refused {
    Refused::too_large("received message larger than max: it is larger than the whole queue")
}

fn wake(places: &[Arc<Place>]) {
    places.iter().for_each(|place| place.changed.notify_one());
}

impl Handler for Receiver {
    fn handle(&self, request: Received) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        Box::pin(async move {
            match self.take(request).await {
                Ok(accepted) => Reply::Taken(accepted),
                Err(refused) => {
                    self.refused(refused.reason);
                    Reply::Refused(refused)
                }
            }
        })
    }

    fn refused(&self, reason: &'static str) {
        self.metrics.spans.requests_refused(reason).add(1);
    }
}
