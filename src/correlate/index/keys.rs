//! Ids that name a request or a thing, from attributes and events of spans, by value.
//!
//! In go the attributes of spans, out come the spans that have one. Only keys that a rule asks for are kept.

use super::bucket_sort;
use super::identity::IdentityHasher;
use super::interpolation_search::lower_bound;
use super::span::Slot;
use crate::facts::SpanFact;

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// CRI-O's id of a request: attribute `id` of the events its hook makes.
    CrioRequest,
    /// The API server's id of a request: attribute `audit-id`.
    Audit,
    /// conmon-rs's id of a request: attribute `uuid`.
    ConmonRequest,
    /// A pod, by its UID, `namespace/name`, or name alone.
    Pod,
}

impl Key {
    fn of_attribute(name: &[u8]) -> Option<Key> {
        match name {
            b"audit-id" | b"audit-ID" | b"auditID" => Some(Key::Audit),
            b"uuid" => Some(Key::ConmonRequest),
            b"k8s.pod.uid" | b"k8s.pod" | b"k8s.pod.name" => Some(Key::Pod),
            _ => None,
        }
    }
}

/// Keeps keys, ordered by hash once settled.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    rows: Vec<(u64, Slot)>,
    settled: usize,
}

impl Keys {
    pub(crate) fn add(&mut self, hasher: &IdentityHasher, slot: Slot, span: &SpanFact<'_>) {
        Keys::each(hasher, span, |hash| self.rows.push((hash, slot)));
    }

    /// Gives the hashes of a span's keys.
    pub(crate) fn each(hasher: &IdentityHasher, span: &SpanFact<'_>, mut give: impl FnMut(u64)) {
        for (name, value) in &span.attributes {
            if let Some(key) = Key::of_attribute(name) {
                give(hasher.of_key(key as u64, value));
            }
        }
        let mut last = None;
        for event in &span.events {
            if event.message.is_some() && event.request_id.is_some() && event.request_id != last {
                last = event.request_id;
                if let Some(id) = last {
                    give(hasher.of_key(Key::CrioRequest as u64, id.as_bytes()));
                }
            }
        }
    }

    /// Takes in what [`Keys::each`] gave for a span.
    pub(crate) fn put(&mut self, slot: Slot, hashes: &[u64]) {
        self.rows.extend(hashes.iter().map(|hash| (*hash, slot)));
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.settled = 0;
    }

    pub(crate) fn settle(&mut self) {
        self.rows = bucket_sort::sorted(&self.rows, |row| row.0, |rows| rows.sort_unstable());
        self.rows.dedup();
        self.settled = self.rows.len();
    }

    /// Drops the keys of the first `gone` spans.
    pub(crate) fn forget(&mut self, gone: Slot) {
        self.rows.retain_mut(|row| match row.1.checked_sub(gone) {
            Some(slot) => {
                row.1 = slot;
                true
            }
            None => false,
        });
        self.settled = 0;
    }

    /// A span has a key (by its hash).
    pub(crate) fn has(&self, hash: u64, slot: Slot) -> bool {
        self.rows[..self.settled].binary_search(&(hash, slot)).is_ok()
    }

    /// Spans with a key's hash (of [`IdentityHasher::of_key`]).
    pub(crate) fn find(&self, hash: u64) -> impl Iterator<Item = Slot> {
        let rows = &self.rows[..self.settled];
        let start = lower_bound(rows, hash, |row| row.0);
        rows[start..].iter().take_while(move |row| row.0 == hash).map(|row| row.1)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.rows.len() * size_of::<(u64, Slot)>()
    }
}
