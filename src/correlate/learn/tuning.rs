//! All tuned constants of learning which trace a line is of, in one place; those of the span within it stand in `span_tuning`,
//! those of streams in `stream_tuning`.
//!
//! Each says what it means and its unit, and, where that is known, how it was found. Those without a note were found by hand
//! on labelled nodes (CRI-O, containerd, kubelet, demo apps, Online Boutique, Train Ticket; all traces and a fifth of them),
//! none for a single program; how far each may move before results change has not been measured. Limits of memory and time
//! are not tuned: they stand where they hold.

// Clutter: counts at shifted times (`clutter`)

/// Shifted times per line, at most.
pub(crate) const CLUTTER_SHIFTS: usize = 8;

/// Shifted times per template, at least one per line: templates with many lines know their clutter from fewer each.
pub(crate) const CLUTTER_SHIFTS_OF_TEMPLATE: usize = 4_000;

/// Shifted times per line at which clues are looked up too, which costs most of a look-up.
pub(crate) const CLUTTER_CLUE_SHIFTS: usize = 3;

/// Pseudo-count, in lines, of the clutter that all templates of an operation have together.
pub(crate) const CLUTTER_POOLED_LINES: f32 = 100.0;

/// Shortest shift, ns: far enough from the line's own request, near enough to be in the same burst.
pub(crate) const CLUTTER_NEAREST_NS: f32 = 20e6;

/// Natural logarithm of the longest shift over the shortest: ln(6 s / 20 ms).
pub(crate) const CLUTTER_LOG_RANGE: f32 = 5.703_782_5;

// Templates (`candidate_rows`)

/// Minimum support of a template, in lines: rarer ones are pooled by their coarse form.
pub(crate) const TEMPLATE_LINES_LEAST: f32 = 4.0;

/// Minimum support, in lines, for short values (a step, a stage, a reason) to make a template of their own.
pub(crate) const TEMPLATE_VALUE_LINES: f32 = 50.0;

// Records of several lines (`continuations`)

/// A line goes on with the one before it that was stamped no longer before, ns: one write is read in one go, mostly.
pub(crate) const CONTINUES_NS: i64 = 1_000_000;

/// A kind goes on with another where this share of the one is followed by the other at once, and the other comes after such
/// this often …
pub(crate) const CONTINUES_SHARE: f32 = 0.95;

/// … with this minimum support, in lines.
pub(crate) const CONTINUES_LINES: f32 = 4.0;

// Time windows (`written_time`, `features`, `gating`)

/// A span may have ended so long before its line where the program's own clock is printed exactly, ns.
pub(crate) const SLACK_EXACT_NS: i64 = 50_000;

/// … and where the container runtime or the journal took the time, ns: 99 % of CRI's timestamps are less than 4 ms
/// late.
pub(crate) const SLACK_RUNTIME_NS: i64 = 5_000_000;

/// Median delay of the runtime's timestamp where a payload has no time to compare with, ns. Measured on captures: 0.1
/// to 0.4 ms.
pub(crate) const RUNTIME_DELAY_NS: i64 = 200_000;

/// A line without a time of its own was written no longer before the runtime's timestamp, ns, unless lines with one tell
/// of more, …
pub(crate) const RUNTIME_DELAY_MOST_NS: i64 = 2_000_000;

/// … by this quantile of their delays, …
pub(crate) const RUNTIME_DELAY_QUANTILE: f32 = 0.99;

/// … and at most so much: a loaded node was seen with 27 ms (p95) and 80 ms (p99).
pub(crate) const RUNTIME_DELAY_LIMIT_NS: i64 = 100_000_000;

/// A span may begin so much after its line, ns: both clocks are read one after the other.
pub(crate) const START_SLACK_NS: i64 = 50_000;

/// A span that ends so much after its parent only waits for something, ns.
pub(crate) const OUTLIVES_PARENT_NS: i64 = 5_000_000;

/// Lines of known trace are adjacent up to this distance, ns: what one goroutine writes in one go.
pub(crate) const SETTLED_NEAR_NS: i64 = 2_000_000;

/// A line is certainly later than an end from this distance on, ns: what clocks round away.
pub(crate) const CERTAINLY_LATE_NS: i64 = 2_000;

// Words (`features`, `factors`)

/// A word is rare that at most this share of the traces with words holds …
pub(crate) const RARE_WORD_SHARE: f32 = 0.02;

/// … or at most this many traces.
pub(crate) const RARE_WORD_TRACES: u32 = 8;

/// Posterior of a trace from which a line counts as its, for words it shares.
pub(crate) const SHARED_WORDS_SURE: f32 = 0.9;

