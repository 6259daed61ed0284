//! All tuned constants of choosing the span within a trace (`pick_span`, `span_fit`); how they were found is told in `tuning`.

/// Rounds of learning.
pub(crate) const SPAN_ROUNDS: usize = 25;

/// Densities are learned anew after this many rounds.
pub(crate) const SPAN_DENSITY_ROUNDS: usize = 4;

/// Learning has converged when no more than this share of lines changed its class in a round.
pub(crate) const SPAN_CONVERGED: f32 = 0.0005;

/// Posterior of a trace below which a line teaches nothing and gets no span.
pub(crate) const SPAN_TRACE_SURE: f32 = 0.5;

/// Tolerance of clocks at both ends of a span, ns.
pub(crate) const SPAN_CLOCK_NS: i64 = 3_000;

/// Likelihood of a span that certainly did not hold the line.
pub(crate) const SPAN_OUTSIDE: f32 = 0.01;

/// Share of a line's possible times in a span from which it may as well be in it: clocks tell which span certainly did
/// not hold
/// it, not which did.
pub(crate) const SPAN_MAY_HOLD: f32 = 1.0 / 30.0;

/// How many times likelier a line is in a span than in one around it, by their times, other things being equal.
pub(crate) const SPAN_INNER: f32 = 1.3;

/// How likely a span holds a line whose operation holds none.
pub(crate) const SPAN_SILENT: f32 = 0.05;

/// Upper bound of the ratio of a word of the span's attributes: lines tell what they are about to do as well as what is
/// done
/// further down.
pub(crate) const SPAN_WORD_MOST: f32 = 2.0;

/// How likely a span holds a line whose operation had none of its kind, where lines of the kind were learned from before.
pub(crate) const SPAN_UNKNOWN: f32 = 1e-3;

/// Exponent of the share of an operation's spans that have such a line.
pub(crate) const SPAN_REGULARITY: f32 = 0.7;

/// Exponent of the density of a template's lines, as seen from the span's start or end.
pub(crate) const SPAN_DENSITY: f32 = 0.4;

/// Narrowest width of a density, ns, where the clock is exact …
pub(crate) const SPAN_DENSITY_EXACT_NS: f32 = 5_000.0;

/// … and where it is the runtime's.
pub(crate) const SPAN_DENSITY_NS: f32 = 50_000.0;

/// The same of a time that is rounded, as a part of what it is rounded to.
pub(crate) const SPAN_DENSITY_ROUNDED: f32 = 0.3;

/// Shape of the log-logistic distribution of the runtime's delay around its median.
pub(crate) const RUNTIME_DELAY_SLOPE: f32 = 2.5;
