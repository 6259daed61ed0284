//! Groups of lines ↔ spans of requests by their order, where the lines' times are rounded.
//!
//! In go the spans of one operation in order of start, and the groups of lines that name it in order of their first
//! lines, each with the bounds of the times of its first and last line; out comes for each group the span it belongs to
//! and how sure that is. Within a second nothing but the order tells requests apart: both are run along each other, each
//! group and each span may be left out, and all ways to do so are weighed (forward and backward sums over the pairs, as
//! for any pair of sequences). How lines lie in their span is known here, what they say is not.
//! <https://doi.org/10.1017/CBO9780511790492> (Durbin et al.: pair hidden Markov models)

use std::collections::HashMap;

/// Between which times something lies, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// First and last line of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupBounds {
    pub(crate) first: Bounds,
    pub(crate) last: Bounds,
    /// The first is what a request is logged with as it comes in, the last what it is answered with.
    pub(crate) is_opened: bool,
    pub(crate) is_closed: bool,
}

/// A request is logged so soon after its span's start, with few exceptions.
const SOON_NS: i64 = 2_000_000;
/// And its answer so soon before the end.
const BEFORE_END_NS: i64 = 5_000_000;
/// Lines after the end, and clocks that are read one after the other.
const CLOCK_NS: i64 = 1_000_000;
/// Goroutines write so long after the end of their request.
const FAR_NS: i64 = 60_000_000;
/// Weight of an exception.
const RARE: f64 = 0.01;
/// Least share of spans that have no lines.
const LOST_MIN: f64 = 1e-4;
/// Bounds closer than this tell no more.
const NARROW_NS: f64 = 1e6;
/// Weights of long runs of spans without lines end here, so that they stay numbers.
const SKIPS_MAX: usize = 60;
/// Spans that are weighed for one group.
const CANDIDATES_MAX: usize = 1024;

/// Groups that are weighed together, and pairs of them and spans: longer runs are cut, as if what follows were apart.
const GROUPS_MAX: usize = 2048;
const PAIRS_MAX: usize = 1 << 20;

/// For each group the index of its span and the probability. `spans`: (start, end), in order of start.
pub(crate) fn align(spans: &[(i64, i64)], groups: &[GroupBounds]) -> Vec<Option<(usize, f32)>> {
    let ranges = ranges(spans, groups);
    let (Some((first, _)), Some((_, last))) = (ranges.first(), ranges.last()) else { return Vec::new() };
    let with_candidates = ranges.iter().filter(|(from, to)| from < to).count() as f64;
    if with_candidates == 0.0 {
        return vec![None; groups.len()];
    }
    let spans_near = (last - first) as f64;
    let sampled = (spans_near / with_candidates).clamp(0.02, 0.999);
    let lost = (1.0 - with_candidates / spans_near).clamp(LOST_MIN, 0.5);
    let mut found = Vec::with_capacity(groups.len());
    while found.len() < groups.len() {
        let start = found.len();
        let length = run(&ranges[start..]);
        let part = start..start + length;
        let lattice = Lattice { spans, groups: &groups[part.clone()], ranges: &ranges[part], sampled, lost };
        found.extend(lattice.posteriors());
    }
    once(&mut found);
    found
}

/// For each group its candidates among the spans; neither end ever goes back.
fn ranges(spans: &[(i64, i64)], groups: &[GroupBounds]) -> Vec<(usize, usize)> {
    let longest = spans.iter().map(|(start, end)| end.saturating_sub(*start)).max().unwrap_or(0).max(FAR_NS);
    let (mut from, mut to) = (0, 0);
    let of = |lines: &GroupBounds| {
        let Bounds { from: earliest, to: latest } = lines.first;
        let reach = if lines.is_opened { FAR_NS } else { longest };
        let earliest = earliest.saturating_sub(reach).saturating_sub(CLOCK_NS);
        from = spans.partition_point(|(start, _)| *start < earliest).max(from);
        to = spans.partition_point(|(start, _)| *start <= latest.saturating_add(CLOCK_NS)).max(to);
        to = to.clamp(from, from + CANDIDATES_MAX);
        (from, to)
    };
    groups.iter().map(of).collect()
}

