//! What is believed of rows and pairs, round after round: data only.
//!
//! `em` learns it, `pick_span`, `decay` and `evidence` read it. Rows and pairs are those of the candidates, in their order.

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Posteriors {
    /// Of each pair: the probability that the line was written in the span.
    pub(crate) weights: Vec<f32>,
    /// Of each row: the probability that no recorded span holds it.
    pub(crate) none: Vec<f32>,
    /// Of each pair: its likelihood ratio against clutter, by its own evidence alone. Empty unless it is kept.
    pub(crate) scores: Vec<f32>,
    /// Of each template: the share of lines without a recorded span.
    pub(crate) none_share: Vec<f32>,
    /// Of each class: see [`super::habit::Habit::preference`].
    pub(crate) preference: Vec<f32>,
}

/// What is kept of learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// What was decided.
    Posteriors,
    /// The habits too, to decide later lines by.
    Habits,
    /// The scores of all pairs as well, for whoever asks why.
    Evidence,
}
