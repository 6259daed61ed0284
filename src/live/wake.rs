//! What wakes a lane: the loop of one destination.
//!
//! Values only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::input::tail::file_system::FsEvent;
use crate::record::Receipt;

use super::hold::Hold;
use super::keeper::Kept;

/// Something happened.
#[derive(Debug)]
pub enum Wake {
    /// Files have changed.
    Files(FsEvent),
    /// The destination has these, or refused them for good.
    Settled(Vec<Receipt>),
    /// Positions were written down, or were not.
    Kept(Kept),
    /// Spans have come: a request, `ExportTraceServiceRequest`.
    Spans(SpanRequest),
    /// Logs have come that go on through the tap: a request, `ExportLogsServiceRequest`.
    Logs(LogRequest),
    /// Somebody asks how far sources are.
    Asked,
    /// Nothing more is read; what was read is still to be delivered.
    Stop,
    /// Nothing more is waited for.
    End,
}

/// A request with spans on its way to a lane: its bytes are counted until it is dropped.
#[derive(Debug)]
pub struct SpanRequest {
    request: Bytes,
    /// Whoever holds it, for one lane.
    hold: Option<Box<dyn Hold>>,
    counted: Arc<AtomicUsize>,
}

impl SpanRequest {
    /// Its bytes are added to those that are counted.
    pub(super) fn new(request: Bytes, hold: Option<Box<dyn Hold>>, counted: Arc<AtomicUsize>) -> SpanRequest {
        counted.fetch_add(request.len(), Ordering::Relaxed);
        SpanRequest { request, hold, counted }
    }

    /// Whoever holds it, who lets it go from now on.
    pub(super) fn take_hold(&mut self) -> Option<Box<dyn Hold>> {
        self.hold.take()
    }

    /// `ExportTraceServiceRequest`.
    pub(super) fn request(&self) -> &[u8] {
        &self.request
    }
}

impl Drop for SpanRequest {
    fn drop(&mut self) {
        self.counted.fetch_sub(self.request.len(), Ordering::Relaxed);
    }
}

/// A request with logs on its way, and whoever holds it, who limits how many there are.
#[derive(Debug)]
pub struct LogRequest {
    /// `ExportLogsServiceRequest`.
    pub request: Bytes,
    /// Lets it go.
    pub hold: Box<dyn Hold>,
}
