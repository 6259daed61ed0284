//! Lines that are written when all is over.
//!
//! In go weights of lines whose spans had ended, out comes whether a kind of line is written after the end of the spans
//! that it seems to belong to. Counted elsewhere; here is only what so many mean.

/// A kind of line is written after the end when so many, and such a share, certainly are.
const LATE_MIN: f32 = 1.5;
pub(super) const LATE_SHARE: f32 = 0.03;
/// … where at least so many are stamped after it.
const ENDED_LEAST: f32 = 0.5;
/// Lines are the last of a trace of which this share is stamped after the end of the trace.
const ENDED_SHARE: f32 = 0.9;

/// How the lines of a template stand to the ends of their traces' spans.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) all: f32,
    /// Certainly written after.
    pub(super) late: f32,
    /// Stamped after.
    pub(super) ended: f32,
}

impl Ends {
    pub(super) fn is_late(&self) -> bool {
        self.late >= LATE_MIN && self.late >= LATE_SHARE * self.all && self.ended >= ENDED_LEAST * self.all
    }

    pub(super) fn is_last(&self) -> bool {
        self.ended >= ENDED_SHARE * self.all
    }

    pub(super) fn add(&mut self, other: &Ends) {
        self.all += other.all;
        self.late += other.late;
        self.ended += other.ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_lines_are_stamped_after_the_end() {
        let ends = Ends { all: 100.0, late: 5.0, ended: 95.0 };
        assert!(ends.is_late() && ends.is_last());
        assert!(!Ends { ended: 20.0, ..ends }.is_late());
        assert!(!Ends { late: 1.0, ..ends }.is_late());
    }
}
