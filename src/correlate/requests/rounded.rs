//! Requests whose lines have rounded times: which call each is, by the order in which the lines stand in their file.
//!
//! In go the requests (method, places and times of their first and last line), and the calls of each method; out comes for
//! each request its call and how sure that is. Each method's requests are run along its calls; a request that found its
//! call tells when the lines around its own were written, which narrows the bounds of the others, and so on until
//! nothing more is found. Lines stand in the order in which they were written; what they say is not looked at.

use crate::correlate::text::hash::NumberMap;

use super::position::LinePosition;
use super::sequence::{self, Bounds, GroupBounds};

/// A request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) method: u32,
    pub(crate) first_at: LinePosition,
    pub(crate) last_at: LinePosition,
    /// Bounds by the lines' own times.
    pub(crate) lines: GroupBounds,
    /// Start and end of its call, where that is known otherwise.
    pub(crate) known: Option<(i64, i64)>,
}

/// Belief from which a call tells the time of others.
const SURE: f32 = 0.98;
/// Rounds of narrowing.
const ROUNDS: usize = 8;
/// Spans that begin so close to each other may be logged in either order.
const TOGETHER_NS: i64 = 20_000_000;
/// Lines that are written so far apart stand in that order.
const SURELY_APART_NS: i64 = 300_000;
/// Passes over the requests, and neighbours that each is compared with.
const PASSES: usize = 4;
const NEIGHBOURS: usize = 32;

/// For each request the index among its method's calls and the belief; `calls`: start and end, in order of start.
pub(crate) fn assign(
    requests: &[Request],
    calls: &NumberMap<u32, Vec<(i64, i64)>>,
) -> (Vec<Option<(usize, f32)>>, Clock) {
    let mut by_method: NumberMap<u32, Vec<usize>> = NumberMap::default();
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_unstable_by_key(|at| requests[*at].first_at);
    for at in order.into_iter().filter(|at| requests[*at].known.is_none()) {
        by_method.entry(requests[at].method).or_default().push(at);
    }
    let mut found: Vec<Option<(usize, f32)>> = vec![None; requests.len()];
    let mut known: Vec<Option<(i64, i64)>> = requests.iter().map(|request| request.known).collect();
    for _ in 0..ROUNDS {
        let clock = Clock::new(requests, &known);
        let mut has_found = false;
        for (method, open) in &by_method {
            let Some(calls) = calls.get(method) else { continue };
            let is_taken: Vec<bool> = taken(calls.len(), open, &found);
            let free: Vec<usize> = (0..calls.len()).filter(|at| !is_taken[*at]).collect();
            let open: Vec<usize> = open.iter().copied().filter(|at| known[*at].is_none()).collect();
            let spans: Vec<(i64, i64)> = free.iter().map(|at| calls[*at]).collect();
            let groups: Vec<GroupBounds> = clock.narrowed(open.iter().map(|at| &requests[*at]));
            let mut aligned = sequence::align(&spans, &groups);
            untangle(&mut aligned, &spans, |at| &requests[open[at]]);
            for (at, best) in open.iter().zip(aligned) {
                found[*at] = best.map(|(span, belief)| (free[span], belief));
                if let Some((span, belief)) = best
                    && belief >= SURE
                {
                    known[*at] = Some(spans[span]);
                    has_found = true;
                }
            }
        }
        if !has_found {
            break;
        }
    }
    (found, Clock::new(requests, &known))
}

/// Which calls requests have for sure.
fn taken(calls: usize, requests: &[usize], found: &[Option<(usize, f32)>]) -> Vec<bool> {
    let mut taken = vec![false; calls];
    for (call, _) in requests.iter().filter_map(|at| found[*at]).filter(|(_, belief)| *belief >= SURE) {
        taken[call] = true;
    }
    taken
}

