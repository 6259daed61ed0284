//! Tuned constants of streams: when they are learned from, and what is kept of that.
//!
//! Each says what it means and its unit. Found on captures of five minutes (CRI-O and containerd with demo apps), played in
//! steps of a second and of ten.

/// Lines so long before and after those that are decided are looked at too, ns: they tell of the same requests.
pub(crate) const CONTEXT_NS: i64 = 500_000_000;

/// Lines so long after those that are due are learned from too, ns: what is said for the first time is known when it is due.
/// Spans have come by then, a few seconds after their end, and lines as they were written.
pub(crate) const LOOKAHEAD_NS: i64 = 5_000_000_000;

/// Lines of a kind that was first seen so little before are waited with even where their spans have come, ns: its habits are
/// learned from few lines or none yet …
pub(crate) const NEW_FOR_NS: i64 = 15_000_000_000;

/// … where more of the lines of a service are of such kinds. With shares of .02 to .3 neither recall nor waits differ.
pub(crate) const NEW_KINDS_SHARE: f32 = 0.1;

/// Lines of one service that are learned from at once, at most.
pub(crate) const SAMPLE_LINES: usize = 1 << 11;

/// Lines of a service that was learned of so long before, ns, are learned from for the last time …
pub(crate) const LAST_TIME_AFTER_NS: i64 = 30_000_000_000;

/// … and so are those that are so old, ns.
pub(crate) const LAST_TIME_AGE_NS: i64 = 30_000_000_000;

/// A service is learned of anew once it has this many times the lines more than before in all, below so many lines and from
/// there on …
pub(crate) const LEARNING_GROWTH: [f32; 2] = [0.25, 0.5];
pub(crate) const EARLY_LINES: u64 = 1_000;

/// … this many at least …
pub(crate) const LEARNING_LINES_LEAST: u64 = 20;

/// … or this share of the new ones is of kinds that are not known …
pub(crate) const UNKNOWN_SHARE: f32 = 0.02;

/// … or it is so long ago, ns.
pub(crate) const LEARNED_AGAIN_NS: i64 = 300_000_000_000;

/// Where learning helps little, so many lines of unknown kinds make a service due, at most.
pub(crate) const UNKNOWN_LINES_MOST: u64 = 1 << 16;

/// No service is learned of so soon after others, ns.
pub(crate) const LEARNING_GAP_NS: i64 = 2_000_000_000;

/// What has decayed so little is not counted anew: ns.
pub(crate) const DECAY_STEP_NS: i64 = 10_000_000_000;

/// Lines that are kept before it is looked which of them are still needed.
pub(crate) const LINES_KEPT_LEAST: usize = 1 << 12;

/// What has decayed below this many lines is forgotten.
pub(crate) const DECAY_LINES_LEAST: f32 = 0.2;

/// … of a class, clutter included.
pub(crate) const DECAY_CLASS_LEAST: f32 = 0.02;

/// After n windows what was learned counts like n to this power times the lines of the last: the first was learned from
/// little.
pub(crate) const DECAY_GROWTH: f32 = 0.7;

/// Lines that a template counts as known by where another stands in for it that differs by a value only …
pub(crate) const MODEL_FAMILY_LINES: u32 = 20;

/// … or has the same coarse form.
pub(crate) const MODEL_COARSE_LINES: u32 = 4;

/// A class whose preference is lower is not kept to decide by: it has less than three thousandths of what the first has.
pub(crate) const MODEL_PREFERENCE_LEAST: f32 = 1e-5;