/// Traces that hold a word, up to which it counts as equally rare.
pub(crate) const SHARED_WORDS_RARITIES: [usize; 4] = [1, 3, 8, 30];

/// Pseudo-count, in lines, of the outcomes of all templates against those of one.
pub(crate) const SHARED_WORDS_POOLED_LINES: f32 = 4.0;

/// Bounds of the likelihood ratio of shared words.
pub(crate) const SHARED_WORDS_RATIO_LEAST: f32 = 0.02;

/// … upper bound.
pub(crate) const SHARED_WORDS_RATIO_MOST: f32 = 200.0;

/// Exponent of a shared word against no span, where all lines of the template have one: lines of a clean-up share ids
/// too.
pub(crate) const SHARED_WORDS_AGAINST_NONE: f32 = 0.5;

// Habits and rounds (`em`, `estimate`, `habit`, `working_set`)

/// Rounds of expectation maximisation, at most: templates end when they have converged.
pub(crate) const EM_ROUNDS: usize = 13;

/// Rounds after which request groups, lateness and the context factors are found.
pub(crate) const EM_HALF: usize = EM_ROUNDS / 2 + 1;

/// Share of a template's lines without a recorded span, before anything is known.
pub(crate) const NONE_SHARE_AT_FIRST: f32 = 0.05;

/// A template has converged when no more than this share of its lines moved in a round.
pub(crate) const EM_CONVERGED: f32 = 0.001;

/// The same of templates whose habits a stream knows.
pub(crate) const EM_CONVERGED_KNOWN: f32 = 0.02;

/// A class of such a template has next to no lines of it where it has less than this share of what the first class has.
pub(crate) const KNOWN_CLASS_LEAST: f32 = 1e-3;

/// Minimum support, in decayed lines, for a stream's habits to be taken as known at the start.
pub(crate) const PRIOR_LINES: f32 = 30.0;

/// Share of the clutter that is mixed into a habit, so that nothing is impossible.
pub(crate) const HABIT_FLOOR: f32 = 0.2;

/// An operation whose spans hold lines of a template less often than by chance, by this factor or more, holds none.
pub(crate) const HABIT_BELONGS: f32 = 10.0;

/// Likelihood ratio of a kind of lines that is written when the span is over.
pub(crate) const AFTER_RATIO: f32 = 1e-4;

/// Share of a habit from which a pair's own contribution is left out exactly; below it the table is near enough.
pub(crate) const HABIT_OWN_COUNTS: f32 = 1e-3;

/// A distance with less of the weight than this share is left out.
pub(crate) const HABIT_SIDE_LEAST: f32 = 0.01;

/// A pair with a lower weight leaves the working set of its template.
pub(crate) const PRUNED_WEIGHT: f32 = 1e-6;

/// Likelihood ratio of a span that only waits for something.
pub(crate) const WAITING_RATIO: f32 = 0.03;

// Capacity: a span takes a template as often as is typical (`capacity`)

/// Quantile of the lines per span, over spans with lines of the template, that is a span's capacity …
pub(crate) const CAPACITY_QUANTILE: f32 = 0.4;

/// … and where half or more of the template's lines have no recorded span: those often run at the same time as one that has.
pub(crate) const CAPACITY_QUANTILE_UNRECORDED: f32 = 0.15;

/// Rounds of scaling within each round of learning.
pub(crate) const CAPACITY_ROUNDS: usize = 8;

/// Scaling has converged when every span keeps this part of what it takes.
pub(crate) const CAPACITY_CONVERGED: f32 = 0.999;

/// A span keeps this part of what it takes at least, where all requests are recorded: more than typical is possible …
pub(crate) const CAPACITY_KEPT_LEAST: f32 = 0.03;

/// … and where half or more are not.
pub(crate) const CAPACITY_KEPT_LEAST_UNRECORDED: f32 = 1e-5;

// Request groups (`request_keys`, `request_groups`)

/// A key names requests when this share of the sure lines with one value agree on a trace: 93 % told `req` from `user`
/// on all captures.
pub(crate) const REQUEST_KEY_AGREEMENT: f32 = 0.93;

/// … with this minimum support, in lines.
pub(crate) const REQUEST_KEY_LINES: f32 = 20.0;

/// What the same key names in other services counts this part …
pub(crate) const REQUEST_KEY_OTHERS_PART: f32 = 0.5;

/// … and at most like this many lines.
pub(crate) const REQUEST_KEY_OTHERS_LINES: f32 = 15.0;

