//! Kinds of lines that are written when the span they seem to belong to is over.
//!
//! In go pairs with their weights, out comes for each kind whether its lines are written after the span's end, and so not in
//! it. What the counts mean is documented in `end_counts`.

use super::end_counts::{self, EndCounts};
use crate::correlate::learn::candidates::Candidates;
use crate::correlate::learn::span_fit::names_duration;
use crate::correlate::learn::tuning::{
    ACCESS_LINES, ACCESS_OVER_SHARE, AFTER_END_RATIO, LATE_SHARE, LATENESS_PRIOR_MEAN, LATENESS_PRIOR_PAIRS,
    LATENESS_SKEWED_SHARE, LATER_LINES, LATER_PRIOR_LINES, LATER_RATIO, LATER_SHARE_LEAST, MISSING_LINES,
};
use crate::correlate::text::hash::NumberMap;

/// What the weights of all pairs say of ends.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    pub(crate) templates: Vec<EndCounts>,
    /// Of each kind: its lines, and those that are certainly late.
    pub(crate) classes: Vec<(f32, f32)>,
    /// Of each kind: its lines that are stamped after the end of the span.
    over: Vec<f32>,
    /// … and those that are stamped at the end or after it.
    last: Vec<f32>,
    /// Of each service: pairs that are right, and others.
    services: NumberMap<u32, [LateCounts; 2]>,
}

#[derive(Debug, Default, Clone, Copy)]
struct LateCounts {
    all: f32,
    late: f32,
}

impl LateCounts {
    fn add(&mut self, weight: f32, is_late: bool) {
        self.all += weight;
        self.late += if is_late { weight } else { 0.0 };
    }

    fn share(self, at_first: f32) -> f32 {
        (self.late + LATENESS_PRIOR_PAIRS * at_first) / (self.all + LATENESS_PRIOR_PAIRS)
    }
}

impl Lateness {
    pub(crate) fn new(candidates: &Candidates, weights: &[f32]) -> Lateness {
        let mut late = Lateness {
            templates: vec![EndCounts::default(); candidates.templates.service.len()],
            classes: vec![(0.0, 0.0); candidates.classes.len()],
            over: vec![0.0; candidates.classes.len()],
            last: vec![0.0; candidates.classes.len()],
            services: NumberMap::default(),
        };
        let mut service = (u32::MAX, [LateCounts::default(); 2]);
        for (pair, weight) in candidates.pairs.iter().zip(weights) {
            let late_weight = if pair.late { *weight } else { 0.0 };
            let class = &mut late.classes[pair.class as usize];
            *class = (class.0 + weight, class.1 + late_weight);
            late.over[pair.class as usize] += if pair.over { *weight } else { 0.0 };
            late.last[pair.class as usize] += if pair.last { *weight } else { 0.0 };
            let template = candidates.classes[pair.class as usize].0 as usize;
            let ends = &mut late.templates[template];
            ends.all += weight;
            ends.late += late_weight;
            ends.ended += if pair.ended { *weight } else { 0.0 };
            ends.timed += if names_duration(pair.clues) { *weight } else { 0.0 };
            ends.longer += if pair.longer { *weight } else { 0.0 };
            // Pairs come by template: another service is rare.
            let group = candidates.templates.service[template];
            if service.0 != group {
                late.services.insert(service.0, service.1);
                service = (group, late.services.get(&group).copied().unwrap_or_default());
            }
            let [right, others] = &mut service.1;
            right.add(*weight, pair.late);
            others.add(1.0 - weight, pair.late);
        }
        late.services.insert(service.0, service.1);
        late
    }

