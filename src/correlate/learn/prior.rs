//! What earlier lines of a stream taught: data only.
//!
//! `decay` fills it from what it keeps, learning starts from it. Empty for finished logs.

use super::factors::end_counts::EndCounts;
use super::histograms::Histograms;
use crate::correlate::stored::stored;
use crate::correlate::text::hash::NumberMap;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Prior {
    /// Of each template.
    pub(crate) templates: Vec<TemplateCounts>,
    /// Of each class: pairs by their posterior weight.
    pub(crate) pairs: Vec<Histograms>,
    /// Of each class: its lines, and those that are certainly late.
    pub(crate) late: Vec<(f32, f32)>,
    /// Of messages: how lines of it stand to ends that are of other templates.
    pub(crate) messages: NumberMap<u64, EndCounts>,
    /// Of each class: the clutter of this window's lines alone.
    pub(crate) own_clutter: Vec<Histograms>,
}

/// Decayed counts of one template.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TemplateCounts {
    pub(crate) lines: f32,
    /// Lines without a recorded span.
    pub(crate) none: f32,
    /// Spans of other traces that were open at its lines.
    pub(crate) concurrent: f32,
    /// How its lines stand to the ends of their traces' spans.
    pub(crate) ends: EndCounts,
}

stored!(TemplateCounts { lines, none, concurrent, ends });

impl Prior {
    /// That of a template.
    pub(crate) fn of(&self, template: usize) -> TemplateCounts {
        self.templates.get(template).copied().unwrap_or_default()
    }
}
