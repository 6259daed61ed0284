//! Groups of lines ↔ spans of requests, one to one.
//!
//! In go the spans of one operation and the groups of lines that name it (first and last time), out comes for each group
//! the span it belongs to and how sure that is, or none. A group's first line comes soon after its span's start and its
//! last soon before the end; how soon is learned from the data, and so is how many spans have lines at all. Against each
//! pair stands the chance that some other request's group (one that was not sampled) lies just so. All groups and spans
//! are weighed together (belief propagation over the pairs), so that a group is not given away twice.
//! <https://doi.org/10.1109/TAES.2014.120568> (Williams, Lau: approximate evaluation of marginal association
//! probabilities with belief propagation)

/// First and last time of what is matched, ns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// What times are rounded down to, ns.
    pub(crate) unit: i64,
}

impl Extent {
    fn is_rounded(&self) -> bool {
        self.unit > 1_000_000
    }
}

/// Groups that begin within a span and are weighed for it, nearest to its start first.
const CANDIDATES_MAX: usize = 64;
/// Rounds of learning, and of passing messages within each.
const ROUNDS: usize = 6;
const MESSAGES: usize = 12;
/// Clocks: a line's time is taken after its span's start and before its end, up to what the printer rounds away.
const EARLY_NS: i64 = 5_000;
/// Offsets are counted in bins of a fifth of a decade from a microsecond up; the first holds all below, and the last
/// stands for lines after the end.
const BINS: usize = 42;
const LATE: usize = BINS - 1;
/// Weight of the prior, in pairs.
const PRIOR_PAIRS: f64 = 3.0;

/// For each group the index of its span and the probability; and what that taught, `before` included.
pub(crate) fn assign(
    spans: &[Extent],
    groups: &[Extent],
    before: Option<&OffsetHistograms>,
) -> (Vec<Option<(usize, f32)>>, OffsetHistograms) {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_unstable_by_key(|group| groups[*group].first);
    let mut pairs = pairs_of(spans, groups, &order);
    let prior = before.cloned().unwrap_or_else(OffsetHistograms::new);
    let mut habits = prior.clone();
    for _ in 0..ROUNDS {
        weigh(&mut pairs, &habits);
        pass_messages(&mut pairs, spans.len(), groups.len(), habits.missing());
        habits = prior.learn(&pairs, spans.len());
    }
    let mut best: Vec<Option<(usize, f32)>> = vec![None; groups.len()];
    for pair in &pairs {
        let belief = pair.belief as f32;
        if best[pair.group].is_none_or(|(_, known)| known < belief) {
            best[pair.group] = Some((pair.span, belief));
        }
    }
    (best, habits)
}

struct GroupMatch {
    span: usize,
    group: usize,
    /// Its times place nothing within their unit.
    rounded: bool,
    after_start: usize,
    before_end: usize,
    /// Chance that an unrelated group lies so.
    clutter: f64,
    odds: f64,
    /// What the group lets its span know: that it is free.
    free: f64,
    belief: f64,
}

/// Pairs in order of their span.
fn pairs_of(spans: &[Extent], groups: &[Extent], order: &[usize]) -> Vec<GroupMatch> {
    let firsts: Vec<i64> = order.iter().map(|group| groups[*group].first).collect();
    let mut starts: Vec<i64> = spans.iter().map(|span| span.first).collect();
    starts.sort_unstable();
    let unit_max = groups.iter().map(|group| group.unit).max().unwrap_or(1);
    let mut pairs = Vec::new();
    for (number, span) in spans.iter().enumerate() {
        let from = firsts.partition_point(|first| *first <= span.first - EARLY_NS - unit_max);
        let to = firsts.partition_point(|first| *first <= span.last);
        if from >= to {
            continue;
        }
        let rate = unrelated_rate(&firsts, &starts, span.first);
        let candidates = order[from..to].iter().filter(|group| {
            let group = &groups[**group];
            group.first + group.unit > span.first - EARLY_NS
        });
        let first_pair = pairs.len();
        pairs.extend(candidates.take(CANDIDATES_MAX).map(|group| pair(number, span, *group, &groups[*group], rate)));
        // Every group of the same unit is as good: one alone is the span's, of several none is.
        let others = (pairs.len() - first_pair).saturating_sub(1) as f64;
        for pair in pairs[first_pair..].iter_mut().filter(|pair: &&mut GroupMatch| pair.rounded) {
            pair.clutter = others.max(0.05);
        }
    }
    pairs
}

