//! Request groups: lines that have one value of a key that names requests.
//!
//! In go the keys with values of lines and the weights so far, out come groups of lines with one value, for keys whose
//! lines were found to agree on a trace; the lines of a group then share the product of what each of them says. A pod or
//! a user has many traces, and so is no request.

use super::bins::{BINS, bin};
use super::candidates::{Candidates, TRACES_MAX};
use super::earlier_lines::{Earlier, NamedRequest, Told};
use super::histograms::clutter;
use super::observed::Observed;
use super::operations::Operations;
use super::posteriors::Posteriors;
use super::request_keys::{self, Agreement, RequestKeys};
use super::tuning::{
    GROUP_CAPACITY_ROUNDS, GROUP_FLOOR, GROUP_LINES_MAX, GROUP_OPEN_LEAST, GROUP_PART_LEAST, GROUP_QUANTILE, GROUP_SURE,
};
use crate::correlate::text::hash::NumberMap;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct RequestGroups {
    groups: Vec<Group>,
    /// Of one line each, which tells of those that come later in a stream.
    alone: Vec<Group>,
    /// Of each template: some of its lines are in a group.
    grouped: Vec<bool>,
    /// How well the values of keys agree on a trace now.
    pub(crate) agreement: Agreement,
}

/// Lines that name one request.
#[derive(Debug, Default)]
struct Group {
    /// Number of the key that names it.
    key: u32,
    request: NamedRequest,
    rows: Vec<u32>,
    /// What lines before told of it.
    earlier: Option<Earlier>,
    /// … by the traces' numbers; those of which no span is known have numbers of their own.
    earlier_traces: Vec<(u32, f32)>,
    /// Traces it may be of, and the probabilities of each and of none.
    traces: Vec<(u32, f32)>,
    none: f32,
}

