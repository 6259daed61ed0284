//! Lines that are written when all is over.
//!
//! In go weights of lines whose spans had ended, out comes whether a kind of line is written after the end of the spans
//! that it seems to belong to. Counted elsewhere; here is only what so many mean.

use crate::correlate::learn::tuning::{
    LAST_ENDED_SHARE, LAST_ENDED_SHARE_POOLED, LAST_REFERENCE_LINES, LAST_REFERENCE_SHARE, LATE_ENDED_SHARE,
    LATE_LINES, LATE_SHARE, LONGER_LINES, LONGER_SHARE, LONGER_TIMED_SHARE, MISSING_BEFORE_WEIGHT,
};
use crate::correlate::stored::stored;
use crate::correlate::text::hash::NumberMap;

/// How the lines of a template stand to the ends of their traces' spans.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EndCounts {
    pub(crate) all: f32,
    /// Certainly written after.
    pub(crate) late: f32,
    /// Stamped after.
    pub(crate) ended: f32,
    /// The text holds the span's duration, …
    pub(crate) timed: f32,
    /// … which is longer than the span.
    pub(crate) longer: f32,
}

stored!(EndCounts { all, late, ended, longer, timed });

impl EndCounts {
    pub(crate) fn is_late(&self) -> bool {
        self.late >= LATE_LINES && self.late >= LATE_SHARE * self.all && self.ended >= LATE_ENDED_SHARE * self.all
    }

    /// Tells durations that are longer than the spans: they are told when these are over.
    pub(crate) fn is_longer(&self) -> bool {
        self.timed >= LONGER_LINES.max(LONGER_TIMED_SHARE * self.all)
            && self.longer >= LONGER_SHARE * self.timed
            && self.ended >= LATE_ENDED_SHARE * self.all
    }

    pub(crate) fn is_last(&self) -> bool {
        self.ended >= LAST_ENDED_SHARE * self.all
    }

    /// … as far as they are not taken for those of other traces.
    pub(crate) fn is_mostly_last(&self) -> bool {
        self.ended >= LAST_ENDED_SHARE_POOLED * self.all
    }

    pub(crate) fn add(&mut self, other: &EndCounts) {
        self.add_part(other, 1.0);
    }

    /// Adds a part of others.
    pub(crate) fn add_part(&mut self, other: &EndCounts, part: f32) {
        self.all += part * other.all;
        self.late += part * other.late;
        self.ended += part * other.ended;
        self.timed += part * other.timed;
        self.longer += part * other.longer;
    }

    /// What is left without others.
    pub(crate) fn less(&self, other: &EndCounts) -> EndCounts {
        let left = |all: f32, other: f32| (all - other).max(0.0);
        EndCounts {
            all: left(self.all, other.all),
            late: left(self.late, other.late),
            ended: left(self.ended, other.ended),
            timed: left(self.timed, other.timed),
            longer: left(self.longer, other.longer),
        }
    }

    pub(crate) fn scale(&mut self, part: f32) {
        let all = [&mut self.all, &mut self.late, &mut self.ended, &mut self.timed, &mut self.longer];
        all.into_iter().for_each(|of| *of *= part);
    }
}

/// Of each kind of line: how many more of it should have been stamped before the end, were it written before the end as
/// other last lines of its service are. The same message counts as one in all services.
pub(crate) fn missing(templates: &[EndCounts], services: &[u32], messages: &[u64]) -> Vec<f32> {
    let mut of_service: NumberMap<u32, EndCounts> = NumberMap::default();
    for (ends, service) in
        templates.iter().zip(services).filter(|(ends, _)| ends.ended >= LAST_REFERENCE_SHARE * ends.all)
    {
        of_service.entry(*service).or_default().add(ends);
    }
    let mut of_message: NumberMap<u64, f32> = NumberMap::default();
    for ((ends, service), message) in templates.iter().zip(services).zip(messages) {
        let mut others = of_service.get(service).copied().unwrap_or_default();
        if ends.ended >= LAST_REFERENCE_SHARE * ends.all {
            others.all -= ends.all;
            others.ended -= ends.ended;
        }
        let typical =
            if others.all < LAST_REFERENCE_LINES { 0.0 } else { (others.all - others.ended).max(0.0) / others.all };
        *of_message.entry(*message).or_default() +=
            typical * ends.all - MISSING_BEFORE_WEIGHT * (ends.all - ends.ended);
    }
    messages.iter().map(|message| of_message[message].max(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::learn::tuning::MISSING_LINES;

    #[test]
    fn late_lines_are_stamped_after_the_end() {
        let ends = EndCounts { all: 100.0, late: 5.0, ended: 95.0, ..EndCounts::default() };
        assert!(ends.is_late() && ends.is_last());
        assert!(!EndCounts { ended: 20.0, ..ends }.is_late());
        assert!(!EndCounts { late: 1.0, ..ends }.is_late());
    }

    #[test]
    fn what_is_measured_within_a_span_is_shorter() {
        let ends = EndCounts { all: 100.0, ended: 90.0, timed: 60.0, longer: 59.0, ..EndCounts::default() };
        assert!(ends.is_longer());
        assert!(!EndCounts { longer: 40.0, ..ends }.is_longer(), "as often by chance");
        assert!(!EndCounts { timed: 3.0, longer: 3.0, ..ends }.is_longer(), "too few");
        assert!(!EndCounts { ended: 20.0, ..ends }.is_longer(), "stamped before the end");
    }

    #[test]
    fn of_lines_before_the_end_some_are_stamped_before_it() {
        let kinds = |idle: f32| {
            let last = |ended| EndCounts { all: 100.0, ended, ..EndCounts::default() };
            missing(&[last(93.0), last(idle), EndCounts { ended: 10.0, ..last(0.0) }], &[1; 3], &[1, 2, 3])
        };
        assert!(kinds(100.0)[1] >= MISSING_LINES && kinds(97.0)[1] < MISSING_LINES);
        assert_eq!((kinds(100.0)[0], kinds(100.0)[2]), (0.0, 0.0));
        assert_eq!(missing(&[EndCounts { all: 100.0, ended: 100.0, ..EndCounts::default() }], &[1], &[1]), [0.0]);
    }
}