/// How many groups from the first on share candidates, one with the next.
fn run(ranges: &[(usize, usize)]) -> usize {
    let mut pairs = 0;
    let mut length = 0;
    for pair in ranges.windows(2) {
        let [(from, to), (next, _)] = pair else { break };
        length += 1;
        pairs += to - from + 1;
        if next >= to || length >= GROUPS_MAX || pairs >= PAIRS_MAX {
            return length;
        }
    }
    ranges.len().min(length + 1)
}

/// A span that two parts of a run both gave away is the one's that is surer.
fn once(found: &mut [Option<(usize, f32)>]) {
    let mut owners: HashMap<usize, (usize, f32)> = HashMap::new();
    for at in 0..found.len() {
        let Some((span, chance)) = found[at].filter(|(_, chance)| *chance > 0.5) else { continue };
        match owners.get(&span) {
            Some((_, other)) if *other >= chance => found[at] = None,
            Some((owner, _)) => {
                found[*owner] = None;
                owners.insert(span, (at, chance));
            }
            None => {
                owners.insert(span, (at, chance));
            }
        }
    }
}

impl GroupBounds {
    /// Between which times the first and the last line of a span were written, if nothing odd happened.
    pub(crate) fn expected(&self, (start, end): (i64, i64)) -> (Bounds, Bounds) {
        let soon = if self.is_opened { start.saturating_add(SOON_NS).min(end) } else { end };
        let late = if self.is_closed { end.saturating_sub(BEFORE_END_NS).max(start) } else { start };
        (
            Bounds { from: start.saturating_sub(CLOCK_NS), to: soon.saturating_add(CLOCK_NS) },
            Bounds { from: late.saturating_sub(CLOCK_NS), to: end.saturating_add(CLOCK_NS) },
        )
    }

    /// Its weight as the lines of a span: 0 where it cannot be.
    fn weight(&self, span: (i64, i64)) -> f64 {
        let (first, last) = self.expected(span);
        let odd_first = Bounds { from: first.from, to: span.1.saturating_add(CLOCK_NS) };
        let odd_last = Bounds { from: first.from, to: span.1.saturating_add(FAR_NS) };
        let fit = |bounds: Bounds, typical: Bounds, rare: Bounds| match () {
            () if bounds.meets(typical) => 1.0,
            () if bounds.meets(rare) => RARE,
            () => 0.0,
        };
        // The closer the bounds around it, the more it says that they hold the span.
        let width = (self.first.to.saturating_sub(self.first.from) as f64).max(NARROW_NS) / 1e9;
        fit(self.first, first, odd_first) * fit(self.last, last, odd_last) / width
    }
}

impl Bounds {
    fn meets(self, other: Bounds) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

/// The sums over all ways to run the sequences along each other.
///
/// Of two neighbours that are left out on both sides, groups come before spans, so that every way is counted once; spans
/// that no later group can have are left out as soon as that is so.
struct Lattice<'a> {
    spans: &'a [(i64, i64)],
    groups: &'a [GroupBounds],
    ranges: &'a [(usize, usize)],
    /// Share of groups that have a span.
    sampled: f64,
    /// Share of spans that have no group.
    lost: f64,
}

/// A row of the lattice from a column on.
struct LatticeRow {
    base: usize,
    /// Sums of ways in which nothing was left out of the spans last.
    open: Vec<f64>,
    /// Sums of those that may be matched next.
    ready: Vec<f64>,
    /// What the row was divided by.
    scale: f64,
}

