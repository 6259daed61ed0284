//! Spans whose status is an error, with what they say of it.
//!
//! In go slots with status messages, out comes the message of a slot. Kept is a row for each failed span and nothing for
//! the others; longer messages are cut and end with `…`. What a failure means is not decided here.

use std::sync::Arc;

use super::span::Slot;

/// Bytes kept of a status message: nested errors of several programs still fit, dumps do not.
const MESSAGE_BYTES_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// In order of slots.
    rows: Vec<(Slot, Arc<str>)>,
    bytes: usize,
}

impl Failures {
    /// Takes in the status of a span, also of one that came again. `message`: `None` unless it failed.
    pub(crate) fn add(&mut self, slot: Slot, message: Option<&str>) {
        let place = match self.rows.last() {
            Some((last, _)) if *last >= slot => self.rows.binary_search_by_key(&slot, |row| row.0),
            _ => Err(self.rows.len()),
        };
        match (place, message) {
            (Err(at), Some(message)) => {
                let message = kept(message);
                self.bytes += message.len();
                self.rows.insert(at, (slot, message));
            }
            (Ok(at), Some(message)) => {
                self.rows[at].1 = kept(message);
            }
            (Ok(at), None) => drop(self.rows.remove(at)),
            (Err(_), None) => {}
        }
    }

    /// Takes in the status of the next span, as it was kept elsewhere.
    pub(crate) fn put(&mut self, slot: Slot, message: Option<&Arc<str>>) {
        if let Some(message) = message {
            self.bytes += message.len();
            self.rows.push((slot, message.clone()));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.bytes = 0;
    }

    /// The status message of a failed span; `None` for one that did not fail.
    pub(crate) fn of(&self, slot: Slot) -> Option<&str> {
        let at = self.rows.binary_search_by_key(&slot, |row| row.0).ok()?;
        Some(&self.rows[at].1)
    }

    /// Slots of all failed spans, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.rows.iter().map(|row| row.0)
    }

    /// Drops those of the first `gone` spans.
    pub(crate) fn forget(&mut self, gone: Slot) {
        self.rows.drain(..self.rows.partition_point(|row| row.0 < gone));
        self.rows.iter_mut().for_each(|row| row.0 -= gone);
        self.bytes = self.rows.iter().map(|row| row.1.len()).sum();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.rows.capacity() * size_of::<(Slot, Arc<str>)>()
    }
}

/// What is kept of a message.
pub(crate) fn kept(message: &str) -> Arc<str> {
    if message.len() <= MESSAGE_BYTES_MAX {
        return message.into();
    }
    format!("{}…", &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_status_of_a_span_counts_and_slots_move_up() {
        let mut failures = Failures::default();
        for (slot, message) in [(3, Some("three")), (7, Some("")), (5, Some("five")), (3, Some("again")), (7, None)] {
            failures.add(slot, message);
        }
        assert_eq!([3, 4, 5, 7].map(|slot| failures.of(slot)), [Some("again"), None, Some("five"), None]);
        failures.add(9, Some(&"ü".repeat(MESSAGE_BYTES_MAX)));
        assert_eq!(failures.of(9), Some(format!("{}…", "ü".repeat(MESSAGE_BYTES_MAX / 2)).as_str()));
        failures.forget(4);
        assert_eq!((failures.slots().collect::<Vec<_>>(), failures.of(1)), (vec![1, 5], Some("five")));
    }
}
