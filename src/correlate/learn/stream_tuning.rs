//! Tuned constants of streams: when they are learned from, and what is kept of that.
//!
//! Each says what it means and its unit. Found on captures of five minutes (CRI-O and containerd with demo apps), played in
//! steps of a second and of ten.

/// Lines so long before and after those that are decided are looked at too, ns: they tell of the same requests.
pub(crate) const CONTEXT_NS: i64 = 500_000_000;

/// Lines so long after those that are due are learned from too, ns: what is said for the first time is known when it is due.
/// Spans have come by then, a few seconds after their end, and lines as they were written.
pub(crate) const LOOKAHEAD_NS: i64 = 5_000_000_000;

/// Of this many lines, half of the time that they are kept is enough to learn from.
pub(crate) const ESTIMATE_LINES_ENOUGH: usize = 3_000;

/// A stream is estimated anew once it has this many times the lines more that were learned from last …
pub(crate) const ESTIMATE_GROWTH: f32 = 0.5;

/// … or this many lines …
pub(crate) const ESTIMATE_LINES_MAX: usize = 1 << 17;

/// … or this part of the time that lines are kept has gone by …
pub(crate) const ESTIMATES_PER_MEMORY: i64 = 6;

/// … or this share of what was learned from is of templates of which nothing is known …
pub(crate) const ESTIMATE_UNKNOWN_SHARE: f32 = 0.02;

/// … and this many lines at least.
pub(crate) const ESTIMATE_UNKNOWN_LINES: usize = 20;

/// What has decayed below this many lines is forgotten.
pub(crate) const DECAY_LINES_LEAST: f32 = 0.2;

/// … of a class, clutter included.
pub(crate) const DECAY_CLASS_LEAST: f32 = 0.02;

/// After n windows what was learned counts like n to this power times the lines of the last: the first was learned from
/// little.
pub(crate) const DECAY_GROWTH: f32 = 0.7;

/// Whether a template is written after the end is found anew by this many lines, else it stays as it was.
pub(crate) const MODEL_AFTER_LINES: usize = 50;

/// Lines that a template counts as known by where another stands in for it that differs by a value only …
pub(crate) const MODEL_FAMILY_LINES: u32 = 20;

/// … or has the same coarse form.
pub(crate) const MODEL_COARSE_LINES: u32 = 4;

/// A class whose preference is lower is not kept to decide by: it has less than three thousandths of what the first has.
pub(crate) const MODEL_PREFERENCE_LEAST: f32 = 1e-5;
