//! What is kept of the lines that are learned from.

/// What is kept of the lines that are learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learning {
    /// Only what was learned.
    Plain,
    /// What their links follow from, where nothing else is wanted of them: they need not be read again.
    WithLinks,
    /// The evidence for explanations.
    WithEvidence,
}
