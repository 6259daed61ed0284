//! Requests whose lines have rounded times: which call each is, by the order in which the lines stand in their file.
//!
//! In go the requests (method, places and times of their first and last line), and the calls of each method; out comes for
//! each request its call and how sure that is. Each method's requests are run along its calls; a request that found its
//! call tells when the lines around its own were written, which narrows the bounds of the others, and so on until
//! nothing more is found. Lines stand in the order in which they were written; what they say is not looked at.

use std::collections::HashMap;

use super::sequence::{self, Bounds, Lines};

/// Where a line stands: source, then file and line.
pub(super) type Place = (u32, u64);

/// A request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) method: u32,
    pub(super) first_at: Place,
    pub(super) last_at: Place,
    /// Bounds by the lines' own times.
    pub(super) lines: Lines,
    /// Start and end of its call, where that is known otherwise.
    pub(super) known: Option<(i64, i64)>,
}

/// Belief from which a call tells the time of others.
const SURE: f32 = 0.98;
/// Rounds of narrowing.
const ROUNDS: usize = 8;

/// For each request the index among its method's calls and the belief; `calls`: start and end, in order of start.
pub(super) fn assign(requests: &[Request], calls: &HashMap<u32, Vec<(i64, i64)>>) -> Vec<Option<(usize, f32)>> {
    let mut by_method: HashMap<u32, Vec<usize>> = HashMap::new();
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
            let groups: Vec<Lines> = clock.narrowed(open.iter().map(|at| &requests[*at]));
            for (at, best) in open.iter().zip(sequence::align(&spans, &groups)) {
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
    found
}

/// Which calls requests have for sure.
fn taken(calls: usize, requests: &[usize], found: &[Option<(usize, f32)>]) -> Vec<bool> {
    let mut taken = vec![false; calls];
    for (call, _) in requests.iter().filter_map(|at| found[*at]).filter(|(_, belief)| *belief >= SURE) {
        taken[call] = true;
    }
    taken
}

/// What is known of the times at which lines were written, by their places.
struct Clock {
    /// Places with the latest of the times that all lines from there on are not before.
    from: Vec<(Place, i64)>,
    /// Places with the earliest of the times that all lines up to there are not after.
    to: Vec<(Place, i64)>,
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
    fn bounds(&self, place: Place, own: Bounds) -> Bounds {
        let before = self.from.partition_point(|(at, _)| *at <= place).checked_sub(1).map(|at| self.from[at]);
        let after = self.to.get(self.to.partition_point(|(at, _)| *at < place));
        let is_of_source = |at: &Place| at.0 == place.0;
        let from = before.filter(|(at, _)| is_of_source(at)).map_or(own.from, |(_, time)| time.max(own.from));
        let to = after.filter(|(at, _)| is_of_source(at)).map_or(own.to, |(_, time)| (*time).min(own.to));
        // Lines out of order contradict each other; then their own times are all that holds.
        if from <= to { Bounds { from, to } } else { own }
    }

    /// Lines of requests in order of their first ones, within what is known; bounds never go back.
    fn narrowed<'r>(&self, requests: impl Iterator<Item = &'r Request>) -> Vec<Lines> {
        let of = |request: &Request| Lines {
            first: self.bounds(request.first_at, request.lines.first),
            last: self.bounds(request.last_at, request.lines.last),
            ..request.lines
        };
        requests.map(of).collect()
    }
}