    /// Templates whose lines come after the end of the spans they seem to belong to: all are stamped after the end of the
    /// whole trace, and some are certainly later, which the lines of other templates never are. The same message counts
    /// as one in all services.
    pub(crate) fn written_after(&self, candidates: &Candidates) -> Vec<bool> {
        let before = &candidates.prior;
        let mut templates = self.templates.clone();
        for (ends, before) in templates.iter_mut().zip(&before.templates) {
            ends.add(&before.ends);
        }
        let missing = end_counts::missing(&templates, &candidates.templates.service, &candidates.templates.message);
        // Where much of a service's lines come late, its clocks differ, and being late says nothing.
        let mut of_service: NumberMap<u32, (f32, f32, f32)> = NumberMap::default();
        let mut of_message = before.messages.clone();
        for (template, ends) in templates.iter().enumerate() {
            let service = of_service.entry(candidates.templates.service[template]).or_default();
            service.0 += if ends.is_late() { ends.all } else { 0.0 };
            service.1 += ends.all;
            service.2 += if ends.is_last() { 0.0 } else { ends.late };
            of_message.entry(candidates.templates.message[template]).or_default().add(ends);
        }
        let mut of_access: NumberMap<u32, (f32, f32)> = NumberMap::default();
        for ((class, (template, _)), over) in candidates.classes.iter().enumerate().zip(&self.over) {
            if candidates.templates.is_access[*template as usize] {
                let service = of_access.entry(candidates.templates.service[*template as usize]).or_default();
                *service = (service.0 + self.last[class], service.1 + over);
            }
        }
        let is_over = |(all, over): &(f32, f32)| *all >= ACCESS_LINES && *over >= ACCESS_OVER_SHARE * all;
        let is_after = |(class, (template, _)): (usize, &(u32, u32))| {
            let template = *template as usize;
            let ends = &templates[template];
            let (late, all, typical) =
                of_service.get(&candidates.templates.service[template]).copied().unwrap_or_default();
            let (now, before) = (self.classes[class], before.late.get(class).copied().unwrap_or_default());
            let own = now.1 + before.1 >= 0.3 * LATE_SHARE * (now.0 + before.0);
            let is_late = own && ends.is_late() && late <= LATENESS_SKEWED_SHARE * all;
            let message = of_message.get(&candidates.templates.message[template]).copied().unwrap_or_default();
            let later = LATER_SHARE_LEAST + LATER_RATIO * (typical + LATER_PRIOR_LINES) / all.max(1.0);
            let is_later = message.late >= LATER_LINES.max(later * message.all);
            is_late
                || is_later && message.is_mostly_last() && ends.is_last()
                || ends.is_last() && missing[template] >= MISSING_LINES
                || ends.is_longer()
                || candidates.templates.is_access[template]
                    && of_access.get(&candidates.templates.service[template]).is_some_and(is_over)
        };
        candidates.classes.iter().enumerate().map(is_after).collect()
    }

    /// Of each template: how likely a line is in a span that had certainly ended, against others: by how often lines of
    /// its service are. Where clocks differ that is no less than by chance.
    pub(crate) fn after_end(&self, candidates: &Candidates) -> Vec<f32> {
        let factor = |service: &u32| {
            let [right, others] = self.services.get(service).copied().unwrap_or_default();
            (right.share(AFTER_END_RATIO * LATENESS_PRIOR_MEAN) / others.share(LATENESS_PRIOR_MEAN))
                .clamp(AFTER_END_RATIO, 1.0)
        };
        candidates.templates.service.iter().map(factor).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::learn::candidates::{CandidatePair, Templates};

    #[test]
    fn ended_spans_count_where_clocks_differ() {
        let pair = |late| CandidatePair { late, ..CandidatePair::plain() };
        // Of each line, the right pair and another.
        let factor = |right_late: usize, others_late: usize| {
            let late = |count| (0..100).map(move |at| pair(at < count));
            let classes = vec![(0, 0)];
            let templates = Templates { service: vec![7], ..Templates::default() };
            let pairs = late(right_late).chain(late(others_late)).collect();
            let weights = [vec![1.0; 100], vec![0.0; 100]].concat();
            let candidates = Candidates { pairs, classes, templates, ..Candidates::default() };
            Lateness::new(&candidates, &weights).after_end(&candidates)[0]
        };
        assert_eq!(factor(0, 30), AFTER_END_RATIO);
        assert!(factor(40, 40) > 0.95);
        assert!((0.3..0.7).contains(&factor(10, 20)));
    }

    #[test]
    fn last_lines_are_late_more_often_than_those_before_them() {
        let pair = |class, late, ended| CandidatePair { class, late, ended, ..CandidatePair::plain() };
        // Of a hundred last lines five are late, of those before them so many.
        let is_after = |late_before: usize| {
            let last = (0..100).map(|at| pair(0, at < 5, true));
            let before = (0..300).map(|at| pair(1, at < late_before, at < late_before));
            let candidates = Candidates {
                pairs: last.chain(before).collect(),
                classes: vec![(0, 0), (1, 0)],
                templates: Templates {
                    lines: vec![100, 300],
                    service: vec![7; 2],
                    message: vec![1, 2],
                    is_access: vec![false; 2],
                    ..Templates::default()
                },
                ..Candidates::default()
            };
            Lateness::new(&candidates, &[1.0; 400]).written_after(&candidates)
        };
        assert_eq!(is_after(0), [true, false]);
        assert_eq!(is_after(2), [false, false]);
    }
}
