//! The traces that were given, to be read again.
//!
//! In go their files, out come their requests, and the events on carriers among them. What is done with them is not decided
//! here.

use std::io;
use std::path::PathBuf;

use super::config::BackfillConfig;
use crate::correlate::Correlator;
use crate::correlate::index::SpanIndex;
use crate::export::config::Carriers;
use crate::export::stored_events::StoredEvents;
use crate::otlp::own;
use crate::otlp::wire::spans::{self, scope_name};
use crate::spans::file::Limits;
use crate::spans::load::each_request;

/// The traces that were given, to be read again.
pub(super) struct Given<'a> {
    pub(super) paths: &'a [PathBuf],
    pub(super) limits: Limits,
    /// Some of their spans are spanline's.
    pub(super) has_carriers: bool,
    /// All their spans.
    pub(super) index: &'a SpanIndex,
    /// What new carriers hang under.
    pub(super) gather: Carriers,
}

impl<'a> Given<'a> {
    pub(super) fn new(
        paths: &'a [PathBuf],
        config: &BackfillConfig,
        correlator: &'a Correlator,
        has_carriers: bool,
    ) -> Given<'a> {
        Given {
            paths,
            limits: config.read.trace_limits(),
            has_carriers,
            index: correlator.index(),
            gather: config.events.carriers,
        }
    }

    /// Calls for each request of all files; the first file that cannot be read ends it.
    pub(super) fn each_request(&self, each: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        for path in self.paths {
            each_request(path, self.limits, &mut *each)?;
        }
        Ok(())
    }

    /// The events of carriers among them.
    pub(super) fn stored_on_carriers(&self) -> io::Result<StoredEvents> {
        let mut stored = StoredEvents::default();
        if self.has_carriers {
            self.each_request(&mut |_, request| {
                spans::each(request, |at| {
                    if scope_name(at.scope) == own::SCOPE.as_bytes() {
                        stored.add(at.span, true);
                    }
                });
                Ok(())
            })?;
        }
        Ok(stored)
    }
}