impl RequestGroups {
    /// Learns which keys name requests, and which lines belong together.
    pub(crate) fn new(observed: &Observed<'_>, candidates: &Candidates, weights: &[f32]) -> RequestGroups {
        let Observed { lines, operations, agreement_before, earlier, .. } = *observed;
        let earlier_of = |keyed: u128| earlier?.of(request_of(keyed));
        // (service, key and value, row), as one number: that is quick to compare.
        let mut keyed: Vec<u128> = Vec::new();
        for (at, row) in candidates.rows.iter().enumerate() {
            let line = &lines.rows[row.line as usize];
            if earlier.is_some() && line.is_decided {
                // What it tells is known already.
                continue;
            }
            let group = operations.service_of_writer(line.writer);
            let keyed_by = |pair: &u64| u128::from(group) << 96 | u128::from(*pair) << 32 | at as u128;
            keyed.extend(lines.key_values(line).iter().map(keyed_by));
        }
        keyed.sort_unstable();
        keyed.dedup();
        let runs: Vec<&[u128]> = keyed
            .chunk_by(|a, b| a >> 32 == b >> 32)
            .filter(|run| run.len() <= GROUP_LINES_MAX && (run.len() > 1 || earlier.is_some()))
            .collect();
        let mut agreement = Agreement::default();
        let mut traces = Vec::new();
        for run in &runs {
            traces.clear();
            let sure =
                |row: u32| candidates.sure_trace(operations, weights, &candidates.rows[row as usize], GROUP_SURE);
            traces.extend(run.iter().filter_map(|keyed| sure(*keyed as u32)));
            request_keys::count(&mut agreement, key_of(run[0]), &mut traces);
        }
        let keys = RequestKeys::new(&agreement, agreement_before);
        let members = members(&runs, &keys, candidates.rows.len());
        let first_of = |group: &[(u32, u32)]| runs[group[0].0 as usize][0];
        let groups = members.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1 || earlier.is_some());
        let mut numbers = TraceNumbers::new(operations, earlier.is_some());
        let mut keys: NumberMap<(u32, u32), u32> = NumberMap::default();
        let groups: Vec<Group> = groups
            .map(|group| {
                let next = keys.len() as u32;
                let first = first_of(group);
                let key = *keys.entry(key_of(first)).or_insert(next);
                let earlier = earlier_of(first).cloned();
                let traces = earlier.iter().flat_map(|earlier| &earlier.traces);
                let mut earlier_traces: Vec<(u32, f32)> =
                    traces.map(|(id, weight)| (numbers.of(*id), *weight)).collect();
                earlier_traces.sort_unstable_by_key(|row| row.0);
                let rows = group.iter().map(|(_, row)| *row).collect();
                Group { key, request: request_of(first), rows, earlier, earlier_traces, ..Group::default() }
            })
            .collect();
        let mut grouped = vec![false; candidates.templates.lines.len()];
        let is_alone = |group: &Group| group.lines() < 2;
        for row in groups.iter().flat_map(|group| &group.rows) {
            grouped[candidates.rows[*row as usize].template as usize] = true;
        }
        let (alone, groups) = groups.into_iter().partition(is_alone);
        RequestGroups { groups, alone, grouped, agreement }
    }

    /// Of each template: some of its lines are in a group.
    pub(crate) fn templates(&self) -> &[bool] {
        &self.grouped
    }

    /// Of each row: the lines of its group.
    pub(crate) fn sizes(&self, rows: usize) -> Vec<u32> {
        let mut sizes = vec![1; rows];
        for group in &self.groups {
            for row in &group.rows {
                sizes[*row as usize] = group.lines();
            }
        }
        sizes
    }

    /// What each line tells of the request it names, by itself. `weights`, and what is of no span: by each line alone.
    pub(crate) fn told(
        &self,
        operations: &Operations,
        candidates: &Candidates,
        concurrency: &[f32],
        posteriors: &Posteriors,
    ) -> Vec<Told> {
        let expected = ExpectedOpen::new(candidates, concurrency, &posteriors.preference, &self.grouped);
        let mut sums = Vec::new();
        let mut told = Vec::new();
        for group in self.groups.iter().chain(&self.alone) {
            for row in &group.rows {
                let none = evidence(operations, candidates, posteriors, &expected, *row, &mut sums);
                let traces = sums.iter().map(|(trace, weight)| (operations.trace_id(*trace), *weight)).collect();
                told.push(Told { request: group.request, row: *row, none, traces });
            }
        }
        told
    }

    /// One trace for each group, and of each key no more groups for a trace than its capacity.
    pub(crate) fn agree(
        &mut self,
        operations: &Operations,
        candidates: &Candidates,
        concurrency: &[f32],
        posteriors: &mut Posteriors,
    ) {
        let expected = ExpectedOpen::new(candidates, concurrency, &posteriors.preference, &self.grouped);
        let mut sums: Vec<(u32, f32)> = Vec::new();
        for group in &mut self.groups {
            group.weigh(operations, candidates, posteriors, &expected, &mut sums);
        }
        share(&mut self.groups);
        for group in &self.groups {
            for row in &group.rows {
                let place = &candidates.rows[*row as usize];
                candidates.sums_by_trace(operations, &posteriors.weights, place, 1e-30, &mut sums);
                // What each trace's pairs are to be taken times.
                for (trace, sum) in &mut sums {
                    let at = group.traces.binary_search_by_key(trace, |of| of.0);
                    *sum = at.map_or(0.0, |at| group.traces[at].1) / sum.max(1e-30);
                }
                for (pair, weight) in candidates.pairs[place.pairs()].iter().zip(&mut posteriors.weights[place.pairs()])
                {
                    let number = usize::from(pair.trace);
                    let scale = if number < TRACES_MAX {
                        sums.get(number).map(|(_, scale)| *scale)
                    } else {
                        let trace = operations.trace(pair.slot);
                        sums.iter().find(|(other, _)| *other == trace).map(|(_, scale)| *scale)
                    };
                    *weight = scale.unwrap_or(0.0) * weight.max(1e-30);
                }
                posteriors.none[*row as usize] = group.none;
            }
        }
    }
}

