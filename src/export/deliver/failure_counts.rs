//! Counts of a destination's failures so far.
//!
//! Values only; what a failure leads to is decided in [`failures`](super::failures).

use super::retry::Health;
use super::unproven::Unproven;

/// Requests that may be wasted on finding the records that a destination calls wrong, or the size that it takes; each batch
/// it takes earns some.
pub(super) const BISECTIONS_MAX: u32 = 256;

/// Counts of failures so far.
pub(super) struct Failures {
    /// Rounds in a row without a connection.
    pub(super) connect: u32,
    /// Answers in a row that there is no such service.
    pub(super) absences: u32,
    /// Times in a row that everything was held back since something was refused as a whole.
    pub(super) holds: u32,
    /// The user was told of failures, and not yet that they are over.
    pub(super) is_told: bool,
    pub(super) bisections: u32,
    /// The largest request that was taken since a half of one that was refused for an unnamed limit was: that is perhaps one
    /// of size.
    pub(super) fits: Option<usize>,
    /// The largest record that was taken, with its tag and length.
    pub(super) largest_taken: usize,
    /// Records that were refused alone before anything else was taken: dropped if something will be, else left.
    pub(super) unproven: Unproven,
}

impl Default for Failures {
    fn default() -> Failures {
        Failures {
            connect: 0,
            absences: 0,
            holds: 0,
            is_told: false,
            bisections: BISECTIONS_MAX,
            fits: None,
            largest_taken: 0,
            unproven: Unproven::default(),
        }
    }
}

impl Failures {
    /// Whether it is doubtful that anything is taken: it answers that there is no such service, and has taken nothing yet, or
    /// refused something as a whole.
    pub(super) fn are_of_all(&self, health: &Health) -> bool {
        self.holds > 0 || self.absences > 0 && health.passes == 0
    }
}
