//! Which spans of a trace hold lines of a family of templates, as it was learned: data only.
//!
//! `pick_span` learns it and goes by it, `model` keeps it along a stream.

use super::bins::BINS;
use crate::correlate::stored::stored;

/// Of one operation.
#[derive(Debug, Clone)]
pub(crate) struct SpanHabit {
    /// How likely its spans hold a line, against others of the trace.
    pub(crate) factor: f32,
    /// What it counts that the span's duration does not stand in the text, and that it does.
    pub(crate) durations: [f32; 2],
    /// … and a rare word of its attributes.
    pub(crate) words: [f32; 2],
    pub(crate) density: Density,
}

stored!(SpanHabit { factor, durations, words, density });

/// Where lines stand in spans of an operation: by their distance to the start and to the end.
#[derive(Debug, Clone)]
pub(crate) struct Density {
    pub(crate) starts: [f32; BINS],
    pub(crate) ends: [f32; BINS],
    /// … and to the nearest end or start of a span below.
    pub(crate) edges: [f32; BINS],
    pub(crate) sum: f32,
}

stored!(Density { starts, ends, edges, sum });

impl Default for Density {
    fn default() -> Density {
        Density { starts: [0.0; BINS], ends: [0.0; BINS], edges: [0.0; BINS], sum: 0.0 }
    }
}

/// Of a family of templates: by operation.
#[derive(Debug, Default)]
pub(crate) struct FamilyHabits {
    /// In order.
    rows: Vec<(u64, SpanHabit)>,
    /// The last estimation that saw lines of it.
    pub(crate) seen: u32,
}

stored!(FamilyHabits { rows, seen });

impl FamilyHabits {
    pub(crate) fn new(habits: impl Iterator<Item = (u64, SpanHabit)>, seen: u32) -> FamilyHabits {
        let mut rows: Vec<(u64, SpanHabit)> = habits.collect();
        rows.sort_unstable_by_key(|row| row.0);
        FamilyHabits { rows, seen }
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<FamilyHabits>() + self.rows.len() * size_of::<(u64, SpanHabit)>()
    }

    /// That of an operation, by its key.
    pub(crate) fn of(&self, operation: u64) -> Option<&SpanHabit> {
        let at = self.rows.binary_search_by_key(&operation, |row| row.0).ok()?;
        Some(&self.rows[at].1)
    }
}
