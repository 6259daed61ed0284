//! Versions of the state, and why one can't be read.
//!
//! Values only: nothing is read or written here.

/// The version that is written.
pub(super) const VERSION: u32 = 3;

/// Why bytes are no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It was a state, or never was anything.
    Damaged,
    /// It has a version that is not known here.
    Newer(u32),
    /// It is whole, and has another shape.
    Unknown,
}