/// Requests that came in at nearly the same time may be logged in another order than that of their spans; the order of
/// their answers tells. Where neither order is sure, no more is either match.
fn untangle<'r>(found: &mut [Option<(usize, f32)>], spans: &[(i64, i64)], request: impl Fn(usize) -> &'r Request) {
    let matched: Vec<usize> = (0..found.len()).filter(|at| found[*at].is_some()).collect();
    for _ in 0..PASSES {
        let mut has_moved = false;
        for (number, first) in matched.iter().enumerate() {
            for second in matched[number + 1..].iter().take(NEIGHBOURS) {
                let (Some((one, belief)), Some((two, other))) = (found[*first], found[*second]) else { continue };
                let starts = spans[two].0.saturating_sub(spans[one].0).saturating_abs();
                if starts > TOGETHER_NS || one == two {
                    continue;
                }
                let (before, after) = (request(*first), request(*second));
                let ends = spans[two].1.saturating_sub(spans[one].1).saturating_abs();
                let is_answered = before.lines.is_closed && after.lines.is_closed;
                let agrees = (before.last_at < after.last_at) == (spans[one].1 < spans[two].1);
                if is_answered && !agrees && ends / 4 > starts + SURELY_APART_NS / 4 {
                    (found[*first], found[*second]) = (Some((two, belief)), Some((one, other)));
                    has_moved = true;
                    continue;
                }
                // One after the other leaves no doubt.
                if spans[one].1.min(spans[two].1) < spans[one].0.max(spans[two].0) {
                    continue;
                }
                let late = if is_answered { swapped(ends) } else { 0.5 };
                let chance = swapped(starts) * if agrees { late } else { 1.0 - late };
                let other_chance = (1.0 - swapped(starts)) * if agrees { 1.0 - late } else { late };
                let sure = other_chance / (chance + other_chance);
                (found[*first], found[*second]) = (Some((one, belief.min(sure))), Some((two, other.min(sure))));
            }
        }
        if !has_moved {
            return;
        }
    }
}

/// The chance that two lines, each written soon after a moment, stand in the other order than these moments.
fn swapped(apart_ns: i64) -> f32 {
    let milliseconds = apart_ns as f32 / 1e6;
    0.45 * (-milliseconds / 0.15).exp() + 0.05 * (-milliseconds / 5.0).exp()
}

/// What is known of the times at which lines were written, by their places.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Places with the latest of the times that all lines from there on are not before.
    from: Vec<(LinePosition, i64)>,
    /// Places with the earliest of the times that all lines up to there are not after.
    to: Vec<(LinePosition, i64)>,
}

impl Clock {
    fn new(requests: &[Request], known: &[Option<(i64, i64)>]) -> Clock {
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (request, call) in requests.iter().zip(known) {
            let Some(call) = call else { continue };
            let (first, last) = request.lines.expected(*call);
            from.extend([(request.first_at, first.from), (request.last_at, last.from)]);
            to.extend([(request.first_at, first.to), (request.last_at, last.to)]);
        }
        from.sort_unstable();
        to.sort_unstable();
        for at in 1..from.len() {
            if from[at].0.0 == from[at - 1].0.0 {
                from[at].1 = from[at].1.max(from[at - 1].1);
            }
        }
        for at in (1..to.len()).rev() {
            if to[at].0.0 == to[at - 1].0.0 {
                to[at - 1].1 = to[at - 1].1.min(to[at].1);
            }
        }
        Clock { from, to }
    }

    /// Bounds of a line, within those of its own time.
    pub(crate) fn bounds(&self, place: LinePosition, own: Bounds) -> Bounds {
        let before = self.from.partition_point(|(at, _)| *at <= place).checked_sub(1).map(|at| self.from[at]);
        let after = self.to.get(self.to.partition_point(|(at, _)| *at < place));
        let is_of_source = |at: &LinePosition| at.0 == place.0;
        let from = before.filter(|(at, _)| is_of_source(at)).map_or(own.from, |(_, time)| time.max(own.from));
        let to = after.filter(|(at, _)| is_of_source(at)).map_or(own.to, |(_, time)| (*time).min(own.to));
        // Lines out of order contradict each other; then their own times are all that holds.
        if from <= to { Bounds { from, to } } else { own }
    }

