//! A bare number that was taken for the time, and may count something else.
//!
//! In goes an entry and another time of the same line, out comes the entry without the number as its time where the two lie
//! far apart.

use crate::entry::{Entry, Field, Text, Time};
use crate::json;

const DAY_NANOS: u64 = 86_400 * 1_000_000_000;

impl Entry<'_> {
    /// Takes a bare number back as the time if it lies further than a day from another time of the line: it counts
    /// something else (a duration, a monotonic clock). It becomes the field that it would have been.
    #[inline]
    pub fn doubt_number_time(&mut self, other_nanos: i64) {
        if self.number_time.is_some() {
            self.check_number_time(other_nanos);
        }
    }

    #[cold]
    fn check_number_time(&mut self, other_nanos: i64) {
        let (Some(number), Time::Unix { nanos, .. }) = (self.number_time, self.time) else { return };
        if nanos.abs_diff(other_nanos) <= DAY_NANOS {
            return;
        }
        self.number_time = None;
        self.time = Time::None;
        let field = Field { key: Text::Borrowed(number.key), value: json::value(number.raw) };
        self.fields.insert(number.place.min(self.fields.len()), field);
    }
}