/// A value that more lines have names no request.
pub(crate) const GROUP_LINES_MAX: usize = 400;

/// Posterior of a trace from which a line counts as its, for keys.
pub(crate) const GROUP_SURE: f32 = 0.9;

/// Lower bound of each line's evidence within its group, lest one line rule out a trace.
pub(crate) const GROUP_FLOOR: f32 = 0.02;

/// Quantile of the groups of a key per trace that is a trace's capacity.
pub(crate) const GROUP_QUANTILE: f32 = 0.4;

/// Rounds of scaling.
pub(crate) const GROUP_CAPACITY_ROUNDS: usize = 12;

/// Smaller parts of a group take no capacity.
pub(crate) const GROUP_PART_LEAST: f32 = 1e-4;

/// Expected number of requests that are open during a whole group, at least.
pub(crate) const GROUP_OPEN_LEAST: f32 = 0.1;

// Adjacent lines and concurrency (`factors`)

/// Lines are adjacent up to this distance, ns.
pub(crate) const ADJACENT_NEAR_NS: i64 = 2_000_000;

/// Posterior from which a line counts as of its trace, or of none.
pub(crate) const ADJACENT_SURE: f32 = 0.9;

/// Pseudo-count, in lines, of the service's outcomes in those of a template.
pub(crate) const ADJACENT_SERVICE_LINES: f32 = 8.0;

/// Pseudo-count, in lines, of an outcome that says nothing in those of a service.
pub(crate) const ADJACENT_PRIOR_LINES: f32 = 4.0;

/// Lower bound of the likelihood ratio; it never speaks for a pair.
pub(crate) const ADJACENT_RATIO_LEAST: f32 = 0.2;

/// Pseudo-count, in spans, of the expected rate in that of a service.
pub(crate) const CONCURRENCY_CHANCE_SPANS: f32 = 3.0;

/// Pseudo-count, in spans, of the service's rate in that of a template.
pub(crate) const CONCURRENCY_SERVICE_SPANS: f32 = 10.0;

/// Bounds of the ratio.
pub(crate) const CONCURRENCY_LEAST: f32 = 0.1;

/// … upper bound.
pub(crate) const CONCURRENCY_MOST: f32 = 10.0;

// Threads (`factors`)

/// A word names a thread when this share of the sure lines with it is in spans of that one …
pub(crate) const THREAD_AGREEMENT: f32 = 0.8;

/// … with this minimum support, in lines …
pub(crate) const THREAD_LINES: f32 = 4.0;

/// … of this many traces.
pub(crate) const THREAD_TRACES: usize = 3;

/// Posterior of a trace from which a line counts …
pub(crate) const THREAD_SURE: f32 = 0.9;

/// … and share of it that one thread has.
pub(crate) const THREAD_OWN_SHARE: f32 = 0.7;

// Outcomes by trace: threads and calls (`factors`)

/// Posterior of a trace from which a line counts. (Lines that seem to be of none are left out: some are of traces that they
/// were not found to be of yet, which outcomes are to tell.)
pub(crate) const OUTCOME_SURE: f32 = 0.9;

/// What is believed of the outcomes of right traces and of others before any is seen: none, hit, miss.
pub(crate) const OUTCOME_RIGHT_BEFORE: [f32; 3] = [0.0, 0.7, 0.3];

/// … of others.
pub(crate) const OUTCOME_OTHERS_BEFORE: [f32; 3] = [0.0, 0.05, 0.95];

/// Pseudo-count, in lines, of the service's outcomes in those of a template.
pub(crate) const OUTCOME_SERVICE_LINES: f32 = 8.0;

/// Bounds of the likelihood ratio.
pub(crate) const OUTCOME_RATIO_LEAST: f32 = 0.002;

/// … upper bound.
pub(crate) const OUTCOME_RATIO_MOST: f32 = 500.0;

// Lines after the end of their span (`factors`)

/// Likelihood ratio of a span that had certainly ended, where clocks agree. One request often goes on just when another
/// has ended
/// (it had a lock, or the only worker): without this, half of all beginnings end up there.
pub(crate) const AFTER_END_RATIO: f32 = 0.1;

/// Beta prior on the share of pairs that are late: mean …
pub(crate) const LATENESS_PRIOR_MEAN: f32 = 0.1;

/// … and weight, in pairs.
pub(crate) const LATENESS_PRIOR_PAIRS: f32 = 5.0;

/// Where templates written after the end are more than this share of a service's lines, its clocks differ, and none is.
pub(crate) const LATENESS_SKEWED_SHARE: f32 = 0.1;

