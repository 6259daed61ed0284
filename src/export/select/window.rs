//! The window of time.
//!
//! In go the times of a source's records in order, out comes whether each takes part. A record without a time goes with
//! the one before it; the first of a source takes part.

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    since: Option<i64>,
    until: Option<i64>,
    /// The record before took part.
    before: bool,
}

impl Window {
    /// From a time on, ns since the epoch, and up to another.
    pub fn new(since: Option<i64>, until: Option<i64>) -> Window {
        Window { since, until, before: true }
    }

    /// All times lie in it.
    pub fn is_open(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// The next record is the first of its source.
    pub fn source_begins(&mut self) {
        self.before = true;
    }

    /// Whether the next record takes part.
    pub fn takes(&mut self, time: Option<i64>) -> bool {
        if let Some(time) = time {
            self.before = self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until);
        }
        self.before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_a_time_goes_with_the_one_before_it() {
        let mut window = Window::new(Some(10), Some(20));
        let taken: Vec<bool> =
            [None, Some(9), None, Some(10), None, Some(20), None].map(|time| window.takes(time)).into();
        assert_eq!(taken, [true, false, false, true, true, false, false]);
        window.source_begins();
        assert!(window.takes(None) && !window.is_open() && Window::new(None, None).is_open());
    }
}
