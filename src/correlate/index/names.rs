//! Names kept once.
//!
//! In go texts, out come small numbers: span names and scopes repeat by the thousand. Bounded: names beyond the
//! limit all share number 0, the empty name, and are counted by whoever asks.

use std::sync::Arc;

use super::span::Span;
use crate::correlate::text::hash::{NumberMap, Seed};

/// Distinct names kept; a program with more has put ids into its span names.
const NAMES_MAX: usize = 1 << 18;
/// Bytes of names kept.
const NAME_BYTES_MAX: usize = 32 << 20;

/// Text ↔ number.
#[derive(Debug)]
pub(crate) struct Names {
    numbers: NumberMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
    bytes: usize,
}

impl Default for Names {
    fn default() -> Names {
        let empty: Arc<str> = Arc::from("");
        let mut numbers = NumberMap::with_hasher(Seed::random());
        numbers.insert(empty.clone(), 0);
        Names { numbers, names: vec![empty], bytes: 0 }
    }
}

impl Names {
    /// The number of a name, a new one if need be.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        if self.names.len() >= NAMES_MAX || self.bytes + name.len() > NAME_BYTES_MAX {
            return 0;
        }
        let number = self.names.len() as u32;
        let name: Arc<str> = Arc::from(name);
        self.bytes += name.len();
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// The number of a name that is known.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The name of a number.
    pub(crate) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", |name| name)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// More than half of the room is taken.
    pub(crate) fn is_half_full(&self) -> bool {
        self.names.len() > NAMES_MAX / 2 || self.bytes > NAME_BYTES_MAX / 2
    }

    /// Gives spans the numbers that their names have here instead of those `before`.
    pub(crate) fn renumber<'s>(&mut self, before: &Names, spans: impl Iterator<Item = &'s mut Span>) {
        for span in spans {
            span.name = self.number(before.name(span.name));
            span.scope = self.number(before.name(span.scope));
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.names.len() * 80
    }
}
