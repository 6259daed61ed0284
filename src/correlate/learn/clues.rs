//! What the text of a line and its neighbours share with a span, as one small number.
//!
//! A clue code is the sum of: 1 for a duration in the text that is the span's; 2, 4 or 6 for shared words; 8 or 16 for one or
//! two adjacent lines of known trace that are of the span's trace.

/// Number of clue codes.
pub(crate) const CLUES: usize = 24;
/// The text holds the span's duration.
pub(crate) const DURATION: u8 = 1;
/// … or a rare word of the span's trace.
pub(crate) const RARE_WORD: u8 = 4;
/// … or a rare word of the span or of one above it: both bits.
pub(crate) const OWN_WORD: u8 = 6;
/// One adjacent line of known trace is of the span's trace.
pub(crate) const SIDE: u8 = 8;