impl Group {
    /// Weighs the traces that it may be of: the product of what its lines say.
    fn weigh(
        &mut self,
        operations: &Operations,
        candidates: &Candidates,
        posteriors: &Posteriors,
        expected: &ExpectedOpen,
        sums: &mut Vec<(u32, f32)>,
    ) {
        let floor = GROUP_FLOOR.ln();
        let by_chance =
            expected.open_during(candidates, &self.rows, self.earlier.as_ref().map(|earlier| earlier.first));
        let mut all: Vec<(u32, f32)> = self.earlier_traces.clone();
        let mut none = self.earlier.as_ref().map_or(0.0, |earlier| earlier.none);
        for row in &self.rows {
            none += evidence(operations, candidates, posteriors, expected, *row, sums);
            all.extend_from_slice(sums);
        }
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let lines = self.lines() as f32;
        let none = (none / lines).clamp(1e-9, 1.0 - 1e-6);
        let base = lines * floor - by_chance.ln();
        let logs = all.chunk_by(|a, b| a.0 == b.0).map(|run| (run[0].0, base + run.iter().map(|of| of.1).sum::<f32>()));
        self.traces.clear();
        self.traces.extend(logs);
        let most = self.traces.iter().map(|of| of.1).fold(none.ln(), f32::max);
        self.none = (none.ln() - most).exp();
        for (_, log) in &mut self.traces {
            *log = (*log - most).exp() * (1.0 - none);
        }
        self.scale();
    }

    /// Lines that name it, those before included.
    fn lines(&self) -> u32 {
        self.rows.len() as u32 + self.earlier.as_ref().map_or(0, |earlier| earlier.lines)
    }

    fn scale(&mut self) {
        let sum = self.none + self.traces.iter().map(|of| of.1).sum::<f32>();
        let scale = 1.0 / sum.max(1e-30);
        self.none *= scale;
        self.traces.iter_mut().for_each(|of| of.1 *= scale);
    }
}

/// Lines of runs whose key names requests, each in its largest: run and row, in order.
fn members(runs: &[&[u128]], keys: &RequestKeys<'_>, rows: usize) -> Vec<(u32, u32)> {
    let mut run_of = vec![u32::MAX; rows];
    for (number, run) in runs.iter().enumerate().filter(|(_, run)| keys.names_request(key_of(run[0]))) {
        for keyed in *run {
            let own = &mut run_of[*keyed as u32 as usize];
            if *own == u32::MAX || runs[*own as usize].len() < run.len() {
                *own = number as u32;
            }
        }
    }
    let all = run_of.iter().zip(0u32..).filter(|(run, _)| **run != u32::MAX);
    let mut members: Vec<(u32, u32)> = all.map(|(run, row)| (*run, row)).collect();
    members.sort_unstable();
    members
}

/// What a line says of each trace, above the least that it may say, into `sums`; gives the share of its template's lines without
/// a recorded span.
fn evidence(
    operations: &Operations,
    candidates: &Candidates,
    posteriors: &Posteriors,
    expected: &ExpectedOpen,
    row: u32,
    sums: &mut Vec<(u32, f32)>,
) -> f32 {
    let floor = GROUP_FLOOR.ln();
    candidates.sums_by_trace(operations, &posteriors.weights, &candidates.rows[row as usize], 1e-30, sums);
    // Against none, given that its request was recorded: what spans take already is in it.
    let template = candidates.rows[row as usize].template as usize;
    let share = posteriors.none_share[template];
    let against = posteriors.none[row as usize].max(1e-12) / share.max(1e-6) * (1.0 - share).max(0.01);
    // Each line alone has to choose among all requests that are open, the group does so once.
    let once = expected.open(template) / against;
    sums.iter_mut().for_each(|(_, sum)| *sum = (*sum * once + 1e-30).ln().max(floor) - floor);
    share
}

/// Numbers of traces by the low halves of their ids.
struct TraceNumbers {
    known: NumberMap<u64, u32>,
    next: u32,
}

impl TraceNumbers {
    /// `is_asked`: else none is known.
    fn new(operations: &Operations, is_asked: bool) -> TraceNumbers {
        let count = if is_asked { operations.traces() as u32 } else { 0 };
        TraceNumbers { known: (0..count).map(|trace| (operations.trace_id(trace), trace)).collect(), next: u32::MAX }
    }

    fn of(&mut self, id: u64) -> u32 {
        *self.known.entry(id).or_insert_with(|| {
            self.next -= 1;
            self.next
        })
    }
}

