//! How sources are read to learn what belongs together.

use crate::checkpoint::acknowledged::Acknowledged;

/// How sources are read to learn what belongs together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Learning<'a> {
    /// The evidence for explanations is kept.
    pub(crate) keeps_evidence: bool,
    /// Threads that read.
    pub(crate) workers: usize,
    /// What earlier runs sent, where lines are to be sent.
    pub(crate) acknowledged: Option<&'a Acknowledged>,
}