/// Groups without a span per second around a time.
fn unrelated_rate(firsts: &[i64], starts: &[i64], at: i64) -> f64 {
    const HALF_NS: i64 = 500_000_000;
    let within = |times: &[i64]| {
        let from = times.partition_point(|time| *time < at - HALF_NS);
        times.partition_point(|time| *time <= at + HALF_NS) - from
    };
    let (groups, spans) = (within(firsts) as f64, within(starts) as f64);
    (groups - spans).max(0.02 * groups + 0.05)
}

fn pair(number: usize, span: &Extent, group: usize, extent: &Extent, rate: f64) -> GroupMatch {
    let seconds = |ns: i64| ns.max(1_000) as f64 / 1e9;
    let after_start = bin(extent.first - span.first);
    let before_end = if extent.last > span.last { LATE } else { bin(span.last - extent.last) };
    let mut clutter = rate * width(after_start).min(seconds(span.last - span.first));
    if before_end == LATE {
        clutter *= 0.5;
    } else {
        clutter *= 0.5 * (width(before_end) / seconds(span.last - extent.first)).min(1.0);
    }
    let rounded = extent.is_rounded();
    GroupMatch { span: number, group, rounded, after_start, before_end, clutter, odds: 0.0, free: 1.0, belief: 0.0 }
}

fn bin(ns: i64) -> usize {
    if ns < 1_000 {
        return 0;
    }
    ((5.0 * (ns as f64 / 1e3).log10()) as usize + 1).min(LATE - 1)
}

/// Width of a bin in seconds.
fn width(bin: usize) -> f64 {
    let edge = |bin: usize| 10f64.powf(bin as f64 / 5.0) * 1e-6;
    match bin {
        0 => (EARLY_NS + 1_000) as f64 * 1e-9,
        _ => edge(bin) - edge(bin - 1),
    }
}

/// Histograms of the offsets of groups in their spans.
#[derive(Debug, Clone)]
pub(crate) struct OffsetHistograms {
    after_start: [f64; BINS],
    before_end: [f64; BINS],
    /// Spans that have lines, of how many.
    logged: (f64, f64),
}

impl OffsetHistograms {
    fn new() -> OffsetHistograms {
        // Soon rather than late; nothing is impossible.
        let mut prior = [0.0; BINS];
        for (bin, weight) in prior.iter_mut().enumerate() {
            *weight = 0.05 + 1.0 / (1.0 + 10f64.powf(bin as f64 / 5.0) / 300.0);
        }
        let sum: f64 = prior.iter().sum();
        let prior = prior.map(|weight| weight / sum * PRIOR_PAIRS);
        OffsetHistograms { after_start: prior, before_end: prior, logged: (1.0, 2.0) }
    }

    fn missing(&self) -> f64 {
        let share = (self.logged.0 / self.logged.1).clamp(0.02, 0.999);
        (1.0 - share) / share
    }

    fn learn(&self, pairs: &[GroupMatch], spans: usize) -> OffsetHistograms {
        let mut learned = self.clone();
        let mut sure = 0.0;
        for pair in pairs {
            sure += pair.belief;
            if pair.belief > 0.5 && !pair.rounded {
                learned.after_start[pair.after_start] += pair.belief;
                learned.before_end[pair.before_end] += pair.belief;
            }
        }
        learned.logged = (sure + self.logged.0, spans as f64 + self.logged.1);
        learned
    }
}

/// Odds of each pair: the likelihood of its offsets, its own contribution left out, against clutter.
fn weigh(pairs: &mut [GroupMatch], habits: &OffsetHistograms) {
    let (starts, ends): (f64, f64) = (habits.after_start.iter().sum(), habits.before_end.iter().sum());
    for pair in pairs {
        let own = if pair.belief > 0.5 && !pair.rounded { pair.belief } else { 0.0 };
        let start_likelihood = (habits.after_start[pair.after_start] - own) / (starts - own);
        let end_likelihood = (habits.before_end[pair.before_end] - own) / (ends - own);
        let likelihood = if pair.rounded { 1.0 } else { start_likelihood * end_likelihood };
        pair.odds = (likelihood / pair.clutter).clamp(1e-12, 1e12);
    }
}