/// Of each key a trace takes as many groups as is typical: else those of requests that were not recorded go to one that runs
/// at the same time.
fn share(groups: &mut [Group]) {
    // (key, trace) → its place in `taken`.
    let mut places: NumberMap<(u32, u32), u32> = NumberMap::default();
    let mut keys: Vec<u32> = Vec::new();
    let mut taken: Vec<f32> = Vec::new();
    for group in groups.iter() {
        for (trace, part) in group.traces.iter().filter(|of| of.1 > GROUP_PART_LEAST) {
            let at = *places.entry((group.key, *trace)).or_insert(taken.len() as u32) as usize;
            if at == taken.len() {
                keys.push(group.key);
                taken.push(0.0);
            }
            taken[at] += part;
        }
    }
    let place = |key: u32, trace: u32| places.get(&(key, trace)).copied().unwrap_or(u32::MAX) as usize;
    let place_of: Vec<usize> =
        groups.iter().flat_map(|group| group.traces.iter().map(|of| place(group.key, of.0))).collect();
    let mut counts: NumberMap<u32, Vec<u32>> = NumberMap::default();
    for (key, taken) in keys.iter().zip(&taken).filter(|of| *of.1 > 0.5) {
        counts.entry(*key).or_default().push(taken.round() as u32);
    }
    let typical = |counts: &mut Vec<u32>| {
        counts.sort_unstable();
        counts.get((counts.len() as f32 * GROUP_QUANTILE) as usize).copied().unwrap_or(1).max(1) as f32
    };
    let capacity: NumberMap<u32, f32> = counts.iter_mut().map(|(key, counts)| (*key, typical(counts))).collect();
    let caps: Vec<f32> = keys.iter().map(|key| capacity.get(key).copied().unwrap_or(1.0)).collect();
    for _ in 0..GROUP_CAPACITY_ROUNDS {
        let mut is_shared = true;
        for (part, cap) in taken.iter_mut().zip(&caps) {
            is_shared &= *part <= cap * 1.001;
            *part = (cap / part.max(1e-9)).min(1.0);
        }
        if is_shared {
            break;
        }
        let mut places = place_of.iter();
        for group in groups.iter_mut() {
            for ((_, part), place) in group.traces.iter_mut().zip(places.by_ref()) {
                *part *= taken.get(*place).copied().unwrap_or(1.0);
            }
            group.scale();
        }
        taken.fill(0.0);
        for ((_, part), place) in groups.iter().flat_map(|group| &group.traces).zip(&place_of) {
            if let Some(taken) = taken.get_mut(*place) {
                *taken += part;
            }
        }
    }
}

/// How many requests are open where chance puts a template's lines, by how long they still are.
struct ExpectedOpen(Vec<[f32; BINS]>);

impl ExpectedOpen {
    /// `grouped`: of each template, whether it is asked for.
    fn new(candidates: &Candidates, concurrency: &[f32], preference: &[f32], grouped: &[bool]) -> ExpectedOpen {
        let mut open = vec![[0.0f32; BINS]; candidates.templates.lines.len()];
        for (class, (template, _)) in
            candidates.classes.iter().enumerate().filter(|(_, class)| grouped[class.0 as usize])
        {
            let template = *template as usize;
            let clutter = clutter(&candidates.clutter[class].end, candidates.templates.lines[template].max(1) as f32);
            let share = concurrency[template] * preference[class];
            open[template].iter_mut().zip(&clutter).for_each(|(open, clutter)| *open += share * clutter);
        }
        for open in &mut open {
            for bin in (1..BINS).rev() {
                open[bin - 1] += open[bin];
            }
        }
        ExpectedOpen(open)
    }

    fn open(&self, template: usize) -> f32 {
        self.0[template][0].max(1.0)
    }

    /// … from the first to the last line of a group. `earlier`: when the first was, of those that are not among these.
    fn open_during(&self, candidates: &Candidates, group: &[u32], earlier: Option<i64>) -> f32 {
        let times = || group.iter().map(|row| &candidates.rows[*row as usize]);
        let first = times().min_by_key(|row| row.time);
        let last = times().map(|row| row.time).max();
        let chance = first.zip(last).map(|(first, last)| {
            let all = &self.0[first.template as usize];
            // Where fewer than one is open, a line alone knows that already.
            all[usize::from(bin(last - earlier.unwrap_or(first.time).min(first.time)))] / all[0].clamp(1e-6, 1.0)
        });
        chance.unwrap_or(1.0).max(GROUP_OPEN_LEAST)
    }
}

