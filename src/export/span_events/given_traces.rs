//! What the traces of a run are to those who write or send them again.
//!
//! Whoever holds their files and spans answers; nothing is read here.

use std::io;

use super::carriers::Tree;
use super::stored_events::StoredEvents;
use crate::otlp::own::{self, Ids};
use crate::otlp::wire::spans::{self, scope_name};

/// The traces of a run, to be read again.
pub trait GivenTraces {
    /// How many files hold them.
    fn files(&self) -> usize;
    /// Calls for each request of a file with its number in it; an error of the call ends it.
    fn each_request(&self, file: usize, each: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()>;
    /// Some of their spans are spanline's own.
    fn has_carriers(&self) -> bool;
    /// How many spans have a number.
    fn spans(&self) -> usize;
    /// The number of a span, below [`spans`](GivenTraces::spans); one that comes once need not have any.
    fn number(&self, ids: Ids) -> Option<usize>;
    /// Which spans carriers are put under.
    fn tree(&self) -> io::Result<Box<dyn Tree + '_>>;
}

/// The events of carriers among them.
pub fn stored_on_carriers(given: &dyn GivenTraces) -> io::Result<StoredEvents> {
    let mut stored = StoredEvents::default();
    for file in 0..if given.has_carriers() { given.files() } else { 0 } {
        given.each_request(file, &mut |_, request| {
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