impl Lattice<'_> {
    fn weight(&self, group: usize, span: usize) -> f64 {
        self.sampled * self.groups[group].weight(self.spans[span])
    }

    fn forward(&self) -> Vec<LatticeRow> {
        let mut rows: Vec<LatticeRow> = Vec::with_capacity(self.groups.len() + 1);
        let mut row = LatticeRow { base: self.ranges[0].0, open: vec![1.0], ready: Vec::new(), scale: 1.0 };
        for (group, &(from, to)) in self.ranges.iter().enumerate() {
            row.begin_at(from, to, self.lost);
            let mut next = vec![0.0; row.open.len()];
            for (column, open) in row.open.iter().enumerate() {
                next[column] += open * (1.0 - self.sampled);
                if column + 1 < next.len() {
                    next[column + 1] += row.ready[column] * self.weight(group, from + column);
                }
            }
            let sum: f64 = next.iter().sum();
            let scale = if sum > 0.0 { sum } else { 1.0 };
            next.iter_mut().for_each(|value| *value /= scale);
            let base = row.base;
            rows.push(row);
            row = LatticeRow { base, open: next, ready: Vec::new(), scale };
        }
        rows.push(row);
        rows
    }

    /// Sums of all ways to go on, and with them the chance of each pair.
    fn posteriors(&self) -> Vec<Option<(usize, f32)>> {
        let rows = self.forward();
        let mut best = vec![None; self.groups.len()];
        let (Some(end), Some(&(_, last))) = (rows.last(), self.ranges.last()) else { return best };
        let mut after: Vec<f64> =
            (0..end.open.len()).map(|column| skips(self.lost, last - (end.base + column).min(last))).collect();
        let total: f64 = end.open.iter().zip(&after).map(|(open, after)| open * after).sum();
        if total <= 0.0 {
            return best;
        }
        after.iter_mut().for_each(|value| *value /= total);
        let mut after_base = end.base;
        for group in (0..self.groups.len()).rev() {
            let (row, scale) = (&rows[group], rows[group + 1].scale);
            let goes_on = |column: usize| {
                let place = row.base + column;
                match place.checked_sub(after_base) {
                    Some(at) => after.get(at).copied().unwrap_or(0.0),
                    None => after.first().copied().unwrap_or(0.0) * skips(self.lost, after_base - place),
                }
            };
            let mut before = vec![0.0; row.open.len()];
            let mut matched = 0.0;
            for column in (0..row.open.len()).rev() {
                let pair = if column + 1 < row.open.len() {
                    self.weight(group, row.base + column) * goes_on(column + 1) / scale
                } else {
                    0.0
                };
                let chance = (row.ready[column] * pair) as f32;
                if best[group].is_none_or(|(_, known)| known < chance) && chance > 0.0 {
                    best[group] = Some((row.base + column, chance.min(1.0)));
                }
                matched = pair + self.lost * matched;
                before[column] = goes_on(column) * (1.0 - self.sampled) / scale + matched;
            }
            (after, after_base) = (before, row.base);
        }
        best
    }
}

impl LatticeRow {
    /// Leaves out the spans before `from`, and makes room up to `to`.
    fn begin_at(&mut self, from: usize, to: usize, lost: f64) {
        let gone = (from - self.base).min(self.open.len());
        let passed: f64 =
            self.open.drain(..gone).enumerate().map(|(at, sum)| sum * skips(lost, from - self.base - at)).sum();
        self.base = from;
        self.open.resize(to - from + 1, 0.0);
        self.open[0] += passed;
        self.ready.clear();
        let mut skipped = 0.0;
        for open in &self.open {
            self.ready.push(open + skipped);
            skipped = (open + skipped) * lost;
        }
    }
}

