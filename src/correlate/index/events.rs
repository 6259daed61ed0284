//! Events of spans that are log lines, by what they have in common with their line.
//!
//! In go the events of spans, out come those with an identity (see `identity`), by time. Two identities of a request's
//! event are kept: its message under its request, and the request's id alone.

use super::bucket_sort;
use super::identity::IdentityHasher;
use super::interpolation_search::lower_bound;
use super::span::Slot;
use crate::facts::{EventFact, SpanFact};

/// Keeps events, ordered by (identity, time) once settled.
#[derive(Debug, Default)]
pub(crate) struct Events {
    rows: Vec<EventEntry>,
    settled: usize,
}

/// An event of a span, by what it has in common with its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventEntry {
    pub(crate) identity: u64,
    pub(crate) time: i64,
    pub(crate) slot: Slot,
}

impl Events {
    pub(crate) fn add(&mut self, hasher: &IdentityHasher, slot: Slot, span: &SpanFact<'_>) {
        self.rows.extend(Events::of(hasher, span).map(|(identity, time)| EventEntry { identity, time, slot }));
    }

    /// Identity and time of a span's events that are log lines.
    pub(crate) fn of(hasher: &IdentityHasher, span: &SpanFact<'_>) -> impl Iterator<Item = (u64, i64)> {
        span.events.iter().filter_map(|event| Some((identity(hasher, event)?, event.time)))
    }

    /// Takes in what [`Events::of`] gave for a span.
    pub(crate) fn put(&mut self, slot: Slot, events: &[(u64, i64)]) {
        self.rows.extend(events.iter().map(|(identity, time)| EventEntry { identity: *identity, time: *time, slot }));
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.settled = 0;
    }

    pub(crate) fn settle(&mut self) {
        self.rows = bucket_sort::sorted(&self.rows, |row| row.identity, |rows| rows.sort_unstable());
        self.rows.dedup();
        self.settled = self.rows.len();
    }

    /// Drops the events of the first `gone` spans.
    pub(crate) fn forget(&mut self, gone: Slot) {
        self.rows.retain_mut(|row| match row.slot.checked_sub(gone) {
            Some(slot) => {
                row.slot = slot;
                true
            }
            None => false,
        });
        self.settled = 0;
    }

    /// Events of an identity, by time.
    pub(crate) fn find(&self, identity: u64) -> &[EventEntry] {
        let rows = &self.rows[..self.settled];
        let start = lower_bound(rows, identity, |row| row.identity);
        let count = rows[start..].partition_point(|row| row.identity == identity);
        &rows[start..start + count]
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() * size_of::<EventEntry>()
    }
}

fn identity(hasher: &IdentityHasher, event: &EventFact<'_>) -> Option<u64> {
    match (event.message, event.request_id) {
        (Some(message), Some(id)) => Some(hasher.of_request_line(id.as_bytes(), message.as_bytes())),
        _ if event.leveled => Some(match event.target {
            Some(target) => hasher.of_site(target.as_bytes(), event.line, event.name.as_bytes()),
            None => hasher.of_message(event.name.as_bytes()),
        }),
        _ => None,
    }
}