    /// Lines of requests in order of their first ones, within what is known; bounds never go back.
    fn narrowed<'r>(&self, requests: impl Iterator<Item = &'r Request>) -> Vec<GroupBounds> {
        let of = |request: &Request| GroupBounds {
            first: self.bounds(request.first_at, request.lines.first),
            last: self.bounds(request.last_at, request.lines.last),
            ..request.lines
        };
        requests.map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// A request of one method with lines in whole seconds, at these lines of the file.
    fn request(method: u32, lines: (u64, u64), (start, end): (i64, i64)) -> Request {
        let second = |time: i64| Bounds {
            from: time / (1000 * MS) * 1000 * MS,
            to: time / (1000 * MS) * 1000 * MS + 1000 * MS - 1,
        };
        let lines_within = GroupBounds { first: second(start), last: second(end), is_opened: true, is_closed: true };
        Request { method, first_at: (0, lines.0), last_at: (0, lines.1), lines: lines_within, known: None }
    }

    fn calls(all: &[(u32, (i64, i64))]) -> NumberMap<u32, Vec<(i64, i64)>> {
        let mut calls: NumberMap<u32, Vec<(i64, i64)>> = NumberMap::default();
        all.iter().for_each(|(method, span)| calls.entry(*method).or_default().push(*span));
        calls
    }

    #[test]
    fn a_request_that_is_known_tells_the_time_of_those_beside_it() {
        // Of method 1 three requests were logged in the second and one call was recorded; method 2 stands around it.
        let spans: Vec<(i64, i64)> = [100, 300, 500, 700, 900].map(|at| (at * MS, at * MS + 40 * MS)).into();
        let requests = [
            request(2, (1, 2), spans[0]),
            request(1, (3, 4), spans[1]),
            request(1, (5, 6), spans[2]),
            request(2, (7, 8), spans[3]),
            request(1, (9, 10), spans[4]),
        ];
        let recorded = [(2, spans[0]), (1, spans[4]), (2, spans[3])];
        let (found, _) = assign(&requests, &calls(&recorded));
        assert!(found[4].is_some_and(|(call, belief)| call == 0 && belief > 0.9), "{found:?}");
        assert!([1, 2].iter().all(|at| found[*at].is_none_or(|(_, belief)| belief < 0.2)), "{found:?}");
    }

    #[test]
    fn answers_tell_what_came_in_together_apart() {
        // The second span's request was logged first, and answered much earlier.
        let spans = [(100 * MS, 400 * MS), (100 * MS + 100_000, 200 * MS)];
        let requests = [request(1, (1, 3), spans[1]), request(1, (2, 9), spans[0])];
        let (found, _) = assign(&requests, &calls(&[(1, spans[0]), (1, spans[1])]));
        assert_eq!(found.iter().map(|found| found.map(|(call, _)| call)).collect::<Vec<_>>(), [Some(1), Some(0)]);
        // With answers as close as that, nobody can know.
        let spans = [(100 * MS, 200 * MS), (100 * MS + 50_000, 200 * MS + 50_000)];
        let requests = [request(1, (1, 3), spans[0]), request(1, (2, 4), spans[1])];
        let (found, _) = assign(&requests, &calls(&[(1, spans[0]), (1, spans[1])]));
        assert!(found.iter().flatten().all(|(_, belief)| *belief < 0.9), "{found:?}");
    }

    #[test]
    fn lines_that_contradict_each_other_keep_their_own_second() {
        let spans = [(100 * MS, 200 * MS), (800 * MS, 900 * MS)];
        let mut late = request(1, (1, 2), spans[0]);
        late.known = Some(spans[1]);
        let mut early = request(1, (3, 4), spans[0]);
        early.known = Some(spans[0]);
        let clock = Clock::new(&[late, early], &[late.known, early.known]);
        let own = request(2, (2, 3), spans[0]).lines.first;
        assert_eq!(clock.bounds((0, 2), own), own);
        assert_eq!(clock.bounds((1, 2), own), own);
    }
}