/// The weight of this many spans without lines, of which `lost` is one's.
fn skips(lost: f64, count: usize) -> f64 {
    lost.powi(count.min(SKIPS_MAX) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Spans, groups, and for each group its span.
    type Sample = (Vec<(i64, i64)>, Vec<GroupBounds>, Vec<Option<usize>>);

    /// Spans of some milliseconds, `gap` µs apart on average, and their lines in whole seconds; of ten spans `sampled` are
    /// known.
    fn requests(gap: i64, sampled: i64) -> Sample {
        let (mut spans, mut groups, mut truth) = (Vec::new(), Vec::new(), Vec::new());
        let mut state = 7u64;
        let mut random = |below: i64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as i64 % below
        };
        let mut start = 0;
        for _ in 0..400 {
            start += (gap / 2 + random(gap)) * 1_000;
            let end = start + (1_000 + random(4_000)) * 1_000;
            let second = |time: i64| Bounds { from: time / SECOND * SECOND, to: time / SECOND * SECOND + SECOND - 1 };
            let (first, last) = (second(start + 50_000), second(end - 60_000));
            groups.push(GroupBounds { first, last, is_opened: true, is_closed: true });
            truth.push((random(10) < sampled).then_some(spans.len()));
            if truth.last().is_some_and(Option::is_some) {
                spans.push((start, end));
            }
        }
        (spans, groups, truth)
    }

    #[test]
    fn the_order_is_enough_where_every_request_is_known() {
        for gap in [2_000, 50_000, 700_000] {
            let (spans, groups, truth) = requests(gap, 10);
            let found = align(&spans, &groups);
            let right = |at: usize| found[at].is_some_and(|(span, chance)| Some(span) == truth[at] && chance > 0.9);
            assert_eq!((0..groups.len()).filter(|at| !right(*at)).count(), 0, "{gap}");
        }
    }

    #[test]
    fn what_may_be_another_is_not_sure() {
        for sampled in [8, 5, 2] {
            for gap in [5_000, 400_000] {
                let (spans, groups, truth) = requests(gap, sampled);
                let found = align(&spans, &groups);
                let sure = |at: &usize| found[*at].filter(|(_, chance)| *chance >= 0.9);
                let wrong = |at: &usize| sure(at).is_some_and(|(span, _)| Some(span) != truth[*at]);
                let linked = (0..groups.len()).filter(|at| sure(at).is_some()).count();
                let wrong = (0..groups.len()).filter(wrong).count();
                assert!(wrong * 20 <= linked + 20, "{sampled} {gap}: {wrong} of {linked}");
            }
        }
    }

    #[test]
    fn narrow_bounds_single_one_out() {
        let (spans, mut groups, truth) = requests(5_000, 2);
        for (lines, of) in groups.iter_mut().zip(&truth) {
            // As if the lines around were known to lie within 20 ms.
            if let Some(span) = of {
                lines.first = Bounds { from: spans[*span].0 - 2_000_000, to: spans[*span].0 + 2_000_000 };
            }
        }
        let found = align(&spans, &groups);
        let right = |at: &usize| truth[*at].is_some_and(|span| found[*at].is_some_and(|(s, p)| s == span && p > 0.9));
        let known = truth.iter().flatten().count();
        assert!((0..groups.len()).filter(right).count() * 10 >= known * 8);
    }

    #[test]
    fn long_runs_are_cut_and_no_span_is_given_twice() {
        let gap = 200_000;
        let spans: Vec<(i64, i64)> = (0..6_000).map(|n| (n * gap, n * gap + gap / 2)).collect();
        let all = Bounds { from: 0, to: i64::MAX };
        let groups = vec![GroupBounds { first: all, last: all, is_opened: true, is_closed: true }; 6_000];
        let found = align(&spans, &groups);
        let mut given: Vec<usize> = found.iter().flatten().filter(|(_, p)| *p > 0.5).map(|(span, _)| *span).collect();
        let count = given.len();
        given.sort_unstable();
        given.dedup();
        assert_eq!(given.len(), count);
        let far = (i64::MAX - 5, i64::MAX);
        let late = Bounds { from: i64::MAX - 9, to: i64::MAX };
        let early = Bounds { from: i64::MIN, to: i64::MIN + 9 };
        for bounds in [late, early] {
            align(&[far], &[GroupBounds { first: bounds, last: bounds, is_opened: false, is_closed: false }]);
        }
    }

    #[test]
    fn nothing_fits_nothing() {
        assert_eq!(align(&[], &requests(5_000, 1).1[..3]), [None, None, None]);
        assert!(align(&[(0, 1)], &[]).is_empty());
        let far = Bounds { from: 50 * SECOND, to: 51 * SECOND };
        assert_eq!(
            align(&[(0, SECOND)], &[GroupBounds { first: far, last: far, is_opened: true, is_closed: true }]),
            [None]
        );
    }
}
