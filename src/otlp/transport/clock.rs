//! The time of day, for those who are given a date to wait for.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, for `Retry-After` dates.
pub(crate) fn unix_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
