//! A request on its way: what is sent for it to each kind of destination.
//!
//! Values, but for one thing that is set later: whether it goes on as it came, or in another form. Until then it is held.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::HeaderMap;

use crate::otlp::client::Passed;
use crate::otlp::{Compression, Content, Protocol, Signal};

/// What a request takes in memory beside its bytes and headers.
const OVERHEAD_BYTES: usize = 512;

/// The bytes of a request in one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) content: Content,
    pub(super) compression: Compression,
    pub(super) body: Bytes,
}

/// To be called once all destinations that hold a request have it; dropped, if it is lost.
pub type WhenTaken = Box<dyn FnOnce() + Send>;

/// Who is told when a request was taken, and by how many destinations it is still to be.
#[derive(Default)]
struct Taken {
    left: AtomicUsize,
    call: Mutex<Option<WhenTaken>>,
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Taken").field(&self.left).finish()
    }
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) signal: Signal,
    /// Spans in it; 0 if it holds none, or is not understood.
    pub(super) spans: u64,
    pub(super) metadata: HeaderMap,
    came: Form,
    /// What came as JSON, as protobuf; `None` where it did not, or could not be turned into that.
    protobuf: Option<Form>,
    settled: OnceLock<Option<Form>>,
    taken: Taken,
}

impl Item {
    /// It is held until it is [settled](Item::settle).
    pub(super) fn held(signal: Signal, spans: u64, metadata: HeaderMap, came: Form, protobuf: Option<Form>) -> Item {
        let (settled, taken) = Default::default();
        Item { signal, spans, metadata, came, protobuf, settled, taken }
    }

    /// So many destinations hold it.
    pub(super) fn held_by(&self, places: usize) {
        self.taken.left.store(places, Ordering::Release);
    }

    /// This is called once each of those that hold it has it, or has refused it for good.
    pub(super) fn when_taken(&self, call: WhenTaken) {
        *self.taken.call.lock().unwrap_or_else(PoisonError::into_inner) = Some(call);
        if self.taken.left.load(Ordering::Acquire) == 0 {
            self.tell();
        }
    }

    /// One of them is done with it.
    pub(super) fn done(&self) {
        let less = |left: usize| left.checked_sub(1);
        if self.taken.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, less) == Ok(1) {
            self.tell();
        }
    }

    fn tell(&self) {
        let call = self.taken.call.lock().unwrap_or_else(PoisonError::into_inner).take();
        call.into_iter().for_each(|call| call());
    }

    /// It goes on in this form, or, without one, as it came. Only the first call counts.
    pub(super) fn settle(&self, changed: Option<Form>) {
        let _ = self.settled.set(changed);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled.get().is_some()
    }

    /// How it was compressed when it came.
    pub(super) fn compression(&self) -> Compression {
        self.came.compression
    }

    /// Whether it goes on in another form than it came in.
    pub(super) fn is_changed(&self) -> bool {
        matches!(self.settled.get(), Some(Some(_)))
    }

    /// What is sent to a destination; `None`: it cannot be sent to one of this kind.
    pub(super) fn form(&self, protocol: Protocol) -> Option<&Form> {
        match self.settled.get() {
            Some(Some(changed)) => Some(changed),
            _ => self.untouched(protocol),
        }
    }

    /// The same without what was put into it.
    pub(super) fn untouched(&self, protocol: Protocol) -> Option<&Form> {
        match (self.came.content, protocol) {
            (Content::Json, Protocol::Grpc) => self.protobuf.as_ref(),
            _ => Some(&self.came),
        }
    }

    /// The request that sends a form of it.
    pub(super) fn passed(&self, form: &Form) -> Passed {
        let Form { content, compression, body } = form.clone();
        Passed { signal: self.signal, content, compression, body, metadata: self.metadata.clone() }
    }

    /// Bytes that it takes in memory while it waits for a destination.
    pub(super) fn bytes(&self, protocol: Protocol) -> usize {
        let headers: usize = self.metadata.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        // As it came it stays, for a destination that refuses what was put into it.
        let changed = self.settled.get().and_then(Option::as_ref).map_or(0, |changed| changed.body.len());
        self.untouched(protocol).map_or(0, |form| form.body.len()) + changed + headers + OVERHEAD_BYTES
    }
}