/// Each group tells its spans how free it is, each span its groups how much it wants them.
fn pass_messages(pairs: &mut [GroupMatch], spans: usize, groups: usize, missing: f64) {
    let mut wanted_by_span = vec![0.0; spans];
    let mut wanted_of_group = vec![0.0; groups];
    let mut wants = vec![0.0; pairs.len()];
    for pair in pairs.iter_mut() {
        pair.free = 1.0;
    }
    for _ in 0..MESSAGES {
        sum_of_spans(pairs, &mut wanted_by_span);
        wanted_of_group.fill(0.0);
        for (pair, want) in pairs.iter().zip(&mut wants) {
            let others = (wanted_by_span[pair.span] - pair.odds * pair.free).max(0.0);
            *want = pair.odds / (missing + others);
            wanted_of_group[pair.group] += *want;
        }
        for (pair, want) in pairs.iter_mut().zip(&wants) {
            pair.free = 1.0 / (1.0 + (wanted_of_group[pair.group] - want).max(0.0));
        }
    }
    sum_of_spans(pairs, &mut wanted_by_span);
    for pair in pairs {
        pair.belief = pair.odds * pair.free / (missing + wanted_by_span[pair.span]);
    }
}

fn sum_of_spans(pairs: &[GroupMatch], sums: &mut [f64]) {
    sums.fill(0.0);
    for pair in pairs {
        sums[pair.span] += pair.odds * pair.free;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(first: i64, last: i64) -> Extent {
        Extent { first: first * 1_000, last: last * 1_000, unit: 1 }
    }

    /// Spans of 2–5 ms that overlap, each with a group 100–200 µs inside; `sampled` of ten spans are kept.
    fn requests(sampled: usize) -> (Vec<Extent>, Vec<Extent>, Vec<Option<usize>>) {
        let (mut spans, mut groups, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        let mut state = 1u64;
        let mut random = |below: i64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as i64 % below
        };
        for number in 0..600 {
            let start = number * 900 + random(700);
            let end = start + 2_000 + random(3_000);
            groups.push(extent(start + 100 + random(100), end - 50 - random(100)));
            truth.push((random(10) < sampled as i64).then_some(spans.len()));
            if truth.last().is_some_and(Option::is_some) {
                spans.push(extent(start, end));
            }
        }
        (spans, groups, truth)
    }

    #[test]
    fn overlapping_requests_find_their_own_lines() {
        for sampled in [10, 5, 2] {
            let (spans, groups, truth) = requests(sampled);
            let found = assign(&spans, &groups, None).0;
            let sure = |at: usize| found[at].filter(|(_, belief)| *belief >= 0.9).map(|(span, _)| span);
            let linked: Vec<usize> = (0..groups.len()).filter(|at| sure(*at).is_some()).collect();
            let right = linked.iter().filter(|at| sure(**at) == truth[**at]).count();
            let labelled = truth.iter().flatten().count();
            assert!(right * 1000 >= linked.len() * 990, "{sampled}: {right} of {} right", linked.len());
            assert!(right * 100 >= labelled * 90, "{sampled}: {right} of {labelled} found");
        }
    }

    #[test]
    fn whole_seconds_are_enough_where_a_request_is_alone() {
        let second = |at: i64| Extent { first: at * 1_000_000_000, last: at * 1_000_000_000, unit: 1_000_000_000 };
        let spans: Vec<Extent> = (0..20).map(|n| extent(n * 5_000_000 + 300_000, n * 5_000_000 + 301_000)).collect();
        let mut groups: Vec<Extent> = (0..20).map(|n| second(n * 5)).collect();
        groups.push(second(50));
        let found = assign(&spans, &groups, None).0;
        assert!((0..10).all(|n| found[n].is_some_and(|(span, belief)| span == n && belief >= 0.9)), "{found:?}");
        for twin in [10, 20] {
            assert!(found[twin].is_none_or(|(_, belief)| belief < 0.9), "{found:?}");
        }
    }

    #[test]
    fn twins_are_not_told_apart() {
        let spans = [extent(1_000, 5_000), extent(1_000, 5_000)];
        let groups = [extent(1_100, 4_900), extent(1_100, 4_900)];
        for found in assign(&spans, &groups, None).0 {
            assert!(found.is_none_or(|(_, belief)| belief < 0.7), "{found:?}");
        }
    }
}
