//! What lines that are decided tell of the requests that they name.
//!
//! In go the traces that a line may be of, out come those of all lines of its request before it: a request goes on for longer
//! than lines are looked at together. Kept are the likeliest traces of each value of a key, until the request has been silent
//! for long; no line and no span is known here.

use crate::correlate::text::hash::NumberMap;

/// Values of keys that are kept.
const GROUPS_MAX: usize = 1 << 16;
/// Traces of one value that are kept.
const TRACES_MAX: usize = 8;

/// A key with a value, of a service.
pub(crate) type NamedRequest = (u32, u64);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct EarlierLines {
    groups: NumberMap<NamedRequest, Earlier>,
}

/// Of one request.
#[derive(Debug, Clone)]
pub(crate) struct Earlier {
    pub(crate) lines: u32,
    /// Times of the first and the last line, ns.
    pub(crate) first: i64,
    last: i64,
    /// Sum of the lines' shares without a recorded span.
    pub(crate) none: f32,
    /// Low half of the trace id, and what speaks for it: sums of logarithms, above the least that a line may say.
    pub(crate) traces: Vec<(u64, f32)>,
}

/// What one line tells.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) request: NamedRequest,
    pub(crate) row: u32,
    pub(crate) none: f32,
    pub(crate) traces: Vec<(u64, f32)>,
}

impl EarlierLines {
    /// What was told of a request.
    pub(crate) fn of(&self, request: NamedRequest) -> Option<&Earlier> {
        self.groups.get(&request)
    }

    /// Takes in what a line of this time tells.
    pub(crate) fn add(&mut self, told: Told, time: i64) {
        let new = Earlier { lines: 0, first: time, last: time, none: 0.0, traces: Vec::new() };
        let known = self.groups.entry(told.request).or_insert(new);
        known.lines += 1;
        (known.first, known.last) = (known.first.min(time), known.last.max(time));
        known.none += told.none;
        for (trace, weight) in told.traces {
            match known.traces.iter_mut().find(|row| row.0 == trace) {
                Some((_, sum)) => *sum += weight,
                None => known.traces.push((trace, weight)),
            }
        }
        if known.traces.len() > TRACES_MAX {
            known.traces.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            known.traces.truncate(TRACES_MAX);
        }
    }

    /// Requests that were silent since a time are over; of too many, those that were silent for longest.
    pub(crate) fn forget_before(&mut self, time: i64) {
        self.groups.retain(|_, known| known.last >= time);
        if self.groups.len() > GROUPS_MAX {
            let mut times: Vec<i64> = self.groups.values().map(|known| known.last).collect();
            let half = times.len() / 2;
            let least = *times.select_nth_unstable(half).1;
            self.groups.retain(|_, known| known.last > least);
        }
    }

    /// Bytes that are kept, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.groups.len() * (size_of::<(NamedRequest, Earlier)>() + TRACES_MAX * size_of::<(u64, f32)>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lines_tell_adds_up_until_the_request_is_over() {
        let mut earlier = EarlierLines::default();
        let told = |number: u64, traces: &[(u64, f32)]| Told {
            request: (1, number),
            row: 0,
            none: 0.5,
            traces: traces.to_vec(),
        };
        earlier.add(told(7, &[(1, 2.0), (2, 1.0)]), 10);
        earlier.add(told(7, &[(1, 2.0)]), 20);
        let known = earlier.of((1, 7)).unwrap();
        assert_eq!((known.lines, known.first, known.none), (2, 10, 1.0));
        assert_eq!(known.traces, [(1, 4.0), (2, 1.0)]);
        for trace in 0..20 {
            earlier.add(told(8, &[(trace, trace as f32)]), 30);
        }
        assert_eq!(earlier.of((1, 8)).unwrap().traces.len(), TRACES_MAX);
        earlier.forget_before(25);
        assert!(earlier.of((1, 7)).is_none() && earlier.of((1, 8)).is_some());
        for number in 0..=GROUPS_MAX as u64 {
            earlier.add(told(100 + number, &[]), 100 + number as i64);
        }
        earlier.forget_before(0);
        assert!(earlier.groups.len() <= GROUPS_MAX && earlier.of((1, 100 + GROUPS_MAX as u64)).is_some());
    }
}