/// Service and key of a run; the value is left out.
fn key_of(keyed: u128) -> (u32, u32) {
    ((keyed >> 96) as u32, (keyed >> 64) as u32)
}

/// Service, key and value of a run.
fn request_of(keyed: u128) -> NamedRequest {
    ((keyed >> 96) as u32, (keyed >> 32) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(key: u32, traces: &[(u32, f32)]) -> Group {
        let none = 1.0 - traces.iter().map(|of| of.1).sum::<f32>();
        Group { key, rows: vec![0, 1], traces: traces.to_vec(), none, ..Group::default() }
    }

    /// The groups that a trace takes of a key, in parts.
    fn taken(groups: &[Group], key: u32, trace: u32) -> f32 {
        let of_key = groups.iter().filter(|group| group.key == key).flat_map(|group| &group.traces);
        of_key.filter(|of| of.0 == trace).map(|of| of.1).sum()
    }

    #[test]
    fn a_trace_takes_as_many_groups_of_a_key_as_is_typical() {
        // Four traces have one group each, and a fifth one looks like four.
        let mut groups: Vec<Group> = (0..4).map(|trace| group(1, &[(trace, 0.99)])).collect();
        groups.extend((0..4).map(|_| group(1, &[(9, 0.7)])));
        share(&mut groups);
        assert!((taken(&groups, 1, 9) - 1.0).abs() < 0.05, "{groups:?}");
        for trace in 0..4 {
            assert!(taken(&groups, 1, trace) > 0.98, "{groups:?}");
        }
        // What it has to give up goes to none.
        assert!(groups[4..].iter().all(|group| group.none > 0.7), "{groups:?}");
    }

    #[test]
    fn what_a_trace_gives_up_goes_to_the_others_that_a_group_may_be_of() {
        let mut groups: Vec<Group> = (0..4).map(|trace| group(1, &[(trace, 0.99)])).collect();
        groups.extend([group(1, &[(8, 0.98)]), group(1, &[(8, 0.6), (9, 0.38)])]);
        share(&mut groups);
        assert!(groups[4].traces[0].1 > groups[5].traces[0].1, "{groups:?}");
        assert!(groups[5].traces[1].1 > 0.5, "{groups:?}");
    }

    #[test]
    fn keys_do_not_take_from_each_other_and_what_is_typical_stays() {
        // Two groups of each trace are usual for one key, and one for the other.
        let of_key = |key, times: u32| {
            (0..5).flat_map(move |trace| (0..times).map(move |_| group(key, &[(trace, 0.9)]))).collect::<Vec<_>>()
        };
        let mut groups: Vec<Group> = [of_key(1, 2), of_key(2, 1)].into_iter().flatten().collect();
        share(&mut groups);
        for trace in 0..5 {
            assert!((taken(&groups, 1, trace) - 1.8).abs() < 1e-3 && (taken(&groups, 2, trace) - 0.9).abs() < 1e-3);
        }
    }

    proptest! {
        #[test]
        fn a_group_is_of_one_trace_or_of_none_however_much_is_shared(
            parts in prop::collection::vec((0u32..3, prop::collection::btree_map(0u32..6, 0.001f32..1.0, 1..4), 0.001f32..1.0), 0..20),
        ) {
            let mut groups: Vec<Group> = parts
                .into_iter()
                .map(|(key, traces, none)| Group { key, rows: vec![0, 1], traces: traces.into_iter().collect(), none, ..Group::default() })
                .collect();
            groups.iter_mut().for_each(Group::scale);
            let before: Vec<f32> = groups.iter().map(|group| group.none).collect();
            share(&mut groups);
            for (group, before) in groups.iter().zip(before) {
                let sum = group.none + group.traces.iter().map(|of| of.1).sum::<f32>();
                prop_assert!((sum - 1.0).abs() < 1e-3, "{} in {:?}", sum, group);
                prop_assert!(group.traces.iter().all(|of| (0.0..=1.001).contains(&of.1)), "{:?}", group);
                // To be of none becomes no less likely by what others take.
                prop_assert!(group.none >= before - 1e-3, "{:?} was of none by {}", group, before);
            }
        }
    }
}
