//! When the lines of a service are learned from, along a stream.
//!
//! In go lines as they come near to being due, out come the services whose habits are learned anew: often at first and where
//! lines of unknown kinds come, then each time as many lines have come as before in all, and after some time in any case.
//! So what learning costs is bounded by the lines there are, and next to nothing of many.

use super::model::Model;
use super::stream_tuning::{
    EARLY_LINES, LEARNED_AGAIN_NS, LEARNING_GAP_NS, LEARNING_GROWTH, LEARNING_LINES_LEAST, UNKNOWN_LINES_MOST,
    UNKNOWN_SHARE,
};
use crate::correlate::stored::stored;
use crate::correlate::text::hash::{NumberMap, NumberSet};
use crate::correlate::text::templates::Template;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    services: NumberMap<u32, Progress>,
    /// When any was learned of last, ns since the epoch.
    learned_at: Option<i64>,
}

stored!(Schedule { services, learned_at });

/// Of a service.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Lines before it was learned of last, and since.
    before: u64,
    since: u64,
    /// Those since of whose kind nothing is known.
    unknown: u64,
    /// So many of these make it due: more where learning did not help.
    unknown_least: u64,
    /// When it was learned of last, ns since the epoch, and how long after the time before.
    learned_at: Option<i64>,
    pause: i64,
}

stored!(Progress { before, since, unknown, unknown_least, learned_at, pause });

impl Schedule {
    /// A line comes near to being due.
    pub(crate) fn count(&mut self, service: u32, template: &Template, model: &Model) {
        let of = self.services.entry(service).or_insert(Progress {
            before: 0,
            since: 0,
            unknown: 0,
            unknown_least: LEARNING_LINES_LEAST,
            learned_at: None,
            pause: 0,
        });
        of.since += 1;
        of.unknown += u64::from(!is_known(model, service, template));
    }

    /// The services that are due; none where others were learned of just before.
    pub(crate) fn due(&mut self, now: i64) -> Option<NumberSet<u32>> {
        if self.learned_at.is_some_and(|at| now.saturating_sub(at) < LEARNING_GAP_NS) {
            return None;
        }
        let due: NumberSet<u32> =
            self.services.iter().filter(|(_, of)| of.is_due(now)).map(|(service, _)| *service).collect();
        if due.is_empty() {
            return None;
        }
        self.learned_at = Some(now);
        for service in &due {
            if let Some(of) = self.services.get_mut(service) {
                let pause = of.learned_at.map_or(0, |at| now.saturating_sub(at));
                let before = of.before + of.since;
                *of = Progress { before, since: 0, unknown: 0, learned_at: Some(now), pause, ..*of };
            }
        }
        Some(due)
    }

    /// How long it took until a service was learned of anew, ns.
    pub(crate) fn pause_of(&self, service: u32) -> i64 {
        self.services.get(&service).map_or(0, |of| of.pause)
    }

    /// Services were learned of from these lines: where most kinds are still not known, learning helps little.
    pub(crate) fn learned(
        &mut self,
        services: &NumberSet<u32>,
        model: &Model,
        lines: impl Iterator<Item = (u32, Template)>,
    ) {
        let mut counts: NumberMap<u32, (u64, u64)> = NumberMap::default();
        for (service, template) in lines {
            let count = counts.entry(service).or_default();
            *count = (count.0 + 1, count.1 + u64::from(!is_known(model, service, &template)));
        }
        for service in services {
            let (lines, unknown) = counts.get(service).copied().unwrap_or_default();
            if let Some(of) = self.services.get_mut(service) {
                let is_of_use = unknown * 2 <= lines.min(of.unknown_least);
                of.unknown_least = match is_of_use {
                    true => LEARNING_LINES_LEAST,
                    false => (of.unknown_least * 2).min(UNKNOWN_LINES_MOST),
                };
            }
        }
    }
}

impl Progress {
    fn is_due(&self, now: i64) -> bool {
        let growth = LEARNING_GROWTH[usize::from(self.before >= EARLY_LINES)];
        let grown = (self.before as f32 * growth) as u64;
        let unknown = (self.since as f32 * UNKNOWN_SHARE) as u64;
        let is_old = self.learned_at.is_some_and(|at| now.saturating_sub(at) >= LEARNED_AGAIN_NS);
        self.since >= grown.max(LEARNING_LINES_LEAST)
            || self.unknown >= unknown.max(self.unknown_least)
            || is_old && self.since >= LEARNING_LINES_LEAST
    }
}

fn is_known(model: &Model, service: u32, template: &Template) -> bool {
    model.is_known(service, template.fine) || model.is_known(service, template.coarse)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn template(kind: u64) -> Template {
        Template { fine: kind, coarse: kind, message: 0, values: 0 }
    }

    #[test]
    fn what_learning_costs_is_bounded_by_the_lines() {
        let (mut schedule, model) = (Schedule::default(), Model::default());
        let (mut times, mut lines) = (0, 0);
        // No kind gets known: that does not make it cost more.
        for second in 0..3_600 {
            for _ in 0..100 {
                schedule.count(1, &template(second as u64), &model);
                lines += 1;
            }
            if let Some(due) = schedule.due(second * SECOND) {
                times += 1;
                schedule.learned(&due, &model, (0..100).map(|_| (1, template(1))));
            }
        }
        assert!(lines == 360_000 && (20..60).contains(&times), "{times}");
    }

    #[test]
    fn a_service_whose_lines_are_new_is_learned_of_at_once_and_others_are_not() {
        let (mut schedule, model) = (Schedule::default(), Model::default());
        for _ in 0..1_000 {
            schedule.count(1, &template(1), &model);
        }
        assert_eq!(schedule.due(0), Some(NumberSet::from_iter([1])));
        for _ in 0..LEARNING_LINES_LEAST {
            schedule.count(2, &template(2), &model);
        }
        assert_eq!(schedule.due(1), None);
        assert_eq!(schedule.due(LEARNING_GAP_NS), Some(NumberSet::from_iter([2])));
        assert_eq!(schedule.pause_of(2), 0);
    }
}
