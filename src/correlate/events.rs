//! Events of spans that are log lines, by what they have in common with their line.
//!
//! In go the events of spans, out come those with an identity (see `identity`), by time. Two identities of a request's
//! event are kept: its message under its request, and the request's id alone.

use super::facts::{EventFact, SpanFact};
use super::identity::Hasher;
use super::span_index::Slot;
use super::spread;

/// Keeps events, ordered by (identity, time) once settled.
#[derive(Debug, Default)]
pub(super) struct Events {
    rows: Vec<Row>,
    settled: usize,
}

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) identity: u64,
    pub(super) time: i64,
    pub(super) slot: Slot,
}

impl Events {
    pub(super) fn add(&mut self, hasher: &Hasher, slot: Slot, span: &SpanFact<'_>) {
        for event in &span.events {
            if let Some(identity) = identity(hasher, event) {
                self.rows.push(Row { identity, time: event.time, slot });
            }
        }
    }

    pub(super) fn settle(&mut self) {
        self.rows = spread::sorted(&self.rows, |row| row.identity, |rows| rows.sort_unstable());
        self.rows.dedup();
        self.settled = self.rows.len();
    }

    /// Drops the events of the first `gone` spans.
    pub(super) fn forget(&mut self, gone: Slot) {
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
    pub(super) fn find(&self, identity: u64) -> &[Row] {
        let rows = &self.rows[..self.settled];
        let start = guess(rows, identity, |row| row.identity);
        let count = rows[start..].partition_point(|row| row.identity == identity);
        &rows[start..start + count]
    }

    pub(super) fn bytes(&self) -> usize {
        self.rows.len() * size_of::<Row>()
    }
}

fn identity(hasher: &Hasher, event: &EventFact<'_>) -> Option<u64> {
    match (event.message, event.request_id) {
        (Some(message), Some(id)) => Some(hasher.of_request_line(id.as_bytes(), message.as_bytes())),
        _ if event.leveled => Some(match event.target {
            Some(target) => hasher.of_site(target.as_bytes(), event.line, event.name.as_bytes()),
            None => hasher.of_message(event.name.as_bytes()),
        }),
        _ => None,
    }
}

/// The first row whose number is not below `number`. Numbers are hashes, so a row's place is known to within a few:
/// that saves most of the steps of a binary search, each of which is a miss of the cache.
pub(super) fn guess<T>(rows: &[T], number: u64, of: impl Fn(&T) -> u64) -> usize {
    let place = ((u128::from(number) * rows.len() as u128) >> 64) as usize;
    let mut reach = 16 + (rows.len() as f64).sqrt() as usize / 2;
    loop {
        let from = place.saturating_sub(reach);
        let to = place.saturating_add(reach).min(rows.len());
        let left = from == 0 || of(&rows[from - 1]) < number;
        let right = to == rows.len() || of(&rows[to]) >= number;
        if left && right {
            return from + rows[from..to].partition_point(|row| of(row) < number);
        }
        reach = reach.saturating_mul(8);
    }
}