/// Minimum support, in certainly late lines, of a template that is late more often than others …
pub(crate) const LATER_LINES: f32 = 0.9;

/// … this many times more often than lines that are not the last of their request …
pub(crate) const LATER_RATIO: f32 = 20.0;

/// … and this share more at least. (Those are late only when the delay of their timestamp outlasts the rest of the
/// request.)
pub(crate) const LATER_SHARE_LEAST: f32 = 0.008;

/// Pseudo-count, in late lines, of those that are not the last of their request.
pub(crate) const LATER_PRIOR_LINES: f32 = 0.3;

/// A template is written after the end when this many lines …
pub(crate) const LATE_LINES: f32 = 1.5;

/// … and this share of them certainly are …
pub(crate) const LATE_SHARE: f32 = 0.03;

/// … where this share has timestamps after the end of the whole trace.
pub(crate) const LATE_ENDED_SHARE: f32 = 0.5;

/// Lines are the last of their trace of which this share has timestamps after its end …
pub(crate) const LAST_ENDED_SHARE: f32 = 0.9;

/// … and pooled over services, where some are taken for those of other traces, this one.
pub(crate) const LAST_ENDED_SHARE_POOLED: f32 = 0.7;

/// Templates of which this share is after the end tell how often last lines are …
pub(crate) const LAST_REFERENCE_SHARE: f32 = 0.8;

/// … with this minimum support, in lines.
pub(crate) const LAST_REFERENCE_LINES: f32 = 20.0;

/// The last lines of a request are written less than this before the end of its span, ns.
pub(crate) const LAST_NEAR_NS: i64 = 2_000_000;

/// Lines of access logs are written after the end where so many …
pub(crate) const ACCESS_LINES: f32 = 5.0;

/// … and this share of them, of those at the end, are stamped after it: what writes them within the request is stamped before its end now and then.
pub(crate) const ACCESS_OVER_SHARE: f32 = 0.96;

/// Lines that tell the durations of their spans are written after the end where so many …
pub(crate) const LONGER_LINES: f32 = 5.0;

/// … this share of all tell it …
pub(crate) const LONGER_TIMED_SHARE: f32 = 0.1;

/// … and of those, this share tell one that is longer than the span: what is measured within a span is shorter.
pub(crate) const LONGER_SHARE: f32 = 0.95;

/// Weight of a line with a timestamp before the end against those that are expected there.
pub(crate) const MISSING_BEFORE_WEIGHT: f32 = 4.0;

/// Of a template this many of whose lines should have had a timestamp before the end, none has: it is written after.
pub(crate) const MISSING_LINES: f32 = 4.0;

// Calibration (`calibrate`), fitted on links of captures whose truth is known

/// Lines of a template at which its log-odds count half.
pub(crate) const CALIBRATE_HALF_LINES: f32 = 8.0;

/// Slope of the log-odds of a well-known template, where lines without a recorded span occur.
pub(crate) const CALIBRATE_SLOPE: f32 = 1.06;

/// … of a template with few lines, at least.
pub(crate) const CALIBRATE_SLOPE_LEAST: f32 = 0.5;

/// … where none occur.
pub(crate) const CALIBRATE_SLOPE_ALL_RECORDED: f32 = 1.4;

/// Shares of a service's lines without a recorded span between which both slopes are mixed.
pub(crate) const CALIBRATE_NONE_OCCUR: (f32, f32) = (0.02, 0.1);

/// Lines of a request that speak for each other: a template with few lines then counts …
pub(crate) const CALIBRATE_REQUEST_LINES: u32 = 3;

/// … as one with so many.
pub(crate) const CALIBRATE_KNOWN_LINES: f32 = 200.0;

/// Slope of all log-odds.
pub(crate) const CALIBRATE_SLOPE_OF_ALL: f32 = 0.9;

/// Added to the log-odds where the text names the span by its duration or by a rare word …
pub(crate) const CALIBRATE_NAMES_SPAN: f32 = 2.0;

/// … per adjacent line of known trace, which may be of another goroutine that runs at the same time …
pub(crate) const CALIBRATE_SIDE: f32 = -0.6;

/// … per share of the template's lines without a span, since learning counts that already …
pub(crate) const CALIBRATE_TEMPLATE_WITHOUT: f32 = 0.5;

/// … and, where more than this share of the service's lines have none …
pub(crate) const CALIBRATE_MOSTLY_WITHOUT: f32 = 0.6;

/// … for an operation that seldom has lines of the template, per unit of both.
pub(crate) const CALIBRATE_SELDOM: f32 = -5.0;
