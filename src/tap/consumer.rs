//! The part of the agent that looks at requests as they pass, and may put something into them.
//!
//! In go requests as plain protobuf, each with a [`Slot`] by which it is let go, as it came or changed. The consumer has a
//! thread of its own: one that blocks, panics or falls behind costs its additions, and holds no request for longer than the
//! time that is set.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::item::{Form, WhenTaken};
use crate::otlp::{Compression, Content, Signal, compress};

/// Requests that wait for the consumer; further ones are passed on without it.
const WAITING_MAX: usize = 256;
/// Bytes of these.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Looks at requests of traces and logs.
pub trait Consumer: Send + Sync {
    /// A request came: `ExportTraceServiceRequest` or `ExportLogsServiceRequest`, decompressed. It is passed on when the slot is
    /// released or dropped, or when the time is up.
    fn arrived(&self, signal: Signal, request: Bytes, slot: Slot);
}

/// A request that was changed, and who is told when it was taken.
pub(super) type Released = (Form, Option<WhenTaken>);

/// Lets a request go.
pub struct Slot {
    released: Option<oneshot::Sender<Released>>,
    compression: Compression,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

impl Slot {
    /// A slot, and what is released by it. Dropped, it releases nothing.
    pub(super) fn new(compression: Compression) -> (Slot, oneshot::Receiver<Released>) {
        let (give, take) = oneshot::channel();
        (Slot { released: Some(give), compression }, take)
    }

    /// For a request that is not held.
    pub(super) fn of_none() -> Slot {
        Slot { released: None, compression: Compression::None }
    }

    /// Whether anything can still be put into the request: not once its time is up.
    pub fn is_open(&self) -> bool {
        self.released.as_ref().is_some_and(|released| !released.is_closed())
    }

    /// Lets the request go, as it came or with these bytes (protobuf) in place of its own, which are compressed as they came. False
    /// if that is too late, and it went as it came. `taken`: called once destinations have what was put in, or if it is too late.
    pub fn release(self, changed: Option<Bytes>, taken: Option<WhenTaken>) -> bool {
        if let (Some(released), Some(plain)) = (self.released, changed) {
            let pieces = compress(&[plain], self.compression);
            let body = match <[Bytes; 1]>::try_from(pieces) {
                Ok([body]) => body,
                Err(pieces) => pieces.concat().into(),
            };
            let form = Form { content: Content::Protobuf, compression: self.compression, body };
            return match released.send((form, taken)) {
                Ok(()) => true,
                Err((_, taken)) => {
                    taken.into_iter().for_each(|call| call());
                    false
                }
            };
        }
        taken.into_iter().for_each(|call| call());
        true
    }
}

/// A request for the consumer.
type Arrival = (Signal, Bytes, Slot);

/// The consumer at work.
#[derive(Debug, Clone)]
pub(super) struct Consuming {
    arrivals: SyncSender<Arrival>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Consuming {
    /// Starts its thread, which ends with the last clone of this.
    pub(super) fn start(consumer: Arc<dyn Consumer>) -> std::io::Result<Consuming> {
        let (arrivals, taken) = sync_channel(WAITING_MAX);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&waiting_bytes);
        let run = move || consume(&*consumer, &taken, &waiting);
        std::thread::Builder::new().name("consumer".into()).spawn(run)?;
        Ok(Consuming { arrivals, waiting_bytes })
    }

    /// Gives it a request; whether it has room for it.
    pub(super) fn give(&self, signal: Signal, request: Bytes, slot: Slot) -> bool {
        let bytes = request.len();
        if self.waiting_bytes.load(Ordering::Relaxed) + bytes > WAITING_BYTES_MAX {
            return false;
        }
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let is_given = self.arrivals.try_send((signal, request, slot)).is_ok();
        if !is_given {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        is_given
    }
}

fn consume(consumer: &dyn Consumer, arrivals: &Receiver<Arrival>, waiting_bytes: &AtomicUsize) {
    for (signal, request, slot) in arrivals {
        let bytes = request.len();
        // The slot that is dropped by a panic lets its request go.
        let _ = catch_unwind(AssertUnwindSafe(|| consumer.arrived(signal, request, slot)));
        waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    struct Odd(Mutex<Sender<Signal>>);

    impl Consumer for Odd {
        fn arrived(&self, signal: Signal, request: Bytes, slot: Slot) {
            self.0.lock().unwrap().send(signal).unwrap();
            match &request[..] {
                b"panic" => std::panic::resume_unwind(Box::new("on purpose")),
                b"keep" => std::mem::forget(slot),
                b"change" => assert!(slot.release(Some(Bytes::from_static(b"changed")), None)),
                _ => drop(slot),
            }
        }
    }

    #[tokio::test]
    async fn a_panic_releases_its_request_and_the_next_one_is_looked_at() {
        let (give, take) = channel();
        let consuming = Consuming::start(Arc::new(Odd(give.into()))).unwrap();
        let mut outcomes = Vec::new();
        for request in ["panic", "change", "leave", "keep"] {
            let (slot, released) = Slot::new(Compression::None);
            assert!(consuming.give(Signal::Traces, Bytes::from_static(request.as_bytes()), slot));
            assert_eq!(take.recv(), Ok(Signal::Traces));
            outcomes.push(released);
        }
        let mut changed = outcomes.into_iter();
        assert!(changed.next().unwrap().await.is_err());
        assert_eq!(changed.next().unwrap().await.unwrap().0.body, "changed");
        assert!(changed.next().unwrap().await.is_err());
        let mut kept = changed.next().unwrap();
        assert!(kept.try_recv().is_err());
        while consuming.waiting_bytes.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn one_that_blocks_is_given_no_more_than_it_may_hold() {
        struct Blocks(Mutex<std::sync::mpsc::Receiver<()>>);
        impl Consumer for Blocks {
            fn arrived(&self, _: Signal, _: Bytes, _: Slot) {
                let _ = self.0.lock().unwrap().recv();
            }
        }
        let (go_on, wait) = channel::<()>();
        let consuming = Consuming::start(Arc::new(Blocks(wait.into()))).unwrap();
        let large = Bytes::from(vec![0; WAITING_BYTES_MAX / 4]);
        let given = (0..100).filter(|_| consuming.give(Signal::Logs, large.clone(), Slot::of_none())).count();
        assert_eq!(given, 4);
        drop(go_on);
    }
}
